"""Exact refits without rows, or with other weights, for all requested columns at once.

The reference is the optimum of the estimator's own objective, found to the same tolerance: an
estimator that stopped early would otherwise count its distance from there as everybody's effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .active_set import warn_if_optimum_leaves, warn_of_support
from .blocks import row_blocks, rows_per_block
from .chord import ColumnBlock, Optima, find_optima
from .curvature import Array
from .downdates import column_inverse, factor_bytes
from .exceptions import warn_user
from .exchanges import Exchanges
from .jobs import in_jobs
from .minimise import decrement
from .objective import Objective
from .optimality import N_SIGN_VECTORS, resampled_gradients
from .predictors import LinearMap
from .progress import progress
from .refit_words import LEFT_OUT, changed, warn_not_converged, warn_undetermined
from .reweighting import Reweighting, unchanged
from .row_downdates import RowDowndates
from .scenarios import Scenario, Scenarios
from .solvers import Auto, InverseHessian, Solver, SolverContext
from .wellposed import require_determined

# Gradients are no smaller than this share of the resampling noise, or than what moving each
# parameter by this share of itself makes of them.
ROUNDING_OF_NOISE = 2e-12
ROUNDING_OF_THETA = 1e-15
# Parameters further from the optimum than this share of the noise get a Hessian of their own.
NEAR = 1e-2
# Columns of a block: enough for matrix products to run at full speed, few enough for n_jobs to
# share and for a progress bar to move.
MOST_COLUMNS = 256
COLUMN_BYTES = 1 << 28
# What nearly every column takes, with two right-hand sides each.
STEPS = 8
LARGE_FACTOR = 1024
WAYS_OUT = "Add a penalty to the estimator; damping plays no part in kind='refit'."

Task = tuple[Array, Callable[[], ColumnBlock]]


class Refits:
    """Exact optima of an estimator's objective, and of reweighted ones.

    Parameters
    ----------
    objective : Objective
        At the fitted parameters.
    inverse : InverseHessian
        Of its Hessian. One with damping is replaced, and one by iteration by what ``Auto`` chooses
        for as many right-hand sides as refits have.
    solver, context
        What makes other inverses.
    tolerance : float
        Of a column's gradient in the norm of the inverse Hessian, as a share of what the
        reweighting did to it.

    Attributes
    ----------
    objective : Objective
        At its own optimum.
    inverse : InverseHessian
        There, or near: at the parameters of ``_curved``, of which all curvature is taken.
    """

    def __init__(
        self,
        objective: Objective,
        inverse: InverseHessian,
        solver: Solver,
        context: SolverContext,
        tolerance: float,
    ) -> None:
        iterative = bool(inverse.iterative_operations(1))
        solver = Auto() if iterative else solver
        if iterative or inverse.operator.damping:
            inverse = solver.factor(objective.hessian(), context)
        require_determined(objective, 0.0, inverse.rank, ways_out=WAYS_OUT)
        self.objective, self.inverse = objective, inverse
        self.solver, self.context, self.tolerance = solver, context, tolerance
        self._curved = objective
        self._go_to_the_optimum()
        self._scenarios = Scenarios(self._curved, self.inverse, solver, context)

    # ------------------------------------------------------------------------ rows, one by one
    def own_moves(self, rows: Array) -> Array:
        """Change of each row's own decision values by its removal, (rows, K)."""
        result = np.empty((len(rows), self.objective.linear_map.n_outputs))
        for positions, changes in self.without_rows(rows):
            result[positions] = self.objective.linear_map.take(rows[positions]).own_values(changes)
        return result

    def parameter_steps(self, rows: Array) -> Array:
        """Change of the parameters by each row's removal, (p, rows)."""
        result = np.empty((self.objective.n_parameters, len(rows)))
        for positions, changes in self.without_rows(rows):
            result[:, positions] = changes
        return result

    def decision_moves(
        self, test_map: LinearMap, rows: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Changes of test decision values by each row's removal.

        Yields test rows, positions in ``rows`` and moves of shape (tests, positions, K).
        """
        yield from self.decision_moves_by(self.without_rows(rows), test_map)

    @staticmethod
    def decision_moves_by(
        found: Iterator[tuple[Array, Array]], test_map: LinearMap
    ) -> Iterator[tuple[slice, Array, Array]]:
        """The same for any changes of the parameters (p, positions)."""
        for positions, changes in found:
            for tests in row_blocks(test_map.n_rows, 16 * test_map.n_outputs * len(positions)):
                moves = test_map.take(tests).as_float64().jvp(changes)
                yield tests, positions, moves.transpose(0, 2, 1)

    def without_rows(self, rows: Array) -> Iterator[tuple[Array, Array]]:
        """Changes of parameters by each row's removal: positions in ``rows``, (p, positions)."""
        return self.exchanged(Exchanges(self.objective, rows))

    def exchanged(self, exchanges: Exchanges) -> Iterator[tuple[Array, Array]]:
        """Changes of parameters by each exchange: columns, (p, columns)."""
        tasks: list[Task] = []
        exchanges = replace(exchanges, objective=self.objective)
        width = self._columns_per_block()
        for group, scenario in self._scenarios.groups(exchanges):
            # K for each row's leverage, and two in each of a few steps.
            scenario.inverse.expect(len(group) * (self.objective.linear_map.n_outputs + STEPS))
            for first in range(0, len(group), width):
                positions = group[first : first + width]
                tasks.append((positions, self._row_block(scenario, exchanges.take(positions))))
        verb = LEFT_OUT if exchanges.arrivals is None else "replaced"
        yield from self._solve(tasks, exchanges.rows, "rows", verb)

    def _row_block(self, scenario: Scenario, exchanges: Exchanges) -> Callable[[], ColumnBlock]:
        def make() -> ColumnBlock:
            downdates = RowDowndates.of_exchanges(self._curved, scenario, exchanges)
            return ColumnBlock(
                exchanges,
                downdates.determined() & ~exchanges.loses_a_class,
                lambda columns, gradients: downdates.take(columns).approximate(gradients),
                lambda _: scenario.inverse,
            )

        return make

    # ---------------------------------------------------------------------------- any reweighting
    def columns(self, reweighting: Reweighting, what: str) -> Iterator[tuple[Array, Array]]:
        """Changes of the parameters by each column of new weights: columns, (p, columns)."""
        reweighting = replace(reweighting, objective=self.objective)
        every = np.arange(reweighting.n_columns)
        self.inverse.expect(len(every) * STEPS)
        width = self._columns_per_block(factor_bytes(reweighting, self.inverse))
        tasks: list[Task] = []
        for first in range(0, len(every), width):
            chosen = every[first : first + width]
            tasks.append((chosen, self._column_block(reweighting.take(chosen))))
        yield from self._solve(tasks, every, what, reweighting.verb)

    def _column_block(self, reweighting: Reweighting) -> Callable[[], ColumnBlock]:
        def make() -> ColumnBlock:
            curved = replace(reweighting, objective=self._curved)
            inverses = [
                column_inverse(curved, column, self.inverse, self.solver, self.context)
                for column in range(reweighting.n_columns)
            ]

            def approximate(columns: Array, gradients: Array) -> Array:
                moved = [inverses[c].estimate(gradients[:, [i]]) for i, c in enumerate(columns)]
                return np.concatenate(moved, axis=1)

            determined = np.array([inverse.determined for inverse in inverses])
            return ColumnBlock(reweighting, determined, approximate, inverses.__getitem__)

        return make

    # --------------------------------------------------------------------------------- solving
    def _solve(
        self, tasks: list[Task], names: Array, what: str, verb: str = LEFT_OUT
    ) -> Iterator[tuple[Array, Array]]:
        not_converged: list[tuple[float, int]] = []
        undetermined: list[int] = []
        leaving: list[int] = []
        for positions, optima in self._run(tasks, f"refit {changed(what, verb)}"):
            lost = np.isnan(optima.changes).any(axis=0)
            undetermined += names[positions[lost]].tolist()
            # Where a group vanishes there is no optimum with it, and that is told as such.
            missed = np.flatnonzero(~optima.converged & ~optima.leaves_support)
            sizes = optima.relative_gradients[missed].tolist()
            not_converged += list(zip(sizes, names[positions[missed]].tolist(), strict=True))
            leaving += names[positions[optima.leaves_support]].tolist()
            yield positions, optima.changes
        warn_undetermined(sorted(set(undetermined)), what, verb)
        warn_not_converged(not_converged, what, verb, self.tolerance)
        warn_of_support(sorted(set(leaving)), what, verb)

    def _run(self, tasks: list[Task], what: str) -> Iterator[tuple[Array, Optima]]:
        """Solve blocks, as many at a time as there are jobs; the order doesn't depend on them."""
        # Small factors: threads share them, with a BLAS thread each, which would only wait for
        # each other. Large ones: LAPACK holds Python's lock, but its own threads pay.
        large = self.inverse.operator.block_size > LARGE_FACTOR

        def solve(make: Callable[[], ColumnBlock]) -> Optima:
            return find_optima(make(), self.tolerance, self._rounding)

        options = {"most": 1} if large else {"threads": 1}
        solved = in_jobs(solve, ((make,) for _, make in tasks), **options)
        n_columns = sum(len(positions) for positions, _ in tasks)
        with progress(n_columns, what, parts=len(tasks)) as advance:
            for (positions, _), optima in zip(tasks, solved, strict=True):
                yield positions, optima
                advance(len(positions))

    def _columns_per_block(self, extra_bytes: int = 0) -> int:
        bytes_per_column = 8 * 8 * self.objective.n_parameters + extra_bytes
        return int(np.clip(rows_per_block(bytes_per_column, limit=COLUMN_BYTES), 1, MOST_COLUMNS))

    # ----------------------------------------------------------------------------- the reference
    def _go_to_the_optimum(self) -> None:
        block = ColumnBlock(
            unchanged(self.objective),
            np.array([True]),
            lambda _, gradients: self.inverse.estimate(gradients),
            lambda _: self.inverse,
        )
        optimum = find_optima(block, self.tolerance, self._rounding)
        if not optimum.reached[0] <= self.tolerance * self._noise + self._rounding:
            warn_user(
                "The optimum of the estimator's own objective, which kind='refit' compares with, "
                f"was not found: the gradient is {optimum.reached[0] / self._noise:.1e} of the "
                f"sampling noise, asked was {self.tolerance:.1e}. Check that an optimum exists "
                "(add a penalty to the estimator), or raise smoothing for a hinge loss.",
                ConvergenceWarning,
            )
        warn_if_optimum_leaves(bool(optimum.leaves_support[0]))
        changes = optimum.changes
        operator = self.inverse.operator
        inner = self.objective.linear_map.inner
        distance = np.sqrt(max(0.0, float(inner(operator.matmat(changes), changes)[0])))
        far = distance > NEAR * self._noise
        theta = self.objective.theta + changes.reshape(self.objective.theta.shape)
        self.objective = replace(self.objective, theta=theta)
        if far:
            self._curved = self.objective
            self.inverse = self.solver.factor(self.objective.hessian(), self.context)
            del self._noise, self._rounding

    @cached_property
    def _noise(self) -> float:
        """The gradient's resampling noise in the norm of the inverse Hessian."""
        noise = resampled_gradients(self.objective, self.context.random_state)
        moved = self.inverse.estimate(noise)
        return float(np.sqrt(np.mean(decrement(self.objective.linear_map, noise, moved) ** 2)))

    @cached_property
    def _rounding(self) -> float:
        """What gradients can't get below: also that of θ itself, the last digit of each entry."""
        rng = np.random.default_rng(self.context.random_state)
        theta = self.objective.theta.reshape(-1, 1)
        moved = theta * rng.choice([-1.0, 1.0], size=(len(theta), N_SIGN_VECTORS))
        bent = self.inverse.operator.matmat(moved)
        size = np.sqrt(np.mean(self.objective.linear_map.inner(bent, moved)))
        return float(ROUNDING_OF_NOISE * self._noise + ROUNDING_OF_THETA * size)
