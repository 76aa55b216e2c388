"""Gradients in raw features against the final model really refitted, its steps held fixed."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, FastICA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from third_party import MovingAverage

from skinfluence import InfluenceExplainer

# It is warned of in tests of the words.
pytestmark = pytest.mark.filterwarnings("ignore:perturbation_gradient has no derivative")

N, N_TEST, MOVE = 160, 4, 1e-4
NUMBERS = ["age", "income", "debt"]
LOGISTIC = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-10, max_iter=200)


def make_frame():
    rng = np.random.default_rng(0)
    n = N + N_TEST
    X = pd.DataFrame(rng.standard_normal((n, 3)) * [10.0, 2.0, 1.0] + [40.0, 5.0, 0.0])
    X.columns = NUMBERS
    X["town"] = rng.choice(["north", "south", "west"], n)
    score = 0.1 * (X["age"] - 40.0) + 0.5 * X["debt"] * (X["town"] == "west") - 0.2 * X["income"]
    labels = (score + rng.standard_normal(n) > -1.0).astype(int).to_numpy()
    X.loc[rng.random(n) < 0.15, "income"] = np.nan
    return X, labels, score.to_numpy() + rng.standard_normal(n)


FRAME, LABELS, TARGETS = make_frame()
FULL = FRAME[["age", "debt"]].to_numpy()
NUMERIC = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), PolynomialFeatures(2))
COLUMNS = ColumnTransformer(
    [("numbers", NUMERIC, NUMBERS), ("town", OneHotEncoder(), ["town"])],
)
PIPELINES = {
    "columns": (make_pipeline(COLUMNS, LOGISTIC), FRAME),
    "columns, then all together": (
        make_pipeline(
            ColumnTransformer(
                [("n", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS)],
                remainder=OneHotEncoder(),
                sparse_threshold=0.0,
            ),
            SelectKBest(k=4),
            LOGISTIC,
        ),
        FRAME,
    ),
    "union": (
        make_pipeline(
            StandardScaler(),
            FeatureUnion(
                [("s", SplineTransformer(4)), ("p", PCA(2)), ("n", Normalizer())],
                transformer_weights={"s": 2.0},
            ),
            LOGISTIC,
        ),
        FULL,
    ),
    "nested": (
        make_pipeline(make_pipeline(StandardScaler(), "passthrough", PCA(2)), Ridge(tol=1e-12)),
        FULL,
    ),
    "frozen": (
        make_pipeline(FrozenEstimator(PowerTransformer().fit(FULL[:90] + 1.0)), LOGISTIC),
        FULL,
    ),
    "quantiles": (make_pipeline(QuantileTransformer(n_quantiles=40), Ridge()), FULL),
    "functions": (
        make_pipeline(
            make_union(FunctionTransformer(np.sin), FunctionTransformer()),
            FastICA(3, random_state=0),
            MovingAverage(),
            LOGISTIC,
        ),
        FULL,
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_gradient_in_raw_features_is_the_change_by_refits(name):
    pipeline, X = PIPELINES[name]
    regression = hasattr(pipeline[-1], "alpha")
    y = TARGETS if regression else LABELS
    train, test = X[:N], X[N:]
    fitted = clone(pipeline).fit(train, y[:N])
    explainer = InfluenceExplainer(fitted, prefit=True).fit(train, y[:N])
    steps, model = fitted[:-1], fitted[-1]

    def losses(rows):
        again = clone(model).fit(steps.transform(rows), y[:N])
        after = steps.transform(test)
        if regression:
            return (again.predict(after) - y[N:]) ** 2
        return -np.log(again.predict_proba(after)[np.arange(N_TEST), y[N:]])

    rows = np.argsort(explainer.self_influence())[:40:8]
    got = explainer.perturbation_gradient(test, y[N:], indices=rows)
    got *= explainer.objective_.weights.values[rows].reshape(1, -1, 1) / N
    names = list(X) if hasattr(X, "columns") else list(range(X.shape[1]))
    assert got.shape == (N_TEST, len(rows), len(names))
    expected = np.full(got.shape, np.nan)
    for place, row in enumerate(rows):
        for column, feature in enumerate(names):
            if feature == "town":
                continue
            sides = [losses(moved(train, row, feature, step)) for step in (MOVE, -MOVE)]
            expected[:, place, column] = (sides[0] - sides[1]) / (2.0 * MOVE)
    numbers = [column for column, feature in enumerate(names) if feature != "town"]
    assert np.isnan(got[:, :, [c for c in range(len(names)) if c not in numbers]]).all()
    got, expected = got[:, :, numbers], expected[:, :, numbers]
    assert_allclose(got, expected, rtol=0.0, atol=1e-3 * np.abs(expected).max())
    assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.999999
    assert abs(np.vdot(got, expected) / np.vdot(expected, expected) - 1.0) < 1e-3


def moved(X, row, feature, step):
    changed = X.copy()
    if hasattr(changed, "iloc"):
        changed.iloc[row, changed.columns.get_loc(feature)] += step
    else:
        changed[row, feature] += step
    return changed


def test_a_missing_entry_moves_nothing():
    pipeline, X = PIPELINES["columns"]
    explainer = InfluenceExplainer(pipeline).fit(X[:N], LABELS[:N])
    missing = np.flatnonzero(X["income"][:N].isna())[:3]
    got = explainer.perturbation_gradient(X[N:], LABELS[N:], indices=missing)
    assert (got[:, :, 1] == 0.0).all()
    assert (got[:, :, [0, 2]] != 0.0).all()


@pytest.mark.parametrize("store", [list, pd.Series])
def test_texts_have_no_gradient(store):
    words = np.array(["good", "bad", "fine", "awful", "film", "plot"])
    rng = np.random.default_rng(0)
    texts = store([" ".join(rng.choice(words, 4)) for _ in range(60)])
    labels = np.array([("good" in text) + 0 for text in texts])
    explainer = InfluenceExplainer(make_pipeline(TfidfVectorizer(), LogisticRegression()))
    explainer.fit(texts, labels)
    got = explainer.perturbation_gradient(texts[:2], labels[:2], indices=[0, 5, 7])
    assert got.shape == (2, 3, 1)
    assert np.isnan(got).all()
    assert np.isfinite(explainer.influence(texts[:2], labels[:2])).all()
