"""Generalised linear models, in the unit of y: predictions, held-out rows, other targets."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from asking import same
from models_glm import half_deviance
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.base import clone
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor
from sklearn.metrics import d2_tweedie_score, mean_poisson_deviance
from sklearn.model_selection import KFold, LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceExplainer

N = 120
COUNTS, POSITIVE = make_data("counts", N), make_data("positive", N)
tight = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
poisson, gamma, tweedie = (
    partial(kind, alpha=0.1, **tight)
    for kind in (PoissonRegressor, GammaRegressor, TweedieRegressor)
)


def explained(model: Any, data: Any, weights: Any = None, **options: Any) -> InfluenceExplainer:
    return InfluenceExplainer(model, **options).fit(data.X, data.y, weights)


# ------------------------------------------------------------------------------- predictions
@pytest.mark.parametrize(
    "model, data", [(poisson(), COUNTS), (tweedie(power=1.5, link="identity", alpha=1.0), POSITIVE)]
)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_the_predicted_value_as_target(model, data, weighted):
    """In the unit of y: of a log link exp(z)."""
    weights = data.sample_weight if weighted else None
    explainer = explained(model, data, weights)
    asked = {"target": "prediction", "indices": range(20)}
    actual = []
    for row in range(20):
        left = data.without(row)
        refitted = clone(model).fit(left.X, left.y, left.sample_weight if weighted else None)
        actual.append(refitted.predict(data.X_test) - explainer.predict(data.X_test))
    actual = np.array(actual).T
    same(explainer.influence(data.X_test, kind="refit", **asked), actual, 1e-8)
    removal = explainer.influence(data.X_test, kind="removal", **asked)
    assert np.corrcoef(removal.ravel(), actual.ravel())[0, 1] > 0.999
    assert abs(np.polyfit(actual.ravel(), removal.ravel(), 1)[0] - 1.0) < 0.05


def test_upweighting_the_predicted_value():
    """To first order in a row's weight, with the penalty held as it is."""
    step, ends = 1e-4, []
    for sign in (1.0, -1.0):
        weights = np.ones(N)
        weights[3] += sign * step
        model = poisson(alpha=0.1 * N / weights.sum())
        ends.append(model.fit(COUNTS.X, COUNTS.y, weights).predict(COUNTS.X_test))
    explainer = explained(poisson(), COUNTS)
    got = explainer.influence(COUNTS.X_test, target="prediction", indices=[3])[:, 0]
    same(got, N * (ends[0] - ends[1]) / (2.0 * step), 1e-6)


def test_explanations_without_targets_are_of_the_predicted_value():
    explainer = explained(poisson(), COUNTS)
    explanation = explainer.explain(COUNTS.X_test[:1], k=3, kind="refit")
    assert explanation.target == "prediction"
    assert explanation.unit == "unit of y"
    change = explainer.influence(COUNTS.X_test[:1], target="prediction", kind="refit")[0]
    extremes = explanation.helpful_effects[0, 0], explanation.harmful_effects[0, 0]
    assert_allclose(sorted(extremes), [change.min(), change.max()], rtol=1e-10)


@pytest.mark.parametrize("target", ["loss", "prediction"])
@pytest.mark.parametrize(
    "model, data",
    [
        (poisson(), make_data("counts", 400)),
        (make_pipeline(StandardScaler(), gamma()), make_data("positive", 400)),
        (tweedie(power=1, link="identity", alpha=1.0), make_data("positive", 400)),
    ],
)
def test_verify(model, data, target):
    explainer = explained(model, data)
    y_test = data.y_test if target == "loss" else None
    asked = {"target": target, "n_rows": 10, "strategy": "random"}
    result = explainer.verify(data.X_test, y_test, preprocessing="fixed", **asked)
    assert result.correlation > 0.999
    assert abs(result.slope - 1.0) < 0.02
    exact = explainer.verify(data.X_test, y_test, preprocessing="fixed", kind="refit", **asked)
    same(exact.predicted, exact.actual, 1e-8)
    # Without the row the scaler is another, too.
    assert explainer.verify(data.X_test, y_test, **asked).correlation > 0.99


