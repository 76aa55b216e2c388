"""Where first order, one Newton step and the exact answer stand against real refits.

Logistic regression with n / p from 100 down to 1.5 and C from 0.01 to 100 (features have unit
variance), on

- synthetic data: p = 20 Gaussian features, neighbours correlated by 0.5, labels of a logistic model
  whose log-odds have standard deviation 2, and 5 % of them flipped;
- random parts of breast-cancer (p = 30) and spambase (p = 57), standardised.

Rows are removed one at a time and scikit-learn refitted (newton-cholesky, tol=1e-14; at 1e-12 it
stops a step early, and where C is large its distance to the optimum is larger than most effects):
30 rows of the largest first-order effect and 30 random others, half each of fewer. Tables show
the correlation and the slope of prediction on truth, for the change of the mean loss of 100 test
rows, and for that of each removed row's own loss:

- first order: ``kind="upweight"``, times -1/n;
- Newton: ``kind="removal"``;
- exact: ``kind="refit"``.

Run ``python benchmarks/approximations.py [synthetic breast-cancer spambase]``; about a minute
for all.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from agreement import strongest
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skinfluence import InfluenceExplainer
from skinfluence.datasets import load_spambase

DATA = ("synthetic", "breast-cancer", "spambase")
RATIOS = (100, 30, 10, 5, 3, 1.5)
STRENGTHS = (0.01, 0.1, 1, 10, 100)
KINDS = {"first order": "upweight", "Newton": "removal", "exact": "refit"}
N_REMOVED = 30
N_TEST = 100

Sample = tuple[np.ndarray, np.ndarray]


def logistic_data(
    n: int, p: int, rng: np.random.Generator, correlation: float = 0.5, flipped: float = 0.05
) -> Sample:
    """Correlated Gaussian features and noisy labels of a logistic model."""
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    coef = rng.standard_normal(p)
    covariance = correlation ** np.abs(np.subtract.outer(np.arange(p), np.arange(p)))
    coef *= 2.0 / np.sqrt(coef @ covariance @ coef)
    y = rng.random(n) < expit(X @ coef)
    return X, (y ^ (rng.random(n) < flipped)).astype(int)


def samples(name: str, p: int) -> Iterator[tuple[float, Sample, Sample]]:
    """n / p, training and test rows."""
    for number, ratio in enumerate(RATIOS):
        rng = np.random.default_rng([DATA.index(name), number])
        if name == "synthetic":
            n = round(ratio * p)
            X, y = logistic_data(n + N_TEST, p, rng)
        else:
            load = load_breast_cancer if name == "breast-cancer" else load_spambase
            X, y = load(return_X_y=True)
            n = round(ratio * X.shape[1])
            if n + N_TEST > len(X):
                continue
            chosen = rng.permutation(len(X))[: n + N_TEST]
            X, y = StandardScaler().fit_transform(X)[chosen], y[chosen]
        yield ratio, (X[:n], y[:n]), (X[n:], y[n:])


def exact_model(**options) -> LogisticRegression:
    """The estimator of all comparisons, fitted to rounding."""
    return LogisticRegression(solver="newton-cholesky", tol=1e-14, max_iter=1000, **options)


def log_losses(model: LogisticRegression, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Per-row log-loss of a binary model from its decision values, exact for losses of any size."""
    return np.logaddexp(0.0, (1 - 2 * y) * model.decision_function(X))


def actual_changes(
    model: LogisticRegression, train: Sample, rows: np.ndarray, loss: Callable
) -> np.ndarray:
    """Changes of ``loss(model, row)`` by real refits without each row."""
    X, y = train
    changes = []
    for row in rows:
        keep = np.arange(len(X)) != row
        refit = clone(model).fit(X[keep], y[keep])
        changes.append(loss(refit, row) - loss(model, row))
    return np.array(changes)


def statistics(predicted: np.ndarray, actual: np.ndarray) -> str:
    """Correlation and slope of prediction on truth, 15 characters."""
    correlation = np.corrcoef(predicted, actual)[0, 1]
    return f"{correlation:7.4f} {np.polyfit(actual, predicted, 1)[0]:7.3f}"


def compare(
    model: LogisticRegression, train: Sample, predicted: dict, loss: Callable, rng
) -> tuple[list[str], float]:
    """Six cells of a table, and the largest error of the exact kind over the largest change."""
    n = len(train[0])
    k = min(N_REMOVED, n // 2)
    largest = strongest(predicted["first order"], k)
    others = rng.choice(np.setdiff1d(np.arange(n), largest), k, replace=False)
    cells, errors = [], []
    for rows in (largest, others):
        actual = actual_changes(model, train, rows, loss)
        cells += [statistics(effects[rows], actual) for effects in predicted.values()]
        errors.append(np.abs(predicted["exact"][rows] - actual).max() / np.abs(actual).max())
    return cells, max(errors)


def predictions(explainer: InfluenceExplainer, test: Sample) -> tuple[dict, dict]:
    """Effects of every row's removal on the mean test loss, and on its own loss."""
    n = explainer.report_.n
    mean_loss, own_loss = {}, {}
    for name, kind in KINDS.items():
        scale = -1.0 / n if kind == "upweight" else 1.0
        mean_loss[name] = scale * explainer.influence(*test, kind=kind, reduce="mean")
        own_loss[name] = scale * explainer.self_influence(kind=kind)
    return mean_loss, own_loss


def table(title: str, lines: list[list[str]]) -> None:
    """A simple table of reStructuredText."""
    bars = " ".join(["=" * 5, "=" * 5, *["=" * 15] * 6])
    heads = [f"{name:>15}" for name in KINDS] * 2
    print(f"\n{title}: correlation and slope\n\n{bars}")
    print(f"{'rows':11} {'largest effects':^47} {'random others':^47}")
    print(f"{'-' * 11} {'-' * 47} {'-' * 47}")
    print(" ".join(["  n/p", "    C", *heads]))
    print(bars)
    for line in lines:
        print(" ".join(line))
    print(bars)


def run(name: str, p: int) -> None:
    tables: dict[str, list[list[str]]] = {"test loss": [], "own loss": []}
    worst = 0.0
    for number, (ratio, train, test) in enumerate(samples(name, p)):
        for C in STRENGTHS:
            rng = np.random.default_rng([number, 1])
            model = exact_model(C=C).fit(*train)
            explainer = InfluenceExplainer(model, prefit=True).fit(*train)
            mean_loss, own_loss = predictions(explainer, test)
            X, y = train
            questions = {
                "test loss": (mean_loss, lambda m, _: log_losses(m, *test).mean()),  # noqa: B023
                "own loss": (own_loss, lambda m, i: log_losses(m, X[[i]], y[[i]])[0]),  # noqa: B023
            }
            for title, (predicted, loss) in questions.items():
                cells, error = compare(model, train, predicted, loss, rng)
                tables[title].append([f"{ratio:5g}", f"{C:5g}", *cells])
                worst = max(worst, error)
    n_features = train[0].shape[1]
    for title, lines in tables.items():
        table(f"{name}, p = {n_features}, change of the {title}", lines)
    print(f"\nlargest error of the exact kind, over its row set's largest change: {worst:.0e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="*", default=list(DATA))
    parser.add_argument("--p", type=int, default=20, help="features of the synthetic data")
    options = parser.parse_args()
    with threadpool_limits(1, user_api="blas"):
        for name in options.data:
            run(name, options.p)


if __name__ == "__main__":
    main()
