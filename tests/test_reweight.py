"""Any new weights: against estimators that are really refitted with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from asking import FEW, explain, most_unlike, same
from catalogue import CASES, Fit, by_name, combinations, named
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wording import TARGETS, N, X, Y, raises

from skinfluence import CG, InfluenceExplainer, blocks, moves, reweighting
from skinfluence import refits as refits_module
from skinfluence.answers import KINDS

# sag and saga find the optimum that the other solvers also find.
REFITTED = [case for case in CASES if "sag" not in case.name and not case.has_kink]
DENSE = [(case, setting) for case, setting in combinations(REFITTED) if not setting.csr]
FEW_DENSE = [(case, setting) for case, setting in combinations(FEW) if not setting.csr]


def values(fit: Fit, model: Any) -> np.ndarray:
    """Decision values of the test rows; what all classes of a softmax share is left out."""
    ask = model.decision_function if fit.case.is_classifier else model.predict
    result = ask(fit.data.X_test)
    softmax = fit.explainer.objective_.predictor.contrasts is not None
    return result - result.mean(axis=1, keepdims=True) if softmax else result


def own_weights(fit: Fit) -> np.ndarray:
    weights = fit.setting.weights(fit.data)
    return np.ones(len(fit.data.y)) if weights is None else weights


def bootstrap(fit: Fit) -> np.ndarray:
    """Times that each row is drawn, and its own weight."""
    n = len(fit.data.y)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=3).T
    return drawn * own_weights(fit)[:, None]


def refits(fit: Fit, weights: np.ndarray) -> np.ndarray:
    """Values of real refits, one set of weights per column, (n_test, …, columns)."""
    weighted = replace(fit, setting=replace(fit.setting, sample_weight=True))
    models = [weighted.refit(replace(fit.data, sample_weight=each)) for each in weights.T]
    return np.stack([values(fit, model) for model in models], axis=-1)


def bound(fit: Fit) -> float:
    """How close scikit-learn's own solver comes to the optimum, relative to the changes."""
    if fit.case.is_squared:
        return 1e-11
    return 2e-8 if "newton" in getattr(fit.model, "solver", "") else 2e-6


# ---------------------------------------------------------------------------- real refits
@pytest.mark.parametrize("case, setting", DENSE, ids=by_name)
def test_bootstrap(case, setting):
    """Of three draws, with class weights as the estimator makes them from the new weights."""
    fit = case.fit(setting)
    weights = bootstrap(fit)
    before = values(fit, fit.model)[..., None]
    actual = refits(fit, weights) - before
    got = fit.explainer.reweight(weights, fit.data.X_test, kind="refit")
    assert got.shape == actual.shape
    same(got - before, actual, bound(fit))
    step = fit.explainer.reweight(weights, fit.data.X_test) - before
    if case.is_squared:
        same(step, actual, bound(fit))
    else:  # measured 0.953 and 0.81 … 1.03, the lowest with three classes
        assert np.corrcoef(step.ravel(), actual.ravel())[0, 1] >= 0.94
        assert 0.78 <= np.polyfit(actual.ravel(), step.ravel(), 1)[0] <= 1.06


@pytest.mark.parametrize("case", FEW[:-1], ids=by_name)
def test_weights_are_copies(case):
    fit, draws = case.fit(), np.random.default_rng(1).integers(0, 4, size=200)
    refit = fit.refit(fit.data.take(np.repeat(np.arange(200), draws)))
    got = fit.explainer.reweight(draws, fit.data.X_test, kind="refit")
    same(got, values(fit, refit), bound(fit))


# In scikit-learn, RidgeClassifier balances by rows whether or not they have weight. Leaving every
# row out takes long where the loss has kinks.
COUNTED = [
    (case, setting)
    for case, setting in FEW_DENSE
    if setting.class_weight != "balanced" and (setting.sample_weight or not case.has_kink)
]


@pytest.mark.parametrize("case, setting", COUNTED, ids=by_name)
@pytest.mark.parametrize("kind", ["removal", "refit"])
def test_no_weight_is_absence(case, setting, kind):
    fit, rows = case.fit(setting), np.array([7, 0, 150])
    weights = np.repeat(own_weights(fit)[:, None], 3, axis=1)
    weights[rows, [0, 1, 2]] = 0.0
    got = fit.explainer.reweight(weights, fit.data.X[rows], kind=kind)
    own = np.stack([got[k, ..., k] for k in range(3)])
    same(own, fit.explainer.loo_decision_function(kind=kind)[rows], 1e-9)


