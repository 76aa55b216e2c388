"""What ``fit`` tells about the model and its Hessian."""

from __future__ import annotations

from sklearn.utils import Bunch

from .convexity import Convexity
from .objective import Objective
from .optimality import Optimality
from .solvers import InverseHessian


def report_of(
    objective: Objective,
    inverse: InverseHessian,
    convex: Convexity,
    optimality: Optimality,
    newton_share: float | None,
    seconds: float,
) -> Bunch:
    """The explainer's ``report_``; its docstring tells what is in it."""
    return Bunch(
        n=objective.n_rows,
        p=objective.n_free_parameters,
        solver=inverse.name,
        reason=inverse.describe(),
        gradient_norm=optimality.gradient_norm,
        relative_step=optimality.relative_step,
        condition=inverse.condition,
        rank=inverse.rank,
        leverage_error=inverse.relative_error,
        damping=convex.damping,
        hessian=convex.name,
        hessian_reason=convex.reason,
        smallest_eigenvalue=convex.smallest_eigenvalue,
        newton_share=newton_share,
        held=objective.held,
        seconds=seconds,
    )
