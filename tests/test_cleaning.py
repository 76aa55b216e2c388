"""LabelCleaner: suspects are acted on, and scikit-learn's own fit to the rest is what is left."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import DataConversionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks
from wording import raises

from skinfluence import InfluenceExplainer
from skinfluence.cleaning import LabelCleaner
from skinfluence.suspect_table import suspect_table

MODEL = LogisticRegression(tol=1e-10, max_iter=1000)

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
    expected_failed_checks=lambda cleaner: COPIES,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


# ---------------------------------------------------------------------------------- data
def split():
    """Standardised training rows, their labels, test rows, their labels."""
    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = StandardScaler().fit_transform(X)[order], y[order]
    return X[:300], y[:300], X[300:], y[300:]


X, CLEAN, X_TEST, Y_TEST = split()
FLIPPED = np.random.default_rng(1).choice(300, 45, replace=False)
Y = CLEAN.copy()
Y[FLIPPED] = 1 - Y[FLIPPED]
WEIGHTS = np.random.default_rng(2).uniform(0.5, 2.0, 300)
FRAME = pd.DataFrame(X, columns=[f"feature {j}" for j in range(30)])
FRAME.index = [f"patient {i}" for i in range(300)]


def positions_of(cleaner):
    return np.asarray(cleaner.suspects_["position"])


def agree(cleaner, expected, X_test=X_TEST):
    """The model in it is scikit-learn's own."""
    np.testing.assert_allclose(cleaner.estimator_.coef_, expected.coef_, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(cleaner.predict(X_test), expected.predict(X_test))


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
