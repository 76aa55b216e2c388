"""Penalties Ω(θ): value, gradient, and the Hessian as its diagonal with what couples outputs.

Of implicit features the coordinates are those of functions: λ f is the gradient of ½ λ ‖f‖², by its
coefficients as by itself. So inner products of gradient and θ are the map's business (``inner``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .curvature import Array

Inner = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class L2:
    """Ω(θ) = ½ Σ strength · θ², with strength 0 on what is not penalised.

    Parameters
    ----------
    strength : ndarray of shape (n_inputs, K) or (n_inputs, 1)
        One strength per parameter; one column means that all outputs share it.
    """

    strength: Array

    def value(self, theta: Array, inner: Inner) -> float:
        """Ω(θ), for θ (n_inputs, K)."""
        pull = (self.strength * theta).reshape(-1, 1)
        return 0.5 * float(inner(pull, theta.reshape(-1, 1))[0])

    def gradient(self, theta: Array) -> Array:
        """∇Ω, (n_inputs, K), or (n_inputs, K, m) for m parameter columns."""
        strength = self.strength if theta.ndim == 2 else self.strength[:, :, None]
        return strength * theta

    def diagonal(self, theta: Array) -> Array:
        """Diagonal of ∇²Ω, (n_inputs, K), or (n_inputs, 1) where all outputs share it."""
        return self.strength

    def coupling(self, theta: Array) -> Array | None:
        """What ∇²Ω has beside its diagonal, between outputs: (n_inputs, K, K), or None."""
        return None

    def slope_along(self, theta: Array, along: Array, inner: Inner) -> Callable[[float], Array]:
        """α → ⟨∇Ω(θ + α d), d⟩ of each output, (K,): a straight line, of two products."""
        start, rise = inner(self.gradient(theta), along), inner(self.strength * along, along)
        return lambda length: np.asarray(start + length * rise)

    def scaled(self, factor: float) -> L2:
        """So much of Ω."""
        return replace(self, strength=factor * self.strength)

    @property
    def is_zero(self) -> bool:
        """Whether nothing is penalised."""
        return not np.any(self.strength)


@dataclass(frozen=True)
class SignedL1(L2):
    """Ω(θ) = ½ Σ strength · θ² + Σ slope · θ: the elastic net where no parameter changes its sign.

    Parameters
    ----------
    slope : ndarray of shape (n_inputs, K)
        The strength of the L1 part times each parameter's sign; 0 on what it doesn't penalise.
    """

    slope: Array

    def value(self, theta: Array, inner: Inner) -> float:
        """Ω(θ)."""
        return super().value(theta, inner) + float((self.slope * theta).sum())

    def gradient(self, theta: Array) -> Array:
        """∇Ω."""
        slope = self.slope if theta.ndim == 2 else self.slope[:, :, None]
        return super().gradient(theta) + slope

    def scaled(self, factor: float) -> SignedL1:
        """So much of Ω."""
        return SignedL1(factor * self.strength, factor * self.slope)

    @property
    def is_zero(self) -> bool:
        """Whether nothing is penalised."""
        return super().is_zero and not np.any(self.slope)


@dataclass(frozen=True)
class GroupNorm(L2):
    """Ω(θ) = ½ Σ strength · θ² + Σ_j slope_j ‖θ_j‖ over inputs j, none of whose θ_j is 0.

    Parameters
    ----------
    slope : ndarray of shape (n_inputs,)
        0 on what the norm doesn't penalise.
    """

    slope: Array

    def value(self, theta: Array, inner: Inner) -> float:
        """Ω(θ)."""
        return super().value(theta, inner) + float(self.slope @ np.linalg.norm(theta, axis=1))

    def gradient(self, theta: Array) -> Array:
        """∇Ω: slope_j θ_j / ‖θ_j‖ beside the quadratic part's."""
        norms = np.linalg.norm(theta, axis=1, keepdims=True)
        slope = self.slope.reshape(-1, *([1] * (theta.ndim - 1)))
        pull = np.divide(theta, norms, out=np.zeros_like(theta, dtype=float), where=norms > 0)
        return super().gradient(theta) + slope * pull

    def diagonal(self, theta: Array) -> Array:
        """Of the quadratic part, and slope_j / ‖θ_j‖."""
        return self.strength + self._bend(theta)[:, None]

    def coupling(self, theta: Array) -> Array:
        """−slope_j θ_j θ_jᵀ / ‖θ_j‖³."""
        norms = np.linalg.norm(theta, axis=1, keepdims=True)
        unit = np.divide(theta, norms, out=np.zeros_like(theta), where=norms > 0)
        return -self._bend(theta)[:, None, None] * unit[:, :, None] * unit[:, None, :]

    def slope_along(self, theta: Array, along: Array, inner: Inner) -> Callable[[float], Array]:
        """No straight line."""
        return lambda length: inner(self.gradient(theta + length * along), along)

    def _bend(self, theta: Array) -> Array:
        norms = np.linalg.norm(theta, axis=1)
        return np.divide(self.slope, norms, out=np.zeros_like(norms), where=self.slope > 0)

    def scaled(self, factor: float) -> GroupNorm:
        """So much of Ω."""
        return GroupNorm(factor * self.strength, factor * self.slope)

    @property
    def is_zero(self) -> bool:
        """Whether nothing is penalised."""
        return super().is_zero and not np.any(self.slope)
