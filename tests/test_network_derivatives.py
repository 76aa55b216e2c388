"""Derivatives of networks, against differences of a network written a second time."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from networks import (
    ALPHA,
    Case,
    N,
    cases,
    losses,
    moved,
    parameters,
    penalised,
    problem,
    signals,
    weights_alone,
)
from numpy.testing import assert_allclose
from scipy import sparse

from skinfluence import as_objective, blocks, tangent_hessian
from skinfluence.predictors import network_map
from skinfluence.tangent_hessian import TangentHessian

CASES = cases()
RNG_SEED, MOVE = 0, 1e-5
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def directions(found, m=3):
    return np.random.default_rng(RNG_SEED).standard_normal((found.objective.n_parameters, m))


def close(got, want, tolerance):
    assert np.shape(got) == np.shape(want)
    assert_allclose(got, want, rtol=0.0, atol=tolerance * np.abs(want).max())


def jacobians(linear_map):
    """Of each row, (n, p, K)."""
    n, units = linear_map.n_rows, np.eye(linear_map.n_outputs)
    return np.stack([linear_map.columns(np.tile(unit, (n, 1))).T for unit in units], axis=2)


@pytest.fixture
def no_stiffness(monkeypatch):
    """Leaves out what a Hessian has in common shifts of all outputs, which no loss sees."""
    monkeypatch.setattr(TangentHessian, "_stiffness", 0.0)


# ------------------------------------------------------------------------------- value, gradient
@every_case
def test_value_and_gradient(case):
    found = problem(case)
    z = signals(found.model, found.X)
    close(found.objective.training_values, found.read(z), 1e-13)
    value = penalised(case.task, found.model, found.X, found.y)
    assert found.objective.value() == pytest.approx(value, rel=1e-12)
    slopes, V = [], directions(found, 5)
    for direction in V.T:
        both = [moved(found.model, found.theta + side * MOVE * direction) for side in (1.0, -1.0)]
        up, down = (penalised(case.task, each, found.X, found.y) for each in both)
        slopes.append((up - down) / (2.0 * MOVE))
    close(found.objective.gradient() @ V, np.array(slopes), 1e-7)


@every_case
def test_value_and_gradient_are_those_of_scikit_learn(case):
    """A single step of its own, of length 1, on all rows."""
    found = problem(case)
    model = deepcopy(found.model)
    settings = {"momentum": 0.0, "nesterovs_momentum": False, "learning_rate_init": 1.0}
    model.set_params(**settings)
    del model._optimizer
    model.partial_fit(found.X, found.y)
    close((found.theta - parameters(model)) * N, found.objective.gradient(), 1e-12)
    value = found.objective.value()
    if case.task == "numbers":  # its value, unlike its gradient, is a mean over the outputs
        z = found.objective.training_values
        value -= losses(case.task, found.y, z).sum() / 2.0
    assert model.loss_ * N == pytest.approx(value, rel=1e-12)


# -------------------------------------------------------------------------------------- Hessians
@every_case
def test_exact_products_are_differences_of_gradients(case, no_stiffness):
    found = problem(case)
    V = directions(found)
    differences = []
    for direction in V.T:
        up = found.at(found.theta + MOVE * direction).gradient()
        down = found.at(found.theta - MOVE * direction).gradient()
        differences.append((up - down) / (2.0 * MOVE))
    got = found.objective.hessian().matmat(V)
    for column, want in zip(got.T, differences, strict=True):
        assert np.linalg.norm(column - want) <= 1e-6 * np.linalg.norm(want)


@every_case
def test_exact_hessian_is_symmetric_and_its_dense_form_is_the_products(case):
    operator = problem(case).objective.hessian()
    products = operator.matmat(np.eye(operator.n_parameters))
    close(products, products.T, 1e-13)
    dense = operator.dense_blocks()[0]
    close(dense, products, 1e-13)
    close(operator.damped(2.0).dense_blocks()[0], dense + 2.0 * np.eye(len(dense)), 1e-13)
    single = np.column_stack([operator.matvec(unit) for unit in np.eye(len(dense))])
    close(single, products, 1e-13)


@every_case
def test_gauss_newton_is_the_sum_of_rows(case, no_stiffness):
    found = problem(case)
    J = jacobians(found.objective.linear_map)
    B = found.bends()
    want = np.einsum("ipk,ikh,iqh->pq", J, B, J) + np.diag(ALPHA * weights_alone(found.model))
    operator = found.objective.hessian().gauss_newton()
    assert not operator.bends_back
    close(operator.dense_blocks()[0], want, 1e-12)
    close(operator.main_diagonal(), np.diag(want), 1e-12)
    exact = found.objective.hessian().dense_blocks()[0]
    if not case.hidden:  # decision values are linear in the parameters
        close(exact, want, 1e-12)
    else:
        assert np.abs(exact - want).max() > 1e-3 * np.abs(want).max()


FEW = [Case("classes", "tanh", (4, 3), s) for s in ("dense", "csr")]
FEW += [Case("labels", "relu", (4,), s) for s in ("dense", "csr")]


@pytest.mark.parametrize("limit", [1, 4000])
@pytest.mark.parametrize("case", FEW, ids=str)
def test_products_are_the_same_in_blocks_of_any_size(case, limit, monkeypatch):
    found = problem(case)
    V = directions(found, 7)
    V_values = found.objective.linear_map.jvp(V)
    for operator in (found.objective.hessian(), found.objective.hessian().gauss_newton()):
        want, diagonal = operator.matmat(V), operator.main_diagonal()
        with monkeypatch.context() as patched:
            patched.setattr(tangent_hessian, "PRODUCT_BYTES", limit)
            patched.setattr(network_map, "CURVED_BYTES", limit)
            patched.setattr(blocks, "BLOCK_BYTES", limit)
            close(operator.matmat(V), want, 1e-13)
            close(operator.main_diagonal(), diagonal, 1e-13)
            close(found.objective.linear_map.jvp(V), V_values, 1e-13)
            products = found.objective.linear_map.vjp(V_values)
        close(products, found.objective.linear_map.vjp(V_values), 1e-13)


@pytest.mark.parametrize("case", FEW, ids=str)
def test_some_of_the_rows(case, no_stiffness):
    found = problem(case)
    objective, V, rows = found.objective, directions(found), np.array([3, 17, 4])
    alone = as_objective(found.model, found.X[rows], found.y[rows])
    for get in (lambda each: each, lambda each: each.gauss_newton()):
        sample = get(objective.hessian().rows(rows, scale=2.0))
        want = get(alone.hessian())
        penalty = ALPHA * weights_alone(found.model)[:, None] * V
        close(sample.matmat(V), 2.0 * want.matmat(V) - penalty, 1e-12)
        chains = np.stack([V, 2.0 * V])
        batches = sample.batch_products(np.array([[0, 1], [2, 2]]), chains)
        for batch, drawn, factor in zip(batches, [[0, 1], [2, 2]], (1.0, 2.0), strict=True):
            data = sample.rows(np.array(drawn))
            close(batch, factor * (data.matmat(V) - penalty), 1e-12)


# ---------------------------------------------------------------------------- the map of the rows
@every_case
def test_columns_are_differences_of_decision_values(case):
    found = problem(case)
    J = jacobians(found.objective.linear_map)
    for direction in directions(found).T:
        up = signals(moved(found.model, found.theta + MOVE * direction), found.X)
        down = signals(moved(found.model, found.theta - MOVE * direction), found.X)
        slopes = found.read(up - down) / (2.0 * MOVE)
        close(np.einsum("ipk,p->ik", J, direction), slopes, 1e-8)


@every_case
def test_all_products_of_the_map_are_those_of_its_dense_jacobian(case):
    found = problem(case)
    linear_map, V, rng = found.objective.linear_map, directions(found), np.random.default_rng(1)
    J = jacobians(linear_map)
    n, p, k = J.shape
    close(linear_map.jvp(V), np.einsum("ipk,pm->ikm", J, V), 1e-12)
    C = rng.standard_normal((n, k, 3))
    close(linear_map.vjp(C), np.einsum("ipk,ikm->pm", J, C), 1e-12)
    close(linear_map.columns(C[:, :, 0]), np.einsum("ipk,ik->pi", J, C[:, :, 0]), 1e-12)
    adjoint = np.einsum("pm,pm->m", V, linear_map.vjp(C))
    close(np.einsum("ikm,ikm->m", linear_map.jvp(V), C), adjoint, 1e-12)
    own = rng.standard_normal((p, n))
    close(linear_map.own_values(own), np.einsum("ipk,pi->ik", J, own), 1e-12)
    close(linear_map.squared_norms(), (J**2).sum(axis=(1, 2)), 1e-12)
    squares = (np.einsum("ipk,ikm->ipm", J, C) ** 2).sum(axis=(0, 2))
    close(linear_map.weighted_squares(C), squares, 1e-12)
    fitted = linear_map.network.theta
    at = linear_map.values(fitted + V)
    z = found.read(signals(found.model, found.X))
    close(at, z[:, :, None] + linear_map.jvp(V), 1e-12)
    own_values = z + linear_map.own_values(own)
    close(linear_map.own_values_at(fitted + own), own_values, 1e-12)
    rows = np.array([5, 2, 2])
    close(linear_map.take(rows).jvp(V), linear_map.jvp(V)[rows], 1e-12)


@every_case
def test_derivatives_in_the_features(case):
    found = problem(case)
    linear_map, rng = found.objective.linear_map, np.random.default_rng(2)
    cotangents = rng.standard_normal((N, linear_map.n_outputs))
    direction = rng.standard_normal((linear_map.n_parameters, 1))
    way = rng.standard_normal(found.X.shape)
    dense = found.X.toarray() if case.storage == "csr" else found.X
    sides = [dense + side * MOVE * way for side in (1.0, -1.0)]
    predictor = found.objective.predictor

    def difference(values):
        up, down = (values(each) for each in sides)
        return (cotangents * (up - down) / (2.0 * MOVE)).sum(axis=1)

    got = linear_map.input_vjp(found.objective.theta, cotangents)
    close((got * way).sum(axis=1), difference(lambda X: found.read(signals(found.model, X))), 1e-7)
    got = linear_map.direction_input_vjp(direction, cotangents)
    want = difference(lambda X: predictor.linearize(X).jvp(direction)[:, :, 0])
    close((got * way).sum(axis=1), want, 1e-7)


# --------------------------------------------------------------------------- common shifts, flat
@pytest.mark.parametrize("alpha", [ALPHA, 0.0])
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_the_hessian_is_singular_in_common_shifts_of_classes_alone(hidden, alpha, no_stiffness):
    case = Case("classes", "tanh", hidden)
    X, y = case.data(n=200)
    model = deepcopy(problem(case).model).set_params(alpha=alpha)
    objective = as_objective(model, X, y)
    eigenvalues, vectors = np.linalg.eigh(objective.hessian().dense_blocks()[0])
    null = vectors[:, np.abs(eigenvalues) <= 1e-9 * eigenvalues[-1]]
    # The common intercept, and without a penalty the common weight of each unit before it.
    inputs = 1 if alpha else 1 + model.coefs_[-1].shape[0]
    assert null.shape[1] == inputs
    close(objective.linear_map.common_shift(null), null, 1e-6)
    assert np.abs(objective.linear_map.jvp(null)).max() <= 1e-7


def test_losses_that_see_common_shifts_have_none():
    for task in ("binary", "labels", "numbers"):
        found = problem(Case(task))
        assert not found.objective.linear_map.common_shift(directions(found)).any()


# -------------------------------------------------------------------------------- weights, float32
@pytest.mark.parametrize("case", [c for c in CASES if c.activation == "tanh"], ids=str)
def test_weights_count_rows(case):
    found = problem(case)
    model = deepcopy(found.model).set_params(solver="lbfgs")
    counts = np.random.default_rng(3).integers(0, 3, N)
    weighted = as_objective(model, found.X, found.y, counts.astype(float))
    copies = np.repeat(np.arange(N), counts)
    repeated = as_objective(model, found.X[copies], found.y[copies])
    assert 0 in counts
    assert weighted.value() == pytest.approx(repeated.value(), rel=1e-12)
    close(weighted.gradient(), repeated.gradient(), 1e-12)
    V = directions(found)
    close(weighted.hessian().matmat(V), repeated.hessian().matmat(V), 1e-12)
    pair = [each.hessian().gauss_newton() for each in (weighted, repeated)]
    close(pair[0].matmat(V), pair[1].matmat(V), 1e-12)
    close(pair[0].main_diagonal(), pair[1].main_diagonal(), 1e-12)


@pytest.mark.parametrize("case", [c for c in CASES if len(c.hidden) == 2], ids=str)
def test_float32_stays_float32(case):
    found = problem(case)
    V = directions(found).astype(np.float32)
    single = as_objective(found.model, found.X.astype(np.float32), found.y)
    linear_map = single.linear_map
    assert linear_map.dtype == np.float32
    assert linear_map.jvp(V).dtype == np.float32
    assert linear_map.vjp(linear_map.jvp(V)).dtype == np.float32
    operators = (single.hessian(), single.hessian().gauss_newton())
    exact = (found.objective.hessian(), found.objective.hessian().gauss_newton())
    for operator, want in zip(operators, exact, strict=True):
        products = operator.matmat(V)
        assert products.dtype == np.float32
        close(products, want.matmat(V.astype(float)), 1e-4)
    close(single.gradient(), found.objective.gradient(), 1e-4)
    assert single.gradient().dtype == np.float64


def test_a_dense_and_a_sparse_network_do_the_same():
    for case in (Case("classes", "tanh", (4, 3)), Case("numbers", "relu", (4,))):
        found = problem(case)
        stored = as_objective(found.model, sparse.csr_matrix(found.X), found.y)
        V = directions(found)
        close(stored.hessian().matmat(V), found.objective.hessian().matmat(V), 1e-12)
