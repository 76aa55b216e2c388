"""Whether the training rows determine the parameters at all."""

from __future__ import annotations

from .exceptions import SingularHessianError
from .objective import Objective

WAYS_OUT = (
    "Add a penalty to the estimator (for example a finite C or alpha > 0), or pass damping=1e-4 "
    "or larger to InfluenceExplainer."
)


def require_determined(
    objective: Objective, damping: float, rank: int | None = None, *, ways_out: str = WAYS_OUT
) -> None:
    """Refuse data that leave the optimum undetermined.

    A singular Hessian alone is no reason: collinear columns are projected out exactly. Two cases
    are: perfectly separable classes without a penalty (there is no optimum), and fewer rows
    than directions without a penalty (every row is fitted exactly, and none has any influence).

    Parameters
    ----------
    objective : Objective
    damping : float
        Any damping above 0 makes the question well posed.
    rank : int, optional
        Of ∇²J, where a solver has found it; without it only the sizes are compared.
    ways_out : str
        What the error advises.

    Raises
    ------
    SingularHessianError
    """
    if damping > 0 or not objective.penalty.is_zero:
        return
    if objective.loss.separates(objective.y, objective.training_values):
        raise SingularHessianError(
            "The Hessian is singular: the classes are perfectly separable and the estimator has "
            "no penalty, so its loss has no minimum and its coefficients only stopped growing "
            f"when the solver did. {ways_out}"
        )
    p = objective.n_parameters
    curved = int((objective.curvature.largest_eigenvalues() > 0).sum())
    most = curved * objective.linear_map.n_outputs
    found = min(most, p) if rank is None else rank
    if found < p and found >= most:
        raise SingularHessianError(
            f"The Hessian is singular, of rank {found} for {p} parameters: the estimator has no "
            f"penalty and {curved} training rows with curvature can't determine so many. "
            f"{ways_out}"
        )
