"""A model for each class, pair, target or label: weights, words, shapes and refits."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from asking import same
from models_several import LOGISTIC, SVC
from numpy.testing import assert_allclose, assert_array_equal
from rows import make_data
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, RidgeCV, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut, cross_val_predict
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier
from wording import raises

from skinfluence import InfluenceExplainer, functionals

N = 100
ROWS = [3, 50, 7]
THREE, BINARY, LABELS, TARGETS = (
    make_data(kind, N) for kind in ("three classes", "binary", "labels", "multi-output")
)
MODELS = [
    pytest.param(OneVsRestClassifier(LOGISTIC), THREE, id="one-vs-rest"),
    pytest.param(OneVsRestClassifier(LOGISTIC), BINARY, id="one-vs-rest, two classes"),
    pytest.param(OneVsRestClassifier(LOGISTIC), LABELS, id="one-vs-rest, labels"),
    pytest.param(OneVsOneClassifier(LOGISTIC), THREE, id="one-vs-one"),
    pytest.param(MultiOutputClassifier(LOGISTIC), LABELS, id="labels"),
    pytest.param(MultiOutputRegressor(Ridge(2.0)), TARGETS, id="targets"),
]


def explained(model: Any, data: Any, **options: Any) -> InfluenceExplainer:
    return InfluenceExplainer(model, **options).fit(data.X, data.y)


def decisions(model: Any, X: Any) -> np.ndarray:
    return np.column_stack([each.decision_function(X) for each in model.estimators_])


# ------------------------------------------------------------------------- all that is asked
@pytest.mark.parametrize("model, data", MODELS)
@pytest.mark.parametrize("preprocessing", ["refit", "fixed"])
def test_verify(model, data, preprocessing):
    verified = explained(model, data).verify(
        data.X_test, data.y_test, kind="refit", strategy=ROWS, preprocessing=preprocessing
    )
    same(verified.predicted, verified.actual, 1e-8)


@pytest.mark.parametrize("model, data", MODELS)
def test_held_out_predictions_are_those_of_refits(model, data):
    explainer = explained(model, data)
    labels = cross_val_predict(clone(model), data.X, data.y, cv=LeaveOneOut())
    got = explainer.loo_predict(kind="refit")
    assert got.shape == labels.shape
    assert_allclose(got, labels, atol=1e-9)
    if hasattr(model, "decision_function"):
        options = {"cv": KFold(4), "method": "decision_function"}
        expected = cross_val_predict(clone(model), data.X, data.y, **options)
        same(explainer.cross_val_decision(KFold(4), kind="refit"), expected, 1e-8)
    assert np.isfinite(explainer.loo_score())


@pytest.mark.parametrize("model, data", MODELS)
def test_self_influence_and_shapes(model, data):
    explainer = explained(model, data)
    for kind in ("upweight", "removal", "refit"):
        own = explainer.influence(data.X[ROWS], data.y[ROWS], kind=kind, indices=ROWS)
        same(explainer.self_influence(kind=kind, indices=ROWS), np.diag(own), 1e-9)
    unchanged = explainer.reweight(np.ones(N), data.X_test)
    if hasattr(explainer, "decision_function"):
        same(unchanged, explainer.decision_function(data.X_test), 1e-9)
    elif hasattr(explainer, "predict_proba"):
        same(unchanged, decisions(explainer.estimator_, data.X_test), 1e-9)
    else:
        same(unchanged, explainer.predict(data.X_test), 1e-9)
    assert explainer.group_influence([[1, 2], [3]], data.X_test, data.y_test).shape == (6, 2)
    changes = explainer.parameter_influence(kind="removal", indices=ROWS)
    refitted = clone(model).fit(*(np.delete(each, 3, axis=0) for each in (data.X, data.y)))
    coef = [np.ravel(m.coef_) for m in (*refitted.estimators_, *explainer.estimator_.estimators_)]
    actual = np.array(coef[: len(coef) // 2]) - np.array(coef[len(coef) // 2 :])
    assert_allclose(changes["coef"][0], actual, atol=0.1 * np.abs(actual).max())


@pytest.mark.parametrize("model, data", MODELS)
def test_pickles_clones_and_feature_names(model, data):
    pd = pytest.importorskip("pandas")
    frame, test = (pd.DataFrame(X, columns=list("abcd")) for X in (data.X, data.X_test))
    explainer = InfluenceExplainer(model).fit(frame, data.y)
    expected = explained(model, data).influence(data.X_test, data.y_test, indices=ROWS)
    again = clone(explainer).fit(frame, data.y)
    for each in (explainer, pickle.loads(pickle.dumps(explainer)), again):
        same(each.influence(test, data.y_test, indices=ROWS), expected)
    verified = explainer.verify(test, data.y_test, kind="refit", strategy=ROWS[:1])
    same(verified.predicted, verified.actual, 1e-8)
    assert list(explainer.model_feature_names_) == list("abcd")


@pytest.mark.parametrize("model, data", MODELS)
def test_sparse_single_precision_and_pipelines_around(model, data):
    asked = data.y_test
    expected = explained(model, data).influence(data.X_test, asked, kind="removal")
    rows, test = sparse.csr_matrix(data.X), sparse.csr_matrix(data.X_test)
    fitted = clone(model).fit(data.X, data.y)
    on_csr = InfluenceExplainer(fitted, prefit=True).fit(rows, data.y)
    same(on_csr.influence(test, asked, kind="removal"), expected, 1e-8)
    single = InfluenceExplainer(fitted, prefit=True).fit(data.X.astype(np.float32), data.y)
    got = single.influence(data.X_test.astype(np.float32), asked, kind="removal")
    assert got.dtype == np.float32
    same(got, expected, 1e-3)
    whole = make_pipeline(StandardScaler(), model)
    scaled = InfluenceExplainer(whole).fit(data.X, data.y)
    inside = InfluenceExplainer(model).fit(whole.fit(data.X, data.y)[0].transform(data.X), data.y)
    same(
        scaled.influence(data.X_test, asked),
        inside.influence(whole[0].transform(data.X_test), asked),
    )


@pytest.mark.parametrize("model, data", MODELS)
def test_perturbation_gradients_are_those_of_refits(model, data):
    gradient = explained(model, data).perturbation_gradient(data.X_test, data.y_test, indices=[3])
    ends = []
    for step in (1e-4, -1e-4):
        X = data.X.copy()
        X[3, 1] += step
        moved = InfluenceExplainer(clone(model)).fit(X, data.y)._fitted
        values = moved.decision_values(moved.predictor.linearize(data.X_test))
        ends.append(moved.loss.value(moved.coding.encode(data.y_test, "y"), values))
    assert_allclose(gradient[:, 0, 1], N * (ends[0] - ends[1]) / 2e-4, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "model, names",
    [
        (OneVsRestClassifier(LOGISTIC), ["ape", "bee", "cow"]),
        (OneVsOneClassifier(LOGISTIC), ["cow", "bee", "ape"]),
    ],
)
def test_text_labels(model, names):
    codes = np.argsort(np.argsort(names))
    explainer = InfluenceExplainer(model).fit(THREE.X, np.array(names)[THREE.y])
    by_name = InfluenceExplainer(model).fit(THREE.X, codes[THREE.y])
    asked = np.array(names)[THREE.y_test]
    got = explainer.influence(THREE.X_test, asked, indices=ROWS)
    same(got, by_name.influence(THREE.X_test, codes[THREE.y_test], indices=ROWS))
    assert set(explainer.loo_predict()) <= set(names)
    own = explainer.influence(THREE.X_test, indices=ROWS)
    same(own, explainer.influence(THREE.X_test, explainer.predict(THREE.X_test), indices=ROWS))


@pytest.mark.parametrize("model", [OneVsRestClassifier(LOGISTIC), OneVsOneClassifier(LOGISTIC)])
def test_flipped_labels(model):
    flips = explained(model, THREE).label_flip_influence(
        THREE.X_test, THREE.y_test, kind="refit", indices=[3]
    )
    _flips_are_refits(model, THREE, flips)


def _flips_are_refits(model: Any, data: Any, flips: np.ndarray) -> None:
    before = explained(model, data)
    for label in {0, 1, 2} - {data.y[3]}:
        y = data.y.copy()
        y[3] = label
        after = InfluenceExplainer(clone(model)).fit(data.X, y)
        losses = []
        for each in (after, before):
            objective = each.objective_
            values = objective.decision_values(objective.predictor.linearize(data.X_test))
            losses.append(objective.loss.value(objective.coding.encode(data.y_test, "y"), values))
        same(flips[:, 0, label], losses[0] - losses[1], 1e-6)


def test_coefficients_of_pairs_are_asked_for_by_number():
    explainer = explained(OneVsOneClassifier(LOGISTIC), THREE)
    number = functionals.coefficient(0, output=2)
    got = explainer.functional_influence(None, None, number, kind="refit", indices=[3])
    left = THREE.without(3)
    refitted = clone(explainer.estimator).fit(left.X, left.y)
    pair = [model.estimators_[2].coef_[0, 0] for model in (refitted, explainer.estimator_)]
    assert_allclose(got[0], pair[0] - pair[1], rtol=1e-6)
    text = InfluenceExplainer(OneVsOneClassifier(LOGISTIC)).fit(
        THREE.X, np.array(["a", "b", "c"])[THREE.y]
    )
    with raises(ValueError, "coefficient got output='c'", "one of [0, 1, 2]"):
        text.functional_influence(None, None, functionals.coefficient(0, output="c"))


# ----------------------------------------------------------------------------- several labels
def test_probabilities_of_several_labels():
    """Of each label by itself, as the estimator shows them: an array, or a list."""
    options = {"cv": LeaveOneOut(), "method": "predict_proba"}
    got = explained(OneVsRestClassifier(LOGISTIC), LABELS).loo_predict_proba(kind="refit")
    expected = cross_val_predict(OneVsRestClassifier(LOGISTIC), LABELS.X, LABELS.y, **options)
    assert_allclose(got, expected, atol=1e-8)
    explainer = explained(MultiOutputClassifier(LOGISTIC), LABELS)
    several = explainer.loo_predict_proba(kind="refit")
    shown = explainer.predict_proba(LABELS.X)
    assert [each.shape for each in several] == [each.shape for each in shown]
    assert_allclose(np.column_stack([each[:, 1] for each in several]), expected, atol=1e-8)


def test_label_indicators_as_csr():
    model = OneVsRestClassifier(LOGISTIC)
    indicators, asked = sparse.csr_matrix(LABELS.y), LABELS.y_test
    fitted = clone(model).fit(LABELS.X, indicators)
    explainer = InfluenceExplainer(fitted, prefit=True).fit(LABELS.X, LABELS.y)
    expected = explained(model, LABELS).influence(LABELS.X_test, asked, indices=ROWS)
    same(explainer.influence(LABELS.X_test, asked, indices=ROWS), expected)


def test_text_in_each_column():
    names = np.array([["no", "red", "x"], ["yes", "blue", "y"]], dtype=object)
    y, asked = (
        np.column_stack([names[labels[:, k], k] for k in range(3)])
        for labels in (LABELS.y, LABELS.y_test)
    )
    explainer = InfluenceExplainer(MultiOutputClassifier(LOGISTIC)).fit(LABELS.X, y)
    expected = explained(MultiOutputClassifier(LOGISTIC), LABELS)
    same(
        explainer.influence(LABELS.X_test, asked, indices=ROWS),
        expected.influence(LABELS.X_test, LABELS.y_test, indices=ROWS),
    )
    assert set(explainer.loo_predict()[:, 1]) <= {"red", "blue"}
    with raises(ValueError, "y_test[:, 1] contains labels that the model was not fitted on"):
        explainer.influence(LABELS.X_test, np.full((6, 3), "no", dtype=object))


def test_what_several_labels_have_no_answer_to():
    explainer = explained(MultiOutputClassifier(LOGISTIC), LABELS)
    with raises(ValueError, "target='prediction' for several labels", "estimators_"):
        explainer.influence(LABELS.X_test, LABELS.y_test, target="prediction")
    with raises(TypeError, "label_flip_influence got several labels", "y_new"):
        explainer.label_flip_influence(LABELS.X_test)
    for functional in ("r2", "accuracy"):
        with raises(TypeError, f"{functional} got MultiOutputClassifier with several labels"):
            explainer.functional_influence(LABELS.X_test, LABELS.y_test, functional)
    with raises(ValueError, "y_test has shape (6,)", "needed is (rows, 3)"):
        explainer.influence(LABELS.X_test, LABELS.y_test[:, 0])


def test_the_last_row_of_a_label():
    y = LABELS.y.copy()
    y[:, 1] = 0
    y[4, 1] = 1
    explainer = InfluenceExplainer(MultiOutputClassifier(LOGISTIC)).fit(LABELS.X, y)
    with pytest.warns(RuntimeWarning, match="can't be left out .* a class has no rows"):
        effects = explainer.influence(LABELS.X_test, y[:6], kind="refit", indices=[3, 4])
    assert_array_equal(np.isnan(effects), [[False, True]] * 6)
    with pytest.warns(RuntimeWarning, match="can't be exchanged"):
        effects = explainer.perturbation_influence(
            LABELS.X_test, y[:6], indices=[3, 4], y_new=np.zeros((2, 3))
        )
    assert_array_equal(np.isnan(effects), [[False, True]] * 6)
    with raises(ValueError, "groups[0] with every row of class '1 of column 1'"):
        explainer.group_influence([[4, 5]], LABELS.X_test, y[:6])
    with raises(ValueError, "leaves class '1 of column 1' without any weight"):
        explainer.reweight(np.arange(N) != 4, LABELS.X_test)
    with pytest.warns(RuntimeWarning, match="only ones of their class"):
        verified = explainer.verify(LABELS.X_test, y[:6], strategy=[3, 4], kind="upweight")
    assert_array_equal(np.isnan(verified.actual), [[False, True]] * 6)


# ------------------------------------------------------------------------------------ weights
def test_sample_weights_of_labels_and_targets():
    for model, data in (
        (MultiOutputClassifier(LOGISTIC), LABELS),
        (MultiOutputRegressor(Ridge(2.0)), TARGETS),
    ):
        explainer = InfluenceExplainer(model).fit(data.X, data.y, data.sample_weight)
        verified = explainer.verify(data.X_test, data.y_test, kind="refit", strategy=ROWS)
        same(verified.predicted, verified.actual, 1e-8)


@pytest.mark.parametrize("kind", [OneVsRestClassifier, OneVsOneClassifier])
def test_sample_weights_by_metadata_routing(kind):
    with raises((ValueError, TypeError), "enable_metadata_routing"):
        InfluenceExplainer(kind(LOGISTIC)).fit(THREE.X, THREE.y, THREE.sample_weight)
    with config_context(enable_metadata_routing=True):
        with raises(Exception, "sample_weight", "not explicitly set as requested or not requested"):
            InfluenceExplainer(kind(clone(LOGISTIC))).fit(THREE.X, THREE.y, THREE.sample_weight)
        model = kind(clone(LOGISTIC).set_fit_request(sample_weight=True))
        explainer = InfluenceExplainer(model).fit(THREE.X, THREE.y, THREE.sample_weight)
        assert explainer.report_.relative_step < 1e-6
        verified = explainer.verify(THREE.X_test, THREE.y_test, kind="refit", strategy=ROWS)
        same(verified.predicted, verified.actual, 1e-8)


@pytest.mark.parametrize(
    "model",
    [
        OneVsRestClassifier(clone(LOGISTIC).set_params(class_weight={0: 0.4, 1: 2.0})),
        OneVsOneClassifier(clone(LOGISTIC).set_params(class_weight={0: 0.4, 1: 2.0})),
        OneVsRestClassifier(clone(SVC).set_params(class_weight={1: 3.0})),
    ],
)
def test_given_class_weights_inside(model):
    explainer = explained(model, THREE)
    assert explainer.report_.relative_step < 1e-6
    verified = explainer.verify(THREE.X_test, THREE.y_test, kind="refit", strategy=ROWS)
    same(verified.predicted, verified.actual, 1e-6)
    verified = explainer.verify(THREE.X_test, THREE.y_test, kind="removal", strategy="random")
    assert verified.correlation > 0.998
    assert abs(verified.slope - 1.0) < 0.05
    flips = explainer.label_flip_influence(THREE.X_test, THREE.y_test, kind="refit", indices=[3])
    _flips_are_refits(model, THREE, flips)
    step = explainer.perturbation_influence(
        THREE.X_test, THREE.y_test, indices=[3], X_new=THREE.X[[3]] + 1e-5, kind="refit"
    )
    gradient = explainer.perturbation_gradient(THREE.X_test, THREE.y_test, indices=[3])
    assert_allclose(step[:, 0], gradient[:, 0].sum(axis=1) * 1e-5 / N, rtol=1e-2, atol=1e-10)


def test_class_weights_inside_that_have_no_answer():
    balanced = clone(LOGISTIC).set_params(class_weight="balanced")
    given = clone(LOGISTIC).set_params(class_weight={1: 2.0})
    for model, data, more in (
        (OneVsRestClassifier(balanced), THREE, "Given weights, a dict, are supported"),
        (OneVsOneClassifier(balanced), THREE, "Given weights, a dict, are supported"),
        (MultiOutputClassifier(given), LABELS, "class_weight=None"),
    ):
        who = type(model).__name__
        with raises(ValueError, f"{who} got models with class_weight", more, "one by one"):
            explained(model, data)


# ------------------------------------------------------------------------------------ searches
def test_searches_inside_are_refitted_with_what_they_chose():
    grid = GridSearchCV(LOGISTIC, {"C": [0.5]}, cv=2)
    for model, data in (
        (OneVsRestClassifier(grid), THREE),
        (MultiOutputClassifier(grid), LABELS),
        (MultiOutputRegressor(RidgeCV([2.0])), TARGETS),
        (GridSearchCV(OneVsRestClassifier(LOGISTIC), {"estimator__C": [0.1, 1.0]}, cv=2), THREE),
    ):
        verified = explained(model, data).verify(
            data.X_test, data.y_test, kind="refit", strategy=ROWS[:2]
        )
        same(verified.predicted, verified.actual, 1e-7)


def test_searches_that_chose_differently_cannot_be_refitted():
    y = TARGETS.y.copy()
    y[:, 1] = np.random.default_rng(0).standard_normal(N)
    explainer = InfluenceExplainer(MultiOutputRegressor(RidgeCV([1e-3, 1e4]))).fit(TARGETS.X, y)
    assert len({model.alpha_ for model in explainer.estimator_.estimators_}) == 2
    left = np.arange(N) != 3
    actual = []
    for k, model in enumerate(explainer.estimator_.estimators_):
        ridge = Ridge(model.alpha_)
        ends = [
            ridge.fit(TARGETS.X[r], y[r, k]).predict(TARGETS.X_test) for r in (left, left | True)
        ]
        actual.append(ends[0] - ends[1])
    got = explainer.reweight(left.astype(float), TARGETS.X_test) - explainer.predict(TARGETS.X_test)
    same(got, np.array(actual).T, 1e-8)
    with raises(ValueError, "MultiOutputRegressor got models of which a search chose", "by hand"):
        explainer.verify(TARGETS.X_test, TARGETS.y_test)


# ------------------------------------------------------------------------------------- refused
def test_what_is_inside_is_refused_before_it_is_fitted(monkeypatch):
    def no_fit(*given, **named):
        raise AssertionError("fitted")

    monkeypatch.setattr(DecisionTreeClassifier, "fit", no_fit)
    for kind, data in ((OneVsRestClassifier, THREE), (MultiOutputClassifier, LABELS)):
        with raises(
            TypeError, "unsupported estimator: DecisionTreeClassifier", "Closest supported"
        ):
            explained(kind(DecisionTreeClassifier()), data)


def test_models_inside_that_cannot_be_joined():
    scaled = make_pipeline(StandardScaler(), LOGISTIC)
    with raises(ValueError, "got models with steps before them", "make_pipeline(steps, One"):
        explained(OneVsRestClassifier(scaled), THREE)
    with raises(ValueError, "MultiOutputRegressor got models that are not linear", "one by one"):
        explained(MultiOutputRegressor(SVR()), TARGETS)
    with raises(ValueError, "OneVsOneClassifier got two classes", "inside it"):
        explained(OneVsOneClassifier(LOGISTIC), BINARY)
    descent = SGDClassifier("log_loss", alpha=0.1, tol=1e-6, max_iter=5000, random_state=0)
    with raises(ValueError, "OneVsOneClassifier got models for pairs", "logistic regression"):
        explained(OneVsOneClassifier(descent), THREE)


def test_models_that_transform_each_target_in_their_own_way():
    counts = np.exp(0.3 * TARGETS.y)
    explainer = InfluenceExplainer(MultiOutputRegressor(PoissonRegressor(tol=1e-10)))
    verified = explainer.fit(TARGETS.X, counts).verify(
        TARGETS.X_test, np.exp(0.3 * TARGETS.y_test), kind="refit", strategy=ROWS
    )
    same(verified.predicted, verified.actual, 1e-5)


@pytest.mark.filterwarnings("ignore:Label not")
def test_labels_that_a_column_lacks():
    y = LABELS.y.copy()
    y[:, 1] = 0
    with raises((TypeError, ValueError), "OneVsRestClassifier got a constant label in column 1"):
        InfluenceExplainer(OneVsRestClassifier(LOGISTIC)).fit(LABELS.X, y)
    y[:, 1] = np.arange(N) % 3
    with raises(ValueError, "got 3 classes in column 1", "Explain that column's model"):
        InfluenceExplainer(MultiOutputClassifier(LOGISTIC)).fit(LABELS.X, y)


def test_diagnostics_of_several_models_add_up():
    explainer = explained(OneVsRestClassifier(LOGISTIC), THREE)
    own = [
        InfluenceExplainer(clone(LOGISTIC)).fit(THREE.X, THREE.y == k).effective_dof()
        for k in range(3)
    ]
    assert explainer.effective_dof() == pytest.approx(sum(own))
    assert list(explainer.diagnostics().columns) == ["leverage", "cooks_distance"]


def test_relative_influence_divides_by_moves_of_all_models():
    explainer = explained(OneVsRestClassifier(LogisticRegression()), THREE)
    relative = explainer.influence(THREE.X_test, THREE.y_test, normalize="theta", indices=ROWS)
    moved = explainer.parameter_influence(indices=ROWS)
    squares = (moved["coef"] ** 2).sum(axis=(1, 2)) + (moved["intercept"] ** 2).sum(axis=1)
    plain = explainer.influence(THREE.X_test, THREE.y_test, indices=ROWS)
    same(relative, plain / np.sqrt(squares))
