"""Penalties Ω(θ): value, gradient, and the Hessian as its diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .curvature import Array


@dataclass(frozen=True)
class L2:
    """Ω(θ) = ½ Σ strength · θ², with strength 0 on what is not penalised.

    Parameters
    ----------
    strength : ndarray of shape (n_inputs, K) or (n_inputs, 1)
        One strength per parameter; one column means that all outputs share it.
    """

    strength: Array

    def value(self, theta: Array) -> float:
        """Ω, for θ of shape (n_inputs, K)."""
        return float(0.5 * (self.strength * theta**2).sum())

    def gradient(self, theta: Array) -> Array:
        """∇Ω, (n_inputs, K), or (n_inputs, K, m) for m parameter columns."""
        strength = self.strength if theta.ndim == 2 else self.strength[:, :, None]
        return strength * theta

    @property
    def shared(self) -> bool:
        """Whether all outputs have the same strengths."""
        return self.strength.shape[1] == 1

    @property
    def is_zero(self) -> bool:
        """Whether nothing is penalised."""
        return not np.any(self.strength)
