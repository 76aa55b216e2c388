"""The refits of verify against refits by hand."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from verifying import BINARY, LOGISTIC, MULTI, REAL, ROWS, SVC, THREE, TIGHT, N, same, verify

from skinfluence import InfluenceExplainer
from skinfluence.adapters import same_hyperparameters

SKLEARN = tuple(int(part) for part in sklearn.__version__.split(".")[:2])


def log_loss(model, X, y):
    return -np.log(model.predict_proba(X)[np.arange(len(y)), y])


def squared_error(model, X, y):
    return ((np.asarray(model.predict(X)) - y).reshape(len(y), -1) ** 2).sum(axis=1)


def signs(y, n_outputs):
    return np.where(np.reshape(y, (-1, 1)) == (np.arange(n_outputs) if n_outputs > 1 else 1), 1, -1)


def squared_error_of_signs(model, X, y):
    z = model.decision_function(X).reshape(len(y), -1)
    return ((z - signs(y, z.shape[1])) ** 2).sum(axis=1)


def squared_hinge(model, X, y):
    z = model.decision_function(X).reshape(len(y), -1)
    return (np.maximum(0.0, 1.0 - signs(y, z.shape[1]) * z) ** 2).sum(axis=1)


def prediction(model, X, y):
    return model.predict(X)


def probability(model, X, y):
    return model.predict_proba(X)[np.arange(len(y)), y]


def by_hand(model, data, loss, *, weights=None, weight_name="sample_weight"):
    """Changes of the test rows' targets by refitting without each of ROWS."""
    targets = []
    for row in [None, *ROWS]:
        kept = np.delete(np.arange(N), [] if row is None else row)
        options = {} if weights is None else {weight_name: weights[kept]}
        fitted = clone(model).fit(data.X[kept], data.y[kept], **options)
        targets.append(loss(fitted, data.X_test, data.y_test))
    return (np.array(targets[1:]) - targets[0]).T


# ----------------------------------------------------------------- actual: refits by hand
LOSSES = [
    (Ridge(2.0), REAL, squared_error),
    (Ridge(np.array([0.5, 5.0, 50.0])), MULTI, squared_error),
    (LinearRegression(), REAL, squared_error),
    (RidgeClassifier(), BINARY, squared_error_of_signs),
    (RidgeClassifier(class_weight="balanced"), THREE, squared_error_of_signs),
    (LOGISTIC, BINARY, log_loss),
    (LOGISTIC, THREE, log_loss),
    (clone(LOGISTIC).set_params(class_weight="balanced"), THREE, log_loss),
    (clone(LOGISTIC).set_params(solver="liblinear", class_weight={1: 2.0}), BINARY, log_loss),
    (SVC, BINARY, squared_hinge),
    (clone(SVC).set_params(class_weight="balanced"), THREE, squared_hinge),
]


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("model, data, loss", LOSSES, ids=lambda value: type(value).__name__)
def test_actual_changes_of_losses(model, data, loss, weighted):
    weights = data.sample_weight if weighted else None
    result = verify(model, data, weights=weights)
    same(result.actual, by_hand(model, data, loss, weights=weights))
    assert result.actual.shape == result.predicted.shape == (len(data.y_test), len(ROWS))
    assert_array_equal(result.indices, ROWS)
    assert result.correlation > 0.98


@pytest.mark.parametrize(
    "model, data, expected",
    [
        (Ridge(), REAL, prediction),
        (LOGISTIC, BINARY, probability),
        (LOGISTIC, THREE, probability),
        (SVC, THREE, lambda m, X, y: m.decision_function(X)[np.arange(len(y)), y]),
        (SVC, BINARY, lambda m, X, y: signs(y, 1)[:, 0] * m.decision_function(X)),
    ],
)
def test_actual_changes_of_predictions(model, data, expected):
    same(verify(model, data, target="prediction").actual, by_hand(model, data, expected))


def test_labels_left_out_are_those_that_the_model_predicts():
    explainer = InfluenceExplainer(LOGISTIC).fit(THREE.X, THREE.y)
    labels = explainer.predict(THREE.X_test)
    options = {"strategy": ROWS, "target": "prediction"}
    result, expected = (explainer.verify(THREE.X_test, y, **options) for y in (None, labels))
    assert_array_equal(result.actual, expected.actual)
    assert_array_equal(result.predicted, expected.predicted)


# ------------------------------------------------------------------ which estimator is refitted
def logistic_cv():
    options = {"scoring": "neg_log_loss", "Cs": [0.02, 0.5], "cv": 3, **TIGHT}
    if SKLEARN >= (1, 8):
        options |= {"use_legacy_attributes": False, "l1_ratios": (0.0,)}
    return LogisticRegressionCV(**options)


