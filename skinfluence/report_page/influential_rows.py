"""Rows that the model, and its predictions for test rows, rest on."""

from __future__ import annotations

import numpy as np

from ..curvature import Array
from ..display import TopInfluenceDisplay
from ..retraining import take_rows
from .markup import beside, label, number, paragraph, signed, table
from .pictures import picture
from .subject import (
    Subject,
    labelled,
    largest_first,
    names_of,
    row_heading,
    row_names,
    row_titles,
    training_labels,
)

BARS = 8


def on_average(subject: Subject) -> str:
    """The most helpful and harmful rows for the test rows together."""
    tested = subject.tested
    asked = {"kind": "removal", "reduce": "mean"}
    effects = np.asarray(tested.influence(subject.X_test, subject.y_test, **asked))
    unit = tested.objective_.measured_loss.unit
    caption = (
        f"Mean change of the loss of {subject.n_tests:,} test rows when one training row is "
        "removed. Positive: the row helps; negative: it harms."
    )
    return _bars_and_tables(subject, effects, f"change of the mean loss, {unit}", caption)


def on_the_worst(subject: Subject) -> str:
    """The same for the test row that is predicted worst."""
    tested = subject.tested
    question = tested._question(subject.X_test, subject.y_test, "loss")
    losses = np.asarray(question.target.value(question.decision_values)).reshape(-1)
    worst = int(np.argmax(losses))
    chosen = slice(worst, worst + 1)
    X, y = take_rows(subject.X_test, chosen), subject.y_test
    y = None if y is None else np.asarray(y)[chosen]
    effects = np.asarray(tested.influence(X, y, kind="removal"))[0]
    (name,) = names_of(subject.X_test, [worst])
    unit = tested.objective_.measured_loss.unit
    said = label(np.asarray(tested.predict(X)).reshape(-1)[0])
    given = " Of it" if y is None else f" It is {label(y.reshape(-1)[0])};"
    text = (
        f"The test row with the largest loss is {name}.{given} the model predicts {said}. Its "
        f"loss, {unit}, is {number(losses[worst])}."
    )
    caption = (
        f"Change of the loss of test row {name} when one training row is removed. Positive: the "
        "row helps; negative: it harms."
    )
    bars = _bars_and_tables(subject, effects, f"change of its loss, {unit}", caption)
    return paragraph(text) + bars


def on_themselves(subject: Subject) -> str:
    """Rows whose own prediction hangs on their being there."""
    whole = subject.whole
    changes = np.asarray(whole.self_influence(kind="removal"))
    rows = largest_first(changes, subject.k)
    unit = whole.objective_.measured_loss.unit
    columns = {
        row_heading(whole): row_names(whole, rows),
        "given": training_labels(whole, rows),
        f"rise of its own loss, {unit}": [signed(changes[row]) for row in rows],
    }
    words = [row_heading(whole), *(["given"] if subject.is_classifier else [])]
    caption = f"The {len(rows):,} rows whose own loss rises most when they are removed"
    return table(caption, columns, words=words)


def _bars_and_tables(subject: Subject, effects: Array, unit: str, caption: str) -> str:
    most = -(-subject.k // 2)
    helpful, harmful = largest_first(effects, most), largest_first(-effects, most)
    helpful, harmful = helpful[effects[helpful] > 0], harmful[effects[harmful] < 0]
    made = subject.attempt(lambda _: _bars(subject, effects, helpful, harmful, unit, caption))
    return made + beside(
        _side(subject, effects, rows, f"The most {side} rows", unit)
        for rows, side in ((helpful, "helpful"), (harmful, "harmful"))
    )


def _bars(
    subject: Subject, effects: Array, helpful: Array, harmful: Array, unit: str, caption: str
) -> str:
    rows = np.concatenate([helpful[:BARS], harmful[:BARS][::-1]])
    made = TopInfluenceDisplay(
        labelled(subject.tested, rows),
        effects[rows],
        effects[rows] > 0,
        "most helpful and most harmful rows",
        unit,
    )
    first = ", ".join(row_titles(subject.tested, helpful[:3]))
    last = ", ".join(row_titles(subject.tested, harmful[:3]))
    alt = (
        f"Bars of {len(rows)} rows, from {number(effects[rows].max())} to "
        f"{number(effects[rows].min())}. Most helpful: {first}. Most harmful: {last}. "
        "The tables below have the numbers."
    )
    return picture(made, alt, caption)


def _side(subject: Subject, effects: Array, rows: Array, caption: str, unit: str) -> str:
    tested = subject.tested
    columns = {
        row_heading(tested): row_names(tested, rows),
        "given": training_labels(tested, rows),
        unit: [signed(effects[row]) for row in rows],
    }
    words = [row_heading(tested), *(["given"] if subject.is_classifier else [])]
    return table(caption, columns, words=words)
