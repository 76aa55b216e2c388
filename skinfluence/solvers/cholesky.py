"""The dense solver: form ∇²J, factorise once, answer everything exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..curvature import Array
from ..operators import HessianOperator
from ..predictors import LinearMap
from ..resources import resources
from .base import (
    LEVERAGE_BLOCK_BYTES,
    LEVERAGES,
    SELF_INFLUENCE,
    InverseHessian,
    Solver,
    SolverContext,
    leverage_blocks,
    require_features,
    require_memory,
)
from .factorisation import CholeskyFactor, HalfInSingle, SpectralFactor, factorise


@dataclass(frozen=True)
class Cholesky(Solver):
    """Form the Hessian and factorise it (float64, whatever the data's dtype).

    Costs n q² K²/2 operations to form and p³/3 to factorise for a softmax loss with K outputs
    (K separate q × q matrices where the loss is a sum over outputs), p² numbers of memory, and
    then p² per right-hand side. Exact. Where the Hessian is singular, the directions that no
    training gradient has a part in are projected out; right-hand sides that do have one are
    refused (SingularHessianError).

    Examples
    --------
    >>> from skinfluence import Cholesky
    >>> Cholesky()
    Cholesky()
    """

    def factor(self, operator: HessianOperator, context: SolverContext) -> CholeskyInverse:
        """Form and factorise."""
        require_features(operator, "cholesky")
        require_memory(
            operator.block_size, operator.n_blocks, "cholesky", "solver='cg', 'sketch' or 'auto'"
        )
        return CholeskyInverse(operator)


class CholeskyInverse(InverseHessian):
    """One factor per independent block of ∇²J."""

    name = "cholesky"

    def __init__(self, operator: HessianOperator) -> None:
        super().__init__(operator)
        self.factors: list[CholeskyFactor | SpectralFactor] = [
            factorise(block) for block in operator.dense_blocks()
        ]
        self.condition = max(factor.condition for factor in self.factors)
        repeats = operator.n_outputs if self._one_for_all else 1
        self.rank = repeats * sum(factor.rank for factor in self.factors)
        self._half_inverse: Array | None = None
        self._in_single: list[HalfInSingle] | None = None

    @property
    def _one_for_all(self) -> bool:
        return self.operator.curvature.separable and len(self.factors) == 1

    def solve(self, right_hand_sides: Array) -> Array:
        """(∇²J)⁻¹ B, exact to rounding."""
        blocks = self.operator.to_blocks(np.asarray(right_hand_sides, dtype=np.float64))
        solved = [factor.solve(block) for factor, block in zip(self.factors, blocks, strict=True)]
        return self.operator.from_blocks(np.stack(solved))

    def estimate(self, right_hand_sides: Array) -> Array:
        """Without the check of ``solve``: a gradient near 0 is rounding, of any direction."""
        blocks = self.operator.to_blocks(np.asarray(right_hand_sides, dtype=np.float64))
        pairs = zip(self.factors, blocks, strict=True)
        solved = [factor.solve_in_range(block) for factor, block in pairs]
        return self.operator.from_blocks(np.stack(solved))

    def precondition(self, right_hand_sides: Array) -> Array:
        """As ``estimate``."""
        return self.estimate(right_hand_sides)

    def iterative_operations(self, n_right_hand_sides: int) -> float:
        """None."""
        return 0.0

    def leverage(self, linear_map: LinearMap) -> Array:
        """M_i, (n, K, K)."""
        if self.operator.curvature.separable:
            return self._separable_leverage(linear_map)
        if linear_map.tangent:
            return self._tangent_leverage(linear_map)
        # The inverse of the factor costs p³/3, a row's own K columns 2 K p².
        few = 6 * linear_map.n_rows * self.operator.n_outputs < self.operator.n_parameters
        few = few or not self._has_room()
        # Rows in float64 of a model in float32: those of which float32 doesn't know enough.
        exactly = linear_map.dtype != self.operator.dtype
        if exactly or (few and self._half_inverse is None):
            return super().leverage(linear_map)
        return self._coupled_leverage(linear_map)

    def self_products(self, linear_map: LinearMap, residuals: Array) -> Array:
        """g_iᵀ (∇²J)⁻¹ g_i, (n,)."""
        if self.operator.curvature.separable:
            diagonal = np.einsum("ikk->ik", self._separable_leverage(linear_map))
            return np.einsum("ik,ik->i", diagonal, residuals**2)
        bytes_per_row = 8 * 3 * self.operator.n_parameters
        pays = 6 * linear_map.n_rows > self.operator.n_parameters
        function = partial(_coupled_products, self._halves(linear_map, pays)[0])
        return linear_map.map_rows(
            function, [residuals], bytes_per_row, limit=LEVERAGE_BLOCK_BYTES, what=SELF_INFLUENCE
        )

    def _tangent_leverage(self, linear_map: LinearMap) -> Array:
        # Rows have no inputs that their K gradients share.
        k = self.operator.n_outputs
        result = np.empty((linear_map.n_rows, k, k))
        bytes_per_row = 8 * 3 * k * self.operator.n_parameters
        for rows in leverage_blocks(linear_map.n_rows, bytes_per_row, LEVERAGES):
            block = linear_map.take(rows)
            units = [block.columns(np.tile(unit, (block.n_rows, 1))) for unit in np.eye(k)]
            half = self.factors[0].half_solve(np.concatenate(units, axis=1))
            by_row = half.reshape(len(half), k, block.n_rows).transpose(2, 1, 0)
            result[rows] = by_row @ by_row.transpose(0, 2, 1)
        return result

    def _has_room(self) -> bool:
        """For the factors' inverses, and second arrays of their size."""
        size, number = self.operator.block_size, len(self.factors)
        return 2 * 8 * size**2 * number <= resources().max_memory

    def _halves(self, linear_map: LinearMap, pays: bool = True) -> list[Callable[[Array], Array]]:
        """B → L⁻¹ S B of each block; in float32 for rows in float32."""
        single = linear_map.dtype == np.float32 and self._has_room()
        if not pays or not single:
            return [factor.half_solve for factor in self.factors]
        if self._in_single is None:
            regular = [factor for factor in self.factors if isinstance(factor, CholeskyFactor)]
            if len(regular) < len(self.factors):
                return [factor.half_solve for factor in self.factors]
            self._in_single = [HalfInSingle(factor) for factor in regular]
        return list(self._in_single)

    def _separable_leverage(self, linear_map: LinearMap) -> Array:
        halves = self._halves(linear_map)
        function = partial(_separable_leverage, halves, self.operator.n_outputs)
        bytes_per_row = 8 * 3 * self.operator.n_inputs
        return linear_map.map_rows(
            function, [], bytes_per_row, limit=LEVERAGE_BLOCK_BYTES, what=LEVERAGES
        )

    def _coupled_leverage(self, linear_map: LinearMap) -> Array:
        # With L⁻¹ at hand, L⁻¹(φ_i ⊗ I_K) costs p² per row: its K column blocks times φ_i.
        # Solving for the K columns one by one would cost K p².
        if self._half_inverse is None:
            half = self._halves(linear_map)[0]
            if isinstance(half, HalfInSingle):
                self._half_inverse = half.inverse
            else:
                self._half_inverse = self.factors[0].half_inverse()
        k = self.operator.n_outputs
        triangular = isinstance(self.factors[0], CholeskyFactor)
        function = partial(_coupled_leverage, self._half_inverse, k, triangular)
        bytes_per_row = 8 * (k + 1) * len(self._half_inverse)
        return linear_map.map_rows(
            function, [], bytes_per_row, limit=LEVERAGE_BLOCK_BYTES, what=LEVERAGES
        )

    def describe(self) -> str:
        """Number and size of the factors."""
        sizes = f"{len(self.factors)} of size {len(self.factors[0].scale)}"
        return f"dense factorisation: {sizes}"

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_half_inverse"] = state["_in_single"] = None
        return state


def _separable_leverage(
    halves: list[Callable[[Array], Array]], n_outputs: int, rows: LinearMap
) -> Array:
    """M_i of a block of rows, where outputs are apart; one factor may be for all of them."""
    inputs = rows.inputs().T
    result = np.zeros((rows.n_rows, n_outputs, n_outputs))
    for output in range(n_outputs):
        if output < len(halves):
            half = halves[output](inputs)
            diagonal = np.einsum("pi,pi->i", half, half)
        result[:, output, output] = diagonal
    return result


def _coupled_leverage(
    half_inverse: Array, n_outputs: int, triangular: bool, rows: LinearMap
) -> Array:
    """M_i of a block of rows, where outputs are coupled."""
    inputs, q = rows.inputs().T.astype(half_inverse.dtype, copy=False), rows.n_inputs
    first = [q * j if triangular else 0 for j in range(n_outputs)]
    half = [half_inverse[first[j] :, q * j : q * (j + 1)] @ inputs for j in range(n_outputs)]
    result = np.empty((rows.n_rows, n_outputs, n_outputs))
    for j in range(n_outputs):
        for h in range(j + 1):
            overlap = half[h][first[j] - first[h] :]
            result[:, j, h] = np.einsum("pi,pi->i", half[j], overlap)
            result[:, h, j] = result[:, j, h]
    return result


def _coupled_products(
    half_solve: Callable[[Array], Array], rows: LinearMap, residuals: Array
) -> Array:
    """g_iᵀ (∇²J)⁻¹ g_i of a block of rows, where outputs are coupled."""
    gradients = rows.columns(residuals)
    if not rows.tangent:
        # Outputs are outermost in ∇²J.
        by_input = gradients.reshape(rows.n_inputs, rows.n_outputs, rows.n_rows)
        gradients = by_input.transpose(1, 0, 2).reshape(gradients.shape)
    half = half_solve(gradients)
    return np.einsum("pi,pi->i", half, half)
