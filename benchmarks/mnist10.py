"""MNIST with all ten classes: solvers against each other and against real refits.

Section 4.1 and Figure 2 of Koh & Liang: the first 55,000 rows, lambda = 0.01 per sample, no
intercept, p = 7,840. The influence of all training rows on the loss of one misclassified test
image, by Cholesky, CG and LiSSA; the strongest rows are then really removed and the estimator
refitted (warm-started from the full fit, to the same tight tolerance).

Run ``python benchmarks/mnist10.py`` with SKINFLUENCE_DATA naming the folder of mnist.npz; about
ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from agreement import agreement, strongest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skinfluence import CG, Cholesky, InfluenceExplainer, LiSSA
from skinfluence.datasets import fetch_mnist

LAMBDA = 0.01


def compare_solvers(model, X, y, x_test, y_test) -> InfluenceExplainer:
    """Influence of all rows by every solver, against Cholesky."""
    start = time.perf_counter()
    exact = InfluenceExplainer(model, prefit=True, solver=Cholesky()).fit(X, y)
    reference = exact.influence(x_test, y_test)[0]
    print(
        f"Cholesky: {time.perf_counter() - start:.1f} s  "
        f"||grad J|| {exact.report_.gradient_norm:.1e}"
        f"  step to the optimum {exact.report_.relative_step:.1e} of the sampling noise"
    )
    solvers = [
        CG(),
        LiSSA(repeats=10, depth=5000),
        LiSSA(repeats=1, depth=5000),
        LiSSA(repeats=10, depth=5000, batch_size=1),
        LiSSA(repeats=1, depth=5000, batch_size=1),
    ]
    for solver in solvers:
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            explainer = InfluenceExplainer(model, prefit=True, solver=solver).fit(X, y)
            scores = explainer.influence(x_test, y_test)[0]
        seconds = time.perf_counter() - start
        error = np.abs(scores - reference).max() / np.abs(reference).max()
        print(f"{solver}\n  {explainer.solver_.describe()}")
        print(f"  {agreement(scores, reference)}  largest error {error:.1e}  {seconds:.1f} s")
        for warning in caught:
            print(f"  {warning.category.__name__}: {warning.message}")
    return exact


def compare_refits(model, explainer, X, y, x_test, y_test, n_refits) -> None:
    """The strongest rows, really removed."""
    first_order = -explainer.influence(x_test, y_test)[0] / len(X)
    rows = strongest(first_order, n_refits)
    newton = explainer.influence(x_test, y_test, kind="removal", indices=rows)[0]
    loss = log_loss_of(model, x_test, y_test)
    actual = []
    for row in rows:
        refit = clone(model).set_params(warm_start=True)
        refit.coef_, refit.intercept_ = model.coef_.copy(), model.intercept_.copy()
        refit.classes_ = model.classes_
        keep = np.arange(len(X)) != row
        actual.append(log_loss_of(refit.fit(X[keep], y[keep]), x_test, y_test) - loss)
    print(f"{n_refits} strongest rows really refitted:")
    print(f"  first order: {agreement(first_order[rows], actual)}")
    print(f"  removal:     {agreement(newton, actual)}")


def log_loss_of(model, x_test, y_test) -> float:
    code = int(np.flatnonzero(model.classes_ == y_test[0])[0])
    return -float(model.predict_log_proba(x_test)[0, code])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=55_000)
    parser.add_argument("--refits", type=int, default=20)
    options = parser.parse_args()
    mnist = fetch_mnist()
    X, y = mnist.data[: options.rows], mnist.target[: options.rows]
    n = len(X)
    start = time.perf_counter()
    model = LogisticRegression(
        C=1.0 / (n * LAMBDA), fit_intercept=False, tol=1e-8, max_iter=5000
    ).fit(X, y)
    print(f"fit: {time.perf_counter() - start:.1f} s, {model.n_iter_[0]} iterations", flush=True)
    wrong = np.flatnonzero(model.predict(mnist.test_data) != mnist.test_target)[:1]
    x_test, y_test = mnist.test_data[wrong], mnist.test_target[wrong]
    exact = compare_solvers(model, X, y, x_test, y_test)
    compare_refits(model, exact, X, y, x_test, y_test, options.refits)


if __name__ == "__main__":
    main()
