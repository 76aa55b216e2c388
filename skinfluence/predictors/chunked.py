"""The map of rows that are chunks of a dask collection: products go to where the rows are.

A product with all rows is a task per chunk; what comes back are numbers per row, or sums that
have been added up on the way. Few rows are fetched, and their map is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..blocks import BLOCK_BYTES
from ..chunked_rows import ChunkedRows
from ..curvature import Array
from ..dask_graphs import add_up, computed, tree
from .base import LinearMap
from .features import KINDS, FeatureMap
from .parts import MapInParts


@dataclass(frozen=True)
class MapOf:
    """What makes a map of a chunk's rows, on a worker."""

    n_outputs: int
    constant: float
    free: Array | None
    flat: Array | None

    def __call__(self, X: Any) -> FeatureMap:
        """The map of these rows."""
        return FeatureMap(X, self.n_outputs, self.constant, None, self.free, self.flat)


class ChunkedMap(MapInParts):
    """The map of rows in chunks.

    Parameters
    ----------
    X : ChunkedRows
    n_outputs, constant, selection, free, flat
        As of ``FeatureMap``.
    """

    X: ChunkedRows
    at_hand = False

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
        """Each chunk is added to zeros where it is, and the sums in a tree; one comes back."""
        shared = self.map_of, add, total.shape, total.dtype, bytes_per_row, limit
        parts = self.X.each(_chunk_sum, *arrays, shared=shared, name="sum-of-rows")
        total += computed([tree(add_up, parts, "sum")])[0]
        return total

    def map_rows(
        self,
        function: Callable[..., Array],
        arrays: Sequence[Any],
        bytes_per_row: int,
        *,
        limit: int = BLOCK_BYTES,
        what: str = "",
    ) -> Array:
        """Each chunk's answers are found where it is."""
        shared = function, bytes_per_row, limit
        return np.concatenate(computed(self.each(_chunk_rows, *arrays, shared=shared, name="rows")))

    @property
    def map_of(self) -> MapOf:
        """What makes a map of a chunk."""
        return MapOf(self.n_outputs, self.constant, self.free, self.flat)

    def each(
        self, function: Callable[..., Any], *arrays: Any, shared: Any = None, name: str
    ) -> list[Any]:
        """Delayed ``function(shared, map of a chunk, *its rows of the arrays)`` of each chunk."""
        return self.X.each(_on_map, *arrays, shared=(self.map_of, function, shared), name=name)

    def gram(self, other: LinearMap, scale: Array) -> Array:
        """(n, n')."""
        if isinstance(other, ChunkedMap):
            other = other._of(other.X[:], None)
        return np.concatenate(self._called("gram", other, scale))

    def _called(self, method: str, *arguments: Any, per_row: Sequence[Any] = ()) -> list[Any]:
        function = partial(_call, method)
        return computed(self.each(function, *per_row, shared=arguments, name=method))


KINDS[ChunkedRows] = ChunkedMap


def _on_map(shared: tuple[Any, ...], X: Any, *arrays: Any) -> Any:
    map_of, function, handed = shared
    return function(handed, map_of(X), *arrays)


def _chunk_sum(shared: tuple[Any, ...], X: Any, *arrays: Any) -> Array:
    map_of, add, shape, dtype, bytes_per_row, limit = shared
    total = np.zeros(shape, dtype)
    rows: FeatureMap = map_of(X)
    return rows.accumulate(add, total, arrays, bytes_per_row, limit=limit)


def _chunk_rows(shared: tuple[Any, ...], rows: FeatureMap, *arrays: Any) -> Array:
    function, bytes_per_row, limit = shared
    return rows.map_rows(function, arrays, bytes_per_row, limit=limit)


def _call(method: str, arguments: tuple[Any, ...], rows: FeatureMap, *per_row: Array) -> Any:
    return getattr(rows, method)(*arguments, *per_row)
