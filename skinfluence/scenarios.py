"""What changes for all rows when one goes, or is exchanged, shared where it is the same.

Without balanced class weights, and with an objective that is a sum, nothing does: the one
scenario is ∇²J itself. Otherwise the step starts from the objective J_c as it is without a row
of class c, that row's own loss still in it:

    δ_i = −(∇²J_c)⁻¹ (∇J_{c,i} − ∇J) = Σ_k (what k loses without row i) (∇²J_c)⁻¹ g_k

where g_k are the sums of each class's gradients before class weights, and ∇Ω if the objective is
a mean. ∇J_{c,i} has row i's own count taken out (rows of one class can differ in their sample
weights) and ∇²J_c the class's mean count; in an exchange the class of the row that comes wins it.
Where the constant is the mean of the targets, δ_i is what that mean moves by, with what it makes
of the other parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .curvature import Array
from .exchanges import Exchanges
from .objective import Objective
from .predictors import LinearMap
from .resources import resources
from .solvers import InverseHessian, Solver, SolverContext
from .weighting import BalancedWeights

# In place of a class: no row comes; a row comes, and classes don't matter.
NOTHING, ANY = -1, -2
# Of scenarios, beside that of ∇²J itself; each maybe with its inverse.
SHARE_OF_FACTORS, COPIES = 2, 2


@dataclass(frozen=True)
class Scenario:
    """Removal of any one row of a class, or its move to another: what is common to all of them.

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
        # By words, since skops keeps no other keys.
        self._prepared: dict[str, Scenario] = {}

    def groups(self, exchanges: Exchanges) -> Iterator[tuple[Array, Scenario]]:
        """Columns that share a scenario."""
        keys = self._keys(exchanges)
        alike = bool((keys == keys[:1]).all())  # which takes no sorting of all columns to see
        for old, new in (keys[:1] if alike else np.unique(keys, axis=0)).tolist():
            name = f"{old} to {new}"
            scenario = self._prepared.get(name) or self._prepare(old, new)
            if self._has_room(scenario):
                self._prepared[name] = scenario
            yield np.flatnonzero((keys == (old, new)).all(axis=1)), scenario

    def _has_room(self, scenario: Scenario) -> bool:
        """Whether a part of ``max_memory`` holds one factor more; else it is found again."""
        operator = scenario.inverse.operator
        if scenario.inverse is self.inverse or scenario.inverse.iterative_operations(1):
            return True
        size = operator.dual_size if scenario.inverse.name == "dual" else operator.block_size
        kept = 8 * COPIES * operator.n_blocks * size**2 * (len(self._prepared) + 1)
        return kept <= resources().max_memory // SHARE_OF_FACTORS

    def _keys(self, exchanges: Exchanges) -> Array:
        """Classes that lose and that win a row, as far as they matter, (m, 2)."""
        arrivals = exchanges.arrivals
        keys = np.full((exchanges.n_columns, 2), ANY if arrivals is not None else NOTHING)
        if self._balanced is None:
            return keys
        keys[:, 0] = self._balanced.codes[exchanges.rows]
        if arrivals is not None and arrivals.codes is not None:
            moves = arrivals.codes != keys[:, 0]
            keys[moves, 1] = arrivals.codes[moves]
            keys[~moves] = ANY
        return keys

    def shifts(self, exchanges: Exchanges, scenario: Scenario) -> Array:
        """δ, (p, m)."""
        if scenario.shift is None:
            return np.zeros((self.objective.n_parameters, exchanges.n_columns))
        return np.asarray(scenario.shift @ self.losses(exchanges).T)

    def decision_shifts(
        self, linear_map: LinearMap, exchanges: Exchanges, scenario: Scenario
    ) -> Array:
        """Moves of decision values by δ, (n_test, m, K)."""
        if scenario.shift is None:
            return np.zeros((1, exchanges.n_columns, linear_map.n_outputs))
        values = linear_map.jvp(scenario.shift).astype(np.float64)
        return np.einsum("tks,is->tik", values, self.losses(exchanges))

    def own_shifts(self, linear_map: LinearMap, exchanges: Exchanges, scenario: Scenario) -> Array:
        """Moves of the decision values of one row a column by its δ, (m, K)."""
        if scenario.shift is None:
            return np.zeros((exchanges.n_columns, linear_map.n_outputs))
        values = linear_map.jvp(scenario.shift).astype(np.float64)
        return np.einsum("iks,is->ik", values, self.losses(exchanges))

    def _prepare(self, old: int, new: int) -> Scenario:
        values = self.objective.weights.values
        if self.objective.centred:
            return Scenario(self.inverse, values, self._of_the_mean())
        reweighs = self._balanced is not None and (old, new) != (ANY, ANY)
        rescales = self.objective.mean_over is not None and (new == NOTHING or self._by_weight)
        if not reweighs and not rescales:
            return Scenario(self.inverse, values)
        scale = 1.0 - 1.0 / self.objective.n_rows if rescales and new == NOTHING else 1.0
        if self._balanced is not None and reweighs:
            values = self._balanced_values(self._balanced, old, new)
        inverse = self.inverse
        if reweighs or scale != 1.0:
            hessian = self.objective.hessian(values, scale)
            damping = self.inverse.operator.damping
            inverse = self.solver.factor(hessian.damped(damping), self.context)
        return Scenario(inverse, values, inverse.solve(self._gradients()))

    @property
    def _by_weight(self) -> bool:
        return self.objective.mean_over == "weights"

    def _balanced_values(self, weights: BalancedWeights, old: int, new: int) -> Array:
        members = np.flatnonzero(weights.codes == old)
        count = weights.count(members).mean()
        removed = np.zeros((1, weights.n_classes))
        removed[0, old] = count
        if new >= 0:
            removed[0, new] = -count
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

    def losses(self, exchanges: Exchanges) -> Array:
        """What each g_k's weight loses in each column, (m, S)."""
        if self.objective.centred:
            return np.asarray(exchanges.mean_targets().T - self.objective.theta[-1])
        columns = []
        if self._balanced is not None:
            columns.append(self._balanced.class_weight - exchanges.class_weights)
        if self.objective.mean_over is not None:
            columns.append(1.0 - exchanges.penalty_scale[:, None])
        return np.concatenate(columns, axis=1)
