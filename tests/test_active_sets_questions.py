"""All that can be asked of a model with an L1 penalty, against real refits and closed forms."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from models_active import TIGHT, logistic
from numpy.testing import assert_allclose
from reference import log_loss, squared_error
from rows import Data, make_data
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    MultiTaskLasso,
)
from wording import raises

from skinfluence import InfluenceExplainer
from skinfluence.functionals import coefficient

N, D = 100, 8
MODELS = {
    "Lasso": (Lasso(0.1, **TIGHT), "regression"),
    "Lasso, 3 outputs": (Lasso(0.1, **TIGHT), "multi-output"),
    "ElasticNet": (ElasticNet(0.2, **TIGHT), "regression"),
    "MultiTaskLasso": (MultiTaskLasso(0.2, **TIGHT), "multi-output"),
    "binary": (logistic(1.0), "binary"),
    "3 classes": (logistic(1.0, tol=1e-10), "three classes"),
    "liblinear": (logistic(1.0, solver="liblinear", C=1.0), "binary"),
}
quiet = pytest.mark.filterwarnings("ignore:.*would change the support:RuntimeWarning")


@cache
def fitted(name: str) -> tuple[Any, Data, Any]:
    model, kind = MODELS[name]
    data = make_data(kind, N, D)
    return clone(model).fit(data.X, data.y), data, log_loss if "class" in kind else squared_error


def loss_of(name: str) -> Any:
    return squared_error if MODELS[name][1] in ("regression", "multi-output") else log_loss


def explain(name: str, **options: Any) -> InfluenceExplainer:
    model, data, _ = fitted(name)
    return InfluenceExplainer(model, prefit=True, **options).fit(data.X, data.y)


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


def rel(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


# -------------------------------------------------------------------------- single questions
@quiet
def test_parameters_have_the_estimators_shape(name):
    model, _, _ = fitted(name)
    for kind in ("upweight", "removal"):
        changes = explain(name).parameter_influence(kind=kind)
        assert changes["coef"].shape == (N, *model.coef_.shape)
        assert changes["intercept"].shape == (N, *np.shape(model.intercept_))
        outside = model.coef_ == 0
        assert not changes["coef"][:, outside].any()
        assert np.abs(changes["coef"][:, ~outside]).max(axis=0).all()


def test_moving_rows_against_real_refits(name):
    """Where a coefficient is 0 and stays it, its feature has no effect at all."""
    model, data, _ = fitted(name)
    row, step, loss = 7, 1e-4, loss_of(name)
    test = data.X_test, data.y_test
    gradient = explain(name).perturbation_gradient(*test, indices=[row])[:, 0]
    actual = np.empty_like(gradient)
    for j in range(D):
        ends = []
        for sign in (1.0, -1.0):
            X = data.X.copy()
            X[row, j] += sign * step
            ends.append(loss(clone(model).fit(X, data.y), *test))
        actual[:, j] = (ends[0] - ends[1]) / (2 * step)
    assert_allclose(gradient / N, actual, atol=1e-6 * np.abs(actual).max())
    idle = (np.atleast_2d(model.coef_) == 0).all(axis=0)
    assert (gradient[:, idle] == 0).all()
    assert gradient[:, ~idle].any(axis=0).all()


@pytest.mark.parametrize("what", ["X", "y", "both"])
@pytest.mark.parametrize("name", ["Lasso", "MultiTaskLasso", "3 classes"])
def test_exchanges_against_real_refits(name, what):
    model, data, _ = fitted(name)
    explainer, loss = explain(name), loss_of(name)
    test = data.X_test, data.y_test
    before, exact, actual = loss(model, *test), [], []
    for row in range(0, 60, 10):
        X_new, y_new = data.X[[row]] + 0.3, data.y[[row + 30]]
        options = {} if what == "y" else {"X_new": X_new}
        options |= {} if what == "X" else {"y_new": y_new}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            got = explainer.perturbation_influence(*test, indices=[row], kind="refit", **options)
        X, y = data.X.copy(), data.y.copy()
        X[row] = X_new[0] if what != "y" else X[row]
        y[row] = y_new[0] if what != "X" else y[row]
        other = clone(model).fit(X, y)
        # It tells of just those after which the support is another one.
        moved = bool((np.sign(other.coef_) != np.sign(model.coef_)).any())
        told = [str(each.message) for each in caught]
        left = {"MultiTaskLasso": bool(((other.coef_ == 0) != (model.coef_ == 0)).any())}
        assert bool(told) == left.get(name, moved)
        if told:
            assert f"1 rows (for example [{row}]) would change the support" in told[0]
            assert "if they were replaced" in told[0]
        else:
            exact.append(got[:, 0])
            actual.append(loss(other, *test) - before)
    assert len(actual) >= 2
    assert_allclose(exact, actual, atol=1e-6 * np.abs(actual).max())


def test_exchanges_by_a_newton_step_tell_too():
    _, data, _ = fitted("binary")
    explainer = explain("binary")
    test = data.X_test, data.y_test
    with pytest.warns(RuntimeWarning, match="rows .* would change the support .* replaced"):
        explainer.label_flip_influence(*test)
    X_new = data.X[:10] + 3.0
    with pytest.warns(RuntimeWarning, match="rows .* would change the support .* replaced"):
        explainer.perturbation_influence(*test, indices=np.arange(10), X_new=X_new)


def test_decision_values_left_out_are_the_estimators_own(name):
    model, data, _ = fitted(name)
    explainer = explain(name)
    row = int(np.flatnonzero(~explainer.support_changes(kind="refit"))[0])
    other = clone(model).fit(*(each[np.arange(N) != row] for each in (data.X, data.y)))
    shown = getattr(other, "decision_function", other.predict)(data.X[[row]])[0]
    method = "loo_decision_function" if hasattr(model, "decision_function") else "loo_predict"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        got = getattr(explainer, method)(kind="refit")[row]
    assert_allclose(got, shown, rtol=1e-6, atol=1e-8)


@quiet
def test_numbers_of_the_model():
    model, _, _ = fitted("Lasso")
    explainer = explain("Lasso")
    moves = explainer.parameter_influence(kind="removal")["coef"]
    for j in (int(np.flatnonzero(model.coef_)[0]), int(np.flatnonzero(model.coef_ == 0)[0])):
        effects = explainer.functional_influence(None, None, coefficient(j), kind="removal")
        assert_allclose(effects, moves[:, j], atol=1e-14)
    with raises(ValueError, "most_influential_set", "exactly 0", "no sign to flip"):
        explainer.most_influential_set(coefficient(j), 2)


@quiet
def test_diagnostics_are_of_the_active_features():
    """A lasso's hat matrix is that of least squares on its support."""
    model, data, _ = fitted("Lasso")
    explainer = explain("Lasso")
    used = np.flatnonzero(model.coef_)
    phi = np.column_stack([data.X[:, used], np.ones(N)])
    hat = phi @ np.linalg.solve(phi.T @ phi, phi.T)
    assert explainer.effective_dof() == pytest.approx(len(used) + 1, rel=1e-12)
    table = explainer.diagnostics(dfbetas=True)
    assert_allclose(table["leverage"], np.diag(hat), rtol=1e-10)
    names = [f"dfbetas_x{j}" for j in used] + ["dfbetas_intercept"]
    assert [column for column in table.columns if column.startswith("dfbetas")] == names
    # With the penalty held as it is, each column is the change over its standard error.
    inverse, residuals = np.linalg.inv(phi.T @ phi), data.y - model.predict(data.X)
    changes = phi @ inverse * (residuals / (1.0 - np.diag(hat)))[:, None]
    spreads = changes / np.sqrt(np.diag(inverse)) / table[names].to_numpy()
    assert_allclose(spreads, np.repeat(spreads[:, :1], len(names), axis=1), rtol=1e-8)
    assert (spreads > 0).all()


