"""Platt's calibration of a frozen model: against refits with its certainty held, and its words."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from asking import same
from models_several import SVC, frozen
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from wording import raises

from skinfluence import InfluenceExplainer

N = 150
ROWS = [3, 50, 7, 11, 90]
BINARY, THREE = make_data("binary", N), make_data("three classes", N)
LINEAR, LINEAR_3 = frozen(SVC, "binary"), frozen(SVC, "three classes")
TREE = frozen(DecisionTreeClassifier(max_depth=3), "binary")
NOT_ITS_CERTAINTY = 0.05  # what follows its classes' counts, of the largest effect


def calibrated(model: Any, **options: Any) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(model, **{"ensemble": False, **options})


def scores(model: Any, X: Any) -> np.ndarray:
    """What is calibrated, (n, 1) or (n, C)."""
    if hasattr(model, "decision_function"):
        values = model.decision_function(X)
    else:
        values = model.predict_proba(X)[:, 1]
    return values.reshape(len(values), -1)


def held_refits(model: Any, data: Any, weights: np.ndarray, rows: Any) -> np.ndarray:
    """Changes of decision values by real refits, (rows, n_test, K): Platt's certainties held.

    A label that is certain by t is two rows of weights t and 1 − t.
    """
    seen, test = scores(model, data.X), scores(model, data.X_test)
    classes = np.unique(data.y)
    positive = data.y[:, None] == (classes[1:] if len(classes) == 2 else classes)
    results = []
    for kept in [np.arange(N), *(np.delete(np.arange(N), row) for row in rows)]:
        values = []
        for k, own in enumerate(positive.T):
            above, below = weights[own].sum(), weights[~own].sum()
            certain = np.where(own, (above + 1) / (above + 2), 1 / (below + 2))
            X = np.concatenate([seen[kept, k], seen[kept, k]])[:, None]
            y = np.repeat([1, 0], len(kept))
            both = np.concatenate([certain[kept], 1 - certain[kept]]) * np.tile(weights[kept], 2)
            plain = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12)
            fitted = plain.fit(X, y, sample_weight=both)
            values.append(fitted.decision_function(test[:, [k]]))
        results.append(np.array(values).T)
    return np.array(results[1:]) - results[0]


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize(
    "model, data",
    [(LINEAR, BINARY), (TREE, BINARY), (LINEAR_3, THREE)],
    ids=["svc", "tree", "three"],
)
@pytest.mark.filterwarnings("ignore:Since FrozenEstimator does not")
def test_against_refits(model, data, csr, weighted):
    rows = data.as_csr() if csr else data
    weights = data.sample_weight if weighted else None
    explainer = InfluenceExplainer(calibrated(model)).fit(rows.X, data.y, weights)
    assert explainer.report_.relative_step < 1e-5
    assert explainer.report_.held == "the frozen model, and Platt's certainty of each class"
    actual = held_refits(model, data, np.ones(N) if weights is None else weights, ROWS)
    objective = explainer.objective_
    unchanged = np.ones(N) if weights is None else weights
    before = explainer.reweight(unchanged, rows.X_test).reshape(len(data.y_test), -1)
    encoded = objective.coding.encode(data.y_test, "y")
    losses = [objective.loss.value(encoded, before + change) for change in actual]
    expected = (np.array(losses) - objective.loss.value(encoded, before)).T
    asked = {"indices": ROWS}
    exact = explainer.influence(rows.X_test, data.y_test, kind="refit", **asked)
    same(exact, expected, 1e-4)  # its own tol
    removal = explainer.influence(rows.X_test, data.y_test, kind="removal", **asked)
    assert np.corrcoef(removal.ravel(), expected.ravel())[0, 1] > 0.9995
    assert abs(np.polyfit(expected.ravel(), removal.ravel(), 1)[0] - 1.0) < 0.03


@pytest.mark.parametrize("model, data", [(LINEAR, BINARY), (LINEAR_3, THREE)])
def test_verify_refits_the_calibration_alone(model, data):
    """And its certainty of each class, which predictions hold: that is the difference."""
    explainer = InfluenceExplainer(calibrated(model)).fit(data.X, data.y)
    asked = {"kind": "refit", "strategy": ROWS, "target": "prediction"}
    whole = explainer.verify(data.X_test, data.y_test, **asked)
    assert whole.correlation > 0.998
    assert abs(whole.slope - 1.0) < NOT_ITS_CERTAINTY
    fixed = explainer.verify(data.X_test, data.y_test, preprocessing="fixed", **asked)
    same(fixed.actual, whole.actual, 1e-6)
    left = data.without(ROWS[0])
    refitted = clone(calibrated(model)).fit(left.X, left.y)
    own = np.searchsorted(explainer.classes_, data.y_test)
    chances = [m.predict_proba(data.X_test)[np.arange(6), own] for m in (refitted, explainer)]
    same(whole.actual[:, 0], chances[0] - chances[1], 1e-6)


@pytest.mark.parametrize("model, data", [(LINEAR, BINARY), (LINEAR_3, THREE)])
def test_held_out_predictions(model, data):
    explainer = InfluenceExplainer(calibrated(model)).fit(data.X, data.y)
    unchanged = explainer.reweight(np.ones(N), data.X_test)
    positive = 1.0 / (1.0 + np.exp(-unchanged.reshape(6, -1)))
    shown = explainer.predict_proba(data.X_test)
    expected = positive / positive.sum(axis=1, keepdims=True) if shown.shape[1] > 2 else positive
    assert_allclose(shown[:, -1], expected[:, -1], rtol=1e-6)
    chances = explainer.loo_predict_proba()
    assert_allclose(chances.sum(axis=1), 1.0)
    assert_allclose(chances, explainer.predict_proba(data.X), atol=0.1)
    assert (explainer.loo_predict() == explainer.predict(data.X)).mean() > 0.9
    assert -1.5 < explainer.loo_score("neg_log_loss") < 0.0
    for kind in ("upweight", "removal", "refit"):
        own = explainer.influence(data.X[ROWS], data.y[ROWS], kind=kind, indices=ROWS)
        same(explainer.self_influence(kind=kind, indices=ROWS), np.diag(own), 1e-9)
    assert explainer.effective_dof() == pytest.approx(2 * len(unchanged.reshape(6, -1)[0]))


@pytest.mark.parametrize(
    "model, data", [(LINEAR, BINARY), (LINEAR_3, THREE), (FrozenEstimator(LINEAR), BINARY)]
)
def test_perturbation_gradients_go_through_a_linear_model(model, data):
    explainer = InfluenceExplainer(calibrated(model)).fit(data.X, data.y)
    gradient = explainer.perturbation_gradient(data.X_test, data.y_test, indices=[3])
    moved = data.X[[3]] + np.array([[0.0, 1e-5, 0.0, 0.0]])
    step = explainer.perturbation_influence(
        data.X_test, data.y_test, indices=[3], X_new=moved, kind="refit"
    )
    assert_allclose(gradient[:, 0, 1] * 1e-5 / N, step[:, 0], rtol=1e-3, atol=1e-10)


def test_models_without_a_known_derivative_say_what_to_ask():
    explainer = InfluenceExplainer(calibrated(TREE)).fit(BINARY.X, BINARY.y)
    with raises(TypeError, "pipeline with FrozenScores, whose derivative", "space='model'"):
        explainer.perturbation_gradient(BINARY.X_test, BINARY.y_test, indices=[3])
    shape = explainer.perturbation_gradient(
        BINARY.X_test, BINARY.y_test, indices=[3], space="model"
    ).shape
    assert shape == (6, 1, 1)


def test_pickles_frames_text_labels_and_pipelines_inside():
    pd = pytest.importorskip("pandas")
    frame, test = (pd.DataFrame(X, columns=list("abcd")) for X in (BINARY.X, BINARY.X_test))
    names = np.array(["no", "yes"])
    inside = make_pipeline(StandardScaler(), clone(SVC)).fit(frame[:60], names[BINARY.y[:60]])
    model = calibrated(FrozenEstimator(inside))
    explainer = InfluenceExplainer(model).fit(frame, names[BINARY.y])
    effects = explainer.influence(test, names[BINARY.y_test], kind="removal")
    for each in (
        pickle.loads(pickle.dumps(explainer)),
        clone(explainer).fit(frame, names[BINARY.y]),
    ):
        same(each.influence(test, names[BINARY.y_test], kind="removal"), effects)
    own = explainer.influence(test, kind="removal")
    same(own, explainer.influence(test, explainer.predict(test), kind="removal"))
    flips = explainer.label_flip_influence(test, indices=[3])
    assert flips.shape == (6, 1, 2)


@pytest.mark.parametrize(
    "model, words",
    [
        (CalibratedClassifierCV(LogisticRegression()), "over a model that it fits itself"),
        (CalibratedClassifierCV(), "over a model that it fits itself"),
        (CalibratedClassifierCV(RandomForestClassifier()), "over a model that it fits itself"),
        (calibrated(LINEAR, method="isotonic"), "with method='isotonic'"),
        (calibrated(LINEAR, ensemble=True), "with ensemble=True"),
    ],
)
def test_refusals_come_before_the_fit(model, words):
    with raises(TypeError, "InfluenceExplainer got CalibratedClassifierCV", words, "Closest"):
        InfluenceExplainer(model).fit(None, None)


def test_a_fitted_one_is_refused_in_the_same_words():
    fitted = CalibratedClassifierCV(LogisticRegression()).fit(BINARY.X, BINARY.y)
    with raises(TypeError, "CalibratedClassifierCV over a model that it fits itself", "Closest"):
        InfluenceExplainer(fitted, prefit=True).fit(BINARY.X, BINARY.y)
