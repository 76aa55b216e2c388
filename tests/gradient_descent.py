"""Shared by the tests of stochastic gradient descent: its losses, and exact optima of them.

Nothing of the package is used here. The optima are roots of the slopes, or from libsvm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from rows import CLASS_WEIGHT, Setting, make_data
from scipy.optimize import minimize, root
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.svm import SVC, SVR

N, ALPHA, EPSILON = 120, 0.05, 0.3

# Value and slope in z, of signs or numbers y, as scikit-learn's documentation writes them.
SMOOTH = {
    "log_loss": (
        lambda y, z: np.logaddexp(0.0, -y * z),
        lambda y, z: -y / (1.0 + np.exp(y * z)),
    ),
    "squared_hinge": (
        lambda y, z: np.maximum(0.0, 1.0 - y * z) ** 2,
        lambda y, z: -2.0 * y * np.maximum(0.0, 1.0 - y * z),
    ),
    "modified_huber": (
        lambda y, z: np.where(y * z >= -1.0, np.maximum(0.0, 1.0 - y * z) ** 2, -4.0 * y * z),
        lambda y, z: y * np.where(y * z >= -1.0, -2.0 * np.maximum(0.0, 1.0 - y * z), -4.0),
    ),
    "squared_error": (lambda y, z: 0.5 * (y - z) ** 2, lambda y, z: z - y),
    "huber": (
        lambda y, z: np.where(
            np.abs(z - y) <= EPSILON,
            0.5 * (z - y) ** 2,
            EPSILON * np.abs(z - y) - 0.5 * EPSILON**2,
        ),
        lambda y, z: np.clip(z - y, -EPSILON, EPSILON),
    ),
    "squared_epsilon_insensitive": (
        lambda y, z: np.maximum(0.0, np.abs(z - y) - EPSILON) ** 2,
        lambda y, z: 2.0 * np.sign(z - y) * np.maximum(0.0, np.abs(z - y) - EPSILON),
    ),
}
KINKED = {
    "hinge": lambda y, z: np.maximum(0.0, 1.0 - y * z),
    "epsilon_insensitive": lambda y, z: np.maximum(0.0, np.abs(z - y) - EPSILON),
}


def values_of(loss: str, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return KINKED[loss](y, z) if loss in KINKED else SMOOTH[loss][0](y, z)


def optimum(loss: str, X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients and intercept of one problem, (d + 1,)."""
    if loss in KINKED:
        kind, options = (SVC, {}) if loss == "hinge" else (SVR, {"epsilon": EPSILON})
        machine = kind(
            kernel="linear", C=1.0 / (ALPHA * len(y)), tol=1e-8, max_iter=100_000, **options
        )
        machine.fit(X, y, sample_weight=weights)
        return np.append(machine.coef_, machine.intercept_)
    value, slope = SMOOTH[loss]
    inputs = np.column_stack([X, np.ones(len(y))])
    penalised = np.append(np.full(X.shape[1], ALPHA), 0.0)

    def mean(theta):
        z = inputs @ theta
        total = weights @ value(y, z) / len(y) + 0.5 * penalised @ theta**2
        return total, inputs.T @ (weights * slope(y, z)) / len(y) + penalised * theta

    near = minimize(mean, np.zeros(inputs.shape[1]), jac=True).x
    found = root(lambda theta: mean(theta)[1], near, tol=1e-14).x
    assert np.abs(mean(found)[1]).max() < 1e-11
    return found


class Problem:
    """An estimator's data with all its weights, and its exact optimum, with all rows or some."""

    def __init__(self, loss: str, data: str, setting: Setting):
        self.loss, self.setting = loss, setting
        self.data = make_data(data, N)
        self.regression = data == "regression"
        n_classes = {"regression": 0, "binary": 2, "three classes": 3}[data]
        self.positive = list(range(n_classes)) if n_classes > 2 else [1]
        self.n_classes = n_classes

    def estimator(self):
        options = {"loss": self.loss, "alpha": ALPHA, "epsilon": EPSILON, "random_state": 0}
        if self.regression:
            return SGDRegressor(**options)
        given = {k: CLASS_WEIGHT[k] for k in range(self.n_classes)}
        weights = {None: None, "given": given, "balanced": "balanced"}
        return SGDClassifier(class_weight=weights[self.setting.class_weight], **options)

    def targets(self, y, output):
        return y if self.regression else np.where(y == output, 1.0, -1.0)

    def weights(self, y, rows, output):
        weights = self.data.sample_weight[rows] if self.setting.sample_weight else np.ones(len(y))
        if self.setting.class_weight is None:
            return weights
        by_class = np.array([CLASS_WEIGHT[k] for k in range(self.n_classes)])
        if self.setting.class_weight == "balanced":
            by_class = len(y) / (self.n_classes * np.bincount(y))
        # One against the rest: the rest weigh 1.
        mine = (y == output) | (self.n_classes == 2)
        return weights * np.where(mine, by_class[y], 1.0)

    def optimum(self, kept=slice(None)):
        """(d + 1, outputs)."""
        X, y = self.data.X[kept], self.data.y[kept]
        columns = [
            optimum(self.loss, X, self.targets(y, k), self.weights(y, kept, k))
            for k in self.positive
        ]
        return np.column_stack(columns)

    def fitted(self):
        data = self.setting.prepare(self.data)
        return at(self.estimator().fit(data.X, data.y), self.optimum())

    def losses(self, theta):
        """Of the test rows."""
        data = self.data
        z = np.column_stack([data.X_test, np.ones(len(data.X_test))]) @ theta
        targets = np.column_stack([self.targets(data.y_test, k) for k in self.positive])
        return values_of(self.loss, targets, z).sum(axis=1)


def at(model: Any, theta: np.ndarray) -> Any:
    """A fitted estimator moved to other parameters."""
    model.coef_ = theta[:-1].T.reshape(model.coef_.shape)
    model.intercept_ = theta[-1].reshape(model.intercept_.shape)
    return model
