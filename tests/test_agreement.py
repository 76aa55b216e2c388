"""How far predictions agree with refits, in numbers and in a picture, and what hides it."""

import pickle
import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    RidgeCV,
)
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVC
from third_party import ProbitClassifier, PseudoHuberRegressor
from verifying import BINARY, LOGISTIC, MULTI, REAL, ROWS, SVC, THREE, N, same, verify

from skinfluence import InfluenceExplainer, Verification
from skinfluence.display import RefitAgreementDisplay


# ------------------------------------------------------------------------------- agreement
@pytest.mark.parametrize(
    "model, data, target",
    [
        (Ridge(), REAL, "loss"),
        (Ridge(), REAL, "prediction"),
        (Ridge(), MULTI, "loss"),
        (RidgeClassifier(), THREE, "loss"),
    ],
)
@pytest.mark.parametrize("strategy", ["top", "random"])
def test_squared_loss_is_exact(model, data, target, strategy):
    result = verify(model, data, strategy=strategy, target=target)
    assert abs(result.correlation - 1) < 1e-6
    assert abs(result.slope - 1) < 1e-6
    same(result.predicted, result.actual)


@pytest.mark.parametrize("strategy", ["top", "random"])
@pytest.mark.parametrize(
    "model, data, correlation, slope",
    [
        (LOGISTIC, BINARY, 0.999, 0.03),
        (LOGISTIC, THREE, 0.999, 0.05),
        (SVC, BINARY, 0.99, 0.05),
    ],
)
def test_curved_losses_agree(model, data, correlation, slope, strategy):
    result = verify(model, data, strategy=strategy)
    assert correlation < result.correlation <= 1.0
    assert abs(result.slope - 1) < slope
    upweight = verify(model, data, strategy=strategy, kind="upweight")
    assert upweight.correlation > 0.98
    assert abs(upweight.slope - 1) > abs(result.slope - 1)


@pytest.mark.parametrize("model", [LOGISTIC, SVC, Ridge()])
@pytest.mark.parametrize("data", [BINARY, THREE])
@pytest.mark.parametrize("strategy", ["top", "random"])
def test_refits_by_formula_agree_with_real_ones(model, data, strategy):
    result = verify(model, data, kind="refit", strategy=strategy)
    assert abs(result.correlation - 1) < 1e-6
    assert abs(result.slope - 1) < 1e-4


@pytest.mark.parametrize("model", [PseudoHuberRegressor(), ProbitClassifier()])
def test_estimators_of_third_parties(model):
    data = BINARY if isinstance(model, ProbitClassifier) else REAL
    result = verify(model, data, strategy="top")
    assert result.correlation > 0.999
    assert abs(result.slope - 1) < 0.03


@pytest.mark.parametrize("class_weight", [None, {0: 0.7, 1: 1.6}, "balanced"])
def test_upweight_predicts_minus_weight_over_n_times_influence(class_weight):
    model = clone(LOGISTIC).set_params(class_weight=class_weight)
    explainer = InfluenceExplainer(model).fit(BINARY.X, BINARY.y, BINARY.sample_weight)
    result = explainer.verify(BINARY.X_test, BINARY.y_test, kind="upweight", strategy=ROWS)
    influence = explainer.influence(BINARY.X_test, BINARY.y_test, indices=ROWS)
    weights = explainer.objective_.weights.values[ROWS, 0]
    assert_allclose(result.predicted, -weights / N * influence)
    assert (result.kind, result.target, result.unit) == ("upweight", "loss", "log-loss (nats)")


def make_result(predicted, actual, rows=(4, 9)):
    return Verification(
        indices=np.array(rows),
        predicted=np.array(predicted),
        actual=np.array(actual),
        kind="removal",
        target="loss",
        unit="log-loss (nats)",
        n_refits=3,
        row_names=rows,
        test_names=tuple(range(len(predicted))),
    )


