"""Displays of diagnostics, and of features by gradient."""

import displaying
import numpy as np
import pytest
from displaying import check_drawn, words
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from skinfluence import InfluenceExplainer
from skinfluence.display import (
    DiagnosticsDisplay,
    FeatureInfluenceDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")


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
def many():
    return displaying.many()


@pytest.fixture
def digits():
    return displaying.digits()


@pytest.fixture
def explainer_of_digits():
    return displaying.explainer_of_digits()


# ------------------------------------------------------------------------------ diagnostics
def ordinary(X, y):
    """Leverage, external studentized residual and Cook's distance of least squares."""
    X = np.column_stack([np.ones(len(X)), X])
    n, p = X.shape
    hat = X @ np.linalg.pinv(X)
    residuals, leverage = y - hat @ y, np.diag(hat)
    internal = residuals / np.sqrt(residuals @ residuals / (n - p) * (1.0 - leverage))
    external = internal * np.sqrt((n - p - 1) / (n - p - internal**2))
    return leverage, external, internal**2 * leverage / ((1.0 - leverage) * p)


def test_diagnostics_of_least_squares():
    X, y = load_diabetes(return_X_y=True)
    display = DiagnosticsDisplay.from_estimator(LinearRegression(), X, y, most_named=4)
    leverage, residuals, distances = ordinary(X, y)
    np.testing.assert_allclose(display.leverage, leverage)
    np.testing.assert_allclose(display.studentized_residual, residuals)
    np.testing.assert_allclose(display.cooks_distance, distances, rtol=1e-8)
    np.testing.assert_array_equal(display.named_rows, np.argsort(-distances)[:4])
    assert display.names == [f"row {row}" for row in display.named_rows]
    assert display.contour_factor == pytest.approx(1.0, abs=1e-9)
    # Each row lies on the contour of its own distance.
    on_contour = [display.contour(*pair) for pair in zip(distances, residuals, strict=True)]
    np.testing.assert_allclose(on_contour, leverage)


def test_contours_of_a_log_loss_without_penalty(many):
    X, y = many[0][:400], many[1][:400]
    model = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000)
    display = DiagnosticsDisplay.from_estimator(model, X, y)
    assert display.residual_dof is None
    pairs = zip(display.cooks_distance, display.studentized_residual, strict=True)
    np.testing.assert_allclose(
        [display.contour(*pair) for pair in pairs], display.leverage, rtol=1e-5
    )
    above = display.studentized_residual > 0
    np.testing.assert_array_equal(above, y == 1)


def test_contours_with_a_penalty_are_about_right(explainer):
    display = DiagnosticsDisplay.from_explainer(explainer)
    assert display.contour_factor < 0.9
    rows = display.named_rows
    pairs = zip(display.cooks_distance[rows], display.studentized_residual[rows], strict=True)
    at = np.array([display.contour(*pair) for pair in pairs])
    np.testing.assert_allclose(at, display.leverage[rows], rtol=0.25)
    assert "Cook's distance ≈ " in words(check_drawn(display))


def test_diagnostics_are_drawn():
    X, y = load_diabetes(return_X_y=True)
    display = DiagnosticsDisplay.from_estimator(LinearRegression(), X, y)
    ax = check_drawn(display, color="black")
    points, rings = ax.collections
    expected = np.stack([display.leverage, display.studentized_residual], axis=1)
    np.testing.assert_allclose(np.asarray(points.get_offsets()), expected)
    np.testing.assert_allclose(np.asarray(rings.get_offsets()), expected[display.named_rows])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    largest = display.cooks_distance.max()
    levels = [float(label.split()[-1]) for label in labels]
    assert len(levels) == 3
    assert largest / 2.5 < levels[0] <= largest
    distances = display.cooks_distance[display.named_rows]
    named = zip(display.names, distances, strict=True)
    shown = [text.get_text() for text in ax.texts if text.get_text()]
    assert shown == [f"{name}: Cook's D {distance:.2g}" for name, distance in named]
    assert "442 rows, 11 effective degrees of freedom" in ax.get_title()


def test_names_of_rows_that_lie_together_do_not_overlap():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
    X[-8:], y[-8:] = 4.0, 6.0 + 0.01 * np.arange(8)
    pandas = pytest.importorskip("pandas")
    names = [f"patient number {i}" for i in range(60)]
    frame = pandas.DataFrame(X, index=names, columns=["a", "b"])
    display = DiagnosticsDisplay.from_estimator(LinearRegression(), frame, y, most_named=12)
    assert all(name.startswith("patient") for name in display.names)
    check_drawn(display)


@pytest.mark.parametrize("estimator", [LinearSVC(), LogisticRegression()])
def test_models_without_studentized_residuals(estimator):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=r"output\(s\), which has no studentized residuals"):
        DiagnosticsDisplay.from_estimator(estimator.set_params(max_iter=10_000), X, y)


def test_networks_have_no_diagnostics(cancer):
    model = MLPClassifier((2,), solver="lbfgs", alpha=1.0, max_iter=500, random_state=0)
    with pytest.raises(TypeError, match="got diagnostics for MLPClassifier"):
        DiagnosticsDisplay.from_estimator(model, cancer[0][:60, :3], cancer[1][:60])


