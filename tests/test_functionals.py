"""Functionals alone: their values are scikit-learn's metrics, their slopes their derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, softmax
from sklearn import metrics
from sklearn.calibration import calibration_curve
from wording import raises

from skinfluence import functionals
from skinfluence.functionals import Functional
from skinfluence.functionals.readings import DecisionReadings

N = 60


def make_values(n_classes: int, seed: int = 0):
    """Decision values with ties, labels that they have to do with, weights and two groups."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=N)
    signal = y[:, None] == (np.arange(n_classes) if n_classes > 2 else 1)
    values = (1.5 * signal + rng.standard_normal(signal.shape) - 0.5).round(1)
    return values[:, 0] if n_classes == 2 else values, y, rng.uniform(0.2, 2.0, N), rng.random(N)


VALUES, Y, WEIGHTS, DRAWN = make_values(2)
VALUES_3, Y_3, _, _ = make_values(3)
GROUPS = np.where(DRAWN < 0.4, "f", "m")
TARGETS = np.random.default_rng(1).standard_normal(N) + VALUES
weighing = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])


# ------------------------------------------------------------------------------------- values
def rate(y_pred, weights, rows):
    weights = np.ones(N) if weights is None else weights
    return weights[rows] @ (y_pred[rows] == 1) / weights[rows].sum()


def gap(y_pred, weights, rows):
    return rate(y_pred, weights, rows & (GROUPS == "m")) - rate(
        y_pred, weights, rows & (GROUPS == "f")
    )


def expected_calibration(y, probability, weights, n_bins=10):
    """By scikit-learn's calibration curve, of copies where there are weights."""
    if weights is not None:
        copies = (10 * weights).round().astype(int)
        y, probability = np.repeat(y, copies), np.repeat(probability, copies)
    true, predicted = calibration_curve(y, probability, n_bins=n_bins)
    edges = np.linspace(0.0, 1.0, n_bins + 1)[1:-1]
    counts = np.bincount(np.searchsorted(edges, probability), minlength=n_bins)
    return np.abs(true - predicted) @ counts[counts > 0] / counts.sum()


@weighing
def test_binary_values_are_those_of_scikit_learn(weights):
    options = {"sample_weight": weights}
    predicted, every = (VALUES > 0).astype(int), np.ones(N, dtype=bool)
    odds = [gap(predicted, weights, Y == 1), gap(predicted, weights, Y == 0)]
    assert abs(odds[0]) != abs(odds[1])
    expected = {
        functionals.accuracy(**options): metrics.accuracy_score(Y, predicted, **options),
        functionals.roc_auc(**options): metrics.roc_auc_score(Y, VALUES, **options),
        functionals.average_precision(**options): metrics.average_precision_score(
            Y, VALUES, **options
        ),
        functionals.brier_score(**options): metrics.brier_score_loss(Y, expit(VALUES), **options),
        functionals.r2(**options): metrics.r2_score(Y, VALUES, **options),
        functionals.demographic_parity(GROUPS, **options): gap(predicted, weights, every),
        functionals.equal_opportunity(GROUPS, **options): odds[0],
        functionals.equalized_odds(GROUPS, **options): max(odds, key=abs),
        functionals.prediction(5): expit(VALUES[5]) if Y[5] else expit(-VALUES[5]),
    }
    for functional, value in expected.items():
        assert_allclose(functional(VALUES, Y)[0], value, rtol=1e-12, err_msg=functional.name)


@pytest.mark.parametrize("n_bins", [1, 10])
@weighing
def test_calibration_error_is_that_of_the_calibration_curve(weights, n_bins):
    weights = None if weights is None else (10 * weights).round() / 10
    value, _ = functionals.calibration_error(n_bins, sample_weight=weights)(VALUES, Y)
    assert value == pytest.approx(expected_calibration(Y, expit(VALUES), weights, n_bins))


@weighing
def test_values_of_three_classes_are_those_of_scikit_learn(weights):
    options = {"sample_weight": weights}
    chances, predicted = softmax(VALUES_3, axis=1), VALUES_3.argmax(axis=1)
    present = np.eye(3)[Y_3]
    own = np.ones(N) if weights is None else weights
    hits, every = (predicted == 2).astype(int), np.ones(N, dtype=bool)
    expected = {
        functionals.accuracy(**options): metrics.accuracy_score(Y_3, predicted, **options),
        functionals.roc_auc(**options): metrics.roc_auc_score(
            Y_3, chances, multi_class="ovr", **options
        ),
        functionals.average_precision(**options): metrics.average_precision_score(
            present, VALUES_3, **options
        ),
        functionals.brier_score(**options): np.average(
            ((chances - present) ** 2).sum(axis=1), weights=own
        ),
        functionals.demographic_parity(GROUPS, positive=2, **options): gap(hits, weights, every),
        functionals.prediction(5, output=1): chances[5, 1],
    }
    for functional, value in expected.items():
        got, gradient = functional(VALUES_3, Y_3)
        assert_allclose(got, value, rtol=1e-12, err_msg=functional.name)
        assert gradient.shape == VALUES_3.shape


