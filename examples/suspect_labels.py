"""
Which criterion finds wrong labels best
=======================================

Average precision on real data of which a tenth of the labels are flipped: "uniform", to any other
class; "one way", of every other class to the next one alone; "boundary", rather those of rows that
a model on the clean labels is unsure about, to the next best class. Criteria are those of
``rank_suspects``; the loss in 5-fold cross-validation, by which cleanlab's self-confidence orders
rows too; and cleanlab's adjusted for the classes, where it is installed. Times are of one
processor.

``python examples/suspect_labels.py --full --table FILE.csv`` makes the table of
:doc:`/guide/suspects`, for more than an hour; without ``--full`` it is one line of it for each sort
of noise. Data are cancer, digits, digits-odd and spambase, which need nothing, and enron1, mnist10,
newsgroups and newsgroups20, from the folder that ``SKINFLUENCE_DATA`` names.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceExplainer, Sketch
from skinfluence.datasets import fetch_enron1, fetch_mnist, fetch_newsgroups20, load_spambase

RATE = 0.1
OURS = ("label_noise", "loo_loss", "loss", "self_influence")
COLOURS = ("#CC79A7", "#009E73", "#D55E00", "#0072B2", "#56B4E9", "#F0E442", "#999999")
TIMED = ("label_noise", "loo_loss", "5-fold loss")
Data = tuple[Any, np.ndarray]


# %%
# The data.


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
    """Five of the groups, and words that occur in 20 posts."""
    data = fetch_newsgroups20()
    chosen = np.isin(data.target, [0, 4, 8, 12, 16])
    counts = data.data[chosen]
    counts = counts[:, np.asarray((counts > 0).sum(axis=0)).ravel() >= 20]
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts), codes(data.target[chosen])


def newsgroups20() -> Data:
    """All of them, and all words."""
    data = fetch_newsgroups20()
    return TfidfTransformer(sublinear_tf=True).fit_transform(data.data).tocsr(), data.target


def mnist10() -> Data:
    """The first 6,000 digits, averaged to 14 x 14 pixels."""
    data = fetch_mnist()
    images = data.data[:6000].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    return images.reshape(len(images), -1) / images.max(), codes(data.target[:6000])


def codes(y: np.ndarray) -> np.ndarray:
    return np.unique(y, return_inverse=True)[1]


DATA: dict[str, Callable[[], Data]] = {
    "cancer": cancer,
    "digits": digits,
    "digits-odd": digits_odd,
    "spambase": spambase,
    "enron1": enron1,
    "mnist10": mnist10,
    "newsgroups": newsgroups,
    "newsgroups20": newsgroups20,
}
# Of the large ones one repetition, and of the largest one penalty.
SEEDS = dict.fromkeys(("enron1", "mnist10", "newsgroups", "newsgroups20"), 1)
PENALTIES = {"newsgroups20": [1.0]}
# 20 classes of 23,307 words: more parameters than can be solved for row by row.
SOLVERS = {"newsgroups20": Sketch()}


# %%
# Noise of three sorts.


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


# %%
# What each criterion says of the rows.


def criteria(X: Any, y: np.ndarray, C: float, solver: Any) -> dict[str, tuple[np.ndarray, float]]:
    """Scores, and seconds, of every criterion: the larger, the more suspect."""
    model = LogisticRegression(C=C, tol=1e-5, max_iter=2000)
    found = {}
    for by in OURS:
        start = time.process_time()
        table = InfluenceExplainer(model, solver=solver).fit(X, y).rank_suspects(by=by)
        order = np.asarray(table["position"])
        scores = np.empty(len(y))
        scores[order] = -np.arange(len(y))
        found[by] = scores, time.process_time() - start
    start = time.process_time()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    unseen = cross_val_predict(model, X, y, cv=folds, method="predict_proba")
    seconds = time.process_time() - start
    found["5-fold loss"] = -unseen[np.arange(len(y)), y], seconds
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return found
    quality = get_label_quality_scores(y, unseen, method="self_confidence", adjust_pred_probs=True)
    found["cleanlab, adjusted"] = -quality, seconds
    return found


def study(name: str, C: float, n_seeds: int) -> list[dict[str, Any]]:
    """A line for each sort of noise."""
    X, y = DATA[name]()
    solver, lines = SOLVERS.get(name, "auto"), []
    for kind, flip in NOISE.items():
        precision, seconds = defaultdict(list), defaultdict(list)
        for seed in range(n_seeds):
            noisy = flip(X, y, np.random.default_rng(seed))
            for criterion, (scores, taken) in criteria(X, noisy, C, solver).items():
                precision[criterion].append(average_precision_score(noisy != y, scores))
                seconds[criterion].append(taken)
        line: dict[str, Any] = {"data": name, "noise": kind, "C": f"{C:g}", "seeds": n_seeds}
        line |= {criterion: f"{np.mean(each):.3f}" for criterion, each in precision.items()}
        line |= {f"{criterion}, s": f"{np.mean(seconds[criterion]):.2g}" for criterion in TIMED}
        print(", ".join(f"{key} {value}" for key, value in line.items()), flush=True)
        lines.append(line)
    return lines


# %%
# The table and the picture, of what was asked for.


def draw(lines: list[dict[str, Any]]) -> Any:
    """Average precision by criterion, a group of bars for each line."""
    left_out = {"data", "noise", "C", "seeds", *(f"{criterion}, s" for criterion in TIMED)}
    names = [name for name in lines[0] if name not in left_out]
    figure, ax = plt.subplots(figsize=(9.0, 3.8), layout="constrained")
    places, width = np.arange(len(lines)), 0.8 / len(names)
    for j, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        heights = [float(line[name]) for line in lines]
        ax.bar(
            places + (j - len(names) / 2 + 0.5) * width, heights, width, color=colour, label=name
        )
    ax.set_xticks(places, [f"{line['data']}, {line['noise']}\nC = {line['C']}" for line in lines])
    ax.set(ylabel="average precision", ylim=(0.0, 1.0))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def write(lines: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Which criterion finds wrong labels best.")
    parser.add_argument("data", nargs="*", help=", ".join(DATA))
    parser.add_argument("--full", action="store_true", help="all data, repetitions and penalties")
    parser.add_argument("--seeds", type=int, help="repetitions")
    parser.add_argument("--C", type=float, nargs="+", help="penalties")
    parser.add_argument("--table", type=Path, help="a CSV file to write")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    lines: list[dict[str, Any]] = []
    for name in options.data or (DATA if options.full else ["cancer"]):
        seeds = options.seeds or (SEEDS.get(name, 5) if options.full else 1)
        penalties = PENALTIES.get(name, [0.1, 1.0, 10.0, 100.0]) if options.full else [1.0]
        for C in options.C or penalties:
            lines += study(name, C, seeds)
            if options.table:
                write(lines, options.table)
    if len(lines) <= 12:
        draw(lines)
        plt.show()


if __name__ == "__main__":
    main()
