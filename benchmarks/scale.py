"""Scale: memory against max_memory, float32 against float64, two jobs against one, a million rows.

Each part in a process of its own, which measures the peak of its resident memory. Run
``python benchmarks/scale.py [memory] [precision] [jobs] [million]``, all parts by default, with
SKINFLUENCE_DATA naming the data folder. Threads of BLAS are as the environment has them.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from skinfluence import InfluenceExplainer, LiSSA
from skinfluence.datasets import fetch_mnist, fetch_newsgroups20
from skinfluence.jobs import in_jobs
from skinfluence.resources import Resources, using

MB = 1e6


def peak() -> float:
    """Of resident memory, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


def seconds(question: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """The smallest time of a few runs, and the result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = question()
        times.append(time.perf_counter() - start)
    return min(times), result


def made(n: int, d: int, n_test: int = 100, dtype: Any = np.float64) -> tuple[Any, ...]:
    """Rows of two classes, with little memory on the way."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + n_test, d), dtype=dtype)
    z = X @ rng.standard_normal(d).astype(dtype) / np.sqrt(d)
    y = (z + rng.logistic(size=len(z)) > 0).astype(int)
    return X[:n], y[:n], X[n:], y[n:]


def text(n: int, d: int, stored: int) -> tuple[Any, ...]:
    """Rows of some stored entries, whose columns are as frequent as words."""
    rng = np.random.default_rng(0)
    columns = np.minimum(rng.zipf(1.3, size=n * stored) - 1, d - 1)
    parts = rng.random(n * stored), columns, np.arange(0, n * stored + 1, stored)
    X = sparse.csr_matrix(parts, shape=(n, d))
    X.sum_duplicates()
    X = TfidfTransformer().fit_transform(X).tocsr()
    z = X @ rng.standard_normal(d) * 4
    return X, (z + rng.logistic(size=n) > 0).astype(int)


# ---------------------------------------------------------------------------------------- memory
N_ROWS, N_FEATURES, ALLOWED = 200_000, 100, 200 * 10**6
METHODS = {
    "influence of the mean": lambda e, X, y: e.influence(X, y, reduce="mean"),
    "explain, upweight": lambda e, X, y: e.explain(X, y, kind="upweight"),
    "explain, removal": lambda e, X, y: e.explain(X, y),
    "self-influence": lambda e, X, y: e.self_influence(),
    "label flips, mean": lambda e, X, y: e.label_flip_influence(X, y, reduce="mean"),
    "diagnostics": lambda e, X, y: e.diagnostics(),
    "5-fold": lambda e, X, y: e.cross_val_decision(5),
    "refit, 200 rows": lambda e, X, y: e.influence(
        X, y, kind="refit", indices=np.arange(200), reduce="mean"
    ),
}


def memory() -> None:
    print(f"n = {N_ROWS:,}, d = {N_FEATURES}, 100 test rows, max_memory = {ALLOWED / MB:.0f} MB")
    print(f"{'':24}{'peak RSS above the rows, MB':>30}{'s':>8}")
    for name in METHODS:
        own_process("memory_of", name)


def memory_of(name: str) -> None:
    X, y, X_test, y_test = made(N_ROWS, N_FEATURES)
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8).fit(X[:5_000], y[:5_000])
    warnings.simplefilter("ignore")  # parameters of a part of the rows are no optimum
    explainer = InfluenceExplainer(model, prefit=True, max_memory=ALLOWED)
    before = peak()
    taken, _ = seconds(lambda: METHODS[name](explainer.fit(X, y), X_test, y_test))
    print(f"{name:24}{peak() - before:30.0f}{taken:8.1f}", flush=True)


# ------------------------------------------------------------------------------------- precision
QUESTIONS = {
    "influence": lambda e, X, y: e.influence(X, y),
    "self": lambda e, X, y: e.self_influence(),
    "removal": lambda e, X, y: e.influence(X, y, kind="removal"),
}


