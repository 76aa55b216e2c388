"""Kernel ridge regression and Gaussian processes against models that are really refitted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from machines import GAMMA, all_but, as_gram, gram, off, refit, smooth_rows, values
from rows import Data
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import KFold, cross_val_predict

from skinfluence import InfluenceExplainer

EXACT = 1e-8
NOISE = np.random.default_rng(3).uniform(0.05, 0.5, 500)
SMOOTH = ConstantKernel(2.0) * RBF(2.0)


def ridge(alpha: Any = 1e-3, kernel: Any = "rbf", **parameters: Any) -> KernelRidge:
    return KernelRidge(alpha=alpha, kernel=kernel, **{"gamma": GAMMA, **parameters})


def process(kernel: Any = SMOOTH, alpha: Any = 0.1, **parameters: Any) -> Any:
    return GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None, **parameters)


@dataclass(frozen=True)
class Case:
    """A model, and what it is fitted on."""

    name: str
    model: Any
    n_outputs: int = 1
    n: int = 500
    weighted: bool = False

    @property
    def data(self) -> Data:
        data = smooth_rows(self.n, self.n_outputs)
        precomputed = getattr(self.model, "kernel", None) == "precomputed"
        return as_gram(data) if precomputed else data

    @property
    def weights(self) -> np.ndarray | None:
        weights = self.data.sample_weight.copy()
        weights[[1, 5]] = 0.0
        return weights if self.weighted else None


def pair_by_pair(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.exp(-GAMMA * ((a - b) ** 2).sum()))


RIDGES = [
    Case("alpha 1", ridge(1.0)),
    Case("alpha 1e-3", ridge()),
    Case("3 outputs", ridge(), 3),
    Case("3 alphas", ridge(np.array([1e-3, 0.1, 10.0])), 3),
    Case("weighted", ridge(), weighted=True),
    Case("weighted, 3 alphas", ridge(np.array([1e-3, 0.1, 10.0])), 3, weighted=True),
    Case("precomputed", ridge(kernel="precomputed"), weighted=True),
    Case("poly", ridge(0.1, "poly", degree=2), n=200),
    Case("linear", ridge(0.1, "linear"), n=200),
    Case("laplacian", ridge(kernel="laplacian"), n=200),
    Case("callable", ridge(kernel=pair_by_pair), n=80),
    Case("Gaussian-process kernel", ridge(kernel=SMOOTH), n=200),
]
PROCESSES = [
    Case("GPR", process()),
    Case("GPR, alpha per row", process(alpha=NOISE)),
    Case("GPR, white noise", process(SMOOTH + WhiteKernel(0.1), 1e-10)),
    Case("GPR, white noise within", process(RBF(2.0) + ConstantKernel(2.0) * WhiteKernel(0.1))),
    Case("GPR, normalised", process(normalize_y=True)),
    Case("GPR, normalised, per row", process(alpha=NOISE, normalize_y=True)),
    Case("GPR, 3 outputs", process(SMOOTH + WhiteKernel(0.1)), 3, 200),
    Case("GPR, 3 outputs, normalised", process(normalize_y=True), 3, 200),
    Case("GPR, optimised", GaussianProcessRegressor(RBF(2.0) + WhiteKernel(0.1)), n=100),
]
CASES = RIDGES + PROCESSES


def by_name(case: Any) -> str:
    return str(case.name)


@cache
def explained(case: Case) -> tuple[Any, InfluenceExplainer]:
    options = {} if case.weights is None else {"sample_weight": case.weights}
    model = clone(case.model).fit(case.data.X, case.data.y, **options)
    explainer = InfluenceExplainer(model, prefit=True)
    return model, explainer.fit(case.data.X, case.data.y, **options)


@cache
def without(case: Case) -> tuple[np.ndarray, list[Any]]:
    """Eight rows, the four of greatest self-influence among them, and models without each."""
    model, explainer = explained(case)
    order = np.argsort(explainer.self_influence())
    rows = np.concatenate([order[:4], order[4 :: case.n // 4][:4]])
    return rows, [refit(model, case.data, all_but(row, case.n), case.weights) for row in rows]


def losses(values: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((values - y) ** 2).reshape(len(y), -1).sum(axis=1)


# ------------------------------------------------------------------------------------ rows that go
@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_removal_is_exact(case):
    model, explainer = explained(case)
    rows, models = without(case)
    data, keep = case.data, [all_but(row, case.n) for row in rows]
    moved = [values(m, data.X_test, k) for m, k in zip(models, keep, strict=True)]
    before = losses(values(model, data.X_test), data.y_test)
    actual = np.array([losses(each, data.y_test) for each in moved]).T - before[:, None]
    for kind in ("removal", "refit"):
        got = explainer.influence(data.X_test, data.y_test, kind=kind, indices=rows)
        assert off(got, actual) <= EXACT
        if case.n_outputs == 1:
            asked = {"target": "prediction", "kind": kind, "indices": rows}
            got = explainer.influence(data.X_test, **asked)
            assert off(got, np.array(moved).T - values(model, data.X_test)[:, None]) <= EXACT
    assert explainer.report_.relative_step < 1e-6


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_held_out_rows(case):
    model, explainer = explained(case)
    rows, models = without(case)
    data, own = case.data, []
    for row, fitted in zip(rows, models, strict=True):
        own.append(values(fitted, data.X[[row]], all_but(row, case.n))[0])
    got = explainer.loo_decision_function()
    assert got.shape == data.y.shape
    assert off(got[rows], np.array(own)) <= EXACT
    before = losses(values(model, data.X), data.y)
    raised = losses(np.array(own), data.y[rows]) - before[rows]
    assert off(explainer.self_influence(kind="removal", indices=rows), raised) <= EXACT


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_parameters(case):
    """By training row, those left out with 0; of normalised targets in units of y."""
    model, explainer = explained(case)
    rows, models = without(case)

    def coefficients(fitted: Any, y: np.ndarray) -> np.ndarray:
        coef = fitted.dual_coef_ if isinstance(fitted, KernelRidge) else fitted.alpha_
        return coef * y.std(axis=0) if getattr(fitted, "normalize_y", False) else coef

    y, actual = case.data.y, []
    for row, fitted in zip(rows, models, strict=True):
        keep = all_but(row, case.n)
        coef = np.zeros(y.shape)
        coef[keep] = coefficients(fitted, y[keep])
        actual.append(coef - coefficients(model, y))
    changes = explainer.parameter_influence(kind="removal", indices=rows)
    assert off(changes["dual_coef"], np.array(actual)) <= EXACT
    if getattr(model, "normalize_y", False):
        keep = [all_but(row, case.n) for row in rows]
        means = np.array([y[k].mean(axis=0) for k in keep]) - y.mean(axis=0)
        assert off(changes["intercept"], means) <= EXACT
    else:
        assert not changes["intercept"].any()


@pytest.mark.parametrize("kind", ["removal", "refit"])
@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_groups(case, kind):
    model, explainer = explained(case)
    data, rng = case.data, np.random.default_rng(0)
    groups = [rng.choice(case.n, size, replace=False) for size in (2, case.n // 8, case.n // 2)]
    before, actual = losses(values(model, data.X_test), data.y_test), []
    for group in groups:
        keep = all_but(group, case.n)
        fitted = refit(model, data, keep, case.weights)
        actual.append(losses(values(fitted, data.X_test, keep), data.y_test) - before)
    got = explainer.group_influence(groups, data.X_test, data.y_test, kind=kind)
    assert off(got, np.array(actual).T) <= EXACT


@pytest.mark.parametrize("alpha, bound", [(1e-6, 1e-6), (1e-8, 1e-4)])
@pytest.mark.parametrize("kind", ["removal", "refit"])
def test_nearly_interpolating(kind, alpha, bound):
    """What is left of a row's leverage, 1 − h of 1e-8, is no difference of two numbers."""
    data = smooth_rows(200)
    model = ridge(alpha).fit(data.X, data.y)
    explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y)
    rows = np.arange(0, 200, 10)
    own = [refit(model, data, all_but(row, 200)).predict(data.X[[row]])[0] for row in rows]
    assert off(explainer.loo_decision_function(kind=kind)[rows], np.array(own)) <= bound


