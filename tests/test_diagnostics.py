"""Regression diagnostics against statsmodels and against really refitting scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from diagnosing import (
    BINARY,
    COLUMNS,
    REGRESSION,
    WEIGHTS,
    N,
    Smoother,
    assert_columns,
    logistic,
    names,
    ridge_smoother,
    table,
    with_constant,
)
from numpy.testing import assert_allclose
from rows import CLASS_WEIGHT, make_data
from scipy import sparse
from scipy.special import expit
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier

# --------------------------------------------------------------------------------- statsmodels
INTERCEPT = pytest.mark.parametrize("fit_intercept", [True, False], ids=["intercept", "without"])


@INTERCEPT
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_least_squares_as_in_statsmodels(fit_intercept, weighted):
    """With weights statsmodels has them right for rows times √weight, but not in its own WLS."""
    sm = pytest.importorskip("statsmodels.api")
    X, y = REGRESSION.X, REGRESSION.y
    weights = WEIGHTS if weighted else None
    inputs, root = with_constant(X) if fit_intercept else X, np.sqrt(WEIGHTS if weighted else 1.0)
    inputs = inputs * np.reshape(root, (-1, 1))
    influence = sm.OLS(y * root, inputs).fit().get_influence()
    expected = {
        "leverage": influence.hat_matrix_diag,
        "cooks_distance": influence.cooks_distance[0],
        "dffits": influence.dffits[0],
        "studentized_residual": influence.resid_studentized_external,
        **dict(zip(names(4, fit_intercept), influence.dfbetas.T, strict=True)),
    }
    model = LinearRegression(fit_intercept=fit_intercept)
    assert_columns(table(model, X, y, weights), expected, 1e-12)


def test_weighted_least_squares_as_a_gaussian_glm_of_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    fit = sm.GLM(REGRESSION.y, with_constant(REGRESSION.X), var_weights=WEIGHTS).fit()
    got = table(LinearRegression(), REGRESSION.X, REGRESSION.y, WEIGHTS)
    influence = fit.get_influence()
    assert_allclose(got["leverage"], influence.hat_matrix_diag, rtol=1e-12)
    assert_allclose(got["cooks_distance"], influence.cooks_distance[0], rtol=1e-10)


@INTERCEPT
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_logistic_regression_as_in_statsmodels(fit_intercept, weighted):
    sm = pytest.importorskip("statsmodels.api")
    X, y = BINARY.X, BINARY.y
    weights = WEIGHTS if weighted else np.ones(N)
    inputs = with_constant(X) if fit_intercept else X
    family = sm.families.Binomial()
    influence = sm.GLM(y, inputs, family, var_weights=weights).fit(tol=1e-14).get_influence()
    expected = {
        "leverage": influence.hat_matrix_diag,
        "cooks_distance": influence.cooks_distance[0],
        "dffits": influence.d_linpred_scaled,
        "studentized_residual": influence.resid_studentized,
        **dict(zip(names(4, fit_intercept), influence.dfbetas.T, strict=True)),
    }
    got = table(logistic(C=np.inf, fit_intercept=fit_intercept), X, y, weights)
    assert_columns(got, expected, 1e-11)


@INTERCEPT
def test_logistic_regression_as_in_the_logit_model_of_statsmodels(fit_intercept):
    sm = pytest.importorskip("statsmodels.api")
    inputs = with_constant(BINARY.X) if fit_intercept else BINARY.X
    fit = sm.Logit(BINARY.y, inputs).fit(method="newton", tol=1e-14, disp=0)
    if not hasattr(fit, "get_influence"):
        pytest.skip("this statsmodels has no influence of Logit")
    influence = fit.get_influence()
    got = table(logistic(C=np.inf, fit_intercept=fit_intercept), BINARY.X, BINARY.y)
    assert_allclose(got["leverage"], influence.hat_matrix_diag, rtol=1e-11)
    assert_allclose(got["cooks_distance"], influence.cooks_distance[0], rtol=1e-10)
    found = np.column_stack([got[name] for name in names(4, fit_intercept)])
    assert_allclose(found, influence.dfbetas, rtol=0.0, atol=1e-11 * np.abs(found).max())


# --------------------------------------------------------------------------------- real refits
def assert_as_by_refits(got: dict, smoother: Smoother, *, intercept: bool) -> None:
    features = smoother.inputs.shape[1] - intercept
    expected = dict(zip(COLUMNS + names(features, intercept), smoother.by_refits(), strict=True))
    assert_columns(got, expected, 1e-11)


@INTERCEPT
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_ridge_by_refits(fit_intercept, storage, weights):
    X, y = storage(REGRESSION.X), REGRESSION.y
    model = Ridge(3.0, fit_intercept=fit_intercept, solver="sparse_cg", tol=1e-15, max_iter=10_000)
    smoother = ridge_smoother(X, y, weights, 3.0, fit_intercept, estimated=True)
    assert_as_by_refits(table(model, X, y, weights), smoother, intercept=fit_intercept)


def test_ridge_with_more_parameters_than_rows_by_refits():
    data = make_data("regression", 20, d=50)
    smoother = ridge_smoother(data.X, data.y, None, 2.0, True, estimated=True)
    model = Ridge(2.0, solver="svd")
    assert_as_by_refits(table(model, data.X, data.y), smoother, intercept=True)


def test_ridge_classifier_by_refits():
    X, y = BINARY.X, BINARY.y
    weights = WEIGHTS * np.array([CLASS_WEIGHT[code] for code in y])
    smoother = ridge_smoother(X, 2.0 * y - 1.0, weights, 2.0, True, estimated=True)
    model = RidgeClassifier(2.0, class_weight={k: CLASS_WEIGHT[k] for k in (0, 1)}, solver="svd")
    assert_as_by_refits(table(model, X, y, WEIGHTS), smoother, intercept=True)


def working(model: Any, X: Any, y: Any, weights: Any) -> tuple[np.ndarray, np.ndarray]:
    """Working responses and weights of a binary logistic regression."""
    z = model.decision_function(X)
    p = expit(z)
    return z + (y - p) / (p * (1.0 - p)), weights * p * (1.0 - p)


def polish(model: Any, X: Any, y: Any, weights: Any, constant: float, penalised: bool) -> Any:
    """Newton steps to the very optimum, which scikit-learn's solvers only come near to."""
    inputs = with_constant(X, constant) if constant else X
    penalty = np.full(inputs.shape[1], 1.0 / model.C)
    if constant and not penalised:
        penalty[-1] = 0.0
    for _ in range(3):
        response, w = working(model, X, y, weights)
        hessian = inputs.T @ (w[:, None] * inputs) + np.diag(penalty)
        theta = np.linalg.solve(hessian, inputs.T @ (w * response))
        model.coef_ = theta[None, : X.shape[1]]
        if constant:
            model.intercept_ = constant * theta[-1:]
    return model


