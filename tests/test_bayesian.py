"""Bayesian linear regression: held at its precisions, also where it is refitted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.base import clone
from sklearn.linear_model import BayesianRidge, Ridge

from skinfluence import InfluenceExplainer
from skinfluence.adapters import same_hyperparameters


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_estimator_to_refit_is_ridge_at_the_fitted_ratio(fit_intercept):
    data = make_data("regression")
    fitted = BayesianRidge(fit_intercept=fit_intercept, max_iter=4, tol=0.5).fit(data.X, data.y)
    ridge = same_hyperparameters(fitted)
    assert isinstance(ridge, Ridge)
    assert ridge.alpha == pytest.approx(fitted.lambda_ / fitted.alpha_, rel=1e-14)
    assert ridge.max_iter is None
    assert ridge.tol <= 1e-10
    ridge.fit(data.X, data.y)
    assert_allclose(ridge.coef_, fitted.coef_, rtol=1e-10)
    assert_allclose(ridge.intercept_, fitted.intercept_, rtol=1e-10, atol=1e-14)


def test_verify_agrees_exactly():
    data = make_data("regression", n=60)
    explainer = InfluenceExplainer(BayesianRidge()).fit(data.X, data.y, data.sample_weight)
    agreement = explainer.verify(data.X_test, data.y_test, n_rows=8)
    assert_allclose(agreement.predicted, agreement.actual, atol=1e-9)


def test_precisions_that_follow_the_rows_are_another_question():
    """What is left out by holding them: a refit that chooses them anew differs a little."""
    data = make_data("regression", n=60)
    fitted = BayesianRidge(tol=1e-12).fit(data.X, data.y)
    explainer = InfluenceExplainer(fitted, prefit=True).fit(data.X, data.y)
    row = int(np.abs(explainer.self_influence()).argmax())
    left = data.without(row)
    anew = clone(fitted).fit(left.X, left.y).coef_ - fitted.coef_
    held = explainer.parameter_influence(kind="removal", indices=[row])["coef"][0]
    difference = np.linalg.norm(anew - held) / np.linalg.norm(held)
    assert 1e-4 < difference < 0.2
