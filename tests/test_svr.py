"""LinearSVR and its losses: limits of smoothing, units of y, and real refits of either loss."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from asking import explain, same
from numpy.testing import assert_allclose
from reference import epsilon_insensitive, squared_epsilon_insensitive
from rows import Data, make_data
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.svm import LinearSVR

from skinfluence import InfluenceExplainer, as_objective
from skinfluence.losses import SmoothEpsilonInsensitive, SquaredEpsilonInsensitive, SquaredError

KINDS = ("upweight", "removal", "refit")
ROWS = np.arange(0, 120, 10)
LOSSES = {
    "epsilon_insensitive": epsilon_insensitive,
    "squared_epsilon_insensitive": squared_epsilon_insensitive,
}


def svr(loss: str, **parameters: Any) -> LinearSVR:
    settings = {"epsilon": 0.3, "C": 0.05, "dual": True, "tol": 1e-9, "max_iter": 10**6}
    return LinearSVR(loss=loss, random_state=0, **(settings | parameters))


both_losses = pytest.mark.parametrize("loss", LOSSES)


# ----------------------------------------------------------------------------------- the losses
@pytest.mark.parametrize("temperature", [1.0, 0.1, 1e-3, 1e-6])
@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_smoothed_loss_approaches_the_one_with_kinks(epsilon, temperature):
    smooth = SmoothEpsilonInsensitive(epsilon, temperature)
    off = np.linspace(-2.0, 2.0, 801)[:, None]
    y = np.full_like(off, 3.0)
    gap = smooth.value(y, y + off) - np.maximum(0.0, np.abs(off[:, 0]) - epsilon)
    assert (gap >= -1e-15).all()
    assert gap.max() <= 2 * temperature * np.log(2) * (1 + 1e-9)
    off_kinks = np.abs(np.abs(off) - epsilon) > 40 * temperature
    slopes = np.where(np.abs(off) > epsilon, np.sign(off), 0.0)
    assert_allclose(smooth.residual(y, y + off)[off_kinks], slopes[off_kinks], atol=1e-15)


def test_all_curvature_is_at_the_kinks():
    off = np.linspace(-2.0, 2.0, 400_001)[:, None]
    curvature = SmoothEpsilonInsensitive(0.5, 0.01).curvature(np.zeros_like(off), off)
    weights = curvature.to_dense()[:, 0, 0]
    assert weights[off[:, 0] > 0].mean() * 2.0 == pytest.approx(1.0, rel=1e-4)  # slope 0 to 1
    assert weights[off[:, 0] < 0].mean() * 2.0 == pytest.approx(1.0, rel=1e-4)  # and −1 to 0
    assert weights.max() == pytest.approx(1 / 0.04)


def test_subgradients_on_the_kinks():
    off = np.array([[0.5], [0.505], [-0.495], [-0.5], [0.0], [0.7], [-0.7]])
    loss = SmoothEpsilonInsensitive(0.5, 1e-3)
    low, high = loss.residual_range(np.ones_like(off), 1.0 + off)
    assert_allclose(low[:, 0], [0, 0, -1, -1, 0, 1, -1], atol=1e-12)
    assert_allclose(high[:, 0], [1, 1, 0, 0, 0, 1, -1], atol=1e-12)
    low, high = SmoothEpsilonInsensitive(0.0, 1e-3).residual_range(np.zeros((1, 1)), off[4:5])
    assert (low[0, 0], high[0, 0]) == (-1.0, 1.0)


def test_a_tube_without_width_is_squared_error():
    rng = np.random.default_rng(0)
    y, z = rng.standard_normal((2, 9, 3))
    z[0] = y[0]
    tube, plain = SquaredEpsilonInsensitive(0.0), SquaredError()
    assert_allclose(tube.value(y, z), plain.value(y, z))
    assert_allclose(tube.residual(y, z), plain.residual(y, z))
    assert_allclose(tube.curvature(y, z).to_dense(), plain.curvature(y, z).to_dense())


def test_without_a_tube_the_estimator_is_ridge():
    data = make_data("regression")
    model = svr("squared_epsilon_insensitive", epsilon=0.0, fit_intercept=False)
    model.fit(data.X, data.y)
    ridge = Ridge(1 / (2 * model.C), fit_intercept=False, solver="svd").fit(data.X, data.y)
    # ½ ‖w‖² + C Σ ℓ is C times Σ ℓ + ‖w‖² / 2C, and Ridge's penalty is alpha ‖w‖²
    expected = explain(ridge, data.X, data.y)
    got = explain(model, data.X, data.y)
    for kind in KINDS:
        same(
            got.influence(data.X_test, data.y_test, kind=kind),
            expected.influence(data.X_test, data.y_test, kind=kind),
            1e-6,
        )


# -------------------------------------------------------------------------------- real refits
@cache
def wide() -> Data:
    """As many features as rows: many rows lie on the edge of the tube, unlike with a few."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((306, 300))
    y = X @ rng.standard_normal(300) / np.sqrt(300) + 0.5 * rng.standard_normal(306)
    return Data(X[:300], y[:300], X[300:], y[300:], rng.uniform(0.2, 1.2, 300))


