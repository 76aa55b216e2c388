"""Losses of the margin y z: logistic, modified Huber, smooth hinge, squared hinge."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from ..curvature import Array, DiagonalCurvature
from .base import Loss, of_class
from .sigmoid import KINK_WIDTH, SETTLED_WIDTH, SHARPENING, sigmoid, sigmoid_slope, softplus


class MarginLoss(Loss):
    """ℓ = Σ_k g(y_k z_k) over signs y_k = ±1; 0 stands for outputs that a row has no part in.

    More than one output means one-vs-rest, or one-vs-one, where each class has a part in some.
    """

    @abstractmethod
    def margin_value(self, margin: Array) -> Array:
        """g(m).

        Parameters
        ----------
        margin : ndarray
            Margins m = y z.

        Returns
        -------
        ndarray of the shape of margin
        """

    @abstractmethod
    def margin_slope(self, margin: Array) -> Array:
        """g'(m), never positive.

        Parameters
        ----------
        margin : ndarray
            Margins m = y z.

        Returns
        -------
        ndarray of the shape of margin
        """

    @abstractmethod
    def margin_curvature(self, margin: Array) -> Array:
        """g''(m), never negative.

        Parameters
        ----------
        margin : ndarray
            Margins m = y z.

        Returns
        -------
        ndarray of the shape of margin
        """

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return np.asarray((np.abs(y) * self.margin_value(y * decision_values)).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """Y g'(y z)."""
        return y * self.margin_slope(y * decision_values)

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """Y g'(y z)."""
        return self.residual(y[:, :, None], decision_values)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """y² g''(y z)."""
        weights = y * y * self.margin_curvature(y * decision_values)
        return DiagonalCurvature(weights, decision_values.shape[1])


class ProbabilisticMarginLoss(MarginLoss):
    """One whose decision values tell the probability of their class, P(z) = 1 − P(−z)."""

    has_probabilities = True

    @abstractmethod
    def positive(self, decision_values: Array) -> Array:
        """P(z)."""

    @abstractmethod
    def positive_slope(self, decision_values: Array) -> Array:
        """P'(z) = P'(−z)."""

    def probability(self, codes: Array, decision_values: Array) -> Array:
        """P(±z) for two classes; for more P(z) over its sum, where that is 0 the same for all."""
        if decision_values.shape[1] == 1:
            return self.positive(_signs(codes) * decision_values[:, 0])
        each = self.positive(decision_values)
        total = each.sum(axis=1)
        uniform = np.full(len(codes), 1.0 / each.shape[1])
        return np.divide(of_class(each, codes), total, out=uniform, where=total > 0)

    def probability_gradient(self, codes: Array, decision_values: Array) -> Array:
        """(n, K)."""
        slopes = self.positive_slope(decision_values)
        if decision_values.shape[1] == 1:
            return _signs(codes)[:, None] * slopes
        total = self.positive(decision_values).sum(axis=1, keepdims=True)
        probability = self.probability(codes, decision_values)[:, None]
        chosen = np.arange(decision_values.shape[1]) == codes[:, None]
        gradient = slopes * (chosen - probability)
        return np.divide(gradient, total, out=np.zeros_like(gradient), where=total > 0)


class BinomialLogLoss(ProbabilisticMarginLoss):
    """ℓ = Σ_k log(1 + exp(−y_k z_k)): logistic regression, binary or one-vs-rest."""

    unit = "log-loss (nats)"
    dispersion = "one"

    def residual(self, y: Array, decision_values: Array) -> Array:
        """−y / (1 + exp(y z)), in place: refits spend most of their time here."""
        with np.errstate(over="ignore"):
            result = np.exp(y * decision_values)
        result += 1.0
        return np.divide(-y, result, out=result)

    def margin_value(self, margin: Array) -> Array:
        """log(1 + exp(−m))."""
        return softplus(-margin)

    def margin_slope(self, margin: Array) -> Array:
        """−σ(−m)."""
        return -sigmoid(-margin)

    def margin_curvature(self, margin: Array) -> Array:
        """σ(m) σ(−m)."""
        return sigmoid_slope(margin)

    def separates(self, y: Array, decision_values: Array) -> bool:
        """Some output has every row that has a part in it on its right side."""
        return bool(((y * decision_values > 0) | (y == 0)).all(axis=0).any())

    def positive(self, decision_values: Array) -> Array:
        """σ(z)."""
        return sigmoid(decision_values)

    def positive_slope(self, decision_values: Array) -> Array:
        """σ(z) σ(−z)."""
        return sigmoid_slope(decision_values)


