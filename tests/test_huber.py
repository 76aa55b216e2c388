"""Huber regression, its scale a parameter beside the coefficients."""

from __future__ import annotations

import numpy as np
import pytest
from models_huber import TIGHT, TightHuberRegressor, scaled_huber
from numpy.testing import assert_allclose
from rows import make_data
from scipy.optimize import minimize
from sklearn.linear_model import HuberRegressor
from wording import raises

from skinfluence import InfluenceExplainer, NotStationaryWarning

N, D, EPSILON, ALPHA = 100, 4, 1.35, 0.5
DATA = make_data("regression", N, D)
OUTLIERS = np.array([3, 40, 77])


def with_outliers():
    y = DATA.y.copy()
    y[OUTLIERS] += np.array([30.0, -20.0, 50.0])
    return y


def fit(y=DATA.y, weights=None, **options):
    settings = {"epsilon": EPSILON, "alpha": ALPHA, **TIGHT, **options}
    return TightHuberRegressor(**settings).fit(DATA.X, y, sample_weight=weights)


def explain(model, y=DATA.y, weights=None, **options):
    return InfluenceExplainer(model, prefit=True, **options).fit(DATA.X, y, weights)


def gradient(theta, X, y, weights, intercept=True):
    """Of Σ s (σ + σ H((z − y)/σ)) + alpha ‖w‖² in (w, b, σ), written out."""
    w, b, scale = theta[:D], theta[D], theta[D + 1]
    u = (X @ w + b * intercept - y) / scale
    inner = np.abs(u) <= EPSILON
    slope = weights * np.where(inner, 2.0 * u, 2.0 * EPSILON * np.sign(u))
    along = weights * (1.0 - np.where(inner, u**2, EPSILON**2))
    return np.r_[X.T @ slope + 2.0 * ALPHA * w, slope.sum(), along.sum()]


def joint_hessian(theta, weights=None):
    weights = np.ones(N) if weights is None else weights
    step = 1e-6
    columns = []
    for unit in np.eye(D + 2):
        ends = [gradient(theta + s * step * unit, DATA.X, DATA.y, weights) for s in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * step))
    return np.array(columns).T


def parameters(model):
    return np.r_[model.coef_, model.intercept_, model.scale_]


@pytest.mark.parametrize("weights", [None, DATA.sample_weight], ids=["plain", "weighted"])
def test_the_hessian_is_joint(weights):
    model = fit(weights=weights)
    explainer = explain(model, weights=weights)
    theta = parameters(model)
    s = np.ones(N) if weights is None else weights
    assert np.abs(gradient(theta, DATA.X, DATA.y, s)).max() < 1e-9
    objective = explainer.objective_
    free = objective.linear_map.free.reshape(-1)
    # Inputs outermost: (w_1, ·), …, (b, σ).
    order = np.flatnonzero(free)
    dense = objective.hessian().to_dense()[np.ix_(order, order)]
    assert_allclose(dense, joint_hessian(theta, s), rtol=1e-5, atol=1e-5)
    assert explainer.report_.relative_step < 1e-9
    assert objective.n_free_parameters == D + 2


def test_influence_on_all_parameters():
    model = fit()
    explainer = explain(model)
    theta, hessian = parameters(model), joint_hessian(parameters(model))
    changes = explainer.parameter_influence()
    assert list(changes) == ["coef", "intercept", "scale"]
    assert changes["scale"].shape == (N,)
    got = np.column_stack([changes["coef"], changes["intercept"], changes["scale"]])
    penalty = 2.0 * ALPHA * np.r_[theta[:D], 0.0, 0.0]
    rows = [gradient(theta, DATA.X[[i]], DATA.y[[i]], np.ones(1)) - penalty for i in range(N)]
    expected = -N * np.linalg.solve(hessian, np.array(rows).T).T
    assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    # With σ held the answers are others.
    held = -N * np.linalg.solve(hessian[:-1, :-1], np.array(rows).T[:-1]).T
    difference = np.abs(held - expected[:, :-1]).max() / np.abs(expected).max()
    assert difference > 0.02


