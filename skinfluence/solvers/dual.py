"""The dual solver: a system over the rows with curvature, for many parameters or implicit ones.

With A = ∇²J = Φᵀ C Φ + Ω, C_i = R_i R_iᵀ, over the support (rows with C_i ≠ 0),

    S = I + Rᵀ Φ Ω⁻¹ Φᵀ R          λS = λI + D^½ K D^½ for a kernel and its penalty λ
    A⁻¹ g = Ω⁻¹ (g − Φᵀ R S⁻¹ Rᵀ Φ Ω⁻¹ g)

(Woodbury). An intercept that is not penalised, with inputs c, borders the system:

    B = Rᵀ c,   M = Bᵀ S⁻¹ B,   e = Rᵀ Φ Ω⁻¹ g,   v_b = M⁻¹ (g_b − Bᵀ S⁻¹ e),   t = S⁻¹ (e + B v_b)

and A⁻¹g = (Ω⁻¹ (g − Φᵀ R t), v_b). The eigenvalues of S are 1 and more, so nothing has to be added
to its diagonal, and rows without curvature are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import Array
from ..operators import HessianOperator
from ..predictors import NO_RESIDUAL, Functions, KernelMap, LinearMap
from ..progress import tracked_blocks
from .base import SELF_INFLUENCE, InverseHessian, Solver, SolverContext, require_memory
from .support import System


@dataclass(frozen=True)
class Dual(Solver):
    """Factorise a matrix over the rows with curvature instead of the Hessian (float64).

    Costs s³/3 operations for s rows with curvature (times outputs where the loss couples them), s²
    numbers of memory, and 2 s² operations per right-hand side. Exact. It is the only solver of
    kernel machines, and the one for linear models with many more features than rows; all
    parameters but the intercept must be penalised.

    Examples
    --------
    >>> from skinfluence import Dual
    >>> Dual()
    Dual()
    """

    def factor(self, operator: HessianOperator, context: SolverContext) -> DualInverse:
        """Form and factorise."""
        if operator.linear_map.tangent:
            raise ValueError(
                "InfluenceExplainer got solver='dual' for a network, which has no dual system. Use "
                "solver='cholesky' or 'cg'."
            )
        if operator.bends_back:
            raise ValueError(
                "InfluenceExplainer got solver='dual' for a loss of which some training rows have "
                "negative curvature; the dual system needs roots of it. Use solver='cholesky' or "
                "'cg'."
            )
        if operator.linear_map.free is not None or operator.coupling is not None:
            raise ValueError(
                "InfluenceExplainer got solver='dual' for a model whose outputs don't all have "
                "the same parameters, or share a penalty on norms; its systems are of rows that "
                "have. Use solver='cholesky' or 'cg'."
            )
        if not operator.has_dual:
            raise ValueError(
                "InfluenceExplainer got solver='dual' for coefficients without an L2 penalty; "
                "needed is one on all but the intercept. Add it to the estimator (a finite C, "
                "alpha > 0, l1_ratio < 1), pass damping, or use solver='cholesky'."
            )
        require_memory(operator.dual_size, operator.n_blocks, "dual", "fewer training rows")
        return DualInverse(operator)


class DualInverse(InverseHessian):
    """(∇²J)⁻¹ by one system per set of outputs that share one."""

    name = "dual"

    def __init__(self, operator: HessianOperator) -> None:
        super().__init__(operator)
        diagonal = np.broadcast_to(operator.diagonal, (operator.n_inputs, operator.n_outputs))
        diagonal = diagonal + operator.damping
        # A penalised function is determined by any rows.
        self.least_left = 1e-15 if operator.implicit else InverseHessian.least_left
        self.separable = operator.curvature.separable
        self.systems = [
            System(operator.linear_map.with_outputs(roots.shape[1]), roots, diagonal[:, outputs])
            for outputs, roots in self._units()
        ]
        self.condition = max(system.condition for system in self.systems)
        lost = sum(system.k for system in self.systems if not system.determined)
        repeats = operator.n_outputs if self.separable and operator.n_blocks == 1 else 1
        self.rank = operator.n_parameters - repeats * lost

    def _units(self) -> list[tuple[Any, Array]]:
        """Outputs of each system, and their R_i."""
        operator = self.operator
        if not self.separable:
            eigenvalues, vectors = np.linalg.eigh(operator.curvature.to_dense())
            roots = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))[:, None, :]
            return [(slice(0, operator.n_outputs), roots)]
        weights: Array = operator.curvature.weights  # type: ignore[attr-defined]
        weights = np.broadcast_to(weights, (len(weights), max(operator.n_blocks, weights.shape[1])))
        return [
            (slice(k, k + 1), np.sqrt(weights[:, k])[:, None, None])
            for k in range(operator.n_blocks)
        ]

    def _outputs_of(self, index: int) -> slice:
        """The outputs that one system answers for."""
        if len(self.systems) == 1:
            return slice(0, self.operator.n_outputs)
        return slice(index, index + 1)

    def solve(self, right_hand_sides: Array) -> Array:
        """(∇²J)⁻¹ B, exact to rounding."""
        q, k = self.operator.n_inputs, self.operator.n_outputs
        given = np.asarray(right_hand_sides, dtype=np.float64).reshape(q, k, -1)
        result = np.empty_like(given)
        for index, system in enumerate(self.systems):
            outputs = self._outputs_of(index)
            shape = given[:, outputs].shape
            scaled = (given[:, outputs] * system.scale[:, None, None]).reshape(q * system.k, -1)
            e = system.support.jvp(scaled).astype(np.float64)
            bent, border = system.respond(e, given[-1, outputs].reshape(system.k, -1))
            result[:, outputs] = (scaled + self._through(system, bent, border)).reshape(shape)
        return result.reshape(q * k, -1)

    def directions(self, linear_map: LinearMap, cotangents: Array, *, mean: bool = False) -> Any:
        """As every solver; of rows beside a kernel machine's training rows, as functions."""
        if not isinstance(linear_map, KernelMap):
            return super().directions(linear_map, cotangents, mean=mean)
        n, k = cotangents.shape
        own = cotangents[:, :, None] / n if mean else cotangents[:, :, None] * np.eye(n)[:, None, :]
        m = own.shape[2]
        coordinates = np.empty((self.operator.n_inputs, k, m))
        coefficients = np.empty_like(own)
        for index, system in enumerate(self.systems):
            outputs = self._outputs_of(index)
            by_unit = own[:, outputs].reshape(n, system.k, -1)
            gram = system.support.gram(linear_map.with_outputs(system.k), system.scale)
            # The gram has the constant's part, if that is penalised; else it borders.
            e = np.tensordot(gram, by_unit, 1)
            bent, border = system.respond(e, linear_map.constant * by_unit.sum(axis=0))
            moved = self._through(system, bent, border)
            if linear_map.constant and not system.free:
                shift = system.scale[-1] * linear_map.constant * by_unit.sum(axis=0)
                moved.reshape(-1, *shift.shape)[-1] += shift
            coordinates[:, outputs] = moved.reshape(coordinates[:, outputs].shape)
            coefficients[:, outputs] = own[:, outputs] * system.scale[0]
        return Functions(coordinates.reshape(-1, m), linear_map, coefficients)

    def _through(self, system: System, bent: Array, border: Array) -> Array:
        """−Ω⁻¹ Φᵀ R t with v_b for the intercept, (q · k, m)."""
        moved = -system.support.vjp(bent).astype(np.float64)
        by_input = moved.reshape(self.operator.n_inputs, -1) * system.scale[:, None]
        if system.free:
            by_input[-1] = border.reshape(-1)
        return by_input.reshape(moved.shape)

    def iterative_operations(self, n_right_hand_sides: int) -> float:
        """None."""
        return 0.0

    def leverage(self, linear_map: LinearMap) -> Array:
        """M_i, (n, K, K)."""
        k = self.operator.n_outputs
        result = np.zeros((linear_map.n_rows, k, k))
        for index, system in enumerate(self.systems):
            leverage = system.leverage(linear_map.with_outputs(system.k))
            if self.separable:
                outputs = np.arange(k)[self._outputs_of(index)]
                result[:, outputs, outputs] = leverage[:, :, 0]
            else:
                result[:] = leverage
        return result

    def left(self, linear_map: LinearMap, curvature: Array, leverage: Array) -> Array:
        """I − C_i M_i, (n, K, K).

        Of a kernel machine's rows with curvature it is the diagonal of S⁻¹ (bordered), which keeps
        its digits where the leverage is next to 1, as without noise.
        """
        result = super().left(linear_map, curvature, leverage)
        for index, system in enumerate(self.systems):
            members, places = system.members(linear_map)
            if len(members):
                outputs = np.arange(self.operator.n_outputs)[self._outputs_of(index)]
                result[members[:, None], outputs, outputs] = system.remainders[places, None]
        return result

    def self_products(self, linear_map: LinearMap, residuals: Array) -> Array:
        """g_iᵀ (∇²J)⁻¹ g_i, (n,)."""
        result = np.zeros(linear_map.n_rows)
        k = self.operator.n_outputs
        present = np.flatnonzero((np.abs(residuals) > NO_RESIDUAL).any(axis=1))
        for block in tracked_blocks(len(present), 8 * k * k, SELF_INFLUENCE):
            rows = present[block]
            leverage = self.leverage(linear_map.take(rows))
            result[rows] = np.einsum("ik,ikl,il->i", residuals[rows], leverage, residuals[rows])
        return result

    def describe(self) -> str:
        """Number and size of the systems."""
        largest = max(system.size for system in self.systems)
        return f"dual factorisation: {len(self.systems)} of at most {largest} rows with curvature"
