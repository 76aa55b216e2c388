"""Displays of suspect rows, and of influence against distance."""

import displaying
import numpy as np
import pytest
from displaying import check_drawn
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import auc, average_precision_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from skinfluence import InfluenceExplainer
from skinfluence.display import (
    InfluenceScatterDisplay,
    SuspectCurveDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")
# Three rows of two classes, with one test row; and ten thousand.
FEW, FEW_LABELS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), np.array([0, 1, 1])


@pytest.fixture(autouse=True)
def no_window():
    matplotlib.use("Agg")
    yield
    pyplot.close("all")


@pytest.fixture
def cancer():
    return displaying.cancer()


@pytest.fixture
def explainer():
    return displaying.explainer_of_cancer()


@pytest.fixture
def digits():
    return displaying.digits()


@pytest.fixture
def explainer_of_digits():
    return displaying.explainer_of_digits()


# --------------------------------------------------------------------------- suspect curves
@pytest.mark.parametrize("by", ["label_noise", "loo_loss", "loss", "self_influence"])
def test_a_suspect_curve_counts_wrong_labels(explainer, cancer, by):
    _, given, right = cancer
    display = SuspectCurveDisplay.from_explainer(explainer, right, by)
    positions = np.asarray(explainer.rank_suspects(by=by)["position"])
    wrong = (given != right)[positions]
    n = len(given)
    for checked in (0, 1, 57, 200, n):
        assert display.checked[checked] == checked / n
        assert display.found[0, checked] == wrong[:checked].sum() / wrong.sum()
    expected = average_precision_score(wrong, -np.arange(n))
    np.testing.assert_allclose(display.average_precision, expected)
    np.testing.assert_allclose(display.area, auc(display.checked, display.found[0]))


def test_several_suspect_curves_are_those_of_each(explainer, cancer):
    X, _, right = cancer
    several = ["loss", "test_influence", "self_influence"]
    options = {"X_test": X[:50], "y_test": right[:50]}
    display = SuspectCurveDisplay.from_explainer(explainer, right, several, **options)
    assert display.by == several
    for found, by in zip(display.found, several, strict=True):
        tests = options if by == "test_influence" else {}
        alone = SuspectCurveDisplay.from_explainer(explainer, right, by, **tests)
        np.testing.assert_array_equal(found, alone.found[0])


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (LogisticRegression(), ["label_noise", "loo_loss", "loss"]),
        (LinearSVC(), ["loo_loss", "loss"]),
        (Ridge(), ["loo_loss", "loss"]),
    ],
)
def test_default_criteria_are_those_that_the_model_has(cancer, estimator, expected):
    X, given, right = (array[:120] for array in cancer)
    display = SuspectCurveDisplay.from_estimator(estimator, X, given, right)
    assert display.by == expected


def test_a_suspect_curve_is_drawn(explainer, cancer):
    by = ("label_noise", "loo_loss", "loss")
    display = SuspectCurveDisplay.from_explainer(explainer, cancer[2], by)
    ax = check_drawn(display, alpha=0.5)
    *curves, perfect, random = ax.lines
    for curve, found in zip(curves, display.found, strict=True):
        np.testing.assert_array_equal(curve.get_xydata(), np.stack([display.checked, found], 1))
        assert curve.get_alpha() == 0.5
    np.testing.assert_allclose(perfect.get_xydata(), [[0, 0], [57 / 569, 1], [1, 1]])
    np.testing.assert_array_equal(random.get_xydata(), [[0, 0], [1, 1]])
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend[0] == (
        f"label noise: AP {display.average_precision[0]:.2f}, area {display.area[0]:.2f}"
    )
    assert legend[3:] == ["perfect", "random"]
    assert ax.get_title() == "57 of 569 labels wrong"
    assert len({curve.get_color() for curve in curves}) == 3
    assert len({curve.get_linestyle() for curve in curves}) == 3


@pytest.mark.parametrize(
    ("right", "by", "message"),
    [
        ([0, 1], None, r"got y_true of shape \(2,\) for training labels of shape \(3,\)"),
        (FEW_LABELS, None, "got y_true with no label other than the one that the model was fitted"),
        (1 - FEW_LABELS, None, "got y_true with every label other than the one.*in the same type"),
        (np.array([0, 1, 0]), (), r"got by=\(\); needed is at least one criterion"),
        (np.array([0, 1, 0]), "guess", "got by='guess'; needed is one of"),
    ],
)
def test_suspect_curves_that_cannot_be(right, by, message):
    explainer = InfluenceExplainer(LogisticRegression()).fit(FEW, FEW_LABELS)
    with pytest.raises(ValueError, match=message):
        SuspectCurveDisplay.from_explainer(explainer, right, by)


