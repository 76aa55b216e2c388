"""Regression diagnostics of several outputs; what must hold for any; tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from diagnosing import (
    BINARY,
    COLUMNS,
    MULTI_OUTPUT,
    REGRESSION,
    THREE_CLASSES,
    WEIGHTS,
    N,
    assert_columns,
    logistic,
    table,
    with_constant,
)
from numpy.testing import assert_allclose, assert_array_equal
from rows import make_data
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from skinfluence import CG, InfluenceExplainer, LiSSA, diagnostics


# ----------------------------------------------------------------------------- several outputs
def by_brute_force(
    inputs: np.ndarray,
    residuals: np.ndarray,
    curvature: np.ndarray,
    penalty: np.ndarray,
    variance: Callable[[float], float] = lambda dof: 1.0,
) -> dict:
    """From (n, K) residuals s r, (n, K, K) curvatures s B and the (qK,) diagonal of the penalty."""
    n, k = residuals.shape
    jacobians = [np.kron(row[None, :], np.eye(k)) for row in inputs]
    parts = [j.T @ c @ j for j, c in zip(jacobians, curvature, strict=True)]
    total = np.sum(parts, axis=0) + np.diag(penalty)
    inverse = np.linalg.pinv(total, rcond=1e-13)
    leverage = np.array([np.trace(part @ inverse) for part in parts])
    data = total - np.diag(penalty)
    moves = np.empty(n)
    for i in range(n):
        step = np.linalg.pinv(total - parts[i], rcond=1e-13) @ jacobians[i].T @ residuals[i]
        moves[i] = step @ data @ step
    dof = leverage.sum()
    return {"leverage": leverage, "cooks_distance": moves / (dof * variance(dof))}


@pytest.mark.parametrize("alpha", [2.0, np.array([0.5, 5.0, 50.0])], ids=["shared", "own"])
def test_multi_output_ridge_by_brute_force(alpha):
    X, Y = MULTI_OUTPUT.X, MULTI_OUTPUT.y
    model = Ridge(alpha, solver="svd").fit(X, Y, WEIGHTS)
    errors = model.predict(X) - Y
    penalty = np.vstack([np.tile(np.broadcast_to(alpha, 3), (4, 1)), np.zeros((1, 3))])
    expected = by_brute_force(
        with_constant(X),
        WEIGHTS[:, None] * errors,
        WEIGHTS[:, None, None] * np.eye(3),
        penalty.ravel(),
        lambda dof: WEIGHTS @ (errors**2).sum(axis=1) / (3 * N - dof),
    )
    got = table(model, X, Y, WEIGHTS, prefit=True)
    assert_columns(got, expected, 1e-11)
    # And the change of all predictions by a refit.
    changes = []
    for i in range(N):
        keep = np.arange(N) != i
        refit = Ridge(alpha, solver="svd").fit(X[keep], Y[keep], WEIGHTS[keep])
        changes.append(WEIGHTS @ ((refit.predict(X) - model.predict(X)) ** 2).sum(axis=1))
    ratio = got["cooks_distance"] / changes
    assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_multinomial_logistic_regression_by_brute_force():
    """With all C classes' parameters, of which the model itself holds C − 1 contrasts."""
    X, y = THREE_CLASSES.X, THREE_CLASSES.y
    model = logistic(C=0.5).fit(X, y, WEIGHTS)
    p = model.predict_proba(X)
    spread = p[:, :, None] * np.eye(3) - p[:, :, None] * p[:, None, :]
    expected = by_brute_force(
        with_constant(X),
        WEIGHTS[:, None] * (p - np.eye(3)[y]),
        WEIGHTS[:, None, None] * spread,
        np.repeat([2.0, 2.0, 2.0, 2.0, 0.0], 3),
    )
    # What shifts all classes' intercepts is neither determined nor seen.
    assert_columns(table(model, X, y, WEIGHTS, prefit=True), expected, 1e-11)


