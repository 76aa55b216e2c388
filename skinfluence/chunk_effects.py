"""Effects of the rows of one chunk on test rows, where the chunk is: what is sent to workers.

The formulas are those of ``effects`` and ``removal``. What is solved for comes along:
directions of test rows, steps of training rows; the chunk adds its rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .blocks import as_slice, row_blocks
from .curvature import Array
from .effects import scores
from .explanation import TopRows
from .predictors import LinearMap
from .questions import evaluate
from .removal import moves_by_rows
from .targets import Target


class Effects(ABC):
    """What training rows do to some test rows."""

    @property
    @abstractmethod
    def n_tests(self) -> int:
        """Number of test rows, or 1 of their mean."""

    @property
    @abstractmethod
    def columns_per_row(self) -> int:
        """Numbers of working memory for each training row."""

    @abstractmethod
    def of(self, rows: LinearMap, arrays: Sequence[Array]) -> Array:
        """(tests, rows), with what training rows bring along, each (rows, …)."""


@dataclass(frozen=True)
class WeightEffects(Effects):
    """By their weights, −n v_tᵀ∇ℓ_i.

    Parameters
    ----------
    directions : ndarray of shape (p, tests)
    n_rows : int
        Of all training rows.
    """

    directions: Array
    n_rows: int

    @property
    def n_tests(self) -> int:
        """Number of test rows, or 1 of their mean."""
        return int(self.directions.shape[1])

    @property
    def columns_per_row(self) -> int:
        """Numbers of working memory for each row."""
        return 2 * self.n_tests

    def of(self, rows: LinearMap, arrays: Sequence[Array]) -> Array:
        """(tests, rows), with residuals."""
        (residuals,) = arrays
        return np.asarray(-self.n_rows * scores(rows, self.directions, residuals))


@dataclass(frozen=True)
class Case:
    """What removals of one scenario share.

    Parameters
    ----------
    directions : list of ndarray of shape (p, tests)
        Of the test rows' decision values.
    shifts : ndarray of shape (tests, K, S), optional
        Moves of the test rows' decision values for what other rows' weights lose.
    """

    directions: list[Array]
    shifts: Array | None


@dataclass(frozen=True)
class RemovalEffects(Effects):
    """By their removal, one Newton step.

    Parameters
    ----------
    cases : list of Case
    target : Target
        Of the test rows.
    before : ndarray of shape (tests, K)
        Their decision values.
    """

    cases: list[Case]
    target: Target
    before: Array

    @property
    def n_tests(self) -> int:
        """Number of test rows."""
        return len(self.before)

    @property
    def columns_per_row(self) -> int:
        """Numbers of working memory for each row."""
        return 4 * self.before.size

    def of(self, rows: LinearMap, arrays: Sequence[Array]) -> Array:
        """(tests, rows), with steps, the number of each row's case, and its losses of weight."""
        steps, case_numbers, losses = arrays
        moves = np.empty((len(self.before), len(steps), self.before.shape[1]))
        for number, case in enumerate(self.cases):
            inside = np.flatnonzero(case_numbers == number)
            if not len(inside):
                continue
            some = rows.take(as_slice(inside))
            moves[:, inside] = moves_by_rows(some, case.directions, steps[inside])
            if case.shifts is not None:
                moves[:, inside] += np.einsum("tks,is->tik", case.shifts, losses[inside])
        after = evaluate(self.target, self.before[:, None, :] + moves)
        return np.asarray(after - self.target.value(self.before)[:, None])


@dataclass(frozen=True)
class RelativeEffects(Effects):
    """The same over the size of what each row does to the model."""

    effects: Effects

    @property
    def n_tests(self) -> int:
        """Number of test rows."""
        return self.effects.n_tests

    @property
    def columns_per_row(self) -> int:
        """Numbers of working memory for each row."""
        return self.effects.columns_per_row

    def of(self, rows: LinearMap, arrays: Sequence[Array]) -> Array:
        """(tests, rows), with divisors before all else: infinite of rows that move nothing."""
        divisors, *others = arrays
        return np.where(divisors == np.inf, 0.0, self.effects.of(rows, others) / divisors)


def chunk_of_matrix(shared: tuple[Effects, Any], rows: LinearMap, *arrays: Array) -> Array:
    """(tests, rows of the chunk), in a dtype."""
    effects, dtype = shared
    result = np.empty((effects.n_tests, rows.n_rows), dtype)
    for block, values in _blocks(effects, rows, arrays):
        result[:, block] = values
    return result


def top_of_chunk(
    shared: tuple[Effects, int], rows: LinearMap, positions: Array, *arrays: Array
) -> TopRows:
    """The k largest and smallest effects on each test row."""
    effects, k = shared
    top = TopRows(effects.n_tests, k)
    for block, values in _blocks(effects, rows, arrays):
        top.update(slice(0, effects.n_tests), positions[block], values)
    return top


def merged(tops: list[TopRows]) -> TopRows:
    """Of several chunks together."""
    result = TopRows(len(tops[0].largest), tops[0].k)
    for top in tops:
        result.merge(top)
    return result


def _blocks(
    effects: Effects, rows: LinearMap, arrays: tuple[Array, ...]
) -> Iterator[tuple[slice, Array]]:
    for block in row_blocks(rows.n_rows, 8 * effects.columns_per_row):
        yield block, effects.of(rows.take(block), [array[block] for array in arrays])
