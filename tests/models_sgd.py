"""Stochastic gradient descent: its losses and penalties, against its own refits.

With ``learning_rate="optimal"`` and averaged weights it ends some thousandths of a row's effect off
its optimum. On sparse rows intercepts take steps of a hundredth, with which that schedule never
arrives: ``"adaptive"`` does, and ends some hundredths off. Kinks make all of it worse. ``test_sgd``
has the comparison with exact optima.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from models import Model
from reference import (
    epsilon_insensitive,
    hinge,
    log_loss_one_vs_rest,
    squared_epsilon_insensitive,
    squared_error,
    squared_hinge,
)
from sklearn.linear_model import SGDClassifier, SGDRegressor

RowLoss = Callable[[Any, Any, np.ndarray], np.ndarray]

N_EPOCHS = 1000
OPTIMAL = {"learning_rate": "optimal", "tol": None, "max_iter": N_EPOCHS, "random_state": 0}
AVERAGED = OPTIMAL | {"average": 60 * N_EPOCHS}
ADAPTIVE = {"learning_rate": "adaptive", "eta0": 0.05, "tol": 1e-9, "n_iter_no_change": 300}
ADAPTIVE |= {"max_iter": 20_000, "average": False}


def half_squared_error(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    return 0.5 * squared_error(model, X, y)


def huber(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    off, epsilon = np.abs(model.predict(X) - y), model.epsilon
    return np.where(off <= epsilon, 0.5 * off**2, epsilon * off - 0.5 * epsilon**2)


def modified_huber(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    values = model.decision_function(X).reshape(len(y), -1)
    positive = model.classes_[1:] if values.shape[1] == 1 else model.classes_
    margins = np.where(y[:, None] == positive, values, -values)
    quadratic = np.maximum(0.0, 1.0 - margins) ** 2
    return np.where(margins >= -1.0, quadratic, -4.0 * margins).sum(axis=1)


# What is left of its noise, with all schedules and with the first alone.
NOISE = {"stationary": 0.01, "exact": 0.04, "follows": 0.997}
LESS_NOISE = NOISE | {"stationary": 0.002, "exact": 0.01}
# Rows on a kink push with all or nothing of their slope, and averages of that settle slowly.
AT_KINKS = {"exact": 0.1, "follows": 0.995}
NO_INTERCEPT = {"fit_intercept": False}


def row(estimator: Any, data: str, loss: RowLoss, on_csr: Any = None, **tolerances: Any) -> Model:
    name = f"{type(estimator).__name__}, {estimator.loss}, {estimator.penalty}, {data}"
    noise = (LESS_NOISE if on_csr else NOISE) | tolerances
    return Model(name, estimator, data, loss, on_csr=on_csr or ADAPTIVE, **noise)


def classifier(loss: str, **options: Any) -> SGDClassifier:
    return SGDClassifier(loss=loss, **AVERAGED | {"alpha": 0.1} | options)


def regressor(loss: str, **options: Any) -> SGDRegressor:
    return SGDRegressor(loss=loss, **AVERAGED | {"alpha": 0.1} | options)


MODELS = [
    row(classifier("log_loss"), "binary", log_loss_one_vs_rest, class_weight=True),
    row(
        classifier("modified_huber"),
        "three classes",
        modified_huber,
        NO_INTERCEPT,
        class_weight=True,
        slope=0.05,
    ),
    row(classifier("squared_hinge"), "binary", squared_hinge, NO_INTERCEPT, class_weight=True),
    row(classifier("hinge"), "binary", hinge, NO_INTERCEPT, **AT_KINKS),
    row(regressor("squared_error", average=False), "regression", half_squared_error),
    row(regressor("huber", epsilon=1.0), "regression", huber, NO_INTERCEPT),
    row(
        regressor("squared_epsilon_insensitive", epsilon=0.3),
        "regression",
        squared_epsilon_insensitive,
        NO_INTERCEPT,
    ),
    row(
        regressor("epsilon_insensitive", epsilon=0.3),
        "regression",
        epsilon_insensitive,
        NO_INTERCEPT,
        **AT_KINKS,
    ),
    row(
        regressor("squared_error", penalty="l1", **ADAPTIVE | {"alpha": 0.2}),
        "regression",
        half_squared_error,
    ),
    row(
        regressor(
            "huber", epsilon=1.0, penalty="elasticnet", l1_ratio=0.5, **ADAPTIVE | {"alpha": 0.15}
        ),
        "regression",
        huber,
    ),
    row(
        classifier("log_loss", penalty="l1", **ADAPTIVE),
        "binary",
        log_loss_one_vs_rest,
        NO_INTERCEPT,
    ),
]
