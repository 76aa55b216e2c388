"""A neural network, converged and not: predictions against retraining from where it is.

Section 4.2 and Figure 2-right of Koh & Liang: a tenth of MNIST, some 2,600 parameters, weight
decay 0.001 per sample, and a network that had not converged. Their seven convolutional layers are
no scikit-learn model; here it is one hidden layer of 12 tanh units. On 28 x 28 pixels that would
be 9,550 parameters, so the images are averaged down to 14 x 14, which leaves 2,494.

Two networks from the same start: one after 30 passes of stochastic gradient descent, one trained by
lbfgs to an optimum. The influence of all rows on the loss of one test image that both get wrong,
by either Hessian, damped; then the strongest rows are really left out and the network is trained
on from where it is: by as many steps as the network that keeps all rows, or to the optimum again.

Run ``python benchmarks/network.py`` with SKINFLUENCE_DATA naming the folder of mnist.npz; about
half an hour on two cores. ``--rows 40`` takes five minutes.
"""

from __future__ import annotations

import argparse
import time
import warnings
from copy import deepcopy
from unittest import mock

import numpy as np
import scipy.optimize
from agreement import agreement, strongest
from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skinfluence import InfluenceExplainer, NotStationaryWarning, SingularHessianError
from skinfluence.datasets import fetch_mnist

N_ROWS, DECAY, BATCH, RATE = 5_500, 0.001, 500, 0.05
DAMPINGS = ("auto", 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1)
HESSIANS = ("exact", "gauss-newton")
KINDS = ("upweight", "removal")
PAPER = 0.86
FOREVER = 10**6
FTOL = 1e-11


def pooled(images: np.ndarray) -> np.ndarray:
    """28 x 28 pixels averaged over squares of four."""
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(images), -1)


def not_converged(X, y, epochs) -> MLPClassifier:
    """Some passes in mini-batches. ``alpha`` stands against the sum over a batch."""
    return MLPClassifier(
        (12,), activation="tanh", solver="sgd", alpha=DECAY * BATCH, batch_size=BATCH,
        learning_rate_init=RATE, max_iter=epochs, tol=0, n_iter_no_change=FOREVER, random_state=0,
    ).fit(X, y)  # fmt: skip


def converged(X, y) -> MLPClassifier:
    """An optimum."""
    model = MLPClassifier(
        (12,), activation="tanh", solver="lbfgs", alpha=DECAY * len(X), max_iter=20_000,
        max_fun=100_000, tol=1e-10, random_state=0, warm_start=True,
    )  # fmt: skip
    for _ in range(3):
        fit_to_the_end(model, X, y)
    return model


def fit_to_the_end(model, X, y) -> MLPClassifier:
    """By lbfgs until the objective falls by less than FTOL, which scikit-learn leaves at 2e-9.

    There the parameters may still be as far from the optimum as a row moves them.
    """
    minimize = scipy.optimize.minimize

    def patient(*args, options, **others):
        return minimize(*args, options={**options, "ftol": FTOL}, **others)

    with mock.patch("scipy.optimize.minimize", patient):
        return model.fit(X, y)


def trained_on(model, X, y, row, steps) -> MLPClassifier:
    """From where the model is, without a row (or with all), all others in each step."""
    keep = np.arange(len(X)) if row is None else np.delete(np.arange(len(X)), row)
    model = deepcopy(model)
    if model.solver == "lbfgs":
        return fit_to_the_end(model, X[keep], y[keep])
    warnings.simplefilter("ignore", ConvergenceWarning)  # in the jobs too
    # The penalty stands against all rows now, as in the sum over a pass.
    model.set_params(
        warm_start=True, batch_size=len(keep), alpha=DECAY * len(X), shuffle=False, max_iter=steps
    )
    return model.fit(X[keep], y[keep])


def losses_of(model, X, y) -> np.ndarray:
    """Log-loss of each row."""
    given = model.predict_proba(X)[np.arange(len(X)), y]
    return -np.log(given)


def retrained_losses(model, X, y, rows, X_test, y_test, options) -> np.ndarray:
    """Losses (1 + rows, tests): trained on with all rows, and without each."""

    def one(row):
        return losses_of(trained_on(model, X, y, row, options.steps), X_test, y_test)

    return np.array(Parallel(options.jobs)(delayed(one)(row) for row in (None, *rows)))


def explained(model, X, y, hessian, damping) -> InfluenceExplainer:
    """An explainer of the model as it is; what it would warn of is printed."""
    warnings.simplefilter("ignore", NotStationaryWarning)
    explainer = InfluenceExplainer(model, prefit=True, hessian=hessian, damping=damping)
    return explainer.fit(X, y)


