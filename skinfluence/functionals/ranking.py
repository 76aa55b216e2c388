"""Functionals of the order of scores: area under the ROC curve, average precision.

Smoothed, whether row j comes before row i is σ((z_j − z_i)/t). All pairs of which one is positive
are looked at, in blocks.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

from ..blocks import row_blocks
from ..curvature import Array
from .base import Slope, Stepped, What, row_weights, spread
from .readings import Readings


@dataclass(frozen=True, eq=False)
class _Ranking(Stepped):
    """A number for each column of scores, averaged over the columns.

    Parameters
    ----------
    temperature : float, default=0.02
        t, in standard deviations of the scores.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    temperature: float = 0.02
    sample_weight: Any = field(default=None, repr=False)
    signed = False

    def value(self, readings: Readings) -> Array:
        """(m,)."""
        _, columns, positive, weights = self._columns(readings)
        result = np.zeros(columns.shape[2])
        for c in range(columns.shape[1]):
            for j in range(columns.shape[2]):
                result[j] += self._exact(columns[:, c, j], positive[:, c], weights)
        return result / columns.shape[1]

    def width(self, readings: Readings) -> Array:
        """Of each column, (C,)."""
        columns = self._columns(readings)[1][:, :, 0]
        return np.array([self.temperature * spread(each[:, None]) for each in columns.T])

    def smooth_value(self, readings: Readings, width: Any) -> Array:
        """(1,)."""
        _, columns, positive, weights = self._columns(readings)
        each = [
            self._smooth(columns[:, c, 0], positive[:, c], weights, width[c])[0]
            for c in range(columns.shape[1])
        ]
        return np.array([np.mean(each)])

    def slope(self, readings: Readings) -> Slope:
        """By the scores."""
        of, columns, positive, weights = self._columns(readings)
        widths = self.width(readings)
        each = [
            self._smooth(columns[:, c, 0], positive[:, c], weights, widths[c])[1]
            for c in range(columns.shape[1])
        ]
        return Slope(of, np.column_stack(each) / columns.shape[1])

    def _columns(self, readings: Readings) -> tuple[What, Array, Array, Array]:
        """What is ranked, its columns (n, C, m), the positive rows of each (n, C), weights."""
        readings.require_classes()
        classes, codes = readings.classes, readings.codes
        of: What = "scores"
        columns, positive = readings.scores, (codes == 1)[:, None]
        if len(classes) > 2:
            of, columns = self._of_classes(readings)
            positive = codes[:, None] == np.arange(len(classes))
        weights = row_weights(self.name, self.sample_weight, readings.n_rows)
        found = np.bincount(codes, weights=weights > 0, minlength=len(classes))
        if not found.all():
            lost = classes[[int(np.argmin(found))]].tolist()[0]
            raise ValueError(
                f"functionals.{self.name} got y without rows of class {lost!r}; an order needs "
                "rows of every class. Evaluate it on other rows."
            )
        return of, columns, positive, weights

    @abstractmethod
    def _of_classes(self, readings: Readings) -> tuple[What, Array]:
        """What is ranked for more than two classes, (n, C, m)."""

    @abstractmethod
    def _exact(self, scores: Array, positive: Array, weights: Array) -> float:
        """Of one column."""

    @abstractmethod
    def _smooth(
        self, scores: Array, positive: Array, weights: Array, width: float
    ) -> tuple[float, Array]:
        """Smoothed value of one column, and its slope (n,)."""


@dataclass(frozen=True, eq=False)
class roc_auc(_Ranking):
    """Area under the ROC curve, as ``sklearn.metrics.roc_auc_score``.

    Of the decision values; for more than two classes the mean over the classes, one against the
    rest, of probabilities, as with ``multi_class="ovr"``.

    Parameters
    ----------
    temperature : float, default=0.02
        Its slope is that of the share of pairs of a positive and a negative row in order,
        Σ w_i w_j σ((z_i − z_j)/t), with t so many standard deviations of the decision values.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    def _of_classes(self, readings: Readings) -> tuple[What, Array]:
        return "probabilities", readings.probabilities

    def _exact(self, scores: Array, positive: Array, weights: Array) -> float:
        gains, losses = _by_score(scores, positive, weights)
        below = np.cumsum(losses) - losses
        pairs = gains @ (below + 0.5 * losses)
        return float(pairs / (gains.sum() * losses.sum()))

    def _smooth(
        self, scores: Array, positive: Array, weights: Array, width: float
    ) -> tuple[float, Array]:
        up, down = np.flatnonzero(positive), np.flatnonzero(~positive)
        total = weights[up].sum() * weights[down].sum()
        value, slope = 0.0, np.zeros(len(scores))
        for block in row_blocks(len(up), 8 * 4 * len(down)):
            rows = up[block]
            before = expit((scores[rows, None] - scores[down]) / width)
            pairs = weights[rows, None] * weights[down]
            value += (pairs * before).sum()
            steep = pairs * before * (1.0 - before) / width
            slope[rows] += steep.sum(axis=1)
            slope[down] -= steep.sum(axis=0)
        return value / total, slope / total


@dataclass(frozen=True, eq=False)
class average_precision(_Ranking):
    """Average precision, as ``sklearn.metrics.average_precision_score``.

    Of the decision values; for more than two classes the mean over the classes.

    Parameters
    ----------
    temperature : float, default=0.02
        Its slope is that of the mean over positive rows i of the precision at their own value,
        with σ((z_j − z_i)/t) for whether row j comes before, and t so many standard deviations of
        the decision values.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    def _of_classes(self, readings: Readings) -> tuple[What, Array]:
        if not readings.shown_by_class:
            raise ValueError(
                "functionals.average_precision got a model that shows decision values of pairs of "
                "classes; it ranks those of classes. Set decision_function_shape='ovr'."
            )
        return "shown", readings.shown

    def _exact(self, scores: Array, positive: Array, weights: Array) -> float:
        gains, losses = _by_score(scores, positive, weights)
        above, all_above = np.cumsum(gains[::-1]), np.cumsum((gains + losses)[::-1])
        precision = np.divide(above, all_above, out=np.zeros_like(above), where=all_above > 0)
        return float(gains[::-1] @ precision / gains.sum())

    def _smooth(
        self, scores: Array, positive: Array, weights: Array, width: float
    ) -> tuple[float, Array]:
        up = np.flatnonzero(positive)
        total = weights[up].sum()
        value, slope = 0.0, np.zeros(len(scores))
        for block in row_blocks(len(up), 8 * 5 * len(scores)):
            rows = up[block]
            before = expit((scores - scores[rows, None]) / width)
            steep = weights * before * (1.0 - before) / width
            before[np.arange(len(rows)), rows] = 1.0
            steep[np.arange(len(rows)), rows] = 0.0
            hits, every = before @ (weights * positive), before @ weights
            value += weights[rows] @ (hits / every)
            # Of hits / every: a positive row that comes earlier raises both.
            pull = (weights[rows] / every**2)[:, None] * steep
            pull *= positive * every[:, None] - hits[:, None]
            slope += pull.sum(axis=0)
            slope[rows] -= pull.sum(axis=1)
        return value / total, slope / total


def _by_score(scores: Array, positive: Array, weights: Array) -> tuple[Array, Array]:
    """Weights of positive and of negative rows at each value, from the lowest."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    gains, both = (weights * positive)[order], weights[order]
    gains = np.add.reduceat(gains, first)
    return gains, np.add.reduceat(both, first) - gains
