"""Rows that are the chunks of a dask collection: computed where they are needed, never all at once.

Nothing is kept on workers that could not be computed anew: each pass over the rows is a graph from
the user's own collection on, so that a worker that is lost costs time alone. Whoever wants chunks
to stay in a cluster's memory between passes persists the collection. Without a cluster dask runs
the same graphs in threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .dask_graphs import Sent, calls, chunks_of_rows, computed, for_all, some_of_chunk, stacked
from .resources import resources, using

Array = NDArray[Any]
NEEDS_ARRAYS = (
    "InfluenceExplainer got X as a dask collection for a model that needs all of its rows at once; "
    "needed is a model that is linear in its features, whose sums go over chunks of rows. Pass "
    "X.compute(), or a sample of the rows where all don't fit into memory."
)


class ChunkedRows:
    """A matrix of model rows in chunks.

    Parameters
    ----------
    parts : list of dask Delayed
        Each an ndarray or CSR matrix.
    sizes : sequence of int
        Rows of each.
    n_features : int
    dtype : dtype
    n_stored : int or None
        Entries that are stored; None of dense rows.
    """

    ndim = 2

    def __init__(
        self, parts: list[Any], sizes: Any, n_features: int, dtype: Any, n_stored: int | None
    ) -> None:
        self.parts = parts
        self.bounds = np.concatenate([[0], np.cumsum(np.asarray(sizes, dtype=np.intp))])
        self.shape = (int(self.bounds[-1]), n_features)
        self.dtype = np.dtype(dtype)
        self.n_stored = n_stored
        self._near: OrderedDict[int, Any] = OrderedDict()

    @classmethod
    def of(cls, X: Any, prepare: Callable[[Any], Any]) -> ChunkedRows:
        """Chunks of a collection, each made model rows of by ``prepare``, in a first pass."""
        prepared = for_all(prepare)
        parts = calls(_prepared, [(prepared, chunk) for chunk in chunks_of_rows(X)], "model-rows")
        facts = computed(calls(_facts, [(part,) for part in parts], "facts"))
        filled = [i for i, fact in enumerate(facts) if fact is not None]
        if not filled:
            raise ValueError(
                "InfluenceExplainer got X as a dask collection without any row; needed are the "
                "rows that the estimator was fitted on."
            )
        sizes, widths, dtypes, stored = zip(*(facts[i] for i in filled), strict=True)
        return cls(
            [parts[i] for i in filled],
            sizes,
            widths[0],
            np.result_type(*dtypes),
            None if None in stored else sum(stored),
        )

    @property
    def sizes(self) -> Array:
        """Rows of each chunk."""
        return np.diff(self.bounds)

    @property
    def slices(self) -> list[slice]:
        """Where each chunk is among all rows."""
        return [slice(int(a), int(b)) for a, b in pairwise(self.bounds)]

    @property
    def density(self) -> float:
        """Share of the entries that are stored."""
        if self.n_stored is None:
            return 1.0
        return float(self.n_stored / max(1, self.shape[0] * self.shape[1]))

    @property
    def bytes_per_row(self) -> float:
        """In memory."""
        entry = self.dtype.itemsize + (0 if self.n_stored is None else 4)
        return entry * self.shape[1] * self.density

    def each(self, function: Callable[..., Any], *arrays: Any, shared: Any, name: str) -> list[Any]:
        """Delayed ``function(shared, rows of a chunk, *rows of the arrays)`` of each chunk."""
        share, common = resources().of_one_job(1), for_all(shared)
        arguments = [
            (common, part, Sent(tuple(take(array, rows) for array in arrays)))
            for part, rows in zip(self.parts, self.slices, strict=True)
        ]
        return calls(partial(_with_resources, share, function), arguments, name)

    def astype(self, dtype: Any, *, copy: bool = True) -> ChunkedRows:
        """In another dtype."""
        if self.dtype == dtype:
            return self
        return self._each_part(_as_dtype, np.dtype(dtype), dtype=np.dtype(dtype))

    def replaced(self, rows: Array, replacements: Any, replace: Callable[..., Any]) -> ChunkedRows:
        """With other rows in some places."""
        parts = list(self.parts)
        for chunk, inside in self._by_chunk(rows):
            local = rows[inside] - self.bounds[chunk]
            args = (parts[chunk], Sent(replace), Sent((local, replacements[inside])))
            parts[chunk] = calls(_replaced, [args], "replaced")[0]
        return ChunkedRows(parts, self.sizes, self.shape[1], self.dtype, self.n_stored)

    def __getitem__(self, rows: Any) -> Any:
        """Rows in memory, or all rows with some of the columns, in chunks."""
        if isinstance(rows, tuple):
            columns = rows[1]
            stored = self.n_stored and int(self.n_stored * len(columns) / max(1, self.shape[1]))
            chosen = self._each_part(_some_columns, columns, dtype=self.dtype)
            return ChunkedRows(chosen.parts, self.sizes, len(columns), self.dtype, stored)
        if isinstance(rows, slice):
            return self._run(*rows.indices(self.shape[0])[:2])
        unique, places = np.unique(np.asarray(rows), return_inverse=True)
        found = self._gathered(unique)
        return found if np.array_equal(unique, rows) else found[places]

    def some(self, rows: Any) -> ChunkedRows:
        """Some of the rows, in chunks; in their own order as long as that is ascending."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[0]))
        parts, sizes = [], []
        for chunk, inside in self._runs(rows):
            local = rows[inside] - self.bounds[chunk]
            whole = len(local) == self.sizes[chunk] and (np.diff(local) == 1).all()
            part = self.parts[chunk]
            parts.append(part if whole else calls(some_of_chunk, [(part, Sent(local))], "rows")[0])
            sizes.append(len(local))
        stored = self.n_stored and int(self.n_stored * len(rows) / max(1, self.shape[0]))
        return ChunkedRows(parts, sizes, self.shape[1], self.dtype, stored)

    def _each_part(self, function: Callable[..., Any], value: Any, *, dtype: Any) -> ChunkedRows:
        common = for_all(value)
        parts = calls(function, [(part, common) for part in self.parts], "columns")
        return ChunkedRows(parts, self.sizes, self.shape[1], dtype, self.n_stored)

    def _by_chunk(self, rows: Array) -> Iterator[tuple[int, Array]]:
        """Chunks, and which of the requested rows are there."""
        chunks = np.searchsorted(self.bounds, rows, side="right") - 1
        for chunk in np.unique(chunks):
            yield int(chunk), np.flatnonzero(chunks == chunk)

    def _runs(self, rows: Array) -> Iterator[tuple[int, slice]]:
        """The same in the order of the request: runs of rows in one chunk."""
        chunks = np.searchsorted(self.bounds, rows, side="right") - 1
        starts = np.concatenate([[0], np.flatnonzero(np.diff(chunks)) + 1, [len(rows)]])
        for start, stop in pairwise(starts):
            if stop > start:
                yield int(chunks[start]), slice(int(start), int(stop))

    def _run(self, start: int, stop: int) -> Any:
        """Rows from start to stop, of whole chunks, of which the latest stay at hand."""
        pieces = list(self._runs(np.arange(start, max(start, stop))))
        missing = [chunk for chunk, _ in pieces if chunk not in self._near]
        fetched = dict(zip(missing, computed([self.parts[c] for c in missing]), strict=True))
        found = []
        for chunk, inside in pieces:
            rows = fetched[chunk] if chunk in fetched else self._near[chunk]
            first = start + inside.start - int(self.bounds[chunk])
            found.append(rows[first : first + inside.stop - inside.start])
        self._keep(fetched)
        return self._stacked(found)

    def _keep(self, fetched: dict[int, Any]) -> None:
        # Blocks of rows that are asked for one after the other come from the same chunks.
        largest = max(1, int(self.bytes_per_row * self.sizes.max(initial=0)))
        most = max(1, resources().block_bytes // largest)
        self._near.update(fetched)
        while len(self._near) > most:
            self._near.popitem(last=False)

    def _gathered(self, rows: Array) -> Any:
        """Ascending rows from wherever they are."""
        asked = [
            (self.parts[chunk], Sent(rows[inside] - self.bounds[chunk]))
            for chunk, inside in self._runs(rows)
        ]
        return self._stacked(computed(calls(some_of_chunk, asked, "rows")))

    def _stacked(self, found: list[Any]) -> Any:
        if not found:
            empty = np.empty((0, self.shape[1]), self.dtype)
            return empty if self.n_stored is None else sparse.csr_matrix(empty)
        whole = found[0] if len(found) == 1 else stacked(found)
        return whole.astype(self.dtype, copy=False)

    def var(self) -> float:
        """Refused, as all that a kernel takes from its rows."""
        raise TypeError(NEEDS_ARRAYS)

    def __array__(self, *args: Any, **kwargs: Any) -> Array:
        raise TypeError(NEEDS_ARRAYS)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_near": OrderedDict()}


def take(array: Any, rows: slice) -> Any:
    """Some rows of an array or a curvature."""
    return array.take(rows) if hasattr(array, "to_dense") else array[rows]


def _prepared(prepare: Sent, chunk: Any) -> Any:
    return prepare.value(chunk) if chunk.shape[0] else None


def _facts(rows: Any) -> tuple[int, int, Any, int | None] | None:
    return None if rows is None else (*rows.shape, rows.dtype, getattr(rows, "nnz", None))


def _with_resources(
    share: Any, function: Callable[..., Any], shared: Sent, rows: Any, arrays: Sent
) -> Any:
    with using(share):
        return function(shared.value, rows, *arrays.value)


def _some_columns(rows: Any, columns: Sent) -> Any:
    return rows[:, columns.value]


def _as_dtype(rows: Any, dtype: Sent) -> Any:
    return rows.astype(dtype.value, copy=False)


def _replaced(rows: Any, replace: Sent, others: Sent) -> Any:
    return replace.value(rows, *others.value)
