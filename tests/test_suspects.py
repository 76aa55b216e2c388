"""Which labels and targets are probably wrong."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from skinfluence import InfluenceExplainer
from skinfluence.label_noise import (
    pooled_probabilities,
    transition_matrix,
    true_label_probabilities,
)
from skinfluence.suspects import ALWAYS, ROUNDS


def cancer(seed: int = 0, rate: float = 0.1, only: int | None = None):
    """Standardised rows, labels of which some are flipped (of one class), and which."""
    X, y = load_breast_cancer(return_X_y=True)
    rng = np.random.default_rng(seed)
    candidates = np.arange(len(y)) if only is None else np.flatnonzero(y == only)
    wrong = rng.choice(candidates, int(rate * len(y)), replace=False)
    flipped = y.copy()
    flipped[wrong] = 1 - y[wrong]
    return StandardScaler().fit_transform(X), flipped, flipped != y


MODEL = LogisticRegression(tol=1e-8, max_iter=1000)


def test_label_noise_is_three_weighted_refits():
    """Scikit-learn's own refits, and really leaving every row out."""
    X, y, _ = cancer()
    X, y = X[:40, :6], y[:40]
    model = LogisticRegression(C=0.1, tol=1e-10, solver="newton-cholesky")

    def unseen(weights):
        left_out = []
        for i in range(len(y)):
            kept = np.delete(np.arange(len(y)), i)
            left_out.append(
                clone(model).fit(X[kept], y[kept], weights[kept]).predict_proba(X[i : i + 1])[0]
            )
        return np.array(left_out)

    p, rows = unseen(np.ones(len(y))), np.arange(len(y))
    as_it_is = 0.5 * (clone(model).fit(X, y).predict_proba(X) + p)
    for _ in range(ROUNDS):
        right = true_label_probabilities(p, y, transition_matrix(p, y))[rows, y]
        p = unseen(np.maximum(right, 1e-6))
    doubting = true_label_probabilities(p, y, transition_matrix(p, y))
    expected = 1.0 - pooled_probabilities(doubting, as_it_is)[rows, y]
    table = InfluenceExplainer(model).fit(X, y).rank_suspects()
    got = np.empty(len(y))
    got[table["position"]] = table["score"]
    # One Newton step for each row.
    assert np.corrcoef(got, expected)[0, 1] > 0.9999
    assert abs(np.polyfit(expected, got, 1)[0] - 1.0) < 0.01


# ------------------------------------------------------------------------------- criteria
def scores_of(table, name="score"):
    result = np.empty(len(table))
    result[np.asarray(table["position"])] = table[name]
    return result


def test_scores_are_what_the_other_questions_say():
    X, y, _ = cancer()
    explainer = InfluenceExplainer(MODEL).fit(X, y)
    rows = np.arange(len(y))
    own = {
        "loo_loss": -np.log(explainer.loo_predict_proba()[rows, y]),
        "loss": -np.log(explainer.predict_proba(X)[rows, y]),
        "self_influence": -explainer.self_influence(),
        "test_influence": explainer.influence(X[:50], y[:50]).mean(axis=0),
    }
    for by, expected in own.items():
        tests = {"X_test": X[:50], "y_test": y[:50]} if by == "test_influence" else {}
        table = explainer.rank_suspects(by=by, **tests)
        np.testing.assert_allclose(scores_of(table), expected, rtol=1e-9, atol=1e-12, err_msg=by)
        assert (np.diff(table["score"]) <= 0).all()
        for name in set(ALWAYS) - {by}:
            found = scores_of(table, f"rank_{name}").astype(int)
            np.testing.assert_array_equal(np.argsort(found), np.argsort(-own[name], kind="stable"))


def test_columns_of_labels():
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    X.index = [f"flower {i}" for i in range(len(X))]
    explainer = InfluenceExplainer(MODEL).fit(X, names)
    table = explainer.rank_suspects(by="loo_loss", k=10)
    assert list(table.columns) == [
        "row", "position", "given_label", "suggested_label", "given_probability",
        "suggested_probability", "score", "rank_loss", "rank_self_influence",
    ]  # fmt: skip
    unseen, positions = explainer.loo_predict_proba(), table["position"].to_numpy()
    assert list(table["row"]) == [f"flower {i}" for i in positions]
    assert list(table["given_label"]) == list(names[positions])
    assert list(table["suggested_label"]) == list(explainer.classes_[unseen[positions].argmax(1)])
    np.testing.assert_allclose(table["suggested_probability"], unseen[positions].max(axis=1))
    np.testing.assert_allclose(np.exp(-table["score"]), table["given_probability"], rtol=1e-6)


def test_without_pandas(monkeypatch):
    X, y, _ = cancer()
    explainer = InfluenceExplainer(MODEL).fit(X[:100], y[:100])
    frame = explainer.rank_suspects(by="loo_loss", k=5)
    expected = {name: frame[name].to_numpy() for name in frame.columns}
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = explainer.rank_suspects(by="loo_loss", k=5)
    assert table.dtype.names == tuple(expected)
    for name in table.dtype.names:
        np.testing.assert_array_equal(table[name], expected[name])


def test_planted_errors_are_found():
    """Average precision by label noise, beside loss and leave-one-out loss."""
    found: dict[str, list[float]] = {}
    for only in (None, 0):
        X, y, wrong = cancer(rate=0.15, only=only)
        explainer = InfluenceExplainer(MODEL).fit(X, y)
        for by in ("label_noise", "loo_loss", "loss"):
            scores = scores_of(explainer.rank_suspects(by=by))
            found.setdefault(by, []).append(average_precision_score(wrong, scores))
    uniform, one_way = np.array(list(found.values())).T
    assert uniform[0] > max(uniform[1:])
    # What is taken for another class, and how often, is worth most where it goes one way.
    assert one_way[0] > max(one_way[1:]) + 0.15


