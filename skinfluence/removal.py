"""Removing one row, or exchanging it: one Newton step, with the row's own curvature taken out.

    Δθ_c = (∇²J)⁻¹ U_c w_c,   w_c = (I − C_c M_c)⁻¹ ρ_c,   M_c = U_cᵀ (∇²J)⁻¹ U_c

with U_c and C_c as in ``row_downdates``, and ρ_c the weighted residual s_i r_i of the row that goes
with that of the row that comes, −s_δ r_δ: added to it where only the target changes, beside it
where features do. So a column's whole effect is the few numbers w_c, and every question about it a
product with them. Where the change also reweighs other rows or the penalty, the step starts from
δ_c (see ``scenarios``):

    Δθ_c = δ_c + (∇²J_c)⁻¹ U_c (I − C_c M_c)⁻¹ (ρ_c + C_c U_cᵀ δ_c)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .active_set import leaves_support, rows_leaving_support, warn_of_support
from .blocks import as_slice, row_blocks
from .curvature import Array
from .effects import SCORES, row_scores, target_blocks
from .exceptions import warn_user
from .exchanges import Exchanges
from .persistence import FilledInTime
from .predictors import LinearMap
from .progress import track, tracked_blocks
from .refit_words import ways_to_determine
from .row_downdates import RowDowndates
from .scenarios import Scenario, Scenarios

# About half an hour of two cores.
MANY_OPERATIONS = 1e14
# Enough rows at a time for leverages to be matrix products.
STEP_BYTES = 1 << 27


@dataclass(frozen=True)
class NewtonSteps:
    """w_c of some columns.

    Parameters
    ----------
    steps : ndarray of shape (m, J K)
        NaN where the model is not determined.
    own_moves : ndarray of shape (m, K)
        Of the decision values of the rows that go, where no others come.
    undetermined : ndarray of int
        Columns.
    """

    steps: Array
    own_moves: Array
    undetermined: Array


def newton_steps(scenarios: Scenarios, exchanges: Exchanges) -> NewtonSteps:
    """Solve for w_c, in blocks."""
    objective, m = scenarios.objective, exchanges.n_columns
    k = objective.linear_map.n_outputs
    width = k if exchanges.same_features else 2 * k
    own_bytes = 8 * 6 * (width * width + width)
    if objective.linear_map.at_hand:
        own_bytes += 8 * 2 * objective.linear_map.stored_inputs
    if not exchanges.same_features:
        own_bytes += 8 * 2 * k * objective.n_parameters
    steps, own_moves = np.full((m, width), np.nan), np.empty((m, k))
    blocks = (
        (block.stop - block.start, (group[block], scenario))
        for group, scenario in scenarios.groups(exchanges)
        for block in row_blocks(len(group), own_bytes, limit=STEP_BYTES)
    )
    for columns, scenario in track(blocks, m, "Newton steps, rows"):
        chosen = exchanges.take(columns)
        downdates = RowDowndates.of_exchanges(objective, scenario, chosen)
        shifts = [scenarios.own_shifts(each, chosen, scenario) for each in downdates.maps]
        shift = np.concatenate(shifts, axis=1)[:, :, None]
        right = chosen.residuals() + np.matmul(downdates.curvature, shift)[:, :, 0]
        fine = np.flatnonzero(downdates.determined())
        steps[columns[fine]] = downdates.take(fine).steps(right[fine])
        moves = np.matmul(downdates.leverage, steps[columns][:, :, None]) + shift
        own_moves[columns] = moves[:, :k, 0]
    return NewtonSteps(steps, own_moves, np.flatnonzero(np.isnan(steps).any(axis=1)))


def newton_changes(scenarios: Scenarios, exchanges: Exchanges, steps: Array) -> Array:
    """Changes of the parameters, (p, m)."""
    objective = scenarios.objective
    k = objective.linear_map.n_outputs
    result = np.empty((objective.n_parameters, exchanges.n_columns))
    for positions, scenario in scenarios.groups(exchanges):
        chosen, own = exchanges.take(positions), steps[positions]
        columns = objective.linear_map.take(chosen.rows).columns(own[:, :k])
        if not exchanges.same_features:
            columns = columns + chosen.arriving_map.columns(own[:, k:])
        changes = scenario.inverse.solve(columns)
        if scenario.shift is not None:
            changes += scenarios.shifts(chosen, scenario)
        if len(positions) == len(steps):
            return changes
        result[:, positions] = changes
    return result


def newton_decision_moves(
    scenarios: Scenarios, exchanges: Exchanges, steps: Array, test_map: LinearMap
) -> Iterator[tuple[slice, Array, Array]]:
    """Changes of test decision values: tests, columns and moves of shape (tests, columns, K)."""
    for tests in target_blocks(test_map.n_rows, test_map.n_parameters, test_map.n_outputs):
        some = test_map.take(tests)
        blocks = _blocks(scenarios, exchanges, some)
        for columns, scenario, directions in track(blocks, exchanges.n_columns, SCORES):
            chosen = exchanges.take(columns)
            moves = _moves(chosen, directions, steps[columns])
            yield tests, columns, moves + scenarios.decision_shifts(some, chosen, scenario)


def _blocks(scenarios: Scenarios, exchanges: Exchanges, test_map: LinearMap) -> Iterator[Any]:
    for group, scenario in scenarios.groups(exchanges):
        directions = test_directions(scenarios, scenario, test_map)
        bytes_per_column = 8 * test_map.n_outputs * test_map.n_rows * len(directions)
        for block in row_blocks(len(group), bytes_per_column):
            yield block.stop - block.start, (group[block], scenario, directions)


def test_directions(scenarios: Scenarios, scenario: Scenario, test_map: LinearMap) -> list[Any]:
    """(∇²J)⁻¹ times the parameter gradients of the test rows' decision values."""
    # A loss that is a sum over outputs keeps them apart: one direction then carries all K.
    n, k = test_map.n_rows, test_map.n_outputs
    separable = scenarios.objective.curvature.separable
    seeds = np.ones((1, k)) if separable else np.eye(k)
    scenario.inverse.expect(n * len(seeds))
    return [scenario.inverse.directions(test_map, np.tile(seed, (n, 1))) for seed in seeds]


