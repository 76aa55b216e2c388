"""Whose removal changes the support of an L1 penalty, row by row against real refits."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from models_active import TIGHT, logistic
from numpy.testing import assert_allclose
from reference import log_loss, squared_error, squared_hinge
from rows import Data, make_data
from sklearn.base import clone
from sklearn.linear_model import ElasticNet, Lasso, MultiTaskElasticNet, MultiTaskLasso, Ridge
from sklearn.svm import LinearSVC
from wording import raises

from skinfluence import InfluenceExplainer, NotStationaryWarning

N = 70


@dataclass(frozen=True)
class Case:
    """An estimator on rows of which some change its support."""

    name: str
    estimator: Any
    data: str
    loss: Any
    weighted: bool = False
    csr: bool = False

    def rows(self) -> Data:
        data = four_classes() if self.data == "four classes" else make_data(self.data, N, 8)
        return data.as_csr() if self.csr else data

    def fit(self, data: Data) -> Any:
        options = {"sample_weight": data.sample_weight} if self.weighted else {}
        return clone(self.estimator).fit(data.X, data.y, **options)


@cache
def four_classes() -> Data:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N + 6, 5))
    y = (X @ rng.standard_normal((5, 4)) + rng.gumbel(size=(N + 6, 4))).argmax(axis=1)
    return Data(X[:N], y[:N], X[N:], y[N:], np.ones(N))


SVC = LinearSVC(penalty="l1", dual=False, C=0.1, tol=1e-9, max_iter=100_000)
CASES = [
    Case("Lasso", Lasso(0.1, **TIGHT), "regression", squared_error),
    Case("Lasso, weighted csr", Lasso(0.1, **TIGHT), "regression", squared_error, True, True),
    Case("Lasso, 3 outputs", Lasso(0.2, **TIGHT), "multi-output", squared_error),
    Case("ElasticNet", ElasticNet(0.2, l1_ratio=0.6, **TIGHT), "regression", squared_error),
    Case("MultiTaskLasso", MultiTaskLasso(0.4, **TIGHT), "multi-output", squared_error),
    Case("MultiTaskElasticNet", MultiTaskElasticNet(0.6, **TIGHT), "multi-output", squared_error),
    Case("binary", logistic(1.0), "binary", log_loss),
    Case("liblinear", logistic(1.0, solver="liblinear"), "binary", log_loss),
    Case("balanced", logistic(0.8, class_weight="balanced"), "binary", log_loss, True),
    Case("3 classes", logistic(1.0, tol=1e-10), "three classes", log_loss),
    Case("4 classes", logistic(1.0, C=0.15, tol=1e-10), "four classes", log_loss),
    Case("LinearSVC, csr", SVC, "binary", squared_hinge, csr=True),
]


@cache
def refitted(case: Case) -> tuple[Any, list[Any]]:
    """The model with all rows, and without each."""
    data = case.rows()
    return case.fit(data), [case.fit(data.without(row)) for row in range(N)]


def explain(case: Case) -> InfluenceExplainer:
    data = case.rows()
    weights = data.sample_weight if case.weighted else None
    return InfluenceExplainer(refitted(case)[0], prefit=True).fit(data.X, data.y, weights)


def signs(case: Case, model: Any) -> np.ndarray:
    """Of coefficients that are penalised; a whole group has one."""
    coef = np.atleast_2d(model.coef_)
    if case.name.startswith("MultiTask"):
        return coef.any(axis=0).astype(float)
    if case.name == "4 classes":
        # What all classes share of a feature is the solver's choice where it costs nothing.
        coef = coef - np.median(coef, axis=0)
        coef[np.abs(coef) < 1e-7] = 0.0
    found = np.sign(coef).ravel()
    penalised = case.name == "liblinear" or case.loss is squared_hinge
    return np.r_[found, np.sign(np.ravel(model.intercept_))] if penalised else found


@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_support_changes_are_those_of_real_refits(case):
    fitted, others = refitted(case)
    actual = np.array([(signs(case, other) != signs(case, fitted)).any() for other in others])
    assert 0 < actual.sum() < N
    explainer = explain(case)
    assert (explainer.support_changes(kind="refit") == actual).all()
    # After one Newton step, a row near the border may be taken for one beyond it.
    by_step = explainer.support_changes()
    assert (by_step != actual).sum() <= (0 if case.loss is squared_error else 2)
    chosen = np.array([5, 0, 33])
    assert (explainer.support_changes(indices=chosen) == by_step[chosen]).all()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_where_the_support_stays_refits_are_the_estimators_own(case):
    fitted, others = refitted(case)
    data, explainer = case.rows(), explain(case)
    stays = np.flatnonzero(~explainer.support_changes(kind="refit"))
    before = case.loss(fitted, data.X_test, data.y_test)
    after = [case.loss(others[row], data.X_test, data.y_test) for row in stays]
    actual = np.array(after).T - before[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # of the support
        exact = explainer.influence(data.X_test, data.y_test, kind="refit", indices=stays)
    assert_allclose(exact, actual, atol=2e-6 * np.abs(actual).max())


@pytest.mark.parametrize("case", CASES[:1] + CASES[6:7], ids=lambda case: case.name)
def test_where_it_changes_they_are_not(case):
    """What the warning is about: a model of another support."""
    fitted, others = refitted(case)
    explainer = explain(case)
    leaves = np.flatnonzero(explainer.support_changes(kind="refit"))
    with pytest.warns(RuntimeWarning, match="would change the support"):
        changes = explainer.parameter_influence(kind="refit", indices=leaves)["coef"]
    actual = [others[row].coef_ - fitted.coef_ for row in leaves]
    off = np.abs(changes - actual).reshape(len(leaves), -1).max(axis=1)
    assert (off > 1e-6).all()
    assert not changes[:, fitted.coef_ == 0].any()


# ------------------------------------------------------------------------------- what warns
QUESTIONS = {
    "influence": lambda e, d, **o: e.influence(d.X_test, d.y_test, **o),
    "self_influence": lambda e, d, **o: e.self_influence(**o),
    "parameter_influence": lambda e, d, **o: e.parameter_influence(**o),
    "explain": lambda e, d, **o: e.explain(d.X_test[:2], d.y_test[:2], **o),
}
HELD_OUT = {
    "loo_predict": lambda e, d, **o: e.loo_predict(**o),
    "loo_score": lambda e, d, **o: e.loo_score(**o),
}


@pytest.mark.parametrize("kind", ["removal", "refit"])
@pytest.mark.parametrize("name", [*QUESTIONS, *HELD_OUT])
def test_answers_tell_of_rows_that_change_the_support(name, kind):
    case = CASES[0]
    data, explainer = case.rows(), explain(case)
    changes = np.flatnonzero(explainer.support_changes(kind=kind)).tolist()
    ask = (QUESTIONS | HELD_OUT)[name]
    told = rf"{len(changes)} (training )?rows \(for example \[{changes[0]}, .*would change the "
    for _ in range(2):  # also when it is known already
        with pytest.warns(RuntimeWarning, match=told + "support if they were left out: a coef"):
            ask(explainer, data, kind=kind)


@pytest.mark.parametrize("kind", ["removal", "refit"])
@pytest.mark.parametrize("name", QUESTIONS)
def test_nothing_is_said_where_nothing_changes(name, kind):
    case = CASES[0]
    data, explainer = case.rows(), explain(case)
    stays = np.flatnonzero(~explainer.support_changes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        QUESTIONS[name](explainer, data, kind="upweight")
        if name != "explain":
            QUESTIONS[name](explainer, data, kind=kind, indices=stays)
        explainer.support_changes(kind=kind)  # the answer itself


@pytest.mark.parametrize("kind", ["removal", "refit"])
@pytest.mark.parametrize("case", [CASES[1], CASES[3], CASES[6]], ids=lambda case: case.name)
def test_groups_and_new_weights_that_change_the_support(case, kind):
    data, explainer = case.rows(), explain(case)
    groups = [np.arange(first, first + size) for size in (2, 20) for first in (0, 20, 40)]
    weights = np.repeat((data.sample_weight if case.weighted else np.ones(N))[:, None], 6, axis=1)
    for column, group in enumerate(groups):
        weights[group, column] = 0.0
    actual = []
    for group in groups:
        other = case.fit(data.take(np.setdiff1d(np.arange(N), group)))
        actual.append((signs(case, other) != signs(case, refitted(case)[0])).any())
    names = np.flatnonzero(actual).tolist()
    assert 0 < len(names) < 6
    test = data.X_test, data.y_test
    exactly = rf"{len(names)} groups \(for example \[{', '.join(map(str, names[:5]))}\]\)"
    told = exactly if kind == "refit" else r"\d groups \(for example .*\)"
    with pytest.warns(RuntimeWarning, match=told + " would change the support"):
        explainer.group_influence(groups, *test, kind=kind)
    with pytest.warns(
        RuntimeWarning, match="sets of weights .* would change the support if they were used"
    ):
        explainer.reweight(weights, data.X_test, kind=kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer.group_influence(groups, *test, kind="upweight")
        stays = [group for group, leaves in zip(groups, actual, strict=True) if not leaves]
        explainer.group_influence(stays, *test, kind="refit")


def test_held_out_folds_that_change_the_support():
    explainer = explain(CASES[0])
    with pytest.warns(RuntimeWarning, match="splits .* would change the support"):
        explainer.cross_val_decision(5)


# ----------------------------------------------------------------------------------- errors
def test_models_without_an_l1_penalty():
    data = make_data("regression", N, 8)
    explainer = InfluenceExplainer(Ridge()).fit(data.X, data.y)
    words = ["support_changes got Ridge", "without an L1 penalty", "It is for Lasso"]
    with raises(ValueError, *words):
        explainer.support_changes()
    with raises(ValueError, "kind='upweight'", "['removal', 'refit']"):
        explain(CASES[0]).support_changes(kind="upweight")


def test_coefficients_that_are_0_and_should_not_be():
    data = make_data("regression", N, 8)
    model = Lasso(1.5, **TIGHT).fit(data.X, data.y).set_params(alpha=0.1)
    told = r"not at the optimum .*: \d coefficients are 0 that would not be, with slopes of up to "
    with pytest.warns(NotStationaryWarning, match=told + r"\d+\.\d\d times what the L1 penalty"):
        InfluenceExplainer(model, prefit=True).fit(data.X, data.y)


def test_a_fit_that_stopped_before_it_had_its_support():
    data = make_data("binary", N, 8)
    model = logistic(1.0, tol=0.1, max_iter=100).fit(data.X, data.y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y)
    told = "another support than the fitted coefficients.*Lower the estimator's tol"
    with pytest.warns(NotStationaryWarning, match=told):
        explainer.support_changes(kind="refit", indices=[0])
