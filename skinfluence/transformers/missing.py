"""Missing entries: filled in, or marked."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer

from ..curvature import Array
from .dispatch import step_vjp
from .rows import dense, width


@step_vjp.register(SimpleImputer)
def _impute(step: Any, X: Any, cotangents: Array) -> Array:
    statistics = step.statistics_
    n_marks = 0 if step.indicator_ is None else len(step.indicator_.features_)
    kept = np.full(len(statistics), True)
    if cotangents.shape[2] - n_marks < len(kept):  # columns that had nothing but missing entries
        kept = np.array([bool(value == value) for value in statistics])
    result = np.zeros((*cotangents.shape[:2], len(kept)), dtype=cotangents.dtype)
    result[:, :, kept] = cotangents[:, :, : kept.sum()]
    texts = statistics.dtype.kind == "O"
    missing = _missing_entries(X, step.missing_values) if texts else _missing_numbers(X, step)
    result[:, missing] = 0.0
    result[:, :, kept & _texts(X, statistics)] = np.nan
    return result


@step_vjp.register(MissingIndicator)
def _mark(step: Any, X: Any, cotangents: Array) -> Array:
    return np.zeros((*cotangents.shape[:2], width(X)), dtype=cotangents.dtype)


def _missing_numbers(X: Any, step: Any) -> Array:
    rows, mark = dense(X), step.missing_values
    is_number = isinstance(mark, Real) and mark == mark
    return np.asarray(rows == mark if is_number else np.isnan(rows))


def _missing_entries(X: Any, mark: Any) -> Array:
    """(rows, d), of objects, which needn't know how to compare."""

    def missing(entry: Any) -> bool:
        if isinstance(entry, Real) and entry != entry:
            return not (isinstance(mark, (str, Real)) or mark is None) or mark != mark
        return entry is mark or (isinstance(entry, (str, Real)) and entry == mark)

    entries = np.asarray(X, dtype=object)
    return np.array([[missing(entry) for entry in row] for row in entries], dtype=bool)


def _texts(X: Any, statistics: Array) -> Array:
    """Columns with texts among their entries, or as what is filled in: (d,)."""
    texts = np.array([isinstance(value, str) for value in statistics])
    if statistics.dtype.kind == "O":
        entries = np.asarray(X, dtype=object)
        texts |= [any(isinstance(entry, str) for entry in column) for column in entries.T]
    return texts