# ------------------------------------------------------------------------------------ held out
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "model, data",
    [
        (poisson(), COUNTS),
        (gamma(), POSITIVE),
        (tweedie(power=1.5), POSITIVE),
        (tweedie(power=1.0, link="identity", alpha=1.0), POSITIVE),
    ],
)
def test_leave_one_out(model, data, weighted):
    explainer = explained(model, data, data.sample_weight if weighted else None)
    actual = []
    for row in range(N):
        left = data.without(row)
        refitted = clone(model).fit(left.X, left.y, left.sample_weight if weighted else None)
        actual.append(refitted.predict(data.X[[row]])[0])
    same(explainer.loo_predict(kind="refit"), np.array(actual), 1e-8)
    same(explainer.loo_decision_function(kind="refit"), np.array(actual), 1e-8)
    same(explainer.loo_predict(), np.array(actual), 0.05)


def test_scores():
    explainer = explained(poisson(), COUNTS)
    predicted = cross_val_predict(poisson(), COUNTS.X, COUNTS.y, cv=LeaveOneOut())
    got = explainer.loo_score("neg_mean_poisson_deviance", kind="refit")
    assert got == pytest.approx(-mean_poisson_deviance(COUNTS.y, predicted), rel=1e-8)

    def share(estimator, X, y):
        return d2_tweedie_score(y, estimator.predict(X), power=1)

    expected = d2_tweedie_score(COUNTS.y, predicted, power=1)
    assert explainer.loo_score(share, kind="refit") == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    "model, data", [(poisson(), COUNTS), (tweedie(power=1.5, link="identity", alpha=1), POSITIVE)]
)
def test_cross_validation(model, data):
    cv = KFold(4, shuffle=True, random_state=0)
    actual = cross_val_predict(model, data.X, data.y, cv=cv)
    same(explained(model, data).cross_val_decision(cv, kind="refit"), actual, 1e-8)


def test_reweight():
    new = np.random.default_rng(1).uniform(0.0, 2.0, (N, 3))
    new[:10, 0] = 0.0
    models = [poisson().fit(COUNTS.X, COUNTS.y, each) for each in new.T]
    actual = np.array([model.predict(COUNTS.X_test) for model in models]).T
    same(explained(poisson(), COUNTS).reweight(new, COUNTS.X_test, kind="refit"), actual, 1e-8)


# ------------------------------------------------------------------------------------ questions
def test_other_targets_for_training_rows():
    explainer = explained(poisson(), COUNTS)
    asked = {"indices": [4], "y_new": [COUNTS.y[4] + 3.0], "kind": "refit"}
    got = explainer.perturbation_influence(COUNTS.X_test, COUNTS.y_test, **asked)[:, 0]
    moved = COUNTS.y.copy()
    moved[4] += 3.0
    loss = half_deviance(1.0)
    after = loss(poisson().fit(COUNTS.X, moved), COUNTS.X_test, COUNTS.y_test)
    same(got, after - loss(explainer.estimator_, COUNTS.X_test, COUNTS.y_test), 1e-8)


def test_moved_features():
    gradient = explained(poisson(), COUNTS).perturbation_gradient(
        COUNTS.X_test, COUNTS.y_test, indices=[5]
    )
    ends, loss = [], half_deviance(1.0)
    for move in (1e-4, -1e-4):
        moved = COUNTS.X.copy()
        moved[5, 2] += move
        ends.append(loss(poisson().fit(moved, COUNTS.y), COUNTS.X_test, COUNTS.y_test))
    same(gradient[:, 0, 2] / N, (ends[0] - ends[1]) / 2e-4, 1e-6)


@pytest.mark.parametrize(
    "power, unit",
    [
        (0, "half squared error (unit of y, squared)"),
        (1, "half Poisson deviance"),
        (2, "half gamma deviance"),
        (3, "half inverse Gaussian deviance"),
        (1.5, "half Tweedie deviance of power 1.5"),
    ],
)
def test_units(power, unit):
    explainer = explained(TweedieRegressor(power=power), POSITIVE)
    explanation = explainer.explain(POSITIVE.X_test, POSITIVE.y_test, k=1)
    assert explanation.unit == unit
    assert unit in repr(explanation)