def test_diagnostics_of_grouped_norms():
    """tr H, and ‖H e_i‖² in Cook's distance, by the curved penalty's dense form."""
    model, data, _ = fitted("MultiTaskLasso")
    explainer = explain("MultiTaskLasso")
    hessian = explainer.objective_.hessian().to_dense()
    phi = np.kron(np.column_stack([data.X, np.ones(N)]), np.eye(3))
    hat = 2.0 * phi @ np.linalg.solve(hessian, phi.T)
    assert explainer.effective_dof() == pytest.approx(np.trace(hat), rel=1e-10)
    assert np.trace(hat) < 3 * (D + 1) - 1
    residuals = (model.predict(data.X) - data.y).reshape(-1)
    table = explainer.diagnostics()
    variance = residuals @ residuals / (3 * N - np.trace(hat))
    for row in (3, 50):
        own = slice(3 * row, 3 * row + 3)
        step = np.linalg.solve(np.eye(3) - hat[own, own], residuals[own])
        expected = ((hat[:, own] @ step) ** 2).sum() / (np.trace(hat) * variance)
        assert table["cooks_distance"][row] == pytest.approx(expected, rel=1e-8)


# ------------------------------------------------------------------------------- closed forms
@quiet
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_removal_from_a_lasso_in_closed_form(fit_intercept):
    """On the support A: θ = (Φ_AᵀΦ_A)⁻¹(Φ_Aᵀ y − n α sign θ), with n − 1 for n without a row."""
    data = make_data("regression", N, D)
    model = Lasso(0.1, fit_intercept=fit_intercept, **TIGHT).fit(data.X, data.y)
    used = np.flatnonzero(model.coef_)
    signs = np.r_[np.sign(model.coef_[used]), [0.0] * fit_intercept]
    explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y)
    changes = explainer.parameter_influence(kind="removal", indices=[0, 41])
    for place, row in enumerate((0, 41)):
        left = data.without(row)
        phi = np.column_stack([left.X[:, used], np.ones((N - 1, int(fit_intercept)))])
        theta = np.linalg.solve(phi.T @ phi, phi.T @ left.y - (N - 1) * 0.1 * signs)
        expected = theta[: len(used)] - model.coef_[used]
        assert_allclose(changes["coef"][place, used], expected, atol=1e-12)


@quiet
def test_refits_of_grouped_norms_by_a_general_minimiser():
    model, data, _ = fitted("MultiTaskLasso")
    left = data.without(4)

    def objective(theta):
        w, b = theta[:-3].reshape(D, 3), theta[-3:]
        off = left.X @ w + b - left.y
        norms = np.linalg.norm(w, axis=1)
        slope = left.X.T @ off / (N - 1) + 0.2 * w / norms[:, None]
        value = (off**2).sum() / (2 * (N - 1)) + 0.2 * norms.sum()
        return value, np.r_[slope.ravel(), off.sum(axis=0) / (N - 1)]

    start = np.r_[model.coef_.T.ravel(), model.intercept_]
    best = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-10})
    changes = explain("MultiTaskLasso").parameter_influence(kind="refit", indices=[4])
    assert_allclose(model.coef_ + changes["coef"][0], best.x[:-3].reshape(D, 3).T, atol=1e-7)
