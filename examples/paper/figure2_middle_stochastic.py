"""
Figure 2, middle: influence by stochastic estimation
====================================================

Figure 2, left, of Koh & Liang with another way to the inverse Hessian: LiSSA, the estimator of
Agarwal et al. (2016), which sees one training row a step. With t = 5,000 steps and the mean of
r = 10 repeats the paper finds the predicted changes of the test loss accurate, in fewer steps than
there are rows (r t < n); even r = 1 is noisier but still finds the most influential rows. It shows
r = 10 as a picture and gives no number.

The same question as in the left part, from its script: data, model, test image, the strongest
rows (by conjugate gradients, so that every estimate is of the same ones), and what really happens
without them (``kind="refit"``; the left part has scikit-learn confirm it). Against that stand
r = 10 and r = 1 with one row a step, and r = 10 with as many rows a step as
:class:`~skinfluence.LiSSA` chooses by itself. "Error" is the largest difference from conjugate
gradients relative to the largest influence, of all training rows; "found" says how many of the 20
strongest rows are among the 20 strongest by the estimate.

Two things differ from the paper. The divisor of the recursion, there a bound or tuned by hand, is
chosen from the Hessian's largest eigenvalue and the rows' sizes. And the result is the mean of the
iterates over the second half of each chain instead of the last one, which averages noise away and
costs nothing.

With one row a step the divisor has to be large, in full 35, and what only the penalty curves, by
0.01, then takes 35 / 0.01 = 3,500 steps to build up. 5,000 are somewhat few: strong rows come out
a tenth too weak with r = 10 as with r = 1, as repeats average noise and not that. A minibatch of 15
rows lets the divisor be 4.5.

``python examples/paper/figure2_middle_stochastic.py`` takes a few seconds: the 1,500 embedded 1s
and 7s, p = 784, which 50,000 steps see many times. ``--full`` takes the paper's data, with the
folder of mnist.npz in ``SKINFLUENCE_DATA``; three minutes on one core.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from figure2_left_conjugate_gradients import (
    N_STRONGEST,
    Question,
    agreement,
    ask_about_digits,
    options,
    scatter,
    show,
    strongest,
)
from sklearn.exceptions import ConvergenceWarning

from skinfluence import CG, LiSSA

DEPTH = 5000
N_FOUND = 20
AS_PAPER, ONCE, MINIBATCH = "one row a step, r = 10", "one row a step, r = 1", "minibatch, r = 10"
PAPER = {AS_PAPER: "accurate", ONCE: "noisier", MINIBATCH: ""}


def solvers(depth: int) -> dict[str, LiSSA]:
    """The paper's two, and one that chooses how many rows it sees a step."""
    return {
        AS_PAPER: LiSSA(repeats=10, depth=depth, batch_size=1),
        ONCE: LiSSA(repeats=1, depth=depth, batch_size=1),
        MINIBATCH: LiSSA(repeats=10, depth=depth),
    }


# %%
# Estimates
# ---------


@dataclass(frozen=True)
class Estimate:
    """First-order changes of the test loss by the removal of each training row."""

    changes: np.ndarray
    settings: str
    warning: str


def estimate(question: Question, solver: LiSSA) -> Estimate:
    """By one solver; where its result is noisy it warns, which is told below the table."""
    explainer = question.explained(solver=solver)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        influence = explainer.influence(question.x_test, question.y_test)[0]
    told = "; ".join(str(each.message) for each in caught)
    return Estimate(-influence / len(question.X), explainer.solver_.describe(), told)


# %%
# Against conjugate gradients, and against refits
# -----------------------------------------------


@dataclass(frozen=True)
class Answers:
    """What each solver says, and what is so."""

    exact: np.ndarray
    estimates: dict[str, Estimate]
    rows: np.ndarray
    refit: np.ndarray

    def report(self) -> str:
        """A line for each solver, and below them with what settings."""
        head = f"{'':24}{'all rows, by CG':^25}{'  strongest, refits':25}\n"
        names = f"{'correlation':>13}{'error':>9}   {'correlation':>13}{'slope':>9}{'found':>9}"
        table = [head + f"{'predicted':24}{names}   the paper"]
        for name, changes in {"conjugate gradients": self.exact, **self.changes}.items():
            table.append(f"{name:24}{self._figures(changes)}   {PAPER.get(name, '')}".rstrip())
        for name, found in self.estimates.items():
            table.append(f"{name}: {found.settings}")
            table += [f"  warned: {found.warning}"] * bool(found.warning)
        return "\n".join(table)

    @property
    def changes(self) -> dict[str, np.ndarray]:
        return {name: found.changes for name, found in self.estimates.items()}

    def _figures(self, changes: np.ndarray) -> str:
        correlation = agreement(changes, self.exact)[0]
        error = np.abs(changes - self.exact).max() / np.abs(self.exact).max()
        refitted, slope = agreement(changes[self.rows], self.refit)
        found = np.isin(strongest(changes, N_FOUND), self.rows[:N_FOUND]).sum()
        return f"{correlation:13.5f}{error:9.3f}   {refitted:13.5f}{slope:9.4f}{found:9d}"

    def draw(self) -> plt.Figure:
        """Each estimate of the strongest rows against refits."""
        figure, axes = plt.subplots(1, 3, figsize=(15.0, 5.6), layout="constrained")
        for ax, (name, changes) in zip(axes, self.changes.items(), strict=True):
            scatter(ax, f"LiSSA, {name}", changes[self.rows], self.refit)
        return figure


def answer(question: Question, k: int, depth: int) -> Answers:
    """Estimates of all rows; refits of the k strongest."""
    exact = question.first_order(solver=CG())
    rows = strongest(exact, k)
    estimates = {name: estimate(question, solver) for name, solver in solvers(depth).items()}
    explainer = question.explained(solver="cholesky")
    refit = explainer.influence(question.x_test, question.y_test, kind="refit", indices=rows)[0]
    return Answers(exact, estimates, rows, refit)


# %%
# Running it
# ----------


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__, arguments)
    answers = answer(ask_about_digits(chosen.full), N_STRONGEST, DEPTH)
    print(answers.report())
    show(answers.draw(), chosen.output)


if __name__ == "__main__":
    main()