def _moves(exchanges: Exchanges, directions: list[Any], steps: Array) -> Array:
    """(tests, columns, K)."""
    objective, rows = exchanges.objective, exchanges.rows
    k = objective.linear_map.n_outputs
    if objective.curvature.separable:
        unique, places = np.unique(rows, return_inverse=True)
        values = objective.linear_map.take(as_slice(unique)).jvp(directions[0])
        in_order = len(unique) == len(rows) and bool((places[:-1] < places[1:]).all())
        moves = _scaled(values if in_order else values[places], steps[:, :k])
    else:
        going = [row_scores(objective, rows, each, steps[:, :k]) for each in directions]
        moves = np.stack(going, axis=2).astype(np.float64)
    if not exchanges.same_features:
        moves += moves_by_rows(exchanges.arriving_map, directions, steps[:, k:])
    return moves


def moves_by_rows(linear_map: LinearMap, directions: list[Any], steps: Array) -> Array:
    """Moves of test decision values by steps w (rows, K) of rows: (tests, rows, K)."""
    if len(directions) == 1:
        return _scaled(linear_map.jvp(directions[0]), steps)
    moves = [linear_map.scores(each, steps) for each in directions]
    return np.stack(moves, axis=2).astype(np.float64)


def _scaled(values: Array, steps: Array) -> Array:
    """Of outputs that a loss keeps apart: (columns, K, tests) → (tests, columns, K)."""
    return np.asarray((values.astype(np.float64) * steps[:, :, None]).transpose(2, 0, 1))