class ModifiedHuber(ProbabilisticMarginLoss):
    """ℓ = max(0, 1 − m)² where m ≥ −1, else −4 m: Zhang (2004), once differentiable."""

    unit = "modified Huber loss (margin units, squared)"

    def margin_value(self, margin: Array) -> Array:
        """The squared hinge, and below m = −1 its tangent there."""
        below = np.minimum(0.0, margin + 1.0)
        return np.asarray(np.clip(1.0 - margin, 0.0, 2.0) ** 2 - 4.0 * below)

    def margin_slope(self, margin: Array) -> Array:
        """−2 max(0, 1 − m), at least −4."""
        return np.asarray(-2.0 * np.clip(1.0 - margin, 0.0, 2.0))

    def margin_curvature(self, margin: Array) -> Array:
        """2 where −1 ≤ m < 1."""
        return np.asarray(2.0 * ((margin >= -1.0) & (margin < 1.0)))

    def positive(self, decision_values: Array) -> Array:
        """(clip(z, −1, 1) + 1) / 2, what its minimum says of P(y = 1)."""
        return np.asarray(0.5 * (np.clip(decision_values, -1.0, 1.0) + 1.0))

    def positive_slope(self, decision_values: Array) -> Array:
        """½ where |z| < 1."""
        return np.asarray(0.5 * (np.abs(decision_values) < 1.0))


@dataclass(frozen=True)
class SmoothHinge(MarginLoss):
    """ℓ = t log(1 + exp((1 − m)/t)), the paper's Section 4.3; → hinge as t → 0.

    Parameters
    ----------
    temperature : float
        Temperature t, in units of the margin.
    smoothed : bool
        Whether it stands in for the hinge; else the estimator minimises it as it is.
    """

    temperature: float
    smoothed: bool = True
    unit = "smooth hinge loss (margin units)"
    kinked = True

    def margin_value(self, margin: Array) -> Array:
        """Within t log 2 of the hinge."""
        return self.temperature * softplus((1.0 - margin) / self.temperature)

    def margin_slope(self, margin: Array) -> Array:
        """−σ((1 − m)/t)."""
        return -sigmoid((1.0 - margin) / self.temperature)

    def margin_curvature(self, margin: Array) -> Array:
        """σ'((1 − m)/t)/t, about 1/(4t) at the hinge."""
        scaled = (1.0 - margin) / self.temperature
        return sigmoid_slope(scaled) / self.temperature

    def sharpened(self) -> SmoothHinge:
        """At a temperature that refits tell from none by a millionth at the most."""
        if not self.smoothed:
            return self
        return replace(self, temperature=SHARPENING * self.temperature)

    def kinks(self, y: Array, decision_values: Array) -> Array:
        """(n, K, 1): at z = y, where y is a sign."""
        return np.asarray(np.where(y == 0, np.nan, y - decision_values)[:, :, None])

    @property
    def kink_width(self) -> float:
        """In units of the margin."""
        return SETTLED_WIDTH * self.temperature

    def residual_range(self, y: Array, decision_values: Array) -> tuple[Array, Array]:
        """The hinge's own, if this one stands in for it: [−1, 0] · y on the kink."""
        if not self.smoothed:
            return super().residual_range(y, decision_values)
        residual = -y * (y * decision_values < 1.0)
        on_kink = np.abs(1.0 - y * decision_values) <= KINK_WIDTH
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
