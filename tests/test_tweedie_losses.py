"""Half unit deviances of every power and link, against differences and scikit-learn's metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from models_glm import half_deviance
from numpy.testing import assert_allclose
from sklearn.metrics import mean_tweedie_deviance

from skinfluence.losses import IdentityTweedieLoss, TweedieLoss

POWERS = [-1.5, -1.0, 0.0, 0.5, 1.0, 1.3, 2.0, 2.5, 3.0]
LOSSES = [TweedieLoss(power) for power in POWERS]
LOSSES += [IdentityTweedieLoss(power) for power in POWERS if power]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def rows_of(loss: TweedieLoss, n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Targets and decision values; some targets are 0, or negative, where they may be."""
    rng = np.random.default_rng(0)
    y, z = rng.gamma(2.0, size=(n, 1)), rng.standard_normal((n, 1))
    if loss.power < 2:
        y[:5] = 0.0
    if loss.power <= 0:
        y[:3] *= -1.0
    return y, np.exp(z) if isinstance(loss, IdentityTweedieLoss) else z


def difference(function: Any, z: np.ndarray, step: float = 1e-5) -> np.ndarray:
    return (function(z + step) - function(z - step)) / (2.0 * step)


@every_loss
def test_derivatives(loss):
    y, z = rows_of(loss)
    slope = difference(lambda values: loss.value(y, values)[:, None], z)
    assert_allclose(loss.residual(y, z), slope, rtol=1e-6, atol=1e-8)
    bend = difference(lambda values: loss.residual(y, values), z)
    assert_allclose(loss.curvature(y, z).weights, bend, rtol=1e-6, atol=1e-8)


@dataclass
class Predicts:
    """A model that predicts these means."""

    mean: np.ndarray

    def predict(self, X: Any) -> np.ndarray:
        return self.mean


@every_loss
def test_values_are_half_of_scikit_learns_deviance(loss):
    y, z = rows_of(loss)
    mean = z if isinstance(loss, IdentityTweedieLoss) else np.exp(z)
    values = loss.value(y, z)
    assert (values >= 0).all()
    if not 0 < loss.power < 1:  # of which the metric knows no distribution
        pairs = zip(y, mean, strict=True)
        metric = [mean_tweedie_deviance(*pair, power=loss.power) for pair in pairs]
        assert_allclose(values, 0.5 * np.array(metric), rtol=1e-12, atol=1e-14)
    # What test_models takes for it, of the targets that it has.
    usual = y[:, 0] >= 0
    reference = half_deviance(loss.power)(Predicts(mean[usual, 0]), None, y[usual, 0])
    assert_allclose(values[usual], reference, rtol=1e-12, atol=1e-14)


@every_loss
def test_nothing_is_lost_where_the_mean_is_right(loss):
    y = rows_of(loss)[0][5:]
    right = y if isinstance(loss, IdentityTweedieLoss) else np.log(y)
    assert_allclose(loss.value(y, right), 0.0, atol=1e-13)
    assert_allclose(loss.residual(y, right), 0.0, atol=1e-13)


def test_convex_where_they_say_so():
    for power in (1.0, 1.5, 2.0):
        loss = TweedieLoss(power)
        assert (loss.curvature(*rows_of(loss)).weights >= 0).all()
    loss = IdentityTweedieLoss(1.0)
    assert (loss.curvature(*rows_of(loss)).weights >= 0).all()
    for loss in (TweedieLoss(0.0), TweedieLoss(3.0), IdentityTweedieLoss(2.0)):
        assert (loss.curvature(*rows_of(loss)).weights < 0).any()


def test_the_identity_link_ends_at_zero():
    loss, y, z = IdentityTweedieLoss(1.5), np.ones((3, 1)), np.array([[-1.0], [0.0], [1.0]])
    assert loss.value(y, z).tolist() == [np.inf, np.inf, 0.0]
    slopes = loss.residual(y, z)[:, 0]
    assert (slopes[:2] < -1e50).all()
    assert (0.0 * slopes == 0.0).all()
    assert loss.curvature(y, z).weights[:2].tolist() == [[0.0], [0.0]]
