"""Replacing training rows by others (Eq. 3), against estimators that are really refitted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from catalogue import SMOOTH_CASES, Fit, by_name, combinations, named
from machines import agreement
from numpy.testing import assert_allclose
from scipy import sparse

from skinfluence.answers import KINDS
from skinfluence.replacing import with_rows

ROWS = np.array([3, 40, 40, 120])


def changed_data(fit: Fit, row: int, x: Any, label: Any) -> Any:
    X = fit.data.X.toarray() if sparse.issparse(fit.data.X) else fit.data.X.copy()
    y = fit.data.y.copy()
    if x is not None:
        X[row] = x
    if label is not None:
        y[row] = label
    return replace(fit.data, X=sparse.csr_matrix(X) if fit.setting.csr else X, y=y)


def new_rows(fit: Fit) -> np.ndarray:
    """Other features, some of them far from what they were."""
    X = fit.data.X.toarray() if sparse.issparse(fit.data.X) else fit.data.X
    return -1.5 * X[ROWS] + np.random.default_rng(1).standard_normal(X[ROWS].shape)


def new_targets(fit: Fit) -> np.ndarray:
    y = fit.data.y
    if not fit.case.is_classifier:
        return y[ROWS] + np.random.default_rng(2).normal(scale=2.0, size=y[ROWS].shape)
    return (y[ROWS] + np.array([1, 1, 0, 1])) % len(np.unique(y))


def actual_changes(fit: Fit, X_new: Any, y_new: Any) -> np.ndarray:
    """(n_test, n_rows) by scikit-learn."""
    before = fit.losses(fit.refit(fit.data))
    columns = []
    for place, row in enumerate(ROWS):
        x = None if X_new is None else X_new[place]
        label = None if y_new is None else y_new[place]
        columns.append(fit.losses(fit.refit(changed_data(fit, row, x, label))) - before)
    return np.stack(columns, axis=1)


def what(fit: Fit, name: str) -> dict[str, Any]:
    X_new = new_rows(fit) if "features" in name else None
    if X_new is not None and fit.setting.csr:
        X_new = sparse.csr_matrix(X_new)
    return {"X_new": X_new, "y_new": new_targets(fit) if "labels" in name else None}


WHAT = ("features", "labels", "features and labels")


SOME = named(
    "Ridge, 3 alphas",
    "RidgeClassifier, 3 classes",
    "LogisticRegression, newton-cholesky",
    "LogisticRegression, newton-cholesky, 3 classes",
    "LogisticRegression, no penalty",
    "LinearSVC, 3 classes",
)
# sag and saga take their time on CSR, for the optimum that the other solvers also find.
REFITTED = [
    (case, setting, WHAT[2])
    for case, setting in combinations(SMOOTH_CASES)
    if not (setting.csr and "sag" in case.name)
]
REFITTED += [(*each, name) for each in combinations(SOME) for name in WHAT[:2]]


@pytest.mark.parametrize("case, setting, name", REFITTED, ids=lambda v: getattr(v, "name", v))
def test_changes_by_refits(case, setting, name):
    fit = case.fit(setting)
    options = what(fit, name)
    X_new = options["X_new"].toarray() if sparse.issparse(options["X_new"]) else options["X_new"]
    actual = actual_changes(fit, X_new, options["y_new"])
    size = np.abs(actual).max()
    asked = (fit.data.X_test, fit.data.y_test)
    exact = fit.explainer.perturbation_influence(*asked, indices=ROWS, kind="refit", **options)
    assert_allclose(exact, actual, rtol=0.0, atol=2e-5 * size)
    newton = fit.explainer.perturbation_influence(*asked, indices=ROWS, **options)
    if case.is_squared:
        assert_allclose(newton, actual, rtol=0.0, atol=2e-5 * size)
        return
    # The new rows lie far from the old ones, where curvature is another.
    correlation, slope = agreement(newton, actual)
    assert correlation >= (0.9 if case.curvature_jumps else 0.98)
    assert 0.85 <= slope <= 1.25


# ------------------------------------------------------------- against dense algebra and each other
@pytest.mark.parametrize("name", WHAT)
@pytest.mark.parametrize("case, setting", combinations(SOME), ids=by_name)
def test_newton_step_in_dense_algebra(case, setting, name):
    """H of the changed rows at the fitted parameters, formed and solved by numpy."""
    fit = case.fit(setting)
    options, objective = what(fit, name), fit.explainer.objective_
    X_new = options["X_new"]
    y_new = fit.data.y[ROWS] if options["y_new"] is None else options["y_new"]
    asked = (fit.data.X_test, fit.data.y_test)
    got = fit.explainer.perturbation_influence(*asked, indices=ROWS, **options)
    test_map = objective.predictor.linearize(fit.data.X_test)
    y_test = objective.coding.encode(fit.data.y_test, "y")
    before = objective.loss.value(y_test, objective.decision_values(test_map))
    for place, row in enumerate(ROWS):
        features = None if X_new is None else X_new[[place]]
        targets = objective.coding.encode(y_new[[place]], "y")
        changed = with_rows(objective, np.array([row]), features, targets)
        gradient = changed.gradient() - objective.gradient()
        # Without a penalty a softmax Hessian is singular along shifts of all classes.
        step = -np.linalg.lstsq(changed.hessian().to_dense(), gradient, rcond=None)[0]
        moved = replace(changed, theta=objective.theta + step.reshape(objective.theta.shape))
        expected = objective.loss.value(y_test, moved.decision_values(test_map)) - before
        # Rows of one class with different weights share a Hessian: that of their mean.
        shared = setting.class_weight == "balanced" and setting.sample_weight
        tolerance = 1e-2 if shared else 1e-7
        assert_allclose(got[:, place], expected, rtol=0.0, atol=tolerance * np.abs(got).max())


DERIVED = [
    (case, setting)
    for case, setting in combinations(SOME)
    if not setting.csr
    and setting.class_weight != "balanced"  # counts rows, whatever share of their weight is left
]


@pytest.mark.parametrize("case, setting", DERIVED, ids=by_name)
def test_upweight_is_the_derivative(case, setting):
    """s_i/n times Eq. 3 is the change to first order, as weight moves from row to replacement."""
    fit, share = case.fit(setting), 1e-4
    data, options = fit.data, what(fit, "features and labels")
    got = fit.explainer.perturbation_influence(
        data.X_test, data.y_test, indices=ROWS, kind="upweight", **options
    )
    weights = np.ones(len(data.y)) if setting.weights(data) is None else setting.weights(data)
    before = fit.losses(fit.refit(data))
    for place, row in enumerate(ROWS):
        X = np.concatenate([data.X, options["X_new"][[place]]])
        y = np.concatenate([data.y, options["y_new"][[place]]])
        moved = np.append(weights, share * weights[row])
        moved[row] *= 1.0 - share
        model = fit.case.plain(fit.model).fit(X, y, sample_weight=moved)
        expected = (fit.losses(model) - before) / share
        values = fit.explainer.objective_.weights.values
        if values.shape[1] > 1:  # those of one-vs-rest differ by output
            values = fit.explainer.objective_.weights.sample_weight[:, None]
        own = values[row, 0] / len(data.y)
        assert_allclose(own * got[:, place], expected, rtol=0.0, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", SOME, ids=by_name)
def test_nothing_new_changes_nothing(case, kind):
    fit = case.fit()
    options = {"X_new": fit.data.X[ROWS], "y_new": fit.data.y[ROWS], "kind": kind}
    asked = (fit.data.X_test, fit.data.y_test)
    got = fit.explainer.perturbation_influence(*asked, indices=ROWS, **options)
    scale = np.abs(fit.explainer.influence(*asked, indices=ROWS, kind=kind)).max()
    assert np.abs(got).max() <= 1e-8 * scale


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", SOME, ids=by_name)
def test_mean_is_the_mean(case, kind):
    fit = case.fit()
    options = {"indices": ROWS, "kind": kind, **what(fit, "features and labels")}
    asked = (fit.data.X_test, fit.data.y_test)
    every = fit.explainer.perturbation_influence(*asked, **options)
    mean = fit.explainer.perturbation_influence(*asked, reduce="mean", **options)
    assert_allclose(mean, every.mean(axis=0), rtol=1e-9, atol=1e-12)


def test_small_moves_are_the_gradient():
    fit = named("LogisticRegression, newton-cholesky, 3 classes")[0].fit()
    asked = (fit.data.X_test, fit.data.y_test)
    gradient = fit.explainer.perturbation_gradient(*asked, indices=ROWS)
    moves = 1e-5 * np.random.default_rng(0).standard_normal((len(ROWS), fit.data.X.shape[1]))
    expected = np.einsum("tid,id->ti", gradient, moves)
    for kind in KINDS:
        options = {"X_new": fit.data.X[ROWS] + moves, "kind": kind}
        got = fit.explainer.perturbation_influence(*asked, indices=ROWS, **options)
        got = got if kind == "upweight" else len(fit.data.y) * got
        assert_allclose(got, expected, rtol=0.0, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_targets_too(kind):
    fit = named("LogisticRegression, newton-cholesky, 3 classes")[0].fit()
    options = {"indices": ROWS, "kind": kind, **what(fit, "features and labels")}
    asked = (fit.data.X_test, fit.data.y_test)
    got = fit.explainer.perturbation_influence(*asked, target="prediction", **options)
    loss = fit.explainer.perturbation_influence(*asked, **options)
    proba = fit.model.predict_proba(fit.data.X_test)[np.arange(6), fit.data.y_test][:, None]
    expected = -proba * loss if kind == "upweight" else proba * np.expm1(-loss)
    assert_allclose(got, expected, rtol=1e-7, atol=1e-12)