# -------------------------------------------------------------------------------- distances
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_influence_against_distance(cancer, storage):
    X, y, _ = cancer
    X = np.where(np.abs(X) > 0.5, X, 0.0)
    model = make_pipeline(StandardScaler(with_mean=False), LogisticRegression())
    explainer = InfluenceExplainer(model).fit(storage(X), y)
    asked = storage(X[:4]), y[:4]
    display = InfluenceScatterDisplay.from_explainer(explainer, *asked, test_row=3)
    scaled = X / X.std(axis=0)
    expected = euclidean_distances(scaled, scaled[3:4])[:, 0]
    np.testing.assert_allclose(display.distances, expected, atol=1e-6)
    assert display.distances[3] == 0.0
    np.testing.assert_array_equal(display.same_label, y == y[3])
    np.testing.assert_allclose(display.effects, explainer.influence(*asked)[3])


def test_what_is_explained_without_a_label_is_the_prediction(explainer, cancer):
    X, y, _ = cancer
    removed = InfluenceScatterDisplay.from_explainer(explainer, X[:1], kind="removal")
    label = explainer.predict(X[:1])[0]
    np.testing.assert_array_equal(removed.same_label, y == label)
    np.testing.assert_allclose(removed.effects, explainer.influence(X[:1], kind="removal")[0])
    assert removed.title == f"test row 0 (explained: {label})"
    assert "change of the loss when the row is removed" in removed.effect_label
    assert "log-loss (nats); positive = helpful" in removed.effect_label


def test_a_scatter_of_a_regressor_has_no_labels():
    X, y = load_diabetes(return_X_y=True)
    options = {"target": "prediction", "test_row": 1}
    display = InfluenceScatterDisplay.from_estimator(Ridge(), X, y, X[:2], **options)
    assert display.same_label is None
    assert display.title == "test row 1"
    ax = check_drawn(display)
    assert ax.get_legend() is None
    assert "influence of upweighting the row on the prediction" in ax.get_ylabel()


def test_a_scatter_is_drawn(explainer_of_digits, digits):
    tests = digits.test_data[:5], digits.test_target[:5]
    display = InfluenceScatterDisplay.from_explainer(explainer_of_digits, *tests, test_row=3)
    ax = check_drawn(display)
    others, same = ax.collections
    for points, chosen in ((same, display.same_label), (others, ~display.same_label)):
        expected = np.stack([display.distances[chosen], display.effects[chosen]], axis=1)
        np.testing.assert_allclose(np.asarray(points.get_offsets()), expected)
    assert not np.array_equal(same.get_facecolor(), others.get_facecolor())
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["another label", "the test row's label"]
    assert "negative = helpful" in ax.get_ylabel()


@pytest.mark.parametrize("test_row", [-1, 5, 1.0, True])
def test_a_test_row_that_is_not_there(explainer_of_digits, digits, test_row):
    message = f"InfluenceScatterDisplay.from_explainer got test_row={test_row!r} with 5 test rows"
    with pytest.raises(IndexError, match=message):
        InfluenceScatterDisplay.from_explainer(
            explainer_of_digits, digits.test_data[:5], test_row=test_row
        )


def test_a_precomputed_kernel_has_no_distances(cancer):
    X, y, _ = cancer
    gram = X[:60] @ X[:60].T
    explainer = InfluenceExplainer(SVC(kernel="precomputed")).fit(gram, y[:60])
    with pytest.raises(TypeError, match="whose rows have no features; needed are features"):
        InfluenceScatterDisplay.from_explainer(explainer, gram[:1])


def test_dask_rows_are_computed_first(explainer_of_digits, digits):
    dask = pytest.importorskip("dask.array")
    rows = dask.from_array(digits.data, chunks=(500, 784))
    fitted = explainer_of_digits.estimator_
    explainer = InfluenceExplainer(fitted, prefit=True).fit(rows, digits.target)
    with pytest.raises(TypeError, match="needed are rows in memory, for a distance and a point"):
        InfluenceScatterDisplay.from_explainer(explainer, digits.test_data[:1])
