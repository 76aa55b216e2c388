"""Linear support vector machines."""

from __future__ import annotations

from typing import Any

from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from ..coding import ClassLabels
from ..curvature import Array
from ..losses import SmoothHinge, SquaredHinge
from ..objective import Objective
from ..weighting import row_weights
from .dispatch import as_objective, linear_objective, unit_weights
from .liblinear import intercept_options, weighted_outputs


@as_objective.register(LinearSVC)
def _linear_svc(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    if estimator.penalty != "l2" or estimator.multi_class != "ovr":
        raise ValueError(
            f"LinearSVC got penalty={estimator.penalty!r}, multi_class={estimator.multi_class!r}; "
            "supported are penalty='l2' and multi_class='ovr'. Refit with these."
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
        strength=1.0 / estimator.C,
        **intercept_options(estimator),
    )