def test_correlation_slope_and_worst_row():
    rng = np.random.default_rng(0)
    actual = rng.standard_normal((5, 2))
    predicted = 2.0 * actual + 0.3 * rng.standard_normal((5, 2)) + 1.0
    predicted[3, 1] = 40.0
    result = make_result(predicted, actual)
    assert_allclose(result.correlation, np.corrcoef(predicted.ravel(), actual.ravel())[0, 1])
    assert_allclose(result.slope, np.polyfit(actual.ravel(), predicted.ravel(), 1)[0])
    assert result.worst_row == 9
    assert repr(result) == (
        "Verification of kind='removal' by 3 refits: 2 training rows, 5 test rows\n"
        f"change of the loss, in log-loss (nats): correlation {result.correlation:.4f}, "
        f"slope {result.slope:.3f} (predicted on actual)\n"
        f"worst: row 9 on test row 3, predicted +4.00e+01, actual {actual[3, 1]:+.2e}"
    )


def test_pairs_without_a_number_have_no_say():
    predicted = [[np.nan, 1.0], [2.0, 3.0]]
    result = make_result(predicted, [[0.0, 2.0], [np.nan, 6.0]])
    assert_allclose([result.correlation, result.slope], [1.0, 0.5])
    assert result.worst_row == 9
    assert "left out of these numbers: 2 of 4 pairs (NaN)" in repr(result)


@pytest.mark.parametrize(
    "predicted, actual, worst",
    [
        ([[1.0]], [[2.0]], 4),
        ([[np.nan, np.nan]], [[1.0, 2.0]], None),
        ([[0.1, 0.1, 0.1]], [[0.3, 0.3, 0.3]], 4),
    ],
    ids=["one pair", "no pair", "all the same"],
)
def test_agreement_that_is_not_defined(predicted, actual, worst):
    result = make_result(predicted, actual, rows=(4, 5, 6)[: len(predicted[0])])
    assert np.isnan(result.correlation)
    assert np.isnan(result.slope)
    assert result.worst_row == worst
    assert "correlation nan, slope nan" in repr(result)


def test_rows_of_leverage_1_have_no_prediction():
    X = np.column_stack([REAL.X, np.arange(N) == 7])
    X_test = np.column_stack([REAL.X_test, np.zeros(6)])
    explainer = InfluenceExplainer(LinearRegression()).fit(X, REAL.y)
    with pytest.warns(RuntimeWarning, match="leverage 1"):
        result = explainer.verify(X_test, REAL.y_test, n_rows=N)
    assert result.indices[-1] == 7  # NaN comes last
    assert np.isnan(result.predicted[:, -1]).all()
    assert_allclose([result.correlation, result.slope], 1.0)
    assert f"6 of {6 * N} pairs (NaN)" in repr(result)


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2]])
def test_the_only_row_of_a_class(labels):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 2)), np.resize(labels[:-1], 30)
    y[11] = labels[-1]
    explainer = InfluenceExplainer(LOGISTIC).fit(X, y)
    words = r"(?s)1 of the chosen rows are the only ones.*row 11.*one class less.*NaN"
    with pytest.warns(RuntimeWarning, match=words):
        result = explainer.verify(X[:4], y[:4], strategy=[2, 11, 3])
    assert_array_equal(np.isnan(result.actual), np.tile([False, True, False], (4, 1)))
    assert result.n_refits == 3
    assert result.correlation > 0.99
    with pytest.warns(RuntimeWarning, match=words):
        result = explainer.verify(X[:4], y[:4], strategy=[11])
    assert result.worst_row is None


def test_pickling():
    result = verify(LOGISTIC, BINARY)
    copied = pickle.loads(pickle.dumps(result))
    assert_array_equal(copied.actual, result.actual)
    assert repr(copied) == repr(result)
    explainer = InfluenceExplainer(LOGISTIC).fit(BINARY.X, BINARY.y, BINARY.sample_weight)
    copied = pickle.loads(pickle.dumps(explainer))
    results = [e.verify(BINARY.X_test, BINARY.y_test, n_rows=2) for e in (explainer, copied)]
    assert_array_equal(results[0].actual, results[1].actual)


# ------------------------------------------------------------------------------- the tolerance
CANCER = load_breast_cancer(return_X_y=True)
CANCER_X, CANCER_Y = scale(CANCER[0])[::2], CANCER[1][::2]
LOOSE = [
    LogisticRegression(C=100.0, max_iter=1000),
    LogisticRegression(C=100.0, solver="liblinear", tol=1e-3, random_state=0),
    LogisticRegression(C=100.0, solver="newton-cg", tol=1e-3),
    LinearSVC(C=0.01, tol=0.03, random_state=0),
    Ridge(solver="lsqr", tol=1e-3),
]


