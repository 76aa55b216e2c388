"""Figure 3 of Koh & Liang: a linear SVM on MNIST 1 vs. 7, and what smoothing its hinge does.

``LinearSVC(loss="hinge")`` with lambda = 0.01 per sample and no intercept, on all 13,007 rows.
The rows of greatest first-order effect (smoothing 1e-3) on the loss of one test image are really
removed and the hinge-loss estimator refitted; the test loss is the hinge. Against that stand, at
each temperature of the smooth hinge and from the optimum of its objective:

- first order, the paper's formula;
- one Newton step without the row, which ``kind="removal"`` is for losses without kinks;
- the exact refit of the smooth objective, which ``kind="removal"`` and ``kind="refit"`` are for
  hinge models. They go to a thousandth of the explainer's ``smoothing``, so here the explainer
  gets a thousand times the temperature named.

Unlike the paper's, these first-order numbers are not taken at the parameters of the hinge-loss
model, but at the smooth optimum next to it. At a temperature of 1e-1 that optimum is another model.

Last, what the exact removal of all rows costs, against as many refits with LinearSVC as rows have a
multiplier (without any other row the model stays as it is). LinearSVC is fast: don't expect a gain
in time from exact removals of a linear model, but answers that don't depend on its ``tol``.

Run ``python benchmarks/hinge_mnist17.py`` with SKINFLUENCE_DATA naming the folder of mnist.npz;
about ten minutes of one core, nearly all of it for the two highest temperatures.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from agreement import strongest
from sklearn.base import clone
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_mnist
from skinfluence.losses.sigmoid import SHARPENING
from skinfluence.questions import pose_question
from skinfluence.removal import RowRemoval
from skinfluence.scenarios import Scenarios
from skinfluence.solvers import Auto, SolverContext

LAMBDA = 0.01
TEMPERATURES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
METHODS = ("first order", "one Newton step", "exact refit")


def seconds(function):
    """Of the processor, which with one BLAS thread don't depend on what else the machine does."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def hinge(model: LinearSVC, x: np.ndarray, sign: float) -> float:
    return max(0.0, 1.0 - sign * float(model.decision_function(x)[0]))


def unsmoothed(model: LinearSVC, X, y, x_test, sign) -> np.ndarray:
    """First-order removal effect with the hinge's own second derivative, 0 almost everywhere."""
    signs = np.where(y == model.classes_[1], 1.0, -1.0)
    slopes = -signs * (signs * model.decision_function(X) < 1.0)
    test_slope = -sign * (sign * model.decision_function(x_test)[0] < 1.0)
    return model.C * (X @ x_test[0]) * test_slope * slopes


def newton_step(explainer: InfluenceExplainer, x, label, rows) -> np.ndarray:
    """Removal by one Newton step of the smooth objective, the row's own curvature taken out."""
    objective, solver = explainer.objective_, explainer.solver_
    removal = RowRemoval(Scenarios(objective, solver, Auto(), SolverContext()))
    changes = np.empty(len(rows))
    for _, positions, change in pose_question(objective, x, label, "loss").changes(removal, rows):
        changes[positions] = change[0]
    return changes


def figures(predicted: np.ndarray, actual: np.ndarray) -> tuple[float, float]:
    """Correlation and slope; NaN where there is no answer."""
    if not np.isfinite(predicted).all():
        return np.nan, np.nan
    return np.corrcoef(predicted, actual)[0, 1], np.polyfit(actual, predicted, 1)[0]


def compare(model: LinearSVC, X, y, x, label, rows, actual) -> None:
    """The table, and its conclusion."""
    n, columns = len(X), "".join(f"{method:>24}" for method in METHODS)
    print(f"  correlation and slope\n  temperature{columns}   rows with curvature")
    found = {}
    for temperature in TEMPERATURES:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            here = InfluenceExplainer(model, prefit=True, smoothing=temperature).fit(X, y)
            above = InfluenceExplainer(model, prefit=True, smoothing=temperature / SHARPENING)
            above.fit(X, y)
            answers = (
                -here.influence(x, label, indices=rows)[0] / n,
                newton_step(here, x, label, rows),
                above.influence(x, label, kind="removal", indices=rows)[0],
            )
        line = ""
        for method, answer in zip(METHODS, answers, strict=True):
            found[method, temperature] = r, slope = figures(answer, actual)
            line += f"{r:15.5f} {slope:8.4f}"
        curved = (here.objective_.curvature.weights > 1e-6).sum()
        kinds = sorted({each.category.__name__ for each in caught})
        warned = f"   warned: {', '.join(kinds)}" if kinds else ""
        print(f"  {temperature:<11g}{line}   {curved:6d}{warned}", flush=True)
    r, slope = figures(unsmoothed(model, X, y, x, label_sign(model, label))[rows], actual)
    print(f"  none       {r:15.5f} {slope:8.4f}   (second derivative 0)")

    def error(key) -> float:
        return np.nan_to_num(np.hypot(*(1.0 - np.array(found[key]))), nan=np.inf)

    print("best of each, by distance of (correlation, slope) from (1, 1):")
    best = [min(((m, t) for t in TEMPERATURES), key=error) for m in METHODS]
    for key in sorted(best, key=error):
        r, slope = found[key]
        print(f"  {key[0]} at {key[1]:g}: correlation {r:.5f}, slope {slope:.4f}")


def cost(model: LinearSVC, X, y, x, label, refit_seconds: float) -> None:
    """Exact removal of all rows against refits of those with a multiplier."""
    sharp = InfluenceExplainer(model, prefit=True, smoothing=1e-6).fit(X, y)
    multipliers = int((np.abs(sharp.objective_.residuals) > 1e-6).sum())
    loose = clone(model).set_params(tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loose_seconds, _ = seconds(lambda: loose.fit(X, y))
    explainer = InfluenceExplainer(model, prefit=True).fit(X, y)
    spent, effects = seconds(lambda: explainer.influence(x, label, kind="removal")[0])
    print(
        f"exact removal of all {len(X):,} rows: {spent:.0f} s, of which {multipliers} have a "
        f"multiplier ({(np.abs(effects) > 1e-9).sum()} effects above 1e-9)"
    )
    for tol, each in ((model.tol, refit_seconds), (loose.tol, loose_seconds)):
        ratio = spent / multipliers / each
        print(f"  {ratio:.2f} x {multipliers} refits by LinearSVC(tol={tol:g}), {each:.2f} s each")


def label_sign(model: LinearSVC, label: np.ndarray) -> float:
    return 1.0 if label[0] == model.classes_[1] else -1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--refits", type=int, default=60)
    parser.add_argument("--blas-threads", type=int, default=1)
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
    sign = label_sign(model, label)
    before = hinge(model, x, sign)
    print(f"n = {n}, misclassified test row {wrong[0]} (label {label[0]}), hinge loss {before:.4f}")

    with threadpool_limits(options.blas_threads, user_api="blas"):
        first = InfluenceExplainer(model, prefit=True).fit(X, y)
        rows = strongest(first.influence(x, label)[0], options.refits)

        def refit(row: int) -> float:
            keep = np.arange(n) != row
            return hinge(clone(model).fit(X[keep], y[keep]), x, sign) - before

        spent, actual = seconds(lambda: np.array([refit(row) for row in rows]))
        print(f"{len(rows)} strongest rows refitted with LinearSVC", flush=True)
        compare(model, X, y, x, label, rows, actual)
        cost(model, X, y, x, label, spent / len(rows))


if __name__ == "__main__":
    main()
