"""
Figure 2, right: a neural network, converged and not
====================================================

Section 4.2 of Koh & Liang asks what influence is worth where its assumptions fail: a convolutional
network of 2,616 parameters on a tenth of MNIST, with mini-batches of 500, which had not converged.
Where the Hessian has negative eigenvalues it is damped, by 0.01. The predicted changes of a test
loss agree with those of training on without the row: Pearson's R = 0.86.

Seven convolutional layers are no scikit-learn model, so here it is one hidden layer of tanh units.
Two networks go from the same start: one takes 30 passes of stochastic gradient descent, as in
the paper; the other goes to an optimum by lbfgs. Predicted is the change of the loss of one test
image that both get wrong, by either Hessian and several dampings. Then the strongest rows are
really left out, one at a time, and scikit-learn trains on from where the network is: as many steps
as it goes on with all rows, or to the optimum again. No formula of this package has a part in that.

``python examples/paper/figure2_right_network.py`` takes some seconds: scikit-learn's digits of
8 x 8 pixels, and 6 units. ``--full`` takes a tenth of MNIST and leaves 500 rows out, half an hour
of two cores (``--jobs 2``; ``--rows 40`` is five minutes): images averaged down to 14 x 14 pixels,
and 12 units, p = 2,494. SKINFLUENCE_DATA names the folder of mnist.npz.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import scipy.optimize
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skinfluence import InfluenceExplainer, NotStationaryWarning, SingularHessianError
from skinfluence.datasets import fetch_mnist

DECAY, EPOCHS, RATE = 0.001, 30, 0.05
# lbfgs ends where the objective falls by less than this; scikit-learn leaves it at 2e-9, where the
# parameters may still be as far from the optimum as a row moves them.
FTOL = 1e-11
PAPER = 0.86
LINE, COLUMNS = "{:15}{:14}{:>9}", ("network", "Hessian", "damping")
# Okabe-Ito colours, with marks that stay apart in grey.
KINDS = {
    "upweight": {"name": "first order", "color": "#E69F00", "marker": "^"},
    "removal": {"name": "removal", "color": "#0072B2", "marker": "o"},
}


@dataclass
class Problem:
    """Rows, the test image that is asked about, and the sizes that go with them."""

    words: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    hidden: int
    batch: int
    steps: int  # that the network which had not converged goes on for
    dampings: tuple[str | float, ...]
    test: int = 0

    @property
    def asked(self) -> tuple[np.ndarray, np.ndarray]:
        return self.X_test[[self.test]], self.y_test[[self.test]]


def pooled(images: np.ndarray) -> np.ndarray:
    """28 x 28 pixels averaged over squares of four."""
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(images), -1)


def tenth_of_mnist() -> Problem:
    """The paper's rows."""
    mnist = fetch_mnist()
    rows = pooled(mnist.data[:5_500]), mnist.target[:5_500]
    data, words = (*rows, pooled(mnist.test_data), mnist.test_target), "MNIST at 14 x 14 pixels"
    dampings = "auto", 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1
    return Problem(words, *data, hidden=12, batch=500, steps=300, dampings=dampings)


def small_digits(n_rows: int = 800) -> Problem:
    """scikit-learn's own digits."""
    X, y = load_digits(return_X_y=True)
    data = X[:n_rows] / 16, y[:n_rows], X[n_rows:] / 16, y[n_rows:]
    words, dampings = "scikit-learn's digits of 8 x 8 pixels", ("auto", 0.001, 0.01, 0.1)
    return Problem(words, *data, hidden=6, batch=100, steps=100, dampings=dampings)


# %%
# Networks, and training on
# -------------------------
#
# scikit-learn holds ``alpha`` against the sum over a batch, where the decay is per row.


def not_converged(problem: Problem) -> Any:
    """Some passes in mini-batches."""
    model = MLPClassifier(
        (problem.hidden,), activation="tanh", solver="sgd", alpha=DECAY * problem.batch,
        batch_size=problem.batch, learning_rate_init=RATE, max_iter=EPOCHS, tol=0,
        n_iter_no_change=10**6, random_state=0,
    )  # fmt: skip
    return quietly_fitted(model, problem.X, problem.y)


