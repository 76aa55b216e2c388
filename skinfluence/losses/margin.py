"""Losses of the margin y z: logistic, smooth hinge, squared hinge."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from ..curvature import Array, DiagonalCurvature
from .base import Loss, of_class


class MarginLoss(Loss):
    """ℓ = Σ_k g(y_k z_k) for signs y_k = ±1; more than one output means one-vs-rest."""

    @abstractmethod
    def margin_value(self, margin: Array) -> Array:
        """g(m)."""

    @abstractmethod
    def margin_slope(self, margin: Array) -> Array:
        """g'(m), never positive."""

    @abstractmethod
    def margin_curvature(self, margin: Array) -> Array:
        """g''(m), never negative."""

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return np.asarray(self.margin_value(y * decision_values).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """Y g'(y z)."""
        return y * self.margin_slope(y * decision_values)

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """Y g'(y z)."""
        return self.residual(y[:, :, None], decision_values)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """g''(y z), since y² = 1."""
        weights = self.margin_curvature(y * decision_values)
        return DiagonalCurvature(weights, decision_values.shape[1])


class BinomialLogLoss(MarginLoss):
    """ℓ = Σ_k log(1 + exp(−y_k z_k)): logistic regression, binary or one-vs-rest."""

    unit = "log-loss (nats)"
    has_probabilities = True
    dispersion = "one"

    def residual(self, y: Array, decision_values: Array) -> Array:
        """−y / (1 + exp(y z)), in place: refits spend most of their time here."""
        with np.errstate(over="ignore"):
            result = np.exp(y * decision_values)
        result += 1.0
        return np.divide(-y, result, out=result)

    def margin_value(self, margin: Array) -> Array:
        """log(1 + exp(−m))."""
        return np.asarray(np.logaddexp(0.0, -margin))

    def margin_slope(self, margin: Array) -> Array:
        """−σ(−m)."""
        return np.asarray(-_sigmoid(-margin))

    def margin_curvature(self, margin: Array) -> Array:
        """σ(m) σ(−m)."""
        return np.asarray(_sigmoid_slope(margin))

    def separates(self, y: Array, decision_values: Array) -> bool:
        """Some output has every row on its right side."""
        return bool((y * decision_values > 0).all(axis=0).any())

    def probability(self, codes: Array, decision_values: Array) -> Array:
        """σ(±z) for two classes; one-vs-rest probabilities normalised over the classes."""
        if decision_values.shape[1] == 1:
            return np.asarray(_sigmoid(_signs(codes) * decision_values[:, 0]))
        sigmoids = _sigmoid(decision_values)
        return np.asarray(of_class(sigmoids, codes) / sigmoids.sum(axis=1))

    def probability_gradient(self, codes: Array, decision_values: Array) -> Array:
        """(n, K)."""
        slopes = _sigmoid_slope(decision_values)
        if decision_values.shape[1] == 1:
            return _signs(codes)[:, None] * slopes
        total = _sigmoid(decision_values).sum(axis=1, keepdims=True)
        probability = self.probability(codes, decision_values)[:, None]
        chosen = np.arange(decision_values.shape[1]) == codes[:, None]
        return slopes * (chosen - probability) / total


@dataclass(frozen=True)
class SmoothHinge(MarginLoss):
    """ℓ = t log(1 + exp((1 − m)/t)), the paper's Section 4.3; → hinge as t → 0.

    Parameters
    ----------
    temperature : float
        t, in units of the margin.
    """

    temperature: float
    unit = "smooth hinge loss (margin units)"
    # Margins closer to 1 than this many temperatures count as lying on the kink.
    KINK_WIDTH = 10.0

    def margin_value(self, margin: Array) -> Array:
        """Within t log 2 of the hinge."""
        return np.asarray(self.temperature * np.logaddexp(0.0, (1.0 - margin) / self.temperature))

    def margin_slope(self, margin: Array) -> Array:
        """−σ((1 − m)/t)."""
        return np.asarray(-_sigmoid((1.0 - margin) / self.temperature))

    def margin_curvature(self, margin: Array) -> Array:
        """σ'((1 − m)/t)/t, about 1/(4t) at the hinge."""
        scaled = (1.0 - margin) / self.temperature
        return np.asarray(_sigmoid_slope(scaled) / self.temperature)

    def residual_range(self, y: Array, decision_values: Array) -> tuple[Array, Array]:
        """The hinge's subdifferential [−1, 0] · y on the kink.

        The weights are those of the hinge-loss model, where rows on the kink have any slope in
        that range; only off the kink do the smooth and the real loss agree on one.
        """
        residual = self.residual(y, decision_values)
        on_kink = np.abs(1.0 - y * decision_values) <= self.KINK_WIDTH * self.temperature
        lower = np.where(on_kink, np.minimum(-y, 0.0), residual)
        upper = np.where(on_kink, np.maximum(-y, 0.0), residual)
        return lower, upper


class SquaredHinge(MarginLoss):
    """ℓ = max(0, 1 − m)², once differentiable; its curvature is 2 inside the margin, else 0."""

    unit = "squared hinge loss (margin units, squared)"

    def margin_value(self, margin: Array) -> Array:
        """max(0, 1 − m)²."""
        return np.asarray(np.maximum(0.0, 1.0 - margin) ** 2)

    def margin_slope(self, margin: Array) -> Array:
        """−2 max(0, 1 − m)."""
        return np.asarray(-2.0 * np.maximum(0.0, 1.0 - margin))

    def margin_curvature(self, margin: Array) -> Array:
        """2 where m < 1."""
        return np.asarray(2.0 * (margin < 1.0))


def _signs(codes: Array) -> Array:
    return np.where(np.asarray(codes) == 1, 1.0, -1.0)


def _sigmoid(z: Array) -> Array:
    """σ(z), as exact as scipy's expit and three times as fast on large arrays."""
    with np.errstate(over="ignore"):
        result = np.exp(-z)
    result += 1.0
    return np.divide(1.0, result, out=result)


def _sigmoid_slope(z: Array) -> Array:
    """σ(z) σ(−z), without underflow in one of the two."""
    tail = np.exp(-np.abs(z))
    return np.asarray(tail / (1.0 + tail) ** 2)
