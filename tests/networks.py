"""Shared by the tests of networks: small ones of every sort, and what they are once more.

Nothing of the package is used in the second half, so that it can be judged by it.
"""

from __future__ import annotations

import inspect
import warnings
from copy import copy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit, logsumexp, softmax, xlogy
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skinfluence import as_objective

N, D, ALPHA = 30, 5, 0.3
HAS_POISSON = "loss" in inspect.signature(MLPRegressor).parameters
TAKES_WEIGHTS = "sample_weight" in inspect.signature(MLPClassifier.fit).parameters
needs_weights = pytest.mark.skipif(
    not TAKES_WEIGHTS, reason="networks take no sample_weight in this scikit-learn"
)
TASKS = ("classes", "binary", "labels", "number", "numbers") + ("counts",) * HAS_POISSON


def targets(task: str, signals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a task makes of signals (n, 3)."""
    return {
        "classes": np.array(["a", "b", "c"])[signals.argmax(axis=1)],
        "binary": np.array(["no", "yes"])[(signals[:, 0] > 0).astype(int)],
        "labels": (signals > 0).astype(int),
        "number": signals[:, 0],
        "numbers": signals[:, :2],
        "counts": rng.poisson(np.exp(0.5 * signals[:, 0])).astype(float),
    }[task]


@dataclass(frozen=True)
class Case:
    """A sort of network.

    Parameters
    ----------
    task : str
        Of TASKS: several classes, two of them, several labels a row, a number, numbers, a count.
    activation : str
    hidden : tuple of int
    storage : {"dense", "csr"}
    """

    task: str
    activation: str = "tanh"
    hidden: tuple[int, ...] = (4,)
    storage: str = "dense"

    def __str__(self) -> str:
        return f"{self.task}-{self.activation}-{len(self.hidden)}-{self.storage}"

    @property
    def is_classifier(self) -> bool:
        return self.task in ("classes", "binary", "labels")

    def data(self, seed: int = 0, n: int = N) -> tuple[Any, np.ndarray]:
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((n, D)) * (rng.random((n, D)) < 0.7)
        signals = X[:, :3] + 0.5 * rng.standard_normal((n, 3))
        y = targets(self.task, signals, rng)
        return (sparse.csr_matrix(X) if self.storage == "csr" else X), y

    def estimator(self, **settings: Any) -> Any:
        kind = MLPClassifier if self.is_classifier else MLPRegressor
        if self.task == "counts":
            settings["loss"] = "poisson"
        given = {"activation": self.activation, "alpha": ALPHA, "random_state": 0, **settings}
        return kind(hidden_layer_sizes=self.hidden, **given)


def cases() -> list[Case]:
    """All tasks with all activations and depths, on CSR with one; without layers there is one."""
    found = [Case(task, "tanh", ()) for task in TASKS]
    found += [
        Case(task, activation, hidden)
        for task in TASKS
        for activation in ("identity", "logistic", "tanh", "relu")
        for hidden in ((4,), (4, 3))
    ]
    return found + [replace(each, storage="csr") for each in found if each.activation == "tanh"]


@dataclass(frozen=True)
class Problem:
    """A network somewhere on its way, with its data and its objective."""

    case: Case
    model: Any
    X: Any
    y: np.ndarray
    objective: Any

    @property
    def theta(self) -> np.ndarray:
        return parameters(self.model)

    def read(self, z: np.ndarray) -> np.ndarray:
        """Of signals (rows, C) what the loss reads: several classes, up to a common shift."""
        contrasts = self.objective.predictor.contrasts
        return z if contrasts is None else z @ contrasts

    def bends(self) -> np.ndarray:
        """Second derivatives of the loss in that, (n, K, K)."""
        return read_bends(self.objective, bends(self.case.task, signals(self.model, self.X)))

    def at(self, theta: np.ndarray) -> Any:
        """The objective at other parameters."""
        return as_objective(moved(self.model, theta), self.X, self.y)


def quiet(estimator: Any, *data: Any, **options: Any) -> Any:
    """Fitted, however far it gets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*data, **options)


