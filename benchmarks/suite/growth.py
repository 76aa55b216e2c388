"""How time grows with the number of rows, columns, classes and test rows: fitted exponents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceExplainer

from ..timing import seconds
from .experts import BinaryLogistic, Softmax
from .items import NUMPY, OURS, Task

REPEATS = 3
FIT, INFLUENCE, SELF, REMOVAL = "fit", "influence", "self-influence", "removal"


@dataclass(frozen=True)
class Sizes:
    """Of synthetic data."""

    n: int = 10_000
    d: int = 60
    K: int = 2
    n_test: int = 50


@dataclass(frozen=True)
class Sweep:
    """One size that grows; all others stay."""

    over: str
    values: tuple[int, ...]
    quick: tuple[int, ...]
    fixed: Sizes = Sizes()
    questions: tuple[str, ...] = (FIT, INFLUENCE, SELF, REMOVAL)


SWEEPS = {
    sweep.over: sweep
    for sweep in (
        Sweep("n", (8_000, 16_000, 32_000, 64_000, 128_000), (200, 400, 800, 1600)),
        Sweep("d", (64, 128, 256, 512, 1024), (4, 8, 16, 32), Sizes(n=8_000)),
        Sweep("K", (3, 6, 12, 24), (3, 4, 5, 6), Sizes(n=4_000, d=40, n_test=20), (FIT, INFLUENCE)),
        Sweep("n_test", (50, 200, 800, 3200), (5, 10, 20, 40), questions=(INFLUENCE, REMOVAL)),
    )
}
Contender = dict[str, Callable[[Any], Any]]


def synthetic(sizes: Sizes) -> Task:
    """Gaussian rows and the labels of a noisy linear model."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((sizes.n + sizes.n_test, sizes.d))
    coef = rng.standard_normal((sizes.d, sizes.K)) / np.sqrt(sizes.d)
    y = (X @ coef + rng.gumbel(size=(len(X), sizes.K))).argmax(axis=1)
    n = sizes.n
    model = LogisticRegression(fit_intercept=False, tol=1e-6, max_iter=1000).fit(X[:n], y[:n])
    return Task(X[:n], y[:n], model, X[n:], y[n:])


def our_questions(task: Task) -> Contender:
    def fit(_: Any) -> Any:
        return InfluenceExplainer(task.model, prefit=True).fit(task.X, task.y)

    return {
        FIT: fit,
        INFLUENCE: lambda e: e.influence(task.X_test, task.y_test),
        SELF: lambda e: e.self_influence(),
        REMOVAL: lambda e: e.influence(task.X_test, task.y_test, kind="removal"),
    }


def direct_questions(task: Task) -> Contender:
    if len(task.model.classes_) > 2:
        # Conjugate gradients have nothing to factorise beforehand.
        return {FIT: lambda _: Softmax(task), INFLUENCE: lambda direct: direct.influence()}
    return {
        FIT: lambda _: BinaryLogistic(task),
        INFLUENCE: lambda direct: direct.influence(),
        SELF: lambda direct: direct.self_influence(),
        REMOVAL: lambda direct: direct.removal(),
    }


def times(sizes: Sizes, questions: tuple[str, ...]) -> dict[tuple[str, str], float]:
    """Best seconds by contender and question.

    Each time a question has a fit of its own, timed apart: what the first answer keeps must not
    make the next one cheap.
    """
    task, found = synthetic(sizes), {}
    for who, contender in ((OURS, our_questions(task)), (NUMPY, direct_questions(task))):
        for question in questions:
            ask, spent = contender[question], []
            for _ in range(REPEATS):
                fitted = None if question == FIT else contender[FIT](None)
                spent.append(seconds(lambda ask=ask, fitted=fitted: ask(fitted))[0])
            found[who, question] = min(spent)
    return found


def exponent(sizes: tuple[int, ...], spent: list[float]) -> float:
    """The slope of a least-squares line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(spent), 1)[0])


def sweep(plan: Sweep, quick: bool) -> list[dict[str, Any]]:
    """Times and exponent of every question and contender of one sweep."""
    sizes = plan.quick if quick else plan.values
    fixed = Sizes(n=200, d=5, n_test=5) if quick else plan.fixed
    found = [times(replace(fixed, **{plan.over: size}), plan.questions) for size in sizes]
    return [
        {
            "over": plan.over,
            "question": question,
            "contender": who,
            "sizes": sizes,
            "seconds": [each[who, question] for each in found],
            "exponent": exponent(sizes, [each[who, question] for each in found]),
        }
        for who, question in found[0]
    ]
