"""Pieces of HTML; whatever comes from data is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

# Below this, and as far from 1, a probability is told as a bound.
LEAST_PROBABILITY = 1e-3
MISSING = "–"
# Headings that may break into lines, but not into many.
LONG = 14


def number(value: Any) -> str:
    """Three digits; a sign that is a minus; a dash for NaN."""
    if not np.isfinite(value):
        return MISSING if np.isnan(value) else str(value).replace("-", "−").replace("inf", "∞")
    size = abs(float(value))
    if float(value).is_integer() and size < 1e6:
        return f"{int(value):,}".replace("-", "−")
    if 1e-3 <= size < 1e6:
        digits = max(2 - int(np.floor(np.log10(size))), 0)
        return f"{float(value):,.{digits}f}".replace("-", "−")
    return f"{float(value):.2e}".replace("-", "−")


def signed(value: Any) -> str:
    """The same with a plus."""
    return ("+" if value > 0 else "") + number(value)


def probability(value: Any) -> str:
    """Three decimals, or a bound."""
    if np.isnan(value):
        return MISSING
    if value < LEAST_PROBABILITY:
        return f"< {LEAST_PROBABILITY}"
    return f"{value:.3f}" if value <= 1.0 - LEAST_PROBABILITY else f"> {1.0 - LEAST_PROBABILITY}"


def label(value: Any) -> str:
    """A label or target as text."""
    if isinstance(value, (float, np.floating)):
        return number(value)
    return str(value)


def paragraph(text: str) -> str:
    """Of plain text."""
    return f"<p>{escape(text)}</p>"


def listing(sentences: Iterable[str]) -> str:
    """Bullets of plain text."""
    return "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in sentences) + "</ul>"


def facts(named: dict[str, str]) -> str:
    """A table of names and what they are, both plain text."""
    rows = (
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in named.items()
    )
    return scrolling(
        "facts", f'<table class="facts"><tbody>{"".join(rows)}</tbody></table>', "Facts"
    )


def table(caption: str, columns: Mapping[str, Sequence[str]], *, words: Sequence[str] = ()) -> str:
    """A table of plain text, the first column naming the rows.

    Parameters
    ----------
    caption : str
    columns : mapping of str to sequence of str
        Cells by heading.
    words : sequence of str
        Headings of columns of words, which are set to the left; others hold numbers.
    """
    styles = [_class("words" * (name in words)) for name in columns]
    head = "".join(
        f'<th scope="col"{_heading_class(name, name in words)}>{escape(name)}</th>'
        for name in columns
    )
    body = "".join(
        "<tr>" + _row(cells, styles) + "</tr>" for cells in zip(*columns.values(), strict=True)
    )
    inside = (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )
    return scrolling("table", inside, caption)


def _heading_class(name: str, of_words: bool) -> str:
    return _class("words" * of_words, "long" * (len(name) > LONG))


def _class(*names: str) -> str:
    given = " ".join(name for name in names if name)
    return f' class="{given}"' if given else ""


def _row(cells: Sequence[str], styles: Sequence[str]) -> str:
    first = f'<th scope="row"{styles[0]}>{escape(cells[0])}</th>'
    rest = zip(cells[1:], styles[1:], strict=True)
    return first + "".join(f"<td{style}>{escape(cell)}</td>" for cell, style in rest)


def scrolling(kind: str, inside: str, name: str) -> str:
    """What is too wide for a narrow window scrolls by itself, by keyboard too."""
    return (
        f'<div class="scroll {kind}" role="region" tabindex="0" '
        f'aria-label="{escape(name)}">{inside}</div>'
    )


def beside(pieces: Iterable[str]) -> str:
    """Next to each other, where there is room."""
    return f'<div class="pair">{"".join(pieces)}</div>'


def not_made(reason: str) -> str:
    """Instead of a piece that can't be made."""
    return f'<p class="not-made"><strong>Not made:</strong> {escape(reason)}</p>'
