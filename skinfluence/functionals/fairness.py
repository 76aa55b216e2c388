"""Gaps between two groups of rows: how much more often one of them is predicted as positive.

A gap is signed: the rate of the second group less that of the first, in sorted order of their
labels.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..curvature import Array
from .base import Slope, Stepped, rates, row_weights, spread
from .readings import Readings
from .steps import soft_share, soft_share_slope


@dataclass(frozen=True, eq=False)
class _Gap(Stepped):
    """A difference of rates among some of the rows; of several the larger in magnitude."""

    sensitive: Any = field(repr=False)
    positive: Any = None
    temperature: float = 0.02
    sample_weight: Any = field(default=None, repr=False)

    @abstractmethod
    def _parts(self, readings: Readings, code: int) -> dict[str, Array]:
        """The rows of each rate by name, bool (n,)."""

    def value(self, readings: Readings) -> Array:
        """(m,)."""
        gaps = self._gaps(readings)
        chosen = np.abs(gaps).argmax(axis=0)
        return np.asarray(np.take_along_axis(gaps, chosen[None], axis=0)[0])

    def width(self, readings: Readings) -> float:
        """Of the decision values."""
        readings.require_classes()
        return self.temperature * spread(readings.scores[:, :, 0])

    def smooth_value(self, readings: Readings, width: Any) -> Array:
        """(1,)."""
        codes = self._codes(readings)
        soft = soft_share(readings.scores[:, :, 0], codes, width)
        return np.atleast_1d(self._contrast(readings) @ soft)

    def slope(self, readings: Readings) -> Slope:
        """By the scores."""
        codes, width = self._codes(readings), self.width(readings)
        slope = soft_share_slope(readings.scores[:, :, 0], codes, width)
        return Slope("scores", self._contrast(readings)[:, None] * slope)

    def _codes(self, readings: Readings) -> Array:
        """The positive class for every row, (n,)."""
        return np.full(readings.n_rows, self._positive(readings))

    def _positive(self, readings: Readings) -> int:
        readings.require_classes()
        if self.positive is not None:
            return readings.code_of(self.positive, "positive")
        if len(readings.classes) > 2:
            raise ValueError(
                f"functionals.{self.name} got a model of {len(readings.classes)} classes, "
                f"{readings.classes.tolist()[:20]}; needed is which of them is the positive one. "
                "Pass positive=."
            )
        return 1

    def _gaps(self, readings: Readings) -> Array:
        """Of each part, (parts, m)."""
        hits = readings.predicted == self._positive(readings)
        pairs = self._weights(readings)
        return np.array([rates(second, hits) - rates(first, hits) for first, second in pairs])

    def _contrast(self, readings: Readings) -> Array:
        """What each row's share counts in the gap that is the value at the first set, (n,)."""
        largest = np.abs(self._gaps(readings)[:, 0]).argmax()
        first, second = self._weights(readings)[largest]
        return np.asarray(second / second.sum() - first / first.sum())

    def _weights(self, readings: Readings) -> list[tuple[Array, Array]]:
        """Of each part the weights of the first group's rows and of the second's, (n,)."""
        in_second, names = self._second(readings.n_rows)
        weights = row_weights(self.name, self.sample_weight, readings.n_rows)
        pairs = []
        for part, rows in self._parts(readings, self._positive(readings)).items():
            pair = (weights * (rows & ~in_second), weights * (rows & in_second))
            for name, group in zip(names, pair, strict=True):
                if not group.any():
                    raise ValueError(
                        f"functionals.{self.name} got no {part} in group {name!r} of sensitive, "
                        "which then has no rate. Evaluate it on other rows."
                    )
            pairs.append(pair)
        return pairs

    def _second(self, n_rows: int) -> tuple[Array, list[Any]]:
        """Which rows are of the second group, (n,), and the groups' labels."""
        groups = np.asarray(self.sensitive)
        if groups.shape != (n_rows,):
            raise ValueError(
                f"functionals.{self.name} got sensitive of shape {groups.shape}; needed is one "
                f"label for each of the {n_rows} rows that it is evaluated on."
            )
        return groups == self._labels[1], self._labels

    @cached_property
    def _labels(self) -> list[Any]:
        """Of the two groups, in order."""
        given = np.asarray(self.sensitive).tolist()
        found = set(given)
        if any(label is None or label != label for label in found):
            missing = sum(label is None or label != label for label in given)
            raise ValueError(
                f"functionals.{self.name} got sensitive with {missing} missing labels; every "
                "row needs a group. Evaluate it on rows that have one."
            )
        labels = sorted(found, key=lambda label: (str(type(label)), label))
        if len(labels) != 2:
            raise ValueError(
                f"functionals.{self.name} got sensitive with {len(labels)} groups, {labels[:10]}; "
                "a gap with a sign is between 2. Compare one with all others: pass sensitive == "
                "group."
            )
        return labels


@dataclass(frozen=True, eq=False)
class demographic_parity(_Gap):
    """How much more often the second group is predicted as positive than the first.

    Parameters
    ----------
    sensitive : array-like of shape (n,)
        Group of each row that it is evaluated on, one of two labels; in sorted order.
    positive : label, optional
        The positive class: the second of two by default.
    temperature : float, default=0.02
        Its slope is that of shares σ(z/t) (softmax of z/t for more than two classes), with t so
        many standard deviations of the decision values.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    needs_y = False

    def _parts(self, readings: Readings, code: int) -> dict[str, Array]:
        return {"rows": np.ones(readings.n_rows, dtype=bool)}


@dataclass(frozen=True, eq=False)
class equal_opportunity(_Gap):
    """How much more often the second group's positive rows are predicted as positive.

    The difference of true positive rates.

    Parameters
    ----------
    sensitive : array-like of shape (n,)
        Group of each row that it is evaluated on, one of two labels; in sorted order.
    positive : label, optional
        The positive class: the second of two by default.
    temperature : float, default=0.02
        As in ``demographic_parity``.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    def _parts(self, readings: Readings, code: int) -> dict[str, Array]:
        return {"positive rows": readings.codes == code}


@dataclass(frozen=True, eq=False)
class equalized_odds(_Gap):
    """The larger in magnitude of two gaps: of true positive and of false positive rates.

    With the sign of that one.

    Parameters
    ----------
    sensitive : array-like of shape (n,)
        Group of each row that it is evaluated on, one of two labels; in sorted order.
    positive : label, optional
        The positive class: the second of two by default.
    temperature : float, default=0.02
        As in ``demographic_parity``. The slope is that of the gap that is larger.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    def _parts(self, readings: Readings, code: int) -> dict[str, Array]:
        positive = readings.codes == code
        return {"positive rows": positive, "negative rows": ~positive}
