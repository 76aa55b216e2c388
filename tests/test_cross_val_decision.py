"""Cross-validation from a single fit, for every splitter, against real refits."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from asking import same
from rows import make_data
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneOut,
    LeavePGroupsOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wording import TARGETS, N, X, Y, raises

from skinfluence import InfluenceExplainer

NEWTON = LogisticRegression(solver="newton-cholesky", tol=1e-12)


def centred(values: np.ndarray) -> np.ndarray:
    """What all classes of a softmax share does not count."""
    return values - values.mean(axis=1, keepdims=True) if values.ndim > 1 else values


# ---------------------------------------------------------------------- any splitter
LABELS = np.arange(200) // 7 % 6
SPLITTERS = [
    None,
    4,
    KFold(3),
    StratifiedKFold(5, shuffle=True, random_state=0),
    GroupKFold(3),
    LeaveOneOut(),
    LeavePGroupsOut(2),
    RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
    ShuffleSplit(3, test_size=0.1, random_state=0),
    TimeSeriesSplit(4),
    [(np.arange(0, 150), np.arange(150, 200)), (np.arange(50, 200), np.arange(50))],
    [(list(range(100)), list(range(100, 200)))],
    # drawn with replacement: a row that comes twice is two rows
    [(np.r_[0:150, 0:90:2], np.arange(150, 200)), (np.r_[20:200, 30, 30], np.arange(20))],
    [(np.arange(200), np.arange(20))],  # nothing is left out
    [(np.arange(200) < 150, np.arange(200) >= 150)],  # masks, which scikit-learn also takes
]
SPLITS = ["indices", "lists", "repeated rows", "all rows", "masks"]
IDS = [type(cv).__name__ for cv in SPLITTERS[: -len(SPLITS)]] + SPLITS
MODELS = {
    "logistic": (NEWTON, "binary"),
    "softmax": (NEWTON, "three classes"),
    "ridge": (Ridge(), "regression"),
    "balanced": (RidgeClassifier(class_weight="balanced"), "binary"),
}


def by_refits(model: Any, X: np.ndarray, y: np.ndarray, cv: Any) -> np.ndarray:
    """Mean over the splits that test a row; NaN where none does."""
    if cv is None or isinstance(cv, int):
        classes = hasattr(model, "decision_function")
        cv = (StratifiedKFold if classes else KFold)(5 if cv is None else cv)
    groups = LABELS if "Group" in type(cv).__name__ else None
    splits = cv if isinstance(cv, list) else cv.split(X, y, groups)
    total, counts = 0.0, np.zeros(200)
    for train, test in splits:
        fitted = clone(model).fit(X[train], y[train])
        ask = getattr(fitted, "decision_function", fitted.predict)
        values = centred(ask(X[test]))
        block = np.zeros((200, *values.shape[1:]))
        block[test], counts[test] = values, counts[test] + 1
        total = total + block
    with np.errstate(invalid="ignore"):
        return (total.T / counts).T


@pytest.mark.parametrize("cv", SPLITTERS, ids=IDS)
@pytest.mark.parametrize("name", MODELS)
def test_cross_validation(name, cv):
    model, kind = MODELS[name]
    if name == "ridge" and isinstance(cv, StratifiedKFold):
        return
    data = make_data(kind)
    actual = by_refits(model, data.X, data.y, cv)
    explainer = InfluenceExplainer(model).fit(data.X, data.y)
    groups = LABELS if "Group" in type(cv).__name__ else None
    got = explainer.cross_val_decision(cv, groups=groups, kind="refit")
    assert (np.isnan(got) == np.isnan(actual)).all()
    same(np.nan_to_num(got), np.nan_to_num(actual), 1e-8)
    step = explainer.cross_val_decision(cv, groups=groups)
    assert np.corrcoef(np.nan_to_num(step).ravel(), np.nan_to_num(actual).ravel())[0, 1] >= 0.999


def test_steps_of_a_pipeline_stay_fixed():
    model = make_pipeline(StandardScaler(), Ridge())
    explainer = InfluenceExplainer(model).fit(5.0 + X, TARGETS)
    scaled = explainer.estimator_[0].transform(5.0 + X)
    actual = cross_val_predict(Ridge(), scaled, TARGETS, cv=4)
    same(explainer.cross_val_decision(4), actual, 1e-12)
    values = cross_val_predict(Ridge(), scaled, TARGETS, cv=LeaveOneOut())
    same(explainer.loo_decision_function(), values, 1e-12)


# -------------------------------------------------------------------------------- errors
REGRESSOR = InfluenceExplainer(Ridge()).fit(X, TARGETS)
WITHOUT_2 = [3, KFold(2), [(np.r_[10:40, 10:20], [0])]]


@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
@pytest.mark.parametrize("cv", WITHOUT_2, ids=["folds", "halves", "repeated rows"])
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_split_without_a_class(cv, kind):
    explainer = InfluenceExplainer(NEWTON).fit(X, np.where(np.arange(N) == 3, 2, Y))
    with raises(ValueError, "split 0", "class 2"):
        explainer.cross_val_decision(cv, kind=kind)


@pytest.mark.parametrize("split", [([0, 1, N], [3]), ([0, 1, -1], [3]), (range(30), [N])])
def test_rows_that_are_not_there(split):
    with raises(IndexError, "InfluenceExplainer got cv", "from 0 to 39"):
        REGRESSOR.cross_val_decision([split])


@pytest.mark.parametrize("kind", ["removal", "refit"])
def test_splits_that_leave_too_few_rows(kind):
    explainer = InfluenceExplainer(LinearRegression()).fit(X, TARGETS)
    splits = [(np.arange(3), [10, 11]), (np.arange(4), [10, 12])]
    with pytest.warns(RuntimeWarning, match=r"1 splits .*\[0\].*NaN"):
        got = explainer.cross_val_decision(splits, kind=kind)
    assert np.flatnonzero(np.isfinite(got)).tolist() == [12]
    expected = LinearRegression().fit(X[:4], TARGETS[:4]).predict(X[[12]])
    same(got[[12]], expected, 1e-10)


@pytest.mark.parametrize(
    "cv, words",
    [
        ("five", ["Expected", "cv", "as an integer"]),
        (1, ["at least one train/test split"]),
        (N + 1, ["n_splits=41"]),
        (GroupKFold(2), ["'groups' parameter should not be None"]),
    ],
    ids=["text", "1", "41", "no groups"],
)
def test_what_scikit_learn_refuses(cv, words):
    with raises(ValueError, *words):
        REGRESSOR.cross_val_decision(cv)


def test_kinds():
    with raises(ValueError, "kind='up'", "['upweight', 'removal', 'refit']"):
        REGRESSOR.cross_val_decision(kind="up")


def test_not_fitted():
    with raises(NotFittedError, "InfluenceExplainer", "not fitted yet"):
        InfluenceExplainer(NEWTON).cross_val_decision()


def test_leave_one_out_does_not_hold_n_by_n():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((3000, 3))
    explainer = InfluenceExplainer(Ridge()).fit(rows, rows[:, 0] + rng.standard_normal(3000))
    tracemalloc.start()
    try:
        got = explainer.cross_val_decision(LeaveOneOut())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    same(got, explainer.loo_decision_function(), 1e-12)
    assert peak < 8 * 3000**2 / 2
