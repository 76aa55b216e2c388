"""Relevance determination: held at its precisions and its choice of features."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.base import clone
from sklearn.linear_model import ARDRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceExplainer
from skinfluence.adapters import same_hyperparameters

N, D = 100, 12
DATA = make_data("regression", N, D)


def fit(**options):
    return ARDRegression(threshold_lambda=100.0, **options).fit(DATA.X, DATA.y)


def posterior_mean(model, rows=slice(None)):
    """In closed form, at the model's precisions: (w of the kept features, b)."""
    kept = model.lambda_ < model.threshold_lambda
    X, y = DATA.X[rows][:, kept], DATA.y[rows]
    centre = (X.mean(axis=0), y.mean()) if model.fit_intercept else (np.zeros(kept.sum()), 0.0)
    X, y = X - centre[0], y - centre[1]
    precision = model.alpha_ * X.T @ X + np.diag(model.lambda_[kept])
    w = np.linalg.solve(precision, model.alpha_ * X.T @ y)
    return w, centre[1] - centre[0] @ w, kept


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_against_the_posterior_mean(fit_intercept):
    model = fit(fit_intercept=fit_intercept)
    kept = model.lambda_ < model.threshold_lambda
    assert 0 < kept.sum() < D
    explainer = InfluenceExplainer(model, prefit=True).fit(DATA.X, DATA.y)
    assert explainer.report_.relative_step < 1e-8
    assert f"{kept.sum()} of {D} features" in explainer.report_.held
    assert explainer.report_.p == kept.sum() + fit_intercept
    rows = np.array([0, 17, 60])
    for kind in ("removal", "refit"):
        changes = explainer.parameter_influence(kind=kind, indices=rows)
        assert changes["coef"].shape == (3, D)
        assert not changes["coef"][:, ~kept].any()
        for place, row in enumerate(rows):
            w, b, _ = posterior_mean(model, np.arange(N) != row)
            assert_allclose(model.coef_[kept] + changes["coef"][place, kept], w, atol=1e-10)
            assert_allclose(model.intercept_ + changes["intercept"][place], b, atol=1e-10)


def test_moving_rows_and_features_that_were_pruned():
    model = fit()
    explainer = InfluenceExplainer(model, prefit=True).fit(DATA.X, DATA.y)
    gradient = explainer.perturbation_gradient(DATA.X_test, DATA.y_test, indices=[5])[:, 0]
    held, step = same_hyperparameters(model), 1e-5
    for j in range(D):
        ends = []
        for sign in (1.0, -1.0):
            X = DATA.X.copy()
            X[5, j] += sign * step
            ends.append((clone(held).fit(X, DATA.y).predict(DATA.X_test) - DATA.y_test) ** 2)
        actual = (ends[0] - ends[1]) / (2 * step)
        assert_allclose(gradient[:, j] / N, actual, atol=1e-8)
    assert not gradient[:, model.coef_ == 0].any()


def test_leverage_and_names_of_the_kept_features():
    model = fit()
    w, _, kept = posterior_mean(model)
    assert_allclose(model.coef_[kept], w)
    explainer = InfluenceExplainer(model, prefit=True).fit(DATA.X, DATA.y)
    X = DATA.X[:, kept] - DATA.X[:, kept].mean(axis=0)
    precision = X.T @ X + np.diag(model.lambda_[kept] / model.alpha_)
    expected = 1.0 / N + np.einsum("ij,ji->i", X, np.linalg.solve(precision, X.T))
    table = explainer.diagnostics(dfbetas=True)
    assert_allclose(table["leverage"], expected, rtol=1e-8)
    names = [f"dfbetas_x{j}" for j in np.flatnonzero(kept)] + ["dfbetas_intercept"]
    assert list(table.columns[4:]) == names
    assert explainer.effective_dof() == pytest.approx(expected.sum())


@pytest.mark.parametrize("scaled", [False, True])
def test_verification_refits_at_the_same_precisions(scaled):
    model = ARDRegression(threshold_lambda=100.0)
    model = make_pipeline(StandardScaler(), model) if scaled else model
    explainer = InfluenceExplainer(model).fit(DATA.X, DATA.y)
    agreement = explainer.verify(
        DATA.X_test, DATA.y_test, n_rows=5, preprocessing="fixed" if scaled else "refit"
    )
    assert_allclose(agreement.predicted, agreement.actual, atol=1e-9)


def test_precisions_that_follow_the_rows_are_another_question():
    model = fit(tol=1e-10, max_iter=5000)
    explainer = InfluenceExplainer(model, prefit=True).fit(DATA.X, DATA.y)
    row = int(np.abs(explainer.self_influence()).argmax())
    left = DATA.without(row)
    anew = clone(model).fit(left.X, left.y).coef_ - model.coef_
    held = explainer.parameter_influence(kind="removal", indices=[row])["coef"][0]
    assert np.linalg.norm(anew - held) / np.linalg.norm(held) > 1e-3
