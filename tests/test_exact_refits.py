"""kind="refit": the optimum without each row, against estimators that are really refitted."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from asking import FEW, explain, same
from catalogue import CASES, SMOOTH_CASES, Case, Fit, by_name, combinations, named
from reference import hinge
from rows import CLASS_WEIGHT, SETTINGS, Data, Setting
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.utils.class_weight import compute_class_weight

from skinfluence import CG, Cholesky, InfluenceExplainer, LiSSA, NotStationaryWarning
from skinfluence import chord as chord_module
from skinfluence import refits as refits_module

# sag and saga take their time on CSR, for the optimum that the other solvers also find.
SMOOTH = [
    (case, setting)
    for case, setting in combinations(SMOOTH_CASES)
    if not (setting.csr and "sag" in case.name)
]
ROWS = np.arange(0, 200, 13)


@cache
def refits(case_index: int, setting_index: int) -> tuple[Fit, np.ndarray, list[Any]]:
    """A fit, its two rows of greatest self-influence and two others, refits without each."""
    fit = CASES[case_index].fit(SETTINGS[setting_index])
    order = np.argsort(-np.abs(fit.explainer.self_influence()))
    rows = order[[0, 1, 60, 150]]
    return fit, rows, [fit.refit(fit.data.without(row)) for row in rows]


def refitted(case: Case, setting: Setting) -> tuple[Fit, np.ndarray, list[Any]]:
    return refits(CASES.index(case), SETTINGS.index(setting))


def bound(fit: Fit) -> float:
    """How close scikit-learn's own solver comes to the optimum, relative to the effects."""
    if fit.case.is_squared:
        return 3e-11
    newton = getattr(fit.model, "solver", None) in ("newton-cg", "newton-cholesky", "sag", "saga")
    return 3e-9 if newton else 1e-5


def effects(model: Any, data: Data, rows: np.ndarray = ROWS, **options: Any) -> np.ndarray:
    explainer = explain(model, data.X, data.y, **options)
    return explainer.influence(data.X_test, data.y_test, kind="refit", indices=rows)


# ------------------------------------------------------------------------------- real refits
@pytest.mark.parametrize("case, setting", SMOOTH, ids=by_name)
def test_losses(case, setting):
    fit, rows, models = refitted(case, setting)
    data = fit.data
    got = fit.explainer.influence(data.X_test, data.y_test, kind="refit", indices=rows)
    actual = np.array([fit.losses(model) for model in models]).T
    same(got, actual - fit.losses(fit.model)[:, None], bound(fit))


@pytest.mark.parametrize("case, setting", combinations(FEW[:-1]), ids=by_name)
def test_parameters_and_the_rows_own_losses(case, setting):
    fit, rows, models = refitted(case, setting)
    softmax = fit.explainer.objective_.predictor.contrasts is not None
    got = fit.explainer.parameter_influence(kind="refit", indices=rows)
    for name, attribute in (("coef", "coef_"), ("intercept", "intercept_")):
        change = np.array([getattr(m, attribute) - getattr(fit.model, attribute) for m in models])
        if softmax:  # which doesn't see what all classes have in common
            change = change - change.mean(axis=1, keepdims=True)
        same(got[name], change, bound(fit))
    own = [(fit.data.X[[row]], fit.data.y[[row]]) for row in rows]
    before = np.array([case.loss(fit.model, *row)[0] for row in own])
    after = np.array([case.loss(m, *row)[0] for m, row in zip(models, own, strict=True)])
    same(fit.explainer.self_influence(kind="refit", indices=rows), after - before, bound(fit))


PREDICTED = named("Ridge", "LogisticRegression, newton-cg, 3 classes")


@pytest.mark.parametrize("case", PREDICTED, ids=by_name)
def test_predictions_means_and_explanations(case):
    fit, rows, models = refitted(case, SETTINGS[1])
    X_test, y_test = fit.data.X_test, fit.data.y_test

    def asked(model: Any) -> np.ndarray:
        if not case.is_classifier:
            return model.predict(X_test)
        return model.predict_proba(X_test)[np.arange(len(y_test)), y_test]

    options: dict[str, Any] = {"kind": "refit", "target": "prediction", "indices": rows}
    got = fit.explainer.influence(X_test, y_test, **options)
    same(got, np.array([asked(model) for model in models]).T - asked(fit.model)[:, None], 3e-9)
    mean = fit.explainer.influence(X_test, y_test, reduce="mean", **options)
    same(mean, got.mean(axis=0), 1e-14)
    every = fit.explainer.influence(X_test, y_test, kind="refit")
    explanation = fit.explainer.explain(X_test, y_test, k=3, kind="refit")
    order = np.argsort(-every, axis=1)
    assert (explanation.helpful_indices == order[:, :3]).all()
    assert (explanation.harmful_indices == order[:, :-4:-1]).all()
    same(explanation.helpful_effects, np.take_along_axis(every, order[:, :3], axis=1), 1e-14)
    assert "when the row is removed and the model refitted; positive = helpful" in repr(explanation)


