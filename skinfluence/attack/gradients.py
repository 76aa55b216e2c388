"""How moving training rows changes what a direction of the parameters stands for (Eq. 5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import effects
from ..curvature import Array
from ..objective import Objective
from ..transformers import pull_back


def weighted_gradients(objective: Objective, directions: Any, rows: Array) -> Array:
    """∂/∂x_i of v_tᵀ s_i ∇ℓ_i for directions (p, m) and training rows i: (m, rows, d).

    For v_t = (∇²J)⁻¹ ∇ℓ_t this is −s_i/n times the paper's I_pert,loss of row i on test row t: what
    moving the row does to the loss there, negated. Outputs that weigh rows differently do so here.
    """
    return effects.input_gradients(objective, directions, rows, objective.weights.values[rows])


def raw_slopes(
    objective: Objective, directions: Any, rows: Array, transformers: list[Any], X: Any
) -> Array:
    """How the raw features of training rows raise each target, to first order: (m, rows, d_raw).

    Parameters
    ----------
    objective : Objective
    directions : of shape (p, m)
        (∇²J)⁻¹ times the targets' gradients.
    rows : ndarray of int
        In the objective.
    transformers : list of fitted transformers
        Before the model.
    X
        The same rows, and these alone, as they came, in the user's container.
    """
    gradients = weighted_gradients(objective, directions, rows)
    return -pull_back(transformers, X, np.arange(len(rows)), gradients)