@cache
def problem(case: Case) -> Problem:
    """After a few steps, each on all rows, so that nothing is stationary."""
    X, y = case.data()
    settings = {"solver": "sgd", "batch_size": N, "max_iter": 4, "learning_rate_init": 0.05}
    model = quiet(case.estimator(**settings, shuffle=False), X, y)
    return Problem(case, model, X, y, as_objective(model, X, y))


# ------------------------------------------------------------- decision values as a loss reads them
def as_signals(objective: Any, values: np.ndarray) -> np.ndarray:
    """Of what a loss reads (rows, K) signals (rows, C), with a mean of 0."""
    contrasts = objective.predictor.contrasts
    return values if contrasts is None else values @ contrasts.T


def read_bends(objective: Any, bends: np.ndarray) -> np.ndarray:
    """Second derivatives in signals (rows, C, C) as those in what is read."""
    contrasts = objective.predictor.contrasts
    return bends if contrasts is None else contrasts.T @ bends @ contrasts


# ------------------------------------------------------------------------- parameters of a network
def parameters(model: Any) -> np.ndarray:
    """All weights, then all intercepts, (p,)."""
    return np.concatenate([np.ravel(each) for each in (*model.coefs_, *model.intercepts_)])


def moved(model: Any, theta: np.ndarray) -> Any:
    """A copy at other parameters (p,)."""
    arrays = [*model.coefs_, *model.intercepts_]
    parts = np.split(theta, np.cumsum([each.size for each in arrays])[:-1])
    shaped = [part.reshape(each.shape) for part, each in zip(parts, arrays, strict=True)]
    result = copy(model)
    result.coefs_, result.intercepts_ = shaped[: len(model.coefs_)], shaped[len(model.coefs_) :]
    return result


def weights_alone(model: Any) -> np.ndarray:
    """1 for weights, 0 for intercepts, (p,)."""
    sizes = [sum(each.size for each in part) for part in (model.coefs_, model.intercepts_)]
    return np.repeat([1.0, 0.0], sizes)


# -------------------------------------------------------------------------- written a second time
def signals(model: Any, X: Any) -> np.ndarray:
    """What the output activation is applied to, (rows, K)."""
    slopes = {"identity": lambda h: h, "tanh": np.tanh, "logistic": expit}
    slopes["relu"] = lambda h: np.where(h > 0, h, 0.0)
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for weights, intercept in layers[:-1]:
        X = slopes[model.activation](X @ weights + intercept)
    return X @ layers[-1][0] + layers[-1][1]


def indicators(model: Any, y: np.ndarray) -> np.ndarray:
    """Targets as numbers, (rows, K)."""
    if not hasattr(model, "classes_"):
        return y.reshape(len(y), -1)
    if y.ndim == 2:
        return y
    return (y[:, None] == (model.classes_ if len(model.classes_) > 2 else model.classes_[1:])) * 1.0


def losses(task: str, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(rows,) of indicators y (rows, K) and signals z."""
    if task == "classes":
        return logsumexp(z, axis=1) - (y * z).sum(axis=1)
    if task in ("binary", "labels"):
        return (np.logaddexp(0.0, z) - y * z).sum(axis=1)
    if task == "counts":
        return (np.exp(z) - y * z + xlogy(y, y) - y).sum(axis=1)
    return 0.5 * ((y - z) ** 2).sum(axis=1)


def bends(task: str, z: np.ndarray) -> np.ndarray:
    """Second derivatives of these in z, (rows, K, K)."""
    if task == "classes":
        p = softmax(z, axis=1)
        return p[:, :, None] * np.eye(z.shape[1]) - p[:, :, None] * p[:, None, :]
    slopes = {"number": np.ones_like, "numbers": np.ones_like, "counts": np.exp}
    by_output = slopes.get(task, lambda z: expit(z) * expit(-z))(z)
    return by_output[:, :, None] * np.eye(z.shape[1])


def penalised(task: str, model: Any, X: Any, y: np.ndarray, weights: Any = 1.0) -> float:
    """Σ_i s_i ℓ_i + ½ alpha ‖W‖²."""
    total = (weights * losses(task, indicators(model, y), signals(model, X))).sum()
    return float(total + 0.5 * model.alpha * sum((each**2).sum() for each in model.coefs_))
