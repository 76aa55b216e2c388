"""Removing one row: one Newton step, with the row's own curvature taken out.

    Δθ_i = (∇²J)⁻¹ U_i w_i,   w_i = (I − C_i M_i)⁻¹ s_i r_i,   C_i = s_i B_i,
    M_i = U_iᵀ (∇²J)⁻¹ U_i,   U_i = φ_i ⊗ I_K

so a row's whole effect is the K numbers w_i, and every question about it a product with them.

With ``class_weight="balanced"`` the refit would also reweigh the other rows. Then the step
starts from the objective J_c with the class weights as they are without a row of class c:

    Δθ_i = δ_i + (∇²J_c)⁻¹ U_i (I − C_i M_i)⁻¹ (s_i r_i + C_i U_iᵀ δ_i),
    δ_i = −(∇²J_c)⁻¹ (∇J_{c,i} − ∇J)

where ∇J_{c,i} has row i's own count taken out (rows of one class can differ in their sample
weights) and ∇²J_c the class's mean count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .blocks import row_blocks
from .curvature import Array
from .exceptions import warn_user
from .objective import Objective
from .predictors import LinearMap
from .solvers import InverseHessian, Solver, SolverContext
from .weighting import BalancedWeights

# A row whose removal leaves less than this share of curvature in its own direction has
# leverage 1: without it the model is not determined.
LEAST_CURVATURE_LEFT = 1e-10
# About half an hour of two cores.
MANY_OPERATIONS = 1e14


@dataclass(frozen=True)
class Scenario:
    """Removal of any one row of a class: what is common to all of them.

    Parameters
    ----------
    inverse : InverseHessian
        Of ∇²J, or of ∇²J_c.
    weights : ndarray of shape (n, K) or (n, 1)
        Row weights in that Hessian.
    shift : ndarray of shape (p, C), optional
        (∇²J_c)⁻¹ G_c', G_c' the sum of class c' gradients before class weights.
    """

    inverse: InverseHessian
    weights: Array
    shift: Array | None = None


class RowRemoval:
    """Newton steps of removing training rows one by one.

    Parameters
    ----------
    objective : Objective
    inverse : InverseHessian
        Of ∇²J (with the explainer's damping).
    solver, context
        What makes inverses of reweighted Hessians.
    """

    def __init__(
        self,
        objective: Objective,
        inverse: InverseHessian,
        solver: Solver,
        context: SolverContext,
    ) -> None:
        self.objective = objective
        self.inverse = inverse
        self.solver = solver
        self.context = context
        n, k = objective.n_rows, objective.linear_map.n_outputs
        self._known = np.zeros(n, dtype=bool)
        self._steps = np.zeros((n, k))
        self._own_moves = np.zeros((n, k))
        self._scenarios: dict[int, Scenario] = {}
        weights = objective.weights
        self._balanced = weights if isinstance(weights, BalancedWeights) else None

    def steps(self, rows: Array) -> Array:
        """w_i, (rows, K)."""
        self._complete(rows)
        return self._steps[rows]

    def own_moves(self, rows: Array) -> Array:
        """Change of each row's own decision values by its removal, (rows, K)."""
        self._complete(rows)
        return self._own_moves[rows]

    def groups(self, rows: Array) -> Iterator[tuple[Array, Scenario]]:
        """Positions in ``rows`` that share a scenario."""
        if self._balanced is None:
            yield np.arange(len(rows)), Scenario(self.inverse, self.objective.weights.values)
            return
        codes = self._balanced.codes[rows]
        for code in np.unique(codes).tolist():
            if code not in self._scenarios:
                self._scenarios[code] = self._balanced_scenario(self._balanced, code)
            yield np.flatnonzero(codes == code), self._scenarios[code]

    def parameter_steps(self, rows: Array) -> Array:
        """Δθ_i, (p, rows)."""
        steps = self.steps(rows)
        result = np.empty((self.objective.n_parameters, len(rows)))
        for positions, scenario in self.groups(rows):
            chosen = rows[positions]
            columns = self.objective.linear_map.take(chosen).columns(steps[positions])
            result[:, positions] = scenario.inverse.solve(columns)
            if scenario.shift is not None:
                result[:, positions] += scenario.shift @ self._weight_losses(chosen).T
        return result

    def decision_moves(self, test_map: LinearMap, rows: Array) -> Iterator[tuple[Array, Array]]:
        """Changes of test decision values by each row's removal.

        Yields positions in ``rows`` and moves of shape (n_test, positions, K).
        """
        steps = self.steps(rows)
        k = test_map.n_outputs
        for group, scenario in self.groups(rows):
            directions = self._test_directions(scenario, test_map)
            test_shift = None
            if scenario.shift is not None:
                test_shift = test_map.jvp(scenario.shift).astype(np.float64)
            for block in row_blocks(len(group), 8 * k * directions.shape[1]):
                positions = group[block]
                chosen = rows[positions]
                linear_map = self.objective.linear_map.take(_as_slice(chosen))
                moves = self._moves(linear_map, directions, steps[positions])
                if test_shift is not None:
                    moves += np.einsum("tkc,ic->tik", test_shift, self._weight_losses(chosen))
                yield positions, moves

    def _test_directions(self, scenario: Scenario, test_map: LinearMap) -> Array:
        # A loss that is a sum over outputs keeps them apart: one direction then carries all K.
        n, k = test_map.n_rows, test_map.n_outputs
        separable = self.objective.curvature.separable
        seeds = [np.ones(k)] if separable else list(np.eye(k))
        columns = [test_map.columns(np.tile(seed, (n, 1))) for seed in seeds]
        return scenario.inverse.solve(np.concatenate(columns, axis=1))

    def _moves(self, linear_map: LinearMap, directions: Array, steps: Array) -> Array:
        if self.objective.curvature.separable:
            values = linear_map.jvp(directions).astype(np.float64)
            return (values * steps[:, :, None]).transpose(2, 0, 1)
        scores = linear_map.scores(directions, steps).astype(np.float64)
        return scores.reshape(linear_map.n_outputs, -1, linear_map.n_rows).transpose(1, 2, 0)

    def _complete(self, rows: Array) -> None:
        missing = np.unique(rows[~self._known[rows]])
        self._warn_if_slow(len(missing))
        for group, scenario in self.groups(missing):
            self._compute(missing[group], scenario)
        self._known[missing] = True

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

    def _compute(self, rows: Array, scenario: Scenario) -> None:
        k = self._steps.shape[1]
        undetermined: list[int] = []
        for block in row_blocks(len(rows), 8 * 6 * (k * k + k)):
            chosen = rows[block]
            linear_map = self.objective.linear_map.take(_as_slice(chosen))
            leverage = scenario.inverse.leverage(linear_map)
            weights = scenario.weights[chosen]
            curvature = self.objective.row_curvature(chosen).scaled(weights)
            right = self._row_weights(chosen) * self.objective.residuals[chosen]
            shift = self._own_shift(chosen, linear_map, scenario)
            right = right + curvature.matmul(shift[:, :, None])[:, :, 0]
            left = np.eye(k) - curvature.matmul(leverage)
            lost = _is_undetermined(left)
            left[lost] = np.eye(k)
            right[lost] = np.nan
            undetermined += chosen[lost].tolist()
            steps = np.linalg.solve(left, right[:, :, None])
            self._steps[chosen] = steps[:, :, 0]
            self._own_moves[chosen] = (leverage @ steps)[:, :, 0] + shift
        if undetermined:
            warn_user(
                f"{len(undetermined)} training rows have leverage 1 (for example "
                f"{undetermined[:5]}): without them the model is not determined, so their "
                "kind='removal' effects are NaN. Add a penalty to the estimator or pass damping.",
                RuntimeWarning,
            )

    def _own_shift(self, rows: Array, linear_map: LinearMap, scenario: Scenario) -> Array:
        if scenario.shift is None:
            return np.zeros((len(rows), self._steps.shape[1]))
        values = linear_map.jvp(scenario.shift).astype(np.float64)
        return np.einsum("ikc,ic->ik", values, self._weight_losses(rows))

    def _row_weights(self, rows: Array) -> Array:
        """s_i as it is in the objective from which row i is then taken."""
        if self._balanced is None:
            return self.objective.weights.values[rows]
        return self._balanced.of_rows(rows, self._class_weights_without(self._balanced, rows))

    def _balanced_scenario(self, weights: BalancedWeights, code: int) -> Scenario:
        members = np.flatnonzero(weights.codes == code)
        mean_count = np.array([weights.count(members).mean()])
        class_weight = weights.class_weights_without(np.array([code]), mean_count)[0]
        values = weights.with_class_weight(class_weight)
        operator = self.objective.hessian(values).damped(self.inverse.operator.damping)
        inverse = self.solver.factor(operator, self.context)
        return Scenario(inverse, values, inverse.solve(self._class_gradients(weights)))

    def _class_gradients(self, weights: BalancedWeights) -> Array:
        """G_c, (p, C): sums of gradients by class, weighted but for the class weight."""
        unit = weights.with_class_weight(np.ones(weights.n_classes)) * self.objective.residuals
        if weights.weighted_outputs is not None:
            unit = unit * weights.weighted_outputs
        member = weights.codes[:, None] == np.arange(weights.n_classes)
        return self.objective.sum_gradients(unit[:, :, None] * member[:, None, :])

    def _weight_losses(self, rows: Array) -> Array:
        """What each class's weight loses when row i goes, (rows, C)."""
        if self._balanced is None:
            return np.zeros((len(rows), 1))
        return self._balanced.class_weight - self._class_weights_without(self._balanced, rows)

    @staticmethod
    def _class_weights_without(weights: BalancedWeights, rows: Array) -> Array:
        return weights.class_weights_without(weights.codes[rows], weights.count(rows))


def _is_undetermined(left: Array) -> Array:
    smallest = np.linalg.svd(left, compute_uv=False)[:, -1]
    return np.asarray(smallest < LEAST_CURVATURE_LEFT)


def _as_slice(rows: Array) -> slice | Array:
    """A run of rows as a slice, which copies nothing."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
