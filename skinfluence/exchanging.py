"""What answers how the model changes by exchanges: one Newton step or refits, for any features.

The functions that a kernel machine is made of are sums over its training rows. For rows with other
features that come they get one more term each, whose coefficient is 0 until its row comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .curvature import Array
from .exchanges import Arrivals, Exchanges
from .objective import Objective
from .penalties import L2
from .predictors import KernelPredictor, LinearMap
from .refits import Refits
from .removal import RowExchange
from .scenarios import Scenarios


@dataclass(frozen=True)
class Change:
    """What some rows become, alone each.

    Parameters
    ----------
    rows : ndarray of int of shape (m,)
        They may repeat.
    y : ndarray of shape (m,) or (m, K)
        Their new targets as the loss reads them.
    codes : ndarray of shape (m,), optional
        Their new classes, of a classifier.
    X : {ndarray, CSR matrix} of shape (m, d), optional
        Their new features, as the model sees them; None where these stay.
    """

    rows: Array
    y: Array
    codes: Array | None
    X: Any | None = None

    def take(self, columns: Array) -> Change:
        """Some of them."""
        codes = None if self.codes is None else self.codes[columns]
        X = None if self.X is None else self.X[columns]
        return Change(self.rows[columns], self.y[columns], codes, X)

    def on(self, objective: Objective) -> Exchanges:
        """Of an objective, whose functions needn't have room for new features."""
        linear_map = None if self.X is None else objective.predictor.linearize(self.X)
        return Exchanges(objective, self.rows, Arrivals(linear_map, self.y, self.codes))

    def with_room(self, objective: Objective) -> Exchanges:
        """Of an objective over the new features as well, which is where its parameters can go."""
        if self.X is None or not isinstance(objective.predictor, KernelPredictor):
            return self.on(objective)
        n, predictor = objective.n_rows, objective.predictor.with_more_rows(self.X)
        every = predictor.linearize_training()
        m = every.n_rows - n
        strength = objective.penalty.strength
        wider = replace(
            objective,
            predictor=predictor,
            linear_map=every.take(np.arange(n)),
            theta=_insert(objective.theta, n, np.zeros((m, objective.theta.shape[1]))),
            penalty=L2(_insert(strength, n, np.repeat(strength[:1], m, axis=0))),
        )
        arrivals = Arrivals(every.take(n + np.arange(m)), self.y, self.codes)
        return Exchanges(wider, self.rows, arrivals)


@dataclass(frozen=True)
class ExactExchange:
    """Refits with rows exchanged.

    Parameters
    ----------
    refits : Refits
    exchanges : Exchanges
        Of its objective.
    """

    refits: Refits
    exchanges: Exchanges

    @property
    def objective(self) -> Objective:
        """At its own optimum."""
        return self.refits.objective

    def decision_moves(
        self, test_map: LinearMap, columns: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Changes of test decision values: tests, positions and (tests, positions, K)."""
        found = self.refits.exchanged(self.exchanges.take(columns))
        yield from self.refits.decision_moves_by(found, test_map)


def newton_exchange(scenarios: Scenarios, change: Change) -> RowExchange:
    """By one Newton step."""
    exchanges = change.with_room(scenarios.objective)
    if exchanges.objective is not scenarios.objective:
        damping, context = scenarios.inverse.operator.damping, scenarios.context
        hessian = exchanges.objective.hessian().damped(damping)
        inverse = scenarios.solver.factor(hessian, context)
        scenarios = Scenarios(exchanges.objective, inverse, scenarios.solver, context)
    return RowExchange(scenarios, exchanges)


def exact_exchange(refits: Refits, change: Change) -> ExactExchange:
    """By refits."""
    exchanges = change.with_room(refits.objective)
    if exchanges.objective is not refits.objective:
        inverse = refits.solver.factor(exchanges.objective.hessian(), refits.context)
        refits = Refits(
            exchanges.objective, inverse, refits.solver, refits.context, refits.tolerance
        )
    return ExactExchange(refits, exchanges)


def _insert(coordinates: Array, place: int, more: Array) -> Array:
    return np.concatenate([coordinates[:place], more, coordinates[place:]])
