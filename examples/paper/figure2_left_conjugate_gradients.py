"""
Figure 2, left: influence against leave-one-out retraining
==========================================================

Section 4.1 of Koh & Liang asks whether influence functions predict what leaving a training row out
does. Logistic regression on the ten digits of MNIST, 55,000 rows, lambda = 0.01 per row, no
intercept, p = 7,840; one test image that the model gets wrong; the 500 rows of largest influence
on its loss, by conjugate gradients. Minus influence over n closely matches the change of the loss
when the row is really left out. The paper shows that as a picture and gives no number.

Here the 500 actual changes are the explainer's exact refits (``kind="refit"``). They are what the
paper's retraining stands for, the optimum without the row, so that 500 fits need not be waited
for. Whether they are exact is asked of scikit-learn, which refits the 20 strongest from scratch; no
formula of this package has a part in that. Beside first order stands ``kind="removal"``, one Newton
step with the row's own curvature taken out.

As the paper's, the test image is a misclassified one: the first. The penalty is a sum, as in
scikit-learn: a row that goes doesn't change it.

``python examples/paper/figure2_left_conjugate_gradients.py`` takes a few seconds: the 1,500
embedded 1s and 7s, p = 784, of which fewer share the work and first order is too small for the
strongest. ``--full`` takes the paper's data, with the folder of mnist.npz in ``SKINFLUENCE_DATA``;
eight minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from skinfluence import CG, InfluenceExplainer
from skinfluence.agreement import Verification
from skinfluence.datasets import fetch_mnist, load_mnist17
from skinfluence.display import RefitAgreementDisplay

LAMBDA = 0.01
PAPER_ROWS = 55_000
N_STRONGEST, N_REFITTED = 500, 20
# Of the Okabe-Ito palette, like the display's own points; other marks for other colours.
REFITTED = {"color": "#D55E00", "marker": "D", "facecolors": "none", "s": 40}
LOG_LOSS = "log-loss (nats)"


# %%
# The question
# ------------
#
# Figure 2, middle, asks the same one: training rows, the model, and a test image it gets wrong.


@dataclass(frozen=True)
class Question:
    """A fitted model, its training rows, and one test row."""

    model: LogisticRegression
    X: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    words: str

    def explained(self, **settings: object) -> InfluenceExplainer:
        """An explainer of the model as it is."""
        return InfluenceExplainer(self.model, prefit=True, **settings).fit(self.X, self.y)

    def first_order(self, **settings: object) -> np.ndarray:
        """Minus influence over n, of all rows."""
        explainer = self.explained(**settings)
        return -explainer.influence(self.x_test, self.y_test)[0] / len(self.X)


def ask(X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> Question:
    """Fit the paper's model; ask about the first test row that it gets wrong."""
    model = LogisticRegression(
        C=1.0 / (len(X) * LAMBDA), fit_intercept=False, tol=1e-8, max_iter=5000
    ).fit(X, y)
    predicted = model.predict(X_test)
    row = int(np.flatnonzero(predicted != y_test)[0])
    words = (
        f"n = {len(X):,}, {len(model.classes_)} classes, p = {model.coef_.size:,}, "
        f"test accuracy {np.mean(predicted == y_test):.1%}\n"
        f"test row {row} is a {y_test[row]}, which the model takes for a {predicted[row]}"
    )
    return Question(model, X, y, X_test[row : row + 1], y_test[row : row + 1], words)


def ask_about_digits(full: bool) -> Question:
    """Of the paper's data, or of the embedded ones; says which."""
    digits = fetch_mnist() if full else load_mnist17()
    print("MNIST, ten classes" if full else "MNIST, 1s against 7s, the embedded part")
    rows = slice(PAPER_ROWS if full else None)
    question = ask(digits.data[rows], digits.target[rows], digits.test_data, digits.test_target)
    print(question.words)
    return question


# %%
# Answers, and how well they agree
# --------------------------------


