"""Regression diagnostics where they have limits, and the tables that they come in."""

from __future__ import annotations

import sys
import warnings
from functools import partial

import numpy as np
import pytest
from diagnosing import (
    BINARY,
    COLUMNS,
    MULTI_OUTPUT,
    REGRESSION,
    THREE_CLASSES,
    WEIGHTS,
    N,
    assert_columns,
    logistic,
    names,
    ridge_smoother,
    table,
)
from numpy.testing import assert_allclose, assert_array_equal
from rows import make_data
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from wording import raises

from skinfluence import InfluenceExplainer


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


# ---------------------------------------------------------------------------- where it has limits
def test_rows_of_leverage_1():
    X = np.hstack([REGRESSION.X, (np.arange(N) == 7)[:, None]])
    explainer = InfluenceExplainer(LinearRegression()).fit(X, REGRESSION.y)
    with pytest.warns(RuntimeWarning, match=r"1 training rows .*\[7\].* leverage 1.*NaN.*damping"):
        found = explainer.diagnostics(dfbetas=True)
    names = found.dtype.names if isinstance(found, np.ndarray) else found.columns
    got = {name: np.asarray(found[name]) for name in names}
    assert_allclose(got["leverage"][7], 1.0)
    others = np.arange(N) != 7
    for name in names[1:]:
        assert np.isnan(got[name][7])
        assert not np.isnan(got[name][others]).any()
    # The others are as without that row and its column, with the same degrees of freedom.
    alone = table(LinearRegression(), REGRESSION.X[others], REGRESSION.y[others])
    assert_allclose(got["dffits"][others], alone["dffits"], rtol=1e-9)


def test_rows_of_leverage_1_of_several_outputs():
    X = np.hstack([MULTI_OUTPUT.X, (np.arange(N) == 7)[:, None]])
    explainer = InfluenceExplainer(LinearRegression()).fit(X, MULTI_OUTPUT.y)
    with pytest.warns(RuntimeWarning, match="leverage 1"):
        found = explainer.diagnostics()
    assert_array_equal(np.flatnonzero(np.isnan(found["cooks_distance"])), [7])
    assert_allclose(found["leverage"][7], 3.0)


@pytest.mark.parametrize("start", range(6))
def test_too_few_rows_for_a_variance_without_one(start):
    X, y = REGRESSION.X[start : start + 6], REGRESSION.y[start : start + 6]
    explainer = InfluenceExplainer(LinearRegression()).fit(X, y)
    with pytest.warns(RuntimeWarning, match="6 training rows .*degrees of freedom.*NaN"):
        found = explainer.diagnostics(dfbetas=True)
    assert np.isfinite(found["cooks_distance"]).all()
    for name in ("dffits", "studentized_residual", "dfbetas_x0"):
        assert np.isnan(found[name]).all()


def test_a_row_of_weight_0_takes_no_degree_of_freedom():
    X, y, weights = REGRESSION.X[:7], REGRESSION.y[:7], np.append(np.ones(6), 0.0)
    with pytest.warns(RuntimeWarning, match="^6 training rows .*degrees of freedom"):
        got = table(LinearRegression(), X, y, weights)
    for name in COLUMNS[2:]:
        assert_array_equal(np.isnan(got[name]), weights > 0)


@pytest.mark.parametrize("start", range(6))
def test_as_many_rows_as_parameters(start):
    X, y = REGRESSION.X[start : start + 5], REGRESSION.y[start : start + 5]
    explainer = InfluenceExplainer(LinearRegression()).fit(X, y)
    with pytest.warns(RuntimeWarning, match="5 training rows .*leverage 1") as caught:
        found = explainer.diagnostics(dfbetas=True)
    assert len(caught) == 1
    assert_allclose(found["leverage"], 1.0)
    for name in [*COLUMNS[1:], *names(4, True)]:
        assert np.isnan(found[name]).all()


