"""Rows of ``models``: meta-estimators, that fit a model of each class, pair, target or member."""

from __future__ import annotations

from typing import Any

import numpy as np
from models import Model
from models_active import logistic
from reference import log_loss_one_vs_rest, squared_error
from rows import make_data
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

LOGISTIC = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-12)
SVC = LinearSVC(C=0.2, tol=1e-12, max_iter=1_000_000, random_state=0)
SVR = LinearSVR(loss="squared_epsilon_insensitive", epsilon=0.2, dual=True, tol=1e-11)
SVR.set_params(max_iter=1_000_000, random_state=0)


def decisions(model: Any, X: Any) -> np.ndarray:
    """Of the models inside, each by itself."""
    return np.column_stack([each.decision_function(X) for each in model.estimators_])


def log_loss_of_labels(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, -(2.0 * y - 1.0) * decisions(model, X)).sum(axis=1)


def one_vs_rest_squares(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    signs = np.where(y[:, None] == model.classes_, 1.0, -1.0)
    return ((decisions(model, X) - signs) ** 2).sum(axis=1)


def of_pairs(loss: Any) -> Any:
    """Σ over the pairs that a row's class is in; the second class of a pair is positive."""

    def total(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
        codes, values = np.searchsorted(model.classes_, y), decisions(model, X)
        pairs = zip(*np.triu_indices(len(model.classes_), 1), strict=True)
        losses = np.zeros(len(y))
        for k, (first, second) in enumerate(pairs):
            inside = (codes == first) | (codes == second)
            sign = np.where(codes == second, 1.0, -1.0)
            losses += inside * loss(sign * values[:, k])
        return losses

    return total


def binary_log_loss(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    probabilities = model.predict_proba(X)
    return -np.log(probabilities[np.arange(len(y)), np.searchsorted(model.classes_, y)])


def transformation_held(model: Any) -> Any:
    """The targets' transformation stays as it was fitted on all rows."""
    fitted = model.transformer_
    held = FunctionTransformer(fitted.transform, fitted.inverse_transform, check_inverse=False)
    return clone(model).set_params(transformer=held)


class Calibrated(CalibratedClassifierCV):
    """Knows how certain Platt's labels are, from the rows that it was fitted on first."""

    def __init__(
        self,
        estimator=None,
        *,
        method="sigmoid",
        cv=None,
        n_jobs=None,
        ensemble=False,
        certainty=None,
    ):
        super().__init__(estimator, method=method, cv=cv, n_jobs=n_jobs, ensemble=ensemble)
        self.certainty = certainty

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        count = weights @ (y[:, None] == self.classes_)
        self.certainty_ = self.certainty
        if self.certainty is None:
            self.certainty_ = (
                (count + 1.0) / (count + 2.0),
                (sum(count) - count + 1.0) / (sum(count) - count + 2.0),
            )
        return self


def certainty_held(model: Any) -> Any:
    return clone(model).set_params(certainty=model.certainty_)


def platt_log_loss(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    """Of labels that are not quite certain, for and against each class."""
    (calibrated,) = model.calibrated_classifiers_
    scores = calibrated.estimator.decision_function(X).reshape(len(y), -1)
    values = -np.column_stack(
        [each.a_ * scores[:, k] + each.b_ for k, each in enumerate(calibrated.calibrators)]
    )
    positive = y[:, None] == (model.classes_[1:] if values.shape[1] == 1 else model.classes_)
    yes, no = (each[-values.shape[1] :] for each in model.certainty_)
    target = np.where(positive, yes, 1.0 - no)
    return (np.logaddexp(0.0, values) - target * values).sum(axis=1)


def frozen(estimator: Any, data: str) -> Any:
    rows = make_data(data, 60, seed=7)
    return FrozenEstimator(clone(estimator).fit(rows.X, rows.y))


SQUARED = {"loss": squared_error, "exact": 1e-8}
ROUTED = {"sample_weight": False}  # by metadata routing alone: see test_several
WEIGHED = {**ROUTED, "class_weight": True, "balanced": False}  # given to the models inside
TRANSFORMED = {**SQUARED, "data": "regression", "plain": transformation_held}
MODELS = [
    Model(
        "OneVsRestClassifier",
        OneVsRestClassifier(LOGISTIC),
        "three classes",
        log_loss_one_vs_rest,
        **WEIGHED,
    ),
    Model(
        "OneVsRestClassifier, two classes",
        OneVsRestClassifier(LOGISTIC),
        "binary",
        log_loss_one_vs_rest,
        **WEIGHED,
    ),
    Model(
        "OneVsRestClassifier, L1",
        OneVsRestClassifier(logistic(1.0, solver="liblinear", tol=1e-10)),
        "three classes",
        log_loss_one_vs_rest,
        d=8,
        follows=0.999,
        **ROUTED,
    ),
    Model(
        "OneVsRestClassifier, ridge",
        OneVsRestClassifier(RidgeClassifier(2.0, solver="lsqr", tol=1e-13)),
        "three classes",
        one_vs_rest_squares,
        **ROUTED,
    ),
    Model(
        "OneVsRestClassifier, labels",
        OneVsRestClassifier(LOGISTIC),
        "labels",
        log_loss_of_labels,
        **ROUTED,
    ),
    Model(
        "OneVsOneClassifier",
        OneVsOneClassifier(LOGISTIC),
        "three classes",
        of_pairs(lambda m: np.logaddexp(0.0, -m)),
        **WEIGHED,
    ),
    Model(
        "OneVsOneClassifier, SVC",
        OneVsOneClassifier(SVC),
        "three classes",
        of_pairs(lambda m: np.maximum(0.0, 1.0 - m) ** 2),
        follows=0.996,
        slope=0.06,
        **WEIGHED,
    ),
    Model("MultiOutputClassifier", MultiOutputClassifier(LOGISTIC), "labels", log_loss_of_labels),
    Model(
        "MultiOutputRegressor",
        MultiOutputRegressor(Ridge(2.0, tol=1e-13)),
        "multi-output",
        **SQUARED,
    ),
    Model(
        "TransformedTargetRegressor",
        TransformedTargetRegressor(Ridge(tol=1e-13), func=np.log, inverse_func=np.exp),
        "positive",
        csr=True,
        **SQUARED,
    ),
    Model(
        "TransformedTargetRegressor, pipeline",
        TransformedTargetRegressor(
            make_pipeline(StandardScaler(with_mean=False), LinearRegression()),
            transformer=PowerTransformer(),
        ),
        sample_weight=False,
        csr=False,
        **TRANSFORMED,
    ),
    Model(
        "VotingRegressor",
        VotingRegressor(
            [("a", Ridge(2.0)), ("b", LinearRegression()), ("c", SVR)], weights=[1, 2, 3]
        ),
        "regression",
        squared_error,
        on_csr={"a__tol": 1e-14, "b": Ridge(0.5, tol=1e-14)},
    ),
    Model(
        "StackingRegressor, prefit",
        StackingRegressor(
            [
                ("tree", frozen(DecisionTreeRegressor(max_depth=3), "regression")),
                ("ridge", frozen(Ridge(), "regression")),
            ],
            Ridge(0.5, tol=1e-14),
            cv="prefit",
            passthrough=True,
        ),
        "regression",
        **SQUARED,
    ),
    Model(
        "StackingClassifier, prefit",
        StackingClassifier(
            [
                ("tree", frozen(DecisionTreeClassifier(max_depth=3), "binary")),
                ("svc", frozen(SVC, "binary")),
            ],
            LOGISTIC,
            cv="prefit",
        ),
        "binary",
        binary_log_loss,
    ),
    *(
        Model(
            f"CalibratedClassifierCV, frozen{suffix}",
            Calibrated(frozen(LOGISTIC, data)),
            data,
            platt_log_loss,
            plain=certainty_held,
            # In refits a class that loses a row is less certain, which is held here.
            exact=0.06,
            follows=0.999,
            slope=0.1,
        )
        for data, suffix in [("binary", ""), ("three classes", ", 3 classes")]
    ),
]