def precision() -> None:
    head = "time memory    max dev    correlation   slope    top-10"
    print(f"float32 over float64: {head}")
    for data, solver in [
        ("mnist17", "cholesky"),
        ("mnist10", "cholesky"),
        ("mnist10", "cg"),
        ("text", "cg"),
        ("text", "sketch"),
    ]:
        own_process("precision_of", data, solver)


def of_set(name: str) -> tuple[Any, ...]:
    """Training rows, labels, test rows and their labels."""
    if name.startswith("mnist"):
        digits = fetch_mnist()
        X, y = digits.data[:10_000] / 255.0, digits.target[:10_000]
        if name == "mnist17":
            kept = np.isin(digits.target, [1, 7])
            X, y = digits.data[kept][:10_000] / 255.0, digits.target[kept][:10_000]
        return X[:-50], y[:-50], X[-50:], y[-50:]
    news = fetch_newsgroups20()
    X, y = TfidfTransformer(sublinear_tf=True).fit_transform(news.data).tocsr(), news.target
    y = (y >= 10).astype(int)
    order = np.random.default_rng(0).permutation(X.shape[0])
    X, y = X[order], np.asarray(y)[order]
    return X[:-50], y[:-50], X[-50:], y[-50:]


def precision_of(data: str, solver: str) -> None:
    warnings.simplefilter("ignore")
    X, y, X_test, y_test = of_set(data)
    model = LogisticRegression(C=0.1 if data.startswith("mnist") else 10.0, tol=1e-6, max_iter=500)
    model.fit(X, y)
    found: dict[Any, dict[str, tuple[float, float, Any]]] = {}
    for dtype in (np.float64, np.float32):
        rows, tests = X.astype(dtype), X_test.astype(dtype)
        found[dtype] = precision_with(model, rows, y, tests, y_test, solver)
    for name, (taken, top, result) in found[np.float32].items():
        before, most, expected = found[np.float64][name]
        line = f"{data}, {solver}, {name}: {taken / before:.2f}"
        if result is not None:
            line += f"  {top / most:.2f}  {agreement(result, expected)}"
        print(line, flush=True)


def precision_with(
    model: Any, X: Any, y: Any, X_test: Any, y_test: Any, solver: str
) -> dict[str, tuple[float, float, Any]]:
    """Seconds, peak of memory and result of each question; of explainers that know nothing yet."""
    found: dict[str, tuple[float, float, Any]] = {}
    for name, question in QUESTIONS.items():
        if name != "influence" and solver == "cg":
            continue
        fits, answers = [], []
        for _ in range(2):
            explainer = InfluenceExplainer(model, prefit=True, solver=solver)
            fits.append(seconds(lambda e=explainer: e.fit(X, y))[0])
            answers.append(seconds(lambda e=explainer, q=question: q(e, X_test, y_test)))
        # Again, when all is at hand that is kept: what an answer itself takes.
        tracemalloc.start()
        question(explainer, X_test, y_test)
        found[name] = min(a[0] for a in answers), tracemalloc.get_traced_memory()[1], answers[0][1]
        tracemalloc.stop()
        found["fit"] = min(fits), 1.0, None
    return found


def agreement(result: Any, expected: Any) -> str:
    """Largest deviation over the largest value of each test row, correlation, slope, top ten."""
    a, b = (np.atleast_2d(each).astype(np.float64) for each in (result, expected))
    deviation = (np.abs(a - b).max(axis=1) / np.abs(b).max(axis=1)).max()
    correlation = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    slope = (a * b).sum() / (b * b).sum()
    shared = [
        len(set(np.argsort(-np.abs(x))[:10]) & set(np.argsort(-np.abs(z))[:10]))
        for x, z in zip(a, b, strict=True)
    ]
    return f"{deviation:.1e}  {correlation:.9f}  {slope:.6f}  {np.mean(shared):.2f} of 10"


# ------------------------------------------------------------------------------------------ jobs
def jobs() -> None:
    print("seconds with n_jobs=1, with n_jobs=2, ratio; of the processors, where others use them")
    for name in JOBS:
        own_process("jobs_of", name)
    own_process("threads_inside")