@pytest.mark.parametrize("kind", ["binary", "three classes"])
def test_squared_hinge_by_brute_force(kind):
    data = make_data(kind, N)
    model = LinearSVC(C=0.7, tol=1e-12, max_iter=1_000_000, random_state=0)
    model.fit(data.X, data.y, WEIGHTS)
    z = model.decision_function(data.X).reshape(N, -1)
    k = z.shape[1]
    signs = 2.0 * (data.y[:, None] == np.arange(k) + (k == 1)) - 1.0
    # σ = 1 in units of the loss: C is taken to the penalty's side.
    inside = 2.0 * WEIGHTS[:, None] * (signs * z < 1.0)
    expected = by_brute_force(
        with_constant(data.X),
        inside * (z - signs),
        inside[:, :, None] * np.eye(k),
        np.full(5 * k, 1.0 / 0.7),
    )
    assert_columns(table(model, data.X, data.y, WEIGHTS, prefit=True), expected, 1e-11)


# --------------------------------------------------------------- effective degrees of freedom
def test_effective_dof_is_the_trace_of_the_hat_matrix():
    X, y = REGRESSION.X, REGRESSION.y
    for alpha in (1e-9, 1.0, 30.0, 1e12):
        model = Ridge(alpha, solver="svd")
        hat = model.fit(X, np.eye(N)).predict(X)
        explainer = InfluenceExplainer(model).fit(X, y)
        assert_allclose(explainer.effective_dof(), np.trace(hat), rtol=1e-9)
    assert isinstance(explainer.effective_dof(), float)
    assert_allclose(explainer.effective_dof(), 1.0, rtol=1e-9)  # the intercept alone
    assert_allclose(InfluenceExplainer(Ridge(1e-9)).fit(X, y).effective_dof(), 5.0, rtol=1e-9)


# newton-cholesky says so before it turns to lbfgs.
@pytest.mark.filterwarnings("ignore:The inner solver of NewtonCholeskySolver stumbled")
@pytest.mark.parametrize("model", [LinearRegression(), logistic(C=np.inf)], ids=["linear", "logit"])
def test_without_a_penalty_effective_dof_is_the_number_of_parameters(model):
    kind = "binary" if isinstance(model, LogisticRegression) else "regression"
    X, y = make_data(kind, N).X, make_data(kind, N).y
    assert_allclose(InfluenceExplainer(model).fit(X, y).effective_dof(), 5.0, rtol=1e-12)
    # A collinear column adds nothing, nor does it change anything else.
    doubled = np.column_stack([X, X[:, 0] - 2.0 * X[:, 1]])
    explainer = InfluenceExplainer(model).fit(doubled, y)
    assert_allclose(explainer.effective_dof(), 5.0, rtol=1e-10)
    found, plain = table(model, doubled, y), table(model, X, y)
    assert_columns({c: found[c] for c in COLUMNS}, {c: plain[c] for c in COLUMNS}, 1e-8)


# ------------------------------------------------------------------------------- what must hold
MODELS = [
    pytest.param(Ridge(3.0, solver="svd"), REGRESSION, id="ridge"),
    pytest.param(logistic(C=0.5), BINARY, id="logistic"),
    pytest.param(Ridge(3.0, solver="svd"), MULTI_OUTPUT, id="multi-output"),
    pytest.param(logistic(C=0.5), THREE_CLASSES, id="softmax"),
]


