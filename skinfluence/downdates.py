"""(∇²J_c)⁻¹ for a column of new weights: by Woodbury for a few rows, else by its own factor.

∇²J_c = ∇²J − U C Uᵀ,   U = (U_i), C = diag(Δs_i B_i) over the rows whose weight falls by Δs_i
(∇²J_c)⁻¹ = (∇²J)⁻¹ + (∇²J)⁻¹ U (I − C M)⁻¹ C Uᵀ (∇²J)⁻¹,   M = Uᵀ (∇²J)⁻¹ U
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .curvature import Array
from .predictors import LinearMap
from .resources import resources
from .reweighting import Reweighting
from .solvers import InverseHessian, Solver, SolverContext

# The factor I − C M of a downdate stays below 32 MB.
LARGEST_DOWNDATE = 2000
# With an iterative solver every column of U costs as much as a right-hand side.
LARGEST_ITERATIVE_DOWNDATE = 20
# Of U and of (∇²J)⁻¹ U, on the way to it.
COPIES = 8


@dataclass(frozen=True)
class Downdate:
    """(∇²J − U C Uᵀ)⁻¹ for a few rows at once.

    Parameters
    ----------
    inverse : InverseHessian
        Of ∇²J.
    linear_map : LinearMap
        Of the rows.
    curvature : ndarray of shape (rows, K, K)
        Δs_i B_i.
    """

    inverse: InverseHessian
    linear_map: LinearMap
    curvature: Array

    @cached_property
    def solved(self) -> Array:
        """(∇²J)⁻¹ U, (p, rows · K)."""
        n, k = self.linear_map.n_rows, self.linear_map.n_outputs
        seeds = [self.linear_map.columns(np.tile(unit, (n, 1))) for unit in np.eye(k)]
        columns = np.stack(seeds, axis=2).reshape(-1, n * k)
        return self.inverse.solve(columns)

    @cached_property
    def left(self) -> Array:
        """I − C M, (rows · K, rows · K)."""
        size = self.solved.shape[1]
        leverage = self.linear_map.jvp(self.solved)
        bent = np.matmul(self.curvature, leverage.astype(np.float64))
        return np.eye(size) - bent.reshape(size, size)

    @property
    def determined(self) -> bool:
        """Whether the other rows leave the model determined."""
        return bool(self.inverse.leaves_enough(self.left))

    def solve(self, right_hand_sides: Array) -> Array:
        """(∇²J_c)⁻¹ B, (p, m)."""
        return self._corrected(self.inverse.solve(right_hand_sides))

    def estimate(self, right_hand_sides: Array) -> Array:
        """The same as far as the solver's own estimate goes."""
        return self._corrected(self.inverse.estimate(right_hand_sides))

    def precondition(self, right_hand_sides: Array) -> Array:
        """A linear approximation of it: that of ∇²J, which is no worse by more than these rows."""
        return self.inverse.precondition(right_hand_sides)

    def _corrected(self, moved: Array) -> Array:
        own = self.linear_map.jvp(moved).astype(np.float64)
        bent = np.matmul(self.curvature, own).reshape(self.left.shape[0], -1)
        return np.asarray(moved + self.solved @ np.linalg.solve(self.left, bent))


@dataclass(frozen=True)
class OwnFactor:
    """(∇²J_c)⁻¹ as the solver makes it anew.

    Parameters
    ----------
    inverse : InverseHessian
        Of ∇²J_c.
    full_rank : int or None
        Rank of ∇²J.
    """

    inverse: InverseHessian
    full_rank: int | None

    @property
    def determined(self) -> bool:
        """Whether ∇²J_c has the rank of ∇²J."""
        rank = self.inverse.rank
        return rank is None or self.full_rank is None or rank >= self.full_rank

    def solve(self, right_hand_sides: Array) -> Array:
        """(∇²J_c)⁻¹ B, (p, m)."""
        # Changes of weight leave gradients in the range of ∇²J; what rounding adds is no error.
        if self.inverse.iterative_operations(1):
            return self.inverse.solve(right_hand_sides)
        return self.inverse.estimate(right_hand_sides)

    def estimate(self, right_hand_sides: Array) -> Array:
        """The same as far as the solver's own estimate goes."""
        return self.inverse.estimate(right_hand_sides)

    def precondition(self, right_hand_sides: Array) -> Array:
        """A linear approximation of it."""
        return self.inverse.precondition(right_hand_sides)


ColumnInverse = Downdate | OwnFactor


def column_inverse(
    reweighting: Reweighting,
    column: int,
    inverse: InverseHessian,
    solver: Solver,
    context: SolverContext,
) -> ColumnInverse:
    """Whichever of the two costs less for one column.

    Parameters
    ----------
    reweighting : Reweighting
    column : int
    inverse : InverseHessian
        Of ∇²J (with the explainer's damping).
    solver, context
        What makes inverses of reweighted Hessians.
    """
    objective = reweighting.objective
    rows = reweighting.changed_rows(column)
    scale = float(reweighting.penalty_scale[column])
    if rows is not None and scale == 1.0 and not len(rows):
        return OwnFactor(inverse, inverse.rank)
    if rows is not None and scale == 1.0 and _downdate_pays(inverse, len(rows)):
        lost = objective.weights.values[rows] - reweighting.weights(column)[rows]
        curvature = objective.row_curvature(rows).scaled(lost).to_dense()
        return Downdate(inverse, objective.linear_map.take(rows), curvature)
    hessian = objective.hessian(reweighting.weights(column), scale)
    factor = solver.factor(hessian.damped(inverse.operator.damping), context)
    return OwnFactor(factor, inverse.rank)


def factor_bytes(reweighting: Reweighting, inverse: InverseHessian) -> int:
    """Memory that a column's inverse keeps, at the most."""
    operator = inverse.operator
    n_rows = reweighting.most_changed_rows()
    if _downdate_pays(inverse, n_rows):
        return 8 * 2 * (n_rows * operator.n_outputs) ** 2
    curvature = 8 * 2 * operator.n_rows * operator.n_outputs
    if inverse.iterative_operations(1):
        return curvature
    return 8 * operator.n_blocks * operator.block_size**2 + curvature


def _downdate_pays(inverse: InverseHessian, n_rows: int) -> bool:
    operator = inverse.operator
    size = n_rows * operator.n_outputs
    if 8 * COPIES * operator.n_parameters * size > resources().max_memory:
        return False
    if inverse.iterative_operations(1):
        return size <= LARGEST_ITERATIVE_DOWNDATE
    solves = 4.0 * operator.n_blocks * operator.block_size**2 * size
    return size <= LARGEST_DOWNDATE and solves + size**3 < operator.dense_operations()
