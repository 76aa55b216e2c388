"""An explanation as a notebook shows it."""

from __future__ import annotations

from html import escape
from typing import Any

SHOWN_TESTS, SHOWN_ROWS = 3, 10
# What a notebook's own style doesn't say: names to the left, numbers to the right, of one width.
NAME = 'style="text-align: left"'
NUMBER = 'style="text-align: right; font-variant-numeric: tabular-nums"'


def explanation_html(explanation: Any) -> str:
    """Tables of the first test rows; every name and label is escaped."""
    n_tests, k = explanation.helpful_indices.shape
    shown = min(n_tests, SHOWN_TESTS)
    parts = [f"<p>Effect: {escape(explanation.meaning)}.</p>"]
    parts += [_table(explanation, test, min(k, SHOWN_ROWS)) for test in range(shown)]
    left_out = []
    if k > SHOWN_ROWS:
        left_out.append(f"{k - SHOWN_ROWS} more rows of either sort")
    if n_tests > shown:
        left_out.append(f"{n_tests - shown} more test rows")
    if left_out:
        parts.append(f"<p>And {' and '.join(left_out)}: <code>to_frame()</code> has all.</p>")
    return "<div>" + "".join(parts) + "</div>"


def _table(explanation: Any, test: int, k: int) -> str:
    title = escape(f"test row {test}{explanation.label_text(test)}")
    sides = (
        (explanation.helpful_indices, explanation.helpful_effects),
        (explanation.harmful_indices, explanation.harmful_effects),
    )
    rows = [
        "".join(
            _cells(explanation, indices[test, rank], effects[test, rank])
            for indices, effects in sides
        )
        for rank in range(k)
    ]
    head = "".join(
        f"<th {NAME}>{side}</th><th {NAME}>y</th><th {NUMBER}>effect</th>"
        for side in ("helpful", "harmful")
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _cells(explanation: Any, position: Any, effect: float) -> str:
    name = escape(explanation.row_title(position))
    label = escape(explanation.training_label(position))
    return f"<td {NAME}>{name}</td><td {NAME}>{label}</td><td {NUMBER}>{effect:+.3g}</td>"