@pytest.mark.parametrize("outlier", range(8))
def test_an_outlier_of_an_exact_fit(outlier):
    """Without it nothing is left but rounding."""
    X = np.arange(8.0)[:, None]
    y = X[:, 0] / 3.0 + 4.0 * (np.arange(8) == outlier)
    words = rf"^1 training rows .*\[{outlier}\].* no residual variance"
    with pytest.warns(RuntimeWarning, match=words):
        got = table(LinearRegression(), X, y)
    for name in COLUMNS[2:]:
        assert_array_equal(np.isnan(got[name]), np.arange(8) == outlier)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_interpolation(fit_intercept):
    """Numbers, and right ones, as long as they can be told from rounding."""
    data = make_data("regression", 20, d=50)
    model = partial(Ridge, fit_intercept=fit_intercept, solver="svd")
    smoother = ridge_smoother(data.X, data.y, None, 1e-3, fit_intercept, estimated=True)
    expected = dict(zip(COLUMNS + names(50, fit_intercept), smoother.by_refits(), strict=True))
    assert_columns(table(model(1e-3), data.X, data.y), expected, 1e-5)
    with pytest.warns(RuntimeWarning, match="^20 training rows .*interpolates"):
        got = table(model(1e-7), data.X, data.y)
    assert np.isnan(got["studentized_residual"]).all()
    assert np.isfinite(got["cooks_distance"]).all()


def test_an_overwhelming_penalty():
    X, y = REGRESSION.X, REGRESSION.y
    got = table(Ridge(1e20, fit_intercept=False, solver="svd"), X, y)
    assert all((got[name] >= 0).all() for name in ("leverage", "cooks_distance"))
    without = [np.sqrt(np.mean(np.delete(y, i) ** 2)) for i in range(N)]
    assert_allclose(got["studentized_residual"], y / without, rtol=1e-9)


def test_dfbetas_need_one_output_and_a_likelihood():
    for model, data, loss in [
        (Ridge(), MULTI_OUTPUT, "SquaredError of 3 output(s)"),
        (logistic(), THREE_CLASSES, "SoftmaxLogLoss of 2 output(s)"),
        (LinearSVC(), BINARY, "SquaredHinge of 1 output(s)"),
    ]:
        explainer = InfluenceExplainer(model).fit(data.X, data.y)
        needed = (
            "needed are coefficients of features, one output and a loss with standard errors",
            "parameter_influence",
        )
        with raises(ValueError, "InfluenceExplainer.diagnostics", "dfbetas=True", loss, *needed):
            explainer.diagnostics(dfbetas=True)


def test_before_fit():
    for ask in (InfluenceExplainer.diagnostics, InfluenceExplainer.effective_dof):
        with pytest.raises(NotFittedError):
            ask(InfluenceExplainer(Ridge()))


# -------------------------------------------------------------------------------------- tables
def test_a_training_index_is_kept(pd):
    index = pd.Index([f"row {i}" for i in range(N)], name="row")
    X = pd.DataFrame(REGRESSION.X, columns=["a", "b", "intercept", "d"], index=index)
    explainer = InfluenceExplainer(make_pipeline(StandardScaler(), Ridge())).fit(X, REGRESSION.y)
    found = explainer.diagnostics(dfbetas=True)
    assert found.index.equals(index)
    assert found.columns[:4].tolist() == COLUMNS
    assert found.columns[4:].tolist() == names(4, True)  # the scaler's output has no names
    assert found.attrs["effective_dof"] == explainer.effective_dof()
    found = InfluenceExplainer(Ridge()).fit(X, REGRESSION.y).diagnostics(dfbetas=True)
    expected = ["dfbetas_a", "dfbetas_b", "dfbetas_intercept", "dfbetas_d", "dfbetas_intercept_"]
    assert found.columns[4:].tolist() == expected
    plain = table(Ridge(), REGRESSION.X, REGRESSION.y)
    assert_allclose(found["dfbetas_intercept_"], plain["dfbetas_intercept"])


def test_rows_are_counted_without_an_index(pd):
    for X in (REGRESSION.X, REGRESSION.X.tolist(), sparse.csr_matrix(REGRESSION.X)):
        found = InfluenceExplainer(Ridge()).fit(X, REGRESSION.y).diagnostics()
        assert found.index.equals(pd.RangeIndex(N))
        assert found.columns.tolist() == COLUMNS


def test_without_pandas_the_table_is_a_structured_array(monkeypatch):
    explainer = InfluenceExplainer(Ridge()).fit(REGRESSION.X, REGRESSION.y)
    expected = table(Ridge(), REGRESSION.X, REGRESSION.y)
    monkeypatch.setitem(sys.modules, "pandas", None)
    found = explainer.diagnostics(dfbetas=True)
    assert type(found) is np.ndarray
    assert found.shape == (N,)
    assert found.dtype.names == tuple(expected)
    for name, values in expected.items():
        assert_array_equal(found[name], values)
    assert explainer.diagnostics().dtype.names == tuple(COLUMNS)


def test_nothing_is_warned_of_without_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table(Ridge(), REGRESSION.X, REGRESSION.y, WEIGHTS * (WEIGHTS > 0.3))
        table(LinearSVC(), BINARY.X, BINARY.y)
