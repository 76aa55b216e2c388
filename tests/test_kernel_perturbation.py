"""Moving a row's features: kernel machines against refits with the row really moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from machines import GAMMA, agreement, as_gram, gram, labelled_rows, off, smooth_rows
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, SVR
from wording import raises

from skinfluence import InfluenceExplainer

N = 120
ROWS = np.array([0, 17, 60])


def moved(data: Any, row: int, feature: int, step: float) -> np.ndarray:
    X = data.X.copy()
    X[row, feature] += step
    return X


def slopes(model: Any, data: Any, losses: Any, step: float) -> np.ndarray:
    """d loss / d feature by refits, (tests, rows, features)."""
    result = np.empty((len(data.y_test), len(ROWS), data.X.shape[1]))
    for i, row in enumerate(ROWS):
        for j in range(data.X.shape[1]):
            ends = [
                losses(clone(model).fit(moved(data, row, j, change), data.y), data)
                for change in (step, -step)
            ]
            result[:, i, j] = (ends[0] - ends[1]) / (2 * step)
    return result


def squared(model: Any, data: Any) -> np.ndarray:
    return ((model.predict(data.X_test) - data.y_test) ** 2).reshape(len(data.y_test), -1).sum(1)


def ridge(kernel: Any = "rbf", alpha: Any = 0.1, **parameters: Any) -> KernelRidge:
    return KernelRidge(alpha=alpha, kernel=kernel, **{"gamma": GAMMA, **parameters})


NOISE = np.random.default_rng(3).uniform(0.05, 0.5, N)
SMOOTH = [
    ("rbf", ridge(), 1),
    ("poly", ridge("poly", 1.0, degree=2, coef0=1.0), 1),
    ("linear", ridge("linear"), 1),
    ("sigmoid", ridge("sigmoid", 20.0, gamma=0.02, coef0=0.1), 1),
    ("3 alphas", ridge(alpha=np.array([0.01, 0.1, 1.0])), 3),
    ("Matern", ridge(Matern(2.0, nu=2.5)), 1),
    ("GPR", GaussianProcessRegressor(RBF([1, 2, 3, 4]), alpha=0.1, optimizer=None), 1),
    (
        "GPR, normalised, per row",
        GaussianProcessRegressor(
            RBF(2.0) + WhiteKernel(0.1), alpha=NOISE, normalize_y=True, optimizer=None
        ),
        1,
    ),
]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("model, n_outputs", [c[1:] for c in SMOOTH], ids=[c[0] for c in SMOOTH])
def test_smooth_losses(model, n_outputs, scaled):
    data = smooth_rows(N, n_outputs)
    if not scaled:
        explainer, reference = InfluenceExplainer(model).fit(data.X, data.y), model
    else:
        # The scaler stays as it is, in the answer as in the reference.
        scaler = StandardScaler().fit(3.0 * data.X + 1.0)
        pipeline = make_pipeline(scaler, model)
        explainer = InfluenceExplainer(pipeline).fit(data.X, data.y)

        held = explainer.estimator_[0]
        reference = make_pipeline(FunctionTransformer(held.transform), model)
    got = explainer.perturbation_gradient(data.X_test, data.y_test, indices=ROWS)
    got = got * explainer.objective_.weights.values[ROWS] / N  # 1 but for noise of its own
    assert off(got, slopes(reference, data, squared, 1e-4)) <= 1e-5
    mean = explainer.perturbation_gradient(data.X_test, data.y_test, indices=ROWS, reduce="mean")
    weights = explainer.objective_.weights.values[ROWS]
    assert off(mean * weights / N, got.mean(axis=0)) <= 1e-10


# --------------------------------------------------------------------------- losses with a kink
def hinge(model: Any, data: Any) -> np.ndarray:
    signs = np.where(data.y_test == model.classes_[1], 1.0, -1.0)
    return np.maximum(0.0, 1.0 - signs * model.decision_function(data.X_test))


def insensitive(model: Any, data: Any) -> np.ndarray:
    return np.maximum(0.0, np.abs(model.predict(data.X_test) - data.y_test) - model.epsilon)


SHARP = [
    ("rbf", SVC(C=0.1, gamma=GAMMA, tol=1e-10)),
    ("poly", SVC(C=0.05, kernel="poly", gamma=GAMMA, degree=2, coef0=1.0, tol=1e-10)),
    ("linear", SVC(C=0.005, kernel="linear", tol=1e-10)),
    ("SVR", SVR(C=0.1, gamma=GAMMA, epsilon=0.2, tol=1e-10)),
]


@pytest.mark.parametrize("model", [c[1] for c in SHARP], ids=[c[0] for c in SHARP])
def test_losses_with_a_kink(model):
    """With little weight per row, few of them on the kink."""
    regression = isinstance(model, SVR)
    data = smooth_rows(N) if regression else labelled_rows(N, 2)
    explainer = InfluenceExplainer(model).fit(data.X, data.y)
    got = explainer.perturbation_gradient(data.X_test, data.y_test, indices=ROWS) / N
    actual = slopes(model, data, insensitive if regression else hinge, 1e-2)
    correlation, slope = agreement(got, actual)
    assert correlation >= 0.95
    assert 0.8 <= slope <= 1.2


# --------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize("family", [SVC, KernelRidge])
@pytest.mark.parametrize("kernel", ["precomputed", "callable", "laplacian"])
def test_kernels_without_a_derivative(family, kernel):
    if family is SVC and kernel == "laplacian":
        pytest.skip("no such SVC")
    data = labelled_rows(40, 2)
    y = (data.y == data.y[0]).astype(float)
    if kernel == "precomputed":
        data, function, words = as_gram(data), kernel, ["kernel='precomputed'", "no features"]
    elif kernel == "callable":
        function = gram if family is SVC else lambda a, b: float(a @ b)
        words = ["gram" if family is SVC else "<lambda>", "derivative it does not know", "rbf"]
    else:
        function, words = kernel, ["laplacian", "derivative it does not know", "rbf, poly, linear"]
    explainer = InfluenceExplainer(family(kernel=function)).fit(data.X, y)
    with raises(TypeError, "perturbation_gradient got", *words):
        explainer.perturbation_gradient(data.X_test, y[:20], indices=[0])
