"""The words of errors about other rows and labels: who, got what, needs what, what to do."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler
from wording import NAN_X, TARGETS, D, N, X, Y, raises

from skinfluence import InfluenceExplainer, SingularHessianError

KINDS = ["upweight", "removal", "refit"]


@pytest.fixture(scope="module")
def classifier():
    return InfluenceExplainer(LogisticRegression()).fit(X, Y)


@pytest.mark.parametrize("ask", ["perturbation_influence", "label_flip_influence"])
def test_not_fitted(ask):
    options = {"indices": [0]}
    with raises(NotFittedError, "InfluenceExplainer", "not fitted yet", "Call 'fit'"):
        getattr(InfluenceExplainer(LogisticRegression()), ask)(X, **options)
    with raises(NotFittedError, "InfluenceExplainer", "not fitted yet"):
        _ = InfluenceExplainer(LogisticRegression()).model_feature_names_


@pytest.mark.parametrize("indices", [[0, N], [-1]])
def test_indices_out_of_range(classifier, indices):
    for ask, more in (
        (classifier.perturbation_influence, {"y_new": Y[: len(indices)]}),
        (classifier.label_flip_influence, {}),
        (classifier.perturbation_gradient, {}),
    ):
        with raises(IndexError, "indices outside of the training rows", f"0 to {N - 1}"):
            ask(X, Y, indices=indices, **more)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "new, words",
    [
        ({}, ["neither X_new nor y_new", "other features, other labels, or both"]),
        ({"X_new": X[:3]}, ["X_new of shape (3, 3) for 2 indices", "one row for each index"]),
        ({"X_new": X[:2, :2]}, ["X has 2 features", "expecting 3 features"]),
        ({"X_new": X[0]}, ["X_new of shape (3,) for 2 indices"]),
        ({"X_new": X[0, :2]}, ["Expected 2D array, got 1D array"]),
        ({"X_new": NAN_X[:2]}, ["Input X contains NaN"]),
        ({"y_new": Y[:3]}, ["y_new of shape (3,) for 2 indices", "one row for each index"]),
        ({"y_new": 1}, ["y_new of shape () for 2 indices"]),
        ({"y_new": [0, 7]}, ["y_new contains labels", "not fitted on: [7]", "It knows [0, 1]"]),
        ({"y_new": [0.0, np.nan]}, ["y_new contains NaN"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_what_rows_become(classifier, new, words, kind):
    with raises(ValueError, *words):
        classifier.perturbation_influence(X, Y, indices=[3, 4], kind=kind, **new)


def test_targets_of_a_regressor():
    explainer = InfluenceExplainer(Ridge()).fit(X, TARGETS)
    with raises(ValueError, "y_test=None", "target='prediction'"):
        explainer.perturbation_influence(X, indices=[0], y_new=[1.0])
    with raises(ValueError, "y_new contains NaN"):
        explainer.perturbation_influence(X, TARGETS, indices=[0], y_new=[np.nan])
    with raises(ValueError, "y_new has 2 columns", "fitted on 1"):
        explainer.perturbation_influence(X, TARGETS, indices=[0], y_new=[[1.0, 2.0]])


@pytest.mark.parametrize("name", ["kind", "reduce", "target", "space"])
def test_settings(classifier, name):
    ask = classifier.perturbation_influence
    options = {"indices": [0], "X_new": X[:1], name: "sum"}
    if name == "space":
        ask, options = classifier.perturbation_gradient, {"indices": [0], "space": "sum"}
    with raises(ValueError, f"InfluenceExplainer got {name}='sum'; needed is one of"):
        ask(X, Y, **options)


def test_unseen_test_labels(classifier):
    with raises(ValueError, "y_test contains labels", "not fitted on"):
        classifier.label_flip_influence(X[:1], [9])


def test_nothing_asked(classifier):
    assert classifier.perturbation_influence(X, Y, indices=[], X_new=X[:0]).shape == (N, 0)
    assert classifier.label_flip_influence(X, Y, indices=[]).shape == (N, 0, 2)
    assert classifier.perturbation_gradient(X, Y, indices=[]).shape == (N, 0, D)


# ------------------------------------------------------------------ models that end undetermined
def test_the_only_row_that_determines_a_column():
    """Without it, or with it elsewhere, least squares has no single answer."""
    lone = np.column_stack([X[:, 0], np.arange(N) == 5]).astype(float)
    explainer = InfluenceExplainer(LinearRegression()).fit(lone, TARGETS)
    other = lone[[5]] * [1.0, 2.0]
    moved = explainer.perturbation_influence(lone[:2], TARGETS[:2], indices=[5], X_new=other)
    assert np.isfinite(moved).all()
    gone = lone[[5]] * [1.0, 0.0]
    with pytest.warns(RuntimeWarning, match=r"1 training rows can't be exchanged .*\[5\].*NaN"):
        got = explainer.perturbation_influence(lone[:2], TARGETS[:2], indices=[5], X_new=gone)
    assert np.isnan(got).all()
    with pytest.warns(RuntimeWarning, match=r"1 rows can't be replaced \(for example \[5\]\)"):
        got = explainer.perturbation_influence(
            lone[:2], TARGETS[:2], indices=[5], X_new=gone, kind="refit"
        )
    assert np.isnan(got).all()


def test_a_direction_that_training_rows_do_not_determine():
    constant = np.column_stack([X, np.ones(N)])
    explainer = InfluenceExplainer(LinearRegression(fit_intercept=True)).fit(constant, TARGETS)
    other = constant[[0]] + [0.0, 0.0, 0.0, 1.0]
    with raises(SingularHessianError, "singular", "training rows do not determine", "penalty"):
        explainer.perturbation_influence(constant[:2], TARGETS[:2], indices=[0], X_new=other)


def test_the_last_row_of_a_class():
    labels = np.where(np.arange(N) == 3, 2, Y)
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, labels)
    with pytest.warns(RuntimeWarning, match="a class has no rows"):
        flips = explainer.label_flip_influence(X[:1], [0], indices=[3, 4], kind="refit")
    assert np.isnan(flips[0, 0, :2]).all()
    assert flips[0, 0, 2] == 0.0
    assert np.isfinite(flips[0, 1]).all()
    with pytest.warns(RuntimeWarning, match=r"1 training rows can't be exchanged.*\[3\].*no rows"):
        step = explainer.label_flip_influence(X[:1], [0], indices=[3, 4])
    assert (np.isnan(step) == np.isnan(flips)).all()
    moved = explainer.perturbation_influence(
        X[:1], [0], indices=[3], X_new=X[[3]] + 1.0, kind="refit"
    )
    assert np.isfinite(moved).all()


def test_a_class_without_weight():
    """s_i is 0, so that no number times it is the change: NaN, where labels change."""
    model = LogisticRegression(class_weight={0: 0.0, 1: 1.0}, fit_intercept=False)
    explainer = InfluenceExplainer(model).fit(X, Y)
    rows = np.flatnonzero(Y == 0)[:2]
    asked = {"indices": rows, "kind": "upweight"}
    assert np.isnan(explainer.perturbation_influence(X, Y, y_new=[1, 1], **asked)).all()
    assert np.isfinite(explainer.perturbation_influence(X, Y, X_new=X[rows] + 1.0, **asked)).all()
    assert np.isfinite(explainer.perturbation_influence(X, Y, y_new=[1, 1], indices=rows)).all()


# ---------------------------------------------------------------------------- columns without slope
def test_columns_without_a_derivative_are_named():
    pandas = pytest.importorskip("pandas")
    from sklearn.compose import make_column_transformer

    frame = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(colour=np.resize(list("xyz"), N))
    steps = make_column_transformer(
        (StandardScaler(), ["a", "b", "c"]), (OrdinalEncoder(), ["colour"])
    )
    explainer = InfluenceExplainer(make_pipeline(steps, LogisticRegression())).fit(frame, Y)
    words = r"no derivative, and so NaN, in colour: .*space='model'.*perturbation_influence"
    with pytest.warns(RuntimeWarning, match=words):
        gradient = explainer.perturbation_gradient(frame[:2], Y[:2], indices=[0, 1])
    assert gradient.shape == (2, 2, 4)
    assert np.isnan(gradient[:, :, 3]).all()
    assert np.isfinite(gradient[:, :, :3]).all()
    inside = explainer.perturbation_gradient(frame[:2], Y[:2], indices=[0, 1], space="model")
    assert np.isfinite(inside).all()
    names = explainer.model_feature_names_
    assert names.tolist() == [f"standardscaler__{c}" for c in "abc"] + ["ordinalencoder__colour"]
    alone = InfluenceExplainer(LogisticRegression()).fit(steps.fit_transform(frame), Y)
    expected = alone.perturbation_gradient(steps.transform(frame[:2]), Y[:2], indices=[0, 1])
    np.testing.assert_allclose(inside, expected, rtol=1e-6)
    assert alone.model_feature_names_.tolist() == ["x0", "x1", "x2", "x3"]


def test_columns_without_names_are_numbered():
    jumping = FunctionTransformer(np.abs), StandardScaler()
    explainer = InfluenceExplainer(make_pipeline(*jumping, LogisticRegression())).fit(X, Y)
    assert np.isfinite(explainer.perturbation_gradient(X, Y, indices=[0])).all()
    coded = make_pipeline(OrdinalEncoder(), LogisticRegression())
    explainer = InfluenceExplainer(coded).fit(X.round(), Y)
    with pytest.warns(RuntimeWarning, match="in column 0, column 1, column 2: "):
        explainer.perturbation_gradient(X[:1].round(), Y[:1], indices=[0])
