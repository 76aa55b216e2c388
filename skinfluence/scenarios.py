"""What changes for all rows when one of them goes, shared by the rows for which it is the same.

Without balanced class weights, and with an objective that is a sum, nothing does: the one
scenario is ∇²J itself. Otherwise the step starts from the objective J_c as it is without a row
of class c, that row's own loss still in it:

    δ_i = −(∇²J_c)⁻¹ (∇J_{c,i} − ∇J) = Σ_k (what k loses without row i) (∇²J_c)⁻¹ g_k

where g_k are the sums of each class's gradients before class weights, and ∇Ω if the objective is
a mean. ∇J_{c,i} has row i's own count taken out (rows of one class can differ in their sample
weights) and ∇²J_c the class's mean count. Where the constant is the mean of the targets, δ_i is
what that mean moves by, with what it makes of the other parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .curvature import Array
from .objective import Objective
from .predictors import LinearMap
from .reweighting import RowsLeftOut
from .solvers import InverseHessian, Solver, SolverContext
from .weighting import BalancedWeights


@dataclass(frozen=True)
class Scenario:
    """Removal of any one row of a class: what is common to all of them.

    Parameters
    ----------
    inverse : InverseHessian
        Of ∇²J, or of ∇²J_c.
    weights : ndarray of shape (n, K) or (n, 1)
        Row weights in that Hessian.
    shift : ndarray of shape (p, S), optional
        (∇²J_c)⁻¹ g_k.
    """

    inverse: InverseHessian
    weights: Array
    shift: Array | None = None


class Scenarios:
    """The scenarios of an objective, each prepared when it is first asked for.

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
        weights = objective.weights
        self._balanced = weights if isinstance(weights, BalancedWeights) else None
        self._prepared: dict[int, Scenario] = {}

    def groups(self, rows: Array) -> Iterator[tuple[Array, Scenario]]:
        """Positions in ``rows`` that share a scenario."""
        codes = np.zeros(len(rows), dtype=np.intp)
        if self._balanced is not None:
            codes = self._balanced.codes[rows]
        for code in np.unique(codes).tolist():
            if code not in self._prepared:
                self._prepared[code] = self._prepare(code)
            yield np.flatnonzero(codes == code), self._prepared[code]

    def row_weights(self, rows: Array) -> Array:
        """s_i as it is in the objective from which row i is then taken."""
        if self._balanced is None:
            return self.objective.weights.values[rows]
        return self._balanced.of_rows(rows, self._class_weights_without(self._balanced, rows))

    def shifts(self, rows: Array, scenario: Scenario) -> Array:
        """δ_i, (p, rows)."""
        if scenario.shift is None:
            return np.zeros((self.objective.n_parameters, len(rows)))
        return np.asarray(scenario.shift @ self._losses(rows).T)

    def decision_shifts(self, linear_map: LinearMap, rows: Array, scenario: Scenario) -> Array:
        """Moves of decision values by δ_i, (n_test, rows, K)."""
        if scenario.shift is None:
            return np.zeros((1, len(rows), linear_map.n_outputs))
        values = linear_map.jvp(scenario.shift).astype(np.float64)
        return np.einsum("tks,is->tik", values, self._losses(rows))

    def own_shifts(self, linear_map: LinearMap, rows: Array, scenario: Scenario) -> Array:
        """Moves of each row's own decision values by its δ_i, (rows, K)."""
        if scenario.shift is None:
            return np.zeros((len(rows), linear_map.n_outputs))
        values = linear_map.jvp(scenario.shift).astype(np.float64)
        return np.einsum("iks,is->ik", values, self._losses(rows))

    def _prepare(self, code: int) -> Scenario:
        values = self.objective.weights.values
        scale = self._mean_penalty_scale()
        if self.objective.centred:
            return Scenario(self.inverse, values, self._of_the_mean())
        if self._balanced is None and scale == 1.0:
            return Scenario(self.inverse, values)
        if self._balanced is not None:
            values = self._balanced_values(self._balanced, code)
        hessian = self.objective.hessian(values, scale)
        inverse = self.solver.factor(hessian.damped(self.inverse.operator.damping), self.context)
        return Scenario(inverse, values, inverse.solve(self._gradients()))

    def _mean_penalty_scale(self) -> float:
        if self.objective.mean_over is None:
            return 1.0
        return 1.0 - 1.0 / self.objective.n_rows

    def _balanced_values(self, weights: BalancedWeights, code: int) -> Array:
        members = np.flatnonzero(weights.codes == code)
        removed = np.zeros((1, weights.n_classes))
        removed[0, code] = weights.count(members).mean()
        return weights.with_class_weight(weights.class_weights_less(removed)[0])

    def _gradients(self) -> Array:
        """g_k, (p, S)."""
        columns = []
        if self._balanced is not None:
            columns.append(self._class_gradients(self._balanced))
        if self.objective.mean_over is not None:
            columns.append(self.objective.penalty.gradient(self.objective.theta).reshape(-1, 1))
        return np.concatenate(columns, axis=1)

    def _class_gradients(self, weights: BalancedWeights) -> Array:
        """Sums of gradients by class, weighted but for the class weight, (p, C)."""
        unit = weights.with_class_weight(np.ones(weights.n_classes)) * self.objective.residuals
        if weights.weighted_outputs is not None:
            unit = unit * weights.weighted_outputs
        member = weights.codes[:, None] == np.arange(weights.n_classes)
        return self.objective.sum_gradients(unit[:, :, None] * member[:, None, :])

    def _of_the_mean(self) -> Array:
        """Moves of the parameters when the constant, a mean of targets, rises by 1, (p, K)."""
        objective = self.objective
        rises = np.zeros((*objective.theta.shape, objective.linear_map.n_outputs))
        rises[-1] = np.eye(objective.linear_map.n_outputs)
        rises = rises.reshape(objective.n_parameters, -1)
        return rises - self.inverse.solve(self.inverse.operator.matmat(rises))

    def _losses(self, rows: Array) -> Array:
        """What each g_k's weight loses when row i goes, (rows, S)."""
        if self.objective.centred:
            without = RowsLeftOut.one_by_one(self.objective, rows).mean_targets().T
            return np.asarray(without - self.objective.theta[-1])
        columns = []
        if self._balanced is not None:
            without = self._class_weights_without(self._balanced, rows)
            columns.append(self._balanced.class_weight - without)
        if self.objective.mean_over is not None:
            scale = RowsLeftOut.one_by_one(self.objective, rows).penalty_scale
            columns.append(1.0 - scale[:, None])
        return np.concatenate(columns, axis=1)

    @staticmethod
    def _class_weights_without(weights: BalancedWeights, rows: Array) -> Array:
        of_class = weights.codes[rows][:, None] == np.arange(weights.n_classes)
        return weights.class_weights_less(weights.count(rows)[:, None] * of_class)
