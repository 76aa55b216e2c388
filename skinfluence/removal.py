"""Removing one row: one Newton step, with the row's own curvature taken out.

    Δθ_i = (∇²J)⁻¹ U_i w_i,   w_i = (I − C_i M_i)⁻¹ s_i r_i,   C_i = s_i B_i,
    M_i = U_iᵀ (∇²J)⁻¹ U_i,   U_i = φ_i ⊗ I_K

so a row's whole effect is the K numbers w_i, and every question about it a product with them.
Where the row's going also changes the weights of others or the penalty, the step starts from δ_i
(see ``scenarios``):

    Δθ_i = δ_i + (∇²J_c)⁻¹ U_i (I − C_i M_i)⁻¹ (s_i r_i + C_i U_iᵀ δ_i)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .blocks import row_blocks
from .curvature import Array
from .effects import target_blocks
from .exceptions import warn_user
from .objective import Objective
from .predictors import LinearMap
from .scenarios import Scenario, Scenarios
from .solvers import InverseHessian

# About half an hour of two cores.
MANY_OPERATIONS = 1e14


@dataclass(frozen=True)
class RowDowndates:
    """(∇²J_c − U_i C_i U_iᵀ)⁻¹ for a block of rows i, one column each, by Woodbury.

    Parameters
    ----------
    inverse : InverseHessian
        Of ∇²J_c.
    linear_map : LinearMap
        Of the rows.
    leverage, curvature : ndarray of shape (rows, K, K)
        M_i and C_i.
    """

    inverse: InverseHessian
    linear_map: LinearMap
    leverage: Array
    curvature: Array

    @classmethod
    def of_rows(cls, objective: Objective, scenario: Scenario, rows: Array) -> RowDowndates:
        """For the rows of one scenario."""
        linear_map = objective.linear_map.take(_as_slice(rows))
        curvature = objective.row_curvature(rows).scaled(scenario.weights[rows])
        leverage = scenario.inverse.leverage(linear_map)
        return cls(scenario.inverse, linear_map, leverage, curvature.to_dense())

    def determined(self) -> Array:
        """Which rows leave the model determined, (rows,)."""
        smallest = np.linalg.svd(self._left(), compute_uv=False)[:, -1]
        return np.asarray(smallest >= self.inverse.least_left)

    def steps(self, right: Array) -> Array:
        """(I − C_i M_i)⁻¹ b_i for b (rows, K)."""
        return np.asarray(np.linalg.solve(self._left(), right[:, :, None])[:, :, 0])

    def take(self, rows: Any) -> RowDowndates:
        """For some of the rows."""
        return RowDowndates(
            self.inverse, self.linear_map.take(rows), self.leverage[rows], self.curvature[rows]
        )

    def approximate(self, gradients: Array) -> Array:
        """The inverses times one column each, (p, rows), as far as the solver's estimate goes."""
        moved = self.inverse.estimate(gradients)
        own = self.linear_map.own_values(moved)
        bent = np.matmul(self.curvature, own[:, :, None])[:, :, 0]
        return moved + self.inverse.estimate(self.linear_map.columns(self.steps(bent)))

    def _left(self) -> Array:
        return self.inverse.left(self.linear_map, self.curvature, self.leverage)


