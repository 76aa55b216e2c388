"""Rows whose label or target is probably wrong, and what wrong labels would do."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..display import LabelFlipMatrixDisplay
from .markup import label, number, paragraph, probability, table
from .pictures import ScoresInOrder, picture
from .subject import Subject, row_heading, row_names

SHOWN_PAIRS = 10
# A larger share of suspects is no longer about labels.
MANY = 0.15
CRITERIA = {
    "label_noise": "probability that the label is wrong",
    "loo_loss": "loss by the model without the row",
    "loss": "loss",
    "self_influence": "fall of the row's own loss by its own weight",
}
HEADINGS = {
    "given_label": "given",
    "suggested_label": "suggested",
    "given_target": "given",
    "suggested_target": "suggested",
    "given_probability": "P(given)",
    "suggested_probability": "P(suggested)",
    "score": "score",
    "rank_loo_loss": "rank by leave-one-out loss",
    "rank_loss": "rank by loss",
    "rank_self_influence": "rank by self-influence",
}
PROBABILITIES = ("given_probability", "suggested_probability")


def suspects(subject: Subject) -> str:
    """The table, in what order, the picture of all scores, and which labels change places."""
    found = subject.whole.rank_suspects(by=subject.by)
    criterion = subject.whole._criterion(subject.by, None)
    name = CRITERIA[criterion]
    unit = "" if criterion == "label_noise" else f", {subject.whole.objective_.measured_loss.unit}"
    scores = np.asarray(found["score"])
    parts = [paragraph(_summary(subject, criterion, scores)), _table(subject, found, criterion)]
    if "suggested_label" in _columns(found):
        parts.append(_pairs(found, scores, criterion))
    parts.append(subject.attempt(lambda _: _picture(scores, name + unit, subject.k)))
    return "".join(parts)


def label_flips(subject: Subject) -> str:
    """What wrong labels would do to the test rows."""
    made = LabelFlipMatrixDisplay.from_explainer(subject.tested, subject.X_test, subject.y_test)
    largest = np.unravel_index(np.nanargmax(np.abs(made.effects)), made.effects.shape)
    given, other = (label(made.classes[place]) for place in largest)
    alt = (
        f"Matrix of {len(made.classes)} given classes down and {len(made.classes)} other labels "
        f"across. Largest effect: {number(made.effects[largest])}, for a row of class {given} "
        f"that is called {other}."
    )
    caption = (
        "Mean change of the test rows' loss when one training row of a class (down) gets another "
        "label (across) and the model is refitted. Positive (purple): the wrong label does harm."
    )
    return picture(made, alt, caption)


def _summary(subject: Subject, criterion: str, scores: Any) -> str:
    if criterion == "label_noise":
        wrong = int((scores > 0.5).sum())
        many = (
            " So many tell rather that the columns say little about the class than that its labels "
            "are wrong."
        )
        return (
            f"Rows are ordered by the probability that their label is wrong, given what the model "
            f"says of them without having seen them. For {wrong:,} of {len(scores):,} rows it is "
            f"above one half.{many if wrong > MANY * len(scores) else ''}"
        )
    return f"Rows are ordered by: {CRITERIA[criterion]}, the largest first."


def _table(subject: Subject, found: Any, criterion: str) -> str:
    columns = {row_heading(subject.whole): row_names(subject.whole, found["position"][: subject.k])}
    for name in _columns(found):
        if name in HEADINGS:
            write = _writer(name, criterion)
            columns[HEADINGS[name]] = [write(each) for each in np.asarray(found[name])[: subject.k]]
    shown = min(subject.k, len(found))
    words = [row_heading(subject.whole)]
    if "given_label" in _columns(found):
        words += ["given", "suggested"]
    return table(f"The {shown:,} most suspect rows", columns, words=words)


def _writer(name: str, criterion: str) -> Any:
    if name in PROBABILITIES or (name == "score" and criterion == "label_noise"):
        return probability
    return label if name.endswith("_label") else number


def _pairs(found: Any, scores: Any, criterion: str) -> str:
    given, suggested = np.asarray(found["given_label"]), np.asarray(found["suggested_label"])
    chosen = given != suggested
    if criterion == "label_noise":
        chosen &= scores > 0.5
    pairs = Counter(zip(map(label, given[chosen]), map(label, suggested[chosen]), strict=True))
    if not pairs:
        return paragraph("No row has another label that is more probable than its own.")
    common = pairs.most_common(SHOWN_PAIRS)
    columns = {
        "given": [pair[0] for pair, _ in common],
        "suggested": [pair[1] for pair, _ in common],
        "rows": [f"{count:,}" for _, count in common],
    }
    caption = "Labels that are most often given where another is more probable"
    return table(caption, columns, words=["given", "suggested"])


def _picture(scores: Any, name: str, listed: int) -> str:
    shown = min(listed, len(scores))
    finite = scores[np.isfinite(scores)]
    alt = (
        f"Curve of the score over the place of the row, falling from {number(finite.max())} at "
        f"place 1 over {number(finite[shown - 1])} at place {shown} to {number(finite.min())} at "
        f"place {len(finite):,}."
    )
    caption = (
        "The scores of all rows in order. Where the curve has fallen to the height of its long "
        "flat part, rows are no longer suspect. The scale below is logarithmic."
    )
    return picture(ScoresInOrder(scores, name, shown), alt, caption)


def _columns(found: Any) -> Any:
    return found.columns if hasattr(found, "columns") else found.dtype.names
