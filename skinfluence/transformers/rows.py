"""Rows in all their containers: arrays, CSR matrices, DataFrames, lists."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from ..curvature import Array


def take(X: Any, rows: Array) -> Any:
    """Some rows, in the same container."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if sparse.issparse(X):
        return X.tocsr()[rows]
    if isinstance(X, (list, tuple)):
        return [X[row] for row in rows]
    return np.asarray(X)[rows]


def numbers(X: Any) -> Any:
    """Rows as float32 or float64, dense or CSR; entries may be missing."""
    return check_array(
        X,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_all_finite=False,
        ensure_2d=False,
        ensure_min_samples=0,
        ensure_min_features=0,
    )


def dense(X: Any) -> Array:
    """``numbers``, dense."""
    rows = numbers(X)
    return rows.toarray() if sparse.issparse(rows) else np.asarray(rows)


def width(X: Any) -> int:
    """d_in: the number of columns, 1 for texts and the like."""
    if hasattr(X, "shape"):
        return int(X.shape[1]) if len(X.shape) == 2 else 1
    return len(X[0]) if len(X) and isinstance(X[0], (list, tuple, np.ndarray)) else 1


def transformed(step: Any, X: Any) -> Any:
    """``step.transform(X)`` that leaves X as it is: some steps write into it (``copy=False``)."""
    return step.transform(X.copy() if hasattr(X, "copy") else X)


def quietly(method: Callable[[Array], Any], X: Array) -> Array:
    """A step's method on made-up rows: without names of columns, perhaps outside of its domain."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return dense(method(X.copy()))
