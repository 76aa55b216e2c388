"""The dual solver against dense factors, and what it holds in memory."""

from __future__ import annotations

import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from asking import all_same, answers, explain, same
from rows import Data
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.svm import SVC, LinearSVC, LinearSVR
from wording import raises

from skinfluence import Dual, InfluenceExplainer

N, D = 40, 150
ROWS = np.array([7, 0, 33])


def wide(n_classes: int = 0, n_outputs: int = 1, dtype: Any = np.float64) -> Data:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N + 5, D)) * (rng.random((N + 5, D)) < 0.4)
    k = n_outputs if n_classes < 3 else n_classes
    signal = X @ rng.standard_normal((D, k)) / 5.0 + rng.standard_normal((N + 5, k))
    y: np.ndarray = signal[:, 0] if k == 1 else signal
    if n_classes:
        y = signal.argmax(axis=1) if n_classes > 2 else (signal[:, 0] > 0).astype(int)
    X = X.astype(dtype)
    return Data(X[:N], y[:N], X[N:], y[N:], rng.uniform(0.2, 2.0, N))


def logistic(**parameters: Any) -> LogisticRegression:
    return LogisticRegression(**{"solver": "newton-cg", "tol": 1e-12, **parameters})


MODELS = {
    "Ridge": (Ridge(2.0), wide()),
    "Ridge, no intercept": (Ridge(2.0, fit_intercept=False), wide()),
    "Ridge, 3 outputs": (Ridge(2.0), wide(n_outputs=3)),
    "Ridge, 3 alphas": (Ridge(np.array([0.5, 5.0, 50.0])), wide(n_outputs=3)),
    "RidgeClassifier": (RidgeClassifier(2.0), wide(3)),
    "RidgeClassifier, balanced": (RidgeClassifier(2.0, class_weight="balanced"), wide(3)),
    "logistic": (logistic(), wide(2)),
    "logistic, no intercept": (logistic(fit_intercept=False), wide(2)),
    "softmax": (logistic(), wide(3)),
    "softmax, no intercept": (logistic(fit_intercept=False), wide(3)),
    "liblinear": (
        LogisticRegression(solver="liblinear", intercept_scaling=3.0, tol=1e-6),
        wide(2),
    ),
    "LinearSVC": (LinearSVC(C=0.1, tol=1e-6, max_iter=10**5, random_state=0), wide(3)),
    "LinearSVR": (
        LinearSVR(
            C=0.1, loss="squared_epsilon_insensitive", tol=1e-6, max_iter=10**5, random_state=0
        ),
        wide(),
    ),
}


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_dual_is_dense(name, weighted, csr):
    model, data = MODELS[name]
    weights = data.sample_weight if weighted else None
    fitted = model.fit(data.X, data.y, sample_weight=weights)
    stored = data.as_csr() if csr else data
    options: dict[str, Any] = {}
    by = {
        solver: explain(fitted, stored.X, stored.y, weights, solver=solver, **options)
        for solver in ("dual", "cholesky", "auto")
    }
    got, expected = (answers(by[s], stored, ROWS) for s in ("dual", "cholesky"))
    all_same(got, expected, 1e-8 if name == "LinearSVR" else 1e-9)
    hessian = by["cholesky"].objective_.hessian()
    right = np.random.default_rng(1).standard_normal((hessian.n_parameters, 3))
    if "softmax" not in name or "no" in name:
        dense = np.linalg.solve(hessian.to_dense(), right)
        same(by["dual"].solver_.solve(right), dense, 1e-9)
    size = hessian.block_size
    assert by["auto"].report_.solver == ("dual" if size > 1024 else "cholesky")
    groups = [np.array([1, 2, 3]), np.arange(10, 30)]
    for kind in ("removal", "refit"):
        asked = (groups, stored.X_test, stored.y_test)
        same(
            by["dual"].group_influence(*asked, kind=kind),
            by["cholesky"].group_influence(*asked, kind=kind),
            1e-8,
        )


@pytest.mark.parametrize("name", ["Ridge, 3 alphas", "softmax", "LinearSVC", "logistic"])
def test_damping(name):
    model, data = MODELS[name]
    model.fit(data.X, data.y)
    dual, dense = (
        explain(model, data.X, data.y, solver=solver, damping=0.3)
        for solver in ("dual", "cholesky")
    )
    for kind in ("upweight", "removal"):
        asked = {"kind": kind, "indices": ROWS}
        same(
            dual.influence(data.X_test, data.y_test, **asked),
            dense.influence(data.X_test, data.y_test, **asked),
        )
        same(dual.self_influence(kind=kind), dense.self_influence(kind=kind))


def test_damping_takes_the_place_of_a_penalty():
    data = wide()
    both = [
        InfluenceExplainer(LinearRegression(), solver=solver, damping=0.1).fit(data.X, data.y)
        for solver in ("dual", "cholesky")
    ]
    got, expected = (each.influence(data.X_test, data.y_test) for each in both)
    same(got, expected)
    with raises(ValueError, "solver='dual'", "without an L2 penalty", "all but the intercept"):
        tall = wide().X[:, :3]
        InfluenceExplainer(LinearRegression(), solver="dual").fit(tall, data.y)


@pytest.mark.parametrize("name", ["Ridge", "softmax"])
def test_single_precision(name):
    model, data = MODELS[name]
    single = wide(3 if name == "softmax" else 0, dtype=np.float32)
    expected = explain(model.fit(data.X, data.y), data.X, data.y, solver="dual")
    got = InfluenceExplainer(model, solver="dual").fit(single.X, single.y)
    for kind in ("upweight", "removal"):
        values = got.influence(single.X_test, single.y_test, kind=kind)
        assert values.dtype == np.float32
        same(values, expected.influence(data.X_test, data.y_test, kind=kind), 1e-3)


@pytest.mark.parametrize("solver", ["dual", Dual(), "auto"])
def test_pickling(solver):
    model, data = MODELS["softmax"]
    explainer = InfluenceExplainer(model, solver=solver).fit(data.X, data.y)
    again = pickle.loads(pickle.dumps(explainer))
    all_same(answers(again, data, ROWS), answers(explainer, data, ROWS), 1e-12)


def test_the_choice():
    data = wide()
    X = np.random.default_rng(0).standard_normal((len(data.y), 1100))
    assert explain(Ridge().fit(X, data.y), X, data.y).report_.solver == "dual"
    few = data.X[:, :20]
    assert explain(Ridge().fit(few, data.y), few, data.y).report_.solver == "cholesky"
    model = LinearRegression().fit(few, data.y)
    assert explain(model, few, data.y).report_.solver == "cholesky"
    model = KernelRidge(kernel="rbf").fit(few, data.y)
    assert explain(model, few, data.y).report_.solver == "dual"


# ----------------------------------------------------------------------------------------- memory
@pytest.mark.parametrize("csr", [False, True])
def test_support_vectors_are_few(csr):
    """Nothing of n × n, where few rows have curvature."""
    n, rng = 3000, np.random.default_rng(0)
    X = rng.standard_normal((n, 5))
    y = (X[:, 0] + X[:, 1] + 0.05 * rng.standard_normal(n) > 0).astype(int)
    X = sparse.csr_matrix(X) if csr else X
    model = SVC(C=10.0, gamma=0.05, tol=1e-8).fit(X, y)
    assert len(model.support_) < 300
    tracemalloc.start()
    try:
        explainer = InfluenceExplainer(model, prefit=True).fit(X, y)
        explainer.influence(X[:1], y[:1])
        explainer.self_influence()
        explainer.influence(X[:1], y[:1], kind="removal", indices=model.support_[:3])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * n**2 / 3
