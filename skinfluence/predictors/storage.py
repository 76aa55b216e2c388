"""What dense and sparse rows do differently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from ..blocks import as_slice
from ..chunked_rows import ChunkedRows
from ..curvature import Array
from ..made_rows import MadeRows
from ..resources import resources


def some_rows(X: Any, rows: Any) -> Any:
    """Rows of X: a run of them shares its entries, and of many others a block is made at a time."""
    if isinstance(X, (ChunkedRows, MadeRows)):
        return X.some(rows) if isinstance(X, MadeRows) else X[rows]
    if not isinstance(rows, slice):
        rows = np.asarray(rows)
        rows = as_slice(np.flatnonzero(rows) if rows.dtype == bool else rows)
    if not isinstance(rows, slice) and len(rows) * _row_bytes(X) > resources().block_bytes:
        return MadeRows.of(X).some(rows)
    if not (sparse.issparse(X) and isinstance(rows, slice) and rows.step in (None, 1)):
        return X[rows]
    start, stop, _ = rows.indices(X.shape[0])
    stop = max(start, stop)
    first, last = X.indptr[start], X.indptr[stop]
    parts = X.data[first:last], X.indices[first:last], X.indptr[start : stop + 1] - first
    return sparse.csr_matrix(parts, shape=(stop - start, X.shape[1]), copy=False)


def _row_bytes(X: Any) -> float:
    if not sparse.issparse(X):
        return float(X.dtype.itemsize * X.shape[1])
    return float((X.data.itemsize + X.indices.itemsize) * X.nnz / max(1, X.shape[0]))


def append_rows(X: Any, more: Any) -> Any:
    """X with more rows after its own, in its own storage and dtype."""
    if sparse.issparse(X):
        return sparse.vstack([X, sparse.csr_matrix(more, dtype=X.dtype)], format="csr")
    return np.concatenate([X, dense_rows(more).astype(X.dtype, copy=False)])


def replace_rows(X: Any, rows: Array, replacements: Any) -> Any:
    """A copy of X with other rows in some places, in X's own storage and dtype."""
    if isinstance(X, (ChunkedRows, MadeRows)):
        return X.replaced(rows, replacements, replace_rows)
    if sparse.issparse(X):
        order = np.arange(X.shape[0])
        order[rows] = X.shape[0] + np.arange(len(rows))
        return append_rows(X, replacements)[order]
    changed = X.copy()
    changed[rows] = dense_rows(replacements)
    return changed


def dense_rows(X: Any) -> Array:
    """Rows without sparse storage. For blocks of rows."""
    return np.asarray(X.toarray() if sparse.issparse(X) else X)


def weighted_grams(X: Any, weights: Array) -> Iterator[Array]:
    """Xᵀ diag(w) X for each column w of ``weights`` (n, P)."""
    return _sparse_grams(X, weights) if sparse.issparse(X) else _dense_grams(X, weights)


def _sparse_grams(X: Any, weights: Array) -> Iterator[Array]:
    for w in weights.T:
        yield np.asarray((X.T @ X.multiply(w[:, None]).tocsr()).toarray())


def _dense_grams(X: Array, weights: Array) -> Iterator[Array]:
    # BLAS exploits symmetry in AᵀA alone, which halves the work. Weights that can be negative
    # (the off-diagonal pairs of classes) are shifted to be positive; the shift, whose product
    # serves all pairs, is taken off again.
    shift = max(0.0, -float(weights.min(initial=0.0)))
    shifted = shift * (X.T @ X) if shift else 0.0
    for w in weights.T:
        scaled = np.sqrt(w + shift)[:, None] * X
        yield scaled.T @ scaled - shifted
