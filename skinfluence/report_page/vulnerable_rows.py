"""How far training rows would have to move to change predictions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..attack import Vulnerability, vulnerability
from ..attack.display import VulnerabilityDisplay
from ..attack.openness import MOVES
from ..curvature import Array
from ..display import FeatureInfluenceDisplay
from ..explainer import InfluenceExplainer
from ..inputs import model_rows
from ..retraining import take_rows
from .markup import label, not_made, number, paragraph, table
from .pictures import picture
from .subject import (
    Subject,
    labelled,
    largest_first,
    names_of,
    retitled,
    row_heading,
    row_names,
    training_labels,
)

# Test rows that are asked about; all pairs with training rows are looked at.
MOST_TESTS = 200
BARS = 10


def moves(subject: Subject) -> str:
    """Flips by the smallest move of a training row, and the rows that can do most."""
    # Evenly over all of them: files are often sorted.
    every = np.linspace(0, subject.n_tests - 1, min(subject.n_tests, MOST_TESTS)).astype(int)
    found = _in_model_columns(subject, every)
    parts = []
    if np.isnan(found.flip_distance).all():
        reason = (
            "classes are decided by votes, which have no margin"
            if subject.is_classifier
            else "the model predicts numbers, and these do not flip"
        )
        parts.append(
            paragraph(
                f"There is no distance to a flip: {reason}. The table tells how much a move "
                "of one row could raise the loss of test rows."
            )
        )
    else:
        parts += [
            paragraph(_summary(found)),
            _flips(subject, found, every),
            subject.attempt(lambda _: _picture(subject, found, every)),
        ]
    return "".join([*parts, _effective(subject, found)])


def features(subject: Subject) -> str:
    """Which features of which rows the test loss hangs on."""
    tested = subject.tested
    if not hasattr(tested, "n_features_in_"):
        return not_made("the rows are no tables of features, but texts, say.")
    made = FeatureInfluenceDisplay.from_explainer(tested, subject.X_test, subject.y_test)
    made.row_names = retitled(tested, made.row_names)
    values = made.gradients[:, made.strongest_features]
    row, column = np.unravel_index(np.nanargmax(np.abs(values)), values.shape)
    strongest = made.feature_names[made.strongest_features[column]]
    alt = (
        f"Heat map of {len(made.row_names)} training rows and "
        f"{len(made.strongest_features)} features. Strongest: {strongest} of "
        f"{made.row_names[row]}, {number(values[row, column])}."
    )
    caption = (
        "Rows of the data whose features the mean test loss hangs on most. Orange and purple are "
        "the signs: positive means that a larger value raises the loss. Divide by the number of "
        "rows for the effect of moving one feature of one row by one standard deviation."
    )
    return picture(made, alt, caption)


def _in_model_columns(subject: Subject, tests: Array) -> Vulnerability:
    """Of the rows as the model sees them, where all columns have comparable units."""
    tested = subject.tested
    steps = tested._transformers
    X_test = take_rows(subject.X_test, tests)
    y_test = None if subject.y_test is None else np.asarray(subject.y_test)[tests]
    if steps:
        with warnings.catch_warnings():  # the fit's own, told already
            warnings.simplefilter("ignore")
            X = model_rows(steps, tested._model, tested._training_X)
            inner = InfluenceExplainer(tested._model, prefit=True, solver=tested.solver)
            inner.fit(X, tested._training_y, sample_weight=tested._sample_weight)
        return vulnerability(inner, model_rows(steps, tested._model, X_test), y_test, k=1)
    return vulnerability(tested, X_test, y_test, k=1)


def _summary(found: Vulnerability) -> str:
    distances = found.flip_distance[np.isfinite(found.flip_distance)]
    near = int((distances < 1.0).sum())
    return (
        f"Of {len(found.flip_distance):,} test rows, {near:,} would flip if the right training row "
        f"moved by less than 1; the median distance is {number(np.median(distances))}."
    )


def _flips(subject: Subject, found: Vulnerability, every: Array) -> str:
    tested = subject.tested
    order = [test for test in found.ranking() if np.isfinite(found.flip_distance[test])]
    tests = order[: subject.k]
    by = found.flip_rows[tests]
    test_name = f"test {row_heading(tested)}"
    columns = {
        test_name: names_of(subject.X_test, every[tests]),
        "label": [label(np.asarray(found.labels)[test]) for test in tests],
        "margin": [number(found.margins[test]) for test in tests],
        "flips at a move of": [number(found.flip_distance[test]) for test in tests],
        f"of training {row_heading(tested)}": row_names(tested, by),
        "its label": training_labels(tested, by),
    }
    words = [test_name, "label", f"of training {row_heading(tested)}", "its label"]
    caption = f"The {len(tests):,} test rows that flip most easily"
    return table(caption, columns, words=words)


def _picture(subject: Subject, found: Vulnerability, every: Array) -> str:
    tested = subject.tested
    order = [test for test in found.ranking() if np.isfinite(found.flip_distance[test])][:BARS]
    tests = names_of(subject.X_test, every[order])
    flipping = row_names(tested, found.flip_rows[order])
    rows = found.most_effective_rows[:BARS]
    made = VulnerabilityDisplay(
        [f"{test}, by {row}" for test, row in zip(tests, flipping, strict=True)],
        found.flip_distance[order],
        labelled(tested, rows),
        found.row_sizes[rows],
        MOVES[found.norm],
    )
    alt = (
        f"Two bar charts. Left: the {len(order)} test rows that flip most easily, by a move of "
        f"{number(made.distances[0])} to {number(made.distances[-1])} of one training row. Right: "
        f"the {len(rows)} training rows whose move does most to test rows, first "
        f"{made.row_names[0]}."
    )
    caption = (
        "Left: test row, and the training row that flips it by the smallest move; short bars are "
        "easily flipped. Right: the training rows whose move does most, on average: "
        "what a move of 1 can raise the loss by, times the number of rows."
    )
    return picture(made, alt, caption)


def _effective(subject: Subject, found: Vulnerability) -> str:
    tested = subject.tested
    rows = largest_first(found.row_sizes, subject.k)
    unit = tested.objective_.measured_loss.unit
    raised: dict[str, Any] = {
        row_heading(tested): row_names(tested, rows),
        "given": training_labels(tested, rows),
        f"loss raised by a move of 1, at most, {unit}": [
            number(found.row_sizes[row] / tested.report_.n) for row in rows
        ],
    }
    words = [row_heading(tested), *(["given"] if subject.is_classifier else [])]
    caption = f"The {len(rows):,} training rows whose move does most to test rows, on average"
    return table(caption, raised, words=words)
