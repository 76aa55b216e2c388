"""The map of rows of which a part is at hand at a time: products go from part to part."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..blocks import BLOCK_BYTES
from ..curvature import Array
from ..made_rows import MadeRows
from ..resources import resources
from .base import LinearMap
from .features import KINDS, FeatureMap


class MapInParts(FeatureMap):
    """The map of rows in parts.

    Parameters
    ----------
    X
        Which has ``density``, ``bytes_per_row`` and ``some``.
    n_outputs, constant, selection, free, flat
        As of ``FeatureMap``.
    """

    @property
    def density(self) -> float:
        """Share of X that is stored."""
        return float(self.X.density)

    def take(self, rows: Any) -> FeatureMap:
        """The map of some rows: of few in memory, of many where they are."""
        if isinstance(rows, slice):
            n_rows = len(range(*rows.indices(self.n_rows)))
        else:
            rows = np.asarray(rows)
            rows = np.flatnonzero(rows) if rows.dtype == bool else rows
            n_rows = len(rows)
        selection = None if self.selection is None else self.selection.take(rows)
        few = n_rows * self.X.bytes_per_row <= resources().block_bytes
        return self._of(self.X[rows] if few or not n_rows else self.X.some(rows), selection)

    def rows_worth_a_job(self, n_columns: int) -> int:
        """All: parts are work enough."""
        return max(1, self.n_rows)

    def jvp(self, directions: Array) -> Array:
        """(p, m) → (n, K, m)."""
        return np.concatenate(self._called("jvp", directions))

    def scores(self, directions: Any, residuals: Array) -> Array:
        """(m, n)."""
        return np.concatenate(self._called("scores", directions, per_row=[residuals]), axis=1)

    def vjp(self, cotangents: Array) -> Array:
        """(n, K, m) → (p, m)."""
        total = np.zeros((self.n_parameters, cotangents.shape[2]), self.dtype)
        return self.accumulate(_add_vjp, total, [cotangents], cotangents[:1].nbytes)

    def columns(self, cotangents: Array) -> Array:
        """(n, K) → (p, n). For blocks of rows."""
        return np.concatenate(self._called("columns", per_row=[cotangents]), axis=1)

    def own_values(self, directions: Array) -> Array:
        """(p, n) → (n, K). For blocks of rows."""
        return np.concatenate(self._called("own_values", per_row=[_Columns(directions)]))

    def inputs(self) -> Array:
        """(n, q), dense, float64. For blocks of rows."""
        return np.concatenate(self._called("inputs"))

    def gram_diagonal(self, scale: Array) -> Array:
        """(n,)."""
        return np.concatenate(self._called("gram_diagonal", scale))

    def squared_norms(self) -> Array:
        """(n,)."""
        return np.concatenate(self._called("squared_norms"))

    def squares_times(self, weights: Array) -> Array:
        """(n, K)."""
        return np.concatenate(self._called("squares_times", weights))

    def grams(self, weights: Array) -> Iterator[Array]:
        """(q, q) for each column of ``weights`` (n, P)."""
        total = np.zeros((weights.shape[1], self.n_inputs, self.n_inputs))
        yield from self.accumulate(_add_grams, total, [weights], 8 * self.stored_inputs)

    def weighted_squares(self, weights: Array) -> Array:
        """(q, K)."""
        total = np.zeros((self.n_inputs, weights.shape[1]))
        return self.accumulate(_add_squares, total, [weights], 8 * self.stored_inputs)

    @abstractmethod
    def _called(self, method: str, *arguments: Any, per_row: Sequence[Any] = ()) -> list[Any]:
        """``map.method(*arguments, *its rows of arrays)`` of the map of each part."""


class MadeMap(MapInParts):
    """The map of rows that are made block by block."""

    X: MadeRows

    def gram(self, other: LinearMap, scale: Array) -> Array:
        """(n, n')."""
        gram = np.empty((self.n_rows, other.n_rows))
        for rows in self.X.slices:
            gram[rows] = self._made(rows).gram(other, scale)
        return gram

    def accumulate(
        self,
        add: Callable[..., None],
        total: Array,
        arrays: Sequence[Any],
        bytes_per_row: int,
        *,
        limit: int = BLOCK_BYTES,
        what: str = "",
    ) -> Array:
        """In blocks that have room for the rows as well, which are made once for each."""
        whole = bytes_per_row + int(self.X.bytes_per_row)
        return super().accumulate(add, total, arrays, whole, limit=limit, what=what)

    def _called(self, method: str, *arguments: Any, per_row: Sequence[Any] = ()) -> list[Any]:
        return [
            getattr(self._made(rows), method)(*arguments, *(array[rows] for array in per_row))
            for rows in self.X.slices or [slice(0, 0)]
        ]

    def _made(self, rows: slice) -> FeatureMap:
        selection = None if self.selection is None else self.selection.take(rows)
        return self._of(self.X[rows], selection)


KINDS[MadeRows] = MadeMap


@dataclass(frozen=True)
class _Columns:
    """An array of which rows have columns."""

    array: Array

    def __getitem__(self, rows: slice) -> Array:
        return np.asarray(self.array[:, rows])


def _add_vjp(total: Array, rows: LinearMap, cotangents: Array) -> None:
    total += rows.vjp(cotangents)


def _add_grams(total: Array, rows: FeatureMap, weights: Array) -> None:
    for column, gram in enumerate(rows.grams(weights)):
        total[column] += gram


def _add_squares(total: Array, rows: FeatureMap, weights: Array) -> None:
    total += rows.weighted_squares(weights)