# -------------------------------------------------------------------------------- the hinge
def smoothed_hinge_optimum(data: Data, setting: Setting, model: Any) -> np.ndarray:
    """argmin C Σ s_i t log(1 + exp((1 − y z)/t)) + ½ ‖w, b‖² with t = 1e-3, by trust regions."""
    X = data.X.toarray() if setting.csr else data.X
    inputs = np.where(data.y == 1, 1.0, -1.0)[:, None] * np.column_stack([X, np.ones(len(X))])
    weights = np.ones(len(X)) if setting.weights(data) is None else setting.weights(data)
    class_weight = np.array([CLASS_WEIGHT[0], CLASS_WEIGHT[1]])
    if setting.class_weight == "balanced":
        known = "sample_weight" in inspect.signature(compute_class_weight).parameters
        counts = np.bincount(data.y, weights if known else None)
        class_weight = counts.sum() / (2 * counts)
    scale = model.C * weights * (class_weight[data.y] if setting.class_weight else 1.0)

    def short(theta: np.ndarray) -> np.ndarray:
        return (1.0 - inputs @ theta) / 1e-3

    def value(theta: np.ndarray) -> float:
        return float(scale @ (1e-3 * np.logaddexp(0.0, short(theta))) + 0.5 * theta @ theta)

    def slope(theta: np.ndarray) -> np.ndarray:
        return theta - inputs.T @ (scale * expit(short(theta)))

    def bend(theta: np.ndarray) -> np.ndarray:
        slopes = 1e3 * expit(short(theta)) * expit(-short(theta))
        return inputs.T @ ((scale * slopes)[:, None] * inputs) + np.eye(len(theta))

    start = np.r_[model.coef_[0], model.intercept_]
    options = {"gtol": 1e-10, "maxiter": 1000}
    return minimize(value, start, jac=slope, hess=bend, method="trust-exact", options=options).x


@pytest.mark.parametrize("case, setting", combinations(named("LinearSVC, hinge")), ids=by_name)
def test_hinge(case, setting):
    """At a temperature where scipy finds the optimum: refits take a thousandth of smoothing."""
    fit = case.fit(setting)
    weights = setting.weights(fit.data)
    explainer = explain(fit.model, fit.data.X, fit.data.y, weights, smoothing=1.0)
    rows = np.r_[np.argsort(fit.explainer.self_influence())[:4], 0, 33]
    before = smoothed_hinge_optimum(fit.data, setting, fit.model)
    data = [fit.data.without(row) for row in rows]
    after = np.array([smoothed_hinge_optimum(each, setting, fit.model) for each in data])
    for kind in ("refit", "removal"):
        got = explainer.parameter_influence(kind=kind, indices=rows)
        same(np.column_stack([got["coef"][:, 0], got["intercept"]]), after - before, 1e-6)


