"""Losses on decision values: value, residual r = ∂ℓ/∂z and curvature B = ∂²ℓ/∂z².

A loss knows (y, z) and never X, so one class serves dense, sparse and kernel models alike.

Conventions
-----------
- ``decision_values`` z has shape (n, K), ``residual`` (n, K), ``value`` (n,).
- ``y`` is what the estimator's target coding makes of the user's labels: (n, K) numbers for
  regression, (n, K) signs ±1 for margin losses, (n,) class codes for the softmax loss.
- A new loss is a subclass with ``value``, ``residual`` and ``curvature``; ``unit`` names what
  its values are measured in. ``probability`` and its gradient are for classifiers that have
  ``predict_proba``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, log_softmax, softmax

from .curvature import Array, Curvature, DiagonalCurvature, SoftmaxCurvature


class Loss(ABC):
    """Base of all losses; see the module's conventions."""

    unit: str = "loss"
    has_probabilities: bool = False

    @abstractmethod
    def value(self, y: Array, decision_values: Array) -> Array:
        """ℓ(y, z), (n,)."""

    @abstractmethod
    def residual(self, y: Array, decision_values: Array) -> Array:
        """R = ∂ℓ/∂z, (n, K)."""

    @abstractmethod
    def curvature(self, y: Array, decision_values: Array) -> Curvature:
        """B = ∂²ℓ/∂z², one K × K matrix per row."""

    def residual_range(self, y: Array, decision_values: Array) -> tuple[Array, Array]:
        """Smallest and largest subgradient, each (n, K); equal where the loss is smooth."""
        residual = self.residual(y, decision_values)
        return residual, residual

    def separates(self, y: Array, decision_values: Array) -> bool:
        """Whether scaling these decision values up would lower the loss for ever."""
        return False

    def probability(self, codes: Array, decision_values: Array) -> Array:
        """Probability of class ``codes`` (n,), for classifiers with ``predict_proba``."""
        raise TypeError(f"{type(self).__name__} has no class probabilities.")

    def probability_gradient(self, codes: Array, decision_values: Array) -> Array:
        """Gradient of ``probability`` with respect to the decision values, (n, K)."""
        raise TypeError(f"{type(self).__name__} has no class probabilities.")


