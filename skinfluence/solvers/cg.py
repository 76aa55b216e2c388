"""Conjugate gradients on many right-hand sides at once."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..blocks import rows_per_block
from ..curvature import Array
from ..exceptions import SingularHessianError, warn_user
from ..jobs import in_jobs
from ..operators import HessianOperator
from ..predictors import LinearMap
from ..progress import Advance, progress
from ..resources import resources
from .base import (
    SELF_INFLUENCE,
    InverseHessian,
    Solver,
    SolverContext,
    leverage_blocks,
    require_features,
)
from .iterations import Iterates, Recycled, conjugate_gradients
from .preconditioners import DIAGONAL, Preconditioner, SampledHessian, faster_diagonal
from .spectrum import estimate_spectrum

# Of sparse rows: products with so many take no longer for each than with more.
COLUMNS_OF_A_JOB = 32
# The iterates: ten vectors for each right-hand side, those of products included.
STACK_BYTES = 1 << 28
# Sampled-Hessian preconditioners are dense: beyond this many parameters they don't pay.
LARGEST_DENSE_PRECONDITIONER = 12_000
# Nor where building one costs more than this many products with the Hessian: on sparse data a
# product is cheap and a factor is not.
MOST_PRODUCTS = 500


@dataclass(frozen=True)
class CG(Solver):
    """Preconditioned conjugate gradients.

    All right-hand sides are solved side by side, each with its own step lengths and until it has
    converged, so each iteration is two matrix–matrix products. Solutions are kept, as far as a
    few MB hold them, and give later questions a start.

    Parameters
    ----------
    tol : float, optional
        Relative residual of each right-hand side; by default 1e-8 for float64 data and 1e-5 for
        float32.
    max_iter : int, default=1000
        Iterations after which it stops with a ConvergenceWarning.
    preconditioner : {"auto", "sampled-hessian", "jacobi", "none"}, default="auto"
        "auto": the factorised Hessian of a sample of the rows where building it costs no more
        than a few hundred products; else Jacobi or none, whichever is ahead after a short trial.
    sample_size : int, optional
        Rows in the sampled Hessian; by default 4 per input, at least 1,000.

    Examples
    --------
    >>> from skinfluence import CG
    >>> CG(tol=1e-10)
    CG(tol=1e-10, max_iter=1000, preconditioner='auto', sample_size=None)
    """

    tol: float | None = None
    max_iter: int = 1000
    preconditioner: Literal["auto", "sampled-hessian", "jacobi", "none"] = "auto"
    sample_size: int | None = None

    def factor(self, operator: HessianOperator, context: SolverContext) -> CGInverse:
        """Build the preconditioner."""
        require_features(operator, "cg")
        kind: str = self.preconditioner
        if kind == "auto":
            pays = self._dense_pays(operator)
            kind = "sampled-hessian" if pays else faster_diagonal(operator, context)
        if kind == "sampled-hessian":
            n_rows = self._n_sampled(operator)
            precondition: Preconditioner = SampledHessian(operator, n_rows, context)
            label = f"{kind} of {n_rows} rows"
        elif kind in DIAGONAL:
            precondition, label = DIAGONAL[kind](operator), kind
        else:
            raise ValueError(
                f"CG got preconditioner={kind!r}; it knows 'auto', 'sampled-hessian', 'jacobi' "
                "and 'none'."
            )
        inverse = CGInverse(operator, self, precondition, label)
        inverse.condition = estimate_spectrum(operator, context).condition
        return inverse

    def _n_sampled(self, operator: HessianOperator) -> int:
        # In proportion to the inputs whose covariance the sample estimates.
        proportionate = max(1000, 4 * operator.n_inputs)
        return min(operator.n_rows, self.sample_size or proportionate)

    def _dense_pays(self, operator: HessianOperator) -> bool:
        size = operator.block_size
        most = resources().max_memory // 4
        if size > LARGEST_DENSE_PRECONDITIONER or 2 * 8 * size**2 * operator.n_blocks > most:
            return False
        sample = operator.rows(slice(0, self._n_sampled(operator)))
        return sample.dense_operations() <= MOST_PRODUCTS * operator.product_operations()


class CGInverse(InverseHessian):
    """(∇²J)⁻¹ by iteration, to ``tolerance``."""

    name = "cg"

    def __init__(
        self, operator: HessianOperator, settings: CG, precondition: Preconditioner, label: str
    ) -> None:
        super().__init__(operator)
        self.settings = settings
        self._preconditioner = precondition
        self.label = label
        default = 1e-8 if operator.dtype == np.float64 else 1e-5
        self.tolerance = default if settings.tol is None else settings.tol
        self.n_iter = 0
        self._recycled = Recycled()

    def solve(self, right_hand_sides: Array) -> Array:
        """(∇²J)⁻¹ B; ConvergenceWarning where the tolerance is not met.

        It starts from what earlier solutions are worth to these.
        """
        return self._solve(right_hand_sides, self.tolerance, self._recycled)

    def solve_many(self, right_hand_sides: Array) -> Array:
        """From 0: what jobs have solved before, or not yet, must not be seen in the last digits."""
        return self.solve_to(right_hand_sides, self.tolerance)

    def solve_to(self, right_hand_sides: Array, tolerance: float) -> Array:
        """From 0, with a relative residual of at most ``tolerance`` in every column."""
        return self._solve(right_hand_sides, tolerance)

    def estimate(self, right_hand_sides: Array) -> Array:
        """(∇²J)⁻¹ B with a relative residual of at most 0.1 in every column."""
        return self.solve_to(right_hand_sides, 0.1)

    def precondition(self, right_hand_sides: Array) -> Array:
        """CG's own preconditioner: CG itself is not linear in the right-hand side."""
        return self._preconditioner(np.asarray(right_hand_sides, dtype=np.float64))

    def self_products(self, linear_map: LinearMap, residuals: Array) -> Array:
        """g_iᵀ (∇²J)⁻¹ g_i, (n,)."""
        # With e = g − Av, gᵀA⁻¹g = gᵀv + vᵀe + eᵀA⁻¹e, and vᵀe = 0 for iterates from 0. So gᵀv has
        # an error quadratic in the residual, and half the digits will do.
        tolerance = max(self.tolerance, np.sqrt(self.tolerance) / 30)
        result = np.empty(linear_map.n_rows)
        bytes_per_row = 8 * 4 * self.operator.n_parameters
        for rows in leverage_blocks(linear_map.n_rows, bytes_per_row, SELF_INFLUENCE):
            gradients = linear_map.take(rows).columns(residuals[rows])
            solved = self._solve(gradients, tolerance)
            result[rows] = np.einsum("pi,pi->i", gradients, solved)
        return result

    def _solve(
        self, right_hand_sides: Array, tolerance: float, recycled: Recycled | None = None
    ) -> Array:
        right_hand_sides = np.asarray(right_hand_sides, dtype=np.float64)
        norms = np.linalg.norm(right_hand_sides, axis=0)
        result = np.zeros_like(right_hand_sides)
        active = np.flatnonzero(norms)
        width = rows_per_block(8 * 10 * self.operator.n_parameters, limit=STACK_BYTES)
        in_one_thread, earlier = self.operator.linear_map.is_sparse, recycled
        if in_one_thread:
            # Jobs take some of the columns each, and start from what there was before all of them.
            width, earlier = min(width, COLUMNS_OF_A_JOB), copy(recycled)
        groups = [active[first : first + width] for first in range(0, len(active), width)]
        self.n_iter = 0
        with progress(len(active), "conjugate gradients, right-hand sides") as advance:

            def solved(columns: Array) -> tuple[Array, Iterates]:
                unit = right_hand_sides[:, columns] / norms[columns]
                return unit, self._iterate(unit, tolerance, earlier, advance)

            most = None if in_one_thread else 1
            done = in_jobs(solved, ((columns,) for columns in groups), most=most)
            for columns, (unit, found) in zip(groups, done, strict=True):
                self.n_iter = max(self.n_iter, found.n_iter)
                if not found.converged:
                    self._warn(unit, found.solution, tolerance)
                elif recycled is not None:
                    recycled.keep(found.solution, unit - found.residual)
                result[:, columns] = found.solution * norms[columns]
        return result

    def _iterate(
        self, unit: Array, tolerance: float, recycled: Recycled | None, advance: Advance
    ) -> Iterates:
        start = None if recycled is None else recycled.start(unit)
        with np.errstate(over="ignore", invalid="ignore"):  # where there is no solution
            return conjugate_gradients(
                self.operator.matmat,
                unit,
                self._preconditioner,
                tolerance,
                self.settings.max_iter,
                start,
                advance,
            )

    def _warn(self, unit: Array, solution: Array, tolerance: float) -> None:
        residual = np.linalg.norm(unit - self.operator.matmat(solution), axis=0)
        if not residual.max() <= 1.0:
            raise SingularHessianError(
                "CG diverged: the Hessian is singular or nearly so, and some requested gradients "
                "lie partly outside of its range: these rows differ from the others in a way "
                "that the training rows do not determine. Remove constant or collinear columns, "
                "add a penalty to the estimator, or pass damping=1e-6 or larger."
            )
        warn_user(
            f"CG stopped after {self.settings.max_iter} iterations: the largest relative residual "
            f"is {residual.max():.1e}, asked was {tolerance:.1e}. Raise max_iter or tol "
            "(solver=CG(max_iter=..., tol=...)), use solver='cholesky' where the Hessian fits "
            "into memory, or check that it is not singular (add a penalty or damping).",
            ConvergenceWarning,
        )

    def describe(self) -> str:
        """Tolerance and preconditioner."""
        return f"tolerance {self.tolerance:.0e}, preconditioner {self.label}"
