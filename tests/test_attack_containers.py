"""Rows in DataFrames, sparse matrices and pipelines come back as they were, but for what moved."""

import numpy as np
import pytest
from attacking import cold_fit, values
from numpy.testing import assert_allclose, assert_array_equal
from rows import make_data
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from wording import raises

from skinfluence import InfluenceExplainer
from skinfluence.attack import Immutable, LInfBall, TrainingSetAttack, vulnerability

pd = pytest.importorskip("pandas")
N = 80
LOGISTIC = LogisticRegression(C=10.0, solver="newton-cholesky", tol=1e-12, max_iter=1000)


def people(n=N + 6):
    """Numbers of several dtypes and a category, in mixed units."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 80, n),
            "town": rng.choice(["a", "b", "c"], n),
            "height": rng.normal(170.0, 10.0, n),
            "weight": rng.normal(70.0, 8.0, n).astype(np.float32),
            "member": rng.random(n) < 0.5,
        },
        index=[f"p{i}" for i in range(n)],
    )
    frame["town"] = frame["town"].astype("category")
    signal = (frame["age"] - 50) / 15 + (frame["height"] - 170) / 10 + (frame["town"] == "a")
    return frame, (signal + rng.logistic(size=n) > 0).astype(int).to_numpy()


def mixed_explainer():
    X, y = people()
    columns = ColumnTransformer(
        [
            ("scaled", StandardScaler(), ["age", "height", "weight"]),
            ("coded", OneHotEncoder(), ["town"]),
            ("passed", "passthrough", ["member"]),
        ]
    )
    explainer = InfluenceExplainer(make_pipeline(columns, LOGISTIC))
    return explainer.fit(X[:N], y[:N]), X[N:]


STEPS = np.array([1.0, 1.0, 1.0, 1.0, 1.0])


def test_a_frame_with_a_category():
    explainer, X_test = mixed_explainer()
    X = explainer._training_X
    project = [LInfBall([5.0, 1.0, 5.0, 5.0, 1.0]), Immutable(["weight"])]
    attack = TrainingSetAttack(explainer, n_rows=2, step_size=STEPS, n_iter=3, project=project)
    result = attack.attack(X_test)
    assert result.row_names == tuple(X.index[result.rows])
    after = result.X_attacked()
    assert list(after.columns) == list(X.columns)
    assert after.index.equals(X.index)
    kept = ["town", "weight", "member"]
    pd.testing.assert_frame_equal(after[kept], X[kept])
    assert after.dtypes["age"] == np.float64
    others = np.setdiff1d(np.arange(N), result.rows)
    assert_array_equal(after["age"].to_numpy()[others], X["age"].to_numpy()[others])
    assert (after["height"].to_numpy()[result.rows] != X["height"].to_numpy()[result.rows]).all()
    pd.testing.assert_frame_equal(result.X_before, X.iloc[result.rows])
    pd.testing.assert_frame_equal(result.X_after, after.iloc[result.rows])
    moved = result.to_frame()
    assert set(moved["feature"]) == {"age", "height"}
    assert set(moved["row"]) == set(result.row_names)
    cold, steps = cold_fit(explainer, result)
    expected = np.where(result.labels == 1, 1, -1) * values(cold, steps.transform(X_test))
    assert_allclose(result.decision_history[-1], expected, rtol=1e-6)
    assert (result.confirm(preprocessing="fixed").flipped == result.flipped).all()
    assert result.confirm().predictions_after.shape == (6,)
    assert np.isfinite(result.relative_change_raw.l2).all()
    assert "training p" in repr(result)


def test_only_categories_can_not_move():
    X, y = people()
    pipeline = make_pipeline(OneHotEncoder(), LOGISTIC)
    explainer = InfluenceExplainer(pipeline).fit(X[["town"]][:N], y[:N])
    with raises(ValueError, "TrainingSetAttack", "no column can move", "transformed rows"):
        TrainingSetAttack(explainer).attack(X[["town"]][N:])
    with raises(ValueError, "no column can move"):
        TrainingSetAttack(explainer, rows=[0]).attack(X[["town"]][N:])


def test_a_frame_without_steps():
    data = make_data("binary", N)
    names = list("abcd")
    X = pd.DataFrame(data.X, columns=names).astype({"a": np.float32})
    explainer = InfluenceExplainer(LOGISTIC).fit(X, data.y)
    X_test = pd.DataFrame(data.X_test, columns=names)
    project = Immutable(["b"])
    result = TrainingSetAttack(explainer, n_iter=4, step_size=0.1, project=project).attack(X_test)
    after = result.X_attacked()
    assert (after.dtypes == X.dtypes).all()
    pd.testing.assert_series_equal(after["b"], X["b"])
    cold, _ = cold_fit(explainer, result)
    expected = np.where(result.labels == 1, 1, -1) * values(cold, X_test)
    assert_allclose(result.decision_history[-1], expected, rtol=1e-6)


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_matrix, list])
def test_other_containers(container):
    data = make_data("binary", N)
    given = data.X.tolist() if container is list else container(data.X)
    settings = {"n_rows": 2, "step_size": 0.1, "n_iter": 4, "project": LInfBall(0.5)}
    dense = InfluenceExplainer(LOGISTIC).fit(data.X, data.y)
    expected = TrainingSetAttack(dense, **settings).attack(data.X_test)
    explainer = InfluenceExplainer(LOGISTIC).fit(given, data.y)
    got = TrainingSetAttack(explainer, **settings).attack(data.X_test)
    assert got.rows.tolist() == expected.rows.tolist()
    assert_allclose(got.loss_history, expected.loss_history, rtol=1e-8)
    after = got.X_attacked()
    assert sparse.issparse(after) == (container is not list)
    as_array = after.toarray() if sparse.issparse(after) else after
    assert_allclose(as_array, expected.X_attacked(), rtol=0, atol=1e-12)
    if sparse.issparse(after):
        untouched = sparse.csr_matrix(data.X).nnz
        assert after.nnz <= untouched + 2 * data.X.shape[1]
    assert (got.confirm().flipped == expected.confirm().flipped).all()


def test_single_precision_stays_single():
    data = make_data("binary", N)
    X = data.X.astype(np.float32)
    model = LogisticRegression(C=10.0, tol=1e-6, max_iter=1000)
    explainer = InfluenceExplainer(model).fit(X, data.y)
    attack = TrainingSetAttack(explainer, step_size=0.1, n_iter=3)
    result = attack.attack(data.X_test.astype(np.float32))
    assert result.X_attacked().dtype == np.float32
    exact = InfluenceExplainer(LOGISTIC).fit(data.X, data.y)
    same = TrainingSetAttack(exact, step_size=0.1, n_iter=3).attack(data.X_test)
    assert_allclose(result.X_after, same.X_after, rtol=1e-5)
    assert_allclose(result.loss_history, same.loss_history, rtol=1e-4)


def test_whole_numbers_become_floats():
    data = make_data("regression", N)
    X = np.round(10 * data.X).astype(int)
    explainer = InfluenceExplainer(Ridge()).fit(X, data.y)
    result = TrainingSetAttack(explainer, step_size=0.5, n_iter=2).attack(X[:2], data.y[:2])
    assert result.X_before.dtype == X.dtype
    assert result.X_attacked().dtype == np.float64
    others = np.setdiff1d(np.arange(N), result.rows)
    assert_array_equal(result.X_attacked()[others], X[others])


def test_missing_values_stay_missing():
    pipeline = pytest.importorskip("sklearn.impute")
    data = make_data("binary", N)
    X = data.X.copy()
    X[::5, 1] = np.nan
    steps = pipeline.SimpleImputer(), StandardScaler()
    explainer = InfluenceExplainer(make_pipeline(*steps, LOGISTIC)).fit(X, data.y)
    attack = TrainingSetAttack(explainer, rows=[0, 1], step_size=0.1, n_iter=2)
    result = attack.attack(data.X_test)
    assert_array_equal(np.isnan(result.X_attacked()), np.isnan(X))
    assert (result.X_after[1] != X[1]).any()
    found = vulnerability(explainer, data.X_test)
    assert np.isfinite(found.row_sizes).all()
