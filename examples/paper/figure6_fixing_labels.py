"""
Section 5.4 and Figure 6: an expert checks labels, in the order that is proposed
================================================================================

A tenth of the training labels of e-mails, spam or not, are flipped. Labels are then checked in the
order of self-influence (the paper's), of the training loss, at random (the paper's other two), of
leave-one-out loss, of estimated label noise, and of cleanlab's self-confidence, which is the
probability of the label in 5-fold cross-validation; wrong ones are put right, and the model is
fitted again. What share of the flips has been found, and how good is the model on the test set?

The paper's data are the Enron1 e-mails as bags of words, 40 repetitions. Influence is best there,
then loss, then random; its figure has curves, no numbers. ``python
examples/paper/figure6_fixing_labels.py --full`` is that, for half an hour, with the data in the
folder that ``SKINFLUENCE_DATA`` names. Without ``--full`` it is Spambase, which comes with the
package, and five repetitions.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_enron1, load_spambase

CHECKED = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
LOOKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#999999", "x"))
LOOKS += (("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"))
CRITERIA = ("self_influence", "loss", "random", "loo_loss", "label_noise", "cleanlab")
MODEL = LogisticRegression(C=0.1, tol=1e-4, max_iter=2000)


def enron1() -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """X, X_test, y, y_test; labels are 0 and 1."""
    data = fetch_enron1()
    targets = (np.unique(y, return_inverse=True)[1] for y in (data.target, data.test_target))
    return data.data, data.test_data, *targets


def spambase(seed: int) -> tuple[np.ndarray, ...]:
    """The same of Spambase, where half of the rows are for testing, others each time."""
    X, y = load_spambase(return_X_y=True)
    X = StandardScaler().fit_transform(np.log1p(X))
    return tuple(train_test_split(X, y, test_size=0.5, random_state=seed, stratify=y))


# %%
# One repetition: labels are flipped, checked in each order, and the model fitted again.


def order(
    explainer: InfluenceExplainer, X: Any, y: np.ndarray, by: str, rng: np.random.Generator
) -> np.ndarray:
    """All training rows, the first to be checked first."""
    if by == "random":
        return rng.permutation(len(y))
    if by == "cleanlab":
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        unseen = cross_val_predict(MODEL, X, y, cv=folds, method="predict_proba")
        return np.argsort(unseen[np.arange(len(y)), y])
    return np.asarray(explainer.rank_suspects(by=by)["position"])


def one_seed(
    X: Any, X_test: Any, y: np.ndarray, y_test: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """(criteria, shares): flips found and test accuracy; accuracy with all flips, with none."""
    rng = np.random.default_rng(seed)
    flipped = rng.choice(len(y), len(y) // 10, replace=False)
    noisy = y.copy()
    noisy[flipped] = 1 - y[flipped]
    explainer = InfluenceExplainer(MODEL).fit(X, noisy)
    found, accuracy = np.zeros((2, len(CRITERIA), len(CHECKED)))
    for i, by in enumerate(CRITERIA):
        proposed = order(explainer, X, noisy, by, rng)
        for j, share in enumerate(CHECKED):
            checked = proposed[: int(share * len(y))]
            labels = noisy.copy()
            labels[checked] = y[checked]
            found[i, j] = np.isin(flipped, checked).mean()
            accuracy[i, j] = MODEL.fit(X, labels).score(X_test, y_test)
    ends = [MODEL.fit(X, each).score(X_test, y_test) for each in (noisy, y)]
    return found, accuracy, *ends


# %%
# The tables and the picture.


def table(title: str, values: np.ndarray) -> None:
    print(f"{title:22}" + "".join(f"{share:>8.0%}" for share in CHECKED))
    for name, line in zip(CRITERIA, values, strict=True):
        print(f"  {name:20}" + "".join(f"{value:8.3f}" for value in line))


def draw(found: np.ndarray, accuracy: np.ndarray, noisy: float, clean: float) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for ax, values, what in zip(
        axes, (accuracy, found), ("test accuracy", "share of the flips found"), strict=True
    ):
        for name, line, (colour, marker) in zip(CRITERIA, values, LOOKS, strict=True):
            ax.plot(CHECKED, line, marker=marker, color=colour, label=name)
        ax.set(xlabel="share of the training labels checked", ylabel=what)
    for level, label in ((noisy, "all flips"), (clean, "no flips")):
        axes[0].axhline(level, color="0.6", linewidth=0.8, linestyle="--")
        axes[0].annotate(label, (CHECKED[0], level), fontsize=8, va="bottom")
    axes[1].legend(frameon=False)
    return figure


# %%
# Repeated, and the means of all repetitions.


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Labels are checked in the order proposed.")
    parser.add_argument("--full", action="store_true", help="Enron1, 40 repetitions")
    parser.add_argument("--seeds", type=int, help="repetitions")
    parser.add_argument("--output", type=Path, help="of the picture; shown if absent")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    seeds = range(options.seeds or (40 if options.full else 5))
    data = enron1() if options.full else None
    runs = [one_seed(*(data or spambase(seed)), seed) for seed in seeds]
    found, accuracy, noisy, clean = (np.mean([run[i] for run in runs], axis=0) for i in range(4))
    print(f"{'Enron1' if options.full else 'Spambase'}, mean of {len(seeds)} repetitions")
    print(f"test accuracy {noisy:.3f} with all flips, {clean:.3f} with none")
    table("flips found", found)
    table("test accuracy", accuracy)
    print("the paper, on Enron1: curves, of influence above loss above random")
    figure = draw(found, accuracy, noisy, clean)
    figure.savefig(options.output, dpi=120) if options.output else plt.show()


if __name__ == "__main__":
    main()