def converged(problem: Problem) -> Any:
    """An optimum."""
    model = MLPClassifier(
        (problem.hidden,), activation="tanh", solver="lbfgs", alpha=DECAY * len(problem.X),
        max_iter=20_000, max_fun=100_000, tol=1e-10, random_state=0, warm_start=True,
    )  # fmt: skip
    for _ in range(3):
        fit_to_the_end(model, problem.X, problem.y)
    return model


def quietly_fitted(model: Any, X: np.ndarray, y: np.ndarray) -> Any:
    """Without a word of having ended early."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def fit_to_the_end(model: Any, X: np.ndarray, y: np.ndarray) -> Any:
    """By lbfgs until the objective falls by less than FTOL."""
    minimize = scipy.optimize.minimize

    def patient(*args: Any, options: dict, **others: Any) -> Any:
        return minimize(*args, options={**options, "ftol": FTOL}, **others)

    with mock.patch("scipy.optimize.minimize", patient):
        return quietly_fitted(model, X, y)


def trained_on(model: Any, problem: Problem, row: int | None) -> Any:
    """From where the model is, without a row (or with all), all others in each step."""
    n_rows = len(problem.X)
    keep = np.arange(n_rows) if row is None else np.delete(np.arange(n_rows), row)
    model, rows = deepcopy(model), (problem.X[keep], problem.y[keep])
    if model.solver == "lbfgs":
        return fit_to_the_end(model, *rows)
    # The penalty stands against all rows now, as in the sum over a pass.
    model.set_params(alpha=DECAY * n_rows, batch_size=len(keep), max_iter=problem.steps)
    return quietly_fitted(model.set_params(warm_start=True, shuffle=False), *rows)


def loss_of(model: Any, problem: Problem) -> float:
    """Log-loss of the test image."""
    x, label = problem.asked
    return float(-np.log(model.predict_proba(x)[0, label[0]]))


def actual_changes(model: Any, problem: Problem, rows: np.ndarray, jobs: int = 1) -> np.ndarray:
    """Loss (rows,) trained on without each row, minus that trained on with all."""

    def one(row: int | None) -> float:
        return loss_of(trained_on(model, problem, row), problem)

    everything, *without = Parallel(jobs)(delayed(one)(row) for row in (None, *rows))
    return np.array(without) - everything


# %%
# Predictions
# -----------
#
# To first order, removing a row of weight 1 is −1/n times its influence, as in the paper.
# ``kind="removal"`` is the difference of two Newton steps, with the row and without it.


def explained(model: Any, problem: Problem, **options: Any) -> InfluenceExplainer:
    """An explainer of the model as it is. That this is no optimum is what it is all about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotStationaryWarning)
        return InfluenceExplainer(model, prefit=True, **options).fit(problem.X, problem.y)


def predicted_changes(explainer: Any, problem: Problem, kind: str, rows: Any = None) -> np.ndarray:
    """Of the loss, without each row."""
    effects = explainer.influence(*problem.asked, kind=kind, indices=rows)[0]
    return -effects / explainer.report_.n if kind == "upweight" else effects


def agreement(predicted: np.ndarray, actual: np.ndarray) -> tuple[float, float]:
    """Pearson's R, and the slope of predicted on actual."""
    return np.corrcoef(predicted, actual)[0, 1], np.polyfit(actual, predicted, 1)[0]


@dataclass
class Prediction:
    """Predicted and actual changes by one Hessian with one damping."""

    network: str
    report: Any
    found: dict[str, np.ndarray]
    actual: np.ndarray
    correlation: float  # of removals; −1 where one of them is not determined


def predict(
    network: str, model: Any, problem: Problem, rows: np.ndarray, actual: np.ndarray, **options: Any
) -> Prediction | None:
    """Print and give the predictions with these options of the explainer, if it takes them."""
    try:
        explainer = explained(model, problem, **options)
    except SingularHessianError:
        print(f"{LINE.format(network, *options.values())}    refused: negative eigenvalues")
        return None
    report = explainer.report_
    found = {kind: predicted_changes(explainer, problem, kind, rows) for kind in KINDS}
    numbers = [agreement(changes, actual) for changes in found.values()]
    words = "".join(f"{r:12.3f}{slope:8.3f}" for r, slope in numbers)
    words = LINE.format(network, report.hessian, f"{report.damping:.2g}") + words
    print(words + ("" if options else "  the defaults"), flush=True)
    return Prediction(network, report, found, actual, np.nan_to_num(numbers[-1][0], nan=-1.0))


