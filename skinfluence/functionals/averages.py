"""Functionals that are averages over rows: losses, hits, squared errors, calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

from ..curvature import Array
from .base import Functional, Slope, Stepped, rates, row_weights, shares, spread
from .readings import Readings
from .steps import soft_share, soft_share_slope


@dataclass(frozen=True, eq=False)
class mean_loss(Functional):
    """Mean of the estimator's own loss, as ``target="loss"`` with ``reduce="mean"``.

    Parameters
    ----------
    sample_weight : array-like of shape (n,), optional
        Of the rows that it is evaluated on.
    """

    sample_weight: Any = field(default=None, repr=False)
    signed = False

    def value(self, readings: Readings) -> Array:
        """(m,)."""
        return np.asarray(self._shares(readings) @ readings.losses)

    def slope(self, readings: Readings) -> Slope:
        """The rows' weights."""
        return Slope("losses", self._shares(readings)[:, None])

    def _shares(self, readings: Readings) -> Array:
        return shares(self.name, self.sample_weight, readings.n_rows)


@dataclass(frozen=True, eq=False)
class accuracy(Stepped):
    """Share of rows whose class is predicted, as ``sklearn.metrics.accuracy_score``.

    Parameters
    ----------
    temperature : float, default=0.02
        Its slope is that of Σ w σ(m/t), with m the decision value of the row's own class (softmax
        of m/t for more than two classes) and t so many standard deviations of the decision
        values.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    temperature: float = 0.02
    sample_weight: Any = field(default=None, repr=False)
    signed = False

    def value(self, readings: Readings) -> Array:
        """(m,)."""
        readings.require_classes()
        hits = readings.predicted == readings.codes[:, None]
        return rates(row_weights(self.name, self.sample_weight, readings.n_rows), hits)

    def width(self, readings: Readings) -> float:
        """Of the decision values."""
        readings.require_classes()
        return self.temperature * spread(readings.scores[:, :, 0])

    def smooth_value(self, readings: Readings, width: Any) -> Array:
        """(1,)."""
        soft = soft_share(readings.scores[:, :, 0], readings.codes, width)
        return np.atleast_1d(shares(self.name, self.sample_weight, readings.n_rows) @ soft)

    def slope(self, readings: Readings) -> Slope:
        """By the scores."""
        weights = shares(self.name, self.sample_weight, readings.n_rows)
        width = self.width(readings)
        slope = soft_share_slope(readings.scores[:, :, 0], readings.codes, width)
        return Slope("scores", weights[:, None] * slope)


@dataclass(frozen=True, eq=False)
class brier_score(Functional):
    """Mean squared error of class probabilities, as ``sklearn.metrics.brier_score_loss``.

    Of the second class if there are two, else summed over the classes.

    Parameters
    ----------
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    sample_weight: Any = field(default=None, repr=False)
    signed = False

    def value(self, readings: Readings) -> Array:
        """(m,)."""
        readings.require_classes()
        errors = self._errors(readings)
        return np.asarray(np.einsum("n,ncm->m", self._shares(readings), errors**2))

    def slope(self, readings: Readings) -> Slope:
        """By the probabilities."""
        readings.require_classes()
        errors = self._errors(readings)[:, :, 0]
        slope = 2.0 * self._shares(readings)[:, None] * errors
        first = np.zeros((len(slope), len(readings.classes) - slope.shape[1]))
        return Slope("probabilities", np.concatenate([first, slope], axis=1))

    def _errors(self, readings: Readings) -> Array:
        present = np.eye(len(readings.classes))[readings.codes]
        errors = readings.probabilities - present[:, :, None]
        return errors[:, 1:] if errors.shape[1] == 2 else errors

    def _shares(self, readings: Readings) -> Array:
        return shares(self.name, self.sample_weight, readings.n_rows)