class RowExchange:
    """Newton steps of exchanges.

    Parameters
    ----------
    scenarios : Scenarios
        Of the objective.
    exchanges : Exchanges
    """

    def __init__(self, scenarios: Scenarios, exchanges: Exchanges) -> None:
        self.scenarios, self.exchanges = scenarios, exchanges
        self.objective = scenarios.objective
        found = newton_steps(scenarios, exchanges)
        self._steps = np.where(exchanges.loses_a_class[:, None], np.nan, found.steps)
        leaving = np.flatnonzero(self._leaving_support())
        warn_of_support(np.unique(exchanges.rows[leaving]).tolist(), "rows", "replaced")
        lost = np.flatnonzero(np.isnan(self._steps).any(axis=1))
        if len(lost):
            rows = np.unique(exchanges.rows[lost]).tolist()
            warn_user(
                f"{len(rows)} training rows can't be exchanged (for example {rows[:5]}): the model "
                "is not determined then, or a class has no rows, so their kind='removal' effects "
                "are NaN. Add a penalty to the estimator, or leave them out of the request.",
                RuntimeWarning,
            )

    def _leaving_support(self) -> Array:
        """(m,)."""
        leaving = np.zeros(self.exchanges.n_columns, dtype=bool)
        if self.objective.outside is not None:
            bytes_per_column = 8 * 4 * self.objective.n_parameters
            for block in tracked_blocks(len(leaving), bytes_per_column, "support, exchanged rows"):
                chosen = self.exchanges.take(np.arange(len(leaving))[block])
                changes = newton_changes(self.scenarios, chosen, self._steps[block])
                leaving[block] = leaves_support(self.objective, chosen, changes)
        return leaving

    def decision_moves(
        self, test_map: LinearMap, columns: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Changes of test decision values by some of the exchanges.

        Yields test rows, positions in ``columns`` and moves of shape (tests, positions, K).
        """
        chosen, steps = self.exchanges.take(columns), self._steps[columns]
        yield from newton_decision_moves(self.scenarios, chosen, steps, test_map)


class RowRemoval(FilledInTime):
    """Newton steps of removing training rows one by one.

    Parameters
    ----------
    scenarios : Scenarios
        Of the objective.
    """

    _noted = ("_known", "_leaving", "_steps", "_own_moves")

    def __init__(self, scenarios: Scenarios) -> None:
        self.scenarios = scenarios
        self.objective = objective = scenarios.objective
        self.inverse = scenarios.inverse
        n, k = objective.n_rows, objective.linear_map.n_outputs
        self._known = np.zeros(n, dtype=bool)
        self._leaving = np.zeros(n, dtype=bool)
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
        self._complete(rows)
        return self._parameter_steps(rows)

    def _parameter_steps(self, rows: Array) -> Array:
        return newton_changes(self.scenarios, Exchanges(self.objective, rows), self._steps[rows])

    def decision_moves(
        self, test_map: LinearMap, rows: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Changes of test decision values by each row's removal.

        Yields test rows, positions in ``rows`` and moves of shape (tests, positions, K).
        """
        exchanges = Exchanges(self.objective, rows)
        yield from newton_decision_moves(self.scenarios, exchanges, self.steps(rows), test_map)

    def _complete(self, rows: Array) -> None:
        self._find(np.unique(rows[~self._known[rows]]))
        # Unlike NaN, what the support makes of an answer is not to be seen in it.
        warn_of_support(np.unique(rows[self._leaving[rows]]).tolist(), "training rows")

    def _find(self, missing: Array) -> None:
        self._warn_if_slow(len(missing))
        found = newton_steps(self.scenarios, Exchanges(self.objective, missing))
        self._steps[missing], self._own_moves[missing] = found.steps, found.own_moves
        if len(found.undetermined):
            undetermined = missing[found.undetermined].tolist()
            ways_out = ways_to_determine(self.inverse.operator.bends_back)
            warn_user(
                f"{len(undetermined)} training rows have leverage 1 or more (for example "
                f"{undetermined[:5]}): without them the model is not determined, so their "
                f"kind='removal' effects are NaN. {ways_out}",
                RuntimeWarning,
            )
        leaving = rows_leaving_support(self.objective, missing, self._parameter_steps)
        self._leaving[missing] = leaving & ~np.isnan(found.steps).any(axis=1)
        # Last: what is interrupted before is asked again.
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
