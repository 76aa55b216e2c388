"""Number formats and parameterisations that must not change an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from asking import FEW, all_same, answers, explain, same
from catalogue import by_name
from reference import hinge
from rows import make_data
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from skinfluence import InfluenceExplainer
from skinfluence.answers import KINDS
from skinfluence.solvers.factorisation import HalfInSingle, factorise


# ----------------------------------------------------------------------------------- precision
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_single_precision_in_and_out(case, csr):
    fit = case.fit()
    data = fit.data.as_csr() if csr else fit.data
    data = replace(data, X=data.X.astype(np.float32), X_test=data.X_test.astype(np.float32))
    got = answers(explain(fit.model, data.X, data.y), data)
    expected = answers(fit.explainer, fit.data)
    for name, value in got.items():
        if name.startswith(("influence", "mean", "self", "perturbation")):
            assert value.dtype == np.float32, name
        # the hinge has its curvature within 1e-3 of the kink: 1e-7 is not little there
        same(value, expected[name], 0.05 if case.loss is hinge else 2e-4)


def top(values: np.ndarray, k: int = 5) -> list[set[int]]:
    return [set(np.argsort(-np.abs(row))[:k].tolist()) for row in np.atleast_2d(values)]


@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("classes", ["binary", "three classes"])
@pytest.mark.parametrize("solver", ["cholesky", "dual", "cg", "sketch"])
def test_single_precision_finds_the_same_rows(solver, classes, csr):
    data = make_data(classes, n=400, d=12)
    model = LogisticRegression(tol=1e-10, max_iter=1000).fit(data.X, data.y)
    found = []
    for dtype in (np.float64, np.float32):
        X, X_test = data.X.astype(dtype), data.X_test.astype(dtype)
        X, X_test = (sparse.csr_matrix(each) if csr else each for each in (X, X_test))
        explainer = InfluenceExplainer(model, prefit=True, solver=solver).fit(X, data.y)
        asked = X_test, data.y_test
        explained = explainer.explain(*asked, k=5)
        found.append(
            [
                explainer.influence(*asked),
                explainer.influence(*asked, kind="removal"),
                explainer.self_influence(),
                explainer.label_flip_influence(*asked, reduce="mean").max(axis=1),
                explained.helpful_effects,
                explained.harmful_effects,
            ]
        )
    for single, double in zip(found[1], found[0], strict=True):
        assert top(single) == top(double)
        same(single, double, 1e-3)


def test_leverages_of_one_in_single_precision():
    """Which float32 alone would take for a millionth less, and answer with noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 4)).astype(np.float32)
    X[:, 3] = 0.0
    X[0, 3] = 1.7  # no other row tells of its coefficient
    y = X @ np.ones(4, np.float32) + rng.standard_normal(30)
    explainer = InfluenceExplainer(LinearRegression(), solver="cholesky").fit(X, y)
    with pytest.warns(RuntimeWarning, match="leverage 1 or more"):
        effects = explainer.influence(X[1:4], y[1:4], kind="removal")
    assert np.isnan(effects[:, 0]).all()
    assert np.isfinite(effects[:, 1:]).all()


def test_half_solves_in_single_precision():
    """Of a matrix with a condition of 1e8: lengths to some root of that times eps."""
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.standard_normal((40, 40)))
    matrix = basis @ np.diag(np.logspace(0, -8, 40)) @ basis.T
    right = rng.standard_normal((40, 200))
    factor = factorise(matrix.copy())
    lengths = np.einsum("pm,pm->m", right, np.linalg.solve(matrix, right))
    single = HalfInSingle(factor)(right)
    assert single.dtype == np.float32
    same(np.einsum("pm,pm->m", single, single), lengths, 1e-5)


WHOLE_NUMBERS = [np.uint8, np.int8, np.uint16, np.int64, bool]


@pytest.mark.parametrize("dtype", WHOLE_NUMBERS, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("model", [Ridge(), LogisticRegression(tol=1e-8)], ids=str)
def test_whole_numbers_do_not_overflow(model, dtype, csr):
    rng = np.random.default_rng(0)
    limit = 2 if dtype is bool else 120
    X = rng.integers(limit, size=(80, 4))
    y = (X @ np.array([1.0, -1.0, 0.5, 0.2]) + rng.standard_normal(80) > limit / 4).astype(int)
    store = sparse.csr_matrix if csr else np.asarray
    fitted = clone(model).fit(X.astype(float), y)
    expected = answers_of_rows(explain(fitted, X.astype(float), y), X[:5].astype(float), y[:5])
    narrow = explain(fitted, store(X.astype(dtype)), y)
    got = answers_of_rows(narrow, store(X[:5].astype(dtype)), y[:5])
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == np.float64
        same(one, other, 1e-8)


def answers_of_rows(explainer: InfluenceExplainer, X: Any, y: np.ndarray) -> list[np.ndarray]:
    return [explainer.influence(X, y, kind=kind) for kind in KINDS]


# ------------------------------------------------------------------------------ parameterisation
@pytest.mark.parametrize("penalised", [True, False])
def test_softmax_does_not_see_what_classes_share(penalised):
    data = make_data("three classes")
    C = 1.0 if penalised else np.inf
    model = LogisticRegression(C=C, tol=1e-10, max_iter=1000).fit(data.X, data.y)
    plain = answers(explain(model, data.X, data.y), data)
    model.coef_ = model.coef_ + np.array([2.0, -1.0, 0.3, 5.0])
    model.intercept_ = model.intercept_ - 7.0
    all_same(answers(explain(model, data.X, data.y), data), plain, 1e-8)


def test_order_of_classes_and_labels_does_not_matter():
    data = make_data("three classes")
    model = LogisticRegression(tol=1e-12, solver="newton-cholesky")
    names = np.array(["c", "a", "b"])
    scores = []
    for y, y_test in ((data.y, data.y_test), (names[data.y], names[data.y_test])):
        explainer = InfluenceExplainer(clone(model)).fit(data.X, y)
        scores.append(explainer.influence(data.X_test, y_test, kind="removal"))
    same(scores[1], scores[0], 1e-8)


def test_outputs_fitted_together_are_those_fitted_apart():
    data = make_data("multi-output")
    together = InfluenceExplainer(LinearRegression()).fit(data.X, data.y)
    for kind in KINDS:
        apart = sum(
            InfluenceExplainer(LinearRegression())
            .fit(data.X, data.y[:, k])
            .influence(data.X_test, data.y_test[:, k], kind=kind)
            for k in range(3)
        )
        same(together.influence(data.X_test, data.y_test, kind=kind), apart, 1e-10)
