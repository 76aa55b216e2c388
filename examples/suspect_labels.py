"""Which criterion finds wrong labels best: average precision on real data with labels flipped.

A tenth of the labels are flipped: "uniform", to any other class; "one way", of every other class to
the next one alone; "boundary", rather those of rows that a model on the clean labels is unsure
about, to the next best class. Criteria are those of ``rank_suspects``; the loss in 5-fold
cross-validation; and cleanlab's (on the same cross-validated probabilities: self-confidence, as
they are and adjusted for the classes), where it is installed.

``python examples/suspect_labels.py [data ...] [--seeds 5] [--C 0.1 1 10 100] [--table FILE.csv]``;
data are cancer, digits, digits-odd and spambase, which need nothing, and enron1, newsgroups and
mnist10, from the folder that ``SKINFLUENCE_DATA`` names.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_enron1, fetch_mnist, fetch_newsgroups20, load_spambase

RATE = 0.1
OURS = ("label_noise", "loo_loss", "loss", "self_influence")
Data = tuple[Any, np.ndarray]


# ------------------------------------------------------------------------------------------- data
def cancer() -> Data:
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def digits() -> Data:
    X, y = load_digits(return_X_y=True)
    return X / 16.0, y


def digits_odd() -> Data:
    X, y = digits()
    return X, y % 2


def spambase() -> Data:
    data = load_spambase()
    return StandardScaler().fit_transform(np.log1p(data.data)), codes(data.target)


def enron1() -> Data:
    data = fetch_enron1()
    return TfidfTransformer(sublinear_tf=True).fit_transform(data.data).tocsr(), codes(data.target)


def newsgroups() -> Data:
    """Five of the groups."""
    data = fetch_newsgroups20()
    chosen = np.isin(data.target, [0, 4, 8, 12, 16])
    counts = data.data[chosen]
    counts = counts[:, np.asarray((counts > 0).sum(axis=0)).ravel() >= 20]
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts), codes(data.target[chosen])


def mnist10() -> Data:
    data = fetch_mnist()
    return data.data[:3000] / 255.0, codes(data.target[:3000])


def codes(y: np.ndarray) -> np.ndarray:
    return np.unique(y, return_inverse=True)[1]


DATA: dict[str, Callable[[], Data]] = {
    "cancer": cancer,
    "digits": digits,
    "digits-odd": digits_odd,
    "spambase": spambase,
    "enron1": enron1,
    "newsgroups": newsgroups,
    "mnist10": mnist10,
}


# ------------------------------------------------------------------------------------------ noise
def uniform(X: Any, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rows = rng.choice(len(y), int(RATE * len(y)), replace=False)
    return changed(y, rows, (y[rows] + rng.integers(1, y.max() + 1, len(rows))) % (y.max() + 1))


def one_way(X: Any, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    candidates = np.flatnonzero(y % 2 == 0)
    rows = rng.choice(candidates, min(int(RATE * len(y)), int(0.4 * len(candidates))), False)
    return changed(y, rows, (y[rows] + 1) % (y.max() + 1))


def boundary(X: Any, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    clean = LogisticRegression(max_iter=2000).fit(X, y).predict_proba(X)
    ordered = np.sort(clean, axis=1)
    likely = np.exp((ordered[:, -2] - ordered[:, -1]) / 0.3)
    rows = rng.choice(len(y), int(RATE * len(y)), replace=False, p=likely / likely.sum())
    clean[np.arange(len(y)), y] = -1.0
    return changed(y, rows, clean[rows].argmax(axis=1))


def changed(y: np.ndarray, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    result = y.copy()
    result[rows] = labels
    return result


NOISE = {"uniform": uniform, "one way": one_way, "boundary": boundary}


# --------------------------------------------------------------------------------------- criteria
def criteria(X: Any, y: np.ndarray, C: float) -> dict[str, tuple[np.ndarray, float]]:
    """Scores, and seconds, of every criterion: the larger, the more suspect."""
    model = LogisticRegression(C=C, tol=1e-5, max_iter=2000)
    found = {}
    for by in OURS:
        start = time.perf_counter()
        table = InfluenceExplainer(model).fit(X, y).rank_suspects(by=by)
        order = np.asarray(table["position"])
        scores = np.empty(len(y))
        scores[order] = -np.arange(len(y))
        found[by] = scores, time.perf_counter() - start
    start = time.perf_counter()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    unseen = cross_val_predict(model, X, y, cv=folds, method="predict_proba")
    seconds = time.perf_counter() - start
    found["5-fold loss"] = -unseen[np.arange(len(y)), y], seconds
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return found
    for name, adjusted in (("cleanlab", False), ("cleanlab, adjusted", True)):
        quality = get_label_quality_scores(
            y, unseen, method="self_confidence", adjust_pred_probs=adjusted
        )
        found[name] = -quality, seconds
    return found


def study(name: str, C: float, n_seeds: int) -> list[dict[str, Any]]:
    """A line for each sort of noise."""
    X, y = DATA[name]()
    lines = []
    for kind, flip in NOISE.items():
        precision, seconds = defaultdict(list), defaultdict(list)
        for seed in range(n_seeds):
            noisy = flip(X, y, np.random.default_rng(seed))
            for criterion, (scores, taken) in criteria(X, noisy, C).items():
                precision[criterion].append(average_precision_score(noisy != y, scores))
                seconds[criterion].append(taken)
        line: dict[str, Any] = {"data": name, "noise": kind, "C": f"{C:g}"}
        line |= {criterion: f"{np.mean(each):.3f}" for criterion, each in precision.items()}
        lines.append(line)
        times = ", ".join(f"{criterion} {np.mean(s):.2f} s" for criterion, s in seconds.items())
        print(", ".join(f"{key} {value}" for key, value in line.items()), f"[{times}]", flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="*", default=["cancer", "digits", "digits-odd", "spambase"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--C", type=float, nargs="+", default=[0.1, 1.0, 10.0, 100.0])
    parser.add_argument("--table", type=Path, help="a CSV file to write")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [
        line for name in options.data for C in options.C for line in study(name, C, options.seeds)
    ]
    if options.table:
        with options.table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)


if __name__ == "__main__":
    main()