@INTERCEPT
@pytest.mark.parametrize("weights", [np.ones(N), WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("solver", ["lbfgs", "newton-cholesky"])
def test_logistic_regression_by_refits_of_its_working_model(solver, fit_intercept, weights):
    X, y = BINARY.X, BINARY.y
    model = LogisticRegression(C=0.5, solver=solver, fit_intercept=fit_intercept)
    model = polish(model.fit(X, y, weights), X, y, weights, float(fit_intercept), False)
    response = working(model, X, y, weights)
    smoother = ridge_smoother(X, *response, 1.0 / 0.5, fit_intercept, estimated=False)
    assert_as_by_refits(table(model, X, y, weights, prefit=True), smoother, intercept=fit_intercept)


@pytest.mark.parametrize("constant", [1.0, 3.0])
def test_penalised_intercept_by_refits_of_its_working_model(constant):
    """liblinear's intercept is the coefficient of one more column."""
    X, y = sparse.csr_matrix(BINARY.X), BINARY.y
    model = LogisticRegression(C=0.5, solver="liblinear", intercept_scaling=constant)
    model = polish(model.fit(X, y, WEIGHTS), X, y, WEIGHTS, constant, True)
    response = working(model, X, y, WEIGHTS)
    inputs = with_constant(X, constant)
    smoother = ridge_smoother(inputs, *response, 1.0 / 0.5, False, estimated=False)
    expected = dict(zip(COLUMNS + names(4, True), smoother.by_refits(), strict=True))
    assert_columns(table(model, X, y, WEIGHTS, prefit=True), expected, 1e-11)


def test_damping_by_refits():
    """Damping is a penalty on the way from the fitted parameters."""
    X, y, damping = with_constant(REGRESSION.X), REGRESSION.y, 0.3
    model = Ridge(3.0, solver="svd").fit(REGRESSION.X, y)
    fitted = np.append(model.coef_, model.intercept_)
    penalty = np.diag([3.0] * 4 + [0.0])
    # The mean of squared residuals has twice the curvature of the usual half squares.
    extra = damping * N / 2.0

    def fit(rows, responses):
        inputs = X[rows]
        hessian = inputs.T @ inputs + penalty + extra * np.eye(5)
        return np.linalg.solve(hessian, inputs.T @ responses + extra * fitted[:, None])

    smoother = Smoother(X, y, np.ones(N), fit, True)
    got = table(model, REGRESSION.X, y, prefit=True, damping=damping)
    assert_as_by_refits(got, smoother, intercept=True)
