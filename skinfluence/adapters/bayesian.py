"""Bayesian linear regression at its fitted precisions: ridge regression that chose its penalty.

The evidence of all rows chose the precisions α of the noise and λ of the weights. Given them, the
posterior mean minimises α/2 Σ s_i (y_i − z_i)² + λ/2 ‖w‖². Removing a row leaves them as they are,
like every other hyper-parameter; so does the choice of features by relevance determination.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import ARDRegression, BayesianRidge, Ridge
from sklearn.utils.validation import check_is_fitted, validate_data

from ..coding import RealTargets
from ..curvature import Array
from ..losses import SquaredError
from ..objective import Objective
from ..weighting import RowWeights
from .dispatch import as_objective, linear_objective, unit_weights
from .fixed import same_hyperparameters


@as_objective.register(BayesianRidge)
def _ridge(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    objective = linear_objective(
        estimator,
        X,
        y,
        loss=SquaredError(),
        coding=RealTargets(1),
        weights=RowWeights(unit_weights(sample_weight, X.shape[0])),
        # Over α/2, so that a row's loss is the squared error: Ω = ½ · 2 λ/α · ‖w‖².
        strength=2.0 * float(estimator.lambda_) / float(estimator.alpha_),
    )
    return replace(objective, held="precisions: alpha_ and lambda_")


@as_objective.register(ARDRegression)
def _relevance(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    return _at_precisions(estimator, relative_precisions(estimator), X, y, sample_weight)


def _at_precisions(
    estimator: Any, precisions: Array, X: Any, y: Any, sample_weight: Array | None
) -> Objective:
    """Ω = Σ_j λ_j/α w_j² on the features whose λ_j is finite."""
    relevant = np.flatnonzero(np.isfinite(precisions))
    objective = linear_objective(
        estimator,
        X,
        y,
        loss=SquaredError(),
        coding=RealTargets(1),
        weights=RowWeights(unit_weights(sample_weight, X.shape[0])),
        strength=2.0 * precisions[relevant, None],
        columns=relevant,
    )
    held = f"precisions: alpha_ and lambda_ of {len(relevant)} of {len(precisions)} features"
    return replace(objective, held=held)


def relative_precisions(estimator: Any) -> Array:
    """λ_j/α, (d,); infinite for features that relevance determination has pruned."""
    kept = estimator.lambda_ < estimator.threshold_lambda
    return np.where(kept, estimator.lambda_ / estimator.alpha_, np.inf)


class RidgeOfPrecisions(RegressorMixin, BaseEstimator):
    """Ridge regression with a penalty of its own for each feature, none for those left out."""

    def __init__(self, precisions: Any, fit_intercept: bool = True) -> None:
        self.precisions = precisions
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any) -> RidgeOfPrecisions:
        """On features over the roots of their precisions."""
        X, y = validate_data(self, X, y, y_numeric=True)
        self.scale_ = 1.0 / np.sqrt(np.asarray(self.precisions))
        self.ridge_ = Ridge(1.0, fit_intercept=self.fit_intercept, solver="svd")
        self.ridge_.fit(X * self.scale_, y)
        self.coef_, self.intercept_ = self.ridge_.coef_ * self.scale_, self.ridge_.intercept_
        return self

    def predict(self, X: Any) -> Array:
        """(n,)."""
        check_is_fitted(self)
        return np.asarray(self.ridge_.predict(validate_data(self, X, reset=False) * self.scale_))


@as_objective.register(RidgeOfPrecisions)
def _held_precisions(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    return _at_precisions(estimator, np.asarray(estimator.precisions), X, y, sample_weight)


@same_hyperparameters.register(ARDRegression)
def _same_precisions(estimator: Any, rows: Any = None) -> Any:
    return RidgeOfPrecisions(relative_precisions(estimator), estimator.fit_intercept)