def test_calibration_error_of_three_classes_is_of_the_predicted_one():
    chances = softmax(VALUES_3, axis=1)
    hits = (chances.argmax(axis=1) == Y_3).astype(int)
    value, _ = functionals.calibration_error()(VALUES_3, Y_3)
    assert value == pytest.approx(expected_calibration(hits, chances.max(axis=1), None))


def test_r2_is_the_mean_over_outputs():
    predicted, targets = np.column_stack([VALUES, 2 * VALUES]), np.column_stack([TARGETS, VALUES])
    assert functionals.r2()(predicted, targets)[0] == pytest.approx(
        metrics.r2_score(targets, predicted)
    )


def test_the_gap_is_of_the_second_group_less_the_first():
    values, groups = np.array([1.0, -1.0, 1.0, 1.0]), np.array([1, 1, 0, 0])
    y = np.array([1, 0, 1, 0])
    assert functionals.demographic_parity(groups)(values, y)[0] == -0.5
    assert functionals.demographic_parity(1 - groups)(values, y)[0] == 0.5
    assert functionals.equal_opportunity(groups)(values, y)[0] == 0.0
    assert functionals.equalized_odds(groups)(values, y)[0] == -1.0
    assert functionals.demographic_parity(groups, positive=0)(values, y)[0] == 0.5


# ------------------------------------------------------------------------------------- slopes
def smooth_change(functional: Functional, values, y, step):
    """(f(z + h) − f(z − h)) / 2h of the smoothed metric for each decision value, widths held."""
    width = functional.width(DecisionReadings(values, y, None, name=functional.name))
    result = np.zeros_like(values)
    for index in np.ndindex(values.shape):
        moved = []
        for sign in (1.0, -1.0):
            own = values.copy()
            own[index] += sign * step
            readings = DecisionReadings(own, y, None, name=functional.name)
            moved.append(functional.smooth_value(readings, width)[0])
        result[index] = (moved[0] - moved[1]) / (2 * step)
    return result


BINARY = [
    functionals.accuracy(0.3),
    functionals.accuracy(0.3, sample_weight=WEIGHTS),
    functionals.roc_auc(0.3),
    functionals.roc_auc(0.3, sample_weight=WEIGHTS),
    functionals.average_precision(0.3),
    functionals.average_precision(0.3, sample_weight=WEIGHTS),
    functionals.brier_score(),
    functionals.brier_score(sample_weight=WEIGHTS),
    functionals.demographic_parity(GROUPS, temperature=0.3),
    functionals.equal_opportunity(GROUPS, temperature=0.3, sample_weight=WEIGHTS),
    functionals.equalized_odds(GROUPS, temperature=0.3),
    functionals.equalized_odds(GROUPS, positive=0, temperature=0.3),
    functionals.calibration_error(5, temperature=0.3),
    functionals.calibration_error(5, temperature=0.3, sample_weight=WEIGHTS),
    functionals.calibration_error(1),
    functionals.prediction(5),
    functionals.prediction(6, output=0),
    functionals.r2(),
    functionals.r2(sample_weight=WEIGHTS),
]
THREE = [
    *[each for each in BINARY[:8] if each.name != "r2"],
    functionals.demographic_parity(GROUPS, positive=1, temperature=0.3),
    functionals.equalized_odds(GROUPS, positive=2, temperature=0.3),
    functionals.calibration_error(5, temperature=0.3),
    functionals.prediction(5),
]
SETS = [(f, VALUES, Y) for f in BINARY] + [(f, VALUES_3, Y_3) for f in THREE]