# ------------------------------------------------------------------------ where chords fail
def nearly_separable(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    return make_classification(
        30,
        4,
        n_informative=3,
        n_redundant=0,
        class_sep=1.2,
        flip_y=0.05,
        n_classes=n_classes,
        n_clusters_per_class=1 + (n_classes == 2),
        random_state=1,
    )


@pytest.fixture
def stragglers(monkeypatch):
    """Columns that were finished by their own Newton steps."""
    finished = []
    newton = chord_module.newton_minimise
    monkeypatch.setattr(
        chord_module, "newton_minimise", lambda own, *a: finished.append(own) or newton(own, *a)
    )
    return finished


STRAGGLING = [
    LogisticRegression(C=1e2),
    LogisticRegression(C=1e4),
    LogisticRegression(C=1e3, class_weight="balanced"),
]


# Only scikit-learn's refits may complain; those with three classes are as exact as it gets them.
@pytest.mark.filterwarnings("error", "ignore:Line search of Newton", "ignore:lbfgs failed")
@pytest.mark.parametrize("n_classes, tolerance", [(2, 1e-8), (3, 1e-6)])
@pytest.mark.parametrize("model", STRAGGLING, ids=repr)
def test_stragglers_are_finished(model, n_classes, tolerance, stragglers):
    """Few rows, hardly a penalty: some removals move the optimum far from where the chord is."""
    X, y = nearly_separable(n_classes)
    model = clone(model).set_params(solver="newton-cholesky", tol=1e-13, max_iter=1000).fit(X, y)
    got = explain(model, X, y).parameter_influence(kind="refit")["coef"]
    assert 0 < len(stragglers) < 15
    actual = []
    for row in range(30):
        kept = np.arange(30) != row
        actual.append(clone(model).fit(X[kept], y[kept]).coef_ - model.coef_)
    same(got, np.array(actual), tolerance)


def test_squared_hinge_stragglers(stragglers):
    X, y = nearly_separable(2)
    model = LinearSVC(C=1e2, tol=1e-13, max_iter=10**7, random_state=0).fit(X, y)
    got = explain(model, X, y).parameter_influence(kind="refit")["coef"]
    assert 0 < len(stragglers) < 15
    kept = [np.arange(30) != row for row in range(30)]
    actual = np.array([clone(model).fit(X[k], y[k]).coef_ - model.coef_ for k in kept])
    same(got, actual, 2e-8)


# ------------------------------------------------------------------- what must not matter
SHAPES = {
    "cholesky": {"solver": Cholesky()},
    "cg": {"solver": CG()},
    # which is too coarse for refits: they fall back to a direct solver
    "lissa": {"solver": LiSSA(repeats=2, depth=20, tol=np.inf)},
    "jobs": {"n_jobs": 2},
    "damping": {"damping": 0.1},
    "much damping": {"damping": 1.0},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_what_shapes_the_steps_does_not_shape_the_optimum(case, shape):
    fit = case.fit()
    expected = effects(fit.model, fit.data)
    same(effects(fit.model, fit.data, **SHAPES[shape]), expected, 2e-8)


@pytest.mark.parametrize("bound", ["MOST_COLUMNS", "COLUMN_BYTES"])
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_blocks_and_jobs(case, n_jobs, bound, monkeypatch):
    fit = case.fit()
    expected = effects(fit.model, fit.data)
    widths = []
    find = refits_module.find_optima

    def watched(block: Any, *others: Any) -> Any:
        widths.append(block.reweighting.n_columns)
        return find(block, *others)

    monkeypatch.setattr(refits_module, "find_optima", watched)
    column_bytes = 8 * 8 * fit.explainer.objective_.n_parameters
    monkeypatch.setattr(refits_module, bound, 3 if bound == "MOST_COLUMNS" else 3 * column_bytes)
    same(effects(fit.model, fit.data, n_jobs=n_jobs), expected, 1e-12)
    assert sorted(widths) == [1, 1, 3, 3, 3, 3, 3]  # the full data's own optimum, then 16 rows


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_single_precision(case, csr):
    fit = case.fit()
    data = fit.data.as_csr() if csr else fit.data
    data = replace(data, X=data.X.astype(np.float32), X_test=data.X_test.astype(np.float32))
    got = effects(fit.model, data)
    assert got.dtype == np.float32
    same(got, effects(fit.model, fit.data), 1e-6)


@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_the_reference_is_the_optimum_and_not_the_estimator(case):
    """What stopped early, or is somewhere else altogether, has the same effects."""
    fit = case.fit()
    data, expected = fit.data, effects(fit.model, fit.data)
    if case.is_classifier and not case.is_squared:
        early = clone(fit.model).set_params(tol=1e-2).fit(data.X, data.y)
        assert np.abs(early.coef_ - fit.model.coef_).max() > 1e-4
        same(effects(early, data), expected, 3e-8)
        removal = explain(early, data.X, data.y).influence(
            data.X_test, data.y_test, kind="removal", indices=ROWS
        )
        off = np.abs(removal - expected).max() / np.abs(expected).max()
        assert off < 1e-8 if case.has_kink else off > 1e-3  # refits or one Newton step
    off = clone(fit.model).fit(data.X, data.y)
    off.coef_, off.intercept_ = 1.3 * off.coef_, off.intercept_ + 0.3
    with pytest.warns(NotStationaryWarning):
        explainer = InfluenceExplainer(off, prefit=True).fit(data.X, data.y)
    got = explainer.influence(data.X_test, data.y_test, kind="refit", indices=ROWS)
    same(got, expected, 1e-8 if case.loss is hinge else 1e-11)
