"""Clones of an explainer, the formats its rows come in, and what it delegates."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skinfluence import InfluenceExplainer

TIGHT = {"tol": 1e-10, "max_iter": 10_000}


def make_rows(n=120):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 5.0, 0.0, -1.0]
    return X, (X[:, 0] - X[:, 3] + rng.logistic(size=n) > 1).astype(int)


X, Y = make_rows()


def test_parameters():
    explainer = InfluenceExplainer(LogisticRegression(C=3.0), damping=0.1, solver="cg")
    assert explainer.get_params()["estimator__C"] == 3.0
    copy = clone(explainer.fit(X, Y)).set_params(estimator__C=5.0, damping=0.0)
    assert (copy.estimator.C, copy.damping, copy.solver) == (5.0, 0.0, "cg")
    assert not hasattr(copy, "estimator_")
    assert explainer.estimator.C == 3.0


@pytest.mark.parametrize("make", ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array"])
@pytest.mark.parametrize("pipeline", [False, True])
def test_sparse_formats(make, pipeline):
    model = LogisticRegression(**TIGHT)
    if pipeline:
        model = make_pipeline(StandardScaler(with_mean=False), model)
    rows = np.where(abs(X) < 1, 0.0, X)
    dense, stored = InfluenceExplainer(model).fit(rows, Y), getattr(sparse, make)(rows)
    explainer = InfluenceExplainer(model).fit(stored, Y)
    test_rows = getattr(sparse, make)(rows[:7])
    for kind in ("upweight", "removal"):
        np.testing.assert_allclose(
            explainer.influence(test_rows, Y[:7], kind=kind),
            dense.influence(rows[:7], Y[:7], kind=kind),
            rtol=1e-5,
            atol=1e-8,
        )
    gradient = explainer.perturbation_gradient(test_rows, Y[:7], indices=[0, 9])
    expected = dense.perturbation_gradient(rows[:7], Y[:7], indices=[0, 9])
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("model", [LogisticRegression(**TIGHT), Ridge(), LinearSVC()], ids=repr)
def test_what_is_left_to_the_estimator(model):
    explainer = InfluenceExplainer(model)
    for name in ("predict", "predict_proba", "decision_function", "score"):
        assert hasattr(explainer, name) == hasattr(model, name)
    explainer.fit(X, Y)
    fitted = explainer.estimator_
    for name in ("predict", "predict_proba", "decision_function"):
        if hasattr(model, name):
            expected = getattr(fitted, name)(X)
            np.testing.assert_array_equal(getattr(explainer, name)(X), expected)
    weights = np.random.default_rng(0).random(len(Y))
    assert explainer.score(X, Y) == fitted.score(X, Y)
    assert explainer.score(X, Y, sample_weight=weights) == fitted.score(X, Y, weights)
    assert explainer.score(X, Y, sample_weight=weights) != explainer.score(X, Y)
    assert hasattr(explainer, "classes_") == hasattr(fitted, "classes_")
    assert not hasattr(explainer, "feature_names_in_")
    assert is_classifier(explainer) == is_classifier(model)
    assert is_regressor(explainer) == is_regressor(model)
