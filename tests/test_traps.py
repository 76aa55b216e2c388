"""Where other libraries are silently wrong: a test for each."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from skinfluence import CG, Cholesky, InfluenceExplainer


def overlapping():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 5))
    return X, (X[:, 0] - X[:, 1] + rng.logistic(size=300) > 0).astype(int)


def answers(explainer, X_test, y_test):
    return np.concatenate(
        [
            explainer.influence(X_test, y_test, kind="upweight").ravel(),
            explainer.influence(X_test, y_test, kind="removal").ravel(),
            explainer.perturbation_gradient(X_test, y_test, indices=[0, 7]).ravel(),
            explainer.self_influence(),
        ]
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, bool])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("model", [LogisticRegression(tol=1e-8), Ridge()], ids=repr)
def test_integers_do_not_overflow(model, dtype, make):
    rng = np.random.default_rng(0)
    largest = 1 if dtype is bool else np.iinfo(np.int8).max
    X = rng.integers(0, largest, endpoint=True, size=(80, 4)).astype(dtype)
    y = rng.integers(0, 2, size=80).astype(dtype)
    if isinstance(model, Ridge) and dtype is np.uint8:
        y = (200 + 50 * y).astype(np.uint8)
    exact = InfluenceExplainer(model).fit(make(X.astype(float)), y.astype(float))
    explainer = InfluenceExplainer(model).fit(make(X), y)
    expected = answers(exact, make(X[:5].astype(float)), y[:5].astype(float))
    np.testing.assert_allclose(
        answers(explainer, make(X[:5]), y[:5]), expected, rtol=1e-6, atol=1e-9 * abs(expected).max()
    )


@pytest.mark.parametrize("solver", [Cholesky(), CG(tol=1e-12)], ids=repr)
@pytest.mark.parametrize("unit", [1e-3, 1e4])
def test_units_of_the_features_do_not_matter(solver, unit):
    X, y = overlapping()
    options = {"tol": 1e-12, "max_iter": 10_000, "solver": "newton-cholesky"}
    cases = [(LogisticRegression(C=np.inf, **options), LogisticRegression(C=np.inf, **options))]
    cases.append((Ridge(alpha=0.3), Ridge(alpha=0.3 * unit**2)))
    for model, same_model in cases:
        here = InfluenceExplainer(model, solver=solver).fit(X, y)
        there = InfluenceExplainer(same_model, solver=solver).fit(unit * X, y)
        np.testing.assert_allclose(
            there.influence(unit * X[:9], y[:9]), here.influence(X[:9], y[:9]), rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("solver", [Cholesky(), CG(tol=1e-12)], ids=repr)
@pytest.mark.parametrize("damping", [0.0, 0.05])
def test_damping_is_added_to_the_hessian_of_the_mean_risk_and_to_nothing_else(solver, damping):
    X, y = overlapping()
    model = LogisticRegression(C=2.0, tol=1e-10).fit(X, y)
    explainer = InfluenceExplainer(model, prefit=True, solver=solver, damping=damping).fit(X, y)
    inputs, p = np.column_stack([X, np.ones(len(y))]), model.predict_proba(X)[:, 1]
    hessian = inputs.T @ ((p * (1 - p))[:, None] * inputs) / len(y)
    hessian += np.diag(np.r_[np.full(5, 0.5 / len(y)), 0.0]) + damping * np.eye(6)
    gradients = (p - y)[:, None] * inputs
    expected = -gradients @ np.linalg.solve(hessian, gradients.T)
    np.testing.assert_allclose(explainer.influence(X, y), expected, rtol=1e-6, atol=1e-8)


def test_collinear_columns_are_projected_out_not_damped():
    X, y = overlapping()
    twice = np.column_stack([X, X[:, 0] + X[:, 1], np.zeros(len(y))])
    once = InfluenceExplainer(LinearRegression()).fit(X, y)
    explainer = InfluenceExplainer(LinearRegression()).fit(twice, y)
    assert explainer.report_.rank == 6 < explainer.report_.p == 8
    for kind in ("upweight", "removal"):
        np.testing.assert_allclose(
            explainer.influence(twice, y, kind=kind), once.influence(X, y, kind=kind), atol=1e-9
        )


@pytest.mark.filterwarnings("ignore:LiSSA's relative residual")
def test_an_explanation_is_repeatable_and_leaves_the_global_generator_alone():
    X, y = overlapping()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    same, again, other = (
        InfluenceExplainer(LogisticRegression(), solver="lissa", random_state=seed)
        .fit(X, y)
        .influence(X[:2], y[:2])
        for seed in (None, None, np.random.RandomState(1))
    )
    np.testing.assert_array_equal(same, again)
    assert abs(same - other).max() > 0
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
