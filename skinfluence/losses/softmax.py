"""The softmax loss of multinomial logistic regression."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import log_softmax, softmax

from ..curvature import Array, SoftmaxCurvature
from .base import Loss, of_class


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
    symmetric : bool
        Whether the penalty treats all classes alike. Else (an L1 penalty does not) there are C
        decision values, Q = I.
    """

    n_classes: int
    symmetric: bool = True
    contrasts: Array = field(init=False, repr=False, compare=False)
    unit = "log-loss (nats)"
    has_probabilities = True

    def __post_init__(self) -> None:
        c = self.n_classes
        contrasts = orthonormal_contrasts(c) if self.symmetric else np.eye(c)
        object.__setattr__(self, "contrasts", contrasts)

    def _scores(self, decision_values: Array) -> Array:
        return np.asarray(decision_values @ self.contrasts.T)

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return -of_class(log_softmax(self._scores(decision_values), axis=1), y)

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
        own = of_class(scores, y)
        scores[np.arange(len(y)), y] = -np.inf
        return bool((own > scores.max(axis=1)).all())

    def probability(self, codes: Array, decision_values: Array) -> Array:
        """softmax(Q z)_c."""
        return of_class(softmax(self._scores(decision_values), axis=1), codes)

    def probability_gradient(self, codes: Array, decision_values: Array) -> Array:
        """p_c Qᵀ(e_c − p), (n, C − 1)."""
        probabilities = softmax(self._scores(decision_values), axis=1)
        own = of_class(probabilities, codes)
        difference = -probabilities
        difference[np.arange(len(codes)), codes] += 1.0
        return own[:, None] * (difference @ self.contrasts)


def orthonormal_contrasts(n_classes: int) -> Array:
    """(C, C − 1) orthonormal columns, each summing to zero: a Householder reflection of 1."""
    normal = np.full(n_classes, 1.0 / np.sqrt(n_classes))
    normal[0] += 1.0
    normal /= np.linalg.norm(normal)
    reflection = np.eye(n_classes) - 2.0 * np.outer(normal, normal)
    return np.ascontiguousarray(reflection[:, 1:])