def strongest(effects: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k largest effects by size, the largest first."""
    return np.argsort(-np.abs(effects), kind="stable")[:k]


def agreement(predicted: np.ndarray, actual: np.ndarray) -> tuple[float, float]:
    """Pearson's R, and the slope of predicted on actual."""
    return np.corrcoef(predicted, actual)[0, 1], np.polyfit(actual, predicted, 1)[0]


def line(words: str, predicted: np.ndarray, actual: np.ndarray, paper: str) -> str:
    """Of the table of both numbers."""
    correlation, slope = agreement(predicted, actual)
    return f"{words:44}{len(actual):6d}{correlation:13.5f}{slope:9.4f}   {paper}".rstrip()


HEAD = f"{'predicted, against actual':44}{'rows':>6}{'correlation':>13}{'slope':>9}   the paper"


def scatter(
    ax: plt.Axes, title: str, predicted: np.ndarray, actual: np.ndarray, unit: str = LOG_LOSS
) -> None:
    """Predicted against actual, both numbers in the title."""
    correlation, slope = agreement(predicted, actual)
    title = f"{title}\ncorrelation {correlation:.4f}, slope {slope:.3f}"
    RefitAgreementDisplay(predicted, actual, title, "loss", unit).plot(ax)
    ax.locator_params(nbins=5)


@dataclass(frozen=True)
class Answers:
    """Changes of the test loss by the removal of each of the strongest rows."""

    rows: np.ndarray
    first_order: np.ndarray
    removal: np.ndarray
    refit: np.ndarray
    refitted: Verification  # of the strongest few, by scikit-learn

    def report(self) -> str:
        """Both numbers of each pair, and how far the exact refits are from scikit-learn's."""
        few, really = slice(len(self.refitted.indices)), self.refitted.actual[0]
        apart = np.abs(self.refit[few] - really).max() / np.abs(really).max()
        return "\n".join(
            (
                HEAD,
                line("first order, exact refits", self.first_order, self.refit, "a close match"),
                line("removal, exact refits", self.removal, self.refit, ""),
                line("first order, scikit-learn's refits", self.first_order[few], really, ""),
                line("removal, scikit-learn's refits", self.removal[few], really, ""),
                line("exact refits, scikit-learn's refits", self.refit[few], really, ""),
                f"exact refits are at most a relative {apart:.1e} from scikit-learn's",
            )
        )

    def draw(self) -> plt.Figure:
        """First order and removal against refits."""
        figure, axes = plt.subplots(1, 2, figsize=(11.0, 5.6), layout="constrained")
        panels = ("First order, by CG", self.first_order), ("Removal", self.removal)
        for ax, (title, predicted) in zip(axes, panels, strict=True):
            scatter(ax, title, predicted, self.refit)
            really = self.refitted.actual[0]
            name = "actual by scikit-learn"
            ax.scatter(really, predicted[: len(really)], label=name, zorder=3, **REFITTED)
            ax.legend(loc="upper left")
        return figure


def answer(question: Question, k: int, n_refitted: int) -> Answers:
    """First order by CG; the rest by one factorisation, which all rows share."""
    everywhere = question.first_order(solver=CG())
    rows = strongest(everywhere, k)
    explainer, asked = question.explained(solver="cholesky"), (question.x_test, question.y_test)
    removal, refit = (
        explainer.influence(*asked, kind=kind, indices=rows)[0] for kind in ("removal", "refit")
    )
    refitted = explainer.verify(*asked, kind="refit", strategy=rows[:n_refitted])
    return Answers(rows, everywhere[rows], removal, refit, refitted)


# %%
# Running it
# ----------


def show(figure: plt.Figure, output: Path | None) -> None:
    """Save the picture, or show it."""
    if output is None:
        plt.show()
    else:
        figure.savefig(output, dpi=110)


def options(description: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """``--full`` and ``--output``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="the paper's data")
    parser.add_argument("--output", type=Path, help="where the picture goes; default: the screen")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__, arguments)
    answers = answer(ask_about_digits(chosen.full), N_STRONGEST, N_REFITTED)
    print(answers.report())
    show(answers.draw(), chosen.output)


if __name__ == "__main__":
    main()
