"""Logistic regression, binary, multinomial and one-vs-rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.utils.validation import check_is_fitted

from ..coding import ClassLabels
from ..curvature import Array
from ..losses import BinomialLogLoss, Loss, SoftmaxLogLoss
from ..objective import Objective
from ..weighting import row_weights
from .dispatch import as_objective, linear_objective, unit_weights
from .liblinear import intercept_options, weighted_outputs


@as_objective.register(LogisticRegression)
@as_objective.register(LogisticRegressionCV)
def _logistic(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    liblinear = estimator.solver == "liblinear"
    loss = _loss(estimator)
    coding = ClassLabels(
        estimator.classes_, layout="codes" if isinstance(loss, SoftmaxLogLoss) else "signs"
    )
    codes = coding.codes(y, "y")
    return linear_objective(
        estimator,
        X,
        y,
        loss=loss,
        coding=coding,
        weights=row_weights(
            unit_weights(sample_weight, X.shape[0]),
            estimator.class_weight,
            estimator.classes_,
            codes,
            weighted_outputs=weighted_outputs(codes, estimator.classes_) if liblinear else None,
        ),
        **_strengths(estimator),
        **(intercept_options(estimator) if liblinear else {}),
    )


def _loss(estimator: Any) -> Loss:
    n_classes = len(estimator.classes_)
    multi_class = getattr(estimator, "multi_class", "deprecated")  # gone in scikit-learn 1.8
    if multi_class == "multinomial" and n_classes == 2:
        raise ValueError(
            "LogisticRegression got multi_class='multinomial' with two classes, a deprecated "
            "parameterisation that is not supported. Leave multi_class out and refit: with two "
            "classes the model is the same, with C halved."
        )
    one_vs_rest = multi_class == "ovr" or estimator.solver == "liblinear"
    if multi_class == "ovr" and n_classes > 2 and estimator.class_weight == "balanced":
        raise ValueError(
            "LogisticRegression got class_weight='balanced' with one-vs-rest over "
            f"{n_classes} classes, which scikit-learn has deprecated; it is not supported. Use "
            "sklearn.multiclass.OneVsRestClassifier, or the default multinomial fit."
        )
    if n_classes == 2 or one_vs_rest:
        return BinomialLogLoss()
    return SoftmaxLogLoss(n_classes, symmetric=_strengths(estimator)["l1"] == 0)


def _strengths(estimator: Any) -> dict[str, Any]:
    """1/C, and how it is shared out to L2 and L1; 0 without a penalty."""
    penalty = estimator.penalty
    if penalty in (None, "none"):
        return {"strength": 0.0, "l1": 0.0}
    # penalty is deprecated from scikit-learn 1.8 on: l1_ratio alone decides there.
    l1_ratio = float(_single(estimator, "l1_ratio_", "l1_ratio") or 0.0)
    l1_ratio = {"l1": 1.0, "l2": 0.0}.get(penalty, l1_ratio)
    strengths = 1.0 / np.atleast_1d(np.asarray(_single(estimator, "C_", "C"), dtype=np.float64))
    return {"strength": (1.0 - l1_ratio) * strengths[0], "l1": l1_ratio * strengths[0]}


def _single(estimator: Any, chosen: str, given: str) -> Any:
    """A hyper-parameter as cross-validation chose it, else as given."""
    if not isinstance(estimator, LogisticRegressionCV):
        return getattr(estimator, given)
    if not estimator.refit:
        raise ValueError(
            "LogisticRegressionCV got refit=False: its coefficients are averages over folds and "
            "minimise no objective. Fit it with refit=True."
        )
    values = np.atleast_1d(np.asarray(getattr(estimator, chosen), dtype=object))
    if any(value != values[0] for value in values):
        raise ValueError(
            f"LogisticRegressionCV chose a different {given} for every class ({values.tolist()}); "
            "one-vs-rest over classes with different penalties is not supported. Use the default "
            "multinomial fit."
        )
    return values[0]
