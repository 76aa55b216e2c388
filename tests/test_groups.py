"""Groups of rows: against real refits, dense Newton steps, and one another's machinery."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from asking import FEW, explain, same
from catalogue import Fit, by_name, combinations, named
from reference import hinge
from rows import Data
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from wording import TARGETS, N, X, Y, raises

from skinfluence import CG, InfluenceExplainer, as_objective, downdates, moves
from skinfluence.answers import KINDS
from skinfluence.downdates import Downdate, OwnFactor

# Three rows are taken out of a factor, eighty get one of their own.
SMALL = [np.array([3, 50, 151]), np.array([0, 1, 2])]
LARGE = [np.arange(0, 80), np.arange(1, 200, 3)]
SMOOTH = [(case, setting) for case, setting in combinations(FEW) if case.loss is not hinge]


def asked(fit: Fit, groups: Any, **options: Any) -> np.ndarray:
    return fit.explainer.group_influence(groups, fit.data.X_test, fit.data.y_test, **options)


def without(fit: Fit, rows: np.ndarray) -> Data:
    return fit.data.take(np.delete(np.arange(len(fit.data.y)), rows))


# --------------------------------------------------------------------- a fifth of 1,000 rows
@cache
def fifths() -> dict[str, np.ndarray]:
    """A logistic model of 20 features; 40 groups, random and coherent; all kinds of answer."""
    X, y = make_classification(
        1010, 20, n_informative=6, class_sep=0.7, flip_y=0.05, random_state=0
    )
    rng = np.random.default_rng(0)
    groups = [rng.permutation(1000)[:200] for _ in range(20)]
    groups += [np.argsort(X[:1000] @ rng.standard_normal(20))[:200] for _ in range(20)]
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X[:1000], y[:1000])

    def losses(fitted: Any) -> np.ndarray:
        return -fitted.predict_log_proba(X[1000:])[np.arange(10), y[1000:]]

    refits = [clone(model).fit(np.delete(X[:1000], g, 0), np.delete(y[:1000], g)) for g in groups]
    answers = {"actual": np.array([losses(refit) - losses(model) for refit in refits]).T}
    explainer = explain(model, X[:1000], y[:1000])
    for kind in KINDS:
        answers[kind] = explainer.group_influence(groups, X[1000:], y[1000:], kind=kind)
    answers["upweight"] = -answers["upweight"] / 1000
    return answers


@pytest.mark.parametrize(
    "groups, kind, correlation, slopes",
    [
        # random: measured 0.9944 and 0.772, 0.9990 and 0.996
        (slice(0, 20), "upweight", 0.99, (0.75, 0.8)),
        (slice(0, 20), "removal", 0.998, (0.98, 1.02)),
        # the tail of a direction: measured 0.945 and 0.564, 0.9957 and 0.930
        (slice(20, 40), "upweight", 0.93, (0.5, 0.6)),
        (slice(20, 40), "removal", 0.993, (0.9, 1.0)),
    ],
    ids=["random, sum", "random, step", "tails, sum", "tails, step"],
)
def test_a_fifth_of_the_rows(groups, kind, correlation, slopes):
    predicted, actual = fifths()[kind][:, groups], fifths()["actual"][:, groups]
    assert np.corrcoef(predicted.ravel(), actual.ravel())[0, 1] >= correlation
    slope = np.polyfit(actual.ravel(), predicted.ravel(), 1)[0]
    assert slopes[0] <= slope <= slopes[1]


def test_a_fifth_of_the_rows_exactly():
    same(fifths()["refit"], fifths()["actual"], 1e-8)


# ---------------------------------------------------------------------------- every estimator
@pytest.mark.parametrize("case, setting", SMOOTH, ids=by_name)
def test_refits(case, setting):
    fit = case.fit(setting)
    groups = [*SMALL, *LARGE]
    losses = [fit.losses(fit.refit(without(fit, rows))) for rows in groups]
    actual = np.array(losses).T - fit.losses(fit.model)[:, None]
    same(asked(fit, groups, kind="refit"), actual, 1e-6 if "SVC" in case.name else 1e-8)
    if case.is_squared:
        same(asked(fit, groups), actual, 1e-12)


def stepped(fit: Fit, rows: np.ndarray) -> Any:
    """The model one dense Newton step away, on the objective without some rows."""
    left = without(fit, rows)
    reduced = as_objective(fit.model, left.X, left.y, fit.setting.weights(left))
    change = reduced.gradient() - fit.explainer.objective_.gradient()
    step = -np.linalg.solve(reduced.hessian().to_dense(), change)
    moved = fit.explainer.objective_.predictor.unpack(step[:, None])
    model = copy.copy(fit.model)
    model.coef_ = model.coef_ + moved["coef"][0]
    model.intercept_ = model.intercept_ + moved["intercept"][0]
    return model


@pytest.fixture
def made(monkeypatch):
    """Types of the inverses that Newton steps were taken with."""
    kinds = []
    make = moves.column_inverse

    def watched(*args: Any) -> Any:
        kinds.append(type(make(*args)))
        return make(*args)

    monkeypatch.setattr(moves, "column_inverse", watched)
    return kinds


@pytest.mark.parametrize("case, setting", SMOOTH, ids=by_name)
def test_removal_is_one_newton_step(case, setting, made):
    fit = case.fit(setting)
    expected = [fit.losses(stepped(fit, rows)) - fit.losses(fit.model) for rows in SMALL + LARGE]
    got = asked(fit, SMALL + LARGE)
    own = setting.class_weight == "balanced"  # which reweighs all rows
    assert made == [OwnFactor if own else Downdate] * 2 + [OwnFactor] * 2
    same(got, np.array(expected).T, 1e-12)


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("kind", ["removal", "refit"])
@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_both_ways_agree(case, kind, pays, monkeypatch):
    fit = case.fit()
    expected = asked(fit, SMALL + LARGE, kind=kind)
    monkeypatch.setattr(downdates, "_downdate_pays", lambda *_: pays)
    explainer = explain(fit.model, fit.data.X, fit.data.y)
    got = asked(replace(fit, explainer=explainer), SMALL + LARGE, kind=kind)
    same(got, expected, 1e-8 if kind == "refit" else 1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{"solver": CG(tol=1e-12)}, {"n_jobs": 2}])
@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_solvers_and_storage(case, options, kind):
    fit = case.fit()
    csr = fit.data.as_csr()
    explainer = explain(fit.model, csr.X, csr.y, **options)
    got = explainer.group_influence(SMALL + LARGE, csr.X_test, csr.y_test, kind=kind)
    same(got, asked(fit, SMALL + LARGE, kind=kind), 1e-10)


# ------------------------------------------------------------------------- rows as groups
@pytest.mark.parametrize("case, setting", combinations(FEW), ids=by_name)
def test_groups_of_one_row_are_rows(case, setting):
    fit, rows = case.fit(setting), np.array([7, 0, 150])
    for kind in KINDS:
        expected = fit.explainer.influence(
            fit.data.X_test, fit.data.y_test, kind=kind, indices=rows
        )
        same(asked(fit, rows[:, None].tolist(), kind=kind), expected, 1e-12)
        # beside a larger group they are columns like any other
        beside = asked(fit, [*rows[:, None], SMALL[0]], kind=kind)[:, :-1]
        shared = setting.class_weight == "balanced" and setting.sample_weight
        # removed one by one, rows of one class then share a Hessian at their mean count
        same(beside, expected, 2e-3 if shared and kind == "removal" else 1e-8)


@pytest.mark.parametrize("case, setting", combinations(FEW), ids=by_name)
def test_upweighting_adds_up(case, setting):
    fit = case.fit(setting)
    every = fit.explainer.influence(fit.data.X_test, fit.data.y_test)
    expected = np.column_stack([every[:, rows].sum(axis=1) for rows in SMALL + LARGE])
    same(asked(fit, SMALL + LARGE, kind="upweight"), expected, 1e-12)


def test_predictions_and_labels_of_the_models_own():
    fit = named("LogisticRegression, newton-cholesky, 3 classes")[0].fit()
    X_test, y_test = fit.data.X_test, fit.model.predict(fit.data.X_test)
    refit = fit.refit(without(fit, LARGE[0]))
    own = np.arange(len(y_test)), y_test
    got = fit.explainer.group_influence([LARGE[0]], X_test, target="prediction", kind="refit")
    actual = refit.predict_proba(X_test)[own] - fit.model.predict_proba(X_test)[own]
    same(got[:, 0], actual, 1e-8)


# ------------------------------------------------------------------------------- forms
REGRESSOR = InfluenceExplainer(Ridge()).fit(X, TARGETS)
CLASSIFIER = InfluenceExplainer(LogisticRegression()).fit(X, Y)
LABELS = np.arange(N) % 3
MASKS = np.array([0, 1, 2]) == LABELS[:, None]


def of_regressor(groups: Any, **options: Any) -> np.ndarray:
    return REGRESSOR.group_influence(groups, X[:4], TARGETS[:4], **options)


FORMS = {
    "list": LABELS.tolist(),
    "text": np.array(["a", "b", "c"])[LABELS],
    "objects": np.array(["a", "b", "c"], dtype=object)[LABELS],
    "numbers": 0.5 * LABELS,
    "dates": np.array(["2020-01-01", "2021-01-01", "2022-01-01"], dtype="M8[D]")[LABELS],
    "indices": [np.flatnonzero(mask) for mask in MASKS.T],
    "unsorted": tuple(np.flatnonzero(mask)[::-1].tolist() for mask in MASKS.T),
    "list of masks": list(MASKS.T),
    "ranges": [range(k, N, 3) for k in range(3)],
    "matrix": MASKS,
    "csr": sparse.csr_matrix(MASKS),
    "coo array": sparse.coo_array(MASKS),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_forms(form, kind):
    np.testing.assert_array_equal(
        of_regressor(FORMS[form], kind=kind), of_regressor(LABELS, kind=kind)
    )


def test_pandas_forms():
    pandas = pytest.importorskip("pandas")
    expected = of_regressor(LABELS)
    labels = pandas.Series(np.array(["a", "b", "c"])[LABELS], index=np.arange(N)[::-1])
    for groups in (labels, labels.astype("category"), pandas.DataFrame(MASKS)):
        np.testing.assert_array_equal(of_regressor(groups), expected)


def test_groups_may_overlap_and_leave_rows_out():
    groups = [[0, 1, 2], [2, 1], [30]]
    masks = np.array([[row in group for group in groups] for row in range(N)])
    for kind in KINDS:
        together = of_regressor(groups, kind=kind)
        same(of_regressor(masks, kind=kind), together, 1e-14)
        apart = np.hstack([of_regressor([group], kind=kind) for group in groups])
        same(together, apart, 1e-9)


# ---------------------------------------------------------------------------------- errors
WRONG = {
    "empty": ([[1], []], ValueError, ["groups[1] without any row", "leave empty groups out"]),
    "empty mask": (MASKS & [True, False, True], ValueError, ["groups[1] without any row"]),
    "all": ([range(N)], ValueError, ["groups[0] with all 40", "nothing to fit", "rows that stay"]),
    "one label": (np.zeros(N), ValueError, ["groups[0] with all 40 training rows"]),
    "none": (np.zeros((N, 0), dtype=bool), ValueError, ["no groups", "at least one"]),
    "no list": ([], ValueError, ["shape (0,)", "a label for each", "list of index arrays"]),
    "large": ([[1], [N]], IndexError, ["groups[1] outside", "[40]", "from 0 to 39"]),
    "negative": ([[-1]], IndexError, ["groups[0] outside", "[-1]"]),
    "float": ([[0.5]], TypeError, ["groups[0] of type float64", "positions (0 to 39)"]),
    "twice": ([[1, 2, 1]], ValueError, ["groups[0]", "1 rows listed more than once"]),
    "short mask": ([[True, False]], IndexError, ["mask of shape (2,) as groups[0]", "40"]),
    "one mask": (MASKS[:, 0], ValueError, ["type bool and shape (40,)", "mask[:, None]"]),
    "zeros, ones": (1 * MASKS, ValueError, ["type int64 and shape (40, 3)", "boolean array"]),
    "short": (LABELS[:-1], ValueError, ["shape (39,)", "each of the 40 training rows"]),
    "None": (None, ValueError, ["shape ()", "a label for each of the 40 training rows"]),
    "NaN": (np.where(LABELS, 1.0, np.nan), ValueError, ["14 missing labels", "index arrays"]),
    "missing": ([None, *LABELS[1:]], ValueError, ["1 missing labels", "every row needs one"]),
    "mixed": (np.array(["a", 1] * 20, dtype=object), TypeError, ["groups", "sort"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_errors(wrong):
    groups, error, words = WRONG[wrong]
    with raises(error, "InfluenceExplainer got", *words):
        of_regressor(groups)


@pytest.mark.parametrize("groups", [Y, [np.flatnonzero(Y == 0)], [np.flatnonzero(Y == 0), [1]]])
def test_a_whole_class(groups):
    with raises(ValueError, "groups[0] with every row of class 0", "Keep a row of each class"):
        CLASSIFIER.group_influence(groups, X[:2])


# Damping determines a step, and shapes those to an optimum, but makes none where there is none.
@pytest.mark.parametrize("kind, damping", [("removal", 0.0), ("refit", 0.0), ("refit", 1e-3)])
def test_too_few_rows_left(kind, damping):
    explainer = InfluenceExplainer(LinearRegression(), damping=damping).fit(X, TARGETS)
    groups = [np.arange(37), np.arange(36), np.arange(20), np.arange(38)]
    with pytest.warns(RuntimeWarning, match=r"2 groups .*\[0, 3\].*(too few|not determined).*NaN"):
        got = explainer.group_influence(groups, X[:2], TARGETS[:2], kind=kind)
    assert (np.isnan(got) == [True, False, False, True]).all()