@pytest.mark.parametrize(
    "functional, values, y", SETS, ids=lambda value: getattr(value, "name", "")
)
def test_gradients_are_those_of_the_smoothed_metric(functional, values, y):
    # Ties and steps of a value's own are no places to differentiate the true metric at.
    values = values + 0.01 * np.random.default_rng(2).standard_normal(values.shape)
    _, gradient = functional(values, y)
    expected = smooth_change(functional, values, y, 1e-6)
    assert np.abs(expected).max() > 0
    assert_allclose(gradient, expected, rtol=0, atol=1e-7 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize(
    "functional, values, y", SETS, ids=lambda value: getattr(value, "name", "")
)
def test_smoothed_metrics_become_the_metrics(functional, values, y):
    values = values + 1e-4 * np.random.default_rng(2).standard_normal(values.shape)  # no ties
    readings = DecisionReadings(values, y, None, name=functional.name)
    width = 1e-9 * np.ones_like(functional.width(readings))
    assert functional.smooth_value(readings, width)[0] == pytest.approx(
        functional.value(readings)[0]
    )


def test_smoothing_has_no_unit():
    for functional in (functionals.accuracy(), functionals.roc_auc()):
        value, gradient = functional(VALUES, Y)
        scaled_value, scaled = functional(1000 * VALUES, Y)
        assert value == scaled_value
        assert_allclose(1000 * scaled, gradient, atol=1e-12)


# ------------------------------------------------------------------------------------- errors
def test_errors_of_settings_say_what_is_needed():
    with raises(ValueError, "functionals.accuracy got temperature=0", "a finite number above 0"):
        functionals.accuracy(temperature=0)
    with raises(ValueError, "functionals.roc_auc got temperature='a'", "a finite number above 0"):
        functionals.roc_auc(temperature="a")
    with raises(ValueError, "functionals.calibration_error got n_bins=0", "at least 1"):
        functionals.calibration_error(n_bins=0)
    with raises(TypeError, "sensitive"):
        functionals.demographic_parity()


def test_errors_of_rows_say_what_is_needed():
    with raises(ValueError, "functionals.accuracy got 60 decision values and y of length 2"):
        functionals.accuracy()(VALUES, [0, 1])
    with raises(ValueError, "functionals.accuracy got 1 classes, [1.0]", "Pass classes="):
        functionals.accuracy()(VALUES, np.ones(N))
    with raises(ValueError, "functionals.accuracy got labels in y that are not in classes"):
        functionals.accuracy()(VALUES, Y, classes=[0, 2])
    with raises(ValueError, "functionals.roc_auc got y without rows of class 1", "other rows"):
        functionals.roc_auc()(VALUES, np.zeros(N), classes=[0, 1])
    with raises(ValueError, "got y without rows of class 'c'"):
        functionals.average_precision()(VALUES_3, np.full(N, "a"), classes=["a", "b", "c"][::-1])
    with raises(ValueError, "functionals.roc_auc got y without rows of class 0"):
        functionals.roc_auc(sample_weight=Y.astype(float))(VALUES, Y)
    with raises(ValueError, "functionals.r2 got targets that are all the same"):
        functionals.r2()(VALUES, np.ones(N))
    with raises(ValueError, "functionals.accuracy got sample_weight of shape (3,)", "60 rows"):
        functionals.accuracy(sample_weight=[1, 2, 3])(VALUES, Y)
    with raises(ValueError, "functionals.roc_auc got sample_weight with NaN", "at least 0"):
        functionals.roc_auc(sample_weight=-WEIGHTS)(VALUES, Y)
    with raises(ValueError, "functionals.brier_score got no rows"):
        functionals.brier_score()(np.empty(0), np.empty(0), classes=[0, 1])
    with raises(IndexError, "functionals.prediction got row=60 with 60 rows", "0 to 59"):
        functionals.prediction(60)(VALUES, Y)
    with raises(ValueError, "functionals.prediction got output='x'", "one of the classes [0, 1]"):
        functionals.prediction(0, output="x")(VALUES, Y)


def test_errors_of_groups_say_what_is_needed():
    parity = functionals.demographic_parity
    with raises(ValueError, "functionals.demographic_parity got sensitive of shape (3,)", "60"):
        parity([0, 1, 1])(VALUES, Y)
    with raises(ValueError, "sensitive with 1 groups, ['a']", "sensitive == group"):
        parity(np.full(N, "a"))(VALUES, Y)
    with raises(ValueError, "sensitive with 3 groups, [0, 1, 2]", "sensitive == group"):
        parity(Y_3)(VALUES, Y)
    with raises(ValueError, "got a model of 3 classes, [0, 1, 2]", "Pass positive="):
        parity(GROUPS)(VALUES_3, Y_3)
    with raises(ValueError, "functionals.demographic_parity got positive=7", "[0, 1, 2]"):
        parity(GROUPS, positive=7)(VALUES_3, Y_3)
    with raises(ValueError, "functionals.equal_opportunity got no positive rows in group 1"):
        functionals.equal_opportunity(1 - Y)(VALUES, Y)
    with raises(ValueError, "functionals.equalized_odds got no negative rows in group 1"):
        functionals.equalized_odds(Y)(VALUES, np.where(Y == 1, 1, DRAWN < 0.5).astype(int))


def test_what_decision_values_do_not_tell():
    with raises(TypeError, "functionals.mean_loss reads the loss of a model", "functional_influ"):
        functionals.mean_loss()(VALUES, Y)
    with raises(TypeError, "functionals.coefficient reads the parameters", "functional_influence"):
        functionals.coefficient(0)(VALUES, Y)
