"""Rows of ``models``: Bayesian linear regression, at the precisions that all rows chose."""

from __future__ import annotations

from typing import Any

import numpy as np
from models import Model
from sklearn.linear_model import ARDRegression, BayesianRidge, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer


def squared_error(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    return (y - model.predict(X)) ** 2


def ridge(model: Any) -> Ridge:
    ratio = model.lambda_ / model.alpha_
    return Ridge(alpha=ratio, fit_intercept=model.fit_intercept, solver="svd")


BAYESIAN = {
    "data": "regression",
    "loss": squared_error,
    "plain": ridge,
    "csr": False,
    # A Newton step is exact for squared loss.
    "exact": 1e-8,
    "follows": 1 - 1e-12,
    "slope": 1e-8,
}


def ridge_of_precisions(model: Any) -> Any:
    """At fixed precisions: features over their roots, one ridge penalty for all."""
    relevant = model.lambda_ < model.threshold_lambda
    ratio = np.where(relevant, model.lambda_, np.inf) / model.alpha_
    scaled = FunctionTransformer(lambda X: X * ratio**-0.5)
    return make_pipeline(scaled, Ridge(1.0, solver="svd"))


MODELS = [
    Model("BayesianRidge", BayesianRidge(), **BAYESIAN),
    Model("BayesianRidge, strong prior", BayesianRidge(lambda_1=40.0, tol=1e-1), **BAYESIAN),
    Model("BayesianRidge, no intercept", BayesianRidge(fit_intercept=False), **BAYESIAN),
    Model(
        "ARDRegression",
        ARDRegression(threshold_lambda=100.0),
        **{**BAYESIAN, "plain": ridge_of_precisions, "sample_weight": False, "d": 12},
    ),
]
