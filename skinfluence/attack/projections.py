"""What a moved row may become: the projections Π in z ← Π(z + α sign(I)).

A projection is called with the moved rows Z and the original rows Z0, both (rows, d) in the raw
features, and returns rows of the same shape. Columns that are no numbers are NaN in both, and pass
through. Any function of (Z, Z0) serves; several are applied in order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import Array

GREY_LEVELS = 255
# In grey levels: short of half a level, where rounding in single precision could go either way.
HALF_LEVEL = 0.5 - 1e-3
SHOWN_NAMES = 10


class Projection(ABC):
    """The nearest allowed rows."""

    @abstractmethod
    def __call__(self, Z: Array, Z0: Array) -> Array:
        """Take moved rows back to allowed ones.

        Parameters
        ----------
        Z : ndarray of shape (rows, d)
            The moved rows.
        Z0 : ndarray of shape (rows, d)
            The same rows as they were at first.

        Returns
        -------
        ndarray of shape (rows, d)
            The allowed rows nearest to the moved ones.
        """

    def bind(self, names: tuple[Any, ...] | None, n_features: int) -> Projection:
        """The same once the training data's columns are known."""
        return self


@dataclass(frozen=True)
class RoundTo8Bit(Projection):
    """Rows that look the same: every value keeps its 8-bit grey level.

    Parameters
    ----------
    low, high : float
        Values of the grey levels 0 and 255; no value leaves this range.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.attack import RoundTo8Bit
    >>> images = np.array([[0.0, 0.25, 1.0]])
    >>> moved = RoundTo8Bit()(images + 0.02, images)
    >>> moved.round(4)
    array([[0.002 , 0.2529, 1.    ]])
    >>> bool((np.round(255 * moved) == np.round(255 * images)).all())
    True
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        _require_range("RoundTo8Bit", self.low, self.high, strictly=True)

    def __call__(self, Z: Array, Z0: Array) -> Array:
        level = (self.high - self.low) / GREY_LEVELS
        grey = np.round(GREY_LEVELS * (Z0 - self.low) / (self.high - self.low))
        outside = int(((grey < 0) | (grey > GREY_LEVELS)).sum())
        if outside:
            raise ValueError(
                f"RoundTo8Bit got {outside} original values outside of [{self.low}, {self.high}]; "
                "such values have no 8-bit grey level. Pass the range of the data "
                "(RoundTo8Bit(low, high)), or hold these columns with Immutable before it."
            )
        middle = self.low + level * grey
        lowest = np.maximum(middle - HALF_LEVEL * level, self.low)
        return np.clip(Z, lowest, np.minimum(middle + HALF_LEVEL * level, self.high))


@dataclass(frozen=True, eq=False)
class Clip(Projection):
    """Values within bounds.

    Parameters
    ----------
    low, high : float or array-like of shape (n_features,)
        Least and greatest value, in units of the raw features.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.attack import Clip
    >>> Clip(0.0, [1.0, 10.0])(np.array([[-1.0, 7.0]]), np.array([[0.0, 6.0]]))
    array([[0., 7.]])
    """

    low: Any
    high: Any

    def __post_init__(self) -> None:
        _require_range("Clip", self.low, self.high)

    def bind(self, names: tuple[Any, ...] | None, n_features: int) -> Clip:
        for name in ("low", "high"):
            _require_width("Clip", name, getattr(self, name), n_features)
        return self

    def __call__(self, Z: Array, Z0: Array) -> Array:
        return np.clip(Z, np.asarray(self.low), np.asarray(self.high))


@dataclass(frozen=True)
class L2Ball(Projection):
    """Rows within a Euclidean distance of the original.

    Parameters
    ----------
    radius : float
        Greatest distance, in units of the raw features.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.attack import L2Ball
    >>> L2Ball(1.0)(np.array([[3.0, 4.0]]), np.zeros((1, 2)))
    array([[0.6, 0.8]])
    """

    radius: float

    def __post_init__(self) -> None:
        _require_radius("L2Ball", self.radius, alone=True)

    def __call__(self, Z: Array, Z0: Array) -> Array:
        change = Z - Z0
        lengths = np.sqrt(np.nansum(change**2, axis=1, keepdims=True))
        too_far = lengths > self.radius
        shorter = np.divide(self.radius, lengths, out=np.ones_like(lengths), where=too_far)
        return np.where(too_far, Z0 + shorter * change, Z)


@dataclass(frozen=True, eq=False)
class LInfBall(Projection):
    """Rows of which no value is further than this from the original.

    Parameters
    ----------
    radius : float or array-like of shape (n_features,)
        Greatest difference, in units of the raw features; one for all or one for each.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.attack import LInfBall
    >>> LInfBall(1.0)(np.array([[3.0, 0.5]]), np.zeros((1, 2)))
    array([[1. , 0.5]])
    """

    radius: Any

    def __post_init__(self) -> None:
        _require_radius("LInfBall", self.radius)

    def bind(self, names: tuple[Any, ...] | None, n_features: int) -> LInfBall:
        _require_width("LInfBall", "radius", self.radius, n_features)
        return self

    def __call__(self, Z: Array, Z0: Array) -> Array:
        radius = np.asarray(self.radius)
        return np.clip(Z, Z0 - radius, Z0 + radius)


@dataclass(frozen=True, eq=False)
class Immutable(Projection):
    """Columns that stay as they are.

    Parameters
    ----------
    columns : array-like of str, of int or of bool
        Names of a DataFrame's columns, positions, or a mask.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.attack import Immutable
    >>> Immutable([0])(np.array([[3.0, 0.5]]), np.zeros((1, 2)))
    array([[0. , 0.5]])
    """

    columns: Any

    def bind(self, names: tuple[Any, ...] | None, n_features: int) -> Immutable:
        columns = np.atleast_1d(np.asarray(self.columns))
        if columns.dtype.kind in "iu" or not columns.size:
            columns = columns.astype(np.intp)
            outside = columns[(columns < 0) | (columns >= n_features)]
            if outside.size:
                raise IndexError(
                    f"Immutable got columns outside of the features: {outside[:5].tolist()}; "
                    f"positions run from 0 to {n_features - 1}."
                )
            return Immutable(columns)
        if columns.dtype.kind == "b":
            if columns.shape != (n_features,):
                raise IndexError(
                    f"Immutable got a boolean mask of shape {columns.shape}; needed is one value "
                    f"for each of the {n_features} features."
                )
            return Immutable(np.flatnonzero(columns))
        return Immutable(_named(columns.tolist(), names))

    def __call__(self, Z: Array, Z0: Array) -> Array:
        held = self.bind(None, Z.shape[1]).columns
        result = Z.copy()
        result[:, held] = Z0[:, held]
        return result


def _named(columns: list[Any], names: tuple[Any, ...] | None) -> Array:
    if names is None:
        raise ValueError(
            f"Immutable got the column names {columns[:5]}, but the training rows are not a "
            "DataFrame. Give positions or a mask."
        )
    unknown = [column for column in columns if column not in names]
    if unknown:
        more = ", ..." if len(names) > SHOWN_NAMES else ""
        known = ", ".join(map(str, names[:SHOWN_NAMES]))
        raise ValueError(
            f"Immutable got names that are no columns of the training data: {unknown[:5]}. The "
            f"columns are {known}{more}."
        )
    return np.flatnonzero([name in columns for name in names])


def _require_range(who: str, low: Any, high: Any, *, strictly: bool = False) -> None:
    lows, highs = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    fine = (lows < highs) if strictly else (lows <= highs)
    if not fine.all():
        needed = "below" if strictly else "at most"
        raise ValueError(f"{who} got low={low!r} and high={high!r}; needed is low {needed} high.")


def _require_radius(who: str, radius: Any, *, alone: bool = False) -> None:
    try:
        radii = np.asarray(radius, dtype=np.float64)
    except (TypeError, ValueError):
        radii = np.array(np.nan)
    if not (radii >= 0).all() or (alone and radii.ndim):
        more = "" if alone else ", or one for each feature"
        raise ValueError(f"{who} got radius={radius!r}; needed is a number of at least 0{more}.")


def _require_width(who: str, name: str, values: Any, n_features: int) -> None:
    shape = np.shape(values)
    if shape not in ((), (1,), (n_features,)):
        raise ValueError(
            f"{who} got {name} of shape {shape}; needed is a number, or one for each of the "
            f"{n_features} features."
        )