def agreement(
    model: LinearSVR, data: Data, explainer: InfluenceExplainer, kind: str
) -> tuple[float, float]:
    """Correlation and slope, of the 10 strongest rows, with changes of the loss by real refits."""
    n, loss = len(data.y), LOSSES[model.loss]
    first = -explainer.influence(data.X_test, data.y_test) / n
    rows = np.argsort(-np.abs(first).max(axis=0), kind="stable")[:10]
    predicted = first[:, rows]
    if kind != "upweight":
        predicted = explainer.influence(data.X_test, data.y_test, kind=kind, indices=rows)
    left = [data.without(row) for row in rows]
    after = [loss(clone(model).fit(d.X, d.y), data.X_test, data.y_test) for d in left]
    actual = np.array(after).T - loss(model, data.X_test, data.y_test)[:, None]
    slope = np.polyfit(actual.ravel(), predicted.ravel(), 1)[0]
    return np.corrcoef(predicted.ravel(), actual.ravel())[0, 1], slope


# Features, kind, least correlation and range of the slope. Rows of high leverage, as with many
# features, are what the first order falls short of.
SQUARED = [
    ("few", "upweight", 0.999, (0.9, 1.0)),
    ("few", "removal", 0.999, (0.97, 1.03)),
    ("few", "refit", 1 - 1e-9, (1 - 1e-6, 1 + 1e-6)),
    ("many", "upweight", 0.99, (0.4, 1.0)),
    ("many", "removal", 0.995, (0.97, 1.03)),
    ("many", "refit", 1 - 1e-9, (1 - 1e-6, 1 + 1e-6)),
]


@pytest.mark.parametrize("features, kind, least, slopes", SQUARED)
def test_squared_loss_against_refits(features, kind, least, slopes):
    data, C = (make_data("regression", 320), 1.0) if features == "few" else (wide(), 0.003)
    model = svr("squared_epsilon_insensitive", C=C).fit(data.X, data.y)
    correlation, slope = agreement(model, data, explain(model, data.X, data.y), kind)
    assert correlation >= least
    assert slopes[0] <= slope <= slopes[1]


@pytest.mark.parametrize(
    "kind, least, slopes",
    [
        ("upweight", 0.95, (0.9, 1.1)),
        ("removal", 0.999, (0.99, 1.01)),
        ("refit", 0.9999, (0.999, 1.001)),
    ],
)
def test_smoothed_loss_against_refits(kind, least, slopes):
    data = wide()
    model = svr("epsilon_insensitive", C=0.003).fit(data.X, data.y)
    correlation, slope = agreement(model, data, explain(model, data.X, data.y), kind)
    assert correlation >= least
    assert slopes[0] <= slope <= slopes[1]


def test_less_smoothing_is_closer_to_refits():
    data = wide()
    model = svr("epsilon_insensitive", C=0.003).fit(data.X, data.y)
    on_the_edge = np.abs(np.abs(model.predict(data.X) - data.y) - model.epsilon) < 1e-6
    assert on_the_edge.sum() > 100
    explainers = [explain(model, data.X, data.y, smoothing=t) for t in (1.0, 0.1, 1e-3)]
    correlations = [agreement(model, data, each, "upweight")[0] for each in explainers]
    assert correlations == sorted(correlations)
    assert correlations[0] < 0.94


def test_rows_within_the_tube_have_no_effect():
    data = wide()
    for loss, bound in (("epsilon_insensitive", 1e-12), ("squared_epsilon_insensitive", 0.0)):
        model = svr(loss, C=0.003).fit(data.X, data.y)
        within = np.abs(model.predict(data.X) - data.y) < 0.2
        assert within.sum() > 30
        explainer = explain(model, data.X, data.y)
        for kind in ("upweight", "removal"):
            rows = np.flatnonzero(within)[:10]
            effects = explainer.influence(data.X_test, data.y_test, kind=kind, indices=rows)
            assert np.abs(effects).max() <= bound


