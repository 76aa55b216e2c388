"""SmoothHingeSVC beside other models: itself without a row, and the hinge that it approaches."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from skinfluence import InfluenceExplainer, as_objective
from skinfluence.adapters import same_hyperparameters
from skinfluence.svm import SmoothHingeSVC

CASES = [(kernel, t) for kernel in ("linear", "rbf") for t in (1e-1, 1e-3)]


def data(n: int, n_classes: int = 2, d: int = 6):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n + 10, d))
    scores = X @ rng.normal(size=(d, n_classes)) + rng.normal(size=(n + 10, n_classes))
    y = scores.argmax(axis=1)
    return X[:n], y[:n], X[n:], y[n:]


@cache
def explained(kernel: str, t: float, n: int = 250, n_classes: int = 2) -> InfluenceExplainer:
    X, y, *_ = data(n, n_classes)
    return InfluenceExplainer(SmoothHingeSVC(kernel=kernel, temperature=t)).fit(X, y)


def hinge(model: SmoothHingeSVC, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    values = model.decision_function(X).reshape(len(X), -1)
    positive = [1] if values.shape[1] == 1 else np.arange(values.shape[1])
    margins = np.where(y[:, None] == positive, 1.0, -1.0) * values
    return (model.temperature * np.logaddexp(0.0, (1.0 - margins) / model.temperature)).sum(axis=1)


def strongest(explainer: InfluenceExplainer, k: int = 6) -> np.ndarray:
    return np.argsort(-np.abs(explainer.self_influence()))[:k]


def changes(explainer: InfluenceExplainer, rows: np.ndarray, data) -> np.ndarray:
    """Of the test losses by refits with the same gamma."""
    X, y, X_test, y_test = data
    model = same_hyperparameters(explainer.estimator_)
    before, after = hinge(explainer.estimator_, X_test, y_test), []
    for row in rows:
        kept = np.arange(len(y)) != row
        after.append(hinge(clone(model).fit(X[kept], y[kept]), X_test, y_test) - before)
    return np.array(after).T


@pytest.mark.parametrize("kernel, t", CASES)
def test_removal_and_refit_are_exact(kernel, t):
    explainer, given = explained(kernel, t), data(250)
    rows = strongest(explainer)
    actual = changes(explainer, rows, given)
    for kind in ("refit", "removal"):
        predicted = explainer.influence(*given[2:], kind=kind, indices=rows)
        assert np.abs(predicted - actual).max() <= 1e-6 * np.abs(actual).max()
        assert np.corrcoef(predicted.ravel(), actual.ravel())[0, 1] >= 1.0 - 1e-9
        assert np.polyfit(actual.ravel(), predicted.ravel(), 1)[0] == pytest.approx(1.0, abs=1e-6)
    assert explainer.report_.relative_step <= 1e-6


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_several_classes(kernel):
    explainer, given = explained(kernel, 1e-2, 90, 3), data(90, 3)
    rows = strongest(explainer, 3)
    actual = changes(explainer, rows, given)
    predicted = explainer.influence(*given[2:], kind="refit", indices=rows)
    assert np.abs(predicted - actual).max() <= 1e-6 * np.abs(actual).max()


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_first_order_at_a_high_temperature_predicts_removals(kernel):
    explainer, given = explained(kernel, 1e-1), data(250)
    rows = strongest(explainer)
    actual = changes(explainer, rows, given)
    predicted = -explainer.influence(*given[2:], indices=rows) / 250
    assert np.corrcoef(predicted.ravel(), actual.ravel())[0, 1] >= 0.98
    assert 0.7 <= np.polyfit(actual.ravel(), predicted.ravel(), 1)[0] <= 1.1


@pytest.mark.parametrize("kernel, t", CASES)
def test_upweight_is_the_derivative_of_refits_by_a_weight(kernel, t):
    X, y, X_test, y_test = data(200)
    explainer = explained(kernel, t, 200)
    model = same_hyperparameters(explainer.estimator_).set_params(tol=1e-12)
    rows, step = strongest(explainer, 3), 1e-3 * t
    predicted = explainer.influence(X_test, y_test, indices=rows) / 200
    actual = []
    for row in rows:
        weight = np.eye(200)[row] * step
        up, down = (
            hinge(clone(model).fit(X, y, sample_weight=1.0 + w), X_test, y_test)
            for w in (weight, -weight)
        )
        actual.append((up - down) / (2.0 * step))
    np.testing.assert_allclose(predicted, np.array(actual).T, atol=1e-4 * np.abs(actual).max())


@pytest.mark.parametrize("kernel, t", CASES)
def test_perturbation_gradient_is_the_derivative_of_refits_with_a_moved_row(kernel, t):
    X, y, X_test, y_test = data(200)
    explainer = explained(kernel, t, 200)
    model = same_hyperparameters(explainer.estimator_).set_params(tol=1e-12)
    hard = hinge(explainer.estimator_, X_test, y_test) > 1e-3 * t
    X_test, y_test = X_test[hard], y_test[hard]
    row, step = strongest(explainer, 1)[0], 1e-3 * t
    gradient = explainer.perturbation_gradient(X_test, y_test, indices=[row])[:, 0] / 200
    actual = []
    for feature in (0, 3):
        losses = []
        for sign in (1.0, -1.0):
            moved = X.copy()
            moved[row, feature] += sign * step
            losses.append(hinge(clone(model).fit(moved, y), X_test, y_test))
        actual.append((losses[0] - losses[1]) / (2.0 * step))
    predicted, scale = gradient[:, [0, 3]], np.abs(actual).max()
    np.testing.assert_allclose(predicted, np.array(actual).T, atol=1e-3 * scale)


# -------------------------------------------------------------------------------- manners
def test_gamma_is_held_when_a_row_goes():
    explainer = explained("rbf", 1e-1, 200)
    model = same_hyperparameters(explainer.estimator_)
    assert model.gamma == explainer.estimator_.gamma_
    assert not hasattr(model, "classes_")
    found = explainer.verify(*data(200)[2:], n_rows=4, kind="refit")
    assert found.correlation >= 1.0 - 1e-9


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_sparse_float32_weighted_and_piped(kernel):
    X, y, X_test, y_test = data(100)
    X[np.abs(X) < 0.3] = 0.0
    weights = np.random.default_rng(0).integers(1, 4, 100)
    model = SmoothHingeSVC(kernel=kernel, gamma=0.2, class_weight="balanced")
    dense = InfluenceExplainer(model).fit(X, y, sample_weight=weights)
    thin = InfluenceExplainer(model).fit(sparse.csr_matrix(X), y, sample_weight=weights)
    short = InfluenceExplainer(model).fit(X.astype(np.float32), y, sample_weight=weights)
    effects = dense.influence(X_test, y_test, kind="refit")
    scale = np.abs(effects).max()
    sparse_test = sparse.csr_matrix(X_test)
    found = thin.influence(sparse_test, y_test, kind="refit")
    np.testing.assert_allclose(found, effects, atol=1e-7 * scale)
    found = short.influence(X_test.astype(np.float32), y_test, kind="refit")
    np.testing.assert_allclose(found, effects, atol=1e-3 * scale)
    piped = InfluenceExplainer(make_pipeline(StandardScaler(), model)).fit(X, y)
    assert piped.influence(X_test, y_test).shape == (10, 100)


def test_other_rows_are_refused():
    X, y, *_ = data(100)
    model = SmoothHingeSVC(kernel="rbf").fit(X, y)
    assert np.abs(as_objective(model, X.copy(), y).gradient()).max() < 1e-6
    with pytest.raises(ValueError, match="not the 100 it was fitted on"):
        InfluenceExplainer(model, prefit=True).fit(X[:50], y[:50])


# ------------------------------------------------------------------------------- the hinge
TEMPERATURES = (1e-1, 1e-2, 1e-3, 1e-4)


def distances(model: SmoothHingeSVC, hinge, X, y) -> list[float]:
    values = hinge.fit(X, y).decision_function(X)
    models = [clone(model).set_params(temperature=t).fit(X, y) for t in TEMPERATURES]
    return [np.abs(each.decision_function(X) - values).max() for each in models]


HINGES = {
    "LinearSVC": (
        SmoothHingeSVC(fit_intercept=False),
        LinearSVC(loss="hinge", fit_intercept=False, tol=1e-10, max_iter=10**7, random_state=0),
        2,
    ),
    "linear": (SmoothHingeSVC(), SVC(kernel="linear", tol=1e-10), 2),
    "rbf": (SmoothHingeSVC(kernel="rbf"), SVC(tol=1e-10), 2),
    "poly": (
        SmoothHingeSVC(kernel="poly", degree=2, coef0=1.0),
        SVC(kernel="poly", degree=2, coef0=1.0, tol=1e-10),
        2,
    ),
    # gamma="scale" is a number here, because one-vs-rest is not told of it.
    "one-vs-rest": (
        SmoothHingeSVC(kernel="rbf", gamma=0.25),
        OneVsRestClassifier(SVC(gamma=0.25, tol=1e-10)),
        3,
    ),
}


@pytest.mark.parametrize("name", HINGES)
def test_low_temperatures_approach_the_hinge(name):
    model, hinge, n_classes = HINGES[name]
    found = distances(model, hinge, *data(120, n_classes, d=4)[:2])
    ratios = np.array(found[:-1]) / found[1:]
    assert (ratios >= 1.5).all()
    assert (ratios[1:] >= 5.0).all()
    assert found[-1] <= 2e-3
