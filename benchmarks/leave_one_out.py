"""Exact leave-one-out of many rows by one call, against refits by scikit-learn.

One call with ``kind="refit"`` for each data set:

- spambase, n = 4,601, d = 57, standardised: change of every row's own loss;
- readmission, n = 20,000, d = 127: the same;
- mnist, the first 5,000 images, d = 784, ten classes: change of the losses of 30 test images
  without each of 500 random rows.

(a) How exact it is. Some of the rows are really left out and scikit-learn refitted, by a Newton
solver to its rounding, and changes of loss compared. Changes below ``RESOLVABLE`` are left aside,
because scikit-learn's own rounding decides them; how well it agrees with itself when the rows are
shuffled is printed too.

(b) What it costs. The time of the call, ``fit`` of the explainer included, in units of 100 refits
by scikit-learn (measured on fewer), of a direct NumPy version of the same iteration (binary
models), and of its products with X alone. All of these have one BLAS thread (or --blas-threads),
and so have our runs: n_jobs=2 is two threads with one BLAS thread each.

Run ``python benchmarks/leave_one_out.py [spambase readmission mnist]`` with SKINFLUENCE_DATA
naming the data folder; about twelve minutes on two cores.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from unittest import mock

import numpy as np
from agreement import agreement
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from timing import seconds

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_diabetes130, fetch_mnist, load_spambase
from skinfluence.reweighting import Reweighting

RESOLVABLE = 1e-10
# Rows refitted in (a), refits timed in (b), runs of which the fastest counts.
SETTINGS = {"spambase": (100, 100, 3), "readmission": (100, 20, 1), "mnist": (10, 3, 1)}
BLOCK = 256  # columns of parameters


@dataclass
class Task:
    """Training data, the fitted model, rows to leave out, and test rows (None: a row's own)."""

    X: np.ndarray
    y: np.ndarray
    model: LogisticRegression
    rows: np.ndarray
    X_test: np.ndarray | None = None
    y_test: np.ndarray | None = None

    def ask(self, n_jobs: int) -> np.ndarray:
        """Exact changes of loss, (tests, rows) or (1, rows)."""
        explainer = InfluenceExplainer(self.model, prefit=True, n_jobs=n_jobs).fit(self.X, self.y)
        if self.X_test is None:
            return explainer.self_influence(kind="refit", indices=self.rows)[None]
        return explainer.influence(self.X_test, self.y_test, kind="refit", indices=self.rows)

    def losses(self, model: LogisticRegression, row: int) -> np.ndarray:
        """Log-losses that leaving out a row is asked about, exact for any size."""
        own = self.X_test is None
        X, y = (self.X[[row]], self.y[[row]]) if own else (self.X_test, self.y_test)
        z = model.decision_function(X)
        z = np.column_stack([np.zeros(len(z)), z]) if z.ndim == 1 else z
        margins = z - np.take_along_axis(z, y[:, None], axis=1)
        np.put_along_axis(margins, y[:, None], -np.inf, axis=1)
        return np.logaddexp(0.0, np.logaddexp.reduce(margins, axis=1))


def prepare(name: str, n_rows: int | None) -> Task:
    newton = LogisticRegression(solver="newton-cholesky", tol=1e-14, max_iter=1000)
    if name == "mnist":
        # newton-cholesky takes three minutes here, newton-cg seconds.
        mnist, newton = fetch_mnist(), newton.set_params(solver="newton-cg", tol=1e-16)
        X, y = mnist.data[:5000], mnist.target[:5000]
        rows = np.sort(np.random.default_rng(0).choice(5000, n_rows or 500, replace=False))
        tests = mnist.test_data[:30], mnist.test_target[:30]
        return Task(X, y, newton.fit(X, y), rows, *tests)
    if name == "spambase":
        X, y = load_spambase(return_X_y=True)
        X = StandardScaler().fit_transform(X)
    else:
        data, newton = fetch_diabetes130(), newton.set_params(fit_intercept=False)
        X, y = data.data / np.maximum(data.data.max(axis=0), 1), data.target
    return Task(X, y, newton.fit(X, y), np.arange(len(X))[:n_rows])


def actual_changes(task: Task, rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    full = clone(task.model).fit(task.X[order], task.y[order])
    changes = []
    for row in rows:
        keep = order[order != row]
        refit = clone(task.model).fit(task.X[keep], task.y[keep])
        changes.append(task.losses(refit, row) - task.losses(full, row))
    return np.transpose(changes)


def compare(task: Task, predicted: np.ndarray, n_refits: int) -> None:
    rng = np.random.default_rng(1)
    chosen = np.sort(rng.choice(len(task.rows), min(n_refits, len(task.rows)), replace=False))
    actual = actual_changes(task, task.rows[chosen], np.arange(len(task.X)))
    again = actual_changes(task, task.rows[chosen], rng.permutation(len(task.X)))
    predicted, fine = predicted[:, chosen], np.abs(actual) > RESOLVABLE
    print(
        f"  (a) {len(chosen)} rows refitted; {fine.sum():,} of {fine.size:,} changes are above "
        f"{RESOLVABLE:.0e} (median {np.median(np.abs(actual)):.0e})"
    )
    for floor in (RESOLVABLE, 1e-6):
        kept = np.abs(actual) > floor
        ours, theirs = (np.abs(a[kept] / actual[kept] - 1.0).max() for a in (predicted, again))
        print(f"      above {floor:.0e}: largest relative error {ours:.0e}; shuffled {theirs:.0e}")
    left = np.abs(predicted - actual)[~fine].max(initial=0.0)
    print(f"      {agreement(predicted, actual)}; largest error of the others {left:.0e}")


def expert(task: Task, tolerance: float = 1e-8, most_steps: int = 20) -> np.ndarray:
    """The same iteration in NumPy for binary models, with no checks: changes of own losses."""
    model, X, y = task.model, task.X, task.y
    A = np.column_stack([X, np.ones(len(X))]) if model.fit_intercept else X
    theta = np.append(model.coef_[0], model.intercept_ if model.fit_intercept else [])
    pull = np.where(np.arange(len(theta)) < X.shape[1], 1.0 / model.C, 0.0)[:, None]
    p = expit(A @ theta)
    factor = cho_factor((A.T * (p * (1 - p))) @ A + np.diag(pull[:, 0]))

    def steps(gradients, rows, solved, share):
        moved = cho_solve(factor, gradients)
        return moved + solved * (share * (A[rows].T * moved).sum(axis=0))

    def gradients(T, rows):
        G = pull * T
        for start in range(0, len(A), 4096):
            R = expit(A[start : start + 4096] @ T) - y[start : start + 4096, None]
            inside = np.flatnonzero((rows >= start) & (rows < start + 4096))
            R[rows[inside] - start, inside] = 0.0
            G += A[start : start + 4096].T @ R
        return G

    moves = np.empty(len(task.rows))
    for first in range(0, len(task.rows), BLOCK):
        rows = task.rows[first : first + BLOCK]
        solved = cho_solve(factor, A[rows].T)
        c = (p * (1 - p))[rows]
        share = c / (1.0 - c * (A[rows].T * solved).sum(axis=0))
        G = A[rows].T * (y - p)[rows]
        D = steps(G, rows, solved, share)
        goal, T = tolerance**2 * (G * D).sum(axis=0) + 1e-30, theta[:, None] - D
        active = np.arange(len(rows))
        for _ in range(most_steps):
            G = gradients(T[:, active], rows[active])
            D = steps(G, rows[active], solved[:, active], share[active])
            T[:, active] -= D
            active = active[(G * D).sum(axis=0) > goal[active]]
            if not len(active):
                break
        moves[first : first + BLOCK] = (A[rows].T * (T - theta[:, None])).sum(axis=0)
    signs, z = 1.0 - 2.0 * y[task.rows], (A @ theta)[task.rows]
    return (np.logaddexp(0.0, signs * (z + moves)) - np.logaddexp(0.0, signs * z))[None]


def count_columns(task: Task) -> int:
    """How many columns of parameters have their gradient taken."""
    columns = []

    def counting(reweighting, theta, original=Reweighting.gradients):
        columns.append(theta.shape[1])
        return original(reweighting, theta)

    with mock.patch.object(Reweighting, "gradients", counting):
        task.ask(1)
    return sum(columns)


def products(task: Task, n_columns: int) -> None:
    """Two products with X for each column of parameters."""
    n_outputs = 1 if len(task.model.classes_) == 2 else len(task.model.classes_) - 1
    directions = np.ones((task.X.shape[1], BLOCK * n_outputs))
    for first in range(0, n_columns, BLOCK):
        task.X.T @ (task.X @ directions[:, : (n_columns - first) * n_outputs])


def time_refits(task: Task, count: int, **options) -> float:
    """Seconds of 100 refits, measured on fewer; warm starts are from the fitted model."""
    model, order = clone(task.model).set_params(**options), np.arange(len(task.X))

    def one(row: int) -> None:
        for name in ("coef_", "intercept_", "classes_"):
            setattr(model, name, getattr(task.model, name).copy())
        model.fit(task.X[order != row], task.y[order != row])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return seconds(lambda: [one(row) for row in task.rows[:count]])[0] / count * 100


def cost(task: Task, n_timed: int, repeats: int) -> np.ndarray:
    solver = task.model.solver
    n_columns = count_columns(task)
    one_job, answer = seconds(lambda: task.ask(1), repeats)
    two_jobs, _ = seconds(lambda: task.ask(2), repeats)
    others = {
        "100 refits by lbfgs (tol=1e-10)": time_refits(
            task, n_timed, solver="lbfgs", tol=1e-10, max_iter=100_000
        ),
        f"100 refits by {solver} (tol=1e-12)": time_refits(task, n_timed, tol=1e-12),
        "the same, warm-started": time_refits(task, n_timed, tol=1e-12, warm_start=True),
    }
    if task.X_test is None:
        others["expert NumPy"], direct = seconds(lambda: expert(task), repeats)
        print(f"  expert NumPy fails for {(np.abs(direct - answer) > 1e-3).sum()} rows")
    others["the products alone"], _ = seconds(lambda: products(task, n_columns), repeats)
    print(
        f"  (b) {len(task.rows):,} rows left out, {n_columns / len(task.rows):.1f} gradients each:"
        f" {one_job:.1f} s with n_jobs=1, {two_jobs:.1f} s with n_jobs=2; in units of"
    )
    for name, time in others.items():
        print(f"      {name:40} {one_job / time:7.2f}, {two_jobs / time:7.2f}   ({time:.1f} s)")
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="*", default=list(SETTINGS))
    parser.add_argument("--rows", type=int, help="rows asked for; default as above")
    parser.add_argument("--refits", type=int, help="rows refitted in (a); default 100, mnist 10")
    parser.add_argument("--timed-refits", type=int, help="refits timed in (b)")
    parser.add_argument("--blas-threads", type=int, default=1)
    options = parser.parse_args()
    for name in options.data:
        n_refits, n_timed, repeats = SETTINGS[name]
        with threadpool_limits(options.blas_threads, user_api="blas"):
            task = prepare(name, options.rows)
            print(f"{name}: n = {len(task.X):,}, d = {task.X.shape[1]}", flush=True)
            predicted = cost(task, options.timed_refits or n_timed, repeats)
            compare(task, predicted, options.refits or n_refits)


if __name__ == "__main__":
    main()
