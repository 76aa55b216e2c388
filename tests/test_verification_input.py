"""What verify takes: containers, rows, jobs; and the words of its errors."""

import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import (
    LogisticRegression,
    Ridge,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from verifying import BINARY, LOGISTIC, MULTI, REAL, ROWS, SVC, THREE, N, same, verify
from wording import raises

from skinfluence import InfluenceExplainer


# ------------------------------------------------------------------------------- containers
@pytest.mark.parametrize("make", ["csr", "csc", "coo", "csr_array", "list", "frame"])
@pytest.mark.parametrize("preprocessing", ["refit", "fixed"])
def test_containers(make, preprocessing):
    pipeline = make_pipeline(StandardScaler(with_mean=False), LOGISTIC)
    expected = verify(pipeline, BINARY, preprocessing=preprocessing)
    labels, names = BINARY.y, None
    if make == "list":
        convert, labels = np.ndarray.tolist, BINARY.y.tolist()
    elif make == "frame":
        pandas = pytest.importorskip("pandas")

        def convert(X):
            return pandas.DataFrame(X, index=[f"patient {i}" for i in range(len(X))]).add_prefix(
                "x"
            )

        labels = pandas.Series(BINARY.y, index=np.arange(N)[::-1])
        names = tuple(f"patient {i}" for i in ROWS)
    else:
        convert = getattr(sparse, make if "_" in make else f"{make}_matrix", None)
        if convert is None:
            pytest.skip("scipy has no sparse arrays")
    explainer = InfluenceExplainer(pipeline).fit(convert(BINARY.X), labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as of missing feature names
        result = explainer.verify(
            convert(BINARY.X_test), BINARY.y_test, strategy=ROWS, preprocessing=preprocessing
        )
    same(result.actual, expected.actual)
    assert result.row_names == (names or tuple(ROWS))


def test_texts():
    words = [["cheap", "pills", "offer", "now"], ["meeting", "notes", "agenda", "now"]]
    texts = [" ".join(np.random.default_rng(i).choice(words[y], 3)) for i, y in enumerate(BINARY.y)]
    explainer = InfluenceExplainer(make_pipeline(TfidfVectorizer(), LOGISTIC))
    result = explainer.fit(texts, BINARY.y).verify(texts[:4], n_rows=4)
    assert result.correlation > 0.9


def test_frame_of_results():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(REAL.X, index=[f"patient {i}" for i in range(N)]).add_prefix("x")
    X_test = pandas.DataFrame(REAL.X_test, index=np.arange(6) + 500).add_prefix("x")
    result = InfluenceExplainer(Ridge()).fit(X, REAL.y).verify(X_test, REAL.y_test, n_rows=2)
    frame = result.to_frame()
    assert list(frame.columns) == ["test_row", "row", "position", "predicted", "actual"]
    assert len(frame) == 12
    for place, line in enumerate(frame.itertuples()):
        test, row = divmod(place, 2)
        position = result.indices[row]
        assert (line.test_row, line.row) == (500 + test, f"patient {position}")
        assert line.position == position
        assert (line.predicted, line.actual) == (
            result.predicted[test, row],
            result.actual[test, row],
        )
    assert f"worst: patient {result.worst_row} on test row 50" in repr(result)


# ------------------------------------------------------------------------------------ jobs
@pytest.mark.parametrize(
    "model, data", [(Ridge(), MULTI), (make_pipeline(StandardScaler(), LOGISTIC), THREE)]
)
def test_results_are_the_same_for_every_n_jobs(model, data):
    explainers = [InfluenceExplainer(model, n_jobs=n).fit(data.X, data.y) for n in (None, 2)]
    results = [explainer.verify(data.X_test, data.y_test) for explainer in explainers]
    results.append(explainers[0].verify(data.X_test, data.y_test, n_jobs=2))
    for result in results[1:]:
        same(result.actual, results[0].actual)
        assert_array_equal(result.indices, results[0].indices)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_warnings_of_refits_come_once(n_jobs):
    explainer = InfluenceExplainer(LogisticRegression(tol=1e-12, max_iter=3), prefit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer.fit(BINARY.X, BINARY.y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explainer.verify(BINARY.X_test, BINARY.y_test, n_rows=5, n_jobs=n_jobs)
    told = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    assert len(told) == 1
    assert re.match(
        "6 of 6 refits gave this warning: lbfgs failed to converge", str(told[0].message)
    )
    assert told[0].filename == __file__


# --------------------------------------------------------------------------- which rows
def test_top_is_really_top():
    explainer = InfluenceExplainer(LOGISTIC).fit(THREE.X, THREE.y)
    effects = explainer.influence(THREE.X_test, THREE.y_test, kind="removal")
    totals = np.abs(effects).sum(axis=0)
    result = explainer.verify(THREE.X_test, THREE.y_test, n_rows=7)
    assert_array_equal(result.indices, np.argsort(-totals)[:7])
    assert_allclose(result.predicted, effects[:, result.indices])
    assert result.n_refits == 8
    weights = THREE.sample_weight**3
    explainer.fit(THREE.X, THREE.y, weights)
    result = explainer.verify(THREE.X_test, THREE.y_test, n_rows=7, kind="upweight")
    totals = weights * np.abs(explainer.influence(THREE.X_test, THREE.y_test)).sum(axis=0)
    assert_array_equal(result.indices, np.argsort(-totals)[:7])


def test_random_rows():
    def drawn(**options):
        explainer = InfluenceExplainer(Ridge(), **options).fit(REAL.X, REAL.y)
        rows = explainer.verify(REAL.X_test, REAL.y_test, strategy="random", n_rows=30).indices
        assert len(set(rows.tolist())) == 30
        return rows.tolist()

    assert drawn() == drawn(random_state=0) == drawn()
    assert drawn(random_state=1) == drawn(random_state=1) != drawn()
    assert drawn(random_state=np.random.RandomState(1)) != drawn()


def test_given_rows():
    explainer = InfluenceExplainer(Ridge()).fit(REAL.X, REAL.y)
    mask = np.isin(np.arange(N), ROWS)
    for strategy, expected in ((mask, np.sort(ROWS)), (ROWS.tolist(), ROWS), (5, [5])):
        result = explainer.verify(REAL.X_test, REAL.y_test, strategy=strategy, n_rows=-1)
        assert_array_equal(result.indices, expected)


def test_all_rows():
    explainer = InfluenceExplainer(Ridge()).fit(REAL.X[:20], REAL.y[:20])
    result = explainer.verify(REAL.X_test, REAL.y_test, n_rows=20)
    assert sorted(result.indices) == list(range(20))


# -------------------------------------------------------------------------------------- errors
@pytest.fixture(scope="module")
def explainer():
    return InfluenceExplainer(LOGISTIC).fit(BINARY.X, BINARY.y)


WHO = "InfluenceExplainer"


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"n_rows": 0}, ValueError, [f"{WHO}.verify got n_rows=0", "120", "from 1 to 120"]),
        ({"n_rows": 121}, ValueError, ["n_rows=121 with 120 training rows", "one refit"]),
        ({"n_rows": 2.5}, ValueError, ["n_rows=2.5", "a whole number from 1 to 120"]),
        ({"strategy": "best"}, ValueError, ["strategy='best'", "['top', 'random']", "mask"]),
        ({"strategy": None}, ValueError, [f"{WHO}.verify got strategy=None", "['top', 'random']"]),
        ({"strategy": []}, ValueError, ["strategy without any row", "'top' or 'random'"]),
        ({"strategy": [120]}, IndexError, ["[120]", "from 0 to 119"]),
        ({"strategy": [True, False]}, IndexError, ["boolean mask of shape (2,)"]),
        ({"strategy": [0.5]}, TypeError, ["indices of type float64", "positions"]),
        ({"kind": "exact"}, ValueError, [WHO, "kind='exact'", "'upweight', 'removal'"]),
        ({"target": "score"}, ValueError, [WHO, "target='score'", "'loss', 'prediction'"]),
        ({"preprocessing": "none"}, ValueError, ["preprocessing='none'", "['refit', 'fixed']"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_errors(explainer, options, error, words):
    with raises(error, *words):
        explainer.verify(BINARY.X_test, BINARY.y_test, **options)


def test_errors_about_test_rows(explainer):
    with raises(ValueError, "X has 2 features", "expecting 4"):
        explainer.verify(BINARY.X_test[:, :2])
    with raises(ValueError, "y_test", "[7]"):
        explainer.verify(BINARY.X_test[:1], [7])
    with raises(ValueError, "y_test=None for a regressor", "target='prediction'"):
        InfluenceExplainer(Ridge()).fit(REAL.X, REAL.y).verify(REAL.X_test)
    with raises(NotFittedError, WHO, "not fitted yet"):
        InfluenceExplainer(LOGISTIC).verify(BINARY.X_test)


def test_no_single_weight_to_predict_with():
    model = clone(SVC).set_params(class_weight={0: 1.0, 1: 2.0, 2: 3.0})
    explainer = InfluenceExplainer(model).fit(THREE.X, THREE.y)
    options = {"kind": "upweight", "n_rows": 3}
    with raises(ValueError, WHO, "kind='upweight'", "LinearSVC", "s_i", "Use kind='removal'"):
        explainer.verify(THREE.X_test, THREE.y_test, **options)
    unweighted = np.flatnonzero(THREE.y == 0)[:3]
    result = explainer.verify(THREE.X_test, THREE.y_test, kind="upweight", strategy=unweighted)
    assert result.correlation > 0.9


class HalfRidge(Ridge):
    """Its ``predict`` isn't what its objective's loss reads."""

    def predict(self, X):
        return super().predict(X) / 2


def test_models_whose_predictions_are_something_else():
    explainer = InfluenceExplainer(HalfRidge()).fit(REAL.X, REAL.y)
    with raises(TypeError, f"{WHO}.verify got HalfRidge", "predict", "decision values", "by hand"):
        explainer.verify(REAL.X_test, REAL.y_test)
