"""Shared by the tests of explainers in files: ways to save one, and what is asked of it then."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from scipy import sparse

from skinfluence import InfluenceExplainer


def make_rows(n: int = 80, d: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Of two classes."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, (X[:, 0] - X[:, 1] + rng.logistic(size=n) > 0).astype(int)


def explained(estimator: Any, X: Any, y: Any, **settings: Any) -> InfluenceExplainer:
    """Whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return InfluenceExplainer(estimator, **settings).fit(X, y)


def pickled(explainer: Any, folder: Path) -> Any:
    return pickle.loads(pickle.dumps(explainer))


def dumped(explainer: Any, folder: Path) -> Any:
    joblib.dump(explainer, folder / "explainer.joblib")
    return joblib.load(folder / "explainer.joblib")


def mapped(explainer: Any, folder: Path) -> Any:
    joblib.dump(explainer, folder / "explainer.joblib")
    return joblib.load(folder / "explainer.joblib", mmap_mode="r")


def by_skops(explainer: Any, folder: Path) -> Any:
    skops = pytest.importorskip("skops.io")
    skops.dump(explainer, folder / "explainer.skops")
    types = skops.get_untrusted_types(file=folder / "explainer.skops")
    return skops.load(folder / "explainer.skops", trusted=types)


WAYS = [pickled, dumped, mapped, by_skops]


def by_function(value: Any) -> str | None:
    """Test ids."""
    return getattr(value, "__name__", None)


Questions = dict[str, Callable[[Any], Any]]


def questions(X: Any, y: Any, *, refits: bool = True) -> Questions:
    """Of an explainer of this training set, by name."""
    test = {"X_test": X[:2], "y_test": y[:2]}
    asked: Questions = {
        "influence": lambda e: e.influence(**test),
        "removal": lambda e: e.influence(**test, kind="removal", indices=[0, 3, 5]),
        "self": lambda e: e.self_influence(),
        "self, removal": lambda e: e.self_influence(kind="removal", indices=[1, 3, 7]),
        "relative": lambda e: e.influence(**test, normalize="loss"),
        "explain": lambda e: e.explain(**test, k=2, kind="upweight").effects,
        "gradient": lambda e: e.perturbation_gradient(**test, indices=[0, 3]),
        "predict": lambda e: e.predict(X[:4]),
    }
    if refits:
        asked["refit"] = lambda e: e.influence(**test, kind="refit", indices=[0, 3])
        asked["self, refit"] = lambda e: e.self_influence(kind="refit", indices=[1, 3])
    return asked


def answers(explainer: Any, asked: Questions) -> dict[str, np.ndarray]:
    got = {name: ask(explainer) for name, ask in asked.items()}
    return {name: v.toarray() if sparse.issparse(v) else v for name, v in got.items()}


def assert_same(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """To the last bits: rows that share memory go by another routine of BLAS than their copies."""
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        largest = np.abs(values).max(initial=0.0)
        np.testing.assert_allclose(got[name], values, rtol=0, atol=1e-13 * largest, err_msg=name)