@pytest.mark.parametrize("model", LOOSE, ids=repr)
def test_a_loose_tol_is_warned_of_with_advice_that_helps(model):
    train, test = slice(10, None), slice(0, 10)

    def verified(model):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            explainer = InfluenceExplainer(model).fit(CANCER_X[train], CANCER_Y[train])
            result = explainer.verify(CANCER_X[test], CANCER_Y[test], strategy="random")
        told = [w for w in caught if "stops before its optimum" in str(w.message)]
        assert all(w.filename == __file__ for w in told)
        return result, [str(w.message) for w in told]

    result, told = verified(model)
    assert len(told) == 1
    words = (
        rf"{type(model).__name__}\(tol={model.tol:g}\) stops before its optimum, which moves the "
        r"targets by about \de-\d\d; the chosen rows change them by about \de-\d\d \(root mean "
        r"squares\), so actual and predicted changes may differ for that reason alone\. "
        r"tol=(1e-\d\d) would do, "
        r"with max_iter raised until the solver gets there\."
    )
    advised = float(re.fullmatch(words, told[0])[1])
    assert advised < model.tol
    better, told = verified(clone(model).set_params(tol=advised, max_iter=1_000_000))
    assert told == []
    assert better.correlation > result.correlation
    assert better.correlation > 0.99


def test_the_smallest_tol_is_no_advice():
    explainer = InfluenceExplainer(LogisticRegression(tol=1e-16, max_iter=3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer.fit(CANCER_X[10:], CANCER_Y[10:])
    words = r"(?s)tol=1e-16\) stops .* Raise max_iter or use another of its solvers"
    with pytest.warns(UserWarning, match=words), pytest.warns(ConvergenceWarning):
        explainer.verify(CANCER_X[:10], CANCER_Y[:10], strategy="random", n_rows=3)


@pytest.mark.parametrize("model", [Ridge(), RidgeCV(), LinearRegression(), LOGISTIC, SVC])
def test_no_warning_of_a_fit_that_is_exact_enough(model):
    data = BINARY if model in (LOGISTIC, SVC) else REAL
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verify(model, data, strategy="random")


# ------------------------------------------------------------------------------------ picture
@pytest.fixture
def pyplot():
    pytest.importorskip("matplotlib").use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")


def test_picture(pyplot):
    result = verify(LOGISTIC, BINARY, strategy="top")
    display = result.plot()
    assert isinstance(display, RefitAgreementDisplay)
    (points,) = display.ax_.collections
    expected = np.column_stack([result.actual.ravel(), result.predicted.ravel()])
    assert_allclose(points.get_offsets(), expected)
    (line,) = display.ax_.lines
    assert_array_equal(line.get_xdata(), line.get_ydata())
    assert line.get_xdata()[0] == expected.min()
    assert line.get_xdata()[1] == expected.max()
    assert "actual change of the loss" in display.ax_.get_xlabel()
    assert "log-loss (nats)" in display.ax_.get_xlabel()
    assert "predicted change of the loss" in display.ax_.get_ylabel()
    title = display.ax_.get_title()
    assert "kind='removal' against 21 refits" in title
    assert f"correlation {result.correlation:.4f}, slope {result.slope:.3f}" in title


@pytest.mark.parametrize("size", [1e-6, 1.0, 3e4])
def test_picture_is_readable(pyplot, size):
    from test_display import check_readable

    pairs = size * np.random.default_rng(0).standard_normal((2, 5, 2))
    check_readable(make_result(*pairs).plot().figure_)


def test_picture_in_given_axes(pyplot):
    figure, (left, right) = pyplot.subplots(1, 2)
    result = make_result([[np.nan, 1.0], [2.0, 3.0]], [[0.0, 2.0], [np.nan, 6.0]])
    display = RefitAgreementDisplay.from_verification(result)
    assert display.ax_ is None
    assert display.plot(right) is display
    assert (display.ax_, display.figure_) == (right, figure)
    assert len(right.collections[0].get_offsets()) == 2
    assert not left.collections
    nothing = make_result([[np.nan, np.nan]], [[1.0, 2.0]])
    assert len(nothing.plot().ax_.collections[0].get_offsets()) == 0
