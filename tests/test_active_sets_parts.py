"""What active sets are made of: penalties, maps with fixed coordinates, and their Hessians."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skinfluence.curvature import CoupledCurvature, DiagonalCurvature, SoftmaxCurvature
from skinfluence.operators import HessianOperator
from skinfluence.penalties import L2, GroupNorm, SignedL1
from skinfluence.predictors import FeatureMap, LinearPredictor
from skinfluence.predictors.batches import BatchMap
from skinfluence.solvers import CG, Cholesky, LiSSA, SolverContext

Q, K, N = 5, 3, 30
RNG = np.random.default_rng(0)
THETA = RNG.standard_normal((Q, K))
STRENGTH = RNG.uniform(0.5, 2.0, size=(Q, K))
SLOPE = RNG.uniform(0.5, 2.0, size=Q)
SLOPE[-1] = 0.0
FREE = RNG.random((Q, K)) < 0.7
FREE[2] = True
PENALTIES = [
    L2(STRENGTH),
    SignedL1(STRENGTH, SLOPE[:, None] * np.sign(THETA)),
    GroupNorm(STRENGTH, SLOPE),
]


def inner(a, b):
    return np.einsum("pm,pm->m", a.reshape(len(a), -1), b.reshape(len(b), -1))


def slopes(function, theta, step=1e-6):
    """Central differences of a function of θ: (…, q K)."""
    columns = []
    for unit in np.eye(theta.size):
        move = step * unit.reshape(theta.shape)
        columns.append((function(theta + move) - function(theta - move)) / (2 * step))
    return np.stack(columns, axis=-1)


# ------------------------------------------------------------------------------ penalties
@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda each: type(each).__name__)
def test_derivatives_of_penalties(penalty):
    expected = slopes(lambda theta: penalty.value(theta, inner), THETA)
    assert_allclose(penalty.gradient(THETA).reshape(-1), expected, rtol=1e-7, atol=1e-9)
    dense = np.diag(np.broadcast_to(penalty.diagonal(THETA), (Q, K)).reshape(-1))
    if penalty.coupling(THETA) is not None:
        for j, block in enumerate(penalty.coupling(THETA)):
            dense[j * K : (j + 1) * K, j * K : (j + 1) * K] += block
    bend = slopes(lambda theta: penalty.gradient(theta).reshape(-1), THETA)
    assert_allclose(dense, bend, rtol=1e-6, atol=1e-8)
    several = np.stack([THETA, 2.0 * THETA[::-1]], axis=2)
    each = [penalty.gradient(several[:, :, m]) for m in range(2)]
    assert_allclose(penalty.gradient(several), np.stack(each, axis=2), rtol=1e-14)


@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda each: type(each).__name__)
def test_slopes_along_a_line_and_shares_of_penalties(penalty):
    along = RNG.standard_normal((Q, K))
    slope = penalty.slope_along(THETA, along, inner)
    for length in (0.0, 0.7):
        rise = (penalty.gradient(THETA + length * along) * along).sum()
        assert np.sum(slope(length)) == pytest.approx(rise, rel=1e-12)
    part = penalty.scaled(0.3)
    assert part.value(THETA, inner) == pytest.approx(0.3 * penalty.value(THETA, inner))
    assert_allclose(part.gradient(THETA), 0.3 * penalty.gradient(THETA))
    assert not penalty.is_zero
    assert penalty.scaled(0.0).is_zero


def test_the_l1_norm_on_its_signs_is_the_l1_norm():
    penalty = SignedL1(np.zeros((Q, K)), SLOPE[:, None] * np.sign(THETA))
    assert penalty.value(THETA, inner) == pytest.approx((SLOPE[:, None] * np.abs(THETA)).sum())
    assert not penalty.is_zero


# ------------------------------------------------------------- maps with fixed coordinates
def rows(storage="dense"):
    X = np.random.default_rng(1).standard_normal((N, Q - 1))
    return sparse.csr_matrix(X) if storage == "csr" else X


@pytest.fixture(params=["dense", "csr"])
def storage(request):
    return request.param


@pytest.fixture(params=["free", "flat", "both"])
def fixed(request):
    flat = np.arange(Q) >= Q - 2
    free = FREE.copy()
    free[flat, -1] = False
    return {"free": (FREE, None), "flat": (None, flat), "both": (free, flat)}[request.param]


def entering(fixed, directions):
    """What multiplies the rows, written out."""
    free, flat = fixed
    by_input = directions.reshape(Q, K, -1).copy()
    if free is not None:
        by_input[~free] = 0.0
    if flat is not None:
        by_input[flat] -= by_input[flat].mean(axis=1, keepdims=True)
    return by_input


def test_maps_with_fixed_coordinates(storage, fixed):
    linear_map = FeatureMap(rows(storage), K, 1.0, None, *fixed)
    phi = np.column_stack([rows(), np.ones(N)])
    V, C = RNG.standard_normal((Q * K, 4)), RNG.standard_normal((N, K, 4))
    assert_allclose(linear_map.jvp(V), np.einsum("iq,qkm->ikm", phi, entering(fixed, V)))
    by_values = np.einsum("ikm,ikm->m", C, linear_map.jvp(V))
    assert_allclose(np.einsum("pm,pm->m", linear_map.vjp(C), V), by_values, rtol=1e-12)
    each = [linear_map.take([i]).vjp(C[[i], :, :1])[:, 0] for i in range(N)]
    assert_allclose(linear_map.columns(C[:, :, 0]), np.array(each).T, atol=1e-14)
    own = RNG.standard_normal((Q * K, N))
    expected = [linear_map.take([i]).jvp(own[:, [i]])[0, :, 0] for i in range(N)]
    assert_allclose(linear_map.own_values(own), expected, atol=1e-14)
    assert_allclose(linear_map.scores(V, C[:, :, 0]), V.T @ np.array(each).T, atol=1e-12)
    theta = entering(fixed, V[:, :1])[:-1, :, 0]
    assert_allclose(linear_map.input_vjp(V[:, :1], C[:, :, 0]), C[:, :, 0] @ theta.T, atol=1e-14)


def test_batches_of_maps_with_fixed_coordinates(storage):
    linear_map = FeatureMap(rows(storage), K, 1.0, None, FREE)
    chosen = np.array([[0, 5, 5], [7, 1, 2]])
    batch = BatchMap(linear_map, chosen)
    V, C = RNG.standard_normal((2, Q * K, 2)), RNG.standard_normal((6, K, 2))
    for chain in range(2):
        part = slice(3 * chain, 3 * chain + 3)
        assert_allclose(batch.jvp(V)[part], linear_map.take(chosen[chain]).jvp(V[chain]))
        pulled = [linear_map.take([i]).vjp(C[[3 * chain + j]]) for j, i in enumerate(chosen[chain])]
        assert_allclose(batch.vjp(C)[chain], sum(pulled), atol=1e-14)


def test_a_predictor_of_some_columns(storage):
    predictor = LinearPredictor((K, 7), (K,), columns=np.array([1, 4, 5, 6]))
    X = np.random.default_rng(2).standard_normal((N, 7))
    coef = np.zeros((K, 7))
    coef[:, predictor.columns] = RNG.standard_normal((K, 4))
    intercept = RNG.standard_normal(K)
    theta = predictor.pack(coef, intercept)
    linear_map = predictor.linearize(sparse.csr_matrix(X) if storage == "csr" else X)
    assert theta.shape == (5, K)
    assert_allclose(linear_map.jvp(theta.reshape(-1, 1))[:, :, 0], X @ coef.T + intercept)
    shown = predictor.unpack(theta.reshape(-1, 1))
    assert_allclose(shown["coef"][0], coef)
    assert_allclose(shown["intercept"][0], intercept)
    nested = linear_map.take(slice(4, 20)).take([2, 0])
    whole = nested.full_X.toarray() if storage == "csr" else nested.full_X
    assert_allclose(whole, X[[6, 4]])
    assert nested.n_features == 7


# ----------------------------------------------------------------------------- the Hessian
def operator(curvature, fixed=(None, None), coupling=None, storage="dense"):
    rng = np.random.default_rng(3)
    if curvature == "softmax":
        # On decision values of all classes: 0 where all move alike.
        p = rng.dirichlet(np.ones(K), size=N)
        made = SoftmaxCurvature(p, rng.uniform(0.5, 1.0, (N, 1)), np.eye(K))
    elif curvature == "coupled":
        roots = rng.standard_normal((N, K, 2))
        made = CoupledCurvature(roots @ roots.transpose(0, 2, 1))
    else:
        made = DiagonalCurvature(rng.uniform(size=(N, K)), K)
    linear_map = FeatureMap(rows(storage), K, 1.0, None, *fixed)
    return HessianOperator(linear_map, made, STRENGTH, coupling=coupling)


@pytest.mark.parametrize("curvature", ["separate", "coupled", "softmax"])
def test_hessian_with_fixed_coordinates(curvature, fixed, storage):
    # What outputs have in common is flat for the softmax alone.
    fixed = fixed if curvature == "softmax" else (FREE, None)
    hessian = operator(curvature, fixed, storage=storage)
    free = np.ones((Q, K), bool) if fixed[0] is None else fixed[0]
    phi = np.column_stack([rows(), np.ones(N)])
    columns = np.einsum("iq,qkm->ikm", phi, entering((None, fixed[1]), np.eye(Q * K)))
    B = hessian.curvature.to_dense()
    expected = np.einsum("ikp,ikl,ilr->pr", columns, B, columns) + np.diag(STRENGTH.reshape(-1))
    V = RNG.standard_normal((Q * K, 3)) * free.reshape(-1, 1)
    inside = free.reshape(-1)
    assert_allclose((hessian @ V)[inside], (expected @ V)[inside], rtol=1e-11, atol=1e-12)
    pair = np.ix_(inside, inside)
    assert_allclose(hessian.to_dense()[pair], expected[pair], rtol=1e-11, atol=1e-12)
    assert_allclose(hessian.main_diagonal()[inside], np.diag(expected)[inside], rtol=1e-12)
    right = RNG.standard_normal((Q * K, 2))
    solved = Cholesky().factor(hessian, SolverContext()).solve(right)
    assert_allclose(solved[inside], np.linalg.solve(expected[pair], right[inside]), rtol=1e-9)
    assert_allclose(solved[~inside], 0.0, atol=1e-200)
    pinned = right * inside[:, None]
    by_cg = CG(tol=1e-12).factor(hessian, SolverContext()).solve(pinned)
    assert_allclose(by_cg, solved, atol=1e-9)


def test_hessian_with_a_coupling_penalty(storage):
    penalty = GroupNorm(STRENGTH, 3.0 * SLOPE)
    hessian = operator("coupled", coupling=penalty.coupling(THETA), storage=storage)
    hessian.diagonal = penalty.diagonal(THETA)
    bend = slopes(lambda theta: penalty.gradient(theta).reshape(-1), THETA)
    data = operator("coupled", storage=storage)
    expected = data.to_dense() - np.diag(STRENGTH.reshape(-1)) + bend
    assert_allclose(hessian.to_dense(), expected, rtol=1e-6, atol=1e-7)
    V = RNG.standard_normal((Q * K, 3))
    assert_allclose(hessian @ V, hessian.to_dense() @ V, rtol=1e-10)
    assert_allclose(hessian.penalty_product(V[None])[0], bend @ V, rtol=1e-5, atol=1e-7)
    diagonal = np.diag(hessian.to_dense())
    assert_allclose(hessian.main_diagonal(), diagonal, rtol=1e-12)
    assert_allclose(hessian.damped(0.5).rows(slice(0, N)).main_diagonal(), diagonal + 0.5)
    assert not hessian.has_dual


@pytest.mark.parametrize("case", ["free", "coupling"])
def test_stochastic_solves_with_either(case):
    if case == "free":
        hessian = operator("separate", (FREE, None))
    else:
        hessian = operator("coupled", coupling=GroupNorm(STRENGTH, 3.0 * SLOPE).coupling(THETA))
        hessian.diagonal = GroupNorm(STRENGTH, 3.0 * SLOPE).diagonal(THETA)
    right = RNG.standard_normal((Q * K, 3)) * (1.0 if case == "coupling" else FREE.reshape(-1, 1))
    solved = Cholesky().factor(hessian, SolverContext()).solve(right)
    chains = LiSSA(repeats=20, depth=3000, batch_size=10).factor(hessian, SolverContext())
    assert np.linalg.norm(chains.solve(right) - solved) < 0.1 * np.linalg.norm(solved)
