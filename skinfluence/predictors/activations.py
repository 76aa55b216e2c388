"""Activation functions of a network's hidden layers, and their derivatives given a = φ(h)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ..curvature import Array


@dataclass(frozen=True)
class Activation:
    """φ, and φ'(h) and φ''(h) in terms of a = φ(h).

    Parameters
    ----------
    value, slope, bend : callable
        ``bend`` is None where φ'' is 0 almost everywhere.
    """

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    bend: Callable[[Array], Array] | None


ACTIVATIONS = {
    "identity": Activation(lambda h: h, np.ones_like, None),
    "tanh": Activation(np.tanh, lambda a: 1.0 - a * a, lambda a: -2.0 * a * (1.0 - a * a)),
    "logistic": Activation(
        expit, lambda a: a * (1.0 - a), lambda a: a * (1.0 - a) * (1.0 - 2.0 * a)
    ),
    # At its kink the slope is 0, as scikit-learn has it.
    "relu": Activation(lambda h: np.maximum(h, 0), lambda a: (a > 0).astype(a.dtype), None),
}
