"""What each estimator loses per row, written down a second time, from a fitted model's predictions.

Nothing of the package is used here, so that it can be judged by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _signs(model: Any, y: np.ndarray, values: np.ndarray) -> np.ndarray:
    positive = model.classes_[1:] if values.shape[1] == 1 else model.classes_
    return np.where(y[:, None] == positive, 1.0, -1.0)


def _decision_values(model: Any, X: Any) -> np.ndarray:
    values = model.decision_function(X)
    return values.reshape(len(values), -1)


def squared_error(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    return ((model.predict(X) - y) ** 2).reshape(len(y), -1).sum(axis=1)


def squared_error_of_signs(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    values = _decision_values(model, X)
    return ((values - _signs(model, y, values)) ** 2).sum(axis=1)


def log_loss(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    codes = np.searchsorted(model.classes_, y)
    return -model.predict_log_proba(X)[np.arange(len(y)), codes]


def log_loss_one_vs_rest(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    values = _decision_values(model, X)
    return np.logaddexp(0.0, -_signs(model, y, values) * values).sum(axis=1)


def _excess(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    """How far from the tube of ±epsilon around y."""
    return np.maximum(0.0, np.abs(model.predict(X) - y) - model.epsilon)


def epsilon_insensitive(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    return _excess(model, X, y)


def squared_epsilon_insensitive(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    return _excess(model, X, y) ** 2


def hinge(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    values = _decision_values(model, X)
    return np.maximum(0.0, 1.0 - _signs(model, y, values) * values).sum(axis=1)


def squared_hinge(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    values = _decision_values(model, X)
    return (np.maximum(0.0, 1.0 - _signs(model, y, values) * values) ** 2).sum(axis=1)
