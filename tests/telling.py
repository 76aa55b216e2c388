"""Shared by the tests of progress: settings, and what was said."""

from __future__ import annotations

import re
import sys

import pytest

from skinfluence import progress

LINE = re.compile(r"\[skinfluence\] (.+): ([\d,]+) of ([\d,]+), ([\d.e+,]+) a second, (.+)")


def without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were not installed."""
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is too short to be told of."""
    for constant in ("SECONDS_BEFORE_BAR", "SECONDS_WORTH_A_LINE"):
        monkeypatch.setattr(progress, constant, 0.0)


def ends(said: str) -> list[tuple[str, int, int]]:
    """(what, done, total) of each bar, from the lines at their ends."""
    found = [LINE.fullmatch(line) for line in said.splitlines() if "[skinfluence]" in line]
    return [
        (match[1], int(match[2].replace(",", "")), int(match[3].replace(",", "")))
        for match in found
        if match and match[5].endswith("in all")
    ]
