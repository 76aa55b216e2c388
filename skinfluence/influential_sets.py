"""Which few rows decide a conclusion: the smallest set without which a number changes its sign.

Greedily: the row whose removal moves the number furthest towards 0 and past it, by a Newton step at
the optimum without the rows that are gone already, with the Hessian as it is there; then the
optimum without that row as well, exactly. A set that is found loses again what it doesn't need, and
is put to the estimator itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .curvature import Array
from .exchanges import Exchanges
from .measuring import Measure, first_order_products, newton_changes
from .objective import Objective
from .progress import up_to
from .refits import Refits
from .removal import RowRemoval
from .reweighting import RowsLeftOut
from .scenarios import Scenarios
from .smoothing import smooth_optimum
from .weighting import RowWeights

# Per row: they are replaced when rows go.
OF_ROWS = ("sample_weight", "codes", "weighted_outputs", "counts")
SHOWN_ROWS = 10


@dataclass(frozen=True, eq=False)
class InfluentialSet:
    """The rows that decide the sign of a number, as ``most_influential_set`` finds them.

    Attributes
    ----------
    rows : ndarray of shape (m,)
        Positions of the training rows, in the order in which they were removed.
    row_names : tuple
        Their labels in a DataFrame's index, else their positions.
    functional : str
        What the number is.
    value_before : float
        Of the estimator as it is fitted.
    values : ndarray of shape (m,)
        After the removal of the first 1, 2, ..., m of the rows, at the optimum of the
        estimator's objective.
    refitted : float
        Of the estimator itself, fitted again without all of the rows.
    flipped : bool
        Whether that has the other sign.
    k : int
        How many rows were allowed to go.
    """

    rows: Array
    row_names: tuple[Any, ...]
    functional: str
    value_before: float
    values: Array = field(repr=False)
    refitted: float
    flipped: bool
    k: int

    def __repr__(self) -> str:
        n = len(self.rows)
        rows = "1 row" if n == 1 else f"{n} rows"
        named = ", ".join(str(name) for name in self.row_names[:SHOWN_ROWS])
        named += f", ... and {n - SHOWN_ROWS} more" if n > SHOWN_ROWS else ""
        if self.flipped:
            head = f"InfluentialSet: without {rows} {self.functional} changes its sign"
        else:
            head = (
                f"InfluentialSet: no set of up to {self.k} rows was found without which "
                f"{self.functional} changes its sign; the nearest to it has {rows}"
            )
        change = f"{self.value_before:.4g} before, {self.refitted:.4g} refitted without"
        return f"{head}\n{change}\nrows: {named}"

    def to_frame(self) -> Any:
        """One line per row in the order of removal, with the value after it.

        Returns
        -------
        pandas.DataFrame
            Columns ``row``, ``name`` and ``value``.
        """
        import pandas as pd

        return pd.DataFrame({"row": self.rows, "name": self.row_names, "value": self.values})


@dataclass(frozen=True)
class Search:
    """For a set of rows of one objective.

    Parameters
    ----------
    refits : Refits
        Of the objective.
    smoothed : Objective or None
        Where the loss has kinks, the objective whose curvature tells of effects.
    measure : Measure
    sign : float
        Of the number as it is.
    """

    refits: Refits
    smoothed: Objective | None
    measure: Measure
    sign: float

    def growing(self, k: int) -> Iterator[tuple[list[int], float]]:
        """Ever larger sets, and the number without each; up to k rows, or until none helps."""
        chosen: list[int] = []
        change = np.zeros((self.refits.objective.n_parameters, 1))
        for _ in up_to(k, "influential set, steps"):
            row = self._next(chosen, change)
            if row is None:
                return
            chosen = [*chosen, row]
            change = self._changes([chosen])
            value = float(self._values(change)[0])
            if np.isnan(value):
                return
            yield chosen, value

    def pruned(self, rows: list[int]) -> list[int]:
        """What is left of a set that flips the sign when rows go back that needn't be in it."""
        while len(rows) > 1:
            smaller = [rows[:i] + rows[i + 1 :] for i in range(len(rows))]
            values = np.nan_to_num(self.sign * self._values(self._changes(smaller)), nan=np.inf)
            best = int(values.argmin())
            if not values[best] < 0:
                break
            rows = smaller[best]
        return rows

    def confirmed(
        self, rows: list[int], refitted: Callable[[list[int]], float]
    ) -> tuple[list[int], float] | None:
        """As few of the rows as flip the sign of the estimator itself; None if not even all do."""
        smaller = self.pruned(rows)
        for candidate in [smaller, rows] if len(smaller) < len(rows) else [rows]:
            value = refitted(candidate)
            if self.sign * value < 0:
                return candidate, value
        return None

    def path(self, rows: list[int]) -> Array:
        """The number without the first 1, 2, … of the rows."""
        return self._values(self._changes([rows[: i + 1] for i in range(len(rows))]))

    def _next(self, chosen: list[int], change: Array) -> int | None:
        """The row to go, of those left; None where none moves the number towards 0."""
        kept = np.delete(np.arange(self.refits.objective.n_rows), chosen)
        effects = self.sign * self._effects(chosen, kept, change)
        effects = np.where(np.isnan(effects), np.inf, effects)
        best = int(np.argmin(effects))
        return int(kept[best]) if effects[best] < 0 else None

    def _effects(self, chosen: list[int], kept: Array, change: Array) -> Array:
        """Change of the number by each row's removal from those that are left."""
        solver, context = self.refits.solver, self.refits.context
        full = self.refits.objective if self.smoothed is None else self.smoothed
        left = without_rows(full, np.array(chosen, dtype=np.intp), kept, change)
        if self.smoothed is not None:
            left = smooth_optimum(left, solver, context)
        inverse = solver.factor(left.hessian(), context)
        tangent, rows = self.measure.tangent(left), np.arange(left.n_rows)
        if self.smoothed is None:
            removal = RowRemoval(Scenarios(left, inverse, solver, context))
            with warnings.catch_warnings():  # of rows that can't go: they aren't asked for
                warnings.simplefilter("ignore", RuntimeWarning)
                effects = newton_changes(removal, tangent, rows)
        else:
            # Rows beyond the kink have no curvature, and their multiplier is all there is to them.
            weights = left.weights.values.mean(axis=1)
            effects = weights * first_order_products(left, inverse, tangent, None)
        return np.where(Exchanges(left, rows).loses_a_class, np.nan, effects)

    def _changes(self, sets: list[list[int]]) -> Array:
        """Of the parameters, (p, sets)."""
        asked = RowsLeftOut.sets(self.refits.objective, [np.array(each) for each in sets])
        result = np.empty((self.refits.objective.n_parameters, len(sets)))
        for columns, changes in self.refits.columns(asked, "sets of rows"):
            result[:, columns] = changes
        return result

    def _values(self, changes: Array) -> Array:
        """The number at each of some changes; NaN where the model is not determined."""
        found = ~np.isnan(changes).any(axis=0)
        result = np.full(changes.shape[1], np.nan)
        result[found] = self.measure.values(self.refits.objective, changes[:, found])
        return result