@dataclass(frozen=True, eq=False)
class r2(Functional):
    """Share of the variance that is explained, as ``sklearn.metrics.r2_score``.

    The mean over outputs, if there are several.

    Parameters
    ----------
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    sample_weight: Any = field(default=None, repr=False)

    def value(self, readings: Readings) -> Array:
        """(m,)."""
        weights, total = self._scale(readings)
        squares = (readings.shown - readings.targets[:, :, None]) ** 2
        missed = np.einsum("n,nkm->km", weights, squares)
        return np.asarray(1.0 - (missed / total[:, None]).mean(axis=0))

    def slope(self, readings: Readings) -> Slope:
        """By the predictions."""
        weights, total = self._scale(readings)
        off = readings.shown[:, :, 0] - readings.targets
        return Slope("shown", -2.0 * weights[:, None] * off / (total * len(total)))

    def _scale(self, readings: Readings) -> tuple[Array, Array]:
        """Weights, and the variance of each output."""
        readings.require_targets()
        weights = shares(self.name, self.sample_weight, readings.n_rows)
        targets = readings.targets
        total = weights @ (targets - weights @ targets) ** 2
        if not np.ptp(targets[weights > 0], axis=0).all():
            raise ValueError(
                "functionals.r2 got targets that are all the same, of which there is no variance "
                "to explain; needed are rows with different y."
            )
        return weights, total


@dataclass(frozen=True, eq=False)
class calibration_error(Stepped):
    """Expected calibration error: how far predicted probabilities are from frequencies, in bins.

    The sum over bins b of ``|Σ_{i in b} w_i (p_i − hit_i)| / Σ w``. They are of equal width, as
    those of ``sklearn.calibration.calibration_curve``. p is the probability of the second of two
    classes and hit whether the row has it; of more classes the probability of the predicted one
    and whether it is right.

    Parameters
    ----------
    n_bins : int, default=10
        How many bins of equal width there are between 0 and 1.
    temperature : float, default=0.05
        Its slope is that of rows shared out between bins, by σ((p − edge)/t), with t so many
        widths of a bin.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows that it is evaluated on; 1 by default.
    """

    n_bins: int = 10
    temperature: float = 0.05
    sample_weight: Any = field(default=None, repr=False)
    signed = False

    def __post_init__(self) -> None:
        if not isinstance(self.n_bins, (int, np.integer)) or self.n_bins < 1:
            raise ValueError(
                f"functionals.calibration_error got n_bins={self.n_bins!r}; needed is a whole "
                "number of at least 1."
            )
        super().__post_init__()

    def value(self, readings: Readings) -> Array:
        """(m,)."""
        weights = shares(self.name, self.sample_weight, readings.n_rows)
        chances, hits, _ = self._chances(readings)
        bins = np.searchsorted(self._edges, chances)
        result = np.empty(chances.shape[1])
        for column, (own, off) in enumerate(zip(bins.T, (chances - hits).T, strict=True)):
            result[column] = np.abs(np.bincount(own, weights=weights * off)).sum()
        return result

    def width(self, readings: Readings) -> float:
        """Of the probabilities."""
        return self.temperature / self.n_bins

    def smooth_value(self, readings: Readings, width: Any) -> Array:
        """(1,)."""
        gaps, _, _ = self._soft_gaps(readings, width)
        return np.atleast_1d(np.abs(gaps).sum())

    def slope(self, readings: Readings) -> Slope:
        """By the probabilities."""
        weights = shares(self.name, self.sample_weight, readings.n_rows)
        gaps, members, steep = self._soft_gaps(readings, self.width(readings))
        chances, hits, codes = self._chances(readings)
        own = members @ np.sign(gaps) + (chances - hits)[:, 0] * (steep @ np.sign(gaps))
        slope = np.zeros(readings.probabilities.shape[:2])
        slope[np.arange(len(slope)), codes[:, 0]] = weights * own
        return Slope("probabilities", slope)

    @property
    def _edges(self) -> Array:
        """Between bins."""
        return np.linspace(0.0, 1.0, self.n_bins + 1)[1:-1]

    def _soft_gaps(self, readings: Readings, width: float) -> tuple[Array, Array, Array]:
        """Errors of bins, how far rows are in each, (n, n_bins), and the slope of that."""
        weights = shares(self.name, self.sample_weight, readings.n_rows)
        chances, hits, _ = self._chances(readings)
        above = expit((chances[:, :1] - self._edges) / width)
        steep = above * (1.0 - above) / width
        first, last = np.ones((len(above), 1)), np.zeros((len(above), 1))
        members = -np.diff(above, axis=1, prepend=first, append=last)
        steep = -np.diff(steep, axis=1, prepend=last, append=last)
        return (weights * (chances - hits)[:, 0]) @ members, members, steep

    def _chances(self, readings: Readings) -> tuple[Array, Array, Array]:
        """The p, the hits and the class that p is of, each (n, m)."""
        readings.require_classes()
        probabilities = readings.probabilities
        if probabilities.shape[1] == 2:
            codes = np.ones((len(probabilities), probabilities.shape[2]), dtype=np.intp)
        else:
            codes = probabilities.argmax(axis=1)
        chances = np.take_along_axis(probabilities, codes[:, None, :], axis=1)[:, 0]
        return chances, codes == readings.codes[:, None], codes
