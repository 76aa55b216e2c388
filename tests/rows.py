"""Shared by the numerical tests: small data sets, and how their rows are weighed and stored.

A new way is one row of ``SETTINGS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

CLASS_WEIGHT = {0: 0.7, 1: 1.6, 2: 1.2}


@dataclass(frozen=True)
class Data:
    """Training and test rows, with weights for those who want them."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray
    sample_weight: np.ndarray

    def as_csr(self) -> Data:
        X, X_test = sparse.csr_matrix(self.X), sparse.csr_matrix(self.X_test)
        return Data(X, self.y, X_test, self.y_test, self.sample_weight)

    def take(self, rows: Any) -> Data:
        return Data(self.X[rows], self.y[rows], self.X_test, self.y_test, self.sample_weight[rows])

    def without(self, row: int) -> Data:
        return self.take(np.arange(len(self.y)) != row)


@cache
def make_data(kind: str, n: int = 200, d: int = 4, seed: int = 0, n_test: int = 6) -> Data:
    """Rows of a noisy linear model; some of their features are 0, and two are correlated.

    kind : {"regression", "multi-output", "counts", "positive", "binary", "three classes", "labels"}
    """
    rng = np.random.default_rng(seed)
    total = n + n_test
    X = rng.standard_normal((total, d)) * (rng.random((total, d)) < 0.7)
    X[:, -1] += 0.5 * X[:, 0]
    n_outputs = 3 if kind in ("multi-output", "three classes", "labels") else 1
    signal = 0.7 * X @ rng.standard_normal((d, n_outputs)) + 0.3 * np.arange(n_outputs)
    if kind in ("regression", "multi-output"):
        y = signal + rng.standard_normal((total, n_outputs))
        y = y[:, 0] if n_outputs == 1 else y
    elif kind == "labels":
        y = (signal + rng.logistic(size=signal.shape) > 0.4).astype(int)
    elif kind == "counts":
        y = rng.poisson(np.exp(0.5 * signal[:, 0] + 0.5)).astype(float)
    elif kind == "positive":
        y = np.exp(0.5 * signal[:, 0] + 0.5) * rng.gamma(4.0, 0.25, size=total)
    elif kind == "binary":
        y = (signal[:, 0] + rng.logistic(size=total) > 0.4).astype(int)
    else:
        y = (signal + rng.gumbel(size=signal.shape)).argmax(axis=1)
    # sag and saga diverge with large weights (their step size doesn't look at them).
    return Data(X[:n], y[:n], X[n:], y[n:], rng.uniform(0.2, 1.2, size=n))


@dataclass(frozen=True)
class Setting:
    """Weights and storage of the training rows."""

    name: str
    csr: bool = False
    sample_weight: bool = False
    class_weight: str | None = None

    def prepare(self, data: Data) -> Data:
        return data.as_csr() if self.csr else data

    def weights(self, data: Data) -> np.ndarray | None:
        return data.sample_weight if self.sample_weight else None

    def fit(self, model: Any, data: Data) -> Any:
        """Fit anything that takes ``sample_weight``."""
        return model.fit(data.X, data.y, sample_weight=self.weights(data))


PLAIN = Setting("plain")
SETTINGS = [
    PLAIN,
    Setting("weighted", sample_weight=True),
    Setting("class weights", class_weight="given"),
    Setting("balanced", class_weight="balanced"),
    Setting("balanced, weighted", sample_weight=True, class_weight="balanced"),
]
SETTINGS += [
    Setting(f"{s.name}, csr", True, s.sample_weight, s.class_weight) for s in list(SETTINGS)
]


def few_on_csr(settings: Iterable[Setting]) -> list[Setting]:
    """All that are dense; on CSR the plain one, and those with the most weights.

    Weights never see X: the others repeat on CSR what they are tested for on dense rows.
    """
    settings = list(settings)
    csr = [setting for setting in settings if setting.csr]
    kept = [setting for setting in settings if not setting.csr] + csr[:1]
    for weighted in ([s for s in csr if s.sample_weight], [s for s in csr if s.class_weight]):
        kept += [setting for setting in weighted[-1:] if setting not in kept]
    return kept
