"""Shared by the tests of frozen networks: small digits, and what refits say."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from skinfluence import InfluenceExplainer
from skinfluence.attack import LInfBall, TrainingSetAttack
from skinfluence.datasets import load_mnist17
from skinfluence.transformers import step_vjp

TOP = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10, max_iter=1000)
RADIUS = 0.2


def pooled(images: np.ndarray) -> np.ndarray:
    """28 × 28 pixels as 14 × 14 means, each row flat."""
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)


@cache
def digits() -> tuple[np.ndarray, ...]:
    """Rows that a network is trained on, and others for the model on top of it."""
    data = load_mnist17()
    rows = pooled(data.data), data.target, pooled(data.test_data), data.test_target
    return tuple(each[first::15] for first in (1, 0) for each in rows[:2]) + rows[2:]


def check_slopes(step: Any, X: Any, move: float = 1e-5, tolerance: float = 1e-7) -> None:
    """``step_vjp`` against central differences of ``transform`` along random directions."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((4, *X.shape))
    cotangents = rng.standard_normal((3, *step.transform(X).shape))
    got = step_vjp(step, X, cotangents)
    assert got.shape == (3, *X.shape)
    for direction in directions:
        change = step.transform(X + move * direction) - step.transform(X - move * direction)
        want = np.einsum("mrk,rk->mr", cotangents, change / (2.0 * move))
        along = np.einsum("mrd,rd->mr", got, direction)
        assert_allclose(along, want, rtol=tolerance, atol=tolerance * np.abs(want).max())


def check_gradient_by_refits(pipeline: Any, row: int = 7, tolerance: float = 1e-4) -> None:
    """Eq. 5 against the last model really fitted on rows of which one has moved either way."""
    X, y, X_test, y_test = digits()[2:]
    X_test, y_test = X_test[:20], y_test[:20]
    explainer = InfluenceExplainer(pipeline).fit(X, y)
    steps, n = explainer.estimator_[:-1], len(y)
    gradient = explainer.perturbation_gradient(X_test, y_test, indices=[row], reduce="mean")[0]
    direction, move = np.random.default_rng(0).standard_normal(X.shape[1]), 2e-5

    def loss(side: float) -> float:
        moved = X.copy()
        moved[row] += side * move * direction
        top = clone(explainer.estimator_[-1]).fit(steps.transform(moved), y)
        return log_loss(y_test, top.predict_proba(steps.transform(X_test)))

    actual = (loss(1.0) - loss(-1.0)) / (2.0 * move)
    assert_allclose(gradient @ direction / n, actual, rtol=tolerance)
    X_new = X[[row]] + move * direction
    exact = explainer.perturbation_influence(
        X_test, y_test, indices=[row], X_new=X_new, kind="refit", reduce="mean"
    )
    assert_allclose(exact, loss(1.0) - loss(0.0), rtol=1e-3, atol=1e-9)


def check_attack(pipeline: Any, nearest: int = 1) -> None:
    """It flips a test row; random moves of the same size raise its loss by less than half."""
    X, y, X_test, _ = digits()[2:]
    explainer = InfluenceExplainer(pipeline).fit(X, y)
    by_margin = np.argsort(np.abs(explainer.decision_function(X_test)))
    test_row = X_test[by_margin[[nearest]]]
    label = explainer.predict(test_row)
    attack = TrainingSetAttack(explainer, n_rows=2, step_size=0.01, project=LInfBall(RADIUS))
    result = attack.attack(test_row)
    assert result.flipped.tolist() == [True]
    assert result.confirm().flipped.tolist() == [True]
    size = result.change_raw.linf.max()
    assert 0.0 < size <= RADIUS
    rng = np.random.default_rng(0)

    def loss(rows: np.ndarray, moves: np.ndarray) -> float:
        moved = X.copy()
        moved[rows] += moves
        refitted = clone(explainer.estimator_).fit(moved, y)
        return log_loss(label, refitted.predict_proba(test_row), labels=refitted.classes_)

    before, after = loss(result.rows, 0.0), loss(result.rows, result.X_after - result.X_before)
    assert_allclose([before, after], result.loss_history[[0, -1], 0], rtol=1e-4)
    for rows in (result.rows, *(rng.choice(len(y), 2, replace=False) for _ in range(4))):
        for _ in range(3):
            moves = size * rng.choice([-1.0, 1.0], (2, X.shape[1]))
            assert loss(rows, moves) - before < 0.5 * (after - before)