# --------------------------------------------------------------------- the three kinds
@pytest.mark.parametrize("case, setting", combinations(FEW), ids=by_name)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_weights_change_nothing(case, setting, kind):
    fit = case.fit(setting)
    got = fit.explainer.reweight(own_weights(fit), fit.data.X_test, kind=kind)
    expected = values(fit, fit.model)
    assert got.shape == expected.shape
    # Losses with kinks are at the optimum of the smoothed objective, next to the estimator's own.
    tolerance = 1e-6 if kind == "refit" else 1e-12
    if case.has_kink:
        tolerance = 0.01 if kind == "upweight" else 1e-4
    same(got, expected, tolerance)


# Derivatives of the hinge are taken at another temperature than its refits.
DERIVED = [(case, setting) for case, setting in FEW_DENSE if not case.has_kink]


@pytest.mark.parametrize("case, setting", DERIVED, ids=by_name)
def test_upweighting_is_the_derivative(case, setting):
    """Of refits, in a random direction of the weights."""
    fit, step = case.fit(setting), 1e-5
    weights, direction = own_weights(fit), np.random.default_rng(0).standard_normal(200)
    tilted = weights[:, None] * (1.0 + step * direction[:, None] * [1.0, -1.0])
    data = fit.data
    explainer = explain(fit.model, data.X, data.y, setting.weights(data), refit_tol=1e-12)
    slopes = []
    for kind in ("upweight", "refit"):
        more, less = np.moveaxis(explainer.reweight(tilted, data.X_test, kind=kind), -1, 0)
        slopes.append((more - less) / (2 * step))
    same(*slopes, 1e-6)


@pytest.mark.parametrize("case, setting", FEW_DENSE, ids=by_name)
def test_upweighting_is_linear_but_for_class_weights(case, setting):
    if setting.class_weight == "balanced" and not case.is_squared:
        return
    fit = case.fit(setting)
    sets = bootstrap(fit)
    sets[:, 2] = 0.25 * sets[:, 0] + 0.75 * sets[:, 1]
    got = fit.explainer.reweight(sets, fit.data.X_test, kind="upweight")
    same(got[..., 2], 0.25 * got[..., 0] + 0.75 * got[..., 1], 1e-12)


@pytest.mark.parametrize("options", [{"solver": CG(tol=1e-12)}, {"n_jobs": 2}], ids=str)
@pytest.mark.parametrize("case, setting", most_unlike(FEW_DENSE), ids=by_name)
def test_solvers_and_storage(case, setting, options):
    fit = case.fit(setting)
    csr, weights = fit.data.as_csr(), bootstrap(fit)
    explainer = explain(fit.model, csr.X, csr.y, setting.weights(csr), **options)
    for kind in KINDS:
        expected = fit.explainer.reweight(weights, fit.data.X_test, kind=kind)
        got = explainer.reweight(weights, csr.X_test, kind=kind)
        same(got, expected, 1e-8 if kind == "refit" else 1e-9)


# Of losses with kinks, of which every kind but the first refits one by one, it would take long.
IN_BLOCKS = [case for case in FEW if not case.has_kink]


@pytest.mark.parametrize("case", IN_BLOCKS, ids=by_name)
def test_blocks(case, monkeypatch):
    fit = case.fit()
    weights, groups = bootstrap(fit), [np.arange(k, 200, 3) for k in range(3)]

    def ask() -> list[np.ndarray]:
        explainer = explain(fit.model, fit.data.X, fit.data.y)
        X_test, y_test = fit.data.X_test, fit.data.y_test
        asked = [explainer.reweight(weights, X_test, kind=kind) for kind in KINDS]
        options = {"X_test": X_test, "y_test": y_test}
        asked += [explainer.group_influence(groups, kind=kind, **options) for kind in KINDS]
        return [*asked, explainer.loo_decision_function(), explainer.cross_val_decision(3)]

    expected = ask()
    monkeypatch.setitem(blocks.row_blocks.__kwdefaults__, "limit", 8 * 50 * 4)
    monkeypatch.setattr(moves, "COLUMN_BYTES", 1)
    monkeypatch.setattr(reweighting, "CACHED_BYTES", 1)
    monkeypatch.setattr(refits_module, "MOST_COLUMNS", 2)
    for got, whole in zip(ask(), expected, strict=True):
        same(got, whole, 1e-10)


