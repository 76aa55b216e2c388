"""What the tests of memory share: rows, and how much a call takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

LIMIT = 16_000_000
# Respected within 20 %, whatever numbers per row are kept.
MOST = 1.2 * LIMIT
N_TEST = 100


@dataclass(frozen=True)
class Rows:
    """Training and test rows."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def some(self) -> np.ndarray:
        return np.random.default_rng(1).choice(self.n, 100, replace=False)


@cache
def rows(n: int, d: int, n_classes: int, density: float = 1.0) -> Rows:
    """Of a regressor without classes."""
    rng = np.random.default_rng(0)
    total = n + N_TEST
    if density < 1:
        X = sparse.random(total, d, density, format="csr", random_state=0)
        X.data = rng.standard_normal(X.nnz)
    else:
        X = rng.standard_normal((total, d))
    z = X @ rng.standard_normal((d, max(1, n_classes))) / np.sqrt(d * density)
    y = (z + rng.gumbel(size=z.shape)).argmax(axis=1) if n_classes else z[:, 0] + rng.random(total)
    return Rows(X[:n], y[:n], X[n:], y[n:])


def size(result: Any) -> int:
    """Bytes of the arrays that were asked for."""
    if isinstance(result, (dict, list)):
        parts = result.values() if isinstance(result, dict) else result
        return sum(size(each) for each in parts)
    if hasattr(result, "memory_usage"):
        return int(result.memory_usage().sum())
    return int(getattr(result, "nbytes", 0))


def working_memory(call: Callable[[], Any]) -> int:
    """What a call allocates at its peak, beside its result and what was there.

    By NumPy and SciPy too: they report to tracemalloc.
    """
    tracemalloc.start()
    try:
        result = call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - size(result)
