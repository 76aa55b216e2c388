"""Derivatives and structure of every loss of the package: a new one is tested by existing."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skinfluence.losses import (
    BinomialLogLoss,
    HalfSquaredError,
    Huber,
    IdentityTweedieLoss,
    Loss,
    MarginLoss,
    ModifiedHuber,
    PerOutput,
    ScaledHuber,
    SmoothEpsilonInsensitive,
    SmoothHinge,
    SoftLabelLogLoss,
    SoftmaxLogLoss,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredHinge,
    TweedieLoss,
)

N = 12
# Losses whose constructor needs something; all others are made without arguments.
ARGUMENTS = {
    SoftmaxLogLoss: (4,),
    SmoothHinge: (0.3,),
    SmoothEpsilonInsensitive: (0.5, 0.3),
    SquaredEpsilonInsensitive: (0.5,),
    Huber: (0.5,),
    TweedieLoss: (1.5,),
    IdentityTweedieLoss: (1.0,),
    ScaledHuber: (1.2,),
    PerOutput: ((HalfSquaredError(), Huber(0.5), SquaredError()),),
}


def subclasses(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


CLASSES = sorted(
    {
        kind
        for kind in subclasses(Loss)
        if kind.__module__.startswith("skinfluence.") and not inspect.isabstract(kind)
    },
    key=lambda kind: kind.__name__,
)


def make(kind: type, n_outputs: int, *, absent: bool = False):
    """A loss with targets and decision values: (loss, y, z); some signs are 0 if ``absent``."""
    loss = kind(*ARGUMENTS.get(kind, ()))
    rng = np.random.default_rng(0)
    if hasattr(loss, "n_classes"):
        n_outputs = loss.n_classes - 1
        y = rng.integers(loss.n_classes, size=N)
    elif isinstance(loss, SoftLabelLogLoss):
        y = rng.uniform(-1.0, 1.0, size=(N, n_outputs))
    elif isinstance(loss, MarginLoss):
        y = rng.choice([-1.0, 1.0], size=(N, n_outputs))
        y[::2, ::2] *= not absent
    elif isinstance(loss, TweedieLoss):
        y = rng.gamma(2.0, size=(N, n_outputs))
        z = rng.standard_normal((N, n_outputs))
        return loss, y, np.exp(z) if isinstance(loss, IdentityTweedieLoss) else z
    elif isinstance(loss, ScaledHuber):
        scales = rng.uniform(0.5, 1.5, size=N)
        y, location = 1.5 * rng.standard_normal((2, N))
        return loss, y[:, None], np.column_stack([location, scales])
    else:
        y = rng.standard_normal((N, n_outputs))
    if isinstance(loss, PerOutput):
        loss = loss.of_outputs(slice(0, n_outputs))
    return loss, y, 1.5 * rng.standard_normal((N, n_outputs))


@pytest.fixture(params=[1, 3], ids=["one output", "three outputs"])
def n_outputs(request):
    return request.param


MADE = [(kind, False) for kind in CLASSES]
# A label that is as likely as not is no absent one.
CERTAIN = [kind for kind in CLASSES if issubclass(kind, MarginLoss) and kind != SoftLabelLogLoss]
MADE += [(kind, True) for kind in CERTAIN]


@pytest.fixture(params=MADE, ids=lambda made: made[0].__name__ + ", absent" * made[1])
def case(request, n_outputs):
    kind, absent = request.param
    return make(kind, n_outputs, absent=absent)


def differences(function, z, step=1e-5):
    """Central differences of a per-row function: (n, …, K)."""
    columns = []
    for k in range(z.shape[1]):
        moved = np.zeros_like(z)
        moved[:, k] = step
        columns.append((function(z + moved) - function(z - moved)) / (2 * step))
    return np.stack(columns, axis=-1)


def test_the_classes_are_found():
    without = {SquaredError, HalfSquaredError, BinomialLogLoss, SquaredHinge, ModifiedHuber}
    assert without | set(ARGUMENTS) <= set(CLASSES)
    assert MarginLoss not in CLASSES


def test_residual_is_the_gradient_of_value(case):
    loss, y, z = case
    assert loss.value(y, z).shape == (N,)
    expected = differences(lambda values: loss.value(y, values), z)
    assert_allclose(loss.residual(y, z), expected, rtol=1e-6, atol=1e-9)


def test_curvature_is_the_derivative_of_residual(case):
    loss, y, z = case
    expected = differences(lambda values: loss.residual(y, values), z)
    assert_allclose(loss.curvature(y, z).to_dense(), expected, rtol=1e-6, atol=1e-9)


def test_residuals_of_columns_are_those_of_each(case):
    loss, y, z = case
    columns = z[:, :, None] + np.random.default_rng(7).standard_normal((*z.shape, 5))
    expected = np.stack([loss.residual(y, columns[:, :, m]) for m in range(5)], axis=-1)
    assert_allclose(loss.residual_columns(y, columns), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kind", [kind for kind, absent in MADE if absent])
def test_outputs_that_a_row_has_no_part_in(kind):
    loss, y, z = make(kind, 3, absent=True)
    absent = y == 0
    assert 0 < absent.sum() < absent.size
    alone = [loss.value(y[:, [k]], z[:, [k]]) for k in range(3)]
    assert_allclose(sum(alone), loss.value(y, z))
    far = np.where(absent, 1e3 * z, z)
    assert_allclose(loss.value(y, far), loss.value(y, z))
    assert not loss.residual(y, z)[absent].any()
    assert not np.einsum("ikk->ik", loss.curvature(y, z).to_dense())[absent].any()
    low, high = type(loss)(*[2.0] * len(ARGUMENTS.get(kind, ()))).residual_range(y, z)
    assert not low[absent].any()
    assert not high[absent].any()


def test_curvature_is_symmetric_and_positive_semidefinite(case):
    loss, y, z = case
    dense = loss.curvature(y, z).to_dense()
    assert_allclose(dense, dense.transpose(0, 2, 1), atol=1e-15)
    assert np.linalg.eigvalsh(dense).min() >= -1e-14


@pytest.mark.parametrize("m", [1, 5])
def test_curvature_products_agree_with_the_dense_form(case, m):
    loss, y, z = case
    curvature = loss.curvature(y, z)
    directions = np.random.default_rng(1).standard_normal((*z.shape, m))
    expected = curvature.to_dense() @ directions
    assert_allclose(curvature.matmul(directions), expected, rtol=1e-12, atol=1e-14)
    single = curvature.matmul(directions.astype(np.float32))
    assert_allclose(single, expected, rtol=1e-4, atol=1e-5)


def test_curvature_scaled_and_taken(case):
    loss, y, z = case
    curvature = loss.curvature(y, z)
    weights = np.random.default_rng(2).uniform(size=(N, 1))
    dense = curvature.to_dense()
    assert curvature.n_outputs == z.shape[1]
    assert_allclose(curvature.scaled(weights).to_dense(), weights[:, :, None] * dense, rtol=1e-14)
    for rows in (slice(2, 7), np.array([5, 1, 5])):
        assert_allclose(curvature.take(rows).to_dense(), dense[rows])
    if curvature.separable:
        by_output = np.random.default_rng(3).uniform(size=z.shape)
        scaled = curvature.scaled(by_output).to_dense()
        assert_allclose(scaled, by_output[:, :, None] * dense, rtol=1e-14)


def test_separable_curvature_is_diagonal(case):
    loss, y, z = case
    curvature = loss.curvature(y, z)
    off_diagonal = curvature.to_dense() * (1 - np.eye(z.shape[1]))
    if curvature.separable:
        assert not off_diagonal.any()
    else:
        assert off_diagonal.any()


def test_largest_eigenvalues_are_an_upper_bound(case):
    loss, y, z = case
    curvature = loss.curvature(y, z)
    true = np.linalg.eigvalsh(curvature.to_dense())[:, -1]
    bound = curvature.largest_eigenvalues()
    assert (bound >= true * (1 - 1e-12)).all()
    if curvature.separable:
        assert_allclose(bound, true)
    else:
        assert (bound <= 2.5 * true).all()


def test_values_stay_finite_far_out(case):
    loss, y, z = case
    # Further out the mean of a log link, exp(z), is no number.
    for scale in (10, 100) if type(loss) is TweedieLoss else (1e3, 1e6):
        assert np.isfinite(loss.value(y, scale * z)).all()
        assert np.isfinite(loss.residual(y, scale * z)).all()
        assert np.isfinite(loss.curvature(y, scale * z).to_dense()).all()


def test_residual_range_holds_the_residual(case):
    loss, y, z = case
    low, high = loss.residual_range(y, z)
    # Of the loss that it stands in for, where it does.
    residual = replace(loss, temperature=1e-12).residual(y, z) if loss.smoothed else None
    residual = loss.residual(y, z) if residual is None else residual
    assert (low <= residual).all()
    assert (residual <= high).all()
    assert loss.smoothed == isinstance(loss, (SmoothHinge, SmoothEpsilonInsensitive))
    if not loss.smoothed:
        assert (low == high).all()


def test_probabilities_and_their_gradients(case):
    loss, y, z = case
    n_classes = max(z.shape[1] + (not loss.curvature(y, z).separable), 2)
    every = [np.full(N, k) for k in range(n_classes)]
    if not loss.has_probabilities:
        with pytest.raises(TypeError, match="has no class probabilities"):
            loss.probability(every[0], z)
        with pytest.raises(TypeError, match="has no class probabilities"):
            loss.probability_gradient(every[0], z)
        return
    assert_allclose(sum(loss.probability(codes, z) for codes in every), 1.0, rtol=1e-14)
    for codes in every:
        expected = differences(lambda values, codes=codes: loss.probability(codes, values), z)
        gradient = loss.probability_gradient(codes, z)
        assert_allclose(gradient, expected, rtol=1e-6, atol=1e-10)