def test_noise_of_very_different_sizes():
    data, noise = smooth_rows(200), NOISE[:200].copy()
    noise[7] = 1e-12
    model = process(alpha=noise).fit(data.X, data.y)
    explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y)
    own = refit(model, data, all_but(7, 200)).predict(data.X[[7]])[0]
    # Its residual, a difference of numbers of size 1, is 1e-12.
    assert explainer.loo_decision_function()[7] == pytest.approx(own, rel=1e-3)


def test_the_square_of_the_kernel_loses_half_of_the_digits():
    """∇²J over coefficients, K² + αK, has the square of the condition of K + α I."""
    case = RIDGES[1]
    model, explainer = explained(case)
    rows, models = without(case)
    data = case.data
    kernel, kernel_test = gram(data.X, data.X), gram(data.X_test, data.X)
    hessian = kernel @ kernel + model.alpha * kernel
    residuals = kernel @ model.dual_coef_ - data.y
    solved = np.linalg.lstsq(hessian, kernel[:, rows], rcond=None)[0]
    leverage = np.einsum("ij,ij->j", kernel[:, rows], solved)
    squared = kernel_test @ (solved * (residuals[rows] / (1.0 - leverage)))
    actual = np.array([m.predict(data.X_test) for m in models]).T
    actual = actual - model.predict(data.X_test)[:, None]
    predicted = explainer.influence(data.X_test, target="prediction", kind="removal", indices=rows)
    assert off(squared, actual) > 1e4 * off(predicted, actual)


