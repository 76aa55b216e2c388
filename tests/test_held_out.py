"""Held-out predictions from a single fit, against scikit-learn's refits of every one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from asking import same
from catalogue import named
from rows import make_data
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score, roc_auc_score
from sklearn.model_selection import (
    KFold,
    LeaveOneOut,
    cross_val_predict,
)
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVC
from wording import TARGETS, N, X, Y, raises

from skinfluence import InfluenceExplainer

LOO_KINDS = ("removal", "refit")
NEWTON = LogisticRegression(solver="newton-cholesky", tol=1e-12)


# --------------------------------------------------------------------- ridge, in closed form
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("kind", ["regression", "multi-output"])
@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error"])
def test_what_ridge_cv_stores(kind, weighted, fit_intercept, scoring):
    """Squared errors, times the rows' weights; or predictions, where it is told how to score."""
    data, alphas = make_data(kind), (0.3, 2.0, 30.0)
    weights = data.sample_weight if weighted else None
    model = RidgeCV(alphas, store_cv_results=True, fit_intercept=fit_intercept, scoring=scoring)
    model.fit(data.X, data.y, weights)
    explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y, sample_weight=weights)
    for how in LOO_KINDS:
        values = explainer.loo_decision_function(kind=how)
        if scoring is None:
            row_weights = (data.sample_weight if weighted else np.ones(200)).reshape(
                -1, *[1] * (values.ndim - 1)
            )
            values = row_weights * (values - data.y) ** 2
        same(values, model.cv_results_[..., alphas.index(model.alpha_)], 1e-10)


SQUARED = named("Ridge", "LinearRegression, 3 outputs", "RidgeClassifier, 3 classes")


@pytest.mark.parametrize("kind", LOO_KINDS)
@pytest.mark.parametrize("case", SQUARED, ids=lambda case: case.name)
def test_squared_loss_is_exact(case, kind):
    fit = case.fit()
    options = {"method": "decision_function" if case.is_classifier else "predict"}
    for cv in (LeaveOneOut(), KFold(5)):
        actual = cross_val_predict(clone(fit.model), fit.data.X, fit.data.y, cv=cv, **options)
        if isinstance(cv, LeaveOneOut):
            same(fit.explainer.loo_decision_function(kind=kind), actual, 1e-12)
        same(fit.explainer.cross_val_decision(cv, kind=kind), actual, 1e-12)


# ----------------------------------------------------------------------------- classifiers
def breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X)[:200], y[:200]


def centred(values: np.ndarray) -> np.ndarray:
    """What all classes of a softmax share does not count."""
    return values - values.mean(axis=1, keepdims=True) if values.ndim > 1 else values


def iris() -> tuple[np.ndarray, np.ndarray]:
    return load_iris(return_X_y=True)


PROBLEMS = {
    "breast cancer": (NEWTON, breast_cancer),
    "iris": (NEWTON, iris),
    "iris, LinearSVC": (LinearSVC(C=0.1, tol=1e-12, max_iter=10**6, random_state=0), iris),
}
LOGISTIC = ["breast cancer", "iris"]


@cache
def held_out(name: str) -> tuple[InfluenceExplainer, np.ndarray, np.ndarray]:
    """An explainer; values of all rows by its model, and of each by a model fitted without it."""
    model, load = PROBLEMS[name]
    X, y = load()
    explainer = InfluenceExplainer(model).fit(X, y)
    left_out = {"cv": LeaveOneOut(), "method": "decision_function"}
    actual = cross_val_predict(clone(model), X, y, **left_out)
    seen = explainer.decision_function(X)
    softmax_values = name == "iris"
    return explainer, *(centred(v) if softmax_values else v for v in (seen, actual))


def probabilities(values: np.ndarray) -> np.ndarray:
    if values.ndim > 1:
        return softmax(values, axis=1)
    return np.column_stack([expit(-values), expit(values)])


@pytest.mark.parametrize("name", PROBLEMS)
def test_values(name):
    """In the part that matters: what leaving the row out changes."""
    explainer, seen, actual = held_out(name)
    change = actual - seen
    got = explainer.loo_decision_function(kind="refit") - seen
    same(got, change, 2e-5 if "SVC" in name else 1e-8)
    step = explainer.loo_decision_function() - seen
    assert np.corrcoef(step.ravel(), change.ravel())[0, 1] >= 0.998
    assert 0.97 <= np.polyfit(change.ravel(), step.ravel(), 1)[0] <= 1.04


@pytest.mark.parametrize("name", LOGISTIC)
def test_probabilities(name):
    explainer, seen, actual = held_out(name)
    seen, actual = probabilities(seen), probabilities(actual)
    same(explainer.loo_predict_proba(kind="refit") - seen, actual - seen, 1e-8)
    change, step = (actual - seen).ravel(), (explainer.loo_predict_proba() - seen).ravel()
    assert np.corrcoef(step, change)[0, 1] >= 0.999
    assert 0.98 <= np.polyfit(change, step, 1)[0] <= 1.02


