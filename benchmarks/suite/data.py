"""Data and fitted models that the work items share. Real data, but for the sweeps over sizes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skinfluence.datasets import (
    fetch_diabetes130,
    fetch_dogfish,
    fetch_mnist,
    fetch_newsgroups20,
    load_mnist17,
    load_spambase,
)

from .items import Skipped, Task

LAMBDA = 0.01


def fetched(fetch: Callable[..., Any], **options: Any) -> Any:
    """A data set that the package doesn't hold, from the user's folder alone."""
    try:
        return fetch(**options)
    except OSError as error:
        named = "has no copy" if os.environ.get("SKINFLUENCE_DATA") else "names no folder"
        name = fetch.__name__.removeprefix("fetch_")
        raise Skipped(f"no data: SKINFLUENCE_DATA {named} of {name}") from error


def readmission(quick: bool) -> Task:
    data = fetched(fetch_diabetes130, download_if_missing=False)
    scale = np.maximum(data.data.max(axis=0), 1)
    keep, n_test = (slice(None, None, 10), 10) if quick else (slice(None), 100)
    X, y = data.data[keep] / scale, data.target[keep]
    model = LogisticRegression(fit_intercept=False, tol=1e-8, max_iter=5000).fit(X, y)
    return Task(X, y, model, data.test_data[:n_test] / scale, data.test_target[:n_test])


def spambase(quick: bool) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the raw columns, which have long tails, in random order."""
    X, y = load_spambase(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(y))[: 600 if quick else None]
    return StandardScaler().fit_transform(np.log1p(X[chosen])), y[chosen]


def spambase_refits(quick: bool) -> Task:
    X, y = spambase(False)
    n = 150 if quick else 1000
    # At tol=1e-12 it stops a step early, and that is larger than most changes.
    model = LogisticRegression(
        solver="newton-cholesky", fit_intercept=False, tol=1e-14, max_iter=1000
    )
    return Task(X[:n], y[:n], model.fit(X[:n], y[:n]))


def spambase_plain_logistic(quick: bool) -> Task:
    """Without a penalty, as statisticians have it."""
    X, y = spambase(quick)
    X = X[:, :10] if quick else X
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    return Task(X, y, model.fit(X, y))


def spambase_least_squares(quick: bool) -> Task:
    """2,000 rows: statsmodels fits again without each."""
    X, y = spambase(quick)
    X, y = (X[:, :10], y) if quick else (X[:2000], y[:2000])
    return Task(X, y.astype(float), LinearRegression().fit(X, y))


def mnist(quick: bool) -> Task:
    """The paper's 55,000 rows."""
    return mnist_rows(300 if quick else 55_000, 3 if quick else 30)


def mnist_part(quick: bool) -> Task:
    return mnist_rows(300 if quick else 10_000, 3 if quick else 10)


def mnist_rows(n: int, n_test: int) -> Task:
    data = fetched(fetch_mnist, download_if_missing=False)
    X, y = np.ascontiguousarray(data.data[:n]), data.target[:n]
    X_test, y_test = data.test_data, data.test_target
    if n < 1000:
        columns = np.flatnonzero(X.std(axis=0) > 0.3)[::4]
        X, X_test = X[:, columns], X_test[:, columns]
    model = LogisticRegression(C=1.0 / (n * LAMBDA), fit_intercept=False, tol=1e-6, max_iter=5000)
    model.fit(X, y)
    wrong = np.flatnonzero(model.predict(X_test) != y_test)[:n_test]
    return Task(X, y, model, X_test[wrong], y_test[wrong])


def digits_1_7(quick: bool) -> Task:
    data = load_mnist17()
    n, columns = (200, slice(300, 400)) if quick else (1500, slice(None))
    X = np.ascontiguousarray(data.data[:n, columns])
    model = LogisticRegression(C=0.1, fit_intercept=False, tol=1e-8, max_iter=5000)
    model.fit(X, data.target[:n])
    tests = np.ascontiguousarray(data.test_data[:10, columns]), data.test_target[:10]
    return Task(X, data.target[:n], model, *tests)


