"""Shared by the tests of functionals: models on rows, and what each metric is by scikit-learn."""

from __future__ import annotations

from functools import cache

import numpy as np
from catalogue import named
from rows import SETTINGS, make_data
from sklearn import metrics

from skinfluence import InfluenceExplainer, functionals

N_TEST = 80
ROWS = np.array([7, 0, 150, 33])
BY_NAME = {setting.name: setting for setting in SETTINGS}


@cache
def evaluation_rows(kind):
    """More of the same rows, and two groups of them."""
    rows = make_data(kind, 200, n_test=N_TEST)
    return rows.X_test, rows.y_test, rows.X_test[:, 1] > 0


@cache
def fit(name, setting="plain"):
    """A case of the catalogue, fitted on rows whose test rows are those of ``evaluation_rows``."""
    (case,), setting = named(name), BY_NAME[setting]
    data = setting.prepare(make_data(case.data, 200, n_test=N_TEST))
    model = setting.fit(case.prepare(setting), data)
    explainer = InfluenceExplainer(model, prefit=True)
    return case, setting, data, explainer.fit(data.X, data.y, setting.weights(data))


MODELS = [
    ("LogisticRegression, newton-cholesky", "plain"),
    ("LogisticRegression, newton-cholesky", "balanced, weighted"),
    ("LogisticRegression, newton-cholesky, 3 classes", "plain"),
    ("LogisticRegression, newton-cholesky, 3 classes", "balanced, csr"),
    ("LinearSVC", "weighted, csr"),
    ("LinearSVC, 3 classes", "plain"),
    ("RidgeClassifier", "plain"),
    ("RidgeClassifier, 3 classes", "balanced"),
    ("Ridge", "weighted"),
    ("Ridge, 3 outputs", "plain"),
    ("LinearSVR, squared", "plain"),
]


# ------------------------------------------------------- what the metrics are of a fitted model
def mean_loss(case):
    return lambda model, X, y, group: case.loss(model, X, y).mean()


def accuracy(model, X, y, group):
    return metrics.accuracy_score(y, model.predict(X))


def roc_auc(model, X, y, group):
    if len(model.classes_) == 2:
        return metrics.roc_auc_score(y, model.decision_function(X))
    return metrics.roc_auc_score(y, model.predict_proba(X), multi_class="ovr")


def average_precision(model, X, y, group):
    values = model.decision_function(X)
    y = y if values.ndim == 1 else np.eye(3)[y]
    return metrics.average_precision_score(y, values)


def brier_score(model, X, y, group):
    chances = model.predict_proba(X)
    if chances.shape[1] == 2:
        return metrics.brier_score_loss(y, chances[:, 1])
    return ((chances - np.eye(3)[y]) ** 2).sum(axis=1).mean()


def calibration_error(model, X, y, group):
    chances = model.predict_proba(X)
    hits, own = y, chances[:, -1]
    if chances.shape[1] > 2:
        hits, own = model.predict(X) == y, chances.max(axis=1)
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], own)
    errors = [(own - hits)[bins == b].sum() for b in range(10)]
    return np.abs(errors).sum() / len(y)


def r2(model, X, y, group):
    return metrics.r2_score(y, model.predict(X))


def gaps(*asked):
    """The largest in magnitude of gaps among rows of some classes."""

    def value(model, X, y, group):
        hits = model.predict(X) == 1
        each = [
            hits[group & np.isin(y, own)].mean() - hits[~group & np.isin(y, own)].mean()
            for own in asked
        ]
        return max(each, key=abs)

    return value


def prediction(model, X, y, group):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)[3, y[3]]
    if hasattr(model, "classes_"):
        value = model.decision_function(X)[3]
        return value[y[3]] if value.ndim else value * (2 * y[3] - 1)
    return model.predict(X)[3] if y.ndim == 1 else model.predict(X)[3, 1]


def coefficient(model, X, y, group):
    return model.coef_[..., 2] if model.coef_.ndim == 1 else model.coef_[-1, 2]


def metrics_of(case):
    """Each ready functional that applies to a case, with what it is by scikit-learn."""
    group = evaluation_rows(case.data)[2]
    three = case.data == "three classes"
    output = {"three classes": 2, "multi-output": 2}.get(case.data)
    asked = [
        (functionals.mean_loss(), mean_loss(case)),
        (functionals.coefficient(2, output=output), coefficient),
    ]
    if not case.is_classifier:
        output = 1 if case.data == "multi-output" else None
        return [*asked, (functionals.r2(), r2), (functionals.prediction(3, output), prediction)]
    positive = {"positive": 1} if three else {}
    classes = (0, 2) if three else (0,)
    asked += [
        (functionals.accuracy(), accuracy),
        (functionals.average_precision(), average_precision),
        (functionals.demographic_parity(group, **positive), gaps((0, 1, 2))),
        (functionals.equal_opportunity(group, **positive), gaps((1,))),
        (functionals.equalized_odds(group, **positive), gaps((1,), classes)),
        (functionals.prediction(3), prediction),
    ]
    probabilities = hasattr(case.estimator, "predict_proba")
    asked += [(functionals.roc_auc(), roc_auc)] if probabilities or not three else []
    if probabilities:
        asked += [
            (functionals.brier_score(), brier_score),
            (functionals.calibration_error(), calibration_error),
        ]
    return asked
