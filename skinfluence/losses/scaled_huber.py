"""Huber's loss with its scale as a parameter: jointly convex in the prediction and in σ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..curvature import Array, CoupledCurvature
from .base import Loss


@dataclass(frozen=True)
class ScaledHuber(Loss):
    """ℓ = σ + σ H((z − y)/σ); H(u) = u² within ±ε, else 2ε abs(u) − ε²; decision values (z, σ).

    Huber's concomitant scale (Robust Statistics, Section 7.7). For σ ≤ 0 it goes on, convex, by
    the outer branch.

    Parameters
    ----------
    epsilon : float
        Where the bend is, ε, in units of σ.
    """

    epsilon: float
    unit = "Huber loss, its scale included (unit of y)"

    def _parts(self, y: Array, decision_values: Array) -> tuple[Array, Array, Array]:
        """(z − y)/σ, clipped to ±ε; the same where it isn't clipped, else 0; σ. Each (n, …)."""
        off, scale = decision_values[:, 0] - y[:, 0], decision_values[:, 1]
        inner = np.abs(off) <= self.epsilon * scale
        ratio = np.divide(off, scale, out=np.zeros_like(off), where=inner & (scale > 0))
        return np.where(inner, ratio, self.epsilon * np.sign(off)), np.where(inner, ratio, 0), inner

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        off, scale = decision_values[:, 0] - y[:, 0], decision_values[:, 1]
        clipped, _, inner = self._parts(y, decision_values)
        outer = 2.0 * self.epsilon * np.abs(off) - self.epsilon**2 * scale
        return np.asarray(scale + np.where(inner, clipped * off, outer))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """(2u, 1 − u²) for u = (z − y)/σ clipped to ±ε."""
        clipped, _, _ = self._parts(y, decision_values)
        return np.stack([2.0 * clipped, 1.0 - clipped**2], axis=1)

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """As ``residual``."""
        return self.residual(y[:, :, None], decision_values)

    def curvature(self, y: Array, decision_values: Array) -> CoupledCurvature:
        """2/σ (1, −u; −u, u²) where |u| < ε, else 0."""
        _, ratio, inner = self._parts(y, decision_values)
        scale = decision_values[:, 1]
        bend = np.divide(2.0, scale, out=np.zeros_like(scale), where=inner & (scale > 0))
        direction = np.stack([np.ones_like(ratio), -ratio], axis=1)
        return CoupledCurvature(bend[:, None, None] * direction[:, :, None] * direction[:, None, :])
