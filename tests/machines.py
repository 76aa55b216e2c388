"""Shared by the tests of kernel machines: rows, and models really refitted by scikit-learn.

Nothing of the package is used here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from rows import Data
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_breast_cancer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler

GAMMA = 0.2


def gram(A: Any, B: Any) -> np.ndarray:
    """What a callable or precomputed kernel is in these tests."""
    return rbf_kernel(A, B, gamma=GAMMA)


@cache
def smooth_rows(n: int = 500, n_outputs: int = 1, n_test: int = 6) -> Data:
    """Noisy smooth functions of four features."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + n_test, 4))
    signal = np.column_stack([np.sin(2 * X[:, 0]) + X[:, 1], X[:, 1] * X[:, 2], X[:, 3] ** 2])
    y = 5.0 + signal[:, :n_outputs] + 0.3 * rng.standard_normal((n + n_test, n_outputs))
    y = y[:, 0] if n_outputs == 1 else y
    return Data(X[:n], y[:n], X[n:], y[n:], rng.uniform(0.2, 2.0, n))


@cache
def labelled_rows(n: int = 150, n_classes: int = 2, n_test: int = 20) -> Data:
    """Classes that overlap and are not equally many, labelled by letters."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n + n_test, 4))
    signal = X @ rng.standard_normal((4, n_classes)) + 0.4 * np.arange(n_classes)
    codes = (signal + 0.6 * rng.standard_normal(signal.shape)).argmax(axis=1)
    y = np.array(["b", "c", "a"])[codes]
    return Data(X[:n], y[:n], X[n:], y[n:], rng.uniform(0.2, 2.0, n))


@cache
def cancer() -> Data:
    """Breast cancer, 500 shuffled rows, standardised."""
    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    X = StandardScaler().fit(X[:500]).transform(X)
    return Data(X[:500], y[:500], X[500:], y[500:], np.ones(500))


def as_gram(data: Data) -> Data:
    """The same rows by their kernel."""
    X, X_test = gram(data.X, data.X), gram(data.X_test, data.X)
    return Data(X, data.y, X_test, data.y_test, data.sample_weight)


def refit(model: Any, data: Data, keep: np.ndarray, weights: Any = None) -> Any:
    """The model fitted on some of the rows, its hyper-parameters as they are."""
    new, X = clone(model), data.X[keep]
    if isinstance(model, GaussianProcessRegressor):
        new.set_params(kernel=model.kernel_, optimizer=None)
        if np.ndim(model.alpha):
            new.set_params(alpha=model.alpha[keep])
    elif model.kernel == "precomputed":
        X = X[:, keep]
    options = {} if weights is None else {"sample_weight": weights[keep]}
    return new.fit(X, data.y[keep], **options)


def values(model: Any, X: Any, keep: Any = slice(None)) -> np.ndarray:
    """Decision values or predictions of rows."""
    X = X[:, keep] if getattr(model, "kernel", None) == "precomputed" else X
    return model.decision_function(X) if is_classifier(model) else model.predict(X)


def labels(model: Any, X: Any, keep: Any = slice(None)) -> np.ndarray:
    """Predictions of rows."""
    return model.predict(X[:, keep] if getattr(model, "kernel", None) == "precomputed" else X)


def all_but(row: Any, n: int) -> np.ndarray:
    """Positions of the other rows."""
    return np.setdiff1d(np.arange(n), row)


def off(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest error, relative to the largest entry."""
    assert got.shape == expected.shape
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def agreement(predicted: np.ndarray, actual: np.ndarray) -> tuple[float, float]:
    """Pearson's r and the slope of predicted on actual."""
    predicted, actual = predicted.ravel(), actual.ravel()
    return np.corrcoef(predicted, actual)[0, 1], np.polyfit(actual, predicted, 1)[0]
