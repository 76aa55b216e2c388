"""Rows that stay in their file: memory maps, and what steps before the model make of them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from memory import LIMIT, Rows, rows, working_memory
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from skinfluence import InfluenceExplainer

MAPPED = {
    "logistic": (LogisticRegression(tol=1e-6, solver="newton-cholesky"), 2, np.float64),
    "logistic, float32": (LogisticRegression(tol=1e-4, solver="newton-cholesky"), 2, np.float32),
    "ridge": (Ridge(), 0, np.float64),
    "lasso": (Lasso(alpha=0.2), 0, np.float64),
    "scaled": (make_pipeline(StandardScaler(), LogisticRegression()), 2, np.float64),
    "scaled twice, float32": (
        make_pipeline(StandardScaler(), MinMaxScaler(), Ridge()),
        0,
        np.float32,
    ),
}


def mapped_answers(explainer: InfluenceExplainer, X: Any, data: Rows) -> list[np.ndarray]:
    given = data.X_test[:20].astype(X.dtype), data.y_test[:20]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the lasso's support
        explainer.fit(X, data.y)
        top = explainer.explain(*given, k=5)
        return [
            explainer.influence(*given),
            explainer.influence(*given, kind="removal", indices=np.arange(0, data.n, 2)),
            explainer.influence(*given, kind="refit", indices=[7]),
            explainer.self_influence(),
            explainer.perturbation_gradient(*given, indices=[3, 1]),
            explainer.perturbation_influence(*given, indices=[4], X_new=given[0][:1]),
            explainer.parameter_influence(indices=[5, 2])["coef"],
            explainer.group_influence([np.arange(50), np.arange(90, 2000)], *given),
            top.indices,
            top.effects,
        ]


def saved_and_mapped(X: np.ndarray, folder: Any) -> Any:
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("name", MAPPED)
def test_a_memory_map_is_not_read_into_memory(name, tmp_path):
    model, n_classes, dtype = MAPPED[name]
    data = rows(32_000, 150, n_classes)
    X = data.X.astype(dtype, copy=False)
    explainer = InfluenceExplainer(model.fit(X, data.y), prefit=True, max_memory=LIMIT)
    expected = mapped_answers(explainer, X, data)
    mapped = saved_and_mapped(X, tmp_path)
    found: list[np.ndarray] = []

    def answer() -> list[np.ndarray]:
        found.extend(mapped_answers(explainer, mapped, data))
        return found

    assert working_memory(answer) < 0.65 * X.nbytes
    for one, other in zip(found, expected, strict=True):
        if not hasattr(model, "steps"):
            np.testing.assert_array_equal(one, other)
        else:  # whose blocks are multiplied one by one
            close = 1e-9 if dtype == np.float64 else 1e-3
            np.testing.assert_allclose(one, other, rtol=0, atol=close * np.abs(other).max())


@pytest.mark.parametrize("csr", [False, True])
def test_steps_that_make_sparse_rows_of_a_memory_map(csr, tmp_path):
    X = np.random.default_rng(0).integers(5, size=(400, 3)).astype(float)
    y = X @ [1.0, -2.0, 0.5] + np.sin(7 * X[:, 0])
    model = make_pipeline(OneHotEncoder(sparse_output=csr), Ridge()).fit(X, y)
    mapped = saved_and_mapped(X, tmp_path)
    results = []
    for rows_ in (X, mapped):
        explainer = InfluenceExplainer(model, prefit=True).fit(rows_, y)
        results.append(explainer.influence(X[:5], y[:5], kind="removal"))
        results.append(explainer.verify(X[:2], y[:2], n_rows=5).actual)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-9)
    np.testing.assert_allclose(results[3], results[1], rtol=1e-9)


MACHINES = [
    SVC(),
    KernelRidge(kernel="rbf"),
    MLPRegressor(hidden_layer_sizes=(2,), alpha=1.0, solver="lbfgs", tol=1e-10, random_state=0),
]


@pytest.mark.parametrize("model", MACHINES, ids=lambda model: type(model).__name__)
def test_what_needs_all_rows_takes_them_from_a_memory_map(model, tmp_path):
    data = rows(150, 3, 0 if isinstance(model, MLPRegressor) else 2)
    fitted = make_pipeline(StandardScaler(), clone(model)).fit(data.X, data.y)
    asked = data.X_test[:4], data.y_test[:4]
    expected, got = (
        InfluenceExplainer(fitted, prefit=True).fit(X, data.y).influence(*asked)
        for X in (data.X, saved_and_mapped(data.X, tmp_path))
    )
    np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())
