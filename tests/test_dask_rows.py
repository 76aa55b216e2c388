"""Training rows in chunks, in dask's own threads: every question, all containers, the errors."""

import pickle

import numpy as np
import pytest
from chunking import assert_same, both, make_problem
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVR
from wording import raises

from skinfluence import InfluenceExplainer
from skinfluence.resources import using

pytest.importorskip("dask")

import dask.array as da


@pytest.fixture(autouse=True)
def in_threads():
    """Whatever client another file has open."""
    import dask

    with dask.config.set(scheduler="threads"):
        yield


@pytest.fixture(params=["binary", "ridge", "softmax", "balanced"])
def pair(request):
    """The problem, and its explainers of rows in memory and in chunks."""
    problem = make_problem(request.param)
    return problem, *both(problem, da.from_array(problem["X"], chunks=(170, 2)))


# ------------------------------------------------------------------------------------- questions
@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
def test_influence_is_lazy_and_chunked_like_the_rows(pair, kind):
    problem, here, there = pair
    question = problem["X_test"][:3], problem["y_test"][:3]
    lazy = there.influence(*question, kind=kind)
    assert isinstance(lazy, da.Array)
    assert lazy.chunks[1] == (170, 170, 170, 90)
    wanted = here.influence(*question, kind=kind)
    assert_same(lazy, wanted)
    assert_same(there.influence(*question, kind=kind, reduce="mean"), wanted.mean(axis=0))


@pytest.mark.parametrize("kind", ["upweight", "removal"])
@pytest.mark.parametrize("norm", ["theta", "loss"])
def test_relative_influence_of_some_rows(pair, kind, norm):
    problem, here, there = pair
    asked = {"kind": kind, "normalize": norm, "indices": [599, 3, 3, 171]}
    question = problem["X_test"], problem["y_test"]
    assert_same(there.influence(*question, **asked), here.influence(*question, **asked))


def test_test_rows_in_chunks_too(pair):
    problem, here, there = pair
    X_test, y_test = (
        da.from_array(problem["X_test"], chunks=(3, 5)),
        da.from_array(problem["y_test"], chunks=2),
    )
    question = problem["X_test"], problem["y_test"]
    lazy = there.influence(X_test, y_test, kind="removal")
    assert lazy.chunks[0] == (3, 3, 1)
    assert_same(lazy, here.influence(*question, kind="removal"))
    got = there.influence(X_test, y_test, reduce="mean")
    assert_same(got, here.influence(*question, reduce="mean"))
    assert_same(here.influence(X_test, y_test), here.influence(*question))
    got, wanted = there.explain(X_test, y_test, k=3), here.explain(*question, k=3)
    assert (got.indices == wanted.indices).all()
    assert (np.asarray(got.labels) == np.asarray(wanted.labels)).all()
    assert got.meaning == wanted.meaning


@pytest.mark.parametrize("kind", ["upweight", "refit"])
def test_top_rows_by_other_kinds(kind):
    problem = make_problem("binary")
    here, there = both(problem, da.from_array(problem["X"], chunks=(170, 5)))
    got, wanted = (
        each.explain(problem["X_test"][:2], k=4, kind=kind, normalize="theta")
        for each in (there, here)
    )
    assert (got.helpful_indices == wanted.helpful_indices).all()
    assert_same(got.helpful_effects, wanted.helpful_effects)


def test_other_questions_stream_the_rows(pair):
    problem, here, there = pair
    question = problem["X_test"], problem["y_test"]
    for kind in ("upweight", "removal"):
        assert_same(there.self_influence(kind=kind), here.self_influence(kind=kind))
    some = {"indices": [500, 2]}
    assert_same(there.parameter_influence(**some)["coef"], here.parameter_influence(**some)["coef"])
    assert_same(
        there.perturbation_gradient(*question, **some),
        here.perturbation_gradient(*question, **some),
    )
    assert_same(there.loo_decision_function(), here.loo_decision_function())
    assert there.loo_score() == pytest.approx(here.loo_score(), abs=1e-10)
    groups = np.arange(600) % 3
    assert_same(
        there.group_influence(groups, *question),
        here.group_influence(groups, *question),
    )
    assert_same(there.cross_val_decision(3), here.cross_val_decision(3))


