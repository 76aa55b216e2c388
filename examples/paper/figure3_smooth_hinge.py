"""
Figure 3: influence for a loss that has no second derivative
============================================================

Section 4.3 of Koh & Liang: a linear support vector machine on MNIST, 1s against 7s, all 13,007
rows, lambda = 0.01 per row, no intercept. The hinge max(0, 1 − m) of a margin m has a second
derivative of 0 wherever it has one, which doesn't tell how close a row is to the hinge. Taken as it
is, it makes influence overestimate what leaving rows out does. With the smooth hinge in its place,
t log(1 + exp((1 − m)/t)), at the hinge model's own weights, prediction and retraining agree: the
paper gives Pearson's R = 0.95 at t = 0.001, and finds it good over a wide range of t.

Here the 100 rows that are strongest at t = 0.001 are really left out of scikit-learn's
``LinearSVC``. What that does to the hinge loss of one test image is predicted in three ways:

- at the hinge model's weights, as in the paper, from the formula in NumPy;
- by :class:`~skinfluence.InfluenceExplainer`, which goes on to the optimum of the smooth objective
  next to these weights. There a row on the hinge has the slope that holds the model in place; at
  the hinge model's weights its slope depends on the last digits of its margin;
- by ``kind="removal"``, which for hinge models is the exact refit, at a temperature of 1e-6.

The test image is the first misclassified one; the paper's is another. At t = 0.1 the smooth
optimum is another model, whose neighbourhood says less of the hinge model's.

``python examples/paper/figure3_smooth_hinge.py`` takes a few seconds: the 1,500 embedded digits,
fitted to a looser tolerance. With so few rows under the same penalty most of the strong ones lie on
the hinge. To first order nearly nothing happens without such a row: others on the hinge stand in
for it, which they can't once they reach their bounds. ``--full`` takes the paper's data, with the
folder of mnist.npz in ``SKINFLUENCE_DATA``; half a minute on one core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from figure2_left_conjugate_gradients import (
    LAMBDA,
    agreement,
    options,
    scatter,
    show,
    strongest,
)
from scipy.special import expit
from sklearn.svm import LinearSVC

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_mnist, load_mnist17

TEMPERATURES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
DRAWN = (0.0, 1e-3, 1e-1)
USUAL = 1e-3
N_STRONGEST = 100
PAPER = {0.0: "overestimates", 1e-3: "R = 0.95"}
UNIT = "hinge loss (margin units)"
# Okabe-Ito, with lines and marks that stay apart in grey.
CURVES = {
    0.0: ("black", "-"),
    1e-3: ("#56B4E9", "--"),
    1e-1: ("#D55E00", "-."),
    1.0: ("#CC79A7", ":"),
}
AT_OPTIMUM = {"color": "#D55E00", "marker": "x", "s": 24, "linewidths": 1.0}


def smooth_hinge(margin: np.ndarray, temperature: float) -> np.ndarray:
    """t log(1 + exp((1 − m)/t)); the hinge at t = 0."""
    if temperature == 0.0:
        return np.maximum(0.0, 1.0 - margin)
    return temperature * np.logaddexp(0.0, (1.0 - margin) / temperature)


def derivatives(margin: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """First and second with respect to the margin; those of the hinge are 0 at the hinge."""
    if temperature == 0.0:
        return -(margin < 1.0).astype(float), np.zeros_like(margin)
    share = expit((1.0 - margin) / temperature)
    return -share, share * expit((margin - 1.0) / temperature) / temperature


# %%
# The model, and a question to it
# -------------------------------


@dataclass(frozen=True)
class Question:
    """A fitted model, its training rows, and one test row."""

    model: LinearSVC
    X: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    words: str

    def margins(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The labels as signs, and sign times decision value."""
        signs = np.where(y == self.model.classes_[1], 1.0, -1.0)
        return signs, signs * self.model.decision_function(X)

    def explained(self, temperature: float) -> InfluenceExplainer:
        """An explainer of the model as it is."""
        return InfluenceExplainer(self.model, prefit=True, smoothing=temperature).fit(
            self.X, self.y
        )


def ask(
    X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray, tol: float
) -> Question:
    """Fit the paper's model; ask about the first test row that it gets wrong."""
    model = LinearSVC(
        loss="hinge",
        C=1.0 / (len(X) * LAMBDA),
        fit_intercept=False,
        tol=tol,
        max_iter=10**6,
        random_state=0,
    ).fit(X, y)
    predicted = model.predict(X_test)
    row = int(np.flatnonzero(predicted != y_test)[0])
    words = (
        f"n = {len(X):,}, d = {X.shape[1]}, test accuracy {np.mean(predicted == y_test):.1%}\n"
        f"test row {row} is a {y_test[row]}, which the model takes for a {predicted[row]}"
    )
    return Question(model, X, y, X_test[row : row + 1], y_test[row : row + 1], words)


def ask_about_digits(full: bool) -> Question:
    """Of the paper's data, or of the embedded ones; says which."""
    digits = fetch_mnist() if full else load_mnist17()
    print("MNIST, 1s against 7s, " + ("all" if full else "the embedded part"))
    chosen, tested = np.isin(digits.target, (1, 7)), np.isin(digits.test_target, (1, 7))
    training = digits.data[chosen], digits.target[chosen]
    testing = digits.test_data[tested], digits.test_target[tested]
    question = ask(*training, *testing, tol=1e-9 if full else 1e-6)
    print(question.words)
    return question


