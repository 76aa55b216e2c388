"""Rows of ``models``: Huber regression, its scale a parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
from models import Model
from scipy.optimize import root
from sklearn.linear_model import HuberRegressor


class TightHuberRegressor(HuberRegressor):
    """L-BFGS stops where the objective no longer falls; from there to where its gradient is 0."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight=sample_weight)
        weights = np.ones(len(y)) if sample_weight is None else sample_weight

        def gradient(theta):
            w, b, scale = theta[:-2], self.fit_intercept * theta[-2], theta[-1]
            u = np.clip((X @ w + b - y) / scale, -self.epsilon, self.epsilon)
            slope = 2.0 * weights * u
            along = [slope.sum() if self.fit_intercept else theta[-2], weights @ (1.0 - u**2)]
            return np.r_[X.T @ slope + 2.0 * self.alpha * w, along]

        start = np.r_[self.coef_, self.intercept_, self.scale_]
        theta = root(gradient, start, options={"xtol": 1e-15}).x
        self.coef_, self.intercept_, self.scale_ = theta[:-2], theta[-2], theta[-1]
        return self


def scaled_huber(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    u = np.abs(model.predict(X) - y) / model.scale_
    outer = 2.0 * model.epsilon * u - model.epsilon**2
    return model.scale_ * (1.0 + np.where(u < model.epsilon, u**2, outer))


TIGHT = {"tol": 1e-9, "max_iter": 10_000}
# Its curvature jumps for every row that crosses ε σ.
HUBER = {
    "data": "regression",
    "loss": scaled_huber,
    "follows": 0.998,
    "slope": 0.06,
}
MODELS = [
    Model("HuberRegressor", TightHuberRegressor(**TIGHT), **HUBER),
    Model("HuberRegressor, narrow", TightHuberRegressor(epsilon=1.15, alpha=3.0, **TIGHT), **HUBER),
    Model(
        "HuberRegressor, no intercept", TightHuberRegressor(fit_intercept=False, **TIGHT), **HUBER
    ),
]
