"""LabelCleaner: suspects are acted on, and scikit-learn's own fit to the rest is what is left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from flipped_labels import (
    CLEAN,
    FLIPPED,
    FRAME,
    MODEL,
    WEIGHTS,
    X_TEST,
    Y_TEST,
    X,
    Y,
    agree,
    positions_of,
)
from sklearn.base import clone, is_regressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, Ridge, RidgeClassifier
from sklearn.svm import SVC, LinearSVC

from skinfluence import InfluenceExplainer
from skinfluence.cleaning import LabelCleaner


# ---------------------------------------------------------------------------------- what it is for
@pytest.mark.parametrize("action", ["drop", "relabel", "downweight"])
def test_planted_flips_are_cleaned_away(action):
    clean, noisy = (clone(MODEL).fit(X, y).score(X_TEST, Y_TEST) for y in (CLEAN, Y))
    assert noisy < clean - 0.03
    cleaner = LabelCleaner(MODEL, action=action).fit(X, Y)
    assert cleaner.score(X_TEST, Y_TEST) > (
        noisy + 0.02 if action == "downweight" else clean - 0.005
    )
    assert np.isin(FLIPPED, positions_of(cleaner)).mean() > 0.8
    assert np.isin(positions_of(cleaner), FLIPPED).mean() > 0.9


def test_suspects_are_those_of_the_explainer():
    table = InfluenceExplainer(MODEL).fit(FRAME, Y).rank_suspects()
    cleaner = LabelCleaner(MODEL, fraction=0.1).fit(FRAME, Y)
    pd.testing.assert_frame_equal(cleaner.suspects_, table[:30])
    assert list(cleaner.suspects_["row"]) == [f"patient {i}" for i in positions_of(cleaner)]


# ---------------------------------------------------------------------------------- refits
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("by", ["auto", "label_noise", "loo_loss", "loss", "self_influence"])
def test_drop_is_a_fit_to_the_other_rows(by, weights):
    cleaner = LabelCleaner(MODEL, by=by).fit(X, Y, sample_weight=weights)
    table = InfluenceExplainer(MODEL).fit(X, Y, weights).rank_suspects(by=by)
    differ = table[table["given_label"] != table["suggested_label"]]
    np.testing.assert_array_equal(positions_of(cleaner), differ["position"])
    kept = np.setdiff1d(np.arange(300), differ["position"])
    left = None if weights is None else weights[kept]
    agree(cleaner, clone(MODEL).fit(X[kept], Y[kept], left))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_relabel_is_a_fit_to_the_suggested_labels(weights):
    cleaner = LabelCleaner(MODEL, action="relabel").fit(X, Y, sample_weight=weights)
    changed = Y.copy()
    changed[positions_of(cleaner)] = 1 - Y[positions_of(cleaner)]
    agree(cleaner, clone(MODEL).fit(X, changed, weights))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_downweight_is_a_fit_with_the_probabilities(weights):
    cleaner = LabelCleaner(MODEL, action="downweight", fraction=0.2).fit(X, Y, weights)
    lowered = np.ones(300) if weights is None else weights.copy()
    for _, suspect in cleaner.suspects_.iterrows():
        lowered[int(suspect["position"])] *= suspect["given_probability"]
    assert np.count_nonzero(lowered != (1.0 if weights is None else weights)) == 60
    agree(cleaner, clone(MODEL).fit(X, Y, lowered))
    # By leave-one-out loss the probability is that of leave-one-out.
    cleaner = LabelCleaner(MODEL, action="downweight", by="loo_loss", fraction=1.0).fit(X, Y)
    unseen = InfluenceExplainer(MODEL).fit(X, Y).loo_predict_proba()[np.arange(300), Y]
    agree(cleaner, clone(MODEL).fit(X, Y, unseen))


def test_the_weights_handed_over_stay_as_they_are():
    weights, labels = WEIGHTS.copy(), Y.copy()
    for action in ("downweight", "relabel"):
        LabelCleaner(MODEL, action=action).fit(X, labels, weights)
    np.testing.assert_array_equal(weights, WEIGHTS)
    np.testing.assert_array_equal(labels, Y)


@pytest.mark.parametrize("fraction, count", [(0.0, 0), (0.1, 30), (0.101, 30), (0.5, 150)])
def test_fraction_is_a_share_of_the_rows(fraction, count):
    cleaner = LabelCleaner(MODEL, by="loss", fraction=fraction).fit(X, Y)
    loss = -clone(MODEL).fit(X, Y).predict_log_proba(X)[np.arange(300), Y]
    worst = np.argsort(-loss)[:count]
    np.testing.assert_array_equal(positions_of(cleaner), worst)
    agree(cleaner, clone(MODEL).fit(np.delete(X, worst, 0), np.delete(Y, worst)))


def test_threshold_is_of_the_score():
    table = InfluenceExplainer(MODEL).fit(X, Y).rank_suspects()
    cleaner = LabelCleaner(MODEL, threshold=0.9).fit(X, Y)
    assert set(positions_of(cleaner)) == set(table["position"][table["score"] > 0.9])
    assert 0 < len(positions_of(cleaner)) < 45
    loss = -clone(MODEL).fit(X, Y).predict_log_proba(X)[np.arange(300), Y]
    cleaner = LabelCleaner(MODEL, by="loss", threshold=1.0).fit(X, Y)
    assert set(positions_of(cleaner)) == set(np.flatnonzero(loss > 1.0))
    assert len(LabelCleaner(MODEL, by="loss", threshold=100.0).fit(X, Y).suspects_) == 0


def test_string_labels_of_three_classes():
    rows, codes = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    given = codes.copy()
    given[[3, 110, 140]] = [2, 0, 1]
    for y in (names[given], names[given].astype(object), names[given].tolist()):
        cleaner = LabelCleaner(MODEL, action="relabel").fit(rows, y)
        assert {3, 110} <= set(positions_of(cleaner))
        changed = names[given]
        changed[positions_of(cleaner)] = cleaner.suspects_["suggested_label"]
        assert list(changed[[3, 110]]) == ["setosa", "virginica"]
        agree(cleaner, clone(MODEL).fit(rows, changed), rows)
        assert list(cleaner.classes_) == list(names)


@pytest.mark.parametrize(
    "model", [RidgeClassifier(), LinearSVC(tol=1e-8, random_state=0), SVC(tol=1e-8)], ids=repr
)
def test_models_without_probabilities(model):
    rows, y = X[:40], Y[:40]
    cleaner = LabelCleaner(model, by="loss").fit(rows, y)
    unseen = InfluenceExplainer(model).fit(rows, y).loo_predict()
    assert set(positions_of(cleaner)) == set(np.flatnonzero(unseen != y))
    kept = np.flatnonzero(unseen == y)
    expected = clone(model).fit(rows[kept], y[kept])
    np.testing.assert_allclose(
        cleaner.decision_function(X_TEST), expected.decision_function(X_TEST), rtol=1e-10
    )
    assert not hasattr(cleaner, "predict_proba")


def spoilt_targets():
    """Diabetes rows, targets of which the first 10 are far too high, and as they were."""
    rows, y = load_diabetes(return_X_y=True)
    spoilt = y.copy()
    spoilt[:10] += 500.0
    return rows, spoilt, y


def test_suspect_targets_are_dropped():
    rows, spoilt, y = spoilt_targets()
    cleaner = LabelCleaner(Ridge(), fraction=10 / len(y)).fit(rows, spoilt)
    assert is_regressor(cleaner)
    assert set(positions_of(cleaner)) == set(range(10))
    agree(cleaner, Ridge().fit(rows[10:], y[10:]), rows)
    assert not hasattr(cleaner, "classes_")


def test_suspect_targets_become_those_of_the_model_without_the_row():
    rows, spoilt, _ = spoilt_targets()
    changed = spoilt.copy()
    for i in range(10):
        without = Ridge().fit(np.delete(rows, i, axis=0), np.delete(spoilt, i))
        changed[i] = without.predict(rows[[i]])[0]
    expected = Ridge().fit(rows, changed)
    score = LabelCleaner(Ridge(), by="loss", action="relabel", threshold=60_000.0)
    for y in (spoilt, spoilt.astype(int), pd.Series(spoilt.astype(int)), spoilt.tolist()):
        cleaner = clone(score).fit(rows, y)
        assert set(positions_of(cleaner)) == set(range(10))
        np.testing.assert_allclose(cleaner.estimator_.coef_, expected.coef_, rtol=1e-8)


def test_rows_without_which_nothing_is_determined_are_no_suspects():
    rows = np.column_stack([np.eye(6)[:, 0], np.arange(6.0)])
    model = LinearRegression()
    with pytest.warns(RuntimeWarning, match="determined"):
        cleaner = LabelCleaner(model, fraction=1.0, action="relabel").fit(rows, np.arange(6.0) ** 2)
    assert set(positions_of(cleaner)) == set(range(1, 6))