# --------------------------------------------------------------------------------- shapes
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["Ridge", "Ridge, 3 outputs", "RidgeClassifier", "LogisticRegression, lbfgs, 3 classes"]
)
def test_shapes(name, kind):
    fit = named(name)[0].fit()
    weights = bootstrap(fit)
    expected = values(fit, fit.model).shape
    reweight, X_test = fit.explainer.reweight, fit.data.X_test
    several = reweight(weights, X_test, kind=kind)
    assert several.shape == (*expected, 3)
    for column in range(3):
        alone = reweight(weights[:, column], X_test, kind=kind)
        assert alone.shape == expected
        same(alone, several[..., column], 1e-9)
    single = reweight(weights[:, :1].tolist(), X_test, kind=kind)
    assert single.shape == (*expected, 1)
    if expected[1:] and fit.case.is_classifier:
        assert np.abs(several.sum(axis=1)).max() < 1e-13


def test_a_single_column_of_targets_keeps_its_column():
    explainer = InfluenceExplainer(Ridge()).fit(X, TARGETS[:, None])
    assert explainer.reweight(np.ones(N), X[:3]).shape == explainer.predict(X[:3]).shape


def test_steps_of_a_pipeline_stay_fixed():
    model = make_pipeline(StandardScaler(), Ridge())
    explainer = InfluenceExplainer(model).fit(X, TARGETS)
    weights = np.arange(N) % 3
    scaled = explainer.estimator_[0].transform(X)
    expected = Ridge().fit(scaled, TARGETS, weights).predict(scaled)
    same(explainer.reweight(weights, X), expected, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision(kind):
    narrow = X.astype(np.float32)
    explainer = InfluenceExplainer(LogisticRegression(tol=1e-8)).fit(narrow, Y)
    got = explainer.reweight(np.arange(N) % 3, narrow[:3], kind=kind)
    wide = InfluenceExplainer(explainer.estimator_, prefit=True).fit(X, Y)
    assert got.dtype == np.float32
    same(got, wide.reweight(np.arange(N) % 3, X[:3], kind=kind), 1e-5)


# ---------------------------------------------------------------------------------- errors
CLASSIFIER = InfluenceExplainer(LogisticRegression()).fit(X, Y)
NEEDED = ["needed is one weight for each of the 40", "(40,) or (40, n_sets)"]
ONES = np.ones((N, 3))
WRONG = {
    "short": (np.ones(N - 1), ["reweight got sample_weight of shape (39,)", *NEEDED]),
    "turned": (np.ones((3, N)), ["shape (3, 40)", *NEEDED]),
    "3d": (np.ones((N, 1, 1)), ["shape (40, 1, 1)", *NEEDED]),
    "number": (1.0, ["shape ()", *NEEDED]),
    "none": (np.ones((N, 0)), ["shape (40, 0)", *NEEDED]),
    "None": (None, ["shape ()", *NEEDED]),
    "nan": (np.where(X.max() == X, np.nan, ONES), ["1 NaN or infinite", "Use 0 to leave a row"]),
    "infinite": (np.full(N, np.inf), ["40 NaN or infinite weights", "have to be finite"]),
    "negative": (np.where(X.max() == X, -1, ONES), ["1 negative sample weights", "Use 0"]),
    "zero": (np.zeros(N), ["0 for every row (sets [0])", "nothing to fit"]),
    "a zero set": (ONES * [1, 0, 1], ["0 for every row (sets [1])", "rows of positive weight"]),
    "a class": (ONES * [1, 1, 0] + (Y == 0)[:, None], ["class 1 without any weight in set 2"]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", WRONG)
def test_errors(wrong, kind):
    weights, words = WRONG[wrong]
    with raises(ValueError, "InfluenceExplainer", *words):
        CLASSIFIER.reweight(weights, X[:2], kind=kind)


def test_text_for_weights():
    with raises(ValueError, "could not convert string to float"):
        CLASSIFIER.reweight(["a"] * N, X[:2])


def test_other_errors():
    with raises(ValueError, "kind='up'", "['upweight', 'removal', 'refit']"):
        CLASSIFIER.reweight(np.ones(N), X[:2], kind="up")
    with raises(ValueError, "X has 2 features"):
        CLASSIFIER.reweight(np.ones(N), X[:, :2])


@pytest.mark.parametrize("kind", ["removal", "refit"])
def test_undetermined_sets(kind):
    explainer = InfluenceExplainer(LinearRegression()).fit(X, TARGETS)
    weights = np.column_stack([np.arange(N) < 3, np.arange(N) < 4])
    words = r"1 sets of weights .*\[0\].*(too few|not determined).*NaN"
    with pytest.warns(RuntimeWarning, match=words):
        got = explainer.reweight(weights, X[:4], kind=kind)
    assert np.isnan(got[:, 0]).all()
    same(got[:, 1], TARGETS[:4], 1e-10)
