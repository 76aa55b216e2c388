"""The hinge, smoothed, against really refitted LinearSVC on MNIST's digits 1 and 7.

Rows that lie on the kink with a slope between its two have no influence to first order (their
multiplier takes up the change), but do have an effect when they go.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.svm import LinearSVC

from skinfluence import InfluenceExplainer
from skinfluence.datasets import load_mnist17


class Problem(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    model: Any


def signs(y: np.ndarray) -> np.ndarray:
    return np.where(y == 7, 1.0, -1.0)


def hinge(model: Any, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1.0 - signs(y) * model.decision_function(X))


@cache
def problem(n: int, strength: float) -> Problem:
    """n training images, the three test images of greatest loss, penalty strength per row."""
    digits = load_mnist17()
    X, y = digits.data[:n], digits.target[:n]
    model = LinearSVC(
        loss="hinge",
        C=1.0 / (strength * n),
        fit_intercept=False,
        tol=1e-9,
        max_iter=10**6,
        random_state=0,
    ).fit(X, y)
    hard = np.argsort(-hinge(model, digits.test_data, digits.test_target))[:3]
    return Problem(X, y, digits.test_data[hard], digits.test_target[hard], model)


@cache
def explained(n: int, strength: float, smoothing: float = 1e-3) -> InfluenceExplainer:
    given = problem(n, strength)
    return InfluenceExplainer(given.model, prefit=True, smoothing=smoothing).fit(given.X, given.y)


def changes_by_refit(given: Problem, rows: np.ndarray) -> np.ndarray:
    before = hinge(given.model, given.X_test, given.y_test)
    after = []
    for row in rows:
        keep = np.arange(len(given.y)) != row
        model = clone(given.model).fit(given.X[keep], given.y[keep])
        after.append(hinge(model, given.X_test, given.y_test))
    return (np.array(after) - before).T


def agreement(predicted: np.ndarray, actual: np.ndarray) -> tuple[float, float]:
    correlation = np.corrcoef(predicted.ravel(), actual.ravel())[0, 1]
    return correlation, np.polyfit(actual.ravel(), predicted.ravel(), 1)[0]


def strongest(effects: np.ndarray, k: int = 25) -> np.ndarray:
    return np.argsort(-np.abs(effects).max(axis=0), kind="stable")[:k]


# n and strength. With few rows in 784 dimensions all support vectors lie on the kink (the first
# pair: 44 of 44), and one Newton step has correlations of 0.76 to 0.98 with refits.
REMOVAL = [(400, 0.01), (400, 0.1), (1500, 0.01), (1500, 0.1)]


@pytest.mark.parametrize("n, strength", REMOVAL)
def test_removal_of_the_strongest_rows(n, strength):
    given, explainer = problem(n, strength), explained(n, strength)
    rows = strongest(explainer.influence(given.X_test, given.y_test))
    predicted = explainer.influence(given.X_test, given.y_test, kind="removal", indices=rows)
    correlation, slope = agreement(predicted, changes_by_refit(given, rows))
    assert correlation >= 0.99999
    assert slope == pytest.approx(1.0, abs=1e-3)


FIRST_ORDER = [(400, 0.1, 0.96), (1500, 0.03, 0.97), (1500, 0.1, 0.98)]


@pytest.mark.parametrize("n, strength, least", FIRST_ORDER)
def test_first_order_is_right_with_smoothing_and_wrong_without(n, strength, least):
    given, explainer = problem(n, strength), explained(n, strength)
    predicted = -explainer.influence(given.X_test, given.y_test) / n
    rows = strongest(predicted)
    actual = changes_by_refit(given, rows)
    correlation, slope = agreement(predicted[:, rows], actual)
    assert correlation >= least
    assert 0.85 <= slope <= 1.15
    # The hinge's own second derivative is 0 almost everywhere: the penalty's Hessian is left.
    slope_train = -signs(given.y) * (hinge(given.model, given.X, given.y) > 0)
    slope_test = -signs(given.y_test) * (hinge(given.model, given.X_test, given.y_test) > 0)
    kernel = given.model.C * (given.X_test @ given.X[rows].T)
    unsmoothed = slope_test[:, None] * kernel * slope_train[rows]
    correlation, slope = agreement(unsmoothed, actual)
    assert correlation <= 0.5
    assert slope >= 3.0


def test_less_smoothing_is_closer_to_refits():
    given = problem(1500, 0.03)
    rows = strongest(explained(1500, 0.03).influence(given.X_test, given.y_test))
    actual = changes_by_refit(given, rows)
    correlations = []
    for smoothing in (1e-1, 1e-2, 1e-3):
        explainer = explained(1500, 0.03, smoothing)
        scores = -explainer.influence(given.X_test, given.y_test, indices=rows) / 1500
        correlations.append(agreement(scores, actual)[0])
    assert correlations == sorted(correlations)
    assert correlations[0] < 0.92


def test_rows_outside_the_margin_have_no_effect():
    given, explainer = problem(400, 0.1), explained(400, 0.1)
    far = np.flatnonzero(signs(given.y) * given.model.decision_function(given.X) > 1.5)
    assert len(far) > 100
    rows = far[:5]
    assert np.abs(changes_by_refit(given, rows)).max() < 1e-6
    for kind in ("upweight", "removal"):
        effects = explainer.influence(given.X_test, given.y_test, kind=kind, indices=far)
        assert np.abs(effects).max() < 1e-12