SEARCHED = [
    (GridSearchCV(LOGISTIC, {"C": [0.03, 0.4]}, cv=3), BINARY, log_loss),
    (GridSearchCV(make_pipeline(LOGISTIC), {"logisticregression__C": [0.03]}), BINARY, log_loss),
    (logistic_cv(), THREE, log_loss),
    (clone(logistic_cv()).set_params(class_weight="balanced"), BINARY, log_loss),
    (RidgeCV([0.3, 30.0]), REAL, squared_error),
    (RidgeCV([0.5, 50.0], alpha_per_target=True, fit_intercept=False), MULTI, squared_error),
    (RidgeClassifierCV([0.3, 30.0], class_weight="balanced"), BINARY, squared_error_of_signs),
]


def with_choice(model):
    """An estimator that has what this fitted one chose, written out."""
    if isinstance(model, GridSearchCV):
        return clone(model.best_estimator_)
    if isinstance(model, LogisticRegressionCV):
        C = float(np.ravel(model.C_)[0])
        return clone(LOGISTIC).set_params(C=C, class_weight=model.class_weight)
    if isinstance(model, RidgeCV):
        return Ridge(model.alpha_, fit_intercept=model.fit_intercept)
    return RidgeClassifier(model.alpha_, class_weight=model.class_weight)


@pytest.mark.parametrize("model, data, loss", SEARCHED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
def test_choices_of_searches_are_held_fixed(model, data, loss, csr):
    data = data.as_csr() if csr else data
    explainer = InfluenceExplainer(model).fit(data.X, data.y)
    result = explainer.verify(data.X_test, data.y_test, strategy=ROWS)
    plain = with_choice(explainer.estimator_)
    if csr and isinstance(plain, Ridge | RidgeClassifier):
        plain.set_params(tol=1e-13)
    same(result.actual, by_hand(plain, data, loss))
    inside = same_hyperparameters(make_pipeline("passthrough", explainer.estimator_))
    assert type(inside[-1]) is type(plain)
    assert not vars(inside[-1]).keys() & {"coef_", "classes_"}


@pytest.mark.parametrize("prefit", [False, True])
def test_fitted_models_are_refitted(prefit):
    fitted = clone(LOGISTIC).fit(BINARY.X, BINARY.y, BINARY.sample_weight)
    coefficients = fitted.coef_.copy()
    model = fitted if prefit else FrozenEstimator(fitted)
    weights = BINARY.sample_weight
    result = verify(model, BINARY, weights=weights, explainer={"prefit": prefit})
    same(result.actual, by_hand(LOGISTIC, BINARY, log_loss, weights=weights))
    assert_array_equal(fitted.coef_, coefficients)


# ------------------------------------------------------------------------------ preprocessing
def test_preprocessing_refitted_or_fixed():
    pipeline = make_pipeline(StandardScaler(), PCA(2), clone(LOGISTIC).set_params(C=0.1))
    weights = BINARY.sample_weight
    name = {"weight_name": "logisticregression__sample_weight"}
    refitted = verify(pipeline, BINARY, weights=weights)
    same(refitted.actual, by_hand(pipeline, BINARY, log_loss, weights=weights, **name))
    fixed = verify(pipeline, BINARY, weights=weights, preprocessing="fixed")
    steps = FrozenEstimator(clone(pipeline[:-1]).fit(BINARY.X, BINARY.y))
    with_steps = make_pipeline(steps, pipeline[-1])
    same(fixed.actual, by_hand(with_steps, BINARY, log_loss, weights=weights, **name))
    assert np.abs(fixed.actual - refitted.actual).max() > 0.01 * np.abs(fixed.actual).max()
    # The formulas assume fixed steps, and follow those more closely.
    assert_array_equal(fixed.predicted, refitted.predicted)
    error = np.abs(fixed.predicted - fixed.actual).max()
    assert error < 0.5 * np.abs(refitted.predicted - refitted.actual).max()


def test_a_search_inside_of_a_pipeline():
    search = GridSearchCV(LOGISTIC, {"C": [0.03, 0.4]}, cv=3)
    explainer = InfluenceExplainer(make_pipeline(StandardScaler(), search)).fit(BINARY.X, BINARY.y)
    best = explainer.estimator_[-1].best_estimator_
    result = explainer.verify(BINARY.X_test, BINARY.y_test, strategy=ROWS)
    same(result.actual, by_hand(make_pipeline(StandardScaler(), clone(best)), BINARY, log_loss))
    fixed = explainer.verify(
        BINARY.X_test, BINARY.y_test, strategy=ROWS, preprocessing="fixed", n_jobs=2
    )
    assert 0 < np.abs(fixed.actual - result.actual).max() < 0.5 * np.abs(result.actual).max()


@pytest.mark.parametrize("model", [LOGISTIC, RidgeClassifierCV([0.3, 30.0])], ids=repr)
def test_metadata_routing(model):
    expected = verify(make_pipeline(StandardScaler(), model), BINARY, weights=BINARY.sample_weight)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            clone(model).set_fit_request(sample_weight=True),
        )
        result = verify(pipeline, BINARY, weights=BINARY.sample_weight, n_jobs=2)
    same(result.actual, expected.actual)
