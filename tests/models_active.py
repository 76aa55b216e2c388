"""Rows of ``models``: penalties with an L1 part, on the active set."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from models import Model
from reference import log_loss, squared_error, squared_hinge
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
)
from sklearn.svm import LinearSVC

TIGHT = {"tol": 1e-14, "max_iter": 1_000_000}
# Saga's and liblinear's last step is the limit.
STEPS = {"tol": 1e-12, "max_iter": 100_000, "random_state": 0}
# From scikit-learn 1.8 on the penalty is l1_ratio's business alone.
RATIO_ALONE = "deprecated" in str(inspect.signature(LogisticRegression).parameters["penalty"])


def logistic(l1_ratio: float, **options: Any) -> LogisticRegression:
    if not RATIO_ALONE:
        options["penalty"] = "l1" if l1_ratio == 1 else "elasticnet"
    ratio = {"l1_ratio": l1_ratio} if RATIO_ALONE or l1_ratio < 1 else {}
    return LogisticRegression(**{"solver": "saga", "C": 0.3, **STEPS, **ratio, **options})


def logistic_cv() -> LogisticRegressionCV:
    options: dict[str, Any] = {"Cs": [0.3], "l1_ratios": [0.5], "cv": 2, "solver": "saga"}
    if not RATIO_ALONE:
        options["penalty"] = "elasticnet"
    if "use_legacy_attributes" in inspect.signature(LogisticRegressionCV).parameters:
        options |= {"use_legacy_attributes": False, "scoring": "neg_log_loss"}
    return LogisticRegressionCV(**options, **STEPS)


def linear_svc() -> LinearSVC:
    # Of three classes, liblinear's shrinking leaves some refits off their optimum, whatever tol is.
    return LinearSVC(penalty="l1", dual=False, C=0.1, **{**STEPS, "tol": 1e-10})


def elastic_net(model: Any) -> Any:
    """What cross-validation chose, as given."""
    several = type(model).__name__.startswith("MultiTask")
    kind = MultiTaskElasticNet if several else ElasticNet
    options = {"alpha": model.alpha_, "l1_ratio": getattr(model, "l1_ratio_", 1.0)}
    return kind(fit_intercept=model.fit_intercept, **options, **TIGHT)


def same_C(model: Any) -> Any:
    return logistic(0.5, C=float(np.ravel(model.C_)[0]), class_weight=model.class_weight)


SQUARED = {"loss": squared_error, "d": 8, "exact": 1e-8}
SHARED = {**SQUARED, "data": "multi-output", "csr": False, "sample_weight": False}
# A norm has much curvature where a feature's coefficients are small together.
GROUPED = {**SHARED, "follows": 0.99, "slope": 0.08}
MODELS = [
    Model("Lasso", Lasso(0.1, **TIGHT), "regression", **SQUARED),
    Model("Lasso, no intercept", Lasso(0.1, fit_intercept=False, **TIGHT), "regression", **SQUARED),
    Model("Lasso, 3 outputs", Lasso(0.1, **TIGHT), "multi-output", **SQUARED),
    Model("ElasticNet", ElasticNet(0.1, l1_ratio=0.7, **TIGHT), "regression", **SQUARED),
    Model("LassoCV", LassoCV(cv=3, **TIGHT), "regression", plain=elastic_net, **SQUARED),
    Model(
        "ElasticNetCV",
        ElasticNetCV(l1_ratio=[0.3, 0.9], cv=3, **TIGHT),
        "regression",
        plain=elastic_net,
        **SQUARED,
    ),
    Model("MultiTaskLasso", MultiTaskLasso(0.2, **TIGHT), **GROUPED),
    Model("MultiTaskElasticNet", MultiTaskElasticNet(0.2, l1_ratio=0.6, **TIGHT), **GROUPED),
    Model("MultiTaskLassoCV", MultiTaskLassoCV(cv=3, **TIGHT), plain=elastic_net, **GROUPED),
    Model(
        "MultiTaskElasticNetCV",
        MultiTaskElasticNetCV(l1_ratio=0.6, cv=3, **TIGHT),
        plain=elastic_net,
        **GROUPED,
    ),
]
L1_PARTS = [
    ("LogisticRegression, L1", logistic(1.0), log_loss, {"follows": 0.999}),
    ("LogisticRegression, elastic net", logistic(0.5), log_loss, {}),
    ("LogisticRegressionCV, elastic net", logistic_cv(), log_loss, {"plain": same_C}),
    # The curvature of its loss jumps.
    ("LinearSVC, L1", linear_svc(), squared_hinge, {"follows": 0.996, "slope": 0.06}),
]
MODELS += [
    Model(f"{name}{suffix}", estimator, data, loss, d=8, class_weight=True, **options)
    for data, suffix in [("binary", ""), ("three classes", ", 3 classes")]
    for name, estimator, loss, options in L1_PARTS
    if data == "binary" or loss is log_loss
]
MODELS.append(
    Model(
        "LogisticRegression, L1, liblinear",
        logistic(1.0, solver="liblinear", tol=1e-10),
        "binary",
        log_loss,
        d=8,
        class_weight=True,
    )
)
