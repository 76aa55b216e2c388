"""Metrics as targets: how far a smoothed gradient goes, and what it costs.

"steps": a logistic regression on 300 rows with 10 features, each ready metric evaluated on 300,
3,000 and 30,000 rows: correlation and slope of ``kind="removal"`` on ``kind="refit"``, which is the
metric itself, over all rows; and the share of rows whose removal changes the metric at all.

"readmission": logistic regression on 20,000 hospital encounters, evaluated on the other 81,766. The
gap between women and men: agreement over 300 rows; the time of all rows' influence in units of a
direct NumPy version (gradient, one solve, one product a row) and of its products with X alone; the
time of a refit in units of one by scikit-learn; and the rows that decide the gap's sign.

Run ``python benchmarks/functionals.py [steps readmission]`` with SKINFLUENCE_DATA naming the data
folder; about eight minutes on two cores, most of them for the last question.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MaxAbsScaler

from skinfluence import InfluenceExplainer, functionals
from skinfluence.datasets import fetch_diabetes130


def correlation_and_slope(predicted: np.ndarray, actual: np.ndarray) -> str:
    correlation = np.corrcoef(predicted, actual)[0, 1]
    return f"{correlation:.3f}, {np.polyfit(actual, predicted, 1)[0]:.2f}"


def best_of(call, repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


# ------------------------------------------------------------------------------------- steps
def metrics(group: np.ndarray) -> dict:
    return {
        "mean_loss": functionals.mean_loss(),
        "brier_score": functionals.brier_score(),
        "roc_auc": functionals.roc_auc(),
        "average_precision": functionals.average_precision(),
        "accuracy": functionals.accuracy(),
        "demographic_parity": functionals.demographic_parity(group),
        "equal_opportunity": functionals.equal_opportunity(group),
        "equalized_odds": functionals.equalized_odds(group),
        "calibration_error": functionals.calibration_error(),
    }


def steps() -> None:
    X, y = make_classification(
        30_300, 10, n_informative=6, class_sep=0.7, flip_y=0.05, random_state=0
    )
    model = LogisticRegression(tol=1e-10, max_iter=1000).fit(X[:300], y[:300])
    explainer = InfluenceExplainer(model, prefit=True).fit(X[:300], y[:300])
    group = np.where(X[:, 0] + np.random.default_rng(0).standard_normal(len(X)) > 0, "b", "a")
    print("metric: correlation, slope on 300 / 3,000 / 30,000 rows; rows that change it")
    for name in metrics(group):
        found, changed = [], 0.0
        for size in (300, 3_000, 30_000):
            rows = slice(300, 300 + size)
            metric = metrics(group[rows])[name]
            asked = X[rows], y[rows], metric
            exact = explainer.functional_influence(*asked, kind="refit")
            removal = explainer.functional_influence(*asked, kind="removal")
            found.append(correlation_and_slope(removal, exact))
            changed = changed or float((exact != 0).mean())
        print(f"  {name}: {' / '.join(found)}; {changed:.0%}")


# ------------------------------------------------------------------------------- readmission
def readmission() -> None:
    data = fetch_diabetes130()
    scaler = MaxAbsScaler().fit(data.data)
    X, X_test = scaler.transform(data.data), scaler.transform(data.test_data)
    y, y_test = data.target, data.test_target
    (women,) = np.flatnonzero(np.char.startswith(np.array(data.feature_names, str), "gender"))[:1]
    group = np.where(X_test[:, women] > 0, "first", "second")
    start = time.perf_counter()
    model = LogisticRegression(tol=1e-8, max_iter=10_000).fit(X, y)
    one_fit = time.perf_counter() - start
    explainer = InfluenceExplainer(model, prefit=True).fit(X, y)
    gap = functionals.demographic_parity(group)
    asked = X_test, y_test, gap

    print(f"readmission, gap between groups of {data.feature_names[women]}")
    ours = best_of(lambda: explainer.functional_influence(*asked))
    direct, expected = plain(model, X, y, X_test, group)
    numpy_time = best_of(direct)
    limit = best_of(lambda: (X_test @ model.coef_[0], X_test.T @ expected[1], X @ model.coef_[0]))
    got = explainer.functional_influence(*asked)
    apart = np.abs(got - expected[0]).max() / np.abs(expected[0]).max()
    print(
        f"  upweight of all rows: {ours / numpy_time:.2f} x direct NumPy (its factor at hand, as "
        f"ours), {ours / limit:.1f} x its products; numbers {apart:.1e} apart"
    )
    rows = np.sort(np.random.default_rng(0).choice(len(y), 300, replace=False))
    start = time.perf_counter()
    exact = explainer.functional_influence(*asked, kind="refit", indices=rows)
    per_row = (time.perf_counter() - start) / len(rows)
    removal = explainer.functional_influence(*asked, kind="removal", indices=rows)
    print(f"  refit of a row: {per_row / one_fit:.4f} x one fit of scikit-learn")
    print(f"  removal on refit, 300 rows: {correlation_and_slope(removal, exact)}")
    for metric in (functionals.roc_auc(), functionals.brier_score()):
        some = X_test[:20_000], y_test[:20_000], metric
        exact = explainer.functional_influence(*some, kind="refit", indices=rows)
        removal = explainer.functional_influence(*some, kind="removal", indices=rows)
        print(f"  the same of {metric.name}, 20,000 rows: {correlation_and_slope(removal, exact)}")
    start = time.perf_counter()
    found = explainer.most_influential_set(gap, k=60, X=X_test, y=y_test)
    print(f"  {found}")
    print(f"  in {(time.perf_counter() - start) / one_fit:.0f} x one fit of scikit-learn")


def plain(model, X, y, X_test, group):
    """Influence on the gap as one would write it in NumPy, with the Hessian's factor at hand."""
    z = X @ model.coef_[0] + model.intercept_
    p = expit(z)
    inputs = np.column_stack([X, np.ones(len(X))])
    penalty = np.append(np.ones(X.shape[1]), 0.0)
    hessian = inputs.T @ ((p * (1 - p))[:, None] * inputs) + np.diag(penalty)
    factor, residual = cho_factor(hessian), p - y
    first = group == "first"
    shares = np.where(first, -1.0 / first.sum(), 1.0 / (~first).sum())
    state = {}

    def influence():
        values = X_test @ model.coef_[0] + model.intercept_
        width = 0.02 * values.std()
        rates = expit(values / width)
        cotangents = shares * rates * (1 - rates) / width
        gradient = np.append(X_test.T @ cotangents, cotangents.sum())
        v = cho_solve(factor, gradient)
        state["result"] = -len(X) * (X @ v[:-1] + v[-1]) * residual, cotangents
        return state["result"][0]

    influence()
    return influence, state["result"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=["steps", "readmission", []])
    warnings.simplefilter("ignore")
    for part in parser.parse_args().parts or ["steps", "readmission"]:
        {"steps": steps, "readmission": readmission}[part]()


if __name__ == "__main__":
    main()
