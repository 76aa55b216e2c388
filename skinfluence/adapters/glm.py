"""Generalised linear models: half the mean unit deviance, with an L2 penalty against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor

from ..coding import RealTargets
from ..curvature import Array
from ..losses import HalfSquaredError, IdentityTweedieLoss, Loss, TweedieLoss
from ..objective import Objective
from ..responses import Exponential
from ..weighting import RowWeights
from .dispatch import as_objective, linear_objective, unit_weights


@as_objective.register(PoissonRegressor)
def _poisson(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    return _generalised_linear(estimator, X, y, sample_weight, 1.0)


@as_objective.register(GammaRegressor)
def _gamma(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    return _generalised_linear(estimator, X, y, sample_weight, 2.0)


@as_objective.register(TweedieRegressor)
def _tweedie(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    power = float(estimator.power)
    identity = estimator.link == "identity" or (estimator.link == "auto" and power <= 0)
    objective = _generalised_linear(estimator, X, y, sample_weight, power, log_link=not identity)
    if identity and power:
        _require_positive(estimator, objective.training_values[:, 0])
    return objective


def _generalised_linear(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Array | None,
    power: float,
    *,
    log_link: bool = True,
) -> Objective:
    loss: Loss = TweedieLoss(power)
    if not log_link:
        loss = IdentityTweedieLoss(power) if power else HalfSquaredError()
    weights = unit_weights(sample_weight, X.shape[0])
    # It minimises (1/Σs) Σ s_i ½ d_i + ½ alpha ‖w‖².
    return linear_objective(
        estimator,
        X,
        y,
        loss=loss,
        coding=TweedieTargets(1, Exponential() if log_link else None, power),
        weights=RowWeights(weights),
        strength=estimator.alpha * weights.sum(),
        mean_over="weights",
    )


@dataclass(frozen=True)
class TweedieTargets(RealTargets):
    """Targets that a Tweedie family can have: positive from power 2 on, not negative above 0.

    Parameters
    ----------
    power : float
    """

    power: float = 0.0

    def encode(self, y: Any, name: str) -> Array:
        """(n, 1), float64.

        Raises
        ------
        ValueError
            As for any regressor, and for numbers without a deviance.
        """
        targets = super().encode(y, name)
        outside = targets <= 0 if self.power >= 2 else targets < 0
        if self.power > 0 and outside.any():
            row = int(np.flatnonzero(outside)[0])
            needed = "above 0" if self.power >= 2 else "0 or more"
            raise ValueError(
                f"{name} contains {targets[row, 0]:g} (row {row}), of which a model of power "
                f"{self.power:g} has no deviance; needed are numbers {needed}. Drop these rows, or "
                "fit a model that allows them."
            )
        return targets


def _require_positive(estimator: Any, predicted: Array) -> None:
    outside = np.flatnonzero(~(predicted > 0))
    if len(outside):
        raise ValueError(
            f"{type(estimator).__name__} got power={estimator.power:g} with the identity link and "
            f"predicts {predicted[outside[0]]:g} for training row {outside[0]}, where its loss is "
            "not defined; needed are predictions above 0 for all of them. Fit with link='log', or "
            "with a larger alpha."
        )
