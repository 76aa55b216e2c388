"""What must not change a kernel machine's answers: order, storage, copies, blocks, kept columns."""

from __future__ import annotations

import pickle
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
from asking import same
from machines import GAMMA, gram, labelled_rows, off, smooth_rows
from scipy import sparse
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR

from skinfluence import InfluenceExplainer, blocks
from skinfluence.predictors import rows as kept

N = 40
ROWS = np.array([3, 0, 31])
PROCESS = GaussianProcessRegressor(RBF(2.0), alpha=0.1, optimizer=None, normalize_y=True)
MODELS: dict[str, tuple[Any, Any]] = {
    "KernelRidge": (KernelRidge(alpha=0.01, kernel="rbf", gamma=GAMMA), smooth_rows(N)),
    "3 outputs": (KernelRidge(alpha=0.01, kernel="rbf", gamma=GAMMA), smooth_rows(N, 3)),
    "GPR": (PROCESS, smooth_rows(N)),
    "SVC": (SVC(gamma=GAMMA, tol=1e-10), labelled_rows(N, 2)),
    "SVC, 3 classes": (SVC(gamma=GAMMA, tol=1e-10), labelled_rows(N, 3)),
    "SVR": (SVR(gamma=GAMMA, tol=1e-10), smooth_rows(N)),
}


def ask(explainer: Any, data: Any, rows: np.ndarray = ROWS) -> dict[str, np.ndarray]:
    found = {}
    for kind in ("upweight", "removal"):
        asked = {"kind": kind, "indices": rows}
        found[f"influence, {kind}"] = explainer.influence(data.X_test, data.y_test, **asked)
        mean = explainer.influence(data.X_test, data.y_test, reduce="mean", **asked)
        found[f"mean, {kind}"] = mean
        found[f"self, {kind}"] = explainer.self_influence(**asked)
    groups = [rows[:2], rows]
    found["groups"] = explainer.group_influence(groups, data.X_test, data.y_test)
    return found


def explain(name: str, **options: Any) -> InfluenceExplainer:
    model, data = MODELS[name]
    return InfluenceExplainer(model, **options).fit(data.X, data.y)


def all_close(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray], tolerance: float) -> None:
    for key, values in wanted.items():
        same(got[key], values, tolerance)


@cache
def expected(name: str) -> dict[str, np.ndarray]:
    return ask(explain(name), MODELS[name][1])


@pytest.fixture(params=["jobs", "pickle", "no kept columns", "blocks"])
def change(request, monkeypatch):
    """Of an explainer, or of what it does, once it is known what to expect."""
    for name in MODELS:
        expected(name)
    if request.param == "no kept columns":
        monkeypatch.setattr(kept, "KEPT_BYTES", 0)
    if request.param == "blocks":
        for function in (blocks.row_blocks, blocks.rows_per_block):
            monkeypatch.setitem(function.__kwdefaults__, "limit", 1)
        for name, module in list(sys.modules.items()):
            for constant in vars(module).copy() if name.startswith("skinfluence.") else ():
                if constant.endswith("_BYTES") and not constant.startswith("LARGEST"):
                    monkeypatch.setattr(module, constant, 1)
    return request.param


@pytest.mark.parametrize("name", MODELS)
def test_how_it_is_computed(name, change):
    if change == "blocks" and "SV" in name:
        pytest.skip("Newton's steps row by row take minutes")
    explainer = explain(name, n_jobs=2 if change == "jobs" else None)
    if change == "pickle":
        explainer = pickle.loads(pickle.dumps(explainer))
    all_close(ask(explainer, MODELS[name][1]), expected(name), 1e-6 if "SV" in name else 1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_row_order(name):
    model, data = MODELS[name]
    order = np.random.default_rng(0).permutation(N)
    explainer = InfluenceExplainer(model).fit(data.X[order], data.y[order])
    got = ask(explainer, data, np.argsort(order)[ROWS])
    all_close(got, expected(name), 1e-4 if "SV" in name else 1e-9)


@pytest.mark.parametrize("name", ["KernelRidge", "SVC", "SVC, 3 classes", "SVR"])
def test_sparse_is_dense(name):
    model, data = MODELS[name]
    csr = data.as_csr()
    explainer = InfluenceExplainer(model).fit(csr.X, csr.y)
    all_close(ask(explainer, csr), expected(name), 1e-4 if "SV" in name else 1e-9)


@pytest.mark.parametrize("name", ["KernelRidge", "3 outputs", "SVC", "SVC, 3 classes", "SVR"])
def test_weights_are_copies(name):
    model, data = MODELS[name]
    weights = np.random.default_rng(0).integers(1, 4, N)
    index = np.repeat(np.arange(N), weights)
    weighted = InfluenceExplainer(model).fit(data.X, data.y, sample_weight=weights)
    copied = InfluenceExplainer(model).fit(data.X[index], data.y[index])
    single = weighted.influence(data.X_test, data.y_test)[:, index] / N
    got = copied.influence(data.X_test, data.y_test) / len(index)
    assert off(got, single) <= (1e-4 if "SV" in name else 1e-8)
    groups = [np.flatnonzero(index == row) for row in ROWS]
    gone = copied.group_influence(groups, data.X_test, data.y_test)
    actual = weighted.influence(data.X_test, data.y_test, kind="removal", indices=ROWS)
    assert off(gone, actual) <= (1e-4 if "SV" in name else 1e-8)


@pytest.mark.parametrize("kind", ["upweight", "removal"])
@pytest.mark.parametrize("name", ["KernelRidge", "SVR"])
def test_the_unit_of_y(name, kind):
    model, data = MODELS[name]
    unit, degree = 1000.0, 2 if name == "KernelRidge" else 1
    scaled = {} if degree == 2 else {"epsilon": unit * model.epsilon, "C": unit * model.C}
    other = type(model)(**{**model.get_params(), **scaled, **({"tol": 1e-7} if scaled else {})})
    explainer = InfluenceExplainer(other).fit(data.X, unit * data.y)
    asked = {"kind": kind, "indices": ROWS}
    got = explainer.influence(data.X_test, unit * data.y_test, **asked) / unit**degree
    assert off(got, expected(name)[f"influence, {kind}"]) <= 1e-4


@pytest.mark.parametrize("name", ["KernelRidge", "GPR"])
def test_diagnostics(name):
    model, data = MODELS[name]
    explainer = explain(name)
    kernel = gram(data.X, data.X) if name == "KernelRidge" else RBF(2.0)(data.X)
    hat = kernel @ np.linalg.inv(kernel + model.alpha * np.eye(N))
    table = explainer.diagnostics()
    assert explainer.effective_dof() == pytest.approx(np.trace(hat), rel=1e-9)
    assert off(np.asarray(table["leverage"]), np.diag(hat)) <= 1e-9
    if name == "KernelRidge":
        residuals = data.y - hat @ data.y
        variance = (residuals**2).sum() / (N - np.trace(hat))
        moves = (residuals / (1.0 - np.diag(hat))) ** 2 * (hat**2).sum(axis=0)
        distances = moves / (variance * np.trace(hat))
        assert off(np.asarray(table["cooks_distance"]), distances) <= 1e-8


def test_csr_of_test_rows():
    data = labelled_rows(N, 2)
    explainer = explain("SVC")
    got = explainer.influence(sparse.csr_matrix(data.X_test), data.y_test)
    assert off(got, explainer.influence(data.X_test, data.y_test)) <= 1e-9
