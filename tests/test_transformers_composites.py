"""Steps made of steps: every way to name columns, weights, nesting."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)
from steps import NAMES, STORED, Step, cotangents_for, make_rows, names_of, outputs, slopes

from skinfluence.transformers import pull_back, step_vjp

SCALER = StandardScaler(with_mean=False)
SPARSE, ARRAYS, FRAME = ("dense", "csr", "frame"), ("dense", "csr"), ("frame",)


def columns(*chosen, **options):
    """A ColumnTransformer that does something else to each choice of columns."""
    steps = [SCALER, PolynomialFeatures(2), Normalizer()]
    parts = [(f"part{i}", step, some) for i, (step, some) in enumerate(zip(steps, chosen))]  # noqa: B905
    return ColumnTransformer(parts, **options)


WEIGHTS = {"part0": 2.0, "remainder": -0.5}
COMPOSITE = [
    Step(columns([0, 2], [1, 2]), "zeros", SPARSE),
    Step(columns([3, 1], [4], remainder="passthrough"), "zeros", SPARSE),
    Step(columns([3, 1], [4], remainder=SCALER, transformer_weights=WEIGHTS), "zeros", SPARSE),
    Step(columns([-1, -5], slice(0, 2), remainder="passthrough"), "zeros", SPARSE),
    Step(columns(slice(None, 2), slice(-2, None)), "zeros", SPARSE),
    Step(columns([True, False, True, False, False], lambda X: [2, 3]), "zeros", SPARSE),
    Step(columns([], [4], remainder="passthrough"), "zeros", SPARSE),
    Step(columns([0, 0], [1], remainder="drop"), "zeros", ARRAYS),
    Step(columns([], [], []), "zeros", SPARSE),
    Step(columns(["e", "b"], ["b", "a"], ["c", "d"]), "plain", FRAME),
    Step(columns(slice("b", "d"), ["a"], remainder="passthrough"), "zeros", FRAME),
    Step(columns(slice("b", None), slice(None, "a")), "zeros", FRAME),
    Step(columns(pd.Index(["d"]), make_column_selector("a|e"), remainder=SCALER), "zeros", FRAME),
    Step(columns(["a"], remainder="passthrough", transformer_weights=WEIGHTS), "zeros", FRAME),
    Step(columns(np.array([True] * 3 + [False] * 2), remainder="passthrough"), "zeros", FRAME),
    Step(
        ColumnTransformer(
            [("p", "passthrough", [1, 0]), ("d", "drop", [2]), ("s", SCALER, [0, 2])],
            transformer_weights={"p": 3.0},
        ),
        "zeros",
        SPARSE,
    ),
    Step(FeatureUnion([("s", SCALER), ("d", "drop"), ("p", "passthrough")]), "zeros", SPARSE),
    Step(
        FeatureUnion(
            [("n", Normalizer()), ("q", PolynomialFeatures(2))], transformer_weights={"q": -2.0}
        ),
        "zeros",
        SPARSE,
    ),
    Step(make_pipeline(SCALER, "passthrough", PolynomialFeatures(2), PCA(4))),
    Step(Pipeline([("s", SCALER), ("n", None), ("f", Normalizer())]), "zeros", SPARSE),
    Step(Pipeline([("n", "passthrough")])),
    Step(FrozenEstimator(StandardScaler().fit(make_rows("plain")[0]))),
    Step(
        make_union(
            make_pipeline(StandardScaler(), columns([1], [2, 3], remainder=PCA(2))),
            make_pipeline(SimpleImputer(), make_union(SplineTransformer(4), "passthrough")),
        )
    ),
]
CASES = [(case, form) for case in COMPOSITE for form in case.forms]


@pytest.mark.parametrize("case, form", CASES, ids=names_of)
def test_composite_is_the_derivative_of_transform(case, form):
    step = case.fit(form)
    cotangents = cotangents_for(step, STORED[form](case.X))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "error", FutureWarning
        )  # the remainder's columns, in scikit-learn 1.6
        got = step_vjp(step, STORED[form](case.X), cotangents)
    want = np.einsum("mrk,rkd->mrd", cotangents, slopes(step, case.X, form))
    assert got.shape == (3, *case.X.shape)
    assert_allclose(got, want, rtol=2e-6, atol=1e-6 * max(np.abs(want).max(), 1e-3))


@pytest.mark.parametrize("case, form", CASES, ids=names_of)
def test_nan_stays_in_its_columns(case, form):
    step = case.fit(form)
    cotangents = cotangents_for(step, STORED[form](case.X), 1)
    by_steps = slopes(step, case.X, form)
    rows = np.arange(len(case.X))
    for output in range(0, cotangents.shape[2], 3):
        unknown = cotangents.copy()
        unknown[:, :, output] = np.nan
        got = pull_back([step], STORED[form](case.X), rows, unknown)
        assert_array_equal(np.isnan(got[0]), np.abs(by_steps[:, output]) > 1e-9)


# -------------------------------------------------------------------------------- mixed columns
def mixed(X):
    words = ["red", "green", "blue"]
    frame = pd.DataFrame(X.copy(), columns=NAMES)
    frame.insert(2, "colour", [words[i % 3] for i in range(len(X))])
    frame["text"] = [f"{words[i % 2]} {words[i % 3]}" for i in range(len(X))]
    return frame


MIXED = ColumnTransformer(
    [
        ("numbers", make_pipeline(StandardScaler(), PolynomialFeatures(2)), ["a", "b", "d"]),
        ("bins", SplineTransformer(4), ["a"]),
        ("colour", OneHotEncoder(), ["colour"]),
        ("text", TfidfVectorizer(), "text"),
        ("gone", "drop", ["c"]),
    ],
    remainder="passthrough",
)


@pytest.mark.parametrize("sparse_threshold", [0.0, 1.0])
def test_numbers_categories_and_texts(sparse_threshold):
    fitted, X = make_rows("plain")
    step = MIXED.set_params(sparse_threshold=sparse_threshold).fit(mixed(fitted))
    assert sparse.issparse(step.transform(mixed(X))) == (sparse_threshold > 0.0)
    cotangents = cotangents_for(step, mixed(X))
    got = pull_back([step], mixed(X), np.arange(len(X)), cotangents)
    names = list(mixed(X))
    assert got.shape == (3, len(X), len(names))
    for column, name in enumerate(names):
        if name in ("colour", "text"):
            assert np.isnan(got[:, :, column]).all()
            continue
        sides = []
        for move in (1e-6, -1e-6):
            moved = mixed(X)
            moved[name] += move
            sides.append(outputs(step, moved))
        want = np.einsum("mrk,rk->mr", cotangents, (sides[0] - sides[1]) / 2e-6)
        assert_allclose(got[:, :, column], want, rtol=2e-6, atol=1e-6)


def test_columns_by_position_of_an_array_of_objects():
    fitted, X = make_rows("plain")
    by_name = MIXED.set_params(sparse_threshold=0.3).fit(mixed(fitted))
    cotangents = cotangents_for(by_name, mixed(X))
    want = step_vjp(by_name, mixed(X), cotangents)
    positions = {name: place for place, name in enumerate(mixed(X))}
    parts = [
        (name, step, positions[some] if isinstance(some, str) else [positions[c] for c in some])
        for name, step, some in MIXED.transformers
    ]
    step = ColumnTransformer(parts, remainder="passthrough").fit(mixed(fitted).to_numpy())
    for rows in (mixed(X).to_numpy(), mixed(X).to_numpy().tolist()):
        assert_allclose(step_vjp(step, rows, cotangents), want)


def test_columns_of_a_frame_count_by_name():
    """As in ``transform``: in another order, with others among them."""
    fitted, X = make_rows("plain")
    step = columns(["e", "b"], [0, 3]).fit(STORED["frame"](fitted))
    frame = STORED["frame"](X)
    cotangents = cotangents_for(step, frame)
    want = step_vjp(step, frame, cotangents)
    other = frame[list("ecadb")].assign(z=1.0)
    got = step_vjp(step, other, cotangents)
    assert_allclose(got[:, :, [2, 4, 1, 3, 0]], want)
    assert_array_equal(got[:, :, 5], 0.0)


def test_frames_between_steps():
    fitted, X = make_rows("plain")
    names = columns(["a", "c"], ["b"])
    steps = make_pipeline(StandardScaler(), names).set_output(transform="pandas")
    steps.fit(STORED["frame"](fitted))
    plain = make_pipeline(StandardScaler(), columns([0, 2], [1])).fit(fitted)
    cotangents = cotangents_for(plain, X)
    got = step_vjp(steps, STORED["frame"](X), cotangents)
    assert_allclose(got, step_vjp(plain, X, cotangents))


def test_texts_that_are_filled_in():
    """Columns of texts have no derivative; numbers beside them do."""
    frame = pd.DataFrame({"n": [1.0, np.nan, 3.0], "s": ["u", None, "v"]}, dtype=object)
    imputer = SimpleImputer(strategy="most_frequent", missing_values=None)
    step = ColumnTransformer(
        [
            ("n", SimpleImputer(), ["n"]),
            ("s", make_pipeline(imputer, OneHotEncoder(sparse_output=False)), ["s"]),
        ]
    ).fit(frame)
    got = step_vjp(step, frame, np.ones((1, 3, 3)))
    assert_array_equal(got[0], [[1.0, np.nan], [0.0, np.nan], [1.0, np.nan]])
    lists = [[1.0, "u"], [2.0, None], [1.0, "v"]]
    both = SimpleImputer(strategy="most_frequent", missing_values=None).fit(lists)
    assert_array_equal(step_vjp(both, lists, np.ones((1, 3, 2)))[0, :, 1], [np.nan] * 3)
    alone = SimpleImputer(strategy="constant", fill_value="?").fit(frame[["s"]])
    assert np.isnan(step_vjp(alone, frame[["s"]].iloc[1:2], np.ones((1, 1, 1)))).all()


def test_a_function_of_one_column():
    fitted, X = make_rows("positive")
    step = ColumnTransformer(
        [
            ("log", FunctionTransformer(np.log1p), ["a", "c"]),
            ("exp", FunctionTransformer(np.exp), [1]),
        ]
    ).fit(STORED["frame"](fitted))
    cotangents = cotangents_for(step, STORED["frame"](X))
    got = step_vjp(step, STORED["frame"](X), cotangents)
    want = np.einsum("mrk,rkd->mrd", cotangents, slopes(step, X, "frame"))
    assert_allclose(got, want, rtol=1e-6, atol=1e-8)
