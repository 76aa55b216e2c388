"""What scale costs: top rows among a million, float32, jobs.

(a) ``explain`` of 100 test rows among n = 1,000,000 training rows: time, and peak memory against
    that of the matrix of effects that it does not hold
(b) float32 rows against float64: ratios of time and of peak memory, and accuracy, on MNIST (10,000
    rows, ten classes) and 20 Newsgroups (binary)
(c) ``n_jobs=1`` against 2: ratio of times, for sparse products (CG), the sketch, refits and LiSSA

Run ``python benchmarks/scale.py [a b c]`` with SKINFLUENCE_DATA naming the data folder. Memory is
what NumPy and SciPy allocate, traced.
"""

from __future__ import annotations

import sys
import time
import tracemalloc

import numpy as np
from sketch import newsgroups
from sklearn.linear_model import LogisticRegression

from skinfluence import CG, InfluenceExplainer, LiSSA, Sketch
from skinfluence.datasets import fetch_mnist, load_spambase

N_TEST = 30


def seconds(function, repeats: int = 3) -> float:
    """The shortest of a few runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def peak(function) -> int:
    """Bytes above what there is."""
    tracemalloc.start()
    function()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def million() -> None:
    """(a)"""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1_000_000, 20))
    y = X @ rng.standard_normal(20) + rng.standard_normal(len(X)) > 0
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, y)
    matrix = 8 * 100 * len(X)
    print("(a) explain of 100 test rows among 1,000,000")
    for kind in ("upweight", "removal"):
        ask = lambda kind=kind: explainer.explain(X[:100], y[:100], kind=kind)  # noqa: E731
        taken = seconds(ask, 1)
        print(
            f"    kind={kind!r}: {taken:.1f} s, peak {peak(ask) / matrix:.2f} of the matrix of "
            f"{matrix / 1e6:.0f} MB"
        )


def overlap(first, second) -> float:
    """Share of the ten strongest rows of each test row that are the same."""
    tops = [np.argsort(-np.abs(each), axis=1)[:, :10] for each in (first, second)]
    return float(np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(*tops, strict=True)]))


def precision() -> None:
    """(b)"""
    mnist = fetch_mnist()
    digits = mnist.data[:10_000], mnist.target[:10_000]
    text, groups = newsgroups(2)
    for title, X, y, solver in [
        ("MNIST, ten classes", *digits, "cholesky"),
        ("MNIST, ten classes", *digits, CG()),
        ("20 Newsgroups, binary", text, groups, CG()),
    ]:
        model = LogisticRegression(C=0.01 if len(y) == 10_000 else 10.0, max_iter=500).fit(X, y)
        found, times, peaks = [], [], []
        for dtype in (np.float64, np.float32):
            rows = X.astype(dtype)
            explainer = InfluenceExplainer(model, prefit=True, solver=solver)

            def ask(rows=rows, explainer=explainer, y=y):
                return explainer.fit(rows, y).influence(rows[:N_TEST], y[:N_TEST])

            found.append(ask())
            times.append(seconds(ask))
            peaks.append(peak(ask))
        deviation = np.abs(found[1] - found[0]).max() / np.abs(found[0]).max()
        slope = np.polyfit(found[0].ravel(), found[1].ravel(), 1)[0]
        print(
            f"(b) {title}, {solver if isinstance(solver, str) else 'cg'}: float32 takes "
            f"{times[1] / times[0]:.2f} of the time and {peaks[1] / peaks[0]:.2f} of the working "
            f"memory (and half of X's); largest deviation {deviation:.1e}, correlation "
            f"{np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1]:.7f}, slope {slope:.5f}, "
            f"{overlap(*found):.1%} of the top ten the same",
            flush=True,
        )


def jobs() -> None:
    """(c)"""
    text, groups = newsgroups(2)
    model = LogisticRegression(C=10.0, max_iter=500).fit(text, groups)
    spam = load_spambase()
    small = LogisticRegression(max_iter=5000, tol=1e-8).fit(np.log1p(spam.data), spam.target)
    questions = {
        "CG, 32 test rows, sparse": (
            model,
            (text, groups),
            CG(),
            lambda e: e.influence(text[:32], groups[:32]),
        ),
        "sketch, sparse": (model, (text, groups), Sketch(rtol=0.1), lambda e: e.self_influence()),
        "refits of 1,000 rows": (
            small,
            (np.log1p(spam.data), spam.target),
            "cholesky",
            lambda e: e.self_influence(kind="refit", indices=np.arange(1000)),
        ),
        "LiSSA": (
            small,
            (np.log1p(spam.data), spam.target),
            LiSSA(depth=500),
            lambda e: e.influence(np.log1p(spam.data[:10]), spam.target[:10]),
        ),
    }
    for title, (fitted, data, solver, ask) in questions.items():
        times = []
        for n_jobs in (1, 2):
            explainer = InfluenceExplainer(fitted, prefit=True, solver=solver, n_jobs=n_jobs)
            times.append(seconds(lambda e=explainer, ask=ask, data=data: ask(e.fit(*data)), 2))
        print(f"(c) {title}: two jobs are {times[0] / times[1]:.2f} times as fast", flush=True)


def main() -> None:
    """Those that are asked for."""
    parts = {"a": million, "b": precision, "c": jobs}
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