def threads_inside() -> None:
    def threads(number: int) -> int:
        return max(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")

    with using(Resources(n_jobs=2)):
        inside = set(in_jobs(threads, ((i,) for i in range(8))))
    print(f"threads of BLAS in each of 2 jobs on {os.cpu_count()} cores: {sorted(inside)}")


def sparse_text() -> tuple[Any, ...]:
    X, y = text(40_000, 30_000, 80)
    return LogisticRegression(C=10.0).fit(X, y), X, y


def dense_rows() -> tuple[Any, ...]:
    X, y, _, _ = made(20_000, 100)
    return LogisticRegression(tol=1e-8, solver="newton-cholesky").fit(X, y), X, y


JOBS: dict[str, tuple[Any, Any, Callable[..., Any]]] = {
    "cg, 20 test rows, sparse": (
        sparse_text,
        "cg",
        lambda e, X, y: e.parameter_influence(indices=np.arange(20)),
    ),
    "influence, 100 test rows, sparse": (
        sparse_text,
        "cg",
        lambda e, X, y: e.influence(X[:100], y[:100], indices=None),
    ),
    "sketch: self-influence, sparse": (sparse_text, "sketch", lambda e, X, y: e.self_influence()),
    "lissa, 10 repeats, sparse": (
        sparse_text,
        LiSSA(depth=2000, tol=10.0),
        lambda e, X, y: e.influence(X[:5], y[:5]),
    ),
    "refit of 500 rows, p = 101": (
        dense_rows,
        "auto",
        lambda e, X, y: e.influence(X[:5], y[:5], kind="refit", indices=np.arange(500)),
    ),
    "removal, 200 test rows, dense": (
        dense_rows,
        "auto",
        lambda e, X, y: e.influence(X[:200], y[:200], kind="removal"),
    ),
}


def jobs_of(name: str) -> None:
    warnings.simplefilter("ignore")
    setting, solver, question = JOBS[name]
    model, X, y = setting()
    times, used = [], []
    for n_jobs in (1, 2):
        best, least = np.inf, np.inf
        for _ in range(2):
            explainer = InfluenceExplainer(model, prefit=True, solver=solver, n_jobs=n_jobs)
            explainer.fit(X, y)
            start = time.process_time()
            taken, _ = seconds(lambda e=explainer: question(e, X, y))
            best, least = min(best, taken), min(least, time.process_time() - start)
        times.append(best)
        used.append(least)
    ratio = times[0] / times[1]
    print(f"{name:34}{times[0]:8.2f}{times[1]:8.2f}{ratio:8.2f}{used[0]:10.2f}{used[1]:8.2f}")


# --------------------------------------------------------------------------------------- million
def million() -> None:
    n, d, n_test = 1_000_000, 20, 100
    print(f"n = {n:,}, d = {d}: the matrix of effects on {n_test} test rows would take 800 MB")
    for kind in ("upweight", "removal"):
        for max_memory in ("4GB", "200MB"):
            own_process("million_of", kind, max_memory)


def million_of(kind: str, max_memory: str) -> None:
    warnings.simplefilter("ignore")
    X, y, X_test, y_test = made(1_000_000, 20)
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8).fit(X[:5_000], y[:5_000])
    explainer = InfluenceExplainer(model, prefit=True, max_memory=max_memory)
    before = peak()
    fitted, _ = seconds(lambda: explainer.fit(X, y))
    taken, top = seconds(lambda: explainer.explain(X_test, y_test, kind=kind))
    print(
        f"explain by {kind}, max_memory={max_memory}: fit {fitted:.1f} s, {taken:.1f} s, peak RSS "
        f"{peak() - before:.0f} MB above the rows ({X.nbytes / MB:.0f} MB); {top.indices.shape}",
        flush=True,
    )


def own_process(function: str, *arguments: str) -> None:
    """Run one function of this file, for its own peak of memory."""
    subprocess.run([sys.executable, __file__, f"--{function}", *arguments], check=False)


PARTS = {"memory": memory, "precision": precision, "jobs": jobs, "million": million}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].startswith("--"):
        globals()[sys.argv[1][2:]](*sys.argv[2:])
    else:
        for part in sys.argv[1:] or PARTS:
            print(f"\n{part}", flush=True)
            PARTS[part]()
