"""Projections keep to their sets, for any rows."""

import numpy as np
import pytest
from wording import raises

from skinfluence.attack import Clip, Immutable, L2Ball, LInfBall, Projection, RoundTo8Bit

RNG = np.random.default_rng(0)
D = 50


def rows(n=20, low=0.0, high=1.0):
    """Original rows of any numbers, and moved ones."""
    Z0 = RNG.uniform(low, high, (n, D))
    Z0[:, 0], Z0[:, 1] = low, high
    return Z0 + (high - low) * RNG.standard_normal((n, D)) * 0.1, Z0


def grey(Z, low, high):
    return np.round(255 * (Z - low) / (high - low))


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.2, 0.3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_same_grey_levels(low, high, dtype):
    Z, Z0 = rows(low=low, high=high)
    off_grid = low + (high - low) * (np.arange(D) + 0.4999) / 255
    Z0 = np.vstack([Z0, off_grid, low + (high - low) * (np.arange(D) + 0.5) / 255])
    Z = np.vstack([Z, off_grid + 1, off_grid - 1])
    got = RoundTo8Bit(low, high)(Z, Z0)
    stored = got.astype(dtype).astype(np.float64)
    assert (grey(stored, low, high) == grey(Z0, low, high)).all()
    assert (got >= low).all()
    assert (got <= high).all()
    assert (got != Z0).mean() > 0.5  # there is room


def test_rounding_takes_the_nearest():
    Z0 = np.full((1, 3), 128 / 255)
    inside = Z0 + np.array([[1e-4, -1e-4, 0.0]])
    np.testing.assert_array_equal(RoundTo8Bit()(inside, Z0), inside)
    far = RoundTo8Bit()(Z0 + np.array([[1.0, -1.0, 0.0]]), Z0)
    np.testing.assert_allclose(255 * far, [[128.499, 127.501, 128.0]], atol=1e-10)


def test_values_without_a_grey_level():
    Z, Z0 = rows()
    Z0[0, :3] = 1.1, 2.0, -0.5
    with raises(ValueError, "RoundTo8Bit", "3 original values", "[0.0, 1.0]", "range of the data"):
        RoundTo8Bit()(Z, Z0)


def test_clip():
    Z, Z0 = rows()
    got = Clip(0.1, 0.7)(Z, Z0)
    assert got.min() == 0.1
    assert got.max() == 0.7
    high = np.linspace(0.5, 1.0, D)
    assert (Clip(0.0, high)(Z, Z0) <= high).all()


@pytest.mark.parametrize("radius", [0.0, 0.05, 0.3, 10.0])
def test_balls(radius):
    Z, Z0 = rows()
    got = L2Ball(radius)(Z, Z0)
    lengths = np.linalg.norm(got - Z0, axis=1)
    assert (lengths <= radius * (1 + 1e-12)).all()
    inside = np.linalg.norm(Z - Z0, axis=1) <= radius
    np.testing.assert_array_equal(got[inside], Z[inside])
    # outside of the ball the nearest point is on the way there
    unit = (Z - Z0) / np.linalg.norm(Z - Z0, axis=1, keepdims=True)
    np.testing.assert_allclose((got - Z0)[~inside], radius * unit[~inside], atol=1e-14)
    box = LInfBall(radius)(Z, Z0)
    assert (np.abs(box - Z0) <= radius + 1e-15).all()
    within = np.abs(Z - Z0) <= radius
    np.testing.assert_array_equal(box[within], Z[within])


def test_a_radius_for_each_feature():
    Z, Z0 = rows()
    radii = np.linspace(0.0, 0.1, D)
    assert (np.abs(LInfBall(radii)(Z, Z0) - Z0) <= radii + 1e-15).all()


@pytest.mark.parametrize("columns", [[1, 4], np.arange(D) % 3 == 1, []])
def test_immutable(columns):
    Z, Z0 = rows()
    got = Immutable(columns)(Z, Z0)
    held = columns if len(columns) == D else np.isin(np.arange(D), columns)
    np.testing.assert_array_equal(got[:, held], Z0[:, held])
    np.testing.assert_array_equal(got[:, ~held], Z[:, ~held])


@pytest.mark.parametrize(
    "projection",
    [RoundTo8Bit(), Clip(0.0, 1.0), L2Ball(0.2), LInfBall(0.1), Immutable([3])],
    ids=lambda p: type(p).__name__,
)
def test_projections_are_idempotent_and_leave_nan(projection):
    Z, Z0 = rows()
    Z[:, 7] = Z0[:, 7] = np.nan
    once = projection(Z, Z0)
    np.testing.assert_allclose(projection(once, Z0), once, rtol=0, atol=1e-15)
    assert np.isnan(once[:, 7]).all()
    assert np.isfinite(np.delete(once, 7, axis=1)).all()
    assert isinstance(projection, Projection)


# --------------------------------------------------------------------------------------- words
def test_words_of_settings():
    with raises(ValueError, "Clip got low=2", "high=1", "at most high"):
        Clip(2, 1)
    with raises(ValueError, "RoundTo8Bit got low=1.0", "below high"):
        RoundTo8Bit(1.0, 1.0)
    with raises(ValueError, "L2Ball got radius=-1", "at least 0"):
        L2Ball(-1)
    with raises(ValueError, "LInfBall got radius", "at least 0"):
        LInfBall([0.1, np.nan])
    with raises(ValueError, "Clip got low of shape (3,)", "50 features"):
        Clip([0, 0, 0], 1).bind(None, D)
    with raises(ValueError, "LInfBall got radius of shape (2,)", "50 features"):
        LInfBall([1, 2]).bind(None, D)


def test_words_of_columns():
    with raises(IndexError, "Immutable got columns outside of the features", "[50]", "0 to 49"):
        Immutable([1, 50]).bind(None, D)
    with raises(IndexError, "boolean mask of shape (2,)", "50 features"):
        Immutable([True, False]).bind(None, D)
    with raises(ValueError, "column names ['age']", "not a DataFrame", "positions"):
        Immutable(["age"])(*rows())
    names = tuple(f"f{i}" for i in range(D))
    with raises(ValueError, "no columns of the training data: ['age']", "f0, f1", "..."):
        Immutable(["f3", "age"]).bind(names, D)
    assert Immutable(["f3", "f9"]).bind(names, D).columns.tolist() == [3, 9]
