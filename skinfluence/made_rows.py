"""Rows that are made when they are asked for: of a file by steps before the model, or some of many.

Nothing is kept of them, so that what passes over all rows takes the memory of a block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from .blocks import as_slice, row_blocks
from .curvature import Array

# So many tell how sparse what steps make is.
SAMPLED_ROWS = 1000


@dataclass(frozen=True)
class MadeRows:
    """A matrix of rows that are made a block at a time.

    Parameters
    ----------
    source : ndarray, memmap or CSR matrix
    positions : ndarray of int of shape (n,)
        Where its rows are in the source.
    n_features : int
    dtype : dtype
    density : float
        Share of the entries that are stored.
    make : callable, optional
        What makes model rows of those of the source.
    columns : ndarray of int, optional
        Which of the columns; all by default.
    patch : (ndarray, rows, callable), optional
        Positions, what is there instead, and what puts it there.
    """

    ndim = 2

    source: Any
    positions: Array
    n_features: int
    dtype: np.dtype[Any]
    density: float = 1.0
    make: Callable[[Any], Any] | None = None
    columns: Array | None = None
    patch: tuple[Array, Any, Callable[..., Any]] | None = None

    @classmethod
    def by(cls, make: Callable[[Any], Any], source: Any) -> MadeRows:
        """What ``make`` makes of all rows of a source."""
        first = make(source[:SAMPLED_ROWS])
        density = first.nnz / max(1, np.prod(first.shape)) if sparse.issparse(first) else 1.0
        positions = np.arange(source.shape[0])
        return cls(source, positions, first.shape[1], first.dtype, float(density), make)

    @classmethod
    def of(cls, X: Any) -> MadeRows:
        """All rows of a matrix at hand."""
        density = X.nnz / max(1, np.prod(X.shape)) if sparse.issparse(X) else 1.0
        return cls(X, np.arange(X.shape[0]), X.shape[1], X.dtype, float(density))

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self.positions), self.n_features

    @property
    def bytes_per_row(self) -> float:
        """When they are made."""
        entry = self.dtype.itemsize + (4 if self.density < 1 else 0)
        return entry * self.n_features * self.density

    @property
    def slices(self) -> list[slice]:
        """Blocks of rows."""
        return list(row_blocks(len(self.positions), int(self.bytes_per_row)))

    def astype(self, dtype: Any, *, copy: bool = True) -> MadeRows:
        """In another dtype."""
        return replace(self, dtype=np.dtype(dtype))

    def some(self, rows: Any) -> MadeRows:
        """Some of the rows."""
        return replace(self, positions=self.positions[rows])

    def replaced(self, rows: Array, others: Any, put: Callable[..., Any]) -> MadeRows:
        """With other rows in some places; ``put(X, rows, others)`` is a copy of X with them."""
        places, before = self.positions[rows], self.patch
        if before is not None:
            kept = ~np.isin(before[0], places)
            places = np.concatenate([places, before[0][kept]])
            stack = sparse.vstack if sparse.issparse(others) else np.concatenate
            others = stack([others, before[1][kept]])
        order = np.argsort(places)
        return replace(self, patch=(places[order], others[order], put))

    def __getitem__(self, rows: Any) -> Any:
        """Rows in memory; or all rows with some of the columns, still to be made."""
        if isinstance(rows, tuple):
            columns = rows[1] if self.columns is None else self.columns[rows[1]]
            return replace(self, columns=columns, n_features=len(columns))
        return self._made(self.positions[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All of them at once, dense."""
        rows = self[:]
        return np.asarray(rows.toarray() if sparse.issparse(rows) else rows, dtype=dtype)

    def _made(self, positions: Array) -> Any:
        if not len(positions):
            empty = np.empty((0, self.n_features), self.dtype)
            return sparse.csr_matrix(empty) if self.density < 1 else empty
        rows = self.source[as_slice(positions)]
        rows = rows if self.make is None else self.make(rows)
        rows = rows if self.columns is None else rows[:, self.columns]
        rows = rows.astype(self.dtype, copy=False)
        if self.patch is not None:
            places, others, put = self.patch
            found = np.minimum(np.searchsorted(places, positions), len(places) - 1)
            changed = np.flatnonzero(places[found] == positions)
            rows = put(rows, changed, others[found[changed]]) if len(changed) else rows
        return rows
