"""Training rows on a cluster of two processes, and ordinary explainers whose jobs run there."""

import os
import signal

import joblib
import numpy as np
import pytest
from chunking import LIMIT, LargeRidge, assert_same, both, make_problem, pids, two_processes

from skinfluence import InfluenceExplainer, LiSSA

pytest.importorskip("dask")
pytest.importorskip("distributed")

import dask.array as da


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with two_processes(tmp_path_factory.mktemp("workers")) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "solver"), [("binary", "cg"), ("softmax", "cholesky"), ("softmax", "cg")]
)
def test_a_cluster_gives_what_memory_gives(client, name, solver):
    problem = make_problem(name)
    X = da.from_array(problem["X"], chunks=(170, 2))
    here, there = both(problem, X, da.from_array(problem["y"], chunks=200), solver)
    question = problem["X_test"], problem["y_test"]
    for kind in ("upweight", "removal"):
        assert_same(there.influence(*question, kind=kind), here.influence(*question, kind=kind))
    there, here = there.explain(*question, k=4), here.explain(*question, k=4)
    assert (there.indices == here.indices).all()
    assert_same(there.effects, here.effects)


def test_weighted_rows_by_either_solver(client):
    problem = make_problem("ridge")
    for solver in ("cholesky", "cg"):
        here, there = both(problem, da.from_array(problem["X"], chunks=(100, 5)), solver=solver)
        got = there.influence(problem["X_test"], problem["y_test"], kind="removal")
        assert_same(got, here.influence(problem["X_test"], problem["y_test"], kind="removal"))


def test_data_larger_than_the_memory_of_workers(client):
    """In closed form, made by chunks here as well; no worker comes to its limit and is replaced."""
    large = LargeRidge(n_chunks=20, chunk_rows=50_000, n_features=64)
    X, y = large.collections()
    assert X.nbytes > LIMIT
    model, before = large.fitted(), pids(client)
    explainer = InfluenceExplainer(model, prefit=True, max_memory="400MB").fit(X, y)
    x = np.linspace(-1.0, 1.0, large.n_features)
    upweight, removal = large.effects(x, 2.0)
    lazy = explainer.influence(x[None], [2.0])
    assert lazy.chunks == ((1,), X.chunks[0])
    assert_same(lazy.compute()[0], upweight)
    top = explainer.explain(x[None], [2.0], k=5)
    assert top.helpful_indices[0].tolist() == np.argsort(-removal)[:5].tolist()
    assert top.harmful_indices[0].tolist() == np.argsort(removal)[:5].tolist()
    assert_same(top.helpful_effects[0], np.sort(removal)[::-1][:5])
    assert pids(client) == before


def test_a_killed_worker_loses_nothing(client, tmp_path):
    """In the middle of fitting, of a lazy result, and of the top rows."""
    deadly = tmp_path / "deadly"
    large = LargeRidge(n_chunks=6, chunk_rows=500, n_features=4, deadly=deadly)
    model, before = large.fitted(), pids(client)
    upweight, removal = large.effects(np.ones(4), 1.0)

    def armed():
        pids(client)
        deadly.touch()

    armed()
    explainer = InfluenceExplainer(model, prefit=True).fit(*large.collections())
    assert not deadly.exists()
    lazy = explainer.influence(np.ones((1, 4)), [1.0])
    armed()
    assert_same(lazy.compute()[0], upweight)
    assert not deadly.exists()
    armed()
    top = explainer.explain(np.ones((1, 4)), [1.0], k=5)
    assert not deadly.exists()
    assert top.helpful_indices[0].tolist() == np.argsort(-removal)[:5].tolist()
    assert pids(client) != before


def test_rows_that_a_lost_worker_had_are_made_again(client):
    large = LargeRidge(n_chunks=6, chunk_rows=500, n_features=4)
    model, (X, y) = large.fitted(), large.collections()
    kept = X.persist()
    explainer = InfluenceExplainer(model, prefit=True).fit(kept, y)
    os.kill(pids(client).pop(), signal.SIGKILL)
    got = explainer.influence(np.ones((1, 4)), [1.0], kind="removal").compute()
    assert_same(got[0], large.effects(np.ones(4), 1.0)[1])


ASKED = {
    "upweight": ("cholesky", {"kind": "upweight"}),
    "removal": ("cholesky", {"kind": "removal"}),
    "refit": ("cholesky", {"kind": "refit", "indices": np.arange(120)}),
    "lissa": (LiSSA(batch_size=200, depth=100, tol=0.5), {"kind": "upweight"}),
}


@pytest.mark.parametrize("name", ASKED)
def test_jobs_of_an_ordinary_explainer_run_on_the_cluster(client, name):
    from distributed import get_task_stream

    solver, asked = ASKED[name]
    problem = make_problem("binary")
    rows = np.random.default_rng(1).normal(size=(20_000, 5))
    X, y = np.concatenate([problem["X"], rows]), np.resize(problem["y"], 20_600)
    options = {"prefit": True, "solver": solver, "max_memory": "16MB"}
    model = problem["model"].fit(X, y)
    explainer = InfluenceExplainer(model, **options).fit(X, y)
    alone = explainer.influence(problem["X_test"], **asked)
    client.wait_for_workers(2, timeout=60)
    on_dask = getattr(joblib, "parallel_config", joblib.parallel_backend)
    with on_dask(backend="dask"), get_task_stream(client) as stream:
        got = InfluenceExplainer(model, **options).fit(X, y).influence(problem["X_test"], **asked)
    assert_same(got, alone)
    assert len(stream.data) > 1
