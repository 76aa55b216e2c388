"""Scalar functions of a test row's decision values whose change is asked for.

A target knows the loss and decision values, never X. ``value`` is evaluated at moved decision
values; ``gradient`` is its derivative at the fitted ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .curvature import Array
from .losses import Loss, MeasuredLoss


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

    loss: Loss | MeasuredLoss
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
        return LossTarget(self.loss.around(loss), self.y)

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


class Shows(Protocol):
    """What knows the predictions that decision values stand for."""

    def shown(self, values: Array) -> Array: ...
    def shown_vjp(self, values: Array, cotangents: Array) -> Array: ...


@dataclass(frozen=True)
class PredictionTarget(Target):
    """Predicted value of a regressor with one output.

    Parameters
    ----------
    objective : Objective
        By which a decision value becomes a prediction.
    """

    objective: Shows
    unit = "unit of y"

    def value(self, decision_values: Array) -> Array:
        """(rows,)."""
        return self.objective.shown(decision_values)[:, 0]

    def gradient(self, decision_values: Array) -> Array:
        """(rows, 1)."""
        return self.objective.shown_vjp(decision_values, np.ones((len(decision_values), 1)))

    def take(self, rows: Any) -> PredictionTarget:
        """Of any rows it is the same."""
        return self


@dataclass(frozen=True)
class DecisionTarget(Target):
    """A weighted sum of decision values: that of a class.

    Parameters
    ----------
    weights : ndarray of shape (rows, K)
        −1 for the first of two classes, whose decision value is the other's, negated.
    """

    weights: Array
    unit = "decision value"

    def value(self, decision_values: Array) -> Array:
        """(rows,)."""
        return np.einsum("ik,ik->i", self.weights, decision_values)

    def gradient(self, decision_values: Array) -> Array:
        """(rows, K)."""
        return self.weights

    def take(self, rows: Any) -> DecisionTarget:
        """Some rows."""
        return DecisionTarget(self.weights[rows])
