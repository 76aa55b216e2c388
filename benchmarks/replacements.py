"""Replacing rows and flipping labels: agreement with real refits, and speed.

Agreement: scikit-learn really refitted with a row's label flipped, or its features replaced by
those of another row of another class; change of the loss of 30 test rows: correlation and slope of
what was predicted, to first order (Eq. 3), by one Newton step and exactly. The rows are those of
1,000 drawn at random with the largest change by one Newton step: where that is least to be trusted.

Speed: the change of 30 test losses by every label flip of every row by one Newton step, ``fit`` of
the explainer included, over the time of a direct NumPy version of the same, and over its matrix
products alone; all in one run, with one BLAS thread.

Run ``python benchmarks/replacements.py``; with SKINFLUENCE_DATA naming the data folder also on
MNIST's 10,000 first digits of ten classes and on hospital readmission.
"""

from __future__ import annotations

import os
import time

import numpy as np
from agreement import agreement, strongest
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logsumexp, softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_diabetes130, fetch_mnist, load_mnist17, load_spambase

N_TEST = 30
N_REFITS = 20


def data_sets():
    """Name, training rows, test rows and C."""
    X, y = load_spambase(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = scale(X[order]), y[order]
    yield "spambase", X[:3600], y[:3600], X[3600:], y[3600:], 1.0
    digits = load_mnist17()
    yield "MNIST 1 vs. 7", digits.data, digits.target, digits.test_data, digits.test_target, 0.1
    if os.environ.get("SKINFLUENCE_DATA"):
        hospital = fetch_diabetes130(download_if_missing=False)
        widest = hospital.data.max(axis=0)
        widest[widest == 0] = 1.0
        tests = hospital.test_data[:1000] / widest, hospital.test_target[:1000]
        yield "readmission", hospital.data / widest, hospital.target, *tests, 1.0
        digits = fetch_mnist(download_if_missing=False)
        X, y = digits.data[:10_000], digits.target[:10_000]
        tests = digits.test_data[:1000], digits.test_target[:1000]
        yield "MNIST, 10 classes", X, y, *tests, 0.01


def model(C: float, n_classes: int) -> LogisticRegression:
    solver = "newton-cholesky" if n_classes == 2 else "lbfgs"
    return LogisticRegression(
        C=C, solver=solver, tol=1e-12 if n_classes == 2 else 1e-9, max_iter=5000
    )


def losses(fitted, X, y) -> np.ndarray:
    z = fitted.decision_function(X)
    codes = np.searchsorted(fitted.classes_, y)
    if z.ndim == 1:
        return np.logaddexp(0.0, np.where(codes == 1, -z, z))
    return logsumexp(z, axis=1) - z[np.arange(len(y)), codes]


def agreements(explainer, X, y, X_test, y_test, what: str) -> str:
    """Of the strongest rows."""
    rng, n = np.random.default_rng(0), len(y)
    classes = explainer.classes_
    rows = rng.choice(n, size=min(n, 1000), replace=False)
    if what == "label":
        y_new = classes[(np.searchsorted(classes, y[rows]) + 1) % len(classes)]
        new = {"X_new": None, "y_new": y_new}
    else:
        others = np.array([rng.choice(np.flatnonzero(y != y[row])) for row in rows])
        new = {"X_new": X[others], "y_new": None}
    asked = X_test, y_test
    summed = explainer.perturbation_influence(*asked, indices=rows, reduce="mean", **new)
    chosen = strongest(summed, N_REFITS)
    new = {name: None if value is None else value[chosen] for name, value in new.items()}
    rows = rows[chosen]
    before = losses(explainer.estimator_, *asked)
    actual = np.empty((len(y_test), len(rows)))
    for place, row in enumerate(rows):
        X_changed, y_changed = X.copy(), y.copy()
        if new["X_new"] is not None:
            X_changed[row] = new["X_new"][place]
        else:
            y_changed[row] = new["y_new"][place]
        again = clone(explainer.estimator_).fit(X_changed, y_changed)
        actual[:, place] = losses(again, *asked) - before
    found = []
    for kind in ("upweight", "removal", "refit"):
        got = explainer.perturbation_influence(*asked, indices=rows, kind=kind, **new)
        got = got / n if kind == "upweight" else got
        found.append(f"{kind}: {agreement(got, actual)}")
    worst = np.abs(got - actual).max() / np.abs(actual).max()
    return "; ".join(found) + f"; largest error of refit {worst:.0e} of the largest change"


def binary_expert(fitted, X, y, X_test, y_test, C) -> np.ndarray:
    """Loss changes (n_test, n) by flips: the curvature is the same for both labels."""
    inputs, tests = (np.column_stack([A, np.ones(len(A))]) for A in (X, X_test))
    theta = np.append(fitted.coef_[0], fitted.intercept_)
    signs, signs_test = (
        np.where(labels == fitted.classes_[1], 1.0, -1.0) for labels in (y, y_test)
    )
    p = expit(inputs @ theta)
    hessian = (inputs * (p * (1 - p))[:, None]).T @ inputs
    hessian[np.arange(X.shape[1]), np.arange(X.shape[1])] += 1.0 / C
    factor = cho_factor(hessian)
    step = -signs  # s r(y) - s r(-y)
    moves = (tests @ cho_solve(factor, inputs.T)) * step
    z = tests @ theta
    after = np.logaddexp(0.0, -signs_test[:, None] * (z[:, None] + moves))
    return after - np.logaddexp(0.0, -signs_test * z)[:, None]


def softmax_expert(fitted, X, y, X_test, y_test, C) -> np.ndarray:
    """Loss changes (n_test, n, K) by flips, over all K classes with a damping of the null space."""
    inputs, tests = (np.column_stack([A, np.ones(len(A))]) for A in (X, X_test))
    theta = np.column_stack([fitted.coef_, fitted.intercept_])
    k, q = theta.shape
    p = softmax(inputs @ theta.T, axis=1)
    hessian = np.empty((k, q, k, q))
    for a in range(k):
        for b in range(a, k):
            w = p[:, a] * ((a == b) - p[:, b])
            hessian[a, :, b] = hessian[b, :, a] = (inputs * w[:, None]).T @ inputs
    hessian = hessian.reshape(k * q, k * q)
    index = np.arange(k * q)
    hessian[index, index] += np.where(index % q == q - 1, 1e-6, 1.0 / C)
    factor = cho_factor(hessian, overwrite_a=True)
    units = np.einsum("ab,tq->taqb", np.eye(k), tests).transpose(1, 2, 0, 3).reshape(k * q, -1)
    directions = cho_solve(factor, units).reshape(k, q, -1)
    z = tests @ theta.T
    codes = np.searchsorted(fitted.classes_, y_test)
    start = logsumexp(z, axis=1) - z[np.arange(len(z)), codes]
    result = np.empty((len(tests), len(X), k))
    for rows in np.array_split(np.arange(len(X)), max(1, len(X) // 2000)):
        through = np.einsum("iq,aqc->iac", inputs[rows], directions, optimize=True)
        through = through.reshape(len(rows), k, len(tests), k)
        own = np.searchsorted(fitted.classes_, y[rows])
        steps = np.eye(k)[None, :, :] - np.eye(k)[own][:, None, :]  # (rows, new class, K)
        moves = np.einsum("ica,iatb->ticb", steps, through, optimize=True)
        moved = z[:, None, None, :] + moves
        at_own = np.take_along_axis(moved, codes[:, None, None, None], axis=3)[..., 0]
        result[:, rows] = logsumexp(moved, axis=3) - at_own - start[:, None, None]
    return result


def products(X, X_test, n_classes: int):
    """Forming and factorising the Hessian, and each test direction times all rows."""
    inputs = np.column_stack([X, np.ones(len(X))])
    q = inputs.shape[1]
    pairs = n_classes * (n_classes - 1) // 2 if n_classes > 2 else 1
    for _ in range(pairs):
        gram = inputs.T @ inputs
    k = n_classes - 1
    whole = np.kron(np.eye(k), gram + np.eye(q)) if k > 1 else gram + np.eye(q)
    factor = cho_factor(whole, overwrite_a=True)
    directions = cho_solve(factor, np.ones((k * q, k * len(X_test))))
    return inputs @ directions.reshape(q, -1)


def seconds(function):
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def speed(fitted, X, y, tests, C) -> str:
    """Of all flips."""
    n_classes = len(fitted.classes_)
    expert = binary_expert if n_classes == 2 else softmax_expert

    def ours():
        return InfluenceExplainer(fitted, prefit=True).fit(X, y).label_flip_influence(*tests)

    with threadpool_limits(1):
        t_ours, a = seconds(ours)
        t_expert, b = seconds(lambda: expert(fitted, X, y, *tests, C))
        t_products, _ = seconds(lambda: products(X, tests[0], n_classes))
    a = a.sum(axis=2) if n_classes == 2 else a
    return (
        f"all {(n_classes - 1) * len(y):,} flips: {t_ours / t_expert:.2f} x expert NumPy, "
        f"{t_ours / t_products:.2f} x the products alone ({t_ours:.1f} s); largest difference "
        f"{np.abs(a - b).max() / np.abs(b).max():.0e}"
    )


def main() -> None:
    for name, X, y, X_test, y_test, C in data_sets():
        fitted = model(C, len(np.unique(y))).fit(X, y)
        explainer = InfluenceExplainer(fitted, prefit=True).fit(X, y)
        tests = X_test[:N_TEST], y_test[:N_TEST]
        print(f"{name}: n = {len(y):,}, d = {X.shape[1]}, C = {C}", flush=True)
        print(f"  {speed(fitted, X, y, tests, C)}", flush=True)
        for what in ("label", "features"):
            print(f"  {what}: {agreements(explainer, X, y, *tests, what)}", flush=True)


if __name__ == "__main__":
    main()
