"""Leverages and self-influence of all rows from a few solves, by random projection."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..curvature import Array
from ..operators import HessianOperator
from ..predictors import LinearMap
from ..progress import tracked_blocks
from ..resources import resources
from .base import (
    LEVERAGES,
    SELF_INFLUENCE,
    TYPICAL_ITERATIONS,
    InverseHessian,
    Solver,
    SolverContext,
    require_features,
)
from .cg import CG, CGInverse
from .dual import Dual
from .sketched_columns import BATCH, FEWEST, Columns

# A sparse product's operations take that many times as long as those of a factorisation.
SPARSE_COST = 10.0


@dataclass(frozen=True)
class Sketch(Solver):
    """Estimate leverages and self-influence of all rows from q conjugate-gradient solves.

    For Hessians that can't be formed: self-influence, leave-one-out by one Newton step and all
    that rests on leverages, of every row, for about the price of some dozens of right-hand
    sides. Test rows' own directions are solved for by CG as always. Where a dual system over the
    rows costs less, it is used instead, and exact.

    Parameters
    ----------
    rtol : float, default=0.05
        Relative error (root mean square over the rows) at which there are enough columns q. It is
        estimated from how the columns differ, and is in the explainer's ``report_``.
    max_columns : int, default=2000
        The most there may be; a ConvergenceWarning tells where they, or a quarter of
        ``max_memory``, don't reach ``rtol``.
    iterative : CG, default=CG()
        How systems are solved.

    References
    ----------
    .. [1] Spielman & Srivastava, "Graph Sparsification by Effective Resistances", SIAM J. Comput.,
       2011.

    Examples
    --------
    >>> from skinfluence import Sketch
    >>> Sketch(rtol=0.02).max_columns
    2000
    """

    rtol: float = 0.05
    max_columns: int = 2000
    iterative: CG = field(default_factory=CG)

    def __post_init__(self) -> None:
        if not 0 < self.rtol < 1 or self.max_columns < FEWEST:
            raise ValueError(
                f"Sketch got rtol={self.rtol!r} and max_columns={self.max_columns!r}; needed are a "
                f"relative error between 0 and 1 and a whole number of at least {FEWEST}."
            )

    def factor(self, operator: HessianOperator, context: SolverContext) -> InverseHessian:
        """Prepare CG; columns are solved for when the first leverage is asked for."""
        require_features(operator, "sketch")
        if operator.linear_map.tangent or operator.bends_back or operator.coupling is not None:
            raise ValueError(
                "InfluenceExplainer got solver='sketch' for a network, a loss that is not convex, "
                "or a penalty on norms of groups, whose Hessian is no sum of squares of rows that "
                "are at hand. Use solver='cg'."
            )
        if self._dual_pays(operator):
            return Dual().factor(operator, context)
        return SketchInverse(operator, self, context)

    def _dual_pays(self, operator: HessianOperator) -> bool:
        if not operator.has_dual or operator.dual_size >= operator.block_size:
            return False
        memory = 2 * 8 * operator.n_blocks * float(operator.dual_size) ** 2
        iterations = TYPICAL_ITERATIONS * 2.0 / self.rtol**2
        sketched = iterations * operator.product_operations()
        cost = SPARSE_COST if operator.linear_map.density < 1 else 1.0
        return memory <= resources().max_memory and operator.dual_operations() <= cost * sketched


class SketchInverse(InverseHessian):
    """CG for right-hand sides, sketched columns for what all rows ask for."""

    name = "sketch"

    def __init__(self, operator: HessianOperator, settings: Sketch, context: SolverContext) -> None:
        super().__init__(operator)
        self.settings, self.context = settings, context
        self.inner: CGInverse = settings.iterative.factor(operator, context)
        self.condition = self.inner.condition

    def solve(self, right_hand_sides: Array) -> Array:
        """(∇²J)⁻¹ B by CG."""
        return self.inner.solve(right_hand_sides)

    def solve_many(self, right_hand_sides: Array) -> Array:
        """The same from 0."""
        return self.inner.solve_many(right_hand_sides)

    def estimate(self, right_hand_sides: Array) -> Array:
        """To one digit."""
        return self.inner.estimate(right_hand_sides)

    def precondition(self, right_hand_sides: Array) -> Array:
        """CG's preconditioner."""
        return self.inner.precondition(right_hand_sides)

    def iterative_operations(self, n_right_hand_sides: int) -> float:
        """Next to nothing for each row, once there are columns."""
        return 0.0

    @cached_property
    def columns(self) -> Columns:
        """V and W, found when first asked for."""
        return Columns.found(
            self.operator,
            self.inner.solve_to,
            self.settings.rtol,
            self.settings.max_columns,
            self.context.random_state,
        )

    @property
    def relative_error(self) -> float:
        """Of leverages and self-influence, root mean square over the rows: estimated."""
        return self.columns.relative_error

    def leverage(self, linear_map: LinearMap) -> Array:
        """M_i, (n, K, K)."""
        k = self.operator.n_outputs
        result = np.empty((linear_map.n_rows, k, k))
        for rows in tracked_blocks(linear_map.n_rows, 8 * k * (3 * BATCH + 5 * k), LEVERAGES):
            result[rows] = self.columns.leverage(linear_map.take(rows))
        return result

    def self_products(self, linear_map: LinearMap, residuals: Array) -> Array:
        """g_iᵀ (∇²J)⁻¹ g_i, (n,)."""
        result = np.empty(linear_map.n_rows)
        bytes_per_row = 8 * (3 * self.operator.n_outputs + 1) * BATCH
        for rows in tracked_blocks(linear_map.n_rows, bytes_per_row, SELF_INFLUENCE):
            result[rows] = self.columns.products(linear_map.take(rows), residuals[rows])
        return result

    def describe(self) -> str:
        """Columns, their error, and CG's settings."""
        found = self.columns
        return (
            f"{found.n_columns} sketched columns, estimated relative error "
            f"{found.relative_error:.1%}; {self.inner.describe()}"
        )
