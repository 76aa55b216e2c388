"""Hinge models as scikit-learn leaves them by default, a thousandth from their optimum."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, load_wine
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

from skinfluence import InfluenceExplainer

N_TEST = 8
LINEAR_SVC = LinearSVC(loss="hinge", tol=1e-10, max_iter=10_000_000)


def real_rows(load: Any) -> tuple[Any, ...]:
    X, y = load(return_X_y=True)
    X, order = StandardScaler().fit_transform(X), np.random.default_rng(0).permutation(len(X))
    train, test = order[:120], order[120 : 120 + N_TEST]
    return X[train], y[train], X[test], y[test]


def linear_rows(seed: int, d: int = 4) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((60 + N_TEST, d))
    z = X @ rng.standard_normal(d) + 0.7 * rng.standard_normal(len(X))
    return X[:60], z[:60], X[60:], z[60:]


def tight(model: Any) -> Any:
    return clone(model).set_params(tol=1e-10)


@pytest.mark.parametrize("model", [SVC(kernel="linear"), SVC(gamma=0.2)], ids=["linear", "rbf"])
@pytest.mark.parametrize("load", [load_wine, load_iris], ids=["wine", "iris"])
def test_stopping_early_is_no_effect_of_any_row(load, model):
    """Three classes: the same removals as of a model at its optimum, and no warning."""
    X, y, X_test, y_test = real_rows(load)
    rows = np.arange(0, 25, 2)
    asked = {"indices": rows, "kind": "removal", "target": "prediction"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = InfluenceExplainer(model).fit(X, y).influence(X_test, y_test, **asked)
    expected = InfluenceExplainer(tight(model)).fit(X, y).influence(X_test, y_test, **asked)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(got, expected, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "model", [SVC(kernel="linear"), SVC(gamma=0.2), LINEAR_SVC], ids=["linear", "rbf", "LinearSVC"]
)
def test_removals_and_flips_by_refits(model, seed):
    X, z, X_test, _ = linear_rows(seed)
    y, rows = (z > 0).astype(int), np.arange(0, 60, 3)
    explainer = InfluenceExplainer(model).fit(X, y)
    asked = {"indices": rows, "target": "prediction"}
    labels = np.ones(N_TEST, dtype=int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flips = explainer.label_flip_influence(X_test, labels, **asked)
        removals = explainer.influence(X_test, labels, kind="removal", **asked)
    before = tight(model).fit(X, y).decision_function(X_test)
    for place, row in enumerate(rows):
        flipped, kept = np.where(np.arange(60) == row, 1 - y, y), np.arange(60) != row
        for got, data in (
            (flips[:, place, 1 - y[row]], (X, flipped)),
            (removals[:, place], (X[kept], y[kept])),
        ):
            actual = tight(model).fit(*data).decision_function(X_test) - before
            np.testing.assert_allclose(got, actual, rtol=0.0, atol=5e-4)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("model", [SVR(kernel="linear"), SVR(C=0.5, gamma=0.2)], ids=str)
def test_regressors_by_refits(model, seed):
    X, z, X_test, _ = linear_rows(seed)
    explainer, rows = InfluenceExplainer(model).fit(X, z), np.arange(0, 60, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = explainer.influence(X_test, target="prediction", kind="removal", indices=rows)
    before = tight(model).fit(X, z).predict(X_test)
    for place, row in enumerate(rows):
        kept = np.arange(60) != row
        actual = tight(model).fit(X[kept], z[kept]).predict(X_test) - before
        np.testing.assert_allclose(got[:, place], actual, rtol=0.0, atol=3e-4)