def without_rows(objective: Objective, rows: Array, kept: Array, change: Array) -> Objective:
    """The objective of the rows that are left, at changed parameters.

    Parameters
    ----------
    objective : Objective
    rows, kept : ndarray of int
        Which go, and which are left.
    change : ndarray of shape (p, 1)
    """
    if not len(rows):
        return replace(objective, theta=objective.theta + change.reshape(objective.theta.shape))
    asked = RowsLeftOut.sets(objective, [rows])
    weights: RowWeights = objective.weights
    new: dict[str, Any] = {name: getattr(weights, name, None) for name in OF_ROWS}
    new = {name: values[kept] for name, values in new.items() if values is not None}
    if asked.class_weights is not None:
        new["class_weight"] = asked.class_weights[0]
    return replace(
        objective,
        theta=objective.theta + change.reshape(objective.theta.shape),
        linear_map=objective.linear_map.take(kept),
        y=objective.y[kept],
        weights=replace(weights, **new),
        penalty=objective.penalty.scaled(float(asked.penalty_scale[0])),
    )


def find_set(
    searches: list[Search], k: int, refitted: Callable[[list[int]], float]
) -> tuple[list[int], float]:
    """The smallest set found that flips the sign of the estimator's own number; else the nearest.

    Parameters
    ----------
    searches : list of Search
        For the same number, each by a tangent of its own.
    k : int
    refitted : callable
        Rows → the number of the estimator fitted without them.

    Returns
    -------
    rows : list of int
    value : float
        Refitted.
    """
    found: tuple[list[int], float] | None = None
    nearest: tuple[float, list[int]] = (np.inf, [])
    for search in searches:
        for rows, value in search.growing(k if found is None else len(found[0]) - 1):
            distance = search.sign * value
            nearest = min(nearest, (distance, rows), key=lambda each: each[0])
            confirmed = search.confirmed(rows, refitted) if distance < 0 else None
            if confirmed is not None:
                found = confirmed
                break
    rows = nearest[1]
    return (rows, refitted(rows)) if found is None else found
