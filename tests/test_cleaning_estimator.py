"""LabelCleaner as an estimator of scikit-learn's, and as a sampler of imbalanced-learn's."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from flipped_labels import (
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
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks
from wording import raises

from skinfluence import InfluenceExplainer
from skinfluence.cleaning import LabelCleaner
from skinfluence.suspect_table import suspect_table

COPIES = dict.fromkeys(
    [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")],
    "a copy of a row is judged by a model that has seen the other",
)


@parametrize_with_checks(
    [
        LabelCleaner(LogisticRegression()),
        LabelCleaner(LogisticRegression(), fraction=0.1),
        LabelCleaner(Ridge(), action="relabel", fraction=0.1),
    ],
    expected_failed_checks=lambda cleaner: {} if cleaner.fraction == "auto" else COPIES,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


# ---------------------------------------------------------------------------------- fit_resample
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_frames_keep_their_index():
    y = pd.Series(np.array(["benign", "malignant"])[Y], index=FRAME.index, name="finding")
    for labels in (y, y.astype("category"), y.to_frame()):
        cleaner = LabelCleaner(MODEL)
        rows, kept = cleaner.fit_resample(FRAME, labels)
        gone = list(cleaner.suspects_["row"])
        pd.testing.assert_frame_equal(rows, FRAME.drop(index=gone))
        assert type(kept) is type(labels)
        assert kept.equals(labels.drop(index=gone))
        assert list(cleaner.feature_names_in_) == list(FRAME.columns)
        rows, changed = LabelCleaner(MODEL, action="relabel").fit_resample(FRAME, labels)
        pd.testing.assert_frame_equal(rows, FRAME)
        assert type(changed) is type(labels)
        assert np.all(changed.dtypes == labels.dtypes)
        moved = np.ravel(changed) != np.ravel(labels)
        assert set(changed.index[moved]) == set(gone)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_sparse_rows_keep_their_format(form):
    rows, labels = LabelCleaner(MODEL).fit_resample(sparse.csr_matrix(X).asformat(form), Y)
    dense, expected = LabelCleaner(MODEL).fit_resample(X, Y)
    assert rows.format == form
    np.testing.assert_array_equal(rows.toarray(), dense)
    np.testing.assert_array_equal(labels, expected)


def test_lists_stay_lists():
    dense, expected = LabelCleaner(MODEL).fit_resample(X, Y)
    rows, labels = LabelCleaner(MODEL).fit_resample(X.tolist(), Y.tolist())
    assert (rows, labels) == (dense.tolist(), expected.tolist())
    rows, labels = LabelCleaner(MODEL, action="relabel").fit_resample(X.tolist(), Y.tolist())
    assert rows == X.tolist()
    assert isinstance(labels, list)
    assert (np.array(labels) != Y).sum() == 300 - len(expected)


def test_it_is_fitted_too():
    cleaner = LabelCleaner(MODEL)
    rows, labels = cleaner.fit_resample(X, Y)
    agree(cleaner, clone(MODEL).fit(rows, labels))


def test_a_step_of_an_imbalanced_learn_pipeline():
    pipelines = pytest.importorskip("imblearn.pipeline")
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    pipeline = pipelines.make_pipeline(StandardScaler(), LabelCleaner(MODEL), tree).fit(X, Y)
    rows, labels = LabelCleaner(MODEL).fit_resample(StandardScaler().fit_transform(X), Y)
    assert len(labels) < 300
    expected = clone(tree).fit(rows, labels)
    scaled = StandardScaler().fit(X).transform(X_TEST)
    np.testing.assert_array_equal(pipeline.predict_proba(X_TEST), expected.predict_proba(scaled))


# ---------------------------------------------------------------------------------- scikit-learn
def test_searches():
    grid = {"estimator__C": [0.01, 1.0], "fraction": [0.0, 0.15]}
    search = GridSearchCV(LabelCleaner(MODEL), grid, cv=3).fit(X, Y)
    best = LabelCleaner(clone(MODEL).set_params(C=search.best_params_["estimator__C"]))
    best.set_params(fraction=search.best_params_["fraction"])
    assert search.best_params_["fraction"] == 0.15
    assert search.best_score_ == pytest.approx(cross_val_score(best, X, Y, cv=3).mean())
    # And a search inside, which searches again on the cleaned rows.
    inside = GridSearchCV(MODEL, {"C": [0.01, 1.0]}, cv=3)
    cleaner = LabelCleaner(inside).fit(X, Y)
    kept = np.setdiff1d(np.arange(300), positions_of(cleaner))
    expected = clone(inside).fit(X[kept], Y[kept])
    np.testing.assert_array_equal(
        cleaner.estimator_.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )


def test_pipelines_inside_and_around():
    raw = 3.0 * X + 7.0
    around = make_pipeline(StandardScaler(), LabelCleaner(MODEL)).fit(raw, Y)
    alone = LabelCleaner(MODEL).fit(StandardScaler().fit_transform(raw), Y)
    np.testing.assert_allclose(around[-1].estimator_.coef_, alone.estimator_.coef_, rtol=1e-10)
    inside = LabelCleaner(make_pipeline(StandardScaler(), MODEL)).fit(raw, Y, WEIGHTS)
    kept = np.setdiff1d(np.arange(300), positions_of(inside))
    scaler = StandardScaler().fit(raw[kept])
    expected = clone(MODEL).fit(scaler.transform(raw[kept]), Y[kept], WEIGHTS[kept])
    np.testing.assert_allclose(inside.estimator_[-1].coef_, expected.coef_, rtol=1e-10)


def test_metadata_routing():
    expected = LabelCleaner(MODEL, action="downweight").fit(X, Y, WEIGHTS)
    with sklearn.config_context(enable_metadata_routing=True):
        model = clone(MODEL).set_fit_request(sample_weight=True)
        cleaner = LabelCleaner(model, action="downweight").set_fit_request(sample_weight=True)
        pipeline = make_pipeline("passthrough", cleaner)
        pipeline.fit(X, Y, sample_weight=WEIGHTS)
    np.testing.assert_allclose(pipeline[-1].estimator_.coef_, expected.estimator_.coef_, rtol=1e-8)


def test_settings_reach_the_explainer():
    settings = {"solver": "cg", "damping": 0.01, "max_memory": "100MB", "random_state": 3}
    cleaner = LabelCleaner(MODEL, by="self_influence", fraction=0.1, **settings).fit(X, Y)
    explainer = InfluenceExplainer(MODEL, **settings).fit(X, Y)
    np.testing.assert_allclose(
        cleaner.suspects_["score"], explainer.rank_suspects(by="self_influence", k=30)["score"]
    )
    with raises(ValueError, "max_memory='1MB'", "16 MB"):
        LabelCleaner(MODEL, max_memory="1MB").fit(X, Y)


def test_clones_and_parameters():
    cleaner = LabelCleaner(LogisticRegression(C=3.0), action="relabel", threshold=0.7, by="loss")
    copy = clone(cleaner)
    assert copy.get_params()["estimator__C"] == 3.0
    assert {**copy.get_params(deep=False), "estimator": None} == {
        **cleaner.get_params(deep=False), "estimator": None
    }  # fmt: skip
    assert copy.estimator is not cleaner.estimator
    assert is_classifier(cleaner)
    cleaner.fit(X, Y)
    assert not hasattr(cleaner.estimator, "coef_")


def test_pickles():
    cleaner = LabelCleaner(MODEL).fit(X, Y)
    loaded = pickle.loads(pickle.dumps(cleaner))
    pd.testing.assert_frame_equal(loaded.suspects_, cleaner.suspects_)
    np.testing.assert_array_equal(loaded.predict_proba(X_TEST), cleaner.predict_proba(X_TEST))
    assert loaded.score(X_TEST, Y_TEST) == cleaner.score(X_TEST, Y_TEST)


def without_pandas(*arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pandas", None)
        return suspect_table(*arguments)


@pytest.mark.parametrize("action", ["drop", "relabel", "downweight"])
@pytest.mark.parametrize("options", [{}, {"fraction": 0.1}, {"threshold": 0.9}], ids=str)
def test_structured_arrays_where_there_is_no_pandas(action, options, monkeypatch):
    expected = LabelCleaner(MODEL, action=action, **options).fit(X, Y)
    monkeypatch.setattr("skinfluence.suspects.suspect_table", without_pandas)
    cleaner = LabelCleaner(MODEL, action=action, **options).fit(X, Y)
    assert isinstance(cleaner.suspects_, np.ndarray)
    np.testing.assert_array_equal(positions_of(cleaner), positions_of(expected))
    agree(cleaner, expected.estimator_)
    loaded = pickle.loads(pickle.dumps(cleaner))
    np.testing.assert_array_equal(loaded.suspects_, cleaner.suspects_)


def test_a_fit_that_fails_leaves_what_was_there():
    cleaner = LabelCleaner(MODEL).fit(X, Y)
    estimator, suspects = cleaner.estimator_, cleaner.suspects_
    with raises(ValueError, "NaN"):
        cleaner.fit(np.where(X > 2, np.nan, X), Y)
    assert cleaner.estimator_ is estimator
    assert cleaner.suspects_ is suspects