def dogfish(quick: bool) -> Task:
    """Ridge on raw pixels, many times more columns than rows."""
    data = fetched(fetch_dogfish, kind="pixels")
    X, y = data.data, np.where(data.target == 1, 1.0, -1.0)
    if quick:
        X, y = np.ascontiguousarray(X[::20, :500]), y[::20]
    return Task(X, y, Ridge(alpha=0.1 * X.shape[1]).fit(X, y))


def kernel_ridge(quick: bool) -> Task:
    X, y = spambase(False)
    n, n_test = (200, 10) if quick else (2000, 100)
    values = np.where(y == 1, 1.0, -1.0)
    model = KernelRidge(kernel="rbf", alpha=0.3, gamma=1.0 / X.shape[1])
    model.fit(X[:n], values[:n])
    tests = slice(n, n + n_test)
    return Task(X[:n], values[:n], model, X[tests], values[tests])


def support_vectors(quick: bool) -> Task:
    """MNIST 3 vs. 8; rows: support vectors to leave out."""
    data = fetched(fetch_mnist, download_if_missing=False)
    chosen, tested = np.isin(data.target, (3, 8)), np.isin(data.test_target, (3, 8))
    n, n_test, n_left_out = (400, 10, 5) if quick else (5000, 100, 100)
    X, y = data.data[chosen][:n], data.target[chosen][:n]
    # What gamma="scale" is, but the same without a row.
    model = SVC(kernel="rbf", gamma=1.0 / (X.shape[1] * X.var()), tol=1e-6).fit(X, y)
    support = np.random.default_rng(0).permutation(model.support_)[:n_left_out]
    tests = data.test_data[tested][:n_test], data.test_target[tested][:n_test]
    return Task(X, y, model, *tests, np.sort(support))


def frequent(X: Any, n_columns: int) -> np.ndarray:
    """Columns with the most non-zeros."""
    return np.sort(np.argsort(-X.getnnz(axis=0), kind="stable")[:n_columns])


def news_groups(quick: bool) -> Task:
    """All 20 classes of 20 Newsgroups, tf-idf."""
    data = fetched(fetch_newsgroups20, download_if_missing=False)
    weigh = TfidfTransformer(sublinear_tf=True).fit(data.data)
    X, y, X_test, y_test = (
        weigh.transform(data.data),
        data.target,
        weigh.transform(data.test_data),
        data.test_target,
    )
    if quick:
        columns = frequent(X, 500)
        X, y, X_test = X[:300, columns].tocsr(), y[:300], X_test[:, columns].tocsr()
    model = LogisticRegression(C=10, fit_intercept=False, tol=1e-6, max_iter=1000).fit(X, y)
    wrong = np.flatnonzero(model.predict(X_test) != y_test)[: 2 if quick else 10]
    return Task(X, y, model, X_test[wrong], y_test[wrong])


def news_computers(quick: bool) -> Task:
    """All posts of 20 Newsgroups, comp.* against the others; rows: 200 to compare exactly."""
    data = fetched(fetch_newsgroups20, download_if_missing=False)
    counts = sp.vstack([data.data, data.test_data]).tocsr()
    target = np.concatenate([data.target, data.test_target])
    computers = [i for i, name in enumerate(data.target_names) if name.startswith("comp.")]
    X = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    y = np.isin(target, computers).astype(int)
    if quick:
        X, y = X[:400, frequent(X, 800)].tocsr(), y[:400]
    model = LogisticRegression(C=10, fit_intercept=False, tol=1e-8, max_iter=5000).fit(X, y)
    rows = np.random.default_rng(0).choice(len(y), min(200, len(y) // 4), replace=False)
    return Task(X, y, model, rows=np.sort(rows))
