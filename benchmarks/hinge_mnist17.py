"""Figure 3 of Koh & Liang: a linear SVM on MNIST 1 vs. 7, and what smoothing its hinge does.

``LinearSVC(loss="hinge")`` with lambda = 0.01 per sample and no intercept, on all 13,007 rows.
The rows of greatest predicted effect on the loss of one test image are really removed and the
hinge-loss estimator refitted; the test loss is the hinge.

Run ``python benchmarks/hinge_mnist17.py`` with SKINFLUENCE_DATA naming the folder of mnist.npz;
about ten minutes on two cores, nearly all of it refits.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from agreement import agreement, strongest
from sklearn.base import clone
from sklearn.svm import LinearSVC

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_mnist

LAMBDA = 0.01


def hinge(model: LinearSVC, x: np.ndarray, sign: float) -> float:
    return max(0.0, 1.0 - sign * float(model.decision_function(x)[0]))


def unsmoothed(model: LinearSVC, X, y, x_test, sign) -> np.ndarray:
    """First-order removal effect with the hinge's own second derivative, 0 almost everywhere."""
    signs = np.where(y == model.classes_[1], 1.0, -1.0)
    slopes = -signs * (signs * model.decision_function(X) < 1.0)
    test_slope = -sign * (sign * model.decision_function(x_test)[0] < 1.0)
    return model.C * (X @ x_test[0]) * test_slope * slopes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refits", type=int, default=60)
    options = parser.parse_args()
    mnist = fetch_mnist()
    chosen, tested = np.isin(mnist.target, (1, 7)), np.isin(mnist.test_target, (1, 7))
    X, y = mnist.data[chosen], mnist.target[chosen]
    X_test, y_test = mnist.test_data[tested], mnist.test_target[tested]
    n = len(X)
    model = LinearSVC(
        loss="hinge", C=1.0 / (n * LAMBDA), fit_intercept=False, tol=1e-9, max_iter=10**6
    ).fit(X, y)
    wrong = np.flatnonzero(model.predict(X_test) != y_test)[:1]
    x, label = X_test[wrong], y_test[wrong]
    sign = 1.0 if label[0] == model.classes_[1] else -1.0
    before = hinge(model, x, sign)
    print(f"n = {n}, misclassified test row {wrong[0]} (label {label[0]}), hinge loss {before:.4f}")

    first = InfluenceExplainer(model, prefit=True).fit(X, y)
    rows = strongest(first.influence(x, label)[0], options.refits)
    actual = []
    for row in rows:
        keep = np.arange(n) != row
        actual.append(hinge(clone(model).fit(X[keep], y[keep]), x, sign) - before)
    print(f"{len(rows)} strongest rows at smoothing=1e-3, refitted with LinearSVC:")
    for smoothing in (1e-4, 1e-3, 1e-2, 1e-1, 1.0):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            explainer = InfluenceExplainer(model, prefit=True, smoothing=smoothing).fit(X, y)
        first_order = -explainer.influence(x, label, indices=rows)[0] / n
        newton = explainer.influence(x, label, kind="removal", indices=rows)[0]
        print(
            f"  smoothing {smoothing:g}: first order {agreement(first_order, actual)};"
            f"  removal {agreement(newton, actual)};"
            f"  step to the optimum {explainer.report_.relative_step:.1e}"
            f"{'  warned' if caught else ''}",
            flush=True,
        )
    print(
        f"  no smoothing (second derivative 0): first order "
        f"{agreement(unsmoothed(model, X, y, x, sign)[rows], actual)}"
    )


if __name__ == "__main__":
    main()
