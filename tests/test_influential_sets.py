"""``most_influential_set`` against all subsets, and against really refitted estimators."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.svm import SVC, LinearSVC
from third_party import MeanPseudoHuberRegressor
from wording import TARGETS, X, Y, raises

from skinfluence import InfluenceExplainer, functionals
from skinfluence.influential_sets import InfluentialSet, Search


def explain(model, X, y, weights=None, **options):
    return InfluenceExplainer(model, **options).fit(X, y, sample_weight=weights)


def really_without(explainer, rows, X, y, weights=None):
    """The estimator fitted without some rows, by scikit-learn alone."""
    kept = np.delete(np.arange(len(y)), rows)
    options = {} if weights is None else {"sample_weight": weights[kept]}
    return clone(explainer.estimator_).fit(X[kept], y[kept], **options)


# ------------------------------------------------------------------------ the smallest of all
def few_rows(seed, n=22):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    return X, X @ [0.15, 0.5] + rng.standard_normal(n)


def smallest_size(X, y, most=3):
    """Of the sets of rows without which the first slope has another sign, by trying all."""
    n = len(y)
    design = np.column_stack([X, np.ones(n)])
    sign = np.sign(np.linalg.lstsq(design, y, rcond=None)[0][0])
    for size in range(1, most + 1):
        for rows in combinations(range(n), size):
            kept = np.delete(np.arange(n), rows)
            if sign * np.linalg.lstsq(design[kept], y[kept], rcond=None)[0][0] < 0:
                return size
    return None


def test_greedy_finds_the_smallest_set_of_small_regressions():
    sizes = []
    for seed in range(12):
        X, y = few_rows(seed)
        smallest = smallest_size(X, y)
        result = explain(LinearRegression(), X, y).most_influential_set(
            functionals.coefficient(0), 3
        )
        assert result.flipped == (smallest is not None)
        if smallest is not None:
            assert len(result.rows) == smallest
            sizes.append(smallest)
    assert {1, 2, 3} <= set(sizes)


def test_rows_that_are_not_needed_go_back():
    X, y = few_rows(1)
    explainer = explain(LinearRegression(), X, y)
    measure = explainer._measure(functionals.coefficient(0), None, None)
    sign = np.sign(explainer.estimator_.coef_[0])
    search = Search(explainer._exact(), None, measure, float(sign))
    needed = explainer.most_influential_set(functionals.coefficient(0), 3).rows.tolist()
    others = [row for row in range(len(y)) if row not in needed][:2]
    values = sign * search.path([*others, *needed])
    assert values[-1] < 0
    pruned = search.pruned([*others, *needed])
    assert len(pruned) <= len(needed)
    assert sign * really_without(explainer, pruned, X, y).coef_[0] < 0


# ----------------------------------------------------------------------------- what comes back
def check(result, explainer, X, y, number, weights=None, tolerance=1e-6):
    """Every number of a result against real refits."""
    assert isinstance(result, InfluentialSet)
    assert_allclose(result.value_before, number(explainer.estimator_), rtol=1e-9)
    models = [
        really_without(explainer, result.rows[: i + 1], X, y, weights)
        for i in range(len(result.rows))
    ]
    expected = [number(model) for model in models]
    assert_allclose(result.values, expected, rtol=0, atol=tolerance)
    assert_allclose(result.refitted, expected[-1], rtol=1e-9, atol=1e-12)
    assert result.flipped == (result.refitted * result.value_before < 0)
    assert len(set(result.rows.tolist())) == len(result.rows) <= result.k


def by_size(coef):
    return np.argsort(np.abs(coef))


def test_sign_of_a_coefficient_of_diabetes():
    X, y = load_diabetes(return_X_y=True)
    explainer = explain(Ridge(1e-3), X, y)
    feature = int(by_size(explainer.estimator_.coef_)[0])
    result = explainer.most_influential_set(functionals.coefficient(feature), 20)
    check(result, explainer, X, y, lambda model: model.coef_[feature], tolerance=1e-4)
    assert result.flipped
    assert 1 <= len(result.rows) < 10


LOGISTIC = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-12)
BALANCED = clone(LOGISTIC).set_params(class_weight="balanced")
SQUARED = LinearSVC(C=0.01, tol=1e-12, max_iter=1_000_000, random_state=0)
HINGE = LinearSVC(loss="hinge", C=0.01, tol=1e-9, max_iter=1_000_000, random_state=0)


@pytest.mark.parametrize("model", [LOGISTIC, BALANCED, SQUARED, HINGE], ids=lambda m: repr(m)[:40])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_sign_of_a_coefficient_of_classifiers(model, weighted):
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)[:200]
    y = y[:200]
    weights = np.random.default_rng(0).uniform(0.2, 1.5, len(y)) if weighted else None
    explainer = explain(model, X, y, weights)
    feature = int(by_size(explainer.estimator_.coef_[0])[1])
    result = explainer.most_influential_set(functionals.coefficient(feature), 12)
    assert result.flipped
    tolerance = 1e-4 if model is HINGE else 1e-6
    check(result, explainer, X, y, lambda m: m.coef_[0, feature], weights, tolerance)


def test_what_a_search_chose_is_held():
    X, y = load_diabetes(return_X_y=True)
    explainer = explain(RidgeCV([0.01, 0.1, 1.0]), X, y)
    result = explainer.most_influential_set(functionals.coefficient(0), 20)
    assert result.flipped
    held = Ridge(explainer.estimator_.alpha_)
    kept = np.delete(np.arange(len(y)), result.rows)
    assert_allclose(result.refitted, held.fit(X[kept], y[kept]).coef_[0], rtol=1e-6)


@pytest.mark.parametrize("over", ["weights", "rows"])
def test_penalties_against_a_mean(over):
    data = make_data("regression", 60)
    explainer = explain(MeanPseudoHuberRegressor(0.5, mean_over=over), data.X, data.y)
    values = np.abs(explainer.estimator_.coef_)
    feature = int(values.argmin())
    result = explainer.most_influential_set(functionals.coefficient(feature), 20)
    check(result, explainer, data.X, data.y, lambda model: model.coef_[feature])


def test_a_gap_between_groups():
    rng = np.random.default_rng(0)
    data = make_data("binary", 120, n_test=200)
    groups = data.X_test[:, 0] + 5 * rng.standard_normal(200) > 0

    def parity(model):
        hits = model.predict(data.X_test)
        return hits[groups].mean() - hits[~groups].mean()

    explainer = explain(LOGISTIC, data.X, data.y)
    result = explainer.most_influential_set(
        functionals.demographic_parity(groups), 30, X=data.X_test
    )
    check(result, explainer, data.X, data.y, parity)
    assert result.flipped


def test_a_callable_and_a_pipeline():
    """The pipeline is refitted as a whole."""
    data = make_data("binary", 100)
    model = make_pipeline(StandardScaler(), clone(LOGISTIC))
    explainer = explain(model, data.X, data.y)

    def mean_value(values, y):
        return values.mean(), np.full(len(values), 1.0 / len(values))

    result = explainer.most_influential_set(mean_value, 20, X=data.X_test)
    assert result.functional == "mean_value"
    assert result.flipped
    without = really_without(explainer, result.rows, data.X, data.y)
    assert_allclose(result.refitted, without.decision_function(data.X_test).mean(), rtol=1e-6)


@pytest.mark.parametrize("precomputed", [False, True], ids=["rbf", "precomputed"])
def test_kernel_machines(precomputed):
    data = make_data("binary", 80)
    X, X_test, model = data.X, data.X_test, SVC(gamma=0.3, tol=1e-8)
    if precomputed:
        X, X_test = rbf_kernel(data.X, gamma=0.3), rbf_kernel(data.X_test, data.X, gamma=0.3)
        model.set_params(kernel="precomputed")
    explainer = explain(model, X, data.y)
    functional = functionals.prediction(0, output=1)
    result = explainer.most_influential_set(functional, 10, X=X_test)
    assert result.flipped
    kept = np.delete(np.arange(80), result.rows)
    rows, tests = (X[np.ix_(kept, kept)], X_test[:, kept]) if precomputed else (X[kept], X_test)
    value = clone(model).fit(rows, data.y[kept]).decision_function(tests)[0]
    assert_allclose(result.refitted, value, rtol=1e-6)


def test_no_set_takes_all_of_a_class():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [8.0]])
    y = np.array([0, 0, 0, 0, 1, 1])
    explainer = explain(LOGISTIC, X, y)
    result = explainer.most_influential_set(functionals.coefficient(0), 5)
    assert len(set(np.delete(y, result.rows))) == 2


# ------------------------------------------------------------------------------------ otherwise
def test_when_no_set_flips():
    X, y = load_diabetes(return_X_y=True)
    explainer = explain(LinearRegression(), X, y)
    feature = int(by_size(explainer.estimator_.coef_)[-1])
    result = explainer.most_influential_set(functionals.coefficient(feature), 3)
    assert not result.flipped
    check(result, explainer, X, y, lambda model: model.coef_[feature], tolerance=1e-4)
    assert 0 < result.refitted / result.value_before < 1
    words = ["no set of up to 3 rows was found", f"coefficient(feature={feature}", "has 3 rows"]
    assert re.search(".*".join(map(re.escape, [*words, "rows: "])), repr(result), re.DOTALL)


def test_when_no_row_helps():
    """A mean loss can't get below 0; here no row's removal lowers it."""
    X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 2.0])
    explainer = explain(LinearRegression(), X, y)

    def offset(values, y):
        return 1.0 + 0.0 * values.sum(), np.zeros(len(values))

    result = explainer.most_influential_set(offset, 2, X=X)
    assert (len(result.rows), result.flipped, result.refitted) == (0, False, 1.0)
    assert "0 rows" in repr(result)


def test_names_and_table():
    pd = pytest.importorskip("pandas")
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X.index = [f"patient {i}" for i in range(len(X))]
    explainer = explain(LinearRegression(), X, y)
    result = explainer.most_influential_set(functionals.coefficient("age"), 20)
    assert result.row_names == tuple(X.index[result.rows])
    assert f"rows: patient {result.rows[0]}" in repr(result)
    frame = result.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["name"].tolist() == list(result.row_names)
    assert_allclose(frame["value"], result.values)


def test_errors_say_what_is_needed():
    explainer = explain(LogisticRegression(), X, Y)
    for k in (0, len(Y), 1.5, True):
        with raises(ValueError, f"most_influential_set got k={k!r} with 40", "from 1 to 39"):
            explainer.most_influential_set(functionals.coefficient(0), k)
    same = np.tile([True, False], 20)
    twice = X[np.repeat(np.arange(20), 2)]
    with raises(ValueError, "got demographic_parity, which is exactly 0", "no sign to flip"):
        explainer.most_influential_set(functionals.demographic_parity(same), 3, X=twice)
    gap = functionals.demographic_parity(same)
    with raises(ValueError, "X=None for the functional 'demographic_parity'"):
        explainer.most_influential_set(gap, 3)
    for never_negative in ("accuracy", "brier_score", "roc_auc", functionals.prediction(0)):
        with raises(ValueError, "never negative", "no sign to flip", "a difference"):
            explainer.most_influential_set(never_negative, 3, X=X, y=Y)
    with raises(ValueError, "equalized_odds, the larger of two gaps", "equal_opportunity"):
        explainer.most_influential_set(functionals.equalized_odds(same), 3, X=X, y=Y)
    with raises(ValueError, "The functional 'broken' returned nan"):
        explain(Ridge(), X, TARGETS).most_influential_set(broken, 3, X=X)


def broken(values, y):
    return np.nan, values
