"""Linear support vector machines."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.utils.validation import check_is_fitted

from ..coding import ClassLabels, RealTargets
from ..curvature import Array
from ..losses import (
    SmoothEpsilonInsensitive,
    SmoothHinge,
    SquaredEpsilonInsensitive,
    SquaredHinge,
)
from ..objective import Objective
from ..weighting import RowWeights, row_weights
from .dispatch import as_objective, linear_objective, unit_weights
from .liblinear import intercept_options, weighted_outputs

# Targets that differ by less than this share of their size are all the same.
CONSTANT = 1e-12


@as_objective.register(LinearSVC)
def _linear_svc(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    if estimator.multi_class != "ovr":
        raise ValueError(
            f"LinearSVC got multi_class={estimator.multi_class!r}; supported is "
            "multi_class='ovr'. Refit with it."
        )
    coding = ClassLabels(estimator.classes_, layout="signs")
    codes = coding.codes(y, "y")
    hinge = estimator.loss == "hinge"
    return linear_objective(
        estimator,
        X,
        y,
        loss=SmoothHinge(smoothing) if hinge else SquaredHinge(),
        coding=coding,
        weights=row_weights(
            unit_weights(sample_weight, X.shape[0]),
            estimator.class_weight,
            estimator.classes_,
            codes,
            weighted_outputs=weighted_outputs(codes, estimator.classes_),
        ),
        strength=1.0 / estimator.C if estimator.penalty == "l2" else 0.0,
        l1=1.0 / estimator.C if estimator.penalty == "l1" else 0.0,
        **intercept_options(estimator),
    )


@as_objective.register(LinearSVR)
def _linear_svr(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    coding = RealTargets(1)
    weights = unit_weights(sample_weight, X.shape[0])
    smoothed = estimator.loss == "epsilon_insensitive"
    temperature = smoothing * spread(coding.encode(y, "y")[:, 0], weights)
    return linear_objective(
        estimator,
        X,
        y,
        loss=(
            SmoothEpsilonInsensitive(estimator.epsilon, temperature)
            if smoothed
            else SquaredEpsilonInsensitive(estimator.epsilon)
        ),
        coding=coding,
        weights=RowWeights(weights),
        strength=1.0 / estimator.C,
        **intercept_options(estimator),
    )


def spread(y: Array, weights: Array) -> float:
    """What a regressor's smoothing is measured in, so that no answer depends on the unit of y.

    The standard deviation of the training targets y (n,), weighted, so that a weight of k is k
    copies; 1 where there is none but rounding.
    """
    if not weights.sum() > 0:
        return 1.0
    centred = y - np.average(y, weights=weights)
    deviation = float(np.sqrt(np.average(centred**2, weights=weights)))
    return deviation if deviation > CONSTANT * np.abs(y).max() else 1.0
