"""Scalar functions of a test row's decision values whose change is asked for.

A target knows the loss and decision values, never X. ``value`` is evaluated at moved decision
values; ``gradient`` is its derivative at the fitted ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from .curvature import Array
from .losses import Loss


class Target(ABC):
    """One scalar per test row."""

    unit: str

    @abstractmethod
    def value(self, decision_values: Array) -> Array:
        """(rows, K) → (rows,)."""

    @abstractmethod
    def gradient(self, decision_values: Array) -> Array:
        """(rows, K) → (rows, K)."""

    def under(self, loss: Loss) -> Target:
        """The same target where another loss stands for the estimator's own."""
        return self

    @abstractmethod
    def take(self, rows: Any) -> Target:
        """The target of some test rows; an index may repeat."""


@dataclass(frozen=True)
class LossTarget(Target):
    """ℓ(y_t, z_t)."""

    loss: Loss
    y: Array

    @property
    def unit(self) -> str:  # type: ignore[override]
        """As the loss has it."""
        return self.loss.unit

    def value(self, decision_values: Array) -> Array:
        """(rows,)."""
        return self.loss.value(self.y, decision_values)

    def gradient(self, decision_values: Array) -> Array:
        """R, (rows, K)."""
        return self.loss.residual(self.y, decision_values)

    def under(self, loss: Loss) -> LossTarget:
        """By that loss."""
        return LossTarget(loss, self.y)

    def take(self, rows: Any) -> LossTarget:
        """Some rows."""
        return LossTarget(self.loss, self.y[rows])


@dataclass(frozen=True)
class ProbabilityTarget(Target):
    """Probability of a class."""

    loss: Loss
    codes: Array
    unit = "probability"

    def value(self, decision_values: Array) -> Array:
        """(rows,)."""
        return self.loss.probability(self.codes, decision_values)

    def gradient(self, decision_values: Array) -> Array:
        """(rows, K)."""
        return self.loss.probability_gradient(self.codes, decision_values)

    def take(self, rows: Any) -> ProbabilityTarget:
        """Some rows."""
        return ProbabilityTarget(self.loss, self.codes[rows])


@dataclass(frozen=True)
class DecisionTarget(Target):
    """A weighted sum of decision values: that of a class, or a regressor's prediction.

    Parameters
    ----------
    weights : ndarray of shape (rows, K)
        −1 for the first of two classes, whose decision value is the other's, negated.
    unit : str
    """

    weights: Array
    unit: str = "decision value"

    def value(self, decision_values: Array) -> Array:
        """(rows,)."""
        return np.einsum("ik,ik->i", self.weights, decision_values)

    def gradient(self, decision_values: Array) -> Array:
        """(rows, K)."""
        return self.weights

    def take(self, rows: Any) -> DecisionTarget:
        """Some rows."""
        return DecisionTarget(self.weights[rows], self.unit)
