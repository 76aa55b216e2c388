"""Votes of regressors and final steps over fitted models: refits, weights, words."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from asking import same
from models_several import LOGISTIC, SVC, SVR, frozen
from numpy.testing import assert_allclose
from rows import make_data
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import (
    HuberRegressor,
    Lasso,
    LinearRegression,
    PoissonRegressor,
    Ridge,
    RidgeCV,
)
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, RepeatedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from wording import raises

from skinfluence import InfluenceExplainer, functionals

N = 100
ROWS = [3, 50, 7]
REAL, BINARY, THREE = (make_data(kind, N) for kind in ("regression", "binary", "three classes"))
VOTE = VotingRegressor(
    [("a", Ridge(20.0)), ("b", LinearRegression()), ("c", "drop")], weights=[1, 2, 5]
)
TREE, RIDGE = (
    frozen(DecisionTreeRegressor(max_depth=3), "regression"),
    frozen(Ridge(), "regression"),
)
STACK = StackingRegressor(
    [("tree", TREE), ("no", "drop"), ("ridge", RIDGE)], Ridge(0.5), cv="prefit"
)


def stack_of(data: str, final: Any) -> StackingClassifier:
    members = [
        ("tree", frozen(DecisionTreeClassifier(max_depth=3), data)),
        ("svc", frozen(SVC, data)),
    ]
    return StackingClassifier(members, final, cv="prefit")


def explained(model: Any, data: Any = REAL, **options: Any) -> InfluenceExplainer:
    return InfluenceExplainer(model, **options).fit(data.X, data.y)


# ----------------------------------------------------------------------------- real refits
@pytest.mark.parametrize("preprocessing", ["refit", "fixed"])
@pytest.mark.parametrize("target", ["loss", "prediction"])
@pytest.mark.parametrize(
    "model, data",
    [
        (VOTE, REAL),
        (VotingRegressor([("svr", SVR), ("cv", RidgeCV([0.1, 1.0, 10.0]))]), REAL),
        (STACK, REAL),
        (clone(STACK).set_params(final_estimator=None), REAL),
        (stack_of("binary", LOGISTIC), BINARY),
        (stack_of("three classes", LOGISTIC), THREE),
    ],
    ids=["vote", "vote, search", "stack", "stack, RidgeCV", "two classes", "three classes"],
)
def test_verify(model, data, target, preprocessing):
    """Of a search what it chose is held: the final step by default is one."""
    asked = {"target": target, "preprocessing": preprocessing, "kind": "refit", "strategy": ROWS}
    verified = explained(model, data).verify(data.X_test, data.y_test, **asked)
    same(verified.predicted, verified.actual, 1e-6)


@pytest.mark.parametrize("model", [VOTE, STACK], ids=["vote", "stack"])
def test_all_else_that_is_asked(model):
    explainer = explained(model)
    held_out = cross_val_predict(clone(model), REAL.X, REAL.y, cv=LeaveOneOut())
    assert_allclose(explainer.loo_predict(), held_out, atol=1e-9)
    assert explainer.loo_score() == pytest.approx(r2_score(REAL.y, held_out))
    for kind in ("upweight", "removal", "refit"):
        own = explainer.influence(REAL.X[ROWS], REAL.y[ROWS], kind=kind, indices=ROWS)
        same(explainer.self_influence(kind=kind, indices=ROWS), np.diag(own), 1e-9)
    weights = REAL.sample_weight
    refitted = clone(model).fit(REAL.X, REAL.y, sample_weight=weights)
    same(explainer.reweight(weights, REAL.X_test), refitted.predict(REAL.X_test), 1e-9)
    y = REAL.y.copy()
    y[3] = 4.0
    after = clone(model).fit(REAL.X, y).predict(REAL.X_test) - explainer.predict(REAL.X_test)
    asked = {"indices": [3], "y_new": [4.0], "target": "prediction"}
    same(explainer.perturbation_influence(REAL.X_test, **asked)[:, 0], after, 1e-9)
    assert "squared error (unit of y, squared)" in repr(explainer.explain(REAL.X_test, REAL.y_test))
    assert explainer.effective_dof() > 1


@pytest.mark.parametrize("model", [VOTE, STACK], ids=["vote", "stack"])
def test_functionals(model):
    explainer, given = explained(model), (REAL.X_test, REAL.y_test)
    before = r2_score(REAL.y_test, explainer.predict(REAL.X_test))
    refits = [clone(model).fit(left.X, left.y) for left in map(REAL.without, ROWS)]
    actual = np.array([r2_score(REAL.y_test, m.predict(REAL.X_test)) for m in refits]) - before
    same(explainer.functional_influence(*given, "r2", kind="refit", indices=ROWS), actual, 1e-8)
    step = 1e-5
    first = []
    for row in ROWS:
        weights = np.ones(N)
        weights[row] += step
        moved = clone(model).fit(REAL.X, REAL.y, sample_weight=weights)
        first.append((r2_score(REAL.y_test, moved.predict(REAL.X_test)) - before) / step)
    got = explainer.functional_influence(*given, "r2", indices=ROWS)
    assert_allclose(got, N * np.array(first), rtol=1e-3)
    loss = explainer.influence(*given, reduce="mean", indices=ROWS)
    same(explainer.functional_influence(*given, "mean_loss", indices=ROWS), loss)


def test_the_few_rows_that_decide_a_prediction():
    """Found by steps, told by a refit."""
    explainer = explained(VOTE)
    test = REAL.X_test[:1] - 2.0
    found = explainer.most_influential_set(functionals.prediction(), 40, X=test)
    kept = np.delete(np.arange(N), found.rows)
    refitted = clone(VOTE).fit(REAL.X[kept], REAL.y[kept]).predict(test)
    assert_allclose(found.refitted, refitted[0], rtol=1e-8)


def test_perturbation_gradient_of_a_vote():
    gradient = explained(VOTE).perturbation_gradient(REAL.X_test, REAL.y_test, indices=[3])
    ends = []
    for step in (1e-5, -1e-5):
        X = REAL.X.copy()
        X[3, 1] += step
        ends.append((clone(VOTE).fit(X, REAL.y).predict(REAL.X_test) - REAL.y_test) ** 2)
    assert_allclose(gradient[:, 0, 1], N * (ends[0] - ends[1]) / 2e-5, rtol=1e-5)


def test_perturbation_of_a_stack_is_asked_in_its_own_space():
    explainer = explained(STACK)
    asked = {"indices": [3]}
    with raises(TypeError, "pipeline with StackingRegressor, whose derivative", "space='model'"):
        explainer.perturbation_gradient(REAL.X_test, REAL.y_test, **asked)
    shown = explainer.perturbation_gradient(REAL.X_test, REAL.y_test, space="model", **asked)
    assert shown.shape == (6, 1, 2)
    assert len(explainer.model_feature_names_) == 2


# ------------------------------------------------------------------------ weights, containers
@pytest.mark.parametrize("model", [VOTE, STACK], ids=["vote", "stack"])
def test_sample_weights(model):
    expected = InfluenceExplainer(model).fit(REAL.X, REAL.y, REAL.sample_weight)
    assert expected.report_.relative_step < 1e-6
    verified = expected.verify(REAL.X_test, REAL.y_test, kind="refit", strategy=ROWS)
    same(verified.predicted, verified.actual, 1e-8)


def test_sample_weights_by_metadata_routing():
    expected = InfluenceExplainer(VOTE).fit(REAL.X, REAL.y, REAL.sample_weight)
    with config_context(enable_metadata_routing=True):
        routed = clone(VOTE)
        for _, member in routed.estimators[:2]:
            member.set_fit_request(sample_weight=True)
        explainer = InfluenceExplainer(routed).fit(REAL.X, REAL.y, REAL.sample_weight)
        verified = explainer.verify(REAL.X_test, REAL.y_test, kind="refit", strategy=ROWS)
        same(verified.predicted, verified.actual, 1e-8)
    asked = REAL.X_test, REAL.y_test
    same(explainer.influence(*asked), expected.influence(*asked))


@pytest.mark.parametrize("model", [VOTE, STACK], ids=["vote", "stack"])
def test_pickles_frames_single_precision_and_pipelines_around(model):
    pd = pytest.importorskip("pandas")
    expected = explained(model).influence(REAL.X_test, REAL.y_test, kind="removal")
    if model is VOTE:
        frame, test = (pd.DataFrame(X, columns=list("abcd")) for X in (REAL.X, REAL.X_test))
        explainer = InfluenceExplainer(model).fit(frame, REAL.y)
        again = clone(explainer).fit(frame, REAL.y)
        for each in (explainer, again, pickle.loads(pickle.dumps(explainer))):
            same(each.influence(test, REAL.y_test, kind="removal"), expected)
        verified = explainer.verify(test, REAL.y_test, kind="refit", strategy=ROWS[:1])
        same(verified.predicted, verified.actual, 1e-8)
    fitted = clone(model).fit(REAL.X, REAL.y)
    single = InfluenceExplainer(fitted, prefit=True).fit(REAL.X.astype(np.float32), REAL.y)
    got = single.influence(REAL.X_test.astype(np.float32), REAL.y_test, kind="removal")
    same(got, expected, 1e-3)
    scaled = explained(make_pipeline(StandardScaler(with_mean=False, with_std=False), model))
    same(scaled.influence(REAL.X_test, REAL.y_test, kind="removal"), expected)


def test_text_labels_of_a_stack():
    names = np.array(["no", "yes"])
    members = [("svc", frozen(SVC, "binary"))]
    stack = StackingClassifier(members, LOGISTIC, cv="prefit")
    explainer = InfluenceExplainer(stack).fit(BINARY.X, names[BINARY.y])
    expected = explained(StackingClassifier(members, LOGISTIC, cv="prefit"), BINARY)
    got = explainer.influence(BINARY.X_test, names[BINARY.y_test], kind="removal")
    same(got, expected.influence(BINARY.X_test, BINARY.y_test, kind="removal"))
    assert set(explainer.loo_predict()) == set(names)
    for preprocessing in ("refit", "fixed"):
        verified = explainer.verify(
            BINARY.X_test, names[BINARY.y_test], preprocessing=preprocessing, kind="refit", n_rows=3
        )
        same(verified.predicted, verified.actual, 1e-7)


# ------------------------------------------------------------------------------------- refused
@pytest.mark.parametrize(
    "member",
    [PoissonRegressor(), TransformedTargetRegressor(func=np.log, inverse_func=np.exp)],
    ids=lambda model: type(model).__name__,
)
def test_members_whose_predictions_are_no_decision_values(member):
    counts = make_data("positive", N)
    name = type(member).__name__
    with raises(ValueError, f"VotingRegressor got {name}, whose predictions", "estimators_"):
        explained(VotingRegressor([("a", Ridge()), ("b", member)]), counts)


def test_effects_of_members_average_to_those_of_the_vote():
    """As the refusals say."""
    explainer = explained(VOTE)
    asked = {"target": "prediction", "kind": "refit", "indices": ROWS}
    members = [
        InfluenceExplainer(each, prefit=True).fit(REAL.X, REAL.y)
        for each in explainer.estimator_.estimators_
    ]
    one, other = (each.influence(REAL.X_test, **asked) for each in members)
    same(explainer.influence(REAL.X_test, **asked), (one + 2.0 * other) / 3.0, 1e-9)


def test_effects_of_members_average_to_those_of_soft_votes():
    """As the refusal says."""
    members = [("a", clone(LOGISTIC).set_params(C=0.1)), ("b", LOGISTIC)]
    soft = VotingClassifier(members, voting="soft", weights=[1, 2])
    fitted, left = clone(soft).fit(BINARY.X, BINARY.y), BINARY.without(3)
    asked = {"target": "prediction", "kind": "refit", "indices": [3]}
    one, other = (
        InfluenceExplainer(each, prefit=True)
        .fit(BINARY.X, BINARY.y)
        .influence(BINARY.X_test, np.ones(6, dtype=int), **asked)
        for each in fitted.estimators_
    )
    refitted = clone(soft).fit(left.X, left.y)
    before, after = (m.predict_proba(BINARY.X_test)[:, 1] for m in (fitted, refitted))
    same((one + 2.0 * other)[:, 0] / 3.0, after - before, 1e-6)


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_votes_of_classifiers(voting):
    model = VotingClassifier([("a", LOGISTIC)], voting=voting)
    words = "VotingClassifier. Hard votes are counts", "Closest supported: LogisticRegression"
    with raises(TypeError, *words, "estimators_"):
        InfluenceExplainer(model).fit(None, None)


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize("kind", [StackingRegressor, StackingClassifier])
def test_stacks_that_fit_their_members_are_refused_before_the_fit(kind, cv):
    with raises(TypeError, f"got {kind.__name__} with cv={cv}", "(cv='prefit') over Froz"):
        InfluenceExplainer(kind([("a", RIDGE)], cv=cv)).fit(None, None)
    fitted = StackingRegressor([("a", Ridge())]).fit(REAL.X, REAL.y)
    with raises(TypeError, "got StackingRegressor with cv=None", "Closest supported"):
        InfluenceExplainer(fitted, prefit=True).fit(REAL.X, REAL.y)


def test_members_are_refused_before_the_fit():
    vote = VotingRegressor([("a", Ridge()), ("tree", DecisionTreeRegressor())])
    with raises(TypeError, "unsupported estimator: DecisionTreeRegressor", "Closest supported"):
        InfluenceExplainer(vote).fit(None, None)


def test_members_that_cannot_be_joined():
    for member, words in (
        (make_pipeline(StandardScaler(), Ridge()), "got models with steps before them"),
        (HuberRegressor(), "got models that are not linear with one output each"),
        (Lasso(0.01), "whose penalties stand against different things"),
    ):
        with raises(ValueError, "VotingRegressor", words):
            explained(VotingRegressor([("a", Ridge()), ("b", member)]))


# ----------------------------------------------------------------- means over several splits
def test_means_over_repeated_splits_are_of_what_is_shown():
    """Of predictions: exp of a mean decision value is another number."""
    counts = make_data("counts", N)
    cv = RepeatedKFold(n_splits=4, n_repeats=3, random_state=0)
    model = PoissonRegressor(alpha=0.1, solver="newton-cholesky", tol=1e-12)
    splits = list(cv.split(counts.X))
    expected = np.zeros(N)
    for train, test in splits:
        fitted = clone(model).fit(counts.X[train], counts.y[train])
        expected[test] += fitted.predict(counts.X[test]) / 3
    got = explained(model, counts).cross_val_decision(cv, kind="refit")
    same(got, expected, 1e-8)
