"""(∇²J_c)⁻¹ without a row, or with another in its place, for many columns c at once.

∇²J_c = ∇²J − U C Uᵀ, with
    a row goes                  U = φ_i ⊗ I_K           C = s_i B_i
    its target changes          U = φ_i ⊗ I_K           C = s_i B_i − s_δ B_δ
    another comes in its place  U = [φ_i, φ_δ] ⊗ I_K    C = diag(s_i B_i, −s_δ B_δ)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .blocks import as_slice
from .curvature import Array
from .exchanges import Exchanges
from .objective import Objective
from .predictors import LinearMap
from .scenarios import Scenario
from .solvers import InverseHessian

# Below it, leverages in float32 can't be told from 1.
LITTLE = 1e-3


@dataclass(frozen=True)
class RowDowndates:
    """(∇²J − U_c C_c U_cᵀ)⁻¹ for a block of columns c, one right-hand side each, by Woodbury.

    Parameters
    ----------
    inverse : InverseHessian
        Of ∇²J.
    maps : list of LinearMap
        Of the rows, one a column, that goes, and of that which comes where it is another.
    leverage, curvature : ndarray of shape (m, J K, J K)
        M_c = U_cᵀ (∇²J)⁻¹ U_c (0 where no curvature changes) and C_c, for J maps.
    left : ndarray of shape (m, J K, J K)
        I − C_c M_c.
    """

    inverse: InverseHessian
    maps: list[LinearMap]
    leverage: Array
    curvature: Array
    left: Array

    @classmethod
    def of_rows(
        cls, inverse: InverseHessian, linear_map: LinearMap, leverage: Array, curvature: Array
    ) -> RowDowndates:
        """Without each of some rows."""
        left = inverse.left(linear_map, curvature, leverage)
        single = linear_map.dtype == np.float32
        close = _close(left) if single else np.empty(0, np.intp)
        if len(close):
            # Of what little is left, float32 has lost digits in the leverage.
            some = linear_map.take(close).as_float64()
            leverage = leverage.copy()
            leverage[close] = inverse.leverage(some)
            left[close] = inverse.left(some, curvature[close], leverage[close])
        return cls(inverse, [linear_map], leverage, curvature, left)

    @classmethod
    def of_exchanges(
        cls, objective: Objective, scenario: Scenario, exchanges: Exchanges
    ) -> RowDowndates:
        """For columns of one scenario, with the curvature that rows have at an objective."""
        exchanges = replace(exchanges, objective=objective)
        inverse, rows = scenario.inverse, exchanges.rows
        linear_map = objective.linear_map.take(as_slice(rows))
        curvature = objective.row_curvature(rows).scaled(scenario.weights[rows]).to_dense()
        if exchanges.arrivals is None or not exchanges.same_features:
            leverage = _leverage(inverse, objective, rows)
            going = cls.of_rows(inverse, linear_map, leverage, curvature)
            if exchanges.arrivals is None:
                return going
            coming = exchanges.arriving_curvature().to_dense()
            return going.and_back(exchanges.arriving_map, coming)
        changed = curvature - exchanges.arriving_curvature().to_dense()
        # Most losses bend the same whatever the label is: then there is nothing to take out.
        bends = changed.any()
        leverage = _leverage(inverse, objective, rows) if bends else np.zeros_like(changed)
        left = np.eye(changed.shape[1]) - changed @ leverage
        return cls(inverse, [linear_map], leverage, changed, left)

    def and_back(self, arriving: LinearMap, curvature: Array) -> RowDowndates:
        """With other rows, and their curvature (m, K, K), in the places of those that went."""
        m, k = self.curvature.shape[:2]
        units = [np.tile(unit, (m, 1)) for unit in np.eye(k)]
        solved = [self.inverse.solve(arriving.columns(unit)) for unit in units]
        crossed = np.stack([self.maps[0].own_values(each) for each in solved], axis=2)
        own = np.stack([arriving.own_values(each) for each in solved], axis=2)
        leverage = _blocks(self.leverage, crossed, crossed.transpose(0, 2, 1), own)
        nothing = np.zeros_like(own)
        both = _blocks(self.curvature, nothing, nothing, -curvature)
        left = np.eye(2 * k) - both @ leverage
        # As the solver has it: it may know more digits than the difference does.
        left[:, :k, :k] = self.left
        return RowDowndates(self.inverse, [*self.maps, arriving], leverage, both, left)

    def determined(self) -> Array:
        """Which columns leave the model determined, (m,)."""
        return self.inverse.leaves_enough(self.left)

    def steps(self, right: Array) -> Array:
        """(I − C_c M_c)⁻¹ b_c for b (m, J K)."""
        return np.asarray(np.linalg.solve(self.left, right[:, :, None])[:, :, 0])

    def take(self, columns: Array) -> RowDowndates:
        """For some of the columns."""
        maps = [each.take(columns) for each in self.maps]
        arrays = (each[columns] for each in (self.leverage, self.curvature, self.left))
        return RowDowndates(self.inverse, maps, *arrays)

    def approximate(self, gradients: Array) -> Array:
        """The inverses times one column each, (p, m), as far as the solver's estimate goes."""
        moved = self.inverse.estimate(gradients)
        own = np.concatenate([each.own_values(moved) for each in self.maps], axis=1)
        steps = self.steps(np.matmul(self.curvature, own[:, :, None])[:, :, 0])
        columns = np.zeros_like(moved)
        for each, own_steps in zip(self.maps, np.split(steps, len(self.maps), axis=1), strict=True):
            columns += each.columns(own_steps)
        return moved + self.inverse.estimate(columns)


def _close(left: Array) -> Array:
    """Rows of which less than LITTLE is left in some direction, for I − C M (m, K, K)."""
    k = left.shape[-1]
    # Eigenvalues of C M are at least 0, so that none is above their sum.
    rows = np.flatnonzero(k - np.einsum("nkk->n", left) > 1.0 - LITTLE)
    smallest = np.linalg.svd(left[rows], compute_uv=False)[:, -1]
    return np.asarray(rows[smallest < LITTLE])


def _leverage(inverse: InverseHessian, objective: Objective, rows: Array) -> Array:
    """M_i, (m, K, K), found once for a row that is in several columns."""
    unique, places = np.unique(rows, return_inverse=True)
    leverage = inverse.leverage(objective.linear_map.take(as_slice(unique)))
    return leverage[places]


def _blocks(a: Array, b: Array, c: Array, d: Array) -> Array:
    """[[a, b], [c, d]] for many matrices at once."""
    above, below = np.concatenate([a, b], axis=2), np.concatenate([c, d], axis=2)
    return np.concatenate([above, below], axis=1)
