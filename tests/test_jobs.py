"""Jobs: the same results whatever their number, on rows that they share, without more threads than
there are cores."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from joblib import cpu_count
from memory import LIMIT, rows, working_memory
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_info

from skinfluence import CG, Cholesky, InfluenceExplainer, LiSSA, Sketch
from skinfluence.jobs import in_jobs
from skinfluence.predictors import features
from skinfluence.resources import Resources, resources, using

NUMBERS = (None, 1, 2, 3)
# Loose ones: equal digits need no exact ones.
ROUGH = CG(tol=1e-2, preconditioner="jacobi")
SOLVERS = [Cholesky(), ROUGH, Sketch(rtol=0.5, iterative=ROUGH), LiSSA(depth=60, repeats=4)]


@pytest.fixture(autouse=True)
def many_blocks(monkeypatch):
    """Of small data too: four of the sparse rows."""
    monkeypatch.setattr(features, "JOB_OPERATIONS", 1)
    monkeypatch.setattr(features, "ENTRIES_PER_INPUT", 60)


def answers(explainer: InfluenceExplainer, data: Any) -> dict[str, np.ndarray]:
    few, X, y = np.arange(0, data.n, 40), data.X_test[:10], data.y_test[:10]
    found = {
        "influence": explainer.influence(X, y),
        "mean": explainer.influence(X, y, reduce="mean"),
    }
    if isinstance(explainer.solver, LiSSA):
        return found
    top = explainer.explain(X, y, k=3)
    return found | {
        "relative": explainer.influence(X, y, normalize="theta", indices=few),
        "self": explainer.self_influence(),
        "removal": explainer.influence(X, y, kind="removal"),
        "self, removal": explainer.self_influence(kind="removal"),
        "refit": explainer.influence(X, y, kind="refit", indices=few),
        "groups": explainer.group_influence([few, few + 1], X, y, kind="refit"),
        "flips": explainer.label_flip_influence(X, y, reduce="mean"),
        "gradient": explainer.perturbation_gradient(X, y, indices=few),
        "top": top.effects,
    }


# With so little memory that each job's share makes blocks of rows smaller, last digits may differ.
@pytest.mark.parametrize("of", [(3,), (3, 0.5), (2, 0.5)], ids=["dense", "csr", "csr, binary"])
@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)
def test_results_are_the_same_for_every_n_jobs(solver, of):
    data = rows(600, 20, *of)
    model = LogisticRegression(tol=1e-8, solver="newton-cholesky").fit(data.X, data.y)
    found = []
    for n_jobs in NUMBERS:
        options = {"solver": solver, "n_jobs": n_jobs}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of iterations that don't reach their tolerance
            explainer = InfluenceExplainer(model, prefit=True, **options).fit(data.X, data.y)
            found.append(answers(explainer, data))
    for n_jobs, other in zip(NUMBERS[1:], found[1:], strict=True):
        for name, value in other.items():
            np.testing.assert_array_equal(value, found[0][name], err_msg=f"{name}, {n_jobs}")


def test_jobs_share_cores_memory_and_arrays():
    X, found = np.zeros(10), []

    def look(array: np.ndarray, number: int) -> int:
        pools = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
        found.append((max(pools, default=1), resources(), array is X))
        return number

    with using(Resources(max_memory=30_000_000, n_jobs=2, verbose=3)):
        assert list(in_jobs(look, ((X, i) for i in range(7)))) == list(range(7))
    for threads, share, same in found:
        assert 2 * threads <= max(2, cpu_count())
        assert share == Resources(max_memory=15_000_000, n_jobs=1, verbose=0)
        assert same


def test_jobs_read_a_memory_map_where_it_is(tmp_path):
    data = rows(16_000, 150, 0)
    np.save(tmp_path / "X.npy", data.X)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    options = {"max_memory": LIMIT, "n_jobs": 2, "solver": "cg"}
    explainer = InfluenceExplainer(Ridge().fit(data.X, data.y), prefit=True, **options)

    def answer() -> np.ndarray:
        explainer.fit(X, data.y)
        return explainer.influence(data.X_test[:20], data.y_test[:20])

    assert working_memory(answer) < 0.65 * X.nbytes