@dataclass(frozen=True)
class SquaredError(Loss):
    """ℓ = Σ_k (y_k − z_k)², as in Ridge's objective (no factor ½).

    Parameters
    ----------
    unit : str
        What it is measured in.
    """

    unit: str = "squared error (unit of y, squared)"

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return np.asarray(((decision_values - y) ** 2).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """2 (z − y)."""
        return 2.0 * (decision_values - y)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """2, for every row and output."""
        n, n_outputs = decision_values.shape
        return DiagonalCurvature(np.full((n, 1), 2.0), n_outputs)


class MarginLoss(Loss):
    """ℓ = Σ_k g(y_k z_k) for signs y_k = ±1; more than one output means one-vs-rest."""

    @abstractmethod
    def margin_value(self, margin: Array) -> Array:
        """g(m)."""

    @abstractmethod
    def margin_slope(self, margin: Array) -> Array:
        """g'(m), never positive."""

    @abstractmethod
    def margin_curvature(self, margin: Array) -> Array:
        """g''(m), never negative."""

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return np.asarray(self.margin_value(y * decision_values).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """Y g'(y z)."""
        return y * self.margin_slope(y * decision_values)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """g''(y z), since y² = 1."""
        weights = self.margin_curvature(y * decision_values)
        return DiagonalCurvature(weights, decision_values.shape[1])


class BinomialLogLoss(MarginLoss):
    """ℓ = Σ_k log(1 + exp(−y_k z_k)): logistic regression, binary or one-vs-rest."""

    unit = "log-loss (nats)"
    has_probabilities = True

    def margin_value(self, margin: Array) -> Array:
        """log(1 + exp(−m))."""
        return np.asarray(np.logaddexp(0.0, -margin))

    def margin_slope(self, margin: Array) -> Array:
        """−σ(−m)."""
        return np.asarray(-expit(-margin))

    def margin_curvature(self, margin: Array) -> Array:
        """σ(m) σ(−m)."""
        return np.asarray(expit(margin) * expit(-margin))

    def separates(self, y: Array, decision_values: Array) -> bool:
        """Some output has every row on its right side."""
        return bool((y * decision_values > 0).all(axis=0).any())

    def probability(self, codes: Array, decision_values: Array) -> Array:
        """σ(±z) for two classes; one-vs-rest probabilities normalised over the classes."""
        if decision_values.shape[1] == 1:
            return np.asarray(expit(_signs(codes) * decision_values[:, 0]))
        sigmoids = expit(decision_values)
        return np.asarray(_of_class(sigmoids, codes) / sigmoids.sum(axis=1))

    def probability_gradient(self, codes: Array, decision_values: Array) -> Array:
        """(n, K)."""
        slopes = expit(decision_values) * expit(-decision_values)
        if decision_values.shape[1] == 1:
            return _signs(codes)[:, None] * slopes
        total = expit(decision_values).sum(axis=1, keepdims=True)
        probability = self.probability(codes, decision_values)[:, None]
        chosen = np.arange(decision_values.shape[1]) == codes[:, None]
        return slopes * (chosen - probability) / total


@dataclass(frozen=True)
class SoftmaxLogLoss(Loss):
    """ℓ = −log softmax(Q z)_y: multinomial logistic regression on C − 1 contrasts.

    Residuals and curvatures of the softmax sum to zero over the classes, and with a penalty
    that is the same for all classes so do the parameters. So the C class parameters are
    written θ = Q θ̃ with Q (C, C − 1) orthonormal and orthogonal to the constant: one class
    less work, and the direction that shifts all intercepts, in which ∇²J is singular, is gone
    without any damping.

    Parameters
    ----------
    n_classes : int
        C.
    """

    n_classes: int
    contrasts: Array = field(init=False, repr=False, compare=False)
    unit = "log-loss (nats)"
    has_probabilities = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "contrasts", orthonormal_contrasts(self.n_classes))

    def _scores(self, decision_values: Array) -> Array:
        return np.asarray(decision_values @ self.contrasts.T)

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return -_of_class(log_softmax(self._scores(decision_values), axis=1), y)

    def residual(self, y: Array, decision_values: Array) -> Array:
        """Qᵀ(p − e_y)."""
        difference = softmax(self._scores(decision_values), axis=1)
        difference[np.arange(len(y)), y] -= 1.0
        return np.asarray(difference @ self.contrasts)

    def curvature(self, y: Array, decision_values: Array) -> SoftmaxCurvature:
        """Qᵀ(diag(p) − p pᵀ)Q."""
        probabilities = softmax(self._scores(decision_values), axis=1)
        return SoftmaxCurvature(probabilities, np.ones((len(probabilities), 1)), self.contrasts)

    def separates(self, y: Array, decision_values: Array) -> bool:
        """Every row's own class strictly wins."""
        scores = self._scores(decision_values)
        own = _of_class(scores, y)
        scores[np.arange(len(y)), y] = -np.inf
        return bool((own > scores.max(axis=1)).all())

    def probability(self, codes: Array, decision_values: Array) -> Array:
        """softmax(Q z)_c."""
        return _of_class(softmax(self._scores(decision_values), axis=1), codes)

    def probability_gradient(self, codes: Array, decision_values: Array) -> Array:
        """p_c Qᵀ(e_c − p), (n, C − 1)."""
        probabilities = softmax(self._scores(decision_values), axis=1)
        own = _of_class(probabilities, codes)
        difference = -probabilities
        difference[np.arange(len(codes)), codes] += 1.0
        return own[:, None] * (difference @ self.contrasts)


@dataclass(frozen=True)
class SmoothHinge(MarginLoss):
    """ℓ = t log(1 + exp((1 − m)/t)), the paper's Section 4.3; → hinge as t → 0.

    Parameters
    ----------
    temperature : float
        t, in units of the margin.
    """

    temperature: float
    unit = "smooth hinge loss (margin units)"
    # Margins closer to 1 than this many temperatures count as lying on the kink.
    KINK_WIDTH = 10.0

    def margin_value(self, margin: Array) -> Array:
        """Within t log 2 of the hinge."""
        return np.asarray(self.temperature * np.logaddexp(0.0, (1.0 - margin) / self.temperature))

    def margin_slope(self, margin: Array) -> Array:
        """−σ((1 − m)/t)."""
        return np.asarray(-expit((1.0 - margin) / self.temperature))

    def margin_curvature(self, margin: Array) -> Array:
        """σ'((1 − m)/t)/t, about 1/(4t) at the hinge."""
        scaled = (1.0 - margin) / self.temperature
        return np.asarray(expit(scaled) * expit(-scaled) / self.temperature)

    def residual_range(self, y: Array, decision_values: Array) -> tuple[Array, Array]:
        """The hinge's subdifferential [−1, 0] · y on the kink.

        The weights are those of the hinge-loss model, where rows on the kink have any slope in
        that range; only off the kink do the smooth and the real loss agree on one.
        """
        residual = self.residual(y, decision_values)
        on_kink = np.abs(1.0 - y * decision_values) <= self.KINK_WIDTH * self.temperature
        lower = np.where(on_kink, np.minimum(-y, 0.0), residual)
        upper = np.where(on_kink, np.maximum(-y, 0.0), residual)
        return lower, upper


class SquaredHinge(MarginLoss):
    """ℓ = max(0, 1 − m)², once differentiable; its curvature is 2 inside the margin, else 0."""

    unit = "squared hinge loss (margin units, squared)"

    def margin_value(self, margin: Array) -> Array:
        """max(0, 1 − m)²."""
        return np.asarray(np.maximum(0.0, 1.0 - margin) ** 2)

    def margin_slope(self, margin: Array) -> Array:
        """−2 max(0, 1 − m)."""
        return np.asarray(-2.0 * np.maximum(0.0, 1.0 - margin))

    def margin_curvature(self, margin: Array) -> Array:
        """2 where m < 1."""
        return np.asarray(2.0 * (margin < 1.0))


def orthonormal_contrasts(n_classes: int) -> Array:
    """(C, C − 1) orthonormal columns, each summing to zero: a Householder reflection of 1."""
    normal = np.full(n_classes, 1.0 / np.sqrt(n_classes))
    normal[0] += 1.0
    normal /= np.linalg.norm(normal)
    reflection = np.eye(n_classes) - 2.0 * np.outer(normal, normal)
    return np.ascontiguousarray(reflection[:, 1:])


def _of_class(values: Array, codes: Array) -> Array:
    return np.asarray(values[np.arange(len(codes)), codes])


def _signs(codes: Array) -> Array:
    return np.where(np.asarray(codes) == 1, 1.0, -1.0)
