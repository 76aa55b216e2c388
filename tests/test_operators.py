"""Linear maps and Hessian operators against explicit sums over rows, dense and sparse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from catalogue import CASES, by_name, combinations
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.special import softmax

from skinfluence.curvature import DiagonalCurvature, SoftmaxCurvature
from skinfluence.losses import orthonormal_contrasts
from skinfluence.operators import HessianOperator
from skinfluence.predictors import FeatureMap
from skinfluence.predictors.batches import BatchMap

N, D, K = 30, 4, 3
CURVATURES = ("shared", "per output", "softmax")


@dataclass(frozen=True)
class Example:
    """An operator and what it should be, written out."""

    operator: HessianOperator
    phi: np.ndarray
    B: np.ndarray
    penalty: np.ndarray

    @property
    def dense(self) -> np.ndarray:
        q, k = self.phi.shape[1], self.B.shape[1]
        total = np.einsum("ia,ikh,ib->akbh", self.phi, self.B, self.phi)
        return total.reshape(q * k, q * k) + np.diag(self.penalty.reshape(-1))


def features(storage: str, dtype: Any = np.float64) -> Any:
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((N, D)) * (rng.random((N, D)) < 0.6)).astype(dtype)
    return sparse.csr_matrix(X) if storage == "csr" else X


def make(storage, constant, curvature, *, shared_penalty=False, dtype=np.float64) -> Example:
    rng = np.random.default_rng(1)
    X = features(storage, dtype)
    s = rng.uniform(0.2, 2.0, size=(N, 1))
    if curvature == "softmax":
        p, Q = softmax(rng.standard_normal((N, K + 1)), axis=1), orthonormal_contrasts(K + 1)
        made = SoftmaxCurvature(p, s, Q)
        full = p[:, :, None] * np.eye(K + 1) - p[:, :, None] * p[:, None, :]
        B = s[:, :, None] * (Q.T @ full @ Q)
    else:
        columns = 1 if curvature == "shared" else K
        made = DiagonalCurvature(s * rng.uniform(size=(N, columns)), K)
        B = np.broadcast_to(made.weights, (N, K))[:, :, None] * np.eye(K)
    q = D + bool(constant)
    penalty = rng.uniform(0.1, 3.0, size=(q, 1 if shared_penalty else K))
    operator = HessianOperator(FeatureMap(X, K, constant), made, penalty)
    dense_X = X.toarray() if storage == "csr" else X
    phi = np.column_stack([dense_X, np.full(N, constant)])[:, :q].astype(np.float64)
    return Example(operator, phi, B, np.broadcast_to(penalty, (q, K)))


@pytest.fixture(params=["dense", "csr"])
def storage(request):
    return request.param


@pytest.fixture(params=[0.0, 1.0, 2.5], ids=lambda c: f"constant {c:g}")
def constant(request):
    return request.param


@pytest.fixture(params=CURVATURES)
def example(request, storage, constant):
    return make(storage, constant, request.param)


@pytest.fixture
def linear_map(storage, constant):
    return FeatureMap(features(storage), K, constant)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


# ----------------------------------------------------------------------------- the Hessian
def test_products_and_dense_form(example, rng):
    operator, expected = example.operator, example.dense
    assert operator.shape == expected.shape
    assert_allclose(operator.to_dense(), expected, rtol=1e-12, atol=1e-12)
    V = rng.standard_normal((operator.n_parameters, 5))
    assert_allclose(operator.matmat(V), expected @ V, rtol=1e-11, atol=1e-12)
    assert_allclose(operator.matvec(V[:, 0]), expected @ V[:, 0], rtol=1e-11, atol=1e-12)
    assert_allclose(operator @ V, operator.H @ V)


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("shared_penalty", [False, True])
def test_independent_blocks(storage, curvature, shared_penalty, rng):
    example = make(storage, 1.0, curvature, shared_penalty=shared_penalty)
    operator = example.operator
    blocks = operator.dense_blocks()
    one = curvature == "softmax" or (curvature == "shared" and shared_penalty)
    assert operator.n_blocks == len(blocks) == (1 if one else K)
    assert operator.block_size == blocks.shape[1] == (D + 1) * (K if curvature == "softmax" else 1)
    V = rng.standard_normal((operator.n_parameters, 2))
    assert_allclose(operator.from_blocks(operator.to_blocks(V)), V)
    product = operator.from_blocks(blocks @ operator.to_blocks(V))
    assert_allclose(product, example.dense @ V, rtol=1e-12, atol=1e-12)


def test_main_diagonal(example):
    assert_allclose(example.operator.main_diagonal(), np.diag(example.dense), rtol=1e-12)


def test_damped_adds_to_the_diagonal(example):
    damped = example.operator.damped(0.7).damped(0.3)
    eye = np.eye(len(example.dense))
    assert_allclose(damped.to_dense(), example.dense + eye, rtol=1e-12, atol=1e-12)
    assert_allclose(damped @ eye, example.dense + eye, rtol=1e-12, atol=1e-12)
    assert_allclose(damped.main_diagonal(), np.diag(example.dense) + 1.0)


def test_rows_keep_the_penalty_and_scale_the_data(example):
    rows = np.array([3, 3, 11, 20])
    taken = replace(example, phi=example.phi[rows], B=2.5 * example.B[rows])
    operator = example.operator.damped(0.4).rows(rows, scale=2.5)
    assert operator.n_rows == len(rows)
    expected = taken.dense + 0.4 * np.eye(len(taken.dense))
    assert_allclose(operator.to_dense(), expected, rtol=1e-12, atol=1e-12)


def test_single_precision_stays_single(storage):
    for curvature in CURVATURES:
        example = make(storage, 1.0, curvature, dtype=np.float32)
        operator = example.operator
        V = np.random.default_rng(0).standard_normal((operator.n_parameters, 3))
        product = operator @ V.astype(np.float32)
        assert product.dtype == np.float32
        assert_allclose(product, example.dense @ V, rtol=1e-4, atol=1e-4)
        assert operator.dense_blocks().dtype == np.float64
        assert_allclose(operator.to_dense(), example.dense, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case, setting", combinations(CASES), ids=by_name)
def test_hessian_is_the_derivative_of_the_gradient(case, setting, rng):
    objective = case.fit(setting).explainer.objective_
    operator = objective.hessian()
    direction = rng.standard_normal(objective.n_parameters)
    step = 1e-6 * np.linalg.norm(objective.theta) / np.linalg.norm(direction)

    def gradient(distance: float) -> np.ndarray:
        moved = objective.theta + distance * direction.reshape(objective.theta.shape)
        return replace(objective, theta=moved).gradient()

    expected = (gradient(step) - gradient(-step)) / (2 * step)
    product = operator @ direction
    error = np.linalg.norm(product - expected) / np.linalg.norm(expected)
    assert error < 1e-6
    assert_allclose(operator.to_dense() @ direction, product, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_gradient_is_the_derivative_of_the_value(case, rng):
    objective = case.fit().explainer.objective_
    objective = replace(objective, theta=1.3 * objective.theta)
    direction = rng.standard_normal(objective.theta.shape)

    def value(distance: float) -> float:
        return replace(objective, theta=objective.theta + distance * direction).value()

    step = 1e-4 if not case.has_kink else 1e-6
    expected = (value(step) - value(-step)) / (2 * step)
    assert objective.gradient() @ direction.reshape(-1) == pytest.approx(expected, rel=1e-5)


# --------------------------------------------------------------------------- linear maps
def phi_of(linear_map: FeatureMap) -> np.ndarray:
    X = linear_map.X.toarray() if sparse.issparse(linear_map.X) else linear_map.X
    return X if not linear_map.constant else np.column_stack([X, np.full(N, linear_map.constant)])


def test_jvp_and_vjp_are_adjoint(linear_map, rng):
    V = rng.standard_normal((linear_map.n_parameters, 5))
    C = rng.standard_normal((N, K, 5))
    theta = V.reshape(-1, K, 5)
    assert_allclose(linear_map.jvp(V), np.einsum("iq,qkm->ikm", phi_of(linear_map), theta))
    pulled = linear_map.vjp(C)
    assert pulled.shape == V.shape
    by_parameters = np.einsum("pm,pm->m", pulled, V)
    by_values = np.einsum("ikm,ikm->m", C, linear_map.jvp(V))
    assert_allclose(by_parameters, by_values, rtol=1e-12)


@pytest.mark.parametrize("n_outputs", [1, K])
def test_columns_and_scores(storage, constant, n_outputs, rng):
    linear_map = FeatureMap(features(storage), n_outputs, constant)
    residuals = rng.standard_normal((N, n_outputs))
    columns = linear_map.columns(residuals)
    expected = np.stack(
        [np.kron(phi, r) for phi, r in zip(phi_of(linear_map), residuals, strict=True)], axis=1
    )
    assert_allclose(columns, expected, atol=1e-15)
    V = rng.standard_normal((linear_map.n_parameters, 6))
    assert_allclose(linear_map.scores(V, residuals), V.T @ expected, rtol=1e-11, atol=1e-13)
    assert_allclose(linear_map.inputs(), phi_of(linear_map))


def test_grams_with_weights_of_any_sign(linear_map, rng):
    phi = phi_of(linear_map)
    weights = rng.standard_normal((N, 4))
    grams = list(linear_map.grams(weights))
    assert len(grams) == 4
    for gram, w in zip(grams, weights.T, strict=True):
        assert_allclose(gram, phi.T @ (w[:, None] * phi), rtol=1e-11, atol=1e-12)


def test_squares_and_norms(linear_map, rng):
    phi = phi_of(linear_map)
    weights = rng.uniform(size=(N, K))
    assert_allclose(linear_map.weighted_squares(weights), (phi**2).T @ weights, rtol=1e-12)
    assert_allclose(linear_map.squared_norms(), (phi**2).sum(axis=1), rtol=1e-12)


def test_input_vjp_is_the_derivative_by_features(constant, rng):
    X = features("dense")
    theta = rng.standard_normal((D + bool(constant)) * K)
    cotangents = rng.standard_normal((N, K))

    def value(moved):
        values = FeatureMap(moved, K, constant).jvp(theta[:, None])[:, :, 0]
        return (values * cotangents).sum(axis=1)

    expected = np.empty((N, D))
    for j in range(D):
        step = np.zeros(D)
        step[j] = 1e-5
        expected[:, j] = (value(X + step) - value(X - step)) / 2e-5
    got = FeatureMap(X, K, constant).input_vjp(theta, cotangents)
    assert_allclose(got, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("m", [1, 3])
def test_batch_map_is_a_linear_map_per_chain(linear_map, m, rng):
    chains, batch_size = 4, 5
    rows = rng.integers(N, size=(chains, batch_size))
    batch = BatchMap(linear_map, rows)
    V = rng.standard_normal((chains, linear_map.n_parameters, m))
    C = rng.standard_normal((chains * batch_size, K, m))
    values, pulled = batch.jvp(V), batch.vjp(C)
    for chain in range(chains):
        part = slice(chain * batch_size, (chain + 1) * batch_size)
        taken = linear_map.take(rows[chain])
        assert_allclose(values[part], taken.jvp(V[chain]), rtol=1e-11, atol=1e-13)
        by_row = sum(linear_map.take(rows[[chain], i]).vjp(C[part][[i]]) for i in range(batch_size))
        assert_allclose(pulled[chain], by_row, rtol=1e-11, atol=1e-13)