def test_refits_by_a_general_minimiser():
    model = fit()
    explainer = explain(model)
    row = int(np.abs(explainer.self_influence()).argmax())
    left = DATA.without(row)

    def objective(theta):
        u = np.abs(left.X @ theta[:D] + theta[D] - left.y) / theta[-1]
        outer = 2.0 * EPSILON * u - EPSILON**2
        losses = theta[-1] * (1.0 + np.where(u <= EPSILON, u**2, outer))
        slope = gradient(theta, left.X, left.y, np.ones(N - 1))
        return losses.sum() + ALPHA * theta[:D] @ theta[:D], slope

    start = parameters(model)
    best = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
    exact = explainer.parameter_influence(kind="refit", indices=[row])
    got = np.r_[exact["coef"][0], exact["intercept"][0], exact["scale"][0]]
    assert_allclose(start + got, best, rtol=1e-6, atol=1e-6)
    # σ itself follows the row, and what it does is no afterthought.
    assert abs(got[-1]) > 1e-3


def test_predictions_and_losses_of_outliers():
    y = with_outliers()
    model = fit(y)
    explainer = explain(model, y)
    assert_allclose(explainer.loo_predict(kind="refit")[0], _without(y, 0).predict(DATA.X[:1])[0])
    rows = np.r_[OUTLIERS, 0]
    for kind, tolerance in (("removal", 0.1), ("refit", 1e-7)):
        changes = explainer.influence(DATA.X_test, target="prediction", kind=kind, indices=rows)
        actual = [
            _without(y, row).predict(DATA.X_test) - model.predict(DATA.X_test) for row in rows
        ]
        assert_allclose(changes, np.transpose(actual), atol=tolerance * np.abs(actual).max())
    # Beyond ε σ a target's own size no longer matters to coefficients.
    further = y.copy()
    further[OUTLIERS] += np.sign(y[OUTLIERS]) * 1000.0
    moved = explain(fit(further), further)
    assert_allclose(fit(further).coef_, model.coef_, rtol=1e-6)
    same = explainer.parameter_influence(), moved.parameter_influence()
    assert_allclose(same[0]["coef"], same[1]["coef"], rtol=1e-4, atol=1e-5)


def _without(y, row):
    keep = np.arange(N) != row
    options = {"epsilon": EPSILON, "alpha": ALPHA, **TIGHT}
    return TightHuberRegressor(**options).fit(DATA.X[keep], y[keep])


def test_losses_include_the_scale():
    model = fit()
    explainer = explain(model)
    exact = explainer.influence(DATA.X_test, DATA.y_test, kind="refit", indices=[11])[:, 0]
    other = _without(DATA.y, 11)
    losses = [scaled_huber(each, DATA.X_test, DATA.y_test) for each in (model, other)]
    assert_allclose(exact, losses[1] - losses[0], atol=1e-8)
    assert "scale included" in str(explainer.explain(DATA.X_test[:1], DATA.y_test[:1]).unit)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_moving_rows(fit_intercept):
    model = fit(fit_intercept=fit_intercept)
    row, step = 11, 1e-4
    test = DATA.X_test, DATA.y_test
    gradients = explain(model).perturbation_gradient(*test, indices=[row])[:, 0]
    for j in range(D):
        ends = []
        for sign in (1.0, -1.0):
            X = DATA.X.copy()
            X[row, j] += sign * step
            other = TightHuberRegressor(**model.get_params()).fit(X, DATA.y)
            ends.append(scaled_huber(other, *test))
        actual = (ends[0] - ends[1]) / (2 * step)
        assert_allclose(gradients[:, j] / N, actual, atol=1e-6)
    assert not explain(model).parameter_influence()["intercept"].any() or fit_intercept