# %%
# Predictions
# -----------


def at_the_hinge_models_weights(question: Question, temperature: float) -> np.ndarray:
    """The paper's: ∇ℓ_tᵀ H⁻¹ ∇ℓ_i / n of all rows, H = Σ ℓ'' x xᵀ / n + λI."""
    X = question.X
    signs, margins = question.margins(X, question.y)
    test_sign, test_margin = question.margins(question.x_test, question.y_test)
    slopes, curvatures = derivatives(margins, temperature)
    test_slope, _ = derivatives(test_margin, temperature)
    H = (X.T * curvatures) @ X / len(X) + LAMBDA * np.eye(X.shape[1])
    direction = np.linalg.solve(H, question.x_test[0] * test_sign * test_slope)
    return (X @ direction) * signs * slopes / len(X)


def at_the_smooth_optimum(question: Question, temperature: float) -> np.ndarray:
    """Minus influence over n of all rows, by the explainer."""
    explainer = question.explained(temperature)
    return -explainer.influence(question.x_test, question.y_test)[0] / len(question.X)


@dataclass(frozen=True)
class Answers:
    """Changes of the test row's hinge loss by the removal of each of the strongest rows."""

    rows: np.ndarray
    paper: dict[float, np.ndarray]
    optimum: dict[float, np.ndarray]
    removal: np.ndarray
    actual: np.ndarray
    on_hinge: np.ndarray

    def report(self) -> str:
        """Correlation and slope of each prediction, against the refits of scikit-learn."""
        table = [
            f"the {len(self.rows)} strongest rows really left out: correlation and slope",
            f"{'temperature':20}{'hinge model':>20}{'smooth optimum':>20}   the paper",
        ]
        for t in TEMPERATURES:
            name = f"t = {t:g}" if t else "no smoothing"
            optimum = self._figures(self.optimum[t]) if t else f"{'':20}"
            paper = PAPER.get(t, "")
            line = f"{name:20}{self._figures(self.paper[t])}{optimum}   {paper}"
            table.append(line.rstrip())
        table.append(f"{'removal':40}{self._figures(self.removal)}")
        for where, rows in (("on the hinge", self.on_hinge), ("off it", ~self.on_hinge)):
            figures = self._figures(self.optimum[USUAL], rows) if rows.sum() > 2 else ""
            table.append(f"{f't = {USUAL:g}, the {rows.sum()} {where}':40}{figures}".rstrip())
        return "\n".join(table)

    def _figures(self, predicted: np.ndarray, rows: np.ndarray | slice = slice(None)) -> str:
        correlation, slope = agreement(predicted[rows], self.actual[rows])
        return f"{correlation:11.4f}{slope:9.3f}"

    def draw(self) -> plt.Figure:
        """The losses, and predictions against refits at three temperatures."""
        figure, axes = plt.subplots(2, 2, figsize=(11.0, 10.6), layout="constrained")
        draw_losses(axes[0, 0])
        for ax, t in zip(axes.flat[1:], DRAWN, strict=True):
            title = f"(b) t = {t:g}" if t else "(b) no smoothing"
            scatter(ax, f"{title}, hinge model's weights", self.paper[t], self.actual, UNIT)
            if t:
                correlation, slope = agreement(self.optimum[t], self.actual)
                name = f"smooth optimum:\ncorrelation {correlation:.4f}, slope {slope:.3f}"
                ax.scatter(self.actual, self.optimum[t], label=name, **AT_OPTIMUM)
                ax.legend(loc="upper left")
        return figure


def draw_losses(ax: plt.Axes) -> None:
    """The hinge, smoothed more and more."""
    margin = np.linspace(-1.0, 3.0, 401)
    for t, (colour, style) in CURVES.items():
        name = f"smooth hinge, t = {t:g}" if t else "hinge"
        width = 3.0 if t == 0.0 else 1.8
        ax.plot(margin, smooth_hinge(margin, t), style, color=colour, linewidth=width, label=name)
    ax.set_title("(a) the hinge and its smooth stand-ins")
    ax.set_xlabel("margin m")
    ax.set_ylabel("loss")
    ax.legend(loc="upper right")


def answer(question: Question, k: int) -> Answers:
    """Predictions of the k strongest rows, and scikit-learn's refits without them."""
    paper = {t: at_the_hinge_models_weights(question, t) for t in TEMPERATURES}
    optimum = {t: at_the_smooth_optimum(question, t) for t in TEMPERATURES if t}
    rows = strongest(optimum[USUAL], k)
    _, margins = question.margins(question.X[rows], question.y[rows])
    really = question.explained(USUAL).verify(
        question.x_test, question.y_test, kind="removal", strategy=rows
    )
    return Answers(
        rows,
        {t: changes[rows] for t, changes in paper.items()},
        {t: changes[rows] for t, changes in optimum.items()},
        really.predicted[0],
        really.actual[0],
        np.abs(margins - 1.0) < USUAL,
    )


# %%
# Running it
# ----------


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__, arguments)
    answers = answer(ask_about_digits(chosen.full), N_STRONGEST)
    print(answers.report())
    show(answers.draw(), chosen.output)


if __name__ == "__main__":
    main()
