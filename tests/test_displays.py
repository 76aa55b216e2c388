"""Displays that are made from explainers and estimators: their arrays, words and pictures."""

import inspect

import displaying
import numpy as np
import pytest
from displaying import check_drawn, words
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge

import skinfluence.display
from skinfluence import InfluenceExplainer
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


@pytest.fixture
def cancer():
    return displaying.cancer()


@pytest.fixture
def many():
    return displaying.many()


@pytest.fixture
def explainer_of_many():
    return displaying.explainer_of_many()


@pytest.fixture
def digits():
    return displaying.digits()


@pytest.fixture
def explainer_of_digits():
    return displaying.explainer_of_digits()


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


def test_dollars_in_names_are_no_formulas():
    X = pytest.importorskip("pandas").DataFrame(FEW, columns=["price in $", "$\\bad{ & co$"])
    X.index = ["a $", "$\\frac{$", "c"]
    labels = np.array(["$\\sqrt{$", "1 $", "1 $"])
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, labels)
    for display, asked, options in (
        (TopInfluenceDisplay, (X[:1], labels[:1]), {"k": 1}),
        (InfluenceScatterDisplay, (X[:1], labels[:1]), {}),
        (FeatureInfluenceDisplay, (X[:1], labels[:1]), {}),
        (LabelFlipMatrixDisplay, (X[:1], labels[:1]), {}),
        (DiagnosticsDisplay, (), {}),
    ):
        drawn = display.from_explainer(explainer, *asked, **options).plot()
        drawn.figure_.canvas.draw()  # a formula that can't be read would be an error
        assert "$" in words(drawn.ax_), display
