"""Penalties Ω(θ): the gradient, and the Hessian as its diagonal.

Of implicit features the coordinates are those of functions: λ f is the gradient of ½ λ ‖f‖², by its
coefficients as by itself. The value is half the inner product of the gradient with θ.
"""

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
