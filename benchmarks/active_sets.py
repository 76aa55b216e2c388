"""L1-penalised models on real data: what a removal is worth where the support may change.

For each of two data sets (spambase, and Enron1's word counts, which are sparse) and a logistic
regression with an L1 penalty: how many of 200 random rows would change the support; the change of
20 test losses without each of 12 rows, predicted and by scikit-learn really refitted, those that
change the support apart; and the time of removal for all rows, support check included, in units of
one refit by scikit-learn.

Run ``python benchmarks/active_sets.py [spambase enron1]`` with SKINFLUENCE_DATA naming
the data folder; a minute or two on two cores.
"""

from __future__ import annotations

import argparse
import inspect
import time
import warnings

import numpy as np
from agreement import agreement
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_enron1, load_spambase

N_TEST, N_ASKED, N_REFITTED = 20, 200, 12


def spambase():
    data = load_spambase()
    X, y = StandardScaler().fit_transform(data.data), data.target
    order = np.random.default_rng(0).permutation(len(y))
    return X[order[:4000]], y[order[:4000]], X[order[4000:]], y[order[4000:]], 0.02


def enron1():
    data = fetch_enron1()
    return data.data, data.target, data.test_data, data.test_target, 0.3


DATA = {"spambase": spambase, "enron1": enron1}


def model(C: float) -> LogisticRegression:
    l1 = {"l1_ratio": 1.0}
    if "deprecated" not in str(inspect.signature(LogisticRegression).parameters["penalty"]):
        l1 = {"penalty": "l1"}
    return LogisticRegression(
        C=C, solver="liblinear", tol=1e-9, max_iter=100_000, random_state=0, **l1
    )


def run(name: str) -> None:
    X, y, X_test, y_test, C = DATA[name]()
    rng = np.random.default_rng(1)
    chosen = np.sort(rng.choice(X_test.shape[0], N_TEST, replace=False))
    X_test, y_test = X_test[chosen], y_test[chosen]
    start = time.perf_counter()
    fitted = model(C).fit(X, y)
    refit_seconds = time.perf_counter() - start
    explainer = InfluenceExplainer(fitted, prefit=True).fit(X, y)
    print(f"{name}: n = {X.shape[0]:,}, {explainer.report_.held}")

    start = time.perf_counter()
    removal = explainer.influence(X_test, y_test, kind="removal")
    all_rows = time.perf_counter() - start
    print(f"  removal of all rows: {all_rows / refit_seconds:.1f} x one refit by scikit-learn")
    asked = np.sort(rng.choice(X.shape[0], N_ASKED, replace=False))
    changes = explainer.support_changes(kind="refit", indices=asked)
    newton = explainer.support_changes(kind="removal", indices=asked)
    print(
        f"  of {N_ASKED} random rows {changes.sum()} would change the support exactly, "
        f"{newton.sum()} by one Newton step, {(changes != newton).sum()} told differently"
    )
    for told in (False, True):
        rows = asked[changes == told][:N_REFITTED]
        if len(rows) < 3:
            continue
        compare(explainer, X, y, X_test, y_test, rows, removal, told)


def compare(explainer, X, y, X_test, y_test, rows, removal, told: bool) -> None:
    fitted = explainer.estimator_

    def signs(model):
        return np.sign(np.r_[model.coef_[0], model.intercept_])

    def losses(model):
        return -model.predict_log_proba(X_test)[np.arange(N_TEST), y_test]

    actual, same = [], 0
    for row in rows:
        kept = np.arange(X.shape[0]) != row
        refitted = clone(fitted).fit(X[kept], y[kept])
        same += bool((signs(refitted) == signs(fitted)).all())
        actual.append(losses(refitted) - losses(fitted))
    actual = np.array(actual).T
    exact = explainer.influence(X_test, y_test, kind="refit", indices=rows)
    words = "would change it" if told else "would not"
    print(f"  {len(rows)} rows of which it is told that they {words}: {same} refits keep it")
    print(f"    removal: {agreement(removal[:, rows], actual)}")
    print(f"    refit:   {agreement(exact, actual)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", help=f"some of {', '.join(DATA)}; all by default")
    warnings.simplefilter("ignore")
    for name in parser.parse_args().data or DATA:
        run(name)


if __name__ == "__main__":
    main()