def predicted(explainer, x_test, y_test, kind, rows=None) -> np.ndarray:
    """Change of the loss without each row."""
    effects = explainer.influence(x_test, y_test, kind=kind, indices=rows)[0]
    return -effects / explainer.report_.n if kind == "upweight" else effects


def compare(name, model, X, y, x_test, y_test, options) -> list:
    """All Hessians and dampings on the same rows; returns a panel for each Hessian."""
    start = time.perf_counter()
    reference = explained(model, X, y, "exact", "auto")
    report = reference.report_
    print(
        f"\n{name}: training accuracy {model.score(X, y):.3f}, p = {report.p}, ||grad J|| / n = "
        f"{report.gradient_norm / report.n:.1e}, a step of {report.relative_step:.2g} times the "
        f"sampling noise from an optimum, smallest eigenvalue {report.smallest_eigenvalue:.2g}"
    )
    rows = strongest(predicted(reference, x_test, y_test, "upweight"), options.rows)
    losses = retrained_losses(model, X, y, rows, x_test, y_test, options)[:, 0]
    actual = losses[1:] - losses[0]
    print(
        f"{len(rows)} strongest rows left out, {time.perf_counter() - start:.0f} s; loss of the "
        f"image {losses_of(model, x_test, y_test)[0]:.3f}, trained on with all rows "
        f"{losses[0]:.3f}, without one {actual.min():+.3f} to {actual.max():+.3f} of that"
    )
    data = model, X, y, x_test, y_test, rows, actual
    compare_dampings(name, *data, "auto", (None,))  # the defaults
    return [compare_dampings(name, *data, hessian, DAMPINGS) for hessian in HESSIANS]


def compare_dampings(name, model, X, y, x_test, y_test, rows, actual, hessian, dampings) -> tuple:
    """By one Hessian; returns title, predictions and truth where removal correlates best."""
    best, panel = -np.inf, ()
    for damping in dampings:
        try:
            explainer = explained(model, X, y, hessian, damping)
        except SingularHessianError:
            print(f"  {hessian:12} damping {damping:<13} refused: not positive definite")
            continue
        used = f"{explainer.report_.damping:.2g}" + " (auto)" * (damping in ("auto", None))
        found = {kind: predicted(explainer, x_test, y_test, kind, rows) for kind in KINDS}
        for kind, values in found.items():
            rank = spearmanr(values, actual)[0]
            words = f"{agreement(values, actual)}  Spearman {rank:.4f}"
            print(f"  {hessian:12} damping {used:13} {kind:8} {words}", flush=True)
        correlation = np.corrcoef(found["removal"], actual)[0, 1]
        if correlation > best:
            best, panel = correlation, (f"{name}: {hessian}, damping {used}", found, actual)
    return panel


def draw(panels, path) -> None:
    """Predicted against actual changes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 7.5), layout="constrained")
    for axes, (title, found, actual) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        for kind, values in found.items():
            r = np.corrcoef(values, actual)[0, 1]
            axes.scatter(actual, values, s=8, alpha=0.6, linewidths=0, label=f"{kind}: R = {r:.2f}")
        axes.axline((0, 0), slope=1, color="0.6", linewidth=0.8, zorder=0)
        axes.set_title(title, fontsize="small")
        axes.set_xlabel("actual change of the loss")
        axes.set_ylabel("predicted change")
        axes.legend(loc="upper left", fontsize="small")
    figure.savefig(path, dpi=90)


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500, help="how many are left out, in turn")
    parser.add_argument("--epochs", type=int, default=30, help="of the network not converged")
    parser.add_argument("--steps", type=int, default=300, help="that it is trained on for")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--save-figure", metavar="PATH")
    options = parser.parse_args()
    mnist = fetch_mnist()
    X, y = pooled(mnist.data[:N_ROWS]), mnist.target[:N_ROWS]
    X_test, y_test = pooled(mnist.test_data), mnist.test_target
    models = {"not converged": not_converged(X, y, options.epochs), "converged": converged(X, y)}
    wrong = np.all([model.predict(X_test) != y_test for model in models.values()], axis=0)
    image = np.flatnonzero(wrong)[:1]
    print(f"test image {image[0]}, a {y_test[image][0]}; the paper's correlation: {PAPER}")
    panels = []
    for name, model in models.items():
        print(f"{name}: test accuracy {model.score(X_test, y_test):.3f}", flush=True)
        panels += compare(name, model, X, y, X_test[image], y_test[image], options)
    if options.save_figure:
        draw(panels, options.save_figure)


if __name__ == "__main__":
    main()
