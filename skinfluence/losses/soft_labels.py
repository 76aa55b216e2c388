"""The log-loss of labels that are not quite certain."""

from __future__ import annotations

import numpy as np

from ..curvature import Array, DiagonalCurvature
from .margin import BinomialLogLoss
from .sigmoid import sigmoid, sigmoid_slope, softplus


class SoftLabelLogLoss(BinomialLogLoss):
    """ℓ = Σ_k t_k log(1 + exp(−z_k)) + (1 − t_k) log(1 + exp(z_k)), for y = 2t − 1 in [−1, 1]."""

    unit = "log-loss at Platt's targets (nats)"

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        positive, negative = softplus(-decision_values), softplus(decision_values)
        return np.asarray((0.5 * (1.0 + y) * positive + 0.5 * (1.0 - y) * negative).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """σ(z) − t."""
        return sigmoid(decision_values) - 0.5 * (1.0 + y)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """σ(z) σ(−z)."""
        return DiagonalCurvature(sigmoid_slope(decision_values), decision_values.shape[1])

    def separates(self, y: Array, decision_values: Array) -> bool:
        """Never: a label that is not certain holds the decision value back."""
        return False
