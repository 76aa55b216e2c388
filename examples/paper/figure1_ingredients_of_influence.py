"""
Figure 1: what influence is made of, and why it isn't nearness
==============================================================

Logistic regression on MNIST, 1s against 7s, lambda = 0.01 per row, no intercept. With signs y of
the classes and decision values z, the influence of training row i on the loss of test row t is

    −y_t y_i · σ(−y_t z_t) · σ(−y_i z_i) · x_tᵀ H⁻¹ x_i

(Section 2.3). Without the training loss, σ(−y_i z_i), and without H⁻¹ what is left is the inner
product of the two images, up to a constant. Each ingredient is turned off in turn, and the
training images are ranked by what remains, by Euclidean distance, and by really refitting.

The paper draws influence against its variants for a 7 that the model gets wrong: without the
training loss the influence of many rows is overestimated; without the inverse Hessian all rows of
the test image's class seem to help and all others to harm. It gives no numbers; these are ours.

``python examples/paper/figure1_ingredients_of_influence.py`` takes the embedded digits, a few
seconds; ``--full`` all 13,007 1s and 7s of MNIST as in the paper, a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_mnist, load_mnist17

LAMBDA = 0.01
K = 10  # rows of either sort that are compared
DRAWN = 6  # and drawn

INFLUENCE, NO_LOSS, NO_HESSIAN, PRODUCT, NEARNESS = (
    "influence",
    "without the training loss",
    "without H⁻¹",
    "inner product (without both)",
    "Euclidean nearness",
)
LABELS = r"$y_t y_i\,\sigma(-y_t z_t)"
FORMULAS = {
    INFLUENCE: LABELS + r"\,\sigma(-y_i z_i)\;x_t^\top H^{-1} x_i$",
    NO_LOSS: LABELS + r"\;x_t^\top H^{-1} x_i$",
    NO_HESSIAN: LABELS + r"\,\sigma(-y_i z_i)\;x_t^\top x_i$",
    PRODUCT: LABELS + r"\;x_t^\top x_i$",
    NEARNESS: r"$-\Vert x_i - x_t\Vert$",
}
# The paper's green and red, in shades that stay apart for every kind of colour vision.
SAME, OTHER = {"color": "#009E73", "marker": "o"}, {"color": "#D55E00", "marker": "x"}


def digits_1_and_7(full: bool = False) -> tuple[np.ndarray, ...]:
    """X, y, X_test, y_test."""
    digits = fetch_mnist() if full else load_mnist17()
    chosen, tested = np.isin(digits.target, (1, 7)), np.isin(digits.test_target, (1, 7))
    training = digits.data[chosen], digits.target[chosen]
    return *training, digits.test_data[tested], digits.test_target[tested]


def explained(X: np.ndarray, y: np.ndarray) -> InfluenceExplainer:
    """An explainer of the paper's model."""
    model = LogisticRegression(
        C=1.0 / (len(X) * LAMBDA), fit_intercept=False, tol=1e-10, max_iter=10**4
    )
    return InfluenceExplainer(model).fit(X, y)