# --------------------------------------------------------------------------------- features
def test_the_strongest_rows_and_features(explainer, cancer):
    X, y, _ = cancer
    display = FeatureInfluenceDisplay.from_explainer(
        explainer, X[:5], y[:5], most_rows=7, most_features=4, per="unit"
    )
    every = explainer.perturbation_gradient(X[:5], y[:5], indices=None).mean(axis=0)
    rows = np.argsort(-np.linalg.norm(every, axis=1))[:7]
    np.testing.assert_allclose(display.gradients, every[rows])
    features = np.argsort(-np.linalg.norm(every[rows], axis=0))[:4]
    np.testing.assert_array_equal(display.strongest_features, features)
    assert display.row_names == [f"row {row} (y = {y[row]})" for row in rows]
    ax = check_drawn(display)
    np.testing.assert_allclose(ax.images[0].get_array(), every[rows][:, features])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == display.row_names
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [f"feature {j}" for j in features]
    limits = ax.images[0].get_clim()
    assert limits[0] == -limits[1]
    shown = words(ax)
    assert "n × change of the mean loss of 5 test rows,\nlog-loss (nats)" in shown
    assert "per unit of the feature;\npositive = raises it" in shown


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix, "frame"])
def test_features_of_different_units(storage):
    X, y = load_breast_cancer(return_X_y=True)
    if storage == "frame":
        storage = pytest.importorskip("pandas").DataFrame
    model = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(max_iter=1000))
    explainer = InfluenceExplainer(model).fit(storage(X), y)
    asked = storage(X[:1]), y[:1]
    raw = FeatureInfluenceDisplay.from_explainer(explainer, *asked, indices=[3, 40])
    by_model = FeatureInfluenceDisplay.from_explainer(
        explainer, *asked, indices=[3, 40], space="model", per="unit"
    )
    assert sorted(raw.row_names) == ["row 3 (y = 0)", "row 40 (y = 0)"]
    # A step of a scaled feature is a standard deviation of the raw one.
    np.testing.assert_allclose(raw.gradients, by_model.gradients, rtol=1e-6, atol=1e-12)
    assert "standard deviation of the feature" in raw.unit


def test_columns_without_a_derivative_are_left_out(cancer):
    pandas = pytest.importorskip("pandas")
    compose = pytest.importorskip("sklearn.compose")
    X, y, _ = cancer
    frame = pandas.DataFrame({"size": X[:, 0], "town": np.where(X[:, 1] > 0, "a", "b")})
    encoded = compose.make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    explainer = InfluenceExplainer(make_pipeline(encoded, LogisticRegression())).fit(frame, y)
    with pytest.warns(RuntimeWarning, match="no derivative, and so NaN, in town"):
        display = FeatureInfluenceDisplay.from_explainer(explainer, frame[:1], y[:1])
    assert [display.feature_names[j] for j in display.strongest_features] == ["size"]
    check_drawn(display)
    alone = make_pipeline(OneHotEncoder(), LogisticRegression())
    explainer = InfluenceExplainer(alone).fit(frame[["town"]], y)
    with (
        pytest.warns(RuntimeWarning, match="no derivative"),
        pytest.raises(ValueError, match=r"training rows without any derivative.*space='model'"),
    ):
        FeatureInfluenceDisplay.from_explainer(explainer, frame[["town"]][:1], y[:1])


def test_texts_have_columns_in_the_model_alone():
    texts = ["good film", "bad film", "good book", "bad book", "fine film", "poor film"] * 3
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    explainer = InfluenceExplainer(model).fit(texts, [1, 0, 1, 0, 1, 0] * 3)
    with pytest.raises(TypeError, match=r"got rows that are no columns of numbers, such as texts"):
        FeatureInfluenceDisplay.from_explainer(explainer, texts[:2], [1, 0])
    display = FeatureInfluenceDisplay.from_explainer(explainer, texts[:2], [1, 0], space="model")
    assert set(display.feature_names) <= {"bad", "book", "film", "fine", "good", "poor"}


@pytest.mark.parametrize("most_rows", [1, None])
def test_gradients_as_images(explainer_of_digits, digits, most_rows):
    tests = digits.test_data[:1], digits.test_target[:1]
    display = FeatureInfluenceDisplay.from_explainer(
        explainer_of_digits, *tests, image_shape=(28, 28), most_rows=most_rows
    )
    ax = check_drawn(display)
    n_rows = len(display.row_names)
    assert n_rows == (most_rows or 5)
    rows = [int(name.split()[1]) for name in display.row_names]
    gradients = explainer_of_digits.perturbation_gradient(*tests, indices=rows)[0]
    for place, row in enumerate(rows):
        above, below = ax.images[2 * place : 2 * place + 2]
        np.testing.assert_array_equal(above.get_array(), digits.data[row].reshape(28, 28))
        np.testing.assert_allclose(below.get_array(), gradients[place].reshape(28, 28))
    assert "per unit of the feature" in display.unit


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"most_rows": 0}, "got most_rows=0; needed is a whole number of at least 1"),
        ({"most_features": 2.5}, "got most_features=2.5; needed is a whole number"),
        ({"per": "metre"}, "got per='metre'; needed is one of"),
        ({"indices": []}, "got no training rows in indices; needed is at least one"),
        ({"image_shape": (5, 5)}, r"got image_shape=\(5, 5\) for rows of 30 features"),
        ({"image_shape": (2, 5, 3)}, "two numbers whose product is 30: grey images"),
    ],
)
def test_features_that_cannot_be_shown(explainer, cancer, options, message):
    with pytest.raises(ValueError, match=message):
        FeatureInfluenceDisplay.from_explainer(explainer, cancer[0][:1], cancer[1][:1], **options)
