"""How much memory every question takes, measured."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from memory import LIMIT, MOST, Rows, rows, working_memory
from sklearn.base import is_classifier
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.svm import SVC

from skinfluence import InfluenceExplainer, functionals

Question = Callable[[InfluenceExplainer, Rows], Any]


@dataclass(frozen=True)
class Case:
    """A model with its rows, of which copies or products at one go would take several times MOST.

    ``slow`` questions would solve for every row by iteration.
    """

    name: str
    model: Any
    rows: tuple[Any, ...]
    solver: str = "auto"
    slow: tuple[str, ...] = ()


FOR_ALL_ROWS = ("influence, theta", "removal, theta", "diagnostics", "dof", "set")
ALL_REMOVED = ("removal", "removal, mean", "removal, theta", "removal, loss", "self, removal")
ALL_REMOVED += ("explain", "functional, removal", "flips", "loo", "set")
BY_ITERATION = ("self", "influence, loss", *FOR_ALL_ROWS, *ALL_REMOVED)
NEWTON = LogisticRegression(tol=1e-8, solver="newton-cholesky")
BALANCED = LogisticRegression(tol=1e-6, solver="newton-cholesky", class_weight="balanced")
CASES = [
    Case("binary", NEWTON, (16_000, 150, 2)),
    Case("softmax, balanced", BALANCED, (8_000, 50, 4), slow=("set",)),
    Case("least squares", LinearRegression(), (16_000, 150, 0)),
    Case("binary, CSR", NEWTON, (8_000, 400, 2, 0.05)),
    Case("binary, CSR, cg", NEWTON, (8_000, 400, 2, 0.05), "cg", BY_ITERATION),
    Case("binary, CSR, sketch", NEWTON, (8_000, 400, 2, 0.05), "sketch", FOR_ALL_ROWS),
    Case("ridge, dual", Ridge(alpha=10.0), (500, 3000, 0), "dual"),
    Case("kernel ridge", KernelRidge(kernel="rbf"), (700, 20, 0), slow=("set",)),
    Case("svc", SVC(), (400, 5, 2), slow=(*ALL_REMOVED, "groups")),
]


def questions(case: Case) -> Iterator[tuple[str, Question]]:
    """All that are quick enough."""
    for name, question in QUESTIONS.items():
        if name not in case.slow and ("flips" not in name or is_classifier(case.model)):
            yield name, question


def _few_groups(data: Rows) -> list[np.ndarray]:
    return [data.some[:20]]


def _new_rows(data: Rows, count: int) -> dict[str, Any]:
    return {"indices": data.some[:count], "X_new": data.X_test[:count]}


QUESTIONS: dict[str, Question] = {
    "influence": lambda e, r: e.influence(r.X_test, r.y_test),
    "influence, mean": lambda e, r: e.influence(r.X_test, r.y_test, reduce="mean"),
    "influence, theta": lambda e, r: e.influence(r.X_test, r.y_test, normalize="theta"),
    "influence, loss": lambda e, r: e.influence(r.X_test, r.y_test, normalize="loss"),
    "influence, batches": lambda e, r: next(e.iter_influence(r.X_test, r.y_test, 50)),
    "self": lambda e, r: e.self_influence(),
    "explain, upweight": lambda e, r: e.explain(r.X_test, r.y_test, kind="upweight"),
    "gradient": lambda e, r: e.perturbation_gradient(r.X_test, r.y_test, indices=r.some[:20]),
    "gradient, mean": lambda e, r: e.perturbation_gradient(
        r.X_test, r.y_test, indices=None, reduce="mean"
    ),
    "parameters": lambda e, r: e.parameter_influence(indices=r.some[:20]),
    "functional": lambda e, r: e.functional_influence(r.X_test, r.y_test, "mean_loss"),
    "groups, upweight": lambda e, r: e.group_influence(
        np.arange(r.n) % 10, r.X_test, r.y_test, kind="upweight"
    ),
    "cv, upweight": lambda e, r: e.cross_val_decision(5, kind="upweight"),
    "replaced, upweight": lambda e, r: e.perturbation_influence(
        r.X_test, r.y_test, kind="upweight", **_new_rows(r, 100)
    ),
    "flips, upweight": lambda e, r: e.label_flip_influence(
        r.X_test, r.y_test, reduce="mean", kind="upweight"
    ),
    "removal": lambda e, r: e.influence(r.X_test, r.y_test, kind="removal"),
    "removal, mean": lambda e, r: e.influence(r.X_test, r.y_test, kind="removal", reduce="mean"),
    "removal, theta": lambda e, r: e.influence(
        r.X_test, r.y_test, kind="removal", normalize="theta"
    ),
    "removal, loss": lambda e, r: e.influence(r.X_test, r.y_test, kind="removal", normalize="loss"),
    "self, removal": lambda e, r: e.self_influence(kind="removal"),
    "explain": lambda e, r: e.explain(r.X_test, r.y_test),
    "parameters, removal": lambda e, r: e.parameter_influence(indices=r.some[:5], kind="removal"),
    "functional, removal": lambda e, r: e.functional_influence(
        r.X_test, r.y_test, "mean_loss", kind="removal"
    ),
    "replaced": lambda e, r: e.perturbation_influence(r.X_test, r.y_test, **_new_rows(r, 5)),
    "flips": lambda e, r: e.label_flip_influence(r.X_test, r.y_test, reduce="mean"),
    "groups": lambda e, r: e.group_influence(np.arange(r.n) % 4, r.X_test, r.y_test),
    "groups, few rows": lambda e, r: e.group_influence(_few_groups(r), r.X_test, r.y_test),
    "reweight": lambda e, r: e.reweight(np.ones((r.n, 4)), r.X_test),
    "loo": lambda e, r: e.loo_predict(),
    "diagnostics": lambda e, r: e.diagnostics(),
    "dof": lambda e, r: e.effective_dof(),
    "set": lambda e, r: e.most_influential_set(functionals.coefficient(0), 2),
    "refit": lambda e, r: e.influence(r.X_test, r.y_test, kind="refit", indices=r.some[:5]),
    "groups, refit": lambda e, r: e.group_influence(
        _few_groups(r), r.X_test, r.y_test, kind="refit"
    ),
    "replaced, refit": lambda e, r: e.perturbation_influence(
        r.X_test, r.y_test, kind="refit", **_new_rows(r, 3)
    ),
}


def explained(case: Case, max_memory: int) -> tuple[InfluenceExplainer, Rows]:
    data = rows(*case.rows)
    options = {"solver": case.solver, "max_memory": max_memory}
    return InfluenceExplainer(case.model.fit(data.X, data.y), prefit=True, **options), data


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_question_stays_below_max_memory(case, monkeypatch):
    # Which really fits the estimator to nearly all rows: scikit-learn's memory.
    monkeypatch.setattr(InfluenceExplainer, "_number_without", lambda *_: 0.0)
    explainer, data = explained(case, LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        taken = {"fit": working_memory(lambda: explainer.fit(data.X, data.y) and None)}
        for name, question in questions(case):
            taken[name] = working_memory(lambda question=question: question(explainer, data))
    assert {name: bytes_ for name, bytes_ in taken.items() if bytes_ > MOST} == {}


def test_blocks_are_larger_where_they_may_be():
    """What is measured is seen: these take more where they are allowed to."""
    explainer, data = explained(CASES[0], 4 * 10**9)
    explainer.fit(data.X, data.y)
    for name in ("self", "removal", "diagnostics"):
        assert working_memory(lambda name=name: QUESTIONS[name](explainer, data)) > MOST, name
