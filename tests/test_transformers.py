"""Derivatives of pipeline steps against central differences of ``transform``."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
)
from steps import SMOOTH, STORED, cotangents_for, make_rows, names_of, slopes
from test_transformers_composites import COMPOSITE
from test_transformers_nan import JUMPING

from skinfluence.transformers import linear_map, pull_back, step_vjp

CASES = [(case, form) for case in SMOOTH for form in case.forms]


def test_every_registered_step_is_here():
    kinds = {*step_vjp.registry, *linear_map.registry}
    known = {kind for kind in kinds if kind.__module__.startswith("sklearn.")}
    tried = [case.step for case in (*SMOOTH, *COMPOSITE)] + [step for step, _ in JUMPING]
    assert {kind for kind in known if not any(type(step) is kind for step in tried)} == {
        SelectorMixin
    }


@pytest.mark.parametrize("case, form", CASES, ids=names_of)
def test_step_is_the_derivative_of_transform(case, form):
    step = case.fit(form)
    rows = STORED[form](case.X)
    cotangents = cotangents_for(step, STORED[form](case.X))
    got = step_vjp(step, rows, cotangents)
    by_steps = slopes(step, case.X, form)
    want = np.einsum("mrk,rkd->mrd", cotangents, by_steps)
    assert type(got) is np.ndarray
    assert got.shape == (3, *case.X.shape)
    size = np.nanmax(np.abs(by_steps), initial=1e-3)
    assert_allclose(got, want, rtol=2.0 * case.tolerance, atol=case.tolerance * size)
    again = rows.toarray() if form == "csr" else np.asarray(rows)
    assert_array_equal(again, case.X)  # the rows are left as they were


@pytest.mark.parametrize("case", SMOOTH, ids=names_of)
def test_nan_reaches_what_depends_on_it(case):
    """Just the inputs that move an output whose cotangent is NaN."""
    step = case.fit("dense")
    cotangents = cotangents_for(step, case.X)
    unknown = np.random.default_rng(3).random(cotangents.shape) < 1.0 / cotangents.shape[2]
    rows = np.arange(len(case.X))
    got = pull_back([step], case.X, rows, np.where(unknown, np.nan, cotangents))
    by_steps = slopes(step, case.X)
    size = np.abs(by_steps).max(axis=(1, 2), keepdims=True)
    depends = np.einsum("mrk,rkd->mrd", unknown, np.abs(by_steps) > 1e-6 * size) > 0
    touched = (by_steps != 0.0) | (slopes(step, case.X, move=0.01) != 0.0)
    independent = np.einsum("mrk,rkd->mrd", unknown, touched) == 0
    assert np.isnan(got[depends]).all()
    clean = pull_back([step], case.X, rows, np.where(unknown, 0.0, cotangents))
    assert_allclose(got[independent], clean[independent], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", SMOOTH, ids=names_of)
def test_single_precision_and_integers(case):
    """Float32 goes through as such; whole numbers are read as numbers."""
    step = case.fit("dense")
    cotangents = cotangents_for(step, case.X)
    rows = np.arange(len(case.X))
    single = pull_back([step], case.X.astype(np.float32), rows, cotangents.astype(np.float32))
    assert single.dtype == np.float32
    assert single.shape == (3, *case.X.shape)
    if case.rows == "counts":
        got = pull_back([step], case.X.astype(int), rows, cotangents)
        assert_allclose(got, pull_back([step], case.X, rows, cotangents))


# ---------------------------------------------------------------------------- kinks and jumps
def test_a_row_of_zeros_has_no_norm():
    X = np.array([[0.0, 0.0], [3.0, 4.0]])
    for norm in ("l1", "l2", "max"):
        got = step_vjp(Normalizer(norm), X, np.ones((2, 2, 2)))
        assert np.isnan(got[:, 0]).all()
        assert not np.isnan(got[:, 1]).any()


def test_ties_for_the_largest_entry():
    X = np.array([[2.0, -2.0, 1.0]])
    step, cotangents = Normalizer("max"), np.array([[[1.0, 2.0, 4.0]]])
    want = np.einsum("mrk,rkd->mrd", cotangents, slopes(step, X))
    assert_allclose(step_vjp(step, X, cotangents), want, atol=1e-6)


def test_a_word_that_appears():
    """Its count has no logarithm; the others have their slopes as ever."""
    counts = np.array([[1.0, 0.0, 3.0], [2.0, 1.0, 1.0]])
    step = TfidfTransformer(sublinear_tf=True).fit(counts)
    for X in (counts, sparse.csr_matrix(counts)):
        got = step_vjp(step, X, np.ones((1, 2, 3)))
        assert_array_equal(np.isnan(got[0]), counts == 0.0)
    plain = TfidfTransformer().fit(counts)
    assert np.isnan(step_vjp(plain, np.zeros((1, 3)), np.ones((1, 1, 3)))).all()


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_tied_quantiles_jump(distribution):
    X = np.array([0.0, 1.0, 1.0, 1.0, 2.0, 4.0])[:, None]
    step = QuantileTransformer(n_quantiles=6, output_distribution=distribution).fit(X)
    new = np.array([[1.0], [1.5], [2.0], [-1.0], [5.0]])
    got = step_vjp(step, new, np.ones((1, 5, 1)))[0, :, 0]
    assert np.isnan(got[0])
    assert_allclose(got[1:], slopes(step, new)[1:, 0, 0], rtol=1e-5)
    assert (got[3:] == 0.0).all()


@pytest.mark.parametrize("n", [37, 100, 1001])
def test_training_rows_are_on_knots(n):
    """Percentiles are off the rows by rounding; the mean of both sides is meant even so."""
    X = np.random.default_rng(0).lognormal(sigma=2.0, size=(n, 1))
    step = QuantileTransformer(n_quantiles=n).fit(X)
    ranks = X[:, 0].argsort()
    gaps = np.diff(X[ranks, 0])
    sides = np.r_[0.0, 1.0 / (n - 1) / gaps, 0.0]
    got = step_vjp(step, X, np.ones((1, n, 1)))[0, ranks, 0]
    assert_allclose(got, 0.5 * (sides[1:] + sides[:-1]), rtol=1e-6)


def test_ends_of_the_normal_distribution_are_cut_off():
    X = np.linspace(0.0, 1.0, 30)[:, None] ** 2
    step = QuantileTransformer(n_quantiles=30, output_distribution="normal").fit(X)
    ends = X[[0, -1]]
    assert_array_equal(step_vjp(step, ends, np.ones((1, 2, 1))), 0.0)
    assert_array_equal(slopes(step, ends, move=1e-8), 0.0)


def test_quantiles_of_sparse_rows():
    fitted, X = (np.abs(rows) for rows in make_rows("zeros"))
    step = QuantileTransformer(n_quantiles=10).fit(sparse.csr_matrix(fitted))
    cotangents = np.ones((1, *X.shape))
    got = step_vjp(step, sparse.csr_matrix(X), cotangents)[0]
    want = np.diagonal(slopes(step, X + (X == 0.0)), axis1=1, axis2=2)
    assert_allclose(got[X > 0.0], want[X > 0.0], rtol=1e-6)
    assert np.isnan(got[X == 0.0]).all()  # more than one quantile is 0


@pytest.mark.parametrize("missing", [np.nan, -1.0])
def test_a_missing_entry_has_derivative_0(missing):
    X = np.array([[1.0, missing], [2.0, 5.0], [missing, 6.0]])
    step = SimpleImputer(missing_values=missing, add_indicator=True).fit(X)
    got = step_vjp(step, X, np.ones((1, 3, 4)))
    assert_array_equal(got[0], [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    "strategy, mark",
    [("mean", mark) for mark in (np.nan, pd.NA, -1)]
    + [("most_frequent", mark) for mark in (np.nan, pd.NA, -1, None)],
)
def test_numbers_among_objects(strategy, mark):
    """Missing is what the imputer takes for it: to numbers, or as they are."""
    X = np.array([[1.0, 4.0], [2.0, 4.0], [2.0, mark]], dtype=object)
    step = SimpleImputer(strategy=strategy, missing_values=mark)
    rows = pd.DataFrame(X).astype("Int64") if mark is pd.NA else X
    got = step_vjp(step.fit(rows), rows, np.ones((1, 3, 2)))
    assert_array_equal(got[0], [[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])


def test_none_is_no_number():
    X = np.array([[1.0], [None]], dtype=object)
    assert_array_equal(step_vjp(SimpleImputer().fit(X), X, np.ones((1, 2, 1)))[0], [[1.0], [0.0]])


def test_first_and_last_knot_are_kinks():
    """Half of the slope inside, as the value stays constant outside."""
    X = np.linspace(0.0, 1.0, 20)[:, None]
    step = SplineTransformer(4, 3).fit(X)
    inside = SplineTransformer(4, 3, extrapolation="error").fit(X)
    cotangents = np.ones((1, 2, 6)) * np.arange(6.0)
    ends = X[[0, -1]]
    half = step_vjp(step, ends, cotangents)
    assert_allclose(half, 0.5 * step_vjp(inside, ends, cotangents), rtol=1e-5)
    clipped = MinMaxScaler(clip=True).fit(X * 3.0 + 0.1)
    got = step_vjp(clipped, ends * 3.0 + 0.1, np.ones((1, 2, 1)))
    assert_allclose(got[0, :, 0], 0.5 / 3.0)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("extrapolation", ["constant", "linear", "continue"])
def test_tied_knots(degree, extrapolation):
    """Quantiles of values that repeat: kinks where rows are, and jumps."""
    counts = np.random.default_rng(0).poisson(1.0, 80)[:, None] + 0.0
    step = SplineTransformer(6, degree, knots="quantile", extrapolation=extrapolation).fit(counts)
    X = np.unique(np.r_[counts[:, 0], 0.37, 1.2, 2.9])[:, None]
    by_steps = slopes(step, X)[:, :, 0]
    jumps = (np.abs(by_steps) > 1e4).any(axis=1)
    cotangents = np.repeat(np.eye(by_steps.shape[1])[:, None, :], len(X), axis=1)
    got = step_vjp(step, X, cotangents)[:, :, 0].T
    assert_array_equal(np.isnan(got).any(axis=1), jumps)
    assert_allclose(got[~jumps], by_steps[~jumps], atol=2e-5)
    assert jumps.any() == (degree == 1 or extrapolation == "continue")


def test_steps_of_degree_0_jump_at_a_knot():
    step = SplineTransformer(3, 0).fit(np.array([[0.0], [2.0]]))
    got = step_vjp(step, np.array([[0.5], [1.0]]), np.ones((1, 2, 2)))
    assert_array_equal(got[0], [[0.0], [np.nan]])


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("method", ["yeo-johnson", "box-cox"])
def test_powers_of_skewed_columns(method, scale):
    """Where the powers saturate, too."""
    rng = np.random.default_rng(0)
    X = scale * np.column_stack([rng.pareto(0.9, 200) + 1.0, 3.0 - rng.random(200) ** 3])
    step = PowerTransformer(method).fit(X)
    got = step_vjp(step, X, np.ones((1, 200, 2)))[0]
    moves = 1e-3 * X
    change = [step.transform(X + side * moves) for side in (1.0, -1.0)]
    want = (change[0] - change[1]) / (2.0 * moves)
    assert_allclose(got, want, rtol=2e-3, atol=1e-6 * np.abs(want).max())


@pytest.mark.parametrize(
    "function, x",
    [(np.log, 0.0), (np.log, -1.0), (np.sqrt, 0.0), (np.cbrt, 0.0), (np.reciprocal, 0.0),
     (np.sign, 0.0), (np.arcsin, 1.0), (np.log1p, -1.0), (np.arctanh, 1.0)],
)  # fmt: skip
def test_no_slope(function, x):
    got = step_vjp(FunctionTransformer(function), np.array([[x, 0.5]]), np.ones((1, 1, 2)))
    assert_array_equal(np.isnan(got), [[[True, False]]])


def test_mean_of_the_slopes_at_a_kink():
    got = step_vjp(FunctionTransformer(np.abs), np.array([[-2.0, 0.0, 2.0]]), np.ones((1, 1, 3)))
    assert_array_equal(got, [[[-1.0, 0.0, 1.0]]])