# -------------------------------------------------------------------------------------- weights
@pytest.mark.parametrize("kind", ["removal", "refit"])
@pytest.mark.parametrize("case", RIDGES[:7], ids=by_name)
def test_new_weights(case, kind):
    """0 leaves a row out."""
    model, explainer = explained(case)
    data, rng = case.data, np.random.default_rng(0)
    weights = np.column_stack([rng.integers(0, 4, case.n), rng.uniform(0.0, 3.0, case.n)])
    actual = []
    for new in weights.T:
        fitted = clone(model).fit(data.X, data.y, sample_weight=new)
        actual.append(values(fitted, data.X_test))
    got = explainer.reweight(weights, data.X_test, kind=kind)
    assert off(got, np.stack(actual, axis=-1)) <= EXACT
    if model.kernel != "precomputed":
        copies = refit(model, data, np.repeat(np.arange(case.n), weights[:, 0].astype(int)))
        assert off(got[..., 0], values(copies, data.X_test)) <= EXACT


@pytest.mark.parametrize("case", [*RIDGES[1:5], *PROCESSES[:1], *PROCESSES[4:5]], ids=by_name)
def test_cross_validation(case):
    model, explainer = explained(case)
    cv = KFold(5, shuffle=True, random_state=0)
    if case.weighted:
        actual = np.empty_like(case.data.y)
        for train, test in cv.split(case.data.X):
            actual[test] = refit(model, case.data, train, case.weights).predict(case.data.X[test])
    else:
        actual = cross_val_predict(case.model, case.data.X, case.data.y, cv=cv)
    for kind in ("removal", "refit"):
        assert off(explainer.cross_val_decision(cv, kind=kind), actual) <= EXACT


@pytest.mark.parametrize("case", RIDGES[:7], ids=by_name)
def test_upweighting_is_the_derivative_of_refits(case):
    """d loss / d sample weight of row i = influence / n."""
    model, explainer = explained(case)
    rows, _ = without(case)
    data, step = case.data, 1e-4
    weights = np.ones(case.n) if case.weights is None else case.weights
    rows = rows[weights[rows] > 0][:3]
    got = explainer.influence(data.X_test, data.y_test, indices=rows) / case.n
    slopes = []
    for row in rows:
        ends = []
        for change in (step, -step):
            moved = weights.copy()
            moved[row] += change
            fitted = clone(model).fit(data.X, data.y, sample_weight=moved)
            ends.append(losses(values(fitted, data.X_test), data.y_test))
        slopes.append((ends[0] - ends[1]) / (2 * step))
    assert off(got, np.array(slopes).T) <= 1e-5
