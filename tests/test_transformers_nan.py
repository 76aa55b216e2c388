"""Steps that jump have no derivative, and say so for their own columns alone."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)
from steps import labels, make_rows

from skinfluence.transformers import pull_back, step_vjp

NUMBERS = make_rows("plain")[0][:, :2]
WORDS = np.array([["a", "x"], ["b", "y"], ["c", "x"], ["a", "y"]] * 10, dtype=object)
TEXTS = ["red green", "blue", "green blue", "red"]
PAIRS = [{"a": 1.0, "b": 2.0}, {"a": 3.0}, {"c": 1.0}]
JUMPING = [
    (Binarizer(), NUMBERS),
    (KBinsDiscretizer(3), NUMBERS),
    (OneHotEncoder(), WORDS),
    (OrdinalEncoder(), WORDS),
    (TargetEncoder(cv=2), WORDS),
    (CountVectorizer(), TEXTS),
    (TfidfVectorizer(), TEXTS),
    (HashingVectorizer(n_features=16), TEXTS),
    (DictVectorizer(), PAIRS),
    (FeatureHasher(n_features=16), PAIRS),
]


def fit(step, X):
    quantiles = {"quantile_method"} & set(step.get_params())
    step.set_params(**dict.fromkeys(quantiles, "averaged_inverted_cdf"))
    return step.fit(X, labels()[: len(X)])


@pytest.mark.parametrize("step, X", JUMPING, ids=lambda value: type(value).__name__)
def test_jumps_have_no_derivative(step, X):
    step = fit(step, X)
    stored = {"as it is": X}
    if X is WORDS:
        stored["frame"], stored["list"] = pd.DataFrame(X), X.tolist()
    if X is TEXTS:
        stored["series"], stored["array"] = pd.Series(X), np.array(X)
    for rows in stored.values():
        width = step.transform(rows).shape[1]
        cotangents = np.zeros((2, 3, width), dtype=np.float32)
        got = pull_back([step], rows, np.array([2, 0, 1]), cotangents)
        assert got.shape == (2, 3, 2 if isinstance(X, np.ndarray) else 1)
        assert got.dtype == np.float32
        assert np.isnan(got).all()


def jump(*some):
    return ColumnTransformer([("jump", Binarizer(), list(some))], remainder="passthrough")


BEFORE = {
    "scaler": (StandardScaler(), [0]),
    "selection": (SelectKBest(k=2), None),
    "squares": (PolynomialFeatures(2, include_bias=False), [0]),
    "function": (FunctionTransformer(np.exp), [0]),
    "block": (ColumnTransformer([("p", PCA(2), [0, 1]), ("q", PCA(2), [2, 3, 4])]), [0, 1]),
}


@pytest.mark.parametrize("name", BEFORE)
def test_a_jump_further_on_spoils_what_it_depends_on_alone(name):
    """The first output of the step before jumps; the others are as they would be without it."""
    fitted, X = make_rows("plain")
    before, spoilt = BEFORE[name]
    before.fit(fitted, labels())
    if spoilt is None:
        spoilt = [np.flatnonzero(before.get_support())[0]]
    middle = before.transform(X)
    after = jump(0).fit(middle)
    rows = np.array([3, 5, 6])
    cotangents = np.random.default_rng(0).standard_normal((2, 3, middle.shape[1]))
    got = pull_back([before, after], X, rows, cotangents)
    assert_array_equal(np.isnan(got), np.isin(np.arange(5), spoilt) & np.ones((2, 3, 1), bool))
    smooth = cotangents.copy()
    smooth[:, :, 0] = 0.0
    want = step_vjp(before, X[rows], smooth)
    kept = ~np.isin(np.arange(5), spoilt)
    assert_allclose(got[:, :, kept], want[:, :, kept])


def test_nan_in_some_rows_and_cotangents_only():
    matrix = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])

    class Blocks(TransformerMixin, BaseEstimator):
        linear_map = sparse.csr_matrix(matrix)

        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return X @ matrix.T

    cotangents = np.ones((2, 2, 2))
    cotangents[0, 1, 0] = cotangents[1, 0, 1] = np.nan
    got = pull_back([make_pipeline(Blocks())], np.eye(2, 3), np.arange(2), cotangents)
    nan = np.nan
    assert_array_equal(got[0], [[1.0, 3.0, 2.0], [nan, 3.0, nan]])
    assert_array_equal(got[1], [[1.0, nan, 2.0], [1.0, 3.0, 2.0]])


def test_a_flat_step_stops_nan():
    """Nothing depends on what is selected away or clipped."""
    X = np.array([[0.0, 1.0, 5.0], [2.0, 3.0, 9.0]])
    dropped = ColumnTransformer([("keep", "passthrough", [0])]).fit(X)
    got = pull_back([dropped], X, np.arange(2), np.full((1, 2, 1), np.nan))
    assert_array_equal(got[0], [[np.nan, 0.0, 0.0]] * 2)


def test_no_rows():
    X = make_rows("plain")[0]
    steps = [StandardScaler().fit(X), PCA(2).fit(X)]
    assert pull_back(steps, X, np.array([], dtype=int), np.ones((2, 0, 2))).shape == (2, 0, 5)
