"""Shared by the tests of invariances: all that can be asked of an explainer, and comparisons."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from catalogue import Case, named
from numpy.testing import assert_allclose
from rows import Data, Setting

from skinfluence import InfluenceExplainer
from skinfluence.answers import KINDS

# One estimator of each kind: every loss, one and many outputs, shared and separate curvatures.
FEW = named(
    "Ridge",
    "Ridge, 3 alphas",
    "RidgeClassifier, 3 classes",
    "LogisticRegression, newton-cholesky",
    "LogisticRegression, newton-cholesky, 3 classes",
    "LinearSVC, 3 classes",
    "LinearSVC, hinge",
)
ROWS = np.array([7, 0, 150, 33, 34])
# Refits of all rows would take most of the suite's time; those of ROWS show the same.
CHEAP_KINDS = tuple(kind for kind in KINDS if kind != "refit")


def cheap_kinds(explainer: InfluenceExplainer) -> tuple[str, ...]:
    """Those that cost little for all rows: removal of losses with kinks is refits."""
    return ("upweight",) if explainer.objective_.loss.kinked else CHEAP_KINDS


def most_unlike(pairs: list[tuple[Case, Setting]]) -> list[tuple[Case, Setting]]:
    """Of every case the plainest setting and the one with the most weights."""
    found = []
    for _, of_case in groupby(pairs, key=lambda pair: pair[0].name):
        first, *_, last = of_case
        found += [first, last]
    return found


def explain(model: Any, X: Any, y: np.ndarray, weights: Any = None, **options: Any) -> Any:
    return InfluenceExplainer(model, prefit=True, **options).fit(X, y, sample_weight=weights)


def answers(explainer: InfluenceExplainer, data: Data, rows: np.ndarray = ROWS) -> dict[str, Any]:
    """All there is to ask, by name."""
    X_test, y_test = data.X_test, data.y_test
    asked = {}
    for kind in cheap_kinds(explainer):
        asked[f"influence, {kind}"] = explainer.influence(X_test, y_test, kind=kind)
        asked[f"mean, {kind}"] = explainer.influence(X_test, y_test, kind=kind, reduce="mean")
        asked[f"self, {kind}"] = explainer.self_influence(kind=kind)
        parameters = explainer.parameter_influence(kind=kind)
        asked[f"coef, {kind}"], asked[f"intercept, {kind}"] = parameters.values()
    if explainer.objective_.loss.kinked:
        options = {"kind": "removal", "indices": rows}
        asked["influence, removal"] = explainer.influence(X_test, y_test, **options)
    asked["influence, refit"] = explainer.influence(X_test, y_test, kind="refit", indices=rows)
    asked["self, refit"] = explainer.self_influence(kind="refit", indices=rows)
    asked["perturbation"] = explainer.perturbation_gradient(X_test, y_test, indices=rows)
    return asked


def same(got: np.ndarray, expected: np.ndarray, tolerance: float = 1e-9) -> None:
    scale = np.abs(expected).max(initial=0.0)
    assert_allclose(got, expected, rtol=0.0, atol=tolerance * scale)


def all_same(got: dict[str, Any], expected: dict[str, Any], tolerance: float = 1e-9) -> None:
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert got[name].shape == value.shape, name
        same(got[name], value, tolerance)