@pytest.mark.parametrize("parameters", [{}, {"intercept_scaling": 5.0}, {"fit_intercept": False}])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_the_primal_solver_is_at_the_same_optimum(parameters, epsilon):
    data = make_data("regression")
    model = svr("squared_epsilon_insensitive", dual=False, epsilon=epsilon, **parameters)
    explainer = explain(model.fit(data.X, data.y), data.X, data.y)
    assert explainer.report_.relative_step < 1e-5


# ---------------------------------------------------------------------------- what must not matter
@pytest.mark.parametrize("kind", KINDS)
@both_losses
def test_the_unit_of_y(loss, kind):
    """The penalty is of degree 2 in it; so is the squared loss, but the other of degree 1."""
    data, unit = make_data("regression", 120), 1000.0
    degree = 2 if loss.startswith("squared") else 1
    model = svr(loss).fit(data.X, data.y)
    scaled = clone(model).set_params(epsilon=unit * 0.3, C=0.05 * unit ** (2 - degree))
    scaled.fit(data.X, unit * data.y)
    asked: dict[str, Any] = {"kind": kind, "indices": ROWS}
    expected = explain(model, data.X, data.y).influence(data.X_test, data.y_test, **asked)
    explainer = explain(scaled, data.X, unit * data.y)
    got = explainer.influence(data.X_test, unit * data.y_test, **asked)
    same(got / unit**degree, expected, 1e-4)
    assert explainer.report_.relative_step < 1e-5
    # On the very same parameters up to the unit, it is exact but for rounding.
    scaled.coef_, scaled.intercept_ = unit * model.coef_, unit * model.intercept_
    explainer = explain(scaled, data.X, unit * data.y)
    got = explainer.influence(data.X_test, unit * data.y_test, **asked)
    same(got / unit**degree, expected, 1e-7)


def test_targets_without_spread():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 3)), np.full(30, 0.1)
    model = svr("epsilon_insensitive", epsilon=0.01).fit(X, y)
    assert as_objective(model, X, y, smoothing=0.02).loss.temperature == 0.02


def test_the_spread_is_of_rows_with_weight():
    data = make_data("regression")
    model = svr("epsilon_insensitive").fit(data.X, data.y)
    weights = np.random.default_rng(0).integers(0, 3, len(data.y))
    weighted = as_objective(model, data.X, data.y, weights)
    copies = np.repeat(data.y, weights)
    assert weighted.loss.temperature == pytest.approx(1e-3 * copies.std(), rel=1e-12)


@both_losses
def test_weights_are_copies(loss):
    data = make_data("regression", 120)
    copies = np.random.default_rng(1).integers(0, 4, 120)
    index = np.repeat(np.arange(120), copies)
    weighted = InfluenceExplainer(svr(loss)).fit(data.X, data.y, sample_weight=copies)
    repeated = InfluenceExplainer(svr(loss)).fit(data.X[index], data.y[index])
    by_weight = weighted.influence(data.X_test, data.y_test)[:, index] / 120
    same(repeated.influence(data.X_test, data.y_test) / len(index), by_weight, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
@both_losses
def test_sparse_is_dense(loss, kind):
    data = make_data("regression", 120)
    model = svr(loss).fit(data.X, data.y)
    asked: dict[str, Any] = {"kind": kind, "indices": ROWS}
    expected = explain(model, data.X, data.y).influence(data.X_test, data.y_test, **asked)
    stored = explain(model, sparse.csr_matrix(data.X), data.y)
    got = stored.influence(sparse.csr_matrix(data.X_test), data.y_test, **asked)
    same(got, expected, 1e-8)


# ------------------------------------------------------------------------------------ questions
@both_losses
def test_explanations(loss):
    data = make_data("regression", 40)
    explainer = InfluenceExplainer(svr(loss)).fit(data.X, data.y)
    explanation = explainer.explain(data.X_test, k=3)
    changes = explainer.influence(data.X_test, target="prediction", kind="removal")
    assert explanation.unit == "unit of y"
    top = np.take_along_axis(changes, explanation.helpful_indices, axis=1)
    assert_allclose(explanation.helpful_effects, top)
    with_targets = explainer.explain(data.X_test, data.y_test, k=3)
    assert with_targets.unit == explainer.objective_.loss.unit
    assert "epsilon-insensitive loss (unit of y" in with_targets.unit
    with pytest.raises(ValueError, match="y_test=None for a regressor with target='loss'"):
        explainer.influence(data.X_test)