@pytest.mark.parametrize("kind", LOO_KINDS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_labels(name, kind):
    explainer, _, actual = held_out(name)
    expected = actual.argmax(axis=1) if actual.ndim > 1 else (actual > 0).astype(int)
    got = explainer.loo_predict(kind=kind)
    assert got.dtype == PROBLEMS[name][1]()[1].dtype
    assert (got == expected).all()
    words = np.array(["one", "other", "third"])
    X, y = PROBLEMS[name][1]()
    named_labels = InfluenceExplainer(PROBLEMS[name][0]).fit(X, words[y])
    assert (named_labels.loo_predict(kind=kind) == words[expected]).all()


# -------------------------------------------------------------------------------- scores
SCORED = {
    "iris": [
        (None, lambda e, y: accuracy_score(y, e.loo_predict())),
        ("neg_log_loss", lambda e, y: -log_loss(y, e.loo_predict_proba())),
        ("roc_auc_ovr", lambda e, y: roc_auc_score(y, e.loo_predict_proba(), multi_class="ovr")),
    ],
    "breast cancer": [
        (None, lambda e, y: accuracy_score(y, e.loo_predict())),
        ("accuracy", lambda e, y: accuracy_score(y, e.loo_predict())),
        ("neg_log_loss", lambda e, y: -log_loss(y, e.loo_predict_proba())),
        ("roc_auc", lambda e, y: roc_auc_score(y, e.loo_decision_function())),
        (lambda e, X, y: e.predict_proba(X)[0, 1], lambda e, y: e.loo_predict_proba()[0, 1]),
        (lambda e, X, y: len(X) + e.classes_[1], lambda e, y: len(y) + 1),
    ],
    "iris, LinearSVC": [(None, lambda e, y: accuracy_score(y, e.loo_predict()))],
}


@pytest.mark.parametrize(
    "name, scoring, by_hand", [(name, *each) for name in SCORED for each in SCORED[name]]
)
def test_scores_of_classifiers(name, scoring, by_hand):
    explainer, y = held_out(name)[0], PROBLEMS[name][1]()[1]
    assert explainer.loo_score(scoring) == pytest.approx(by_hand(explainer, y), rel=1e-12)


@pytest.mark.parametrize("kind", LOO_KINDS)
def test_scores_of_regressors(kind):
    explainer = InfluenceExplainer(Ridge()).fit(X, TARGETS)
    values = cross_val_predict(Ridge(), X, TARGETS, cv=LeaveOneOut())
    same(explainer.loo_predict(kind=kind), values, 1e-12)
    for scoring, expected in [
        (None, r2_score(TARGETS, values)),
        ("r2", r2_score(TARGETS, values)),
        ("neg_mean_squared_error", -mean_squared_error(TARGETS, values)),
    ]:
        assert explainer.loo_score(scoring, kind=kind) == pytest.approx(expected, rel=1e-12)


def test_a_frame_with_names():
    pandas = pytest.importorskip("pandas")
    y = pandas.Series(np.array(["no", "yes"])[Y], index=np.arange(N)[::-1])
    explainer = InfluenceExplainer(NEWTON).fit(pandas.DataFrame(X, columns=list("abc")), y)
    plain = InfluenceExplainer(NEWTON).fit(X, Y)
    assert (explainer.loo_predict() == np.array(["no", "yes"])[plain.loo_predict()]).all()
    assert explainer.loo_score("roc_auc") == plain.loo_score("roc_auc")
    same(explainer.cross_val_decision(3), plain.cross_val_decision(3), 1e-12)


# -------------------------------------------------------------------------------- errors
LONELY = np.arange(N) == 3
SAID = ["1 training rows have no leave-one-out", "[3]", "Add a penalty", "where they are NaN"]


@pytest.mark.filterwarnings("ignore:1 (rows|training rows)")
@pytest.mark.parametrize("kind", LOO_KINDS)
def test_a_value_that_is_not_determined(kind):
    explainer = InfluenceExplainer(LinearRegression()).fit(np.column_stack([X, LONELY]), TARGETS)
    assert (np.isnan(explainer.loo_predict(kind=kind)) == LONELY).all()
    with raises(ValueError, *SAID):
        explainer.loo_score(kind=kind)


@pytest.mark.filterwarnings("ignore:1 rows")
def test_a_label_that_is_not_determined():
    explainer = InfluenceExplainer(NEWTON).fit(X, np.where(LONELY, 2, Y))
    for values in (explainer.loo_decision_function, explainer.loo_predict_proba):
        assert (np.isnan(values(kind="refit")).all(axis=1) == LONELY).all()
    asks = [explainer.loo_predict, explainer.loo_score]
    asks.append(lambda **kind: explainer.loo_score("neg_log_loss", **kind))
    for ask in asks:
        with raises(ValueError, *SAID):
            ask(kind="refit")


def test_a_model_without_probabilities():
    explainer = InfluenceExplainer(LinearSVC(random_state=0)).fit(X, Y)
    assert not hasattr(explainer, "loo_predict_proba")
    with raises(ValueError, "scoring='neg_log_loss'", "LinearSVC", "predict_proba"):
        explainer.loo_score("neg_log_loss")
    with raises(ValueError, "scoring=['accuracy']", "a single scorer"):
        explainer.loo_score(["accuracy"])


@pytest.mark.parametrize("ask", ["decision_function", "predict_proba", "predict", "score"])
def test_kinds(ask):
    with raises(ValueError, "kind='upweight'", "['removal', 'refit']"):
        getattr(InfluenceExplainer(NEWTON).fit(X, Y), f"loo_{ask}")(kind="upweight")


@pytest.mark.parametrize("ask", ["decision_function", "predict_proba", "predict", "score"])
def test_not_fitted(ask):
    with raises(NotFittedError, "InfluenceExplainer", "not fitted yet"):
        getattr(InfluenceExplainer(NEWTON), f"loo_{ask}")()
