"""Preconditioners of CG: cheap approximate inverses that change the speed, never the answer.

The factorised Hessian of a sample of the rows takes the fewest iterations by far, and the least
time where X is dense. On sparse data, where products are cheap, and beyond the size that can be
factorised, it is Jacobi or nothing, and neither always wins. benchmarks/preconditioners.py
measures all of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from ..curvature import Array
from ..operators import HessianOperator
from .base import SolverContext
from .factorisation import factorise

Preconditioner = Callable[[Array], Array]

# scipy 1.12 renamed the relative tolerance.
RELATIVE_TOLERANCE = "rtol" if "rtol" in inspect.signature(cg).parameters else "tol"
TRIAL_ITERATIONS, TRIAL_TOLERANCE = 40, 1e-8
AS_GOOD_AS_THERE = 1e-4


class SampledHessian:
    """The factorised Hessian of a random sample of rows, scaled up to all of them."""

    def __init__(self, operator: HessianOperator, n_rows: int, context: SolverContext) -> None:
        rng = np.random.default_rng(context.random_state)
        rows = np.sort(rng.choice(operator.n_rows, size=n_rows, replace=False))
        # That of Gauss–Newton is positive definite, whatever the sample.
        self.sample = operator.gauss_newton().rows(rows, scale=operator.n_rows / n_rows)
        blocks = self.sample.dense_blocks()
        # Without a penalty a sample can be singular where the whole is not. A small relative
        # shift keeps the preconditioner positive definite, and a column that is zero in the
        # whole sample takes its entry from all rows.
        index = np.arange(blocks.shape[1])
        diagonal = blocks[:, index, index]
        whole = operator.to_blocks(operator.main_diagonal()[:, None])[:, :, 0]
        blocks[:, index, index] = np.where(diagonal > 0, (1.0 + 1e-3) * diagonal, whole)
        self.factors = [factorise(block) for block in blocks]

    def __call__(self, residuals: Array) -> Array:
        """Apply to (p, m)."""
        split = self.sample.to_blocks(residuals)
        solved = [factor.solve(block) for factor, block in zip(self.factors, split, strict=True)]
        return self.sample.from_blocks(np.stack(solved))


class Jacobi:
    """The inverse diagonal of ∇²J."""

    def __init__(self, operator: HessianOperator) -> None:
        diagonal = operator.main_diagonal()
        self.inverse = 1.0 / np.where(diagonal > 0, diagonal, 1.0)

    def __call__(self, residuals: Array) -> Array:
        """Apply to (p, m)."""
        return self.inverse[:, None] * residuals


class Identity:
    """No preconditioner."""

    def __init__(self, operator: HessianOperator) -> None:
        pass

    def __call__(self, residuals: Array) -> Array:
        """Nothing."""
        return residuals


DIAGONAL: dict[str, Callable[[HessianOperator], Preconditioner]] = {
    "jacobi": Jacobi,
    "none": Identity,
}


def faster_diagonal(operator: HessianOperator, context: SolverContext) -> str:
    """Jacobi or none, whichever is ahead after a trial on the gradient of random residuals.

    Neither is safe to assume: Jacobi takes a quarter of the iterations on columns of very
    different scale, and twice as many on word counts with an L2 penalty. CG maximises bᵀx over
    its Krylov space, so the larger bᵀx is ahead. Where both are as good as there, which Jacobi
    often is first and none the sooner to the last digits, whichever takes fewer iterations is, or
    leaves the smaller residual.
    """
    rng, rows = np.random.default_rng(context.random_state), operator.linear_map
    signs = rng.choice([-1.0, 1.0], size=(rows.n_rows, rows.n_outputs, 1))
    b = np.asarray(rows.vjp(signs), dtype=np.float64)[:, 0]
    trials = {name: _trial(operator, b, DIAGONAL[name](operator)) for name in sorted(DIAGONAL)}
    reached = {name: trial[0] for name, trial in trials.items()}
    most, least = max(reached.values()), min(reached.values())
    if most - least > AS_GOOD_AS_THERE * abs(most):
        return max(reached, key=lambda name: reached[name])
    return min(trials, key=lambda name: trials[name][1:])


def _trial(operator: HessianOperator, b: Array, apply: Preconditioner) -> tuple[float, int, float]:
    """bᵀx, iterations and ‖b − Ax‖."""
    taken: list[int] = []
    precondition = LinearOperator(
        operator.shape, matvec=lambda v: apply(v.reshape(-1, 1)).reshape(-1), dtype=b.dtype
    )
    solution, _ = run_cg(
        operator, b, precondition, TRIAL_TOLERANCE, TRIAL_ITERATIONS, lambda _: taken.append(1)
    )
    residual = np.linalg.norm(b - operator.matvec(solution))
    return float(b @ solution), len(taken), float(residual)


def run_cg(
    operator: LinearOperator,
    b: Array,
    precondition: LinearOperator,
    tolerance: float,
    max_iter: int,
    callback: Callable[[Array], None] | None = None,
) -> tuple[Array, int]:
    """``scipy.sparse.linalg.cg`` under the name that its relative tolerance has."""
    options = {RELATIVE_TOLERANCE: tolerance}
    solution, info = cg(
        operator, b, atol=0.0, maxiter=max_iter, M=precondition, callback=callback, **options
    )
    return solution, info
