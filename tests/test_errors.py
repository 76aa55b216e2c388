"""The words of every error about a question: who, what was got, what is needed, what to do."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.impute import KNNImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wording import NAN_X, TARGETS, D, N, X, Y, raises

from skinfluence import InfluenceExplainer, SingularHessianError

INFINITE_X = np.where(np.arange(D) == 1, np.inf, X)


@pytest.fixture(scope="module")
def classifier():
    return InfluenceExplainer(LogisticRegression()).fit(X, Y)


@pytest.fixture(scope="module")
def regressor():
    return InfluenceExplainer(Ridge()).fit(X, TARGETS)


# ------------------------------------------------------------------------------ not fitted
@pytest.mark.parametrize(
    "ask",
    [
        lambda e: e.influence(X),
        lambda e: e.self_influence(),
        lambda e: e.parameter_influence(),
        lambda e: e.perturbation_gradient(X, indices=[0]),
        lambda e: e.explain(X),
        lambda e: e.predict(X),
        lambda e: e.predict_proba(X),
        lambda e: e.decision_function(X),
        lambda e: e.score(X, Y),
    ],
    ids=["influence", "self", "eq1", "eq5", "explain", "predict", "proba", "decision", "score"],
)
def test_not_fitted(ask):
    with raises(NotFittedError, "InfluenceExplainer", "not fitted yet", "Call 'fit'"):
        ask(InfluenceExplainer(LogisticRegression()))


@pytest.mark.parametrize("name", ["classes_", "n_features_in_", "feature_names_in_"])
def test_not_fitted_attribute(name):
    with raises(AttributeError, f"no {name} before it is fitted"):
        getattr(InfluenceExplainer(LogisticRegression()), name)


# --------------------------------------------------------------------------------- test rows
@pytest.mark.parametrize(
    "rows, words",
    [
        (X[:, :2], ["X has 2 features", "LogisticRegression is expecting 3 features"]),
        (X[0], ["Expected 2D array, got 1D array", "reshape(1, -1)"]),
        (X[:0], ["Found array with 0 sample(s)", "minimum of 1 is required"]),
        (NAN_X, ["Input X contains NaN", "imputer"]),
        (INFINITE_X, ["Input X contains infinity"]),
        ([["a"] * D], ["could not convert string to float"]),
    ],
    ids=["features", "1d", "empty", "nan", "infinite", "text"],
)
@pytest.mark.parametrize("method", ["influence", "explain", "perturbation_gradient"])
@pytest.mark.parametrize("with_labels", [True, False])
def test_test_rows(classifier, rows, words, method, with_labels):
    options = {"indices": [0]} if method == "perturbation_gradient" else {}
    y_test = np.zeros(len(rows), dtype=int) if with_labels else None
    with raises(ValueError, *words):
        getattr(classifier, method)(rows, y_test, **options)


def test_features_before_a_pipeline_step():
    explainer = InfluenceExplainer(make_pipeline(StandardScaler(), LogisticRegression())).fit(X, Y)
    with raises(ValueError, "X has 2 features", "StandardScaler is expecting 3"):
        explainer.influence(X[:, :2])


@pytest.mark.parametrize(
    "change, words",
    [
        (
            lambda df: df.rename(columns={"a": "z"}),
            ["feature names should match", "unseen at fit time", "- z", "now missing", "- a"],
        ),
        (lambda df: df[["a", "b"]], ["feature names should match", "now missing", "- c"]),
        (lambda df: df[["c", "b", "a"]], ["feature names should match", "same order"]),
    ],
    ids=["other", "missing", "reordered"],
)
@pytest.mark.parametrize("pipeline", [False, True])
def test_column_names(change, words, pipeline):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = (
        make_pipeline(StandardScaler(), LogisticRegression()) if pipeline else LogisticRegression()
    )
    explainer = InfluenceExplainer(model).fit(frame, Y)
    with raises(ValueError, *words):
        explainer.influence(change(frame), Y)
    with raises(ValueError, *words):
        InfluenceExplainer(explainer.estimator_, prefit=True).fit(change(frame), Y)


# ----------------------------------------------------------------------------------- targets
UNSEEN = ["y_test contains labels", "not fitted on", "It knows [0, 1]", "map the labels"]


@pytest.mark.parametrize(
    "y_test, words",
    [
        ([0, 5], ["y_test contains labels that the model was not fitted on: [5]", *UNSEEN[2:]]),
        (["a", "b"], UNSEEN),
        ([None, 1], UNSEEN),
        (np.array([np.nan, "a"], dtype=object), UNSEEN),
        ([np.nan, 1.0], ["y_test contains NaN", "every row needs a label"]),
        ([0], ["y_test of shape (1,) for 2 rows", "one target a row"]),
        (1, ["y_test of shape () for 2 rows", "one target a row"]),
    ],
    ids=["number", "text", "none", "object nan", "nan", "short", "scalar"],
)
@pytest.mark.parametrize("target", ["loss", "prediction"])
def test_labels(classifier, y_test, words, target):
    with raises(ValueError, *words):
        classifier.influence(X[:2], y_test, target=target)


@pytest.mark.parametrize(
    "y_test, words",
    [
        ([np.nan, 1.0], ["Input y_test contains NaN"]),
        ([np.inf, 1.0], ["Input y_test contains infinity"]),
        ([1.0], ["y_test of shape (1,) for 2 rows"]),
        (np.zeros((2, 2)), ["y_test has 2 columns", "fitted on 1"]),
    ],
    ids=["nan", "infinite", "short", "columns"],
)
def test_targets(regressor, y_test, words):
    with raises(ValueError, *words):
        regressor.influence(X[:2], y_test)
    with raises(ValueError, *words):
        regressor.explain(X[:2], y_test)


def test_regressor_has_no_loss_without_target(regressor):
    words = ["y_test=None for a regressor with target='loss'", "are 0", "target='prediction'"]
    with raises(ValueError, *words):
        regressor.influence(X)
    with raises(ValueError, *words):
        regressor.perturbation_gradient(X, indices=[0])


def test_many_outputs_have_no_single_prediction():
    explainer = InfluenceExplainer(Ridge()).fit(X, np.column_stack([TARGETS, Y]))
    words = ["target='prediction' for a regressor with 2 outputs", "one regressor per output"]
    with raises(ValueError, *words):
        explainer.influence(X, target="prediction")
    with raises(ValueError, *words):
        explainer.explain(X)


# ---------------------------------------------------------------------------------- settings
@pytest.mark.parametrize(
    "ask, words",
    [
        (lambda e: e.influence(X, kind="up"), ["kind='up'", "['upweight', 'removal', 'refit']"]),
        (lambda e: e.explain(X, kind="up"), ["kind='up'", "['upweight', 'removal', 'refit']"]),
        (lambda e: e.self_influence(kind="up"), ["kind='up'", "['upweight', 'removal', 'refit']"]),
        (
            lambda e: e.parameter_influence(kind="up"),
            ["kind='up'", "['upweight', 'removal', 'refit']"],
        ),
        (lambda e: e.influence(X, target="y"), ["target='y'", "['loss', 'prediction']"]),
        (lambda e: e.influence(X, reduce="sum"), ["reduce='sum'", "[None, 'mean']"]),
        (
            lambda e: e.perturbation_gradient(X, indices=[0], reduce="sum"),
            ["reduce='sum'", "[None, 'mean']"],
        ),
    ],
)
def test_choices(classifier, ask, words):
    with raises(ValueError, "InfluenceExplainer got", words[0], "needed is one of", words[1]):
        ask(classifier)


@pytest.mark.parametrize(
    "indices, error, words",
    [
        ([0, N], IndexError, ["outside of the training rows: [40]", "from 0 to 39"]),
        ([-1], IndexError, ["outside of the training rows: [-1]", "from 0 to 39"]),
        ([0.0], TypeError, ["type float64", "positions (0 to 39)", "get_indexer"]),
        (["a"], TypeError, ["positions (0 to 39)", "boolean mask", "get_indexer"]),
        ([[0, 1]], TypeError, ["shape (1, 2)", "positions (0 to 39)"]),
        ([True] * 3, IndexError, ["boolean mask of shape (3,)", "each of the 40 training rows"]),
    ],
    ids=["too large", "negative", "float", "text", "2d", "mask"],
)
def test_indices(classifier, indices, error, words):
    for ask in (
        lambda: classifier.influence(X, indices=indices),
        lambda: classifier.self_influence(indices=indices),
        lambda: classifier.parameter_influence(indices=indices),
        lambda: classifier.perturbation_gradient(X, indices=indices),
    ):
        with raises(error, "InfluenceExplainer got", *words):
            ask()


@pytest.mark.parametrize("k", [0, -1, N // 2 + 1, 2.0, "2", None])
def test_k(classifier, k):
    with raises(ValueError, f"explain got k={k!r} with 40 training rows", "from 1 to 20"):
        classifier.explain(X, k=k)


# -------------------------------------------------------------------------- what has no answer
def test_unknown_step():
    steps = make_pipeline(KNNImputer(), Ridge())
    explainer = InfluenceExplainer(steps).fit(X, TARGETS)
    words = ["KNNImputer", "does not know", "It knows BernoulliRBM, Binarizer", "step_vjp.register"]
    words += ["declare linear_map", "space='model'"]
    with raises(TypeError, "perturbation_gradient got a pipeline with", *words):
        explainer.perturbation_gradient(X, TARGETS, indices=[0])
    assert explainer.influence(X[:2], TARGETS[:2]).shape == (2, N)


def test_test_row_outside_of_what_training_determines():
    constant = np.column_stack([X, np.zeros(N)])
    explainer = InfluenceExplainer(LinearRegression()).fit(constant, TARGETS)
    outside = np.ones((1, D + 1))
    words = ["singular (rank 4 of 5)", "1 of 1 requested gradients", "Remove such columns"]
    with raises(SingularHessianError, *words, "penalty", "damping="):
        explainer.influence(outside, [0.0])


def test_frame_without_pandas(classifier, monkeypatch):
    explanation = classifier.explain(X[:1])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with raises(ImportError, "to_frame needs pandas", "pip install skinfluence[pandas]"):
        explanation.to_frame()


@pytest.mark.parametrize("options", [{}, {"image_shape": (1, D)}])
def test_picture_without_matplotlib(classifier, monkeypatch, options):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with raises(ImportError, "needs matplotlib", "pip install skinfluence[plot]", "to_frame()"):
        classifier.explain(X[:1]).plot(**options)