def test_cleanlab_takes_leave_one_out_probabilities():
    filters = pytest.importorskip("cleanlab.filter")
    X, y, wrong = cancer()
    explainer = InfluenceExplainer(MODEL).fit(X, y)
    issues = filters.find_label_issues(y, pred_probs=explainer.loo_predict_proba())
    assert wrong[issues].mean() > 0.8
    assert issues[wrong].mean() > 0.8


def test_models_without_probabilities_and_regressors():
    X, y, wrong = cancer()
    table = InfluenceExplainer(RidgeClassifier()).fit(X, y).rank_suspects()
    assert "given_probability" not in table
    assert average_precision_score(wrong, scores_of(table)) > 0.7
    X, y = load_diabetes(return_X_y=True)
    y[:10] += 500.0
    explainer = InfluenceExplainer(Ridge()).fit(X, y)
    table = explainer.rank_suspects()
    assert set(table["position"][:10]) == set(range(10))
    np.testing.assert_array_equal(table["given_target"], y[table["position"]])
    np.testing.assert_allclose(
        table["suggested_target"], explainer.loo_predict()[table["position"]]
    )


class Unweighted(LogisticRegression):
    """Whose ``fit`` takes no weights."""

    def fit(self, X, y):
        return super().fit(X, y)


def test_where_nothing_can_be_weighted():
    X, y, _ = cancer()
    explainer = InfluenceExplainer(Unweighted(tol=1e-8, max_iter=1000)).fit(X, y)
    expected = scores_of(explainer.rank_suspects(by="loo_loss"))
    np.testing.assert_array_equal(scores_of(explainer.rank_suspects()), expected)
    with pytest.raises(TypeError, match=r"got sample_weight, but Unweighted\.fit takes none"):
        explainer.rank_suspects(by="label_noise")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_networks_are_trained_anew(solver):
    X, y, wrong = cancer()
    network = MLPClassifier((4,), solver=solver, alpha=1.0, max_iter=300, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = InfluenceExplainer(network).fit(X, y)
        table = explainer.rank_suspects(k=wrong.sum())
    # scikit-learn's networks have weights from 1.7 on.
    by_noise = has_fit_parameter(network, "sample_weight")
    assert ("rank_loo_loss" in table.columns) == by_noise
    assert wrong[np.asarray(table["position"])].mean() > (0.8 if by_noise else 0.6)


def test_rows_in_chunks():
    """Leave-one-out loss, as of an array; nothing is fitted to a dask collection."""
    da = pytest.importorskip("dask.array")
    X, y, _ = cancer()
    model = clone(MODEL).fit(X, y)
    chunked = InfluenceExplainer(model, prefit=True).fit(da.from_array(X, chunks=(100, -1)), y)
    whole = InfluenceExplainer(model, prefit=True).fit(X, y)
    got, expected = chunked.rank_suspects(), whole.rank_suspects(by="loo_loss")
    np.testing.assert_allclose(scores_of(got), scores_of(expected), rtol=1e-9)
    assert list(got.columns) == list(expected.columns)


def test_pipelines_searches_weights_and_sparse_rows():
    X, y, _ = cancer()
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    search = GridSearchCV(LogisticRegression(max_iter=1000, tol=1e-8), {"C": [0.1]})
    alone = InfluenceExplainer(LogisticRegression(C=0.1, max_iter=1000, tol=1e-8))
    expected = scores_of(alone.fit(X, y, weights).rank_suspects())
    for model in (search, make_pipeline(StandardScaler(), search.estimator.set_params(C=0.1))):
        got = scores_of(InfluenceExplainer(model).fit(X, y, weights).rank_suspects())
        # A scaler is fitted anew to standardised rows.
        np.testing.assert_allclose(got, expected, atol=1e-5)
    got = scores_of(alone.fit(sparse.csr_matrix(X), y, weights).rank_suspects())
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_the_explainer_is_as_it_was():
    X, y, _ = cancer()
    explainer = InfluenceExplainer(MODEL.fit(X, y), prefit=True).fit(X, y)
    before = explainer.influence(X[:3], y[:3])
    coefficients = MODEL.coef_.copy()
    explainer.rank_suspects()
    np.testing.assert_array_equal(explainer.influence(X[:3], y[:3]), before)
    np.testing.assert_array_equal(MODEL.coef_, coefficients)


# --------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"by": "magic"}, r"got by='magic'; needed is one of \['auto', 'label_noise', 'loo_loss'"),
        ({"k": 0}, r"rank_suspects got k=0; needed is a whole number of rows, or None for all"),
        ({"k": 2.5}, r"got k=2\.5"),
        ({"by": "test_influence"}, r"got by='test_influence' and no X_test; test rows are needed"),
        ({"X_test": [[0.0] * 30]}, r"got by='label_noise' and X_test; test rows are needed by"),
    ],
)
def test_questions_that_make_no_sense(asked, words):
    X, y, _ = cancer()
    explainer = InfluenceExplainer(MODEL).fit(X[:100], y[:100])
    with pytest.raises(ValueError, match=words):
        explainer.rank_suspects(**asked)


def test_models_that_have_no_such_criterion():
    X, y, _ = cancer()
    explainer = InfluenceExplainer(RidgeClassifier()).fit(X, y)
    words = r"by='label_noise' for RidgeClassifier, which has no class probabilities .*'loo_loss'"
    with pytest.raises(ValueError, match=words):
        explainer.rank_suspects(by="label_noise")
    several = InfluenceExplainer(MultiOutputClassifier(MODEL)).fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="several columns of y; needed is one"):
        several.rank_suspects()
