"""Huber regression, whose scale is a parameter like the coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import HuberRegressor
from sklearn.utils.validation import check_is_fitted

from ..coding import RealTargets
from ..curvature import Array
from ..losses import ScaledHuber
from ..objective import Objective
from ..penalties import L2
from ..predictors import LocationScalePredictor
from ..weighting import RowWeights
from .dispatch import as_objective, unit_weights
from .fixed import shown_by, with_decision_values
from .svm import spread

# A scale below this share of the spread of y is that of rows that are fitted exactly.
SMALLEST_SCALE = 1e-6


@as_objective.register(HuberRegressor)
def _huber(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    coding = RealTargets(1)
    encoded, weights = coding.encode(y, "y"), unit_weights(sample_weight, X.shape[0])
    _require_scale(estimator, spread(encoded[:, 0], weights))
    predictor = LocationScalePredictor.of(X.shape[1], fit_intercept=estimator.fit_intercept)
    # It minimises Σ s_i ℓ_i + alpha ‖w‖². What is no parameter may have any strength.
    strength = np.where(np.arange(X.shape[1] + 1) < X.shape[1], 2.0 * estimator.alpha, 0.0)
    return Objective(
        loss=ScaledHuber(estimator.epsilon),
        predictor=predictor,
        penalty=L2(np.where(np.asarray(predictor.free), strength[:, None], 1.0)),
        theta=predictor.pack_scaled(estimator.coef_, estimator.intercept_, estimator.scale_),
        linear_map=predictor.linearize(X),
        y=encoded,
        weights=RowWeights(weights),
        coding=coding,
    )


def _require_scale(estimator: Any, unit: float) -> None:
    """Refuse a fit whose scale has gone to 0, where the objective has no derivative."""
    if estimator.scale_ <= SMALLEST_SCALE * unit:
        raise ValueError(
            f"HuberRegressor has scale_={estimator.scale_:.1e} for targets that spread by "
            f"{unit:.1e}: where most rows are fitted exactly, or epsilon is 1, its scale goes to "
            "0, and the objective has no derivative. Needed is a fit that leaves residuals, with "
            "epsilon above 1: raise alpha or epsilon, use fewer features, or Ridge, which has no "
            "scale."
        )


class ShowsScale(HuberRegressor):
    """Predicts location and scale, both of which the loss reads."""

    def predict(self, X: Any) -> Array:
        """(n, 2)."""
        location = super().predict(X)
        return np.column_stack([location, np.full(len(location), self.scale_)])


@with_decision_values.register(HuberRegressor)
def _with_scale(estimator: Any) -> Any:
    return shown_by(ShowsScale, estimator)
