"""Moving a training row's features, against estimators that are really refitted (Eq. 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from catalogue import Fit, by_name, named
from numpy.testing import assert_allclose
from rows import PLAIN, SETTINGS, make_data
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skinfluence import InfluenceExplainer

N, STEP = 200, 1e-4


# ---------------------------------------------------------------------------------- the models
def strongest_rows(explainer: InfluenceExplainer, k: int) -> np.ndarray:
    return np.argsort(-np.abs(explainer.self_influence()))[: 10 * k : 10]


def measured(refit: Any, X: np.ndarray, row: int, losses: Any) -> np.ndarray:
    """d losses / d x_row by central differences of refits: (n_test, d)."""
    columns = []
    for j in range(X.shape[1]):
        moved = []
        for step in (STEP, -STEP):
            changed = X.copy()
            changed[row, j] += step
            moved.append(losses(refit(changed)))
        columns.append((moved[0] - moved[1]) / (2 * STEP))
    return np.stack(columns, axis=1)


def agrees(got: np.ndarray, expected: np.ndarray) -> None:
    assert_allclose(got, expected, rtol=0.0, atol=1e-3 * np.abs(expected).max())


CASES = named(
    "Ridge",
    "Ridge, 3 alphas",
    "RidgeClassifier, 3 classes",
    "LogisticRegression, newton-cholesky",
    "LogisticRegression, newton-cholesky, 3 classes",
    "LogisticRegression, no penalty",
    "LogisticRegression, no intercept, 3 classes",
    "LogisticRegression, intercept_scaling",
    "LinearSVC",
    "LinearSVC, 3 classes",
)
MODELS = [
    (case, setting)
    for case in CASES
    for setting in SETTINGS
    if not setting.csr and (case.is_classifier or setting.class_weight is None)
]


@pytest.mark.parametrize("case, setting", MODELS, ids=by_name)
def test_gradient_is_the_change_by_refits(case, setting):
    fit = case.fit(setting, N)
    data, explainer = fit.data, fit.explainer
    rows = strongest_rows(explainer, 2)
    got = explainer.perturbation_gradient(data.X_test, data.y_test, indices=rows)
    assert got.shape == (len(data.y_test), len(rows), data.X.shape[1])
    weights = explainer.objective_.weights.values
    if weights.shape[1] > 1:
        # liblinear weighs a row in its own class's problem alone: there is no single weight
        weights = explainer.objective_.weights.sample_weight[:, None]
    for position, row in enumerate(rows):
        expected = measured(lambda X: fit.refit(replace(data, X=X)), data.X, row, fit.losses)
        agrees(weights[row, 0] / N * got[:, position], expected)


PREPARATION = {
    "scaler": StandardScaler(),
    "min-max and PCA": make_pipeline(MinMaxScaler(), PCA(3)),
    "PCA, whitened": PCA(3, whiten=True),
    "SVD": TruncatedSVD(3, random_state=0),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("preparation", PREPARATION.values(), ids=list(PREPARATION))
@pytest.mark.parametrize(
    "case", named("Ridge", "LogisticRegression, newton-cholesky, 3 classes"), ids=by_name
)
def test_gradient_goes_through_fixed_steps(case, preparation, weighted):
    """In raw features; refits keep the steps as they are."""
    data = make_data(case.data, N)
    offset = np.array([3.0, -1.0, 0.0, 10.0])
    X, X_test = 5.0 * data.X + offset, 5.0 * data.X_test + offset
    weights = data.sample_weight if weighted else np.ones(N)
    steps = [clone(preparation)]
    if hasattr(preparation, "steps"):
        steps = [clone(step) for _, step in preparation.steps]
    pipeline = make_pipeline(*steps, clone(case.estimator))
    name = pipeline.steps[-1][0]
    pipeline.fit(X, data.y, **{f"{name}__sample_weight": weights})
    explainer = InfluenceExplainer(pipeline, prefit=True).fit(X, data.y, sample_weight=weights)

    def refit(changed):
        frozen = [FrozenEstimator(step) for _, step in pipeline.steps[:-1]]
        again = make_pipeline(*frozen, clone(case.estimator))
        return again.fit(changed, data.y, **{f"{name}__sample_weight": weights})

    def losses(model):
        transformed = model[:-1].transform(X_test)
        return case.loss(model[-1], transformed, data.y_test)

    rows = strongest_rows(explainer, 2)
    got = explainer.perturbation_gradient(X_test, data.y_test, indices=rows)
    for position, row in enumerate(rows):
        expected = measured(refit, X, row, losses)
        agrees(weights[row] / N * got[:, position], expected)


# ------------------------------------------------------------------------------------ its form
@pytest.fixture(scope="module")
def fit() -> Fit:
    return named("LogisticRegression, newton-cholesky, 3 classes")[0].fit(PLAIN, N)


def test_mean_is_the_mean(fit):
    data = fit.data
    rows = np.array([3, 150, 3])
    every = fit.explainer.perturbation_gradient(data.X_test, data.y_test, indices=rows)
    mean = fit.explainer.perturbation_gradient(
        data.X_test, data.y_test, indices=rows, reduce="mean"
    )
    assert_allclose(mean, every.mean(axis=0), rtol=1e-10, atol=1e-13)
    assert_allclose(every[:, 0], every[:, 2])


def test_all_rows_and_masks(fit):
    data = fit.data
    every = fit.explainer.perturbation_gradient(data.X_test, data.y_test, indices=None)
    assert every.shape == (len(data.y_test), N, 4)
    mask = np.arange(N) % 7 == 0
    some = fit.explainer.perturbation_gradient(data.X_test, data.y_test, indices=mask)
    assert_allclose(some, every[:, mask], rtol=1e-12, atol=1e-15)


def test_sparse_rows_have_the_same_gradient(fit):
    case = fit.case
    csr = case.fit(SETTINGS[5], N)
    assert csr.setting.csr
    got = csr.explainer.perturbation_gradient(csr.data.X_test, csr.data.y_test, indices=[0, 50])
    expected = fit.explainer.perturbation_gradient(
        fit.data.X_test, fit.data.y_test, indices=[0, 50]
    )
    assert_allclose(got, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("step", [StandardScaler(), PCA(3)], ids=str)
def test_single_precision_stays_single(step):
    data = make_data("binary", N)
    pipeline = make_pipeline(clone(step), LogisticRegression(tol=1e-8)).fit(data.X, data.y)
    exact = InfluenceExplainer(pipeline, prefit=True).fit(data.X, data.y)
    single = make_pipeline(clone(step), LogisticRegression(tol=1e-5))
    X = data.X.astype(np.float32)
    explainer = InfluenceExplainer(single).fit(X, data.y)
    X_test = data.X_test.astype(np.float32)
    got = explainer.perturbation_gradient(X_test, data.y_test, indices=[1, 2])
    assert got.dtype == np.float32
    expected = exact.perturbation_gradient(data.X_test, data.y_test, indices=[1, 2])
    assert_allclose(got, expected, rtol=0.0, atol=1e-3 * np.abs(expected).max())


def test_labels_predicted_by_the_model_are_the_default(fit):
    data = fit.data
    got = fit.explainer.perturbation_gradient(data.X_test, indices=[4])
    predicted = fit.model.predict(data.X_test)
    assert_allclose(got, fit.explainer.perturbation_gradient(data.X_test, predicted, indices=[4]))


def test_gradient_of_ridge_in_closed_form():
    """One feature, no intercept: w = Σxy / (Σx² + α)."""
    X, y, alpha = np.array([[1.0], [2.0], [-1.0]]), np.array([1.0, 3.0, 0.5]), 0.7
    explainer = InfluenceExplainer(Ridge(alpha, fit_intercept=False)).fit(X, y)
    gram = float((X**2).sum() + alpha)
    w = float(X[:, 0] @ y / gram)
    slope = (y - 2 * w * X[:, 0]) / gram  # dw/dx_i
    x_test, y_test = 1.5, 4.0
    expected = 2 * (w * x_test - y_test) * x_test * slope
    got = explainer.perturbation_gradient([[x_test]], [y_test], indices=None)
    assert_allclose(got[0, :, 0] / 3, expected, rtol=1e-12)
