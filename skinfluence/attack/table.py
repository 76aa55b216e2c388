"""The training rows in the user's own container: read as numbers, and with some replaced."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

from ..curvature import Array
from ..predictors import replace_rows


@dataclass(frozen=True, eq=False)
class Table:
    """Training rows.

    Parameters
    ----------
    X : DataFrame, ndarray or CSR matrix of shape (n, d)
    storage : tuple of dtype or None, of length d
        What moved values of each column are stored as; None for a column that is no number.
    """

    X: Any
    storage: tuple[np.dtype[Any] | None, ...]

    @classmethod
    def of(cls, X: Any) -> Table:
        """Of whatever ``fit`` was given."""
        if hasattr(X, "iloc"):
            return cls(X, tuple(_storage(dtype) for dtype in X.dtypes))
        X = X.tocsr() if sparse.issparse(X) else np.asarray(X)
        if X.dtype.kind != "O":
            return cls(X, (_storage(X.dtype),) * X.shape[1])
        numeric = (all(map(_is_number, column)) for column in X.T)
        return cls(X, tuple(np.dtype(np.float64) if good else None for good in numeric))

    @property
    def n_features(self) -> int:
        """d."""
        return len(self.storage)

    @property
    def names(self) -> tuple[Any, ...] | None:
        """Names of a DataFrame's columns."""
        return tuple(self.X.columns) if hasattr(self.X, "iloc") else None

    @property
    def numeric(self) -> Array:
        """Columns that are numbers, bool (d,)."""
        return np.array([dtype is not None for dtype in self.storage])

    def take(self, rows: Any) -> Any:
        """Some rows, in their container."""
        return self.X.iloc[rows] if hasattr(self.X, "iloc") else self.X[rows]

    def values(self, rows: Any) -> Array:
        """Some rows as float64 (rows, d), NaN where a column is no number."""
        taken, numeric = self.take(rows), self.numeric
        if sparse.issparse(taken):
            return np.asarray(taken.toarray(), dtype=np.float64)
        if numeric.all():
            return _as_float(taken)
        values = np.full(taken.shape, np.nan)
        columns = np.flatnonzero(numeric)
        if columns.size:
            frame = hasattr(taken, "iloc")
            values[:, columns] = _as_float(taken.iloc[:, columns] if frame else taken[:, columns])
        return values

    def stored(self, values: Array) -> Array:
        """The same values in float64 after being stored."""
        result = values.copy()
        for dtype in {dtype for dtype in self.storage if dtype not in (None, np.float64)}:
            columns = [place for place, own in enumerate(self.storage) if own == dtype]
            result[:, columns] = values[:, columns].astype(dtype)
        return result

    def rows_with(self, rows: Array, values: Array, moved: Array) -> Any:
        """Some rows with other values in the columns of a mask: those become floats."""
        return Table(self.take(rows), self.storage).replaced(np.arange(len(rows)), values, moved)

    def replaced(self, rows: Array, values: Array, moved: Array) -> Any:
        """All rows, of which some have other values in the columns of a mask.

        Columns that are not in the mask keep their dtype, the others become floats.
        """
        columns = np.flatnonzero(moved)
        if not columns.size:
            return self.X.copy()
        if hasattr(self.X, "iloc"):
            return self._frame_with(rows, values, moved)
        dtype = self.X.dtype if self.X.dtype.kind == "O" else self.storage[0]
        if sparse.issparse(self.X):
            return replace_rows(self.X.astype(dtype), rows, values)
        changed = self.X.astype(dtype)
        changed[rows[:, None], columns] = values[:, columns]
        return changed

    def _frame_with(self, rows: Array, values: Array, moved: Array) -> Any:
        X = self.X

        def column(place: int) -> Any:
            if not moved[place]:
                return X.iloc[:, place].array
            changed = _as_float(X.iloc[:, [place]])[:, 0].astype(self.storage[place])
            changed[rows] = values[:, place]
            return changed

        frame = type(X)({place: column(place) for place in range(X.shape[1])}, index=X.index)
        frame.columns = X.columns
        return frame


def _as_float(X: Any) -> Array:
    """Numbers as float64; what a DataFrame has for a missing one is NaN."""
    if hasattr(X, "iloc"):
        return np.asarray(X.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(X, dtype=np.float64)


def _storage(dtype: Any) -> np.dtype[Any] | None:
    """Single precision stays single; whole numbers have no room to move and become double."""
    kind = getattr(dtype, "kind", "O")
    if kind == "f" and isinstance(dtype, np.dtype):
        return np.promote_types(dtype, np.float32)
    return np.dtype(np.float64) if kind in "iuf" else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))
