"""What single losses are, in words of their own: against scikit-learn, limits and definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from sklearn.linear_model import HuberRegressor
from sklearn.metrics import log_loss
from test_losses import N, differences, make

from skinfluence.losses import (
    BinomialLogLoss,
    HalfSquaredError,
    Huber,
    MarginLoss,
    MeasuredLoss,
    PerOutput,
    ScaledHuber,
    SmoothHinge,
    SoftLabelLogLoss,
    SoftmaxLogLoss,
    SquaredError,
    orthonormal_contrasts,
)
from skinfluence.responses import Exponential


def test_softmax_is_scikit_learns_log_loss_of_full_scores():
    loss, y, z = make(SoftmaxLogLoss, 3)
    scores = z @ loss.contrasts.T
    shifted = scores + np.random.default_rng(4).standard_normal((N, 1))
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    by_row = [
        log_loss(y[[i]], probabilities[[i]], labels=np.arange(loss.n_classes)) for i in range(N)
    ]
    assert_allclose(loss.value(y, z), by_row, rtol=1e-12)
    for code in range(loss.n_classes):
        assert_allclose(loss.probability(np.full(N, code), z), probabilities[:, code], rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_contrasts_are_orthonormal_and_sum_to_zero(n_classes):
    contrasts = orthonormal_contrasts(n_classes)
    assert contrasts.shape == (n_classes, n_classes - 1)
    assert_allclose(contrasts.T @ contrasts, np.eye(n_classes - 1), atol=1e-15)
    assert_allclose(contrasts.sum(axis=0), 0.0, atol=1e-15)


def test_softmax_with_two_classes_is_the_binomial_loss():
    loss = SoftmaxLogLoss(2)
    z = np.random.default_rng(5).standard_normal((N, 1))
    y = np.random.default_rng(6).integers(2, size=N)
    difference = z @ (loss.contrasts[1] - loss.contrasts[0])[:, None]
    signs = np.where(y == 1, 1.0, -1.0)[:, None]
    assert_allclose(loss.value(y, z), BinomialLogLoss().value(signs, difference), rtol=1e-13)


@pytest.mark.parametrize("temperature", [1.0, 0.1, 1e-3, 1e-6])
def test_smooth_hinge_approaches_the_hinge(temperature):
    margin = np.linspace(-2.0, 4.0, 601)
    smooth, hinge = SmoothHinge(temperature).margin_value(margin), np.maximum(0.0, 1.0 - margin)
    gap = smooth - hinge
    assert (gap >= -1e-15).all()
    assert gap.max() <= temperature * np.log(2) * (1 + 1e-12)
    assert gap[np.argmin(np.abs(margin - 1.0))] == pytest.approx(temperature * np.log(2))
    off_kink = np.abs(margin - 1.0) > 40 * temperature
    slopes = SmoothHinge(temperature).margin_slope(margin)
    assert_allclose(slopes[off_kink], np.where(margin[off_kink] < 1.0, -1.0, 0.0), atol=1e-15)


def test_smooth_hinge_has_all_its_curvature_at_the_kink():
    loss = SmoothHinge(0.01)
    margin = np.linspace(0.0, 2.0, 200_001)
    assert loss.margin_curvature(np.array([1.0]))[0] == pytest.approx(1 / 0.04)
    total = loss.margin_curvature(margin).mean() * 2.0
    assert total == pytest.approx(1.0, rel=1e-4)  # the slope rises from −1 to 0


def test_residual_range_of_the_hinge():
    loss = SmoothHinge(1e-3)
    y = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    margin = np.array([[1.0], [1.0 + 5e-3], [0.5], [1.5]])
    low, high = loss.residual_range(y, y * margin)
    assert_allclose(low[:, 0], [-1.0, 0.0, -1.0, 0.0], atol=1e-12)
    assert_allclose(high[:, 0], [0.0, 1.0, -1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("kind", [BinomialLogLoss, SoftmaxLogLoss])
def test_separates_only_where_every_row_is_on_its_side(kind):
    loss, y, z = make(kind, 1)
    assert not loss.separates(y, z)
    # A step along the negative residual, made long enough, puts every row on its own side.
    right = -100.0 * loss.residual(y, np.zeros_like(z))
    assert loss.separates(y, right)
    right[0] = 0.0
    assert not loss.separates(y, right)
    if isinstance(loss, MarginLoss):
        y[0] = 0.0
        assert loss.separates(y, right)


# --------------------------------------------------------------------- losses made of others
def test_without_symmetry_the_softmax_has_a_decision_value_for_each_class():
    of_contrasts, y, z = make(SoftmaxLogLoss, 3)
    of_classes = SoftmaxLogLoss(4, symmetric=False)
    scores = z @ of_contrasts.contrasts.T
    assert_allclose(of_classes.value(y, scores), of_contrasts.value(y, z), rtol=1e-13)
    residual = differences(lambda values: of_classes.value(y, values), scores)
    assert_allclose(of_classes.residual(y, scores), residual, rtol=1e-6, atol=1e-9)
    bend = differences(lambda values: of_classes.residual(y, values), scores)
    curvature = of_classes.curvature(y, scores)
    assert_allclose(curvature.to_dense(), bend, rtol=1e-6, atol=1e-9)
    # What the classes have in common is not seen.
    assert_allclose(of_classes.residual(y, scores + 7.0), of_classes.residual(y, scores))
    assert_allclose(curvature.matmul(np.ones((N, 4, 1))), 0.0, atol=1e-15)


def test_soft_labels_are_a_mixture_of_both_labels():
    loss, y, z = make(SoftLabelLogLoss, 1)
    share = (1.0 + y[:, 0]) / 2.0
    both = [BinomialLogLoss().value(np.full_like(y, sign), z) for sign in (1.0, -1.0)]
    assert_allclose(loss.value(y, z), share * both[0] + (1.0 - share) * both[1], rtol=1e-13)
    assert_allclose(loss.value(np.sign(y), z), BinomialLogLoss().value(np.sign(y), z))
    assert not loss.separates(np.sign(y), 100.0 * y)


def test_scaled_huber_is_what_scikit_learn_minimises():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 2)), rng.standard_normal(50)
    model = HuberRegressor(epsilon=1.2, alpha=0.0, tol=1e-10, max_iter=1000).fit(X, y)
    location, loss = model.predict(X), ScaledHuber(1.2)

    def of_scale(scale):
        return loss.value(y[:, None], np.column_stack([location, np.full(50, scale)])).sum()

    best = minimize_scalar(of_scale, bounds=(0.1, 5.0), method="bounded", options={"xatol": 1e-9})
    assert best.x == pytest.approx(model.scale_, rel=1e-5)


def test_scaled_huber_for_scales_that_are_not_positive():
    """It goes on, convex and with a slope, so that a step too far finds its way back."""
    loss, y = ScaledHuber(1.2), np.zeros((3, 1))
    z = np.array([[1.0, 0.0], [1.0, -1.0], [0.0, 0.0]])
    assert np.isfinite(loss.value(y, z)).all()
    assert np.isfinite(loss.curvature(y, z).to_dense()).all()
    expected = differences(lambda values: loss.value(y[:2], values), z[:2])
    assert_allclose(loss.residual(y[:2], z[:2]), expected, rtol=1e-6)


def test_a_loss_per_output_is_the_sum_of_them():
    loss, y, z = make(PerOutput, 3)
    parts = [HalfSquaredError(), Huber(0.5), SquaredError()]
    each = [part.value(y[:, [k]], z[:, [k]]) for k, part in enumerate(parts)]
    assert_allclose(loss.value(y, z), sum(each))
    assert_allclose(loss.of_outputs(slice(1, 2)).value(y[:, [1]], z[:, [1]]), each[1])
    mixed = PerOutput((SmoothHinge(0.3), SquaredError()))
    assert (mixed.kinked, mixed.smoothed, mixed.temperature) == (True, True, 0.3)
    assert mixed.at_temperature(0.1).losses == (SmoothHinge(0.1), SquaredError())


def test_a_measured_loss_is_that_of_responses():
    measured = MeasuredLoss(SquaredError(), Exponential())
    rng = np.random.default_rng(1)
    y, z = rng.standard_normal((2, N, 1))
    assert_allclose(measured.value(y, z), ((np.exp(y) - np.exp(z)) ** 2)[:, 0])
    expected = differences(lambda values: measured.value(y, values), z)
    assert_allclose(measured.residual(y, z), expected, rtol=1e-6)
    assert measured.around(HalfSquaredError()).value(y, z) == pytest.approx(
        measured.value(y, z) / 2.0
    )
