"""Ways to apply (∇²J)⁻¹."""

from typing import Any

from .auto import Auto, Choice
from .base import InverseHessian, Solver, SolverContext
from .cg import CG
from .cholesky import Cholesky
from .dual import Dual
from .lissa import LiSSA
from .sketch import Sketch

BY_NAME: dict[str, type[Solver]] = {
    "auto": Auto,
    "cholesky": Cholesky,
    "dual": Dual,
    "cg": CG,
    "lissa": LiSSA,
    "sketch": Sketch,
}


def as_solver(solver: Any) -> Solver:
    """A solver from its name or from its settings object.

    Parameters
    ----------
    solver : str or Solver
        As ``InfluenceExplainer`` takes it.

    Returns
    -------
    Solver

    Raises
    ------
    ValueError, TypeError
        For an unknown name, or an object that is no solver.
    """
    if isinstance(solver, str):
        if solver not in BY_NAME:
            raise ValueError(
                f"InfluenceExplainer got solver={solver!r}; it knows {sorted(BY_NAME)}, or pass "
                "a solver object such as CG(tol=1e-10)."
            )
        return BY_NAME[solver]()
    if not isinstance(solver, Solver):
        raise TypeError(
            f"InfluenceExplainer got solver={solver!r} of type {type(solver).__name__}; it needs "
            f"one of {sorted(BY_NAME)} or a solver object such as Cholesky(), CG(tol=1e-10) or "
            "LiSSA(repeats=10)."
        )
    return solver


__all__ = [
    "CG",
    "Auto",
    "Choice",
    "Cholesky",
    "Dual",
    "InverseHessian",
    "LiSSA",
    "Sketch",
    "Solver",
    "SolverContext",
    "as_solver",
]
