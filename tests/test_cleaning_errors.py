"""What LabelCleaner refuses, and in which words."""

from __future__ import annotations

import numpy as np
import pytest
from flipped_labels import (
    MODEL,
    X_TEST,
    X,
    Y,
    agree,
)
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from wording import raises

from skinfluence.cleaning import LabelCleaner


# ---------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    "options, words",
    [
        ({"action": "remove"}, ["action='remove'", "'drop', 'relabel', 'downweight'"]),
        ({"by": "test_influence"}, ["by='test_influence'", "rank_suspects(by='test_influence')"]),
        ({"by": "margin"}, ["by='margin'", "'label_noise'"]),
        ({"fraction": "some"}, ["fraction='some'", "'auto' or a number from 0 to 1"]),
        ({"fraction": None}, ["fraction=None", "'auto' or a number"]),
        ({"fraction": 1.5}, ["fraction=1.5", "from 0 to 1"]),
        ({"fraction": True}, ["fraction=True", "from 0 to 1"]),
        ({"threshold": "high"}, ["threshold='high'", "finite number"]),
        ({"threshold": np.nan}, ["threshold=nan", "finite number"]),
        ({"fraction": 0.1, "threshold": 0.5}, ["fraction=0.1 and threshold=0.5", "one of them"]),
    ],
)
def test_parameters_that_make_no_sense(options, words):
    with raises(ValueError, "LabelCleaner got", *words):
        LabelCleaner(MODEL, **options).fit(X, Y)


@pytest.mark.parametrize(
    "model, options, error, words",
    [
        (Ridge(), {}, ValueError, ["fraction='auto' for Ridge", "a fraction of the rows, or a"]),
        (
            Ridge(), {"action": "downweight", "fraction": 0.1}, ValueError,
            ["action='downweight' for Ridge", "a regressor has not", "'relabel'"],
        ),
        (
            GaussianProcessRegressor(), {"action": "downweight", "threshold": 0.1}, ValueError,
            ["GaussianProcessRegressor", "a regressor has not"],
        ),
        (
            LinearSVC(), {"action": "downweight"}, ValueError,
            ["action='downweight' for LinearSVC", "no class probabilities", "'relabel'"],
        ),
        (
            SVC(kernel="precomputed"), {}, ValueError,
            ["action='drop' for SVC", "precomputed kernel", "'relabel'"],
        ),
        (
            FrozenEstimator(MODEL), {}, TypeError,
            ["frozen estimator", "the estimator inside"],
        ),
        (
            make_pipeline(StandardScaler(), FrozenEstimator(MODEL)), {}, TypeError,
            ["frozen estimator"],
        ),
        (DecisionTreeClassifier(), {}, TypeError, ["DecisionTreeClassifier"]),
    ],
)  # fmt: skip
def test_estimators_that_can_not_be_cleaned_for(model, options, error, words):
    with raises(error, *words):
        LabelCleaner(model, **options).fit(X, Y)


def test_a_column_vector_is_raveled_with_a_warning():
    for cleaner in (LabelCleaner(MODEL), LabelCleaner(Ridge(), fraction=0.1)):
        with pytest.warns(DataConversionWarning, match=r"shape \(300, 1\).*y.ravel\(\)"):
            rows, labels = cleaner.fit_resample(X, Y[:, None])
        assert labels.shape == (len(rows), 1)
        expected = clone(cleaner).fit(X, Y)
        np.testing.assert_array_equal(cleaner.predict(X_TEST), expected.predict(X_TEST))


def test_several_columns():
    two = np.column_stack([X @ np.arange(30.0), X @ np.ones(30)])
    cleaner = LabelCleaner(Ridge(), fraction=0.1)
    with raises(ValueError, "y of shape (300, 2)", "one column", "MultiOutputRegressor"):
        cleaner.fit(X, two)
    each = MultiOutputRegressor(cleaner).fit(X, two)
    alone = clone(cleaner).fit(X, two[:, 1])
    np.testing.assert_array_equal(each.predict(X_TEST)[:, 1], alone.predict(X_TEST))


def test_weights_for_an_estimator_that_takes_none():
    class Unweighted(LogisticRegression):
        def fit(self, X, y):
            return super().fit(X, y)

    with raises(TypeError, "action='downweight' for Unweighted", "no sample_weight", "'drop'"):
        LabelCleaner(Unweighted(), action="downweight", by="loss").fit(X, Y)
    cleaner = LabelCleaner(Unweighted(**MODEL.get_params()), by="loss").fit(X, Y)
    agree(cleaner, LabelCleaner(MODEL, by="loss").fit(X, Y).estimator_)


def test_downweight_has_no_rows_to_return():
    with raises(ValueError, "fit_resample got action='downweight'", "Use fit, or action='drop'"):
        LabelCleaner(MODEL, action="downweight").fit_resample(X, Y)


@pytest.mark.parametrize("action", ["drop", "relabel"])
def test_no_class_is_cleaned_away(action):
    names = np.where(Y == 1, "benign", "malignant").astype(object)
    names[:3] = "rare"
    rows = X.copy()
    rows[:3] = X[[10, 11, 12]] + 0.01
    cleaner = LabelCleaner(MODEL, action=action)
    with pytest.warns(UserWarning, match=r"left class 'rare' alone: all of its rows \(3\) are"):
        cleaner.fit(rows, names)
    assert "rare" in cleaner.classes_
    assert "rare" not in set(cleaner.suspects_["given_label"])
    cleaner = LabelCleaner(MODEL, action=action, threshold=0.4)
    with raises(
        ValueError, f"action={action!r} would leave nothing of class 'rare'", "all of its rows (3)",
        "at least one row of each class", "a smaller fraction",
    ):  # fmt: skip
        cleaner.fit(rows, names)
    assert not hasattr(cleaner, "estimator_")
    assert "rare" in cleaner.set_params(threshold=1.0).fit(rows, names).classes_
    # Rows of weight 0 don't keep a class.
    weights = np.where(np.arange(300) < 3, [1e-6, 0.0, 0.0] * 100, 1.0)
    by_loss = LabelCleaner(MODEL, action=action, by="loss", fraction=1 / 300)
    with raises(ValueError, "nothing of class 'rare'", "(1)"):
        by_loss.fit(rows, names, weights)
