"""Shared by the tests of ``verify``: data, tight estimators, and how they are asked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.testing import assert_allclose
from rows import Data, make_data
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from skinfluence import InfluenceExplainer, Verification

N = 120
ROWS = np.array([3, 50, 7])
REAL, MULTI, BINARY, THREE = (
    make_data(kind, N) for kind in ("regression", "multi-output", "binary", "three classes")
)
TIGHT = {"tol": 1e-10, "max_iter": 10_000}
LOGISTIC = LogisticRegression(**TIGHT)
SVC = LinearSVC(tol=1e-10, max_iter=1_000_000, random_state=0)


def verify(
    model: Any, data: Data, *, weights: Any = None, explainer: Any = None, **options: Any
) -> Verification:
    explainer = InfluenceExplainer(model, **(explainer or {})).fit(data.X, data.y, weights)
    return explainer.verify(data.X_test, data.y_test, **{"strategy": ROWS, **options})


def same(got: np.ndarray, expected: np.ndarray) -> None:
    scale = np.abs(expected).max()
    assert scale > 0
    assert_allclose(got, expected, rtol=0.0, atol=1e-8 * scale)
