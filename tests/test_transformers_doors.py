"""How others bring the derivative of a step or function, and what is said if they don't."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.impute import KNNImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from steps import STORED, make_rows
from wording import raises

from skinfluence.transformers import (
    feature_names_after,
    function_vjp,
    linear_map,
    pull_back,
    step_vjp,
)

MATRIX = np.array([[1.0, 0.0, -2.0, 0.0, 0.5], [0.0, 3.0, 0.0, 0.0, 1e-3]])
FITTED, X = make_rows("zeros")
COTANGENTS = np.random.default_rng(0).standard_normal((2, len(X), 2))


class Affine(TransformerMixin, BaseEstimator):
    def __init__(self, bend=0.0):
        self.bend = bend

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        dense = X.toarray() if sparse.issparse(X) else np.asarray(X)
        return dense @ MATRIX.T + 7.0 + self.bend * dense[:, :2] ** 2


class Declared(Affine):
    def __init__(self, linear_map=None, bend=0.0):
        self.linear_map = linear_map
        self.bend = bend


class WithMethod(Affine):
    def linear_map(self):
        return MATRIX.tolist()


class ByRegistration(Affine):
    pass


linear_map.register(ByRegistration, lambda step: MATRIX)


# ------------------------------------------------------------------------------------ linear maps
@pytest.mark.parametrize(
    "step",
    [
        Declared(MATRIX),
        Declared(sparse.csr_matrix(MATRIX)),
        Declared(sparse.coo_matrix(MATRIX)),
        Declared(aslinearoperator(MATRIX)),
        WithMethod(),
        ByRegistration(),
    ],
)
@pytest.mark.parametrize("form", ["dense", "csr", "frame", "float32"])
def test_declared_maps(step, form):
    step = step.fit(FITTED)
    got = step_vjp(step, STORED[form](X), COTANGENTS)
    assert type(got) is np.ndarray
    assert_allclose(got, COTANGENTS @ MATRIX)
    one = pull_back([step], STORED[form](X), np.array([4]), COTANGENTS[:, :1])
    assert_allclose(one, COTANGENTS[:, :1] @ MATRIX)


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix, aslinearoperator])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [2]], ids=["several rows", "one row"])
def test_a_map_of_something_else(wrap, rows):
    other = MATRIX.copy()
    other[1, 1] += 1e-4
    words = ["perturbation_gradient got from Declared", "isn't the map of its transform"]
    words += ["Needed is transform(X) = X @ A.T + constant", "Correct A", "step_vjp.register"]
    for step in (Declared(wrap(other)), Declared(wrap(MATRIX), bend=1e-4)):
        with raises(ValueError, *words):
            step_vjp(step.fit(X), X[rows] + 1.0, COTANGENTS[:, : len(rows)])


@pytest.mark.parametrize("matrix", [MATRIX.T, MATRIX[:1], MATRIX[0], sparse.csr_matrix(MATRIX.T)])
def test_a_map_of_another_shape(matrix):
    words = ["got from Declared a linear_map of shape", str(matrix.shape), "needed is (2, 5)"]
    with raises(ValueError, *words):
        step_vjp(Declared(matrix).fit(X), X, COTANGENTS)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_far_from_0_are_no_reason_to_doubt(dtype):
    """Rounding is that of the rows, not of what is left of them."""
    rng = np.random.default_rng(0)
    far = (1e4 + rng.standard_normal((60, 40))).astype(dtype)
    step = PCA(20).fit(far)
    got = step_vjp(step, far[:9], np.ones((1, 9, 20)))
    assert_allclose(got[0], np.ones((9, 20)) @ step.components_)


def test_rows_with_missing_entries_are_not_compared():
    rows = np.where(np.eye(3, 5) > 0, np.nan, 1.0)
    assert_allclose(step_vjp(Declared(MATRIX).fit(X), rows, COTANGENTS[:, :3]).shape, (2, 3, 5))


def test_an_operator_may_know_its_products_alone():
    operator = LinearOperator(
        MATRIX.shape,
        matvec=lambda x: MATRIX @ x.ravel(),
        rmatvec=lambda y: MATRIX.T @ y.ravel(),
        dtype=np.float64,
    )
    got = step_vjp(Declared(operator).fit(X), X, COTANGENTS)
    assert_allclose(got, COTANGENTS @ MATRIX)


def test_an_operator_without_transpose():
    operator = LinearOperator(MATRIX.shape, matvec=lambda x: MATRIX @ x.ravel(), dtype=float)
    with raises(ValueError, "got from Declared a linear_map without its transpose", "rmatvec"):
        step_vjp(Declared(operator).fit(X), X, COTANGENTS)


class Doubled(PCA):
    def transform(self, X):
        return 2.0 * super().transform(X)


def test_a_subclass_with_another_transform():
    with raises(ValueError, "got from Doubled a linear_map A that isn't the map of its transform"):
        step_vjp(Doubled(2).fit(FITTED), X, COTANGENTS)


# -------------------------------------------------------------------------------------- functions
def bump(X, width=1.0):
    return np.exp(-0.5 * (np.asarray(X) / width) ** 2)


@function_vjp(bump)
def bump_vjp(X, cotangents, width=1.0):
    return -cotangents * np.asarray(X) / width**2 * bump(X, width)


@pytest.mark.parametrize(
    "step, width",
    [
        (FunctionTransformer(bump), 1.0),
        (FunctionTransformer(bump, kw_args={"width": 2.0}), 2.0),
        (FunctionTransformer(partial(bump, width=3.0)), 3.0),
        (FunctionTransformer(partial(bump, width=3.0), kw_args={"width": 2.0}), 2.0),
    ],
)
@pytest.mark.parametrize("form", ["dense", "frame"])
def test_registered_functions(step, width, form):
    cotangents = np.ones((1, *X.shape))
    got = step_vjp(step.fit(STORED[form](X)), STORED[form](X), cotangents)
    assert_allclose(got[0], -X / width**2 * bump(X, width))


def double(X):
    return 2.0 * X


class Unhashable:
    __hash__ = None

    def __call__(self, X):
        return X

    def __repr__(self):
        return "Unhashable()"


@pytest.mark.parametrize(
    "func, options, name",
    [
        (double, None, "double"),
        (np.log, {"where": True}, "log, kw_args={'where': True}"),
        (np.floor, None, "floor"),
        (Unhashable(), None, "Unhashable()"),
    ],
)
def test_unknown_functions(func, options, name):
    words = ["perturbation_gradient got a pipeline with FunctionTransformer(func=" + name]
    words += ["whose derivative it does not know. It knows", "bump", "log1p"]
    words += ["skinfluence.transformers.function_vjp", "space='model'"]
    with raises(TypeError, *words):
        step_vjp(FunctionTransformer(func, kw_args=options), X, np.ones((1, *X.shape)))


# ------------------------------------------------------------------------------------ what is said
@pytest.mark.parametrize(
    "wrap",
    [
        lambda step: step,
        lambda step: make_pipeline(StandardScaler(), step),
        lambda step: FeatureUnion([("a", StandardScaler()), ("b", step)]),
        lambda step: ColumnTransformer([("a", step, [0, 1, 2, 3, 4])]),
    ],
    ids=["alone", "pipeline", "union", "columns"],
)
def test_unknown_steps(wrap):
    step = wrap(KNNImputer()).fit(FITTED)
    words = ["perturbation_gradient got a pipeline with KNNImputer, whose derivative it does not"]
    words += ["know. It knows BernoulliRBM, Binarizer", "PCA, Pipeline", "step_vjp.register"]
    words += ["declare linear_map on the step if it is affine", "space='model'"]
    with raises(TypeError, *words):
        step_vjp(step, X, np.ones((1, len(X), step.transform(X).shape[1])))


# -------------------------------------------------------------------------------- rows, and names
TEXTS = ["red green", "blue", "green blue blue", "red"]


@pytest.mark.parametrize(
    "store", [list, tuple, np.array, lambda X: np.array(X, dtype=object), pd.Series]
)
def test_texts(store):
    steps = [CountVectorizer().fit(TEXTS)]
    steps.append(TfidfTransformer().fit(steps[0].transform(TEXTS)))
    got = pull_back(steps, store(TEXTS), np.array([3, 0]), np.ones((2, 2, 3)))
    assert_array_equal(got, np.full((2, 2, 1), np.nan))
    assert pull_back(steps, store(TEXTS), np.array([], dtype=int), np.ones((2, 0, 3))).shape == (
        2,
        0,
        1,
    )


def test_rows_are_taken_by_position():
    rows = np.array([5, 0])
    step = PolynomialFeatures(2).fit(FITTED)
    cotangents = np.random.default_rng(0).standard_normal((2, 2, 21))
    want = step_vjp(step, X[rows], cotangents)
    frame = pd.DataFrame(X, index=np.arange(len(X))[::-1])
    for stored in (X, X.tolist(), frame, sparse.csr_matrix(X), sparse.coo_matrix(X)):
        assert_allclose(pull_back([step], stored, rows, cotangents), want)


def test_no_steps():
    cotangents = np.ones((1, 2, 3))
    assert pull_back([], X, np.array([0, 1]), cotangents) is cotangents


def test_names_of_the_models_inputs():
    frame = STORED["frame"](FITTED)
    scaler = StandardScaler().fit(frame)
    columns = ColumnTransformer([("s", "passthrough", [1, 0]), ("p", PCA(2), [2, 3])]).fit(frame)
    after = feature_names_after([scaler, columns], None, 4)
    assert after.dtype == object
    assert after.tolist() == ["s__b", "s__a", "p__pca0", "p__pca1"]
    assert feature_names_after([], ["u", "v"], 2).tolist() == ["u", "v"]
    assert feature_names_after([], None, 2).tolist() == ["x0", "x1"]
    assert feature_names_after([Affine()], list("abcde"), 2).tolist() == ["x0", "x1"]
    squares = PolynomialFeatures(2, include_bias=False).fit(np.ones((1, 2)))
    words = ["x0", "x1", "x0^2", "x0 x1", "x1^2"]
    assert feature_names_after([Affine(), squares], list("abcde"), 5).tolist() == words
    counts = CountVectorizer().fit(TEXTS)
    assert feature_names_after([counts], None, 3).tolist() == ["blue", "green", "red"]
