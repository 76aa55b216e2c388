"""Groups of rows, held-out predictions and the bootstrap, from one fit and by real refits.

(a) Groups of 1, 5, 20 and 40 % of 1,000 rows removed from a logistic regression (synthetic data of
    ``approximations.py``, p = 20, C = 1): for each size 20 random groups and 20 coherent ones, the
    tail of the rows in a random direction. Correlation and slope of first order (the sum of the
    rows' influences, times -1/n), one Newton step and the exact answer on the summed loss of 100
    test rows and on that of each of them.
(b) Leave-one-out: probabilities of a logistic regression on breast-cancer (standardised) against
    ``cross_val_predict(cv=LeaveOneOut())``, squared errors of ridge regression on diabetes against
    ``RidgeCV(store_cv_results=True)``.
(c) 5-fold cross-validation: ``cross_val_decision`` against ``cross_val_predict``.
(d) 200 bootstrap samples: ``reweight`` against refits with the samples' counts as weights, and the
    standard errors of 100 test rows' decision values.

scikit-learn's refits are by newton-cholesky with tol=1e-14, its fastest solver here. Times of ours
include ``fit`` of the explainer around the fitted model; all is on one core, with one BLAS thread.

Run ``python benchmarks/groups.py [a b c d]``; a quarter of a minute for all.
"""

from __future__ import annotations

import sys

import numpy as np
from approximations import KINDS, exact_model, log_losses, logistic_data, statistics
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from timing import seconds

from skinfluence import InfluenceExplainer
from skinfluence.datasets import load_spambase

SHARES = (0.01, 0.05, 0.2, 0.4)
N_GROUPS = 20
N_SAMPLES = 200
REPEATS = 3


def synthetic(n: int = 1000, p: int = 20, n_test: int = 100):
    X, y = logistic_data(n + n_test, p, np.random.default_rng(0))
    return (X[:n], y[:n]), (X[n:], y[n:])


def breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def spambase():
    X, y = load_spambase(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def explain(model, X, y) -> InfluenceExplainer:
    return InfluenceExplainer(model, prefit=True).fit(X, y)


def largest(values: np.ndarray) -> float:
    return float(np.abs(values).max())


# --------------------------------------------------------------------------------- (a) groups


def random_groups(n: int, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.choice(n, size, replace=False) for _ in range(N_GROUPS)]


def coherent_groups(X: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    directions = rng.standard_normal((X.shape[1], N_GROUPS))
    return list(np.argsort(-(X @ directions), axis=0)[:size].T)


def removed_groups() -> None:
    train, test = synthetic()
    X, y = train
    n = len(X)
    model = exact_model().fit(X, y)
    explainer = explain(model, X, y)
    before = log_losses(model, *test)
    bars = " ".join(["=" * 6, "=" * 8, *["=" * 15] * 6, "=" * 11])
    print("\n(a) groups of rows: correlation and slope; largest relative error of the exact sum\n")
    print(bars)
    print(f"{'groups':15} {'sum over 100 test rows':^47} {'single test rows':^47} {'exact':>11}")
    print(" ".join(["-" * 15, "-" * 47, "-" * 47, "-" * 11]))
    print(" ".join(["  size", "sort    ", *[f"{kind:>15}" for kind in KINDS] * 2, "      error"]))
    print(bars)
    for share in SHARES:
        rng = np.random.default_rng(1)
        size = round(share * n)
        sorts = {
            "random": random_groups(n, size, rng),
            "coherent": coherent_groups(X, size, rng),
        }
        for sort, groups in sorts.items():
            predicted = {
                name: explainer.group_influence(groups, *test, kind=kind)
                for name, kind in KINDS.items()
            }
            predicted["first order"] /= -n
            actual = []
            for group in groups:
                keep = np.setdiff1d(np.arange(n), group)
                actual.append(log_losses(clone(model).fit(X[keep], y[keep]), *test) - before)
            actual = np.transpose(actual)
            sums = [statistics(each.sum(0), actual.sum(0)) for each in predicted.values()]
            singles = [statistics(each.ravel(), actual.ravel()) for each in predicted.values()]
            error = largest(predicted["exact"].sum(0) / actual.sum(0) - 1.0)
            print(
                " ".join([f"{share:6.0%}", f"{sort:8}", *sums, *singles, f"{error:11.0e}"]),
                flush=True,
            )
    print(bars)


# ------------------------------------------------------------------- (b), (c) held-out rows


def leave_one_out() -> None:
    X, y = breast_cancer()
    model = exact_model().fit(X, y)
    t_refits, reference = seconds(
        lambda: cross_val_predict(model, X, y, cv=LeaveOneOut(), method="predict_proba")
    )
    t_default, _ = seconds(
        lambda: cross_val_predict(
            LogisticRegression(), X, y, cv=LeaveOneOut(), method="predict_proba"
        )
    )
    print(
        f"\n(b) leave-one-out probabilities, breast-cancer: {t_refits:.2f} s of refits, "
        f"{t_default:.2f} s by LogisticRegression()"
    )
    for name, kind in list(KINDS.items())[1:]:
        t_ours, ours = seconds(
            lambda kind=kind: explain(model, X, y).loo_predict_proba(kind=kind), REPEATS
        )
        print(
            f"    {name}: largest difference {largest(ours - reference):.0e}, mean difference "
            f"{np.abs(ours - reference).mean():.0e}; refits take {t_refits / t_ours:.0f} times "
            f"as long ({t_ours:.3f} s)"
        )
    X, y = load_diabetes(return_X_y=True)
    ridge = Ridge(alpha=1e-2).fit(X, y)
    t_ours, ours = seconds(lambda: explain(ridge, X, y).loo_decision_function(), REPEATS)
    t_cv, cv = seconds(lambda: RidgeCV([1e-2], store_cv_results=True).fit(X, y), REPEATS)
    t_refits, reference = seconds(lambda: cross_val_predict(ridge, X, y, cv=LeaveOneOut()))
    squares = cv.cv_results_[:, 0]
    print(
        f"    ridge, diabetes: squared errors differ from RidgeCV's by "
        f"{largest((y - ours) ** 2 / squares - 1.0):.0e} (relative), predictions from refits' by "
        f"{largest(ours - reference) / y.std():.0e} standard deviations of y; RidgeCV takes "
        f"{t_cv / t_ours:.2f}, refits {t_refits / t_ours:.0f} times as long"
    )


def cross_validation() -> None:
    print("\n(c) decision values of 5-fold cross-validation, in their standard deviations")
    for title, (X, y) in {
        "breast-cancer": breast_cancer(),
        "spambase": spambase(),
        "synthetic": synthetic()[0],
    }.items():
        model = exact_model().fit(X, y)
        t_refits, reference = seconds(
            lambda model=model, X=X, y=y: cross_val_predict(
                model, X, y, cv=5, method="decision_function"
            ),
            REPEATS,
        )
        print(f"    {title}: {t_refits:.3f} s of refits")
        for name, kind in KINDS.items():
            t_ours, ours = seconds(
                lambda kind=kind, model=model, X=X, y=y: explain(model, X, y).cross_val_decision(
                    5, kind=kind
                ),
                REPEATS,
            )
            print(
                f"      {name}: {statistics(ours, reference)}, largest difference "
                f"{largest(ours - reference) / reference.std():.0e}; refits take "
                f"{t_refits / t_ours:.2f} times as long ({t_ours:.3f} s)"
            )


# ------------------------------------------------------------------------------ (d) bootstrap


def bootstrap() -> None:
    print(f"\n(d) {N_SAMPLES} bootstrap samples: standard errors of 100 decision values")
    X, y = spambase()
    order = np.random.default_rng(2).permutation(len(X))
    chosen, held_out = order[:1000], order[1000:1100]
    tasks = {"synthetic": (*synthetic()[0], synthetic()[1][0])}
    tasks["1,000 rows of spambase"] = (X[chosen], y[chosen], X[held_out])
    for title, (X, y, X_test) in tasks.items():
        rng = np.random.default_rng(3)
        counts = rng.multinomial(len(X), np.full(len(X), 1.0 / len(X)), size=N_SAMPLES).T
        model = exact_model().fit(X, y)

        def refits(X=X, y=y, X_test=X_test, counts=counts, model=model):
            return np.column_stack(
                [clone(model).fit(X, y, c).decision_function(X_test) for c in counts.T]
            )

        t_refits, reference = seconds(refits)
        errors = reference.std(axis=1, ddof=1)
        print(f"    {title}: {t_refits:.2f} s of refits")
        for name, kind in KINDS.items():
            t_ours, ours = seconds(
                lambda kind=kind, X=X, y=y, X_test=X_test, counts=counts, model=model: explain(
                    model, X, y
                ).reweight(counts, X_test, kind=kind),
                REPEATS,
            )
            print(
                f"      {name}: {statistics(ours.std(axis=1, ddof=1), errors)}, decision values "
                f"differ by up to {largest((ours - reference) / errors[:, None]):.0e} standard "
                f"errors; refits take {t_refits / t_ours:.2f} times as long ({t_ours:.2f} s)",
                flush=True,
            )


def main() -> None:
    which = sys.argv[1:] or ["a", "b", "c", "d"]
    parts = {"a": removed_groups, "b": leave_one_out, "c": cross_validation, "d": bootstrap}
    with threadpool_limits(1, user_api="blas"):
        for part in which:
            parts[part]()


if __name__ == "__main__":
    main()
