"""solver="sketch" on sparse text: time, memory, and agreement with tight CG.

(a) 20 Newsgroups, 18,846 x 23,307 tf-idf, binary (the first ten groups against the rest)
(b) the same, 20 classes: p = 442,852
(c) synthetic text, n = 200,000, d = 500,000, 60 words a row, binary

For each: seconds to fit the estimator, to sketch, and to answer for all rows; peak memory beside
the data and the fitted model, in units of X; and, on 200 rows of the 1 % with the largest
self-influence, rank correlation, correlation and slope against conjugate gradients solved to
1e-10, for self-influence and for the change of the row's own loss by its removal (10 rows only of
(b), where a row takes 19 right-hand sides).

Run ``python benchmarks/sketch.py [a b c] [--rtol 0.05]`` with SKINFLUENCE_DATA naming the data
folder. Each case runs in its own process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
from scipy import sparse
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from skinfluence import CG, InfluenceExplainer, Sketch
from skinfluence.datasets import fetch_newsgroups20

N_EXACT = 200


def newsgroups(classes: int):
    """Sublinear tf-idf of all posts."""
    data = fetch_newsgroups20()
    counts = sparse.vstack([data.data, data.test_data]).tocsr().astype(np.float64)
    y = np.concatenate([data.target, data.test_target])
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts), y if classes > 2 else y < 10


def synthetic_text(n: int = 200_000, d: int = 500_000, words: int = 60):
    """Words by Zipf's law, none twice in a row; every class has words of its own."""
    rng = np.random.default_rng(0)
    y = rng.random(n) < 0.5
    ranks = np.sort((d ** rng.random((n, words))).astype(np.int64) - 1, axis=1)
    repeated = np.diff(ranks, axis=1, prepend=-1) == 0
    ranks[repeated] = rng.integers(d, size=int(repeated.sum()))
    shift = (y[:, None] & (rng.random((n, words)) < 0.2)) * rng.integers(1, 50, size=(n, words))
    columns = (ranks * 7919 + shift) % d
    counts = sparse.csr_matrix(
        (np.ones(n * words), columns.reshape(-1), np.arange(0, n * words + 1, words)), shape=(n, d)
    )
    counts.sum_duplicates()
    flipped = rng.random(n) < 0.05
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts), y ^ flipped


LBFGS = LogisticRegression(C=10.0, tol=1e-6, max_iter=2000)
# With so many features lbfgs takes the longest by far of all that happens here.
LIBLINEAR = LogisticRegression(C=10.0, tol=1e-6, solver="liblinear", fit_intercept=False)
CASES = {
    "a": ("20 Newsgroups, binary", lambda: newsgroups(2), LBFGS, N_EXACT),
    "b": ("20 Newsgroups, 20 classes", lambda: newsgroups(20), LBFGS, 10),
    "c": ("synthetic text, binary", synthetic_text, LIBLINEAR, N_EXACT),
}


def timed(function):
    """Result and seconds."""
    started = time.perf_counter()
    return function(), time.perf_counter() - started


def peak_bytes() -> int:
    """The most that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def agreement(got, exact) -> str:
    """Rank correlation, correlation, slope."""
    slope = np.polyfit(exact, got, 1)[0]
    return (
        f"rank correlation {spearmanr(got, exact)[0]:.4f}, correlation "
        f"{np.corrcoef(got, exact)[0, 1]:.5f}, slope {slope:.3f}"
    )


def run(case: str, rtol: float) -> None:
    """One case, in this process."""
    title, load, model, n_removed = CASES[case]
    X, y = load()
    size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    _, fitting = timed(lambda: model.fit(X, y))
    print(f"({case}) {title}: {X.shape[0]:,} x {X.shape[1]:,}, {X.nnz:,} non-zeros", flush=True)
    before = peak_bytes()
    explainer = InfluenceExplainer(model, prefit=True, solver=Sketch(rtol=rtol), n_jobs=2)
    _, sketching = timed(lambda: explainer.fit(X, y))
    found, asking = timed(explainer.self_influence)
    removed, removing = timed(lambda: explainer.self_influence(kind="removal"))
    print(
        f"    estimator fitted in {fitting:.1f} s; p = {explainer.report_.p:,}; "
        f"{explainer.report_.reason}\n"
        f"    sketch {sketching:.1f} s, self-influence of all rows {asking:.1f} s, removal of all "
        f"rows {removing:.1f} s; peak {(peak_bytes() - before) / size:.1f} x X "
        f"({(peak_bytes() - before) / 1e6:.0f} MB) above the peak of fitting the estimator",
        flush=True,
    )
    largest = np.argsort(found)[: max(1, len(found) // 100)]
    rng = np.random.default_rng(0)
    rows = rng.choice(largest, min(N_EXACT, len(largest)), replace=False)
    tight = InfluenceExplainer(model, prefit=True, solver=CG(tol=1e-10), n_jobs=2).fit(X, y)
    exact, took = timed(lambda: tight.self_influence(indices=rows))
    whole = took / len(rows) * len(found)
    print(
        f"    self-influence of {len(rows)} of the largest 1 %: {agreement(found[rows], exact)}\n"
        f"    by CG they took {took:.1f} s, so all rows {whole / (sketching + asking):,.0f} times "
        "as long as the sketch",
        flush=True,
    )
    few = rows[:n_removed]
    exact, _ = timed(lambda: tight.self_influence(kind="removal", indices=few))
    print(f"    removal of {len(few)} of these: {agreement(removed[few], exact)}", flush=True)


def main() -> None:
    """Each case in its own process."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--rtol", type=float, default=0.05)
    parser.add_argument("--here", action="store_true", help="one case, in this process")
    options = parser.parse_args()
    if options.here:
        run(options.cases[0], options.rtol)
        return
    for case in options.cases:
        command = [sys.executable, __file__, case, "--rtol", str(options.rtol), "--here"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
