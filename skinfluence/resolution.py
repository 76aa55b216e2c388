"""Whether the user's own fit is exact enough to show effects as small as those of a row.

A solver that stops at its ``tol`` is off its optimum by about δ = (∇²J)⁻¹ ∇J, which moves a test
row's target by ∇target_tᵀ δ. A refit stops as far off in another direction, so the difference of
two fits is noise where a row's effect isn't larger by far. This is a finer question than
``optimality``'s, which compares δ with the noise of all rows together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .curvature import Array
from .exceptions import warn_user
from .objective import Objective
from .optimality import smallest_subgradient
from .questions import Question
from .solvers import InverseHessian

# Shares of the effects' size: an error, or a difference of predicted and actual, that is too much,
# and what the advised tol aims at. That is far below, because the last step of a Newton solver
# undercuts its tol, and a tenth of it may change nothing.
LARGEST_ERROR = 0.05
ADVISED_ERROR = 0.001
# Below, a tolerance asks for less than rounding.
SMALLEST_TOL = 1e-15


def stopping_errors(objective: Objective, inverse: InverseHessian, question: Question) -> Array:
    """|∇target_tᵀ (∇²J)⁻¹ ∇J| at the fitted parameters, (n_test,)."""
    step = inverse.estimate(smallest_subgradient(objective)[:, None])
    moves = question.linear_map.jvp(step)[:, :, 0]
    return np.asarray(np.abs((question.gradients() * moves).sum(axis=1)))


def warn_if_unresolved(model: Any, errors: Array, predicted: Array, actual: Array) -> None:
    """Warn where the error that ``tol`` leaves may be why refits differ from predictions.

    Two fits that stop early stop in much the same place as long as they are lucky: where all
    agrees, there is nothing to warn of.

    Parameters
    ----------
    model : estimator
        The final model, with the ``tol`` that it was fitted with.
    errors : ndarray of shape (n_test,)
    predicted, actual : ndarray of shape (pairs,)
        Without NaN.
    """
    tol = model.get_params(deep=False).get("tol")
    if not tol or not predicted.size:
        return
    # Root mean squares, because it is these that correlation and slope compare: rows and test
    # rows with next to no effect have no say in either.
    error, effect, difference = map(_root_mean_square, (errors, predicted, actual - predicted))
    if not 0.0 < LARGEST_ERROR * effect < min(error, difference) < np.inf:
        return
    warn_user(
        f"{type(model).__name__}(tol={tol:g}) stops before its optimum, which moves the targets "
        f"by about {error:.0e}; the chosen rows change them by about {effect:.0e} (root mean "
        "squares), so actual and predicted changes may differ for that reason alone. "
        f"{_advice(tol, effect / error)}",
        UserWarning,
    )


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _advice(tol: float, effect_to_error: float) -> str:
    advised = 10.0 ** np.floor(np.log10(tol * ADVISED_ERROR * effect_to_error))
    advised = max(advised, SMALLEST_TOL)
    if advised >= tol:
        return (
            "Raise max_iter or use another of its solvers: a lower tol asks for less than rounding."
        )
    return f"tol={advised:.0e} would do, with max_iter raised until the solver gets there."