def test_rows_of_weight_0_are_no_rows():
    weights = np.where(np.arange(N) < 10, 0.0, 1.0)
    explainer = explain(fit(weights=weights), weights=weights)
    kept = TightHuberRegressor(epsilon=EPSILON, alpha=ALPHA, **TIGHT).fit(DATA.X[10:], DATA.y[10:])
    other = InfluenceExplainer(kept, prefit=True).fit(DATA.X[10:], DATA.y[10:])
    for kind in ("removal", "refit"):
        got = explainer.influence(DATA.X_test, DATA.y_test, kind=kind)
        assert_allclose(got[:, :10], 0.0, atol=1e-14)
        expected = other.influence(DATA.X_test, DATA.y_test, kind=kind)
        assert_allclose(got[:, 10:], expected, atol=1e-9 * np.abs(expected).max())


def test_storage_solvers_and_diagnostics():
    model = fit()
    explainer = explain(model)
    expected = explainer.influence(DATA.X_test, DATA.y_test, kind="removal")
    rows = DATA.as_csr()
    stored = InfluenceExplainer(model, prefit=True).fit(rows.X, rows.y)
    assert_allclose(stored.influence(rows.X_test, rows.y_test, kind="removal"), expected)
    by_cg = explain(model, solver="cg").influence(DATA.X_test, DATA.y_test, kind="removal")
    assert_allclose(by_cg, expected, atol=1e-7 * np.abs(expected).max())
    with raises(ValueError, "solver='dual'", "don't all have the same parameters", "'cholesky'"):
        explain(model, solver="dual")
    theta = parameters(model)
    penalty = np.diag([2.0 * ALPHA] * D + [0.0, 0.0])
    hessian = joint_hessian(theta)
    trace = np.trace(np.linalg.solve(hessian, hessian - penalty))
    assert explainer.effective_dof() == pytest.approx(trace, rel=1e-4)
    with raises(ValueError, "dfbetas=True for ScaledHuber", "parameter_influence"):
        explainer.diagnostics(dfbetas=True)


# ------------------------------------------------------------------------------------- limits
def test_without_outliers_it_is_ridge_regression():
    """ε beyond all residuals: σ is their root mean square, and Ω weighs 2 alpha σ."""
    model = fit(epsilon=50.0)
    explainer = explain(model)
    phi = np.column_stack([DATA.X, np.ones(N)])
    penalty = np.diag([ALPHA * model.scale_] * D + [0.0])
    theta = np.linalg.solve(phi.T @ phi + penalty, phi.T @ DATA.y)
    assert_allclose(np.r_[model.coef_, model.intercept_], theta, rtol=1e-8)
    off = phi @ theta - DATA.y
    assert model.scale_ == pytest.approx(np.sqrt((off**2).mean()), rel=1e-8)
    assert explainer.report_.relative_step < 1e-8


WORDS = ["HuberRegressor has scale_=", "for targets that spread by", "no derivative", "raise alpha"]


def test_the_smallest_epsilon_has_no_scale():
    """ε = 1 is the median's regression, whose σ is 0."""
    model = HuberRegressor(epsilon=1.0, **TIGHT).fit(DATA.X, DATA.y)
    if model.scale_ > 1e-6:  # wherever L-BFGS gave up
        with pytest.warns(NotStationaryWarning, match="HuberRegressor is not at the optimum"):
            explain(model)
        model.scale_ = 1e-9
    with raises(ValueError, *WORDS, "epsilon"):
        explain(model)


@pytest.mark.parametrize("case", ["exact rows", "more features than rows"])
def test_rows_that_are_fitted_exactly(case):
    X, y = DATA.X, DATA.X @ np.arange(1.0, D + 1)
    if case == "more features than rows":
        X = np.random.default_rng(0).standard_normal((N, 2 * N))
    model = HuberRegressor(alpha=0.0, tol=1e-9, max_iter=5000).fit(X, y)
    with raises(ValueError, *WORDS):
        InfluenceExplainer(model, prefit=True).fit(X, y)
