"""Half the squared error, everywhere or near the target alone: least squares and Huber's loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..curvature import Array, DiagonalCurvature
from .base import Loss


@dataclass(frozen=True)
class HalfSquaredError(Loss):
    """ℓ = Σ_k ½ (y_k − z_k)².

    Parameters
    ----------
    unit : str
        What it is measured in.
    """

    unit: str = "half squared error (unit of y, squared)"
    dispersion = "estimated"

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return np.asarray(0.5 * ((decision_values - y) ** 2).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """z − y."""
        return decision_values - y

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """z − y."""
        return decision_values - y[:, :, None]

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """1, for every row and output."""
        n, n_outputs = decision_values.shape
        return DiagonalCurvature(np.ones((n, 1)), n_outputs)


@dataclass(frozen=True)
class Huber(Loss):
    """ℓ = Σ_k h(z_k − y_k), h(u) = ½ u² within ±ε, else ε abs(u) − ½ ε²; once differentiable.

    Parameters
    ----------
    epsilon : float
        Where the bend is, ε ≥ 0, in units of y.
    """

    epsilon: float
    unit = "Huber loss (unit of y, squared)"

    def _bounded(self, off: Array) -> Array:
        return np.clip(off, -self.epsilon, self.epsilon)

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        off = decision_values - y
        bounded = self._bounded(off)
        return np.asarray((bounded * (off - 0.5 * bounded)).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """clip(u, −ε, ε)."""
        return self._bounded(decision_values - y)

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """As ``residual``."""
        return self._bounded(decision_values - y[:, :, None])

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """1 where |u| < ε, else 0."""
        near = np.abs(decision_values - y) < self.epsilon
        return DiagonalCurvature(1.0 * near, decision_values.shape[1])
