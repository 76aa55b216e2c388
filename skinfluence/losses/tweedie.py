"""Half the unit deviance of Tweedie families: Poisson, gamma, inverse Gaussian and between.

The family of power p has the variance function μ^p, and half its unit deviance is

    ½ d(y, μ) = ∫ (t − y) t^(−p) dt  from y to μ  ≥ 0,     ∂(½ d)/∂μ = (μ − y) μ^(−p)

with μ the mean. A loss is this with μ as a function of the decision value, the inverse link. Where
the link is not the canonical one a row's curvature may be negative, also at the optimum of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import xlogy

from ..curvature import Array, DiagonalCurvature
from .base import Loss

NAMES = {
    0.0: "squared error (unit of y, squared)",
    1.0: "Poisson deviance",
    2.0: "gamma deviance",
    3.0: "inverse Gaussian deviance",
}
# What stands for −∞ as a slope: a weight of 0 has to make it 0, and a sum may hold many.
STEEPEST = -1e100


@dataclass(frozen=True)
class TweedieLoss(Loss):
    """ℓ = Σ_k ½ d_p(y_k, exp(z_k)): the log link.

    Half of scikit-learn's ``mean_tweedie_deviance``, for each row.

    Parameters
    ----------
    power : float
        The power p: 1 is Poisson, 2 gamma, 3 inverse Gaussian, 0 the normal distribution.
    """

    power: float

    @property
    def unit(self) -> str:  # type: ignore[override]
        """By the family's name, where it has one."""
        name = NAMES.get(float(self.power), f"Tweedie deviance of power {self.power:g}")
        return f"half {name}"

    @property
    def dispersion(self) -> Literal["one"] | None:  # type: ignore[override]
        """1 for Poisson. Of other families the curvature is no inverse variance of a residual."""
        return "one" if self.power == 1 else None

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        with np.errstate(over="ignore"):
            return np.asarray(half_deviance(y, decision_values, self.power).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """exp((1 − p) z) (exp(z) − y)."""
        with np.errstate(over="ignore"):
            slope = np.exp((1.0 - self.power) * decision_values)
            return np.asarray(slope * (np.exp(decision_values) - y))

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """As ``residual``."""
        return self.residual(y[:, :, None], decision_values)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """exp((1 − p) z) ((2 − p) exp(z) − (1 − p) y), never negative for 1 ≤ p ≤ 2."""
        with np.errstate(over="ignore"):
            slope = np.exp((1.0 - self.power) * decision_values)
            bent = (2.0 - self.power) * np.exp(decision_values) - (1.0 - self.power) * y
            return DiagonalCurvature(slope * bent, decision_values.shape[1])


@dataclass(frozen=True)
class IdentityTweedieLoss(TweedieLoss):
    """ℓ = Σ_k ½ d_p(y_k, z_k), infinite for z ≤ 0: the identity link, of any power but 0.

    Of power 0 it is ``HalfSquaredError``.

    Parameters
    ----------
    power : float
        The power p, not 0.
    """

    dispersion = None

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        inside = decision_values > 0
        logs = np.log(np.where(inside, decision_values, 1.0))
        values = half_deviance(y, logs, self.power)
        return np.asarray(np.where(inside, values, np.inf).sum(axis=1))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """z^(−p) (z − y); as steep as can be for z ≤ 0, so that no step ends there."""
        inside = decision_values > 0
        z = np.where(inside, decision_values, 1.0)
        return np.where(inside, z**-self.power * (z - y), STEEPEST)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """z^(−p − 1) ((1 − p) z + p y), never negative for p = 1."""
        inside = decision_values > 0
        z = np.where(inside, decision_values, 1.0)
        bent = z ** (-self.power - 1.0) * ((1.0 - self.power) * z + self.power * y)
        return DiagonalCurvature(np.where(inside, bent, 0.0), decision_values.shape[1])


def half_deviance(y: Array, log_mean: Array, power: float) -> Array:
    """½ d_p(y, μ), element by element.

    As scikit-learn has it: for p < 0 the term in y alone is that of max(y, 0).
    """
    if power == 0:
        return np.asarray(0.5 * (y - np.exp(log_mean)) ** 2)
    if power == 1:
        return np.asarray(np.exp(log_mean) - y + xlogy(y, y) - y * log_mean)
    if power == 2:
        return np.asarray(log_mean - np.log(y) + y * np.exp(-log_mean) - 1.0)
    first, second = 1.0 - power, 2.0 - power
    own = np.maximum(y, 0.0) ** second / (first * second)
    by_mean = np.exp(second * log_mean) / second - y * np.exp(first * log_mean) / first
    return np.asarray(own + by_mean)
