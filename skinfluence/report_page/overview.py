"""The data, the model, and how well it predicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from .markup import facts, label, number, table
from .subject import Subject

SHOWN_CLASSES = 30
SHOWN_CHARACTERS = 3000


def data_and_model(subject: Subject, about: dict[str, str]) -> str:
    """Facts."""
    whole = subject.whole
    named = dict(about)
    named["Rows"] = f"{whole.report_.n:,}"
    if hasattr(whole, "n_features_in_"):  # texts have none
        named["Columns that predict"] = f"{whole.n_features_in_:,}"
    named |= _target_facts(subject)
    report = whole.report_
    named["Model"] = " ".join(repr(whole._model).split())
    named["Parameters"] = f"{report.p:,}"
    if report.held:
        held = [report.held] if isinstance(report.held, str) else report.held
        named["Held as fitted"] = "; ".join(str(each) for each in held)
    named["How rows' effects are computed"] = f"{report.solver}: {report.reason}"
    named["Distance to the optimum"] = (
        f"{number(report.relative_step)} times the sampling noise (well below 1: the fit has "
        "converged)"
    )
    return facts(named)


def class_counts(subject: Subject) -> str:
    """Rows of each class, the commonest first."""
    y = np.asarray(subject.whole._training_y).reshape(-1)
    classes, counts = np.unique(y, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:SHOWN_CLASSES]
    left_out = len(classes) - len(order)
    rest = f" ({left_out} rarer ones left out)" if left_out else ""
    columns = {
        "class": [label(classes[place]) for place in order],
        "rows": [f"{counts[place]:,}" for place in order],
        "share": [f"{counts[place] / len(y):.1%}" for place in order],
    }
    return table(f"Classes{rest}", columns, words=["class"])


def scores(subject: Subject) -> str:
    """On rows that the model has and has not seen."""
    whole, tested = subject.whole, subject.tested
    measure = "accuracy" if subject.is_classifier else "R²"
    asked: dict[str, Any] = {
        "rows that it was fitted to": lambda: whole.score(whole._training_X, whole._training_y),
        "each row by the model without it (leave-one-out)": whole.loo_score,
    }
    if subject.y_test is not None:
        asked[f"{subject.n_tests:,} test rows, by the model without them"] = lambda: tested.score(
            subject.X_test, subject.y_test
        )
    if subject.is_classifier:
        y = np.asarray(whole._training_y).reshape(-1)
        share = np.unique(y, return_counts=True)[1].max() / len(y)
        asked["always the commonest class"] = lambda: share
    columns = {
        "predicted": list(asked),
        measure: [_score(compute, subject.is_classifier) for compute in asked.values()],
    }
    return table(f"How well it predicts: {measure}", columns, words=["predicted"])


def pipeline_text(subject: Subject) -> str:
    """The estimator in scikit-learn's words."""
    from html import escape

    text = subject.whole.estimator_.__repr__(N_CHAR_MAX=SHOWN_CHARACTERS)
    inside = f'<pre tabindex="0">{escape(text)}</pre>'
    return f"<details><summary>The whole estimator</summary>{inside}</details>"


def _score(compute: Any, of_classes: bool) -> str:
    try:
        value = float(compute())
    except (ValueError, TypeError, AttributeError) as error:
        return f"none: {error}"
    return f"{value:.1%}" if of_classes else number(value)


def _target_facts(subject: Subject) -> dict[str, str]:
    y = np.asarray(subject.whole._training_y)
    if subject.is_classifier or y.ndim > 1:
        return {"Classes" if subject.is_classifier else "Targets": f"{_n_outputs(subject, y):,}"}
    spread = f"mean {number(y.mean())}, standard deviation {number(y.std())}"
    return {"Values of the target": f"{spread}, from {number(y.min())} to {number(y.max())}"}


def _n_outputs(subject: Subject, y: Any) -> int:
    return len(np.unique(y)) if subject.is_classifier else y.shape[1]