def margins(model: Any, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels as signs, and sign times decision value."""
    signs = np.where(y == model.classes_[1], 1.0, -1.0)
    return signs, signs * model.decision_function(X)


# %%
# The formula and its variants, by hand and by the explainer. Both must say the same.


def by_hand(model: Any, X: np.ndarray, y: np.ndarray, x: np.ndarray, label: int) -> dict:
    """Minus the formula and its variants for the test image x, in NumPy alone."""
    signs, margin = margins(model, X, y)
    test_sign, test_margin = (value[0] for value in margins(model, x[None], np.array([label])))
    training_loss = expit(-margin)
    H = (X.T * (expit(margin) * training_loss)) @ X / len(X) + LAMBDA * np.eye(X.shape[1])
    scale = test_sign * signs * expit(-test_margin)
    without_loss, product = scale * (X @ np.linalg.solve(H, x)), scale * (X @ x)
    return {
        INFLUENCE: without_loss * training_loss,
        NO_LOSS: without_loss,
        NO_HESSIAN: product * training_loss,
        PRODUCT: product,
    }


def measures(
    explainer: InfluenceExplainer, X: np.ndarray, y: np.ndarray, x: np.ndarray, label: int
) -> dict[str, np.ndarray]:
    """What each measure says of all training rows, by the explainer where it has an answer.

    All but nearness have the sign of minus the influence, as in Figure 1: positive = helpful.
    """
    helpfulness = -explainer.influence(x[None], [label], kind="upweight")[0]
    simpler = by_hand(explainer.estimator_, X, y, x, label)
    return {
        INFLUENCE: helpfulness,
        NO_LOSS: helpfulness / expit(-margins(explainer, X, y)[1]),
        NO_HESSIAN: simpler[NO_HESSIAN],
        PRODUCT: simpler[PRODUCT],
        NEARNESS: -np.linalg.norm(X - x, axis=1),
    }


def disagreement(measured: dict, expected: dict) -> dict[str, float]:
    """Largest difference of explainer and formula, relative to the largest value."""
    return {
        name: float(np.abs(measured[name] - expected[name]).max() / np.abs(expected[name]).max())
        for name in (INFLUENCE, NO_LOSS)
    }


# %%
# How the variants order the training rows, beside influence, and beside what leaving each row out
# and fitting again really does.


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(spearmanr(a, b)[0])


def most(values: np.ndarray, k: int = K) -> np.ndarray:
    """Positions of the k largest, the largest first."""
    return np.argsort(-values, kind="stable")[:k]


def compare(measured: dict[str, np.ndarray], same: np.ndarray, refit: np.ndarray) -> list[dict]:
    """A line for each measure: how its order of the rows compares with influence's, and its
    rank correlation with the exact leave-one-out change of the test loss."""
    influence = measured[INFLUENCE]
    lines = []
    for name, values in measured.items():
        # Nearness has no sign: the nearest rows stand for both sorts.
        harmful = values if name == NEARNESS else -values
        lines.append(
            {
                "measure": name,
                "all": rank_correlation(influence, values),
                "same": rank_correlation(influence[same], values[same]),
                "other": rank_correlation(influence[~same], values[~same]),
                "helpful": len(np.intersect1d(most(influence), most(values))),
                "harmful": len(np.intersect1d(most(-influence), most(harmful))),
                "refit": rank_correlation(refit, values),
            }
        )
    return lines


def report(lines: list[dict]) -> str:
    """The table of `compare`."""
    head = f"{'':30}{'rank correlation with influence':^39}{f'shared of {K}':^20}{'rank corr.':>12}"
    columns = ("all rows", "same class", "other class"), ("helpful", "harmful"), ("with refit",)
    names = "".join(f"{c:>13}" for c in columns[0]) + "".join(f"{c:>10}" for c in columns[1])
    table = [head, f"{'':30}{names}{columns[2][0]:>12}"]
    table += [
        f"{line['measure']:30}{line['all']:13.3f}{line['same']:13.3f}{line['other']:13.3f}"
        f"{line['helpful']:10d}{line['harmful']:10d}{line['refit']:12.3f}"
        for line in lines
    ]
    return "\n".join(table)


def in_words(
    measured: dict[str, np.ndarray], same: np.ndarray, training_loss: np.ndarray, label: int
) -> str:
    """What is seen, in figures of these data."""
    influence, nearness = measured[INFLUENCE], measured[NEARNESS]
    size, without = np.abs(influence), np.abs(measured[NO_LOSS])
    near, helps = np.isin(np.arange(len(same)), most(nearness)), influence > 0
    kin = np.flatnonzero(same)[most(nearness[same], same.sum() // 10)]
    strongest = most(size, 1)[0]
    worst = most(training_loss, len(same) // 100)
    overrated = size[most(without, len(same) // 10)] < np.median(size)
    sentences = (
        f"Nearness is part of it: {(near & same).sum()} of the {K} nearest rows are {label}s, "
        f"{(near & same & helps).sum()} of which help the test image, and {(near & ~same).sum()} "
        f"of the other class, {(near & ~same & ~helps).sum()} of which harm it. Of the nearest "
        f"tenth of the {label}s {(~helps[kin]).mean():.0%} harm it, and of the {K} rows that harm "
        f"most {same[most(-influence)].sum()} are {label}s.",
        f"The strongest row needn't be near: {(nearness > nearness[strongest]).sum()} of "
        f"{len(same)} are nearer to the test image. {near[most(size)].sum()} of the {K} strongest "
        f"are among the {K} nearest.",
        f"The training loss makes outliers count: the 1 % of rows where it is largest hold "
        f"{size[worst].sum() / size.sum():.0%} of all influence, and would hold "
        f"{without[worst].sum() / without.sum():.0%} without it. The strongest tenth of the rows "
        f"would then be, to {overrated.mean():.0%}, rows that have less influence than the median.",
        f"H⁻¹ lets a row harm its own class: without it every {label} helps and no other row does, "
        "as pixels, and so inner products, are never negative. In truth "
        f"{(same & ~helps).sum()} of {same.sum()} {label}s harm this image, and "
        f"{(~same & helps).sum()} of {(~same).sum()} others help.",
    )
    return "\n".join(fill(s, 96, initial_indent="- ", subsequent_indent="  ") for s in sentences)


# %%
# The picture: influence against each variant, green for the test image's own class and orange for
# the other, and the images that each variant puts first.


def first_rows(name: str, values: np.ndarray, same: np.ndarray) -> list[np.ndarray]:
    """The rows to draw as most helpful and most harmful; by nearness, the nearest of each class."""
    if name != NEARNESS:
        return [most(values, DRAWN), most(-values, DRAWN)]
    return [most(np.where(chosen, values, -np.inf), DRAWN) for chosen in (same, ~same)]


def draw(
    measured: dict[str, np.ndarray], X: np.ndarray, y: np.ndarray, x: np.ndarray, label: int
) -> Any:
    """The figure: influence against each measure, and the images that each ranks first."""
    figure = plt.figure(figsize=(13.0, 10.5), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 1.75))
    draw_points(above.subplots(1, 4, sharey=True), measured, y, label)
    sides = below.subfigures(1, 3, width_ratios=(1.3, 6.4, 6.0))
    draw_image(sides[0].add_subplot(), x, f"the test image, a {label}", "black")
    axes = [side.subplots(len(measured), DRAWN) for side in sides[1:]]
    for line, (name, values) in enumerate(measured.items()):
        for side, rows in enumerate(first_rows(name, values, y == label)):
            for ax, row in zip(axes[side][line], rows, strict=True):
                look = SAME if y[row] == label else OTHER
                draw_image(ax, X[row], f"row {row}: {y[row]}", look["color"])
        axes[0][line, 0].set_ylabel(fill(name, 14), fontsize=10)
    sides[1].suptitle(f"first as helpful; by nearness, the nearest {label}s")
    sides[2].suptitle(f"first as harmful; by nearness, the nearest {y[y != label][0]}s")
    return figure


def draw_points(panels: Any, measured: dict, y: np.ndarray, label: int) -> None:
    names = PRODUCT, NO_LOSS, NO_HESSIAN, NEARNESS  # the order of the letters
    for letter, ax, name in zip("abcd", panels, names, strict=True):
        ax.axhline(0.0, color="black", linewidth=0.6)
        if name != NEARNESS:
            ax.axvline(0.0, color="black", linewidth=0.6)
        for chosen, look in ((y == label, SAME), (y != label, OTHER)):
            points = measured[name][chosen], measured[INFLUENCE][chosen]
            name_of_class = f"training {y[chosen][0]}s"
            ax.scatter(*points, s=14, alpha=0.6, linewidths=0.9, label=name_of_class, **look)
        ax.set_title(f"({letter}) {name}", fontsize=11)
        ax.set_xlabel(FORMULAS[name])
    panels[0].set_ylabel(f"{FORMULAS[INFLUENCE]}\nharmful  ←  −influence  →  helpful")
    panels[0].legend(fontsize=9)


def draw_image(ax: Any, x: np.ndarray, title: str, colour: str) -> None:
    ax.imshow(x.reshape(28, 28), cmap="gray_r")
    ax.set_title(title, fontsize=8)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(color=colour, linewidth=1.8)


# %%
# On the digits at hand.


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What influence is made of.")
    parser.add_argument("--full", action="store_true", help="all 1s and 7s of MNIST")
    parser.add_argument("--test-row", type=int, help="default: the first that is misclassified")
    parser.add_argument("--output", type=Path, help="of the picture; shown if absent")
    options = parser.parse_args(arguments)

    X, y, X_test, y_test = digits_1_and_7(options.full)
    explainer = explained(X, y)
    row = options.test_row
    if row is None:
        row = int(np.flatnonzero(explainer.predict(X_test) != y_test)[0])
    x, label = X_test[row], int(y_test[row])
    probability = explainer.predict_proba(x[None])[0, list(explainer.classes_).index(label)]
    print(
        f"{len(X):,} training digits, test accuracy {explainer.score(X_test, y_test):.1%}\n"
        f"test row {row} is a {label}, to which the model gives a probability of {probability:.1%}"
    )
    measured = measures(explainer, X, y, x, label)
    apart = disagreement(measured, by_hand(explainer.estimator_, X, y, x, label))
    for name, difference in apart.items():
        print(f"{name}: explainer and formula differ by at most a relative {difference:.0e}")

    refit = explainer.influence(x[None], [label], kind="refit")[0]
    same = y == label
    print("\n" + report(compare(measured, same, refit)))
    print("the paper: pictures alone, of one test image\n")
    print(in_words(measured, same, expit(-margins(explainer, X, y)[1]), label))
    figure = draw(measured, X, y, x, label)
    figure.savefig(options.output, dpi=110) if options.output else plt.show()


if __name__ == "__main__":
    main()