@pytest.mark.parametrize("model, data", MODELS)
def test_same_for_every_solver_storage_order_and_block_size(model, data, monkeypatch):
    X, y = data.X, data.y
    model = model.fit(X, y, WEIGHTS)
    expected = table(model, X, y, WEIGHTS, prefit=True, solver="cholesky")
    fits = partial(table, model, prefit=True)
    assert_columns(fits(X, y, WEIGHTS, solver=CG(tol=1e-12, preconditioner="none")), expected, 1e-9)
    assert_columns(fits(sparse.csr_matrix(X), y, WEIGHTS), expected, 1e-11)
    order = np.random.default_rng(0).permutation(N)
    permuted = {name: values[order] for name, values in expected.items()}
    assert_columns(fits(X[order], y[order], WEIGHTS[order]), permuted, 1e-11)
    monkeypatch.setattr(diagnostics, "LEVERAGE_BLOCK_BYTES", 1)
    assert_columns(fits(X, y, WEIGHTS), expected, 1e-11)


def test_stochastic_solver_is_near():
    X, y = BINARY.X, BINARY.y
    solver = LiSSA(depth=400, repeats=20)
    exact, near = table(logistic(C=0.1), X, y), table(logistic(C=0.1), X, y, solver=solver)
    assert_columns(near, exact, 0.1)


@pytest.mark.parametrize("model, data", MODELS)
def test_a_weight_of_k_is_k_copies(model, data):
    """Of the leverage: all other columns are about leaving out a whole row."""
    counts = np.random.default_rng(0).integers(1, 4, N)
    weighted = table(model, data.X, data.y, counts)
    copies = table(model, np.repeat(data.X, counts, axis=0), np.repeat(data.y, counts, axis=0))
    expected = np.repeat(weighted["leverage"] / counts, counts)
    assert_allclose(copies["leverage"], expected, rtol=1e-7)


@pytest.mark.parametrize("model, data", MODELS)
def test_a_row_of_weight_0_is_absent(model, data):
    weights = WEIGHTS.copy()
    weights[::7] = 0.0
    used = weights > 0
    got = table(model, data.X, data.y, weights)
    alone = table(model, data.X[used], data.y[used], weights[used])
    assert_columns({name: values[used] for name, values in got.items()}, alone, 1e-9)
    for values in got.values():
        assert_array_equal(values[~used], 0.0)


@pytest.mark.parametrize(
    "model, data", [(LinearRegression(), REGRESSION), (logistic(C=np.inf), BINARY)]
)
def test_without_a_penalty_units_of_the_features_do_not_matter(model, data):
    """But for the intercept, which a shift moves."""
    got = table(model, data.X * [0.1, 1.0, 10.0, -100.0], data.y)
    expected = table(model, data.X, data.y)
    expected["dfbetas_x3"] = -expected["dfbetas_x3"]
    assert_columns(got, expected, 1e-8)


def test_units_of_the_targets_do_not_matter():
    expected = table(Ridge(3.0), REGRESSION.X, REGRESSION.y)
    assert_columns(table(Ridge(3.0), REGRESSION.X, 1e4 * REGRESSION.y + 7.0), expected, 1e-9)


def test_balanced_class_weights_are_held():
    X, y = BINARY.X, BINARY.y
    held = dict(enumerate(N / (2.0 * np.bincount(y))))
    expected = table(logistic(C=0.5, class_weight=held), X, y)
    assert_columns(table(logistic(C=0.5, class_weight="balanced"), X, y), expected, 1e-9)


def test_dfbetas_are_the_removal_of_each_row():
    X, y = BINARY.X, BINARY.y
    explainer = InfluenceExplainer(logistic(C=0.5)).fit(X, y)
    changes = explainer.parameter_influence(kind="removal")["coef"][:, 0]
    found = explainer.diagnostics(dfbetas=True)
    for j in range(4):
        ratio = np.asarray(found[f"dfbetas_x{j}"]) / changes[:, j]
        assert_allclose(ratio, ratio[0], rtol=1e-9)
        assert ratio[0] < 0


def test_single_precision():
    X, y = BINARY.X, BINARY.y
    expected = table(logistic(C=0.5), X, y)
    got = table(logistic(C=0.5, tol=1e-6), X.astype(np.float32), y)
    assert_columns(got, expected, 1e-5)
    assert all(values.dtype == np.float64 for values in got.values())
