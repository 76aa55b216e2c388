"""Losses that are 0 within a tube of ±ε around the target: support vector regression."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..curvature import Array, DiagonalCurvature
from .base import Loss
from .sigmoid import SETTLED_WIDTH, SHARPENING, sigmoid, sigmoid_slope, softplus

# Targets closer to a kink than this many temperatures count as lying on it.
KINK_WIDTHS = 10.0


@dataclass(frozen=True)
class SmoothEpsilonInsensitive(Loss):
    """ℓ = Σ_k t softplus((u_k − ε)/t) + t softplus((−u_k − ε)/t), for u = z − y.

    The same smoothing as the hinge's, at both kinks; → max(0, u − ε, −u − ε) as t → 0.

    Parameters
    ----------
    epsilon : float
        Half the width ε ≥ 0 of what costs nothing, in units of y.
    temperature : float
        Temperature t, in units of y.
    """

    epsilon: float
    temperature: float
    unit = "smoothed epsilon-insensitive loss (unit of y)"
    kinked = True
    smoothed = True

    def _above_and_below(self, y: Array, decision_values: Array) -> tuple[Array, Array]:
        """How far above and below the tube, in temperatures."""
        off = decision_values - y
        return (off - self.epsilon) / self.temperature, (-off - self.epsilon) / self.temperature

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,), within 2 t log 2 of the loss with kinks for each output."""
        above, below = self._above_and_below(y, decision_values)
        return np.asarray(self.temperature * (softplus(above) + softplus(below)).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """σ((u − ε)/t) − σ((−u − ε)/t)."""
        above, below = self._above_and_below(y, decision_values)
        return sigmoid(above) - sigmoid(below)

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """As ``residual``."""
        return self.residual(y[:, :, None], decision_values)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """(σ'((u − ε)/t) + σ'((−u − ε)/t))/t."""
        above, below = self._above_and_below(y, decision_values)
        weights = (sigmoid_slope(above) + sigmoid_slope(below)) / self.temperature
        return DiagonalCurvature(weights, decision_values.shape[1])

    def sharpened(self) -> SmoothEpsilonInsensitive:
        """At a temperature that refits tell from none by a millionth at the most."""
        return replace(self, temperature=SHARPENING * self.temperature)

    def kinks(self, y: Array, decision_values: Array) -> Array:
        """(n, K, 2): at y + ε and y − ε."""
        off = y - decision_values
        return np.stack([off + self.epsilon, off - self.epsilon], axis=2)

    @property
    def kink_width(self) -> float:
        """In units of y."""
        return SETTLED_WIDTH * self.temperature

    def residual_range(self, y: Array, decision_values: Array) -> tuple[Array, Array]:
        """[0, 1] on the kink above, [−1, 0] on the one below, [−1, 1] where they are one."""
        above, below = self._above_and_below(y, decision_values)
        residual = 1.0 * (above > 0) - (below > 0)
        on_upper, on_lower = np.abs(above) <= KINK_WIDTHS, np.abs(below) <= KINK_WIDTHS
        lower = np.where(on_lower, -1.0, np.where(on_upper, 0.0, residual))
        upper = np.where(on_upper, 1.0, np.where(on_lower, 0.0, residual))
        return lower, upper


@dataclass(frozen=True)
class SquaredEpsilonInsensitive(Loss):
    """ℓ = Σ_k max(0, u_k − ε, −u_k − ε)² for u = z − y, once differentiable.

    Parameters
    ----------
    epsilon : float
        Half the width ε ≥ 0 of what costs nothing, in units of y.
    """

    epsilon: float
    unit = "squared epsilon-insensitive loss (unit of y, squared)"

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        excess = np.maximum(0.0, np.abs(decision_values - y) - self.epsilon)
        return np.asarray((excess**2).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """2 (u − clip(u, −ε, ε))."""
        off = decision_values - y
        return np.asarray(2.0 * (off - np.clip(off, -self.epsilon, self.epsilon)))

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """As ``residual``."""
        return self.residual(y[:, :, None], decision_values)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """2 outside of the tube, else 0; its edge counts as outside, all there is if ε = 0."""
        outside = np.abs(decision_values - y) >= self.epsilon
        return DiagonalCurvature(2.0 * outside, decision_values.shape[1])
