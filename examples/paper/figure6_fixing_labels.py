"""Section 5.4 and Figure 6 of Koh & Liang: an expert checks labels, in the order that is proposed.

A tenth of the training labels of the Enron1 e-mails are flipped. Labels are then checked in the
order of self-influence (the paper's), of the training loss, at random (the paper's other two), and
of leave-one-out loss and estimated label noise; wrong ones are put right, and the model is fitted
again. What share of the flips has been found, and how good is the model on the test set?

``python examples/fixing_labels.py [--seeds 40]`` takes a minute for each seed, once the data are in
the folder that ``SKINFLUENCE_DATA`` names. The picture needs the extra ``plot``.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_enron1

CHECKED = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
CRITERIA = ("self_influence", "loss", "random", "loo_loss", "label_noise")
MODEL = LogisticRegression(C=0.1, tol=1e-4, max_iter=2000)


def order(explainer: InfluenceExplainer, by: str, rng: np.random.Generator) -> np.ndarray:
    """All training rows, the first to be checked first."""
    if by == "random":
        return rng.permutation(explainer.report_.n)
    return np.asarray(explainer.rank_suspects(by=by)["position"])


def one_seed(data: Any, seed: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    """(criteria, shares): flips found and test accuracy; accuracy with all flips, with none."""
    rng = np.random.default_rng(seed)
    y = np.unique(data.target, return_inverse=True)[1]
    y_test = np.unique(data.test_target, return_inverse=True)[1]
    flipped = rng.choice(len(y), len(y) // 10, replace=False)
    noisy = y.copy()
    noisy[flipped] = 1 - y[flipped]
    explainer = InfluenceExplainer(MODEL).fit(data.data, noisy)
    found, accuracy = np.zeros((2, len(CRITERIA), len(CHECKED)))
    for i, by in enumerate(CRITERIA):
        proposed = order(explainer, by, rng)
        for j, share in enumerate(CHECKED):
            checked = proposed[: int(share * len(y))]
            labels = noisy.copy()
            labels[checked] = y[checked]
            found[i, j] = np.isin(flipped, checked).mean()
            accuracy[i, j] = MODEL.fit(data.data, labels).score(data.test_data, y_test)
    ends = [MODEL.fit(data.data, each).score(data.test_data, y_test) for each in (noisy, y)]
    return found, accuracy, *ends


def table(title: str, values: np.ndarray) -> None:
    print(f"{title:22}" + "".join(f"{share:>8.0%}" for share in CHECKED))
    for name, line in zip(CRITERIA, values, strict=True):
        print(f"  {name:20}" + "".join(f"{value:8.3f}" for value in line))


def draw(found: np.ndarray, accuracy: np.ndarray, path: str) -> None:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        print("(no picture: it needs matplotlib)")
        return
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    colours = ("#0072B2", "#D55E00", "#999999", "#009E73", "#CC79A7")
    for ax, values, what in zip(
        axes, (accuracy, found), ("test accuracy", "share of the flips found"), strict=True
    ):
        for name, line, colour in zip(CRITERIA, values, colours, strict=True):
            ax.plot(CHECKED, line, marker="o", color=colour, label=name)
        ax.set(xlabel="share of the training labels checked", ylabel=what)
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=120)
    print(f"picture: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--picture", default="fixing_labels.png")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    data = fetch_enron1()
    runs = [one_seed(data, seed) for seed in range(options.seeds)]
    found, accuracy, noisy, clean = (np.mean([run[i] for run in runs], axis=0) for i in range(4))
    print(f"mean of {options.seeds} seeds")
    print(f"test accuracy {noisy:.3f} with all flips, {clean:.3f} with none")
    table("flips found", found)
    table("test accuracy", accuracy)
    draw(found, accuracy, options.picture)


if __name__ == "__main__":
    main()
