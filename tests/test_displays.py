"""Displays that are made from explainers and estimators: their arrays, words and pictures."""

import inspect

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import auc, average_precision_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

import skinfluence.display
from skinfluence import InfluenceExplainer
from skinfluence.datasets import load_mnist17
from skinfluence.display import (
    DiagnosticsDisplay,
    FeatureInfluenceDisplay,
    InfluenceImagesDisplay,
    InfluenceScatterDisplay,
    LabelFlipMatrixDisplay,
    RefitAgreementDisplay,
    SuspectCurveDisplay,
    TopInfluenceDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")
ALL = [getattr(skinfluence.display, name) for name in skinfluence.display.__all__]
# Three rows of two classes, with one test row; and ten thousand.
FEW, FEW_LABELS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), np.array([0, 1, 1])


@pytest.fixture(autouse=True)
def no_window():
    matplotlib.use("Agg")
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def cancer():
    """Standardised features, labels of which every tenth is wrong, and the right ones."""
    X, y = load_breast_cancer(return_X_y=True)
    given = y.copy()
    given[::10] = 1 - given[::10]
    return StandardScaler().fit_transform(X), given, y


@pytest.fixture(scope="module")
def explainer(cancer):
    return InfluenceExplainer(LogisticRegression()).fit(*cancer[:2])


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 5))
    right = (X[:, 0] + rng.logistic(size=10_000) > 0).astype(int)
    given = right.copy()
    given[:700] = 1 - given[:700]
    return X, given, right


@pytest.fixture(scope="module")
def explainer_of_many(many):
    return InfluenceExplainer(LogisticRegression()).fit(*many[:2])


@pytest.fixture(scope="module")
def digits():
    return load_mnist17()


@pytest.fixture(scope="module")
def explainer_of_digits(digits):
    return InfluenceExplainer(LogisticRegression(C=0.01)).fit(digits.data, digits.target)


def check_drawn(display, **options):
    """It draws itself with and without axes, and its words can be read."""
    from test_display import check_readable

    assert display.ax_ is display.figure_ is None
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14.0, 6.0))
    assert display.plot(ax=right, **options) is display
    assert (display.ax_, display.figure_) == (right, figure)
    assert not left.has_data()
    assert display.plot(**options) is display
    assert display.ax_ is not right
    check_readable(display.figure_)
    return display.ax_


def words(ax):
    return " ".join(text.get_text() for text in ax.figure.findobj(matplotlib.text.Text))


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


# -------------------------------------------------------------------------------- label flips
@pytest.mark.parametrize("kind", ["removal", "upweight"])
def test_flips_by_class(kind):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    model = LogisticRegression(max_iter=1000)
    explainer = InfluenceExplainer(model).fit(X, names[y])
    rows = np.arange(0, 150, 3)
    options = {"kind": kind, "indices": rows}
    tests = X[::10], names[y[::10]]
    display = LabelFlipMatrixDisplay.from_explainer(explainer, *tests, **options)
    flips = explainer.label_flip_influence(*tests, **options).mean(axis=0)
    for given in range(3):
        for other in range(3):
            expected = np.nan if given == other else flips[y[rows] == given, other].mean()
            np.testing.assert_allclose(display.effects[given, other], expected, rtol=1e-8)
    ax = check_drawn(display)
    power = int(np.floor(np.log10(np.nanmax(np.abs(display.effects)))))
    cells = {text.get_position()[::-1]: text.get_text() for text in ax.texts}
    assert len(cells) == 6
    for cell, text in cells.items():
        assert text == f"{display.effects[cell] / 10.0**power:+.2f}"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(names)
    assert ax.get_ylabel() == "given label"
    assert ax.get_xlabel() == "label that it is flipped to"
    assert "positive = the flip raises it" in words(ax)


def test_a_class_without_rows_has_no_flips():
    X, y = load_iris(return_X_y=True)
    explainer = InfluenceExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    display = LabelFlipMatrixDisplay.from_explainer(explainer, X, y, indices=np.arange(100))
    assert np.isnan(display.effects[2]).all()
    assert np.isfinite(display.effects[:2]).sum() == 4


def test_many_classes_are_not_all_named():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 30
    X = np.eye(30)[y] + 0.3 * rng.normal(size=(300, 30))
    labels = np.array([f"kind {label}" for label in y])
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, labels)
    options = {"kind": "upweight", "indices": np.arange(60)}
    display = LabelFlipMatrixDisplay.from_explainer(explainer, X[:5], **options)
    ax = check_drawn(display)
    assert not ax.texts
    assert len(ax.get_yticklabels()) == 15


def test_regressors_have_no_flips():
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(TypeError, match="got a regressor, whose targets are no labels"):
        LabelFlipMatrixDisplay.from_estimator(Ridge(), X, y, X, y)