def test_little_memory_leaves_rows_where_they_are():
    """Blocks are then smaller than chunks, and products with many rows never fetch them."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12_000, 30)), rng.normal(size=12_000)
    model = Ridge().fit(X, y)
    options = {"prefit": True, "max_memory": "16MB"}
    here = InfluenceExplainer(model, **options).fit(X, y)
    there = InfluenceExplainer(model, **options).fit(da.from_array(X, chunks=(5_000, 30)), y)
    with using(there._resources()):
        assert not there.objective_.linear_map.take(slice(100, 11_000)).at_hand
        assert there.objective_.linear_map.take(slice(100, 200)).at_hand
    assert_same(there.self_influence(kind="removal"), here.self_influence(kind="removal"))
    rows = rng.permutation(12_000)
    assert_same(
        there.self_influence(indices=rows, kind="removal"),
        here.self_influence(indices=rows, kind="removal"),
    )
    asked = {"y_test": y[:2], "kind": "removal"}
    assert_same(there.influence(X[:2], **asked), here.influence(X[:2], **asked))


def test_results_go_into_a_given_array(pair, tmp_path):
    problem, here, there = pair
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", dtype="f8", shape=(7, 600))
    returned = there.influence(problem["X_test"], problem["y_test"], out=out)
    assert returned is out
    assert_same(out, here.influence(problem["X_test"], problem["y_test"]))


# ------------------------------------------------------------------------------------ containers
def test_sparse_chunks():
    rng = np.random.default_rng(0)
    X = sparse.random(500, 40, density=0.2, format="csr", random_state=0)
    y = rng.integers(2, size=500)
    chunks = da.from_array(X.toarray(), chunks=(150, 20)).map_blocks(sparse.csr_matrix)
    problem = {"model": LogisticRegression(tol=1e-10).fit(X, y), "X": X, "y": y, "weight": None}
    for solver in ("cholesky", "cg"):
        here, there = both(problem, chunks, solver=solver)
        assert there.objective_.linear_map.density == pytest.approx(X.nnz / 20_000)
        assert_same(there.influence(X[:3], kind="removal"), here.influence(X[:3], kind="removal"))


def test_an_active_set():
    problem = make_problem("ridge")
    problem |= {
        "model": Lasso(alpha=2.2, tol=1e-12).fit(problem["X"], problem["y"]),
        "weight": None,
    }
    here, there = both(problem, da.from_array(problem["X"], chunks=(250, 3)))
    assert here.report_.p < 6
    question = problem["X_test"], problem["y_test"]
    got = there.influence(*question, kind="removal")
    assert_same(got, here.influence(*question, kind="removal"))
    some = {"indices": [4, 400], "space": "model"}
    assert_same(
        there.perturbation_gradient(*question, **some),
        here.perturbation_gradient(*question, **some),
    )


def test_single_precision_stays():
    problem = make_problem("binary")
    problem["X"] = problem["X"].astype(np.float32)
    here, there = both(problem, da.from_array(problem["X"], chunks=(250, 5)))
    lazy = there.influence(problem["X_test"].astype(np.float32))
    assert lazy.dtype == np.float32
    assert_same(lazy, here.influence(problem["X_test"].astype(np.float32)), relative=1e-5)


def test_data_frames_of_unknown_length():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    problem = make_problem("binary")
    frame = pd.DataFrame(problem["X"], columns=list("abcde"))
    frame["sort"] = np.resize(["x", "y", "z"], len(frame))
    steps = make_column_transformer(
        (StandardScaler(), list("abc")), (OneHotEncoder(), ["sort"]), remainder="passthrough"
    )
    model = make_pipeline(steps, LogisticRegression(tol=1e-10)).fit(frame, problem["y"])
    problem |= {"model": model, "X": frame}
    lazy_frame = dd.from_pandas(frame, npartitions=4)
    lazy_frame = lazy_frame[lazy_frame.a > -1e9]
    here, there = both(problem, lazy_frame, dd.from_pandas(pd.Series(problem["y"]), npartitions=3))
    assert_same(there.influence(frame[:4]), here.influence(frame[:4]))
    got, wanted = there.explain(lazy_frame.loc[:3], k=2), here.explain(frame[:4], k=2)
    assert (got.indices == wanted.indices).all()
    assert repr(got) == repr(wanted)
    some = frame[:4], problem["y"][:4]
    with pytest.warns(RuntimeWarning, match="no derivative, and so NaN, in sort"):
        got = there.perturbation_gradient(*some, indices=[590, 1])
    with pytest.warns(RuntimeWarning, match="no derivative, and so NaN, in sort"):
        wanted = here.perturbation_gradient(*some, indices=[590, 1])
    assert_same(got[..., :5], wanted[..., :5])
    assert np.isnan(got[..., 5]).all()


def test_chunks_without_rows_are_left_out():
    problem = make_problem("ridge")
    X = da.from_array(problem["X"], chunks=(200, 5))
    none = da.zeros((0, 5), chunks=(0, 5))
    here, there = both(problem, da.concatenate([none, X[:200], none, X[200:]]))
    got = there.influence(problem["X_test"], problem["y_test"])
    assert got.chunks[1] == (200, 200, 200)
    assert_same(got, here.influence(problem["X_test"], problem["y_test"]))


def test_a_frozen_estimator_and_a_saved_explainer():
    problem = make_problem("binary")
    X = da.from_array(problem["X"], chunks=(200, 5))
    explainer = InfluenceExplainer(FrozenEstimator(problem["model"])).fit(X, problem["y"])
    wanted = explainer.influence(problem["X_test"], kind="removal").compute()
    loaded = pickle.loads(pickle.dumps(explainer))
    assert_same(loaded.influence(problem["X_test"], kind="removal"), wanted, relative=0)


# ---------------------------------------------------------------------------------------- errors
def test_an_estimator_that_is_not_fitted():
    problem = make_problem("binary")
    X = da.from_array(problem["X"], chunks=(200, 5))
    with raises(ValueError, "dask", "Array", "LogisticRegression", "partial_fit", "prefit=True"):
        InfluenceExplainer(LogisticRegression()).fit(X, problem["y"])
    with pytest.raises(NotFittedError):
        InfluenceExplainer(LogisticRegression(), prefit=True).fit(X, problem["y"])


@pytest.mark.parametrize("model", [SVR(), SVR(gamma=0.1), KernelRidge(), MLPRegressor(max_iter=5)])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_models_that_need_all_rows_at_once(model):
    problem = make_problem("ridge")
    X = da.from_array(problem["X"], chunks=(200, 5))
    explainer = InfluenceExplainer(model.fit(problem["X"], problem["y"]), prefit=True)
    with raises(TypeError, "dask", "all of its rows at once", "linear", "X.compute()"):
        explainer.fit(X, problem["y"])


def test_what_dask_has_is_checked_like_arrays():
    problem = make_problem("binary")
    X, y = problem["X"].copy(), problem["y"]
    X[400, 2] = np.nan
    explainer = InfluenceExplainer(problem["model"], prefit=True)
    with raises(ValueError, "NaN"):
        explainer.fit(da.from_array(X, chunks=(150, 5)), y)
    X = da.from_array(problem["X"], chunks=(150, 5))
    with raises(ValueError, "4 features", "5 features"):
        explainer.fit(X[:, :4], y)
    with raises(ValueError, "dask Array of 1 dimensions", "(n, n_features)"):
        explainer.fit(X[:, 0], y)
    with raises(ValueError, "without any row"):
        explainer.fit(da.zeros((0, 5), chunks=(0, 5)), y[:0])
    with raises(ValueError, "y of shape (599,)", "600 rows"):
        explainer.fit(X, y[1:])
    explainer.fit(X, y)
    with raises(ValueError, "y_test of shape (8,)", "7 rows"):
        explainer.influence(X[:7], y[:8]).compute()


def test_questions_that_refit_the_estimator_itself():
    problem = make_problem("ridge")
    _, there = both(problem, da.from_array(problem["X"], chunks=(200, 5)))
    with raises(TypeError, "verify", "dask", "Array", "X.compute()"):
        there.verify(problem["X_test"], problem["y_test"])