def compare(network: str, model: Any, problem: Problem, n_rows: int, jobs: int = 1) -> list:
    """Leave the strongest rows out; the best prediction of that by each Hessian."""
    reference = explained(model, problem, hessian="exact", damping="auto")
    strength = np.abs(predicted_changes(reference, problem, "upweight"))
    rows = np.argsort(-strength, kind="stable")[:n_rows]
    actual = actual_changes(model, problem, rows, jobs)
    report, accuracy = reference.report_, model.score(problem.X_test, problem.y_test)
    print(
        f"\n{network}: p = {report.p}, test accuracy {accuracy:.3f}, smallest eigenvalue "
        f"{report.smallest_eigenvalue:.2g}\nloss of the test image {loss_of(model, problem):.3f}; "
        f"{len(rows)} rows change it by {actual.min():+.3f} to {actual.max():+.3f}\n"
        f"{LINE.format(*COLUMNS)}   first order: R, slope   removal: R, slope"
    )
    if model.solver == "sgd":
        print(f"{LINE.format('the paper', 'exact', '0.01')}{PAPER:12.2f}")
    best, asked = [], (network, model, problem, rows, actual)
    predict(*asked)
    for hessian in ("exact", "gauss-newton"):
        made = [predict(*asked, hessian=hessian, damping=d) for d in problem.dampings]
        best.append(max(filter(None, made), key=lambda prediction: prediction.correlation))
    return best


# %%
# Picture, and all of it
# ----------------------
#
# A panel for each network and Hessian, at the damping whose removals correlate best.


def draw(panels: Sequence[Prediction], words: str) -> None:
    """Predicted against actual changes."""
    figure, axes = plt.subplots(2, 2, figsize=(9.0, 8.4), layout="constrained")
    for ax, made in zip(axes.flat, panels, strict=True):
        ax.axline((0, 0), slope=1, color="black", linewidth=0.8, zorder=0)
        for kind, changes in made.found.items():
            r, slope = agreement(changes, made.actual)
            style = {**KINDS[kind], "s": 22, "alpha": 0.6, "linewidths": 0}
            label = f"{style.pop('name')}: R = {r:.2f}, slope {slope:.2f}"
            ax.scatter(made.actual, changes, label=label, **style)
        title = f"{made.network}, {made.report.hessian}, damping {made.report.damping:.2g}"
        ax.set_title(title, fontsize=10)
        ax.set(xlabel="actual change of the loss", ylabel="predicted change of the loss")
        ax.legend(loc="upper left", fontsize=9)
    figure.suptitle(f"Training on without a row: {words}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Figure 2 (right) of Koh & Liang.")
    parser.add_argument("--full", action="store_true", help="a tenth of MNIST")
    parser.add_argument("--rows", type=int, help="left out, in turn; 15, or 500 in full")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", type=Path, help="where the picture is saved")
    options = parser.parse_args(arguments)

    problem = tenth_of_mnist() if options.full else small_digits()
    models = {"not converged": not_converged(problem), "converged": converged(problem)}
    wrong = [model.predict(problem.X_test) != problem.y_test for model in models.values()]
    problem.test = int(np.flatnonzero(np.all(wrong, axis=0))[0])
    print(
        f"{len(problem.X):,} rows of {problem.words}, {problem.hidden} hidden units; test image "
        f"{problem.test}, a {problem.asked[1][0]}"
    )
    sizes = options.rows or (500 if options.full else 15), options.jobs
    panels = [compare(network, model, problem, *sizes) for network, model in models.items()]
    draw([panel for both in panels for panel in both], problem.words)
    plt.show() if options.output is None else plt.savefig(options.output, dpi=90)


if __name__ == "__main__":
    main()