# --------------------------------------------------------------------------- three and many
@pytest.mark.filterwarnings("ignore:1 training rows can't be exchanged")
@pytest.mark.parametrize(
    ("display", "asked", "options"),
    [
        (SuspectCurveDisplay, ([0, 1, 0],), {"by": ("loo_loss", "loss")}),
        (InfluenceScatterDisplay, (FEW[:1],), {}),
        (DiagnosticsDisplay, (), {}),
        (FeatureInfluenceDisplay, (FEW[:1], FEW_LABELS[:1]), {}),
        (LabelFlipMatrixDisplay, (FEW, FEW_LABELS), {}),
        (TopInfluenceDisplay, (FEW[:1],), {"k": 1}),
    ],
)
def test_three_rows(display, asked, options):
    check_drawn(display.from_estimator(LogisticRegression(), FEW, FEW_LABELS, *asked, **options))


def test_three_rows_leave_no_residual_variance_for_contours():
    display = DiagnosticsDisplay.from_estimator(Ridge(), FEW, np.array([0.0, 1.0, 5.0]))
    assert display.residual_dof < 1.0
    assert np.isnan(display.contour(1.0, np.ones(1))).all()
    ax = check_drawn(display)
    assert ax.get_legend() is None


def test_ten_thousand_rows(explainer_of_many, many):
    X, _, right = many
    asked = X[:3], right[:3]
    scatter = InfluenceScatterDisplay.from_explainer(explainer_of_many, *asked)
    for drawn in (scatter, DiagnosticsDisplay.from_explainer(explainer_of_many)):
        points = check_drawn(drawn).collections[0]
        assert points.get_rasterized()
        assert points.get_sizes()[0] < 10.0
    check_drawn(SuspectCurveDisplay.from_explainer(explainer_of_many, right, ["loo_loss", "loss"]))
    features = FeatureInfluenceDisplay.from_explainer(explainer_of_many, *asked)
    assert features.gradients.shape == (10, 5)
    check_drawn(features)


# ------------------------------------------------------------------------------- the doors
@pytest.mark.parametrize("display", ALL)
def test_all_have_both_doors(display):
    assert issubclass(display, object)
    for name in ("from_explainer", "from_estimator", "plot"):
        assert callable(getattr(display, name))
    assert inspect.signature(display.from_estimator).parameters.keys() >= {"estimator", "X", "y"}
    model = LogisticRegression().fit(FEW, FEW_LABELS)
    message = f"{display.__name__}.from_explainer got LogisticRegression; needed is a fitted"
    with pytest.raises(TypeError, match=message):
        display.from_explainer(model, *needed(display))
    with pytest.raises(NotFittedError):
        display.from_explainer(InfluenceExplainer(model), *needed(display))
    message = f"{display.__name__}.from_estimator got an InfluenceExplainer.*Use from_explainer"
    with pytest.raises(TypeError, match=message):
        display.from_estimator(InfluenceExplainer(model), FEW, FEW_LABELS)


def needed(display):
    return () if display is DiagnosticsDisplay else (FEW_LABELS,)


def test_a_fitted_estimator_is_taken_as_it_is(cancer):
    X, y, _ = cancer
    weights = np.where(y == 1, 2.0, 1.0)
    fitted = LogisticRegression(C=0.1).fit(X, y, sample_weight=weights)
    expected = InfluenceExplainer(fitted, prefit=True).fit(X, y, sample_weight=weights)
    table = expected.diagnostics()
    before = fitted.coef_.copy()
    for estimator in (fitted, LogisticRegression(C=0.1)):
        display = DiagnosticsDisplay.from_estimator(estimator, X, y, sample_weight=weights)
        np.testing.assert_allclose(display.leverage, table["leverage"])
    assert not hasattr(estimator, "coef_")  # a clone was fitted
    np.testing.assert_array_equal(fitted.coef_, before)


def test_bars_and_images_of_a_later_test_row(explainer_of_digits, digits):
    tests = digits.test_data[:3], digits.test_target[:3]
    explanation = explainer_of_digits.explain(*tests, k=3)
    bars = TopInfluenceDisplay.from_explainer(explainer_of_digits, *tests, test_row=2, k=3)
    same = TopInfluenceDisplay.from_explanation(explanation, 2)
    assert (bars.title, bars.names) == (same.title, same.names)
    np.testing.assert_allclose(bars.effects, same.effects)
    images = InfluenceImagesDisplay.from_explainer(explainer_of_digits, *tests, test_row=2, k=3)
    expected = InfluenceImagesDisplay.from_explanation(explanation, 2)
    assert images.test_title == expected.test_title
    np.testing.assert_array_equal(images.test_image, expected.test_image)
    assert [title for _, title in images.helpful] == [title for _, title in expected.helpful]


def test_agreement_with_refits(cancer):
    X, y, _ = cancer
    model = LogisticRegression(tol=1e-8, max_iter=1000)
    display = RefitAgreementDisplay.from_estimator(model, X, y, X[:2], y[:2], n_rows=3)
    explainer = InfluenceExplainer(model).fit(X, y)
    result = explainer.verify(X[:2], y[:2], n_rows=3)
    np.testing.assert_allclose(display.actual, result.actual.ravel(), atol=1e-10)
    assert display.plot().ax_.collections