class RowRemoval:
    """Newton steps of removing training rows one by one.

    Parameters
    ----------
    scenarios : Scenarios
        Of the objective.
    """

    def __init__(self, scenarios: Scenarios) -> None:
        self.scenarios = scenarios
        self.objective = objective = scenarios.objective
        self.inverse = scenarios.inverse
        n, k = objective.n_rows, objective.linear_map.n_outputs
        self._known = np.zeros(n, dtype=bool)
        self._steps = np.zeros((n, k))
        self._own_moves = np.zeros((n, k))

    def steps(self, rows: Array) -> Array:
        """w_i, (rows, K); NaN where the model is not determined without the row."""
        self._complete(rows)
        return self._steps[rows]

    def own_moves(self, rows: Array) -> Array:
        """Change of each row's own decision values by its removal, (rows, K)."""
        self._complete(rows)
        return self._own_moves[rows]

    def parameter_steps(self, rows: Array) -> Array:
        """Δθ_i, (p, rows)."""
        steps = self.steps(rows)
        result = np.empty((self.objective.n_parameters, len(rows)))
        for positions, scenario in self.scenarios.groups(rows):
            chosen = rows[positions]
            columns = self.objective.linear_map.take(chosen).columns(steps[positions])
            shifts = self.scenarios.shifts(chosen, scenario)
            result[:, positions] = scenario.inverse.solve(columns) + shifts
        return result

    def decision_moves(
        self, test_map: LinearMap, rows: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Changes of test decision values by each row's removal.

        Yields test rows, positions in ``rows`` and moves of shape (tests, positions, K).
        """
        n_outputs = test_map.n_outputs
        for tests in target_blocks(test_map.n_rows, test_map.n_parameters, n_outputs):
            for positions, moves in self._decision_moves(test_map.take(tests), rows):
                yield tests, positions, moves

    def _decision_moves(self, test_map: LinearMap, rows: Array) -> Iterator[tuple[Array, Array]]:
        steps = self.steps(rows)
        k = test_map.n_outputs
        for group, scenario in self.scenarios.groups(rows):
            directions = self._test_directions(scenario, test_map)
            for block in row_blocks(len(group), 8 * k * test_map.n_rows * len(directions)):
                positions = group[block]
                chosen = rows[positions]
                linear_map = self.objective.linear_map.take(_as_slice(chosen))
                moves = self._moves(linear_map, directions, steps[positions])
                yield positions, moves + self.scenarios.decision_shifts(test_map, chosen, scenario)

    def _test_directions(self, scenario: Scenario, test_map: LinearMap) -> list[Any]:
        # A loss that is a sum over outputs keeps them apart: one direction then carries all K.
        n, k = test_map.n_rows, test_map.n_outputs
        separable = self.objective.curvature.separable
        seeds = np.ones((1, k)) if separable else np.eye(k)
        scenario.inverse.expect(n * len(seeds))
        return [scenario.inverse.directions(test_map, np.tile(seed, (n, 1))) for seed in seeds]

    def _moves(self, linear_map: LinearMap, directions: list[Any], steps: Array) -> Array:
        if self.objective.curvature.separable:
            values = linear_map.jvp(directions[0]).astype(np.float64)
            return (values * steps[:, :, None]).transpose(2, 0, 1)
        scores = [linear_map.scores(each, steps).astype(np.float64) for each in directions]
        return np.stack(scores, axis=2)

    def _complete(self, rows: Array) -> None:
        missing = np.unique(rows[~self._known[rows]])
        self._warn_if_slow(len(missing))
        undetermined: list[int] = []
        for group, scenario in self.scenarios.groups(missing):
            undetermined += self._compute(missing[group], scenario)
        self._known[missing] = True
        if undetermined:
            warn_user(
                f"{len(undetermined)} training rows have leverage 1 (for example "
                f"{undetermined[:5]}): without them the model is not determined, so their "
                "kind='removal' effects are NaN. Add a penalty to the estimator or pass damping.",
                RuntimeWarning,
            )

    def _warn_if_slow(self, n_rows: int) -> None:
        n_solves = n_rows * self._steps.shape[1]
        if self.inverse.iterative_operations(n_solves) > MANY_OPERATIONS:
            warn_user(
                f"kind='removal' of {n_rows:,} rows needs {n_solves:,} iterative solves with "
                f"{self.objective.n_parameters:,} parameters, which may take hours. Ask for fewer "
                "rows with indices=, use kind='upweight', or solver='cholesky' where the Hessian "
                "fits into memory.",
                UserWarning,
            )

    def _compute(self, rows: Array, scenario: Scenario) -> list[int]:
        """Steps of rows that share a scenario; returns those that leave nothing determined."""
        k = self._steps.shape[1]
        undetermined: list[int] = []
        for block in row_blocks(len(rows), 8 * 6 * (k * k + k)):
            chosen = rows[block]
            downdates = RowDowndates.of_rows(self.objective, scenario, chosen)
            shift = self.scenarios.own_shifts(downdates.linear_map, chosen, scenario)
            right = self.scenarios.row_weights(chosen) * self.objective.residuals[chosen]
            right = right + np.matmul(downdates.curvature, shift[:, :, None])[:, :, 0]
            fine = downdates.determined()
            undetermined += chosen[~fine].tolist()
            steps = np.full_like(right, np.nan)
            steps[fine] = downdates.take(fine).steps(right[fine])
            self._steps[chosen] = steps
            moves = np.matmul(downdates.leverage, steps[:, :, None])[:, :, 0]
            self._own_moves[chosen] = moves + shift
        return undetermined


def _as_slice(rows: Array) -> slice | Array:
    """A run of rows as a slice, which copies nothing."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
