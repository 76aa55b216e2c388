"""Squared error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..curvature import Array, DiagonalCurvature
from .base import Loss


@dataclass(frozen=True)
class SquaredError(Loss):
    """ℓ = Σ_k (y_k − z_k)², as in Ridge's objective (no factor ½).

    Parameters
    ----------
    unit : str
        What it is measured in.
    coupled : bool
        Whether the penalty couples the outputs, which the loss alone would not.
    """

    unit: str = "squared error (unit of y, squared)"
    coupled: bool = False
    dispersion = "estimated"

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return np.asarray(((decision_values - y) ** 2).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """2 (z − y)."""
        return 2.0 * (decision_values - y)

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """2 (z − y)."""
        return self.residual(y[:, :, None], decision_values)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """2, for every row and output."""
        n, n_outputs = decision_values.shape
        return DiagonalCurvature(np.full((n, 1), 2.0), n_outputs, separable=not self.coupled)
