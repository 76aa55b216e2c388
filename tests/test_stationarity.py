"""∇J = 0 at scikit-learn's optimum: every translation of ``alpha``, ``C``, weights and intercepts.

A wrong factor anywhere moves the optimum by far more than the tolerances here.
"""

from __future__ import annotations

import numpy as np
import pytest
from catalogue import CASES, SMOOTH_CASES, by_name, combinations, named
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from skinfluence import InfluenceExplainer
from skinfluence.exceptions import NotStationaryWarning

WITH_KINKS = [case for case in CASES if case.has_kink]


@pytest.mark.parametrize("case, setting", combinations(SMOOTH_CASES), ids=by_name)
def test_gradient_vanishes(case, setting):
    explainer = case.fit(setting).explainer
    objective = explainer.objective_
    weighted = np.abs(objective.weights.values * objective.residuals)
    terms = np.linalg.norm(objective.sum_gradients(weighted))
    assert explainer.report_.gradient_norm == pytest.approx(np.linalg.norm(objective.gradient()))
    # liblinear's and lbfgs' last step is the limit; the others are 1e-9 and below.
    assert explainer.report_.gradient_norm <= 1e-6 * terms
    assert explainer.report_.relative_step <= 1e-5


@pytest.mark.parametrize("case, setting", combinations(WITH_KINKS), ids=by_name)
def test_subgradient_of_the_kink_vanishes(case, setting):
    # The smooth hinge is another function than the hinge: only a subgradient, which puts every
    # slope between the kink's two on rows that lie on it, is close to zero.
    fit = case.fit(setting)
    assert fit.explainer.report_.relative_step <= 1e-3
    assert fit.explainer.report_.gradient_norm < 0.01 * np.linalg.norm(fit.objective.gradient())


@pytest.mark.parametrize("case, setting", combinations(WITH_KINKS), ids=by_name)
def test_the_smooth_optimum_is_one(case, setting):
    fit = case.fit(setting)
    objective = fit.explainer.objective_
    assert np.linalg.norm(objective.gradient()) < 1e-8 * np.linalg.norm(fit.objective.gradient())
    moved = np.abs(objective.training_values - fit.objective.training_values).max()
    # Rows whose multipliers are near their bounds lie many temperatures off the kink.
    assert moved < 30 * objective.loss.temperature


@pytest.mark.parametrize("case, setting", combinations(CASES), ids=by_name)
def test_losses_and_weights_are_the_estimators(case, setting):
    fit = case.fit(setting)
    objective = fit.objective
    losses = objective.loss.value(objective.y, objective.training_values)
    expected = case.loss(fit.model, fit.data.X, fit.data.y)
    smoothing = objective.loss.temperature if case.has_kink else 0.0
    assert_allclose(losses, expected, rtol=1e-9, atol=1e-12 + smoothing)
    if objective.weights.values.shape[1] > 1 or "balanced, weighted" in setting.name:
        return  # liblinear's weights per class, and scikit-learn's change of mind: see above
    weights = np.ones(len(losses)) if setting.weights(fit.data) is None else fit.data.sample_weight
    if setting.class_weight is not None:
        weights = weights * compute_sample_weight(fit.model.class_weight, fit.data.y)
    assert_allclose(objective.weights.values[:, 0], weights)


@pytest.mark.parametrize("case, setting", combinations(CASES), ids=by_name)
def test_parameters_are_scikit_learns(case, setting):
    fit = case.fit(setting)
    objective, model = fit.objective, fit.model
    parameters = objective.predictor.unpack(objective.theta.reshape(-1, 1))
    coef, intercept = np.array(model.coef_), np.array(model.intercept_)
    assert parameters["coef"][0].shape == coef.shape
    assert parameters["intercept"][0].shape == intercept.shape
    if objective.predictor.contrasts is not None:
        # Softmax doesn't see what all classes have in common.
        coef, intercept = coef - coef.mean(axis=0), intercept - intercept.mean()
    assert_allclose(parameters["coef"][0], coef, rtol=1e-7, atol=1e-10)
    assert_allclose(parameters["intercept"][0], intercept, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("case, setting", combinations(CASES), ids=by_name)
def test_decision_values_are_scikit_learns(case, setting):
    fit = case.fit(setting)
    objective = fit.objective
    test_map = objective.predictor.linearize(fit.data.X_test)
    values = objective.decision_values(test_map)
    if not case.is_classifier:
        expected = fit.model.predict(fit.data.X_test).reshape(values.shape)
    else:
        expected = fit.model.decision_function(fit.data.X_test)
        if objective.predictor.contrasts is not None:
            expected = expected @ objective.predictor.contrasts
        expected = expected.reshape(values.shape)
    assert_allclose(values, expected, rtol=1e-9, atol=1e-10)


WRONG = {
    "other rows": lambda data, rng: (data.X + rng.standard_normal(data.X.shape), data.y, None),
    "other targets": lambda data, rng: (data.X, rng.permutation(data.y), None),
    "other weights": lambda data, rng: (data.X, data.y, 10.0 ** rng.uniform(-1, 1, len(data.y))),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=list(WRONG))
@pytest.mark.parametrize(
    "case",
    named("Ridge", "LogisticRegression, newton-cholesky, 3 classes", "LinearSVC"),
    ids=by_name,
)
def test_other_training_data_are_noticed(case, change):
    fit = case.fit()
    X, y, weights = change(fit.data, np.random.default_rng(0))
    with pytest.warns(NotStationaryWarning, match="not at the optimum"):
        explainer = InfluenceExplainer(fit.model, prefit=True).fit(X, y, sample_weight=weights)
    assert explainer.report_.relative_step > 0.1


@pytest.mark.parametrize(
    "name, parameter, value",
    [
        ("Ridge", "alpha", 200.0),
        ("LogisticRegression, lbfgs", "C", 0.01),
        ("LinearSVC", "C", 1e-3),
        ("LinearSVC, intercept_scaling", "intercept_scaling", 0.1),
    ],
)
def test_changed_hyper_parameters_are_noticed(name, parameter, value):
    (case,) = named(name)
    data = make_data(case.data)
    model = case.prepare(case.fit().setting).fit(data.X, data.y).set_params(**{parameter: value})
    with pytest.warns(NotStationaryWarning, match="not at the optimum"):
        InfluenceExplainer(model, prefit=True).fit(data.X, data.y)


@pytest.mark.parametrize("csr", [False, True])
def test_single_precision_fits_are_stationary_enough(csr):
    data = make_data("binary")
    data = data.as_csr() if csr else data
    explainer = InfluenceExplainer(LogisticRegression(tol=1e-5))
    explainer.fit(data.X.astype(np.float32), data.y)
    assert explainer.report_.relative_step <= 1e-3
