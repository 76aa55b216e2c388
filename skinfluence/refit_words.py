"""What is said of refits: their progress, and those that have no optimum or don't reach it."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

from .exceptions import warn_user

LEFT_OUT = "left out"


def changed(what: str, verb: str) -> str:
    """How the rows of a refit differ from all."""
    return f"without {what}" if verb == LEFT_OUT else f"with {what} {verb}"


def ways_to_determine(bends_back: bool) -> str:
    """What to do about rows without which one Newton step has no answer."""
    if bends_back:
        return (
            "Their Hessian has a negative eigenvalue without them: pass hessian='gauss-newton' for "
            "a network, or damping."
        )
    return "Add a penalty to the estimator or pass damping."


def warn_undetermined(names: list[int], what: str, verb: str) -> None:
    """Of rows or groups without which, or with others in whose place, there is no optimum."""
    if names:
        warn_user(
            f"{len(names)} {what} can't be {verb} (for example {names[:5]}): the model is not "
            "determined then, a class has no rows, or the classes can be separated without a "
            "penalty, so their kind='refit' effects are NaN. Add a penalty to the estimator, or "
            "leave them out of the request.",
            RuntimeWarning,
        )


def warn_not_converged(
    missed: list[tuple[float, int]], what: str, verb: str, tolerance: float
) -> None:
    """Of relative gradients, with whose they are, that are above the tolerance."""
    if missed:
        size, worst = max(missed)
        warn_user(
            f"Refits {changed(f'{len(missed)} {what}', verb)} did not converge: the worst, "
            f"{worst}, got to a relative gradient of {size:.1e}, asked was {tolerance:.1e}. Raise "
            "refit_tol, check that an optimum exists (add a penalty to the estimator), or raise "
            "smoothing for a hinge loss.",
            ConvergenceWarning,
        )
