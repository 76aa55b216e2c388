"""Progress of long runs, on standard error, where ``verbose`` asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from threading import Lock
from time import perf_counter
from typing import Any, TypeVar

from .blocks import row_blocks
from .resources import resources, told

Item = TypeVar("Item")

# What takes no longer is not worth a bar.
SECONDS_BEFORE_BAR = 0.5
SECONDS_BETWEEN_LINES = 5.0
# Nor its end worth a line, if there was none before.
SECONDS_WORTH_A_LINE = 1.0


class Advance:
    """To be called with how many more things are done. This one tells nobody."""

    def __call__(self, count: int) -> None:
        """So many more."""

    def expect(self, total: int) -> None:
        """So many there are in all, as it turns out."""

    def close(self) -> None:
        """No more is told."""

    def __reduce__(self) -> Any:
        # Work that goes to another process has nobody there to tell.
        return Advance, ()


_NOBODY = Advance()
# In the place of ``progress`` where products are too many and too short even to ask for it.
SILENCE = nullcontext(_NOBODY)


class _Bar(Advance):
    """By tqdm, which shows rate and remaining time. Jobs call it from their threads."""

    def __init__(self, bar: Any) -> None:
        self._bar, self._lock = bar, Lock()

    def __call__(self, count: int) -> None:
        with self._lock:
            self._bar.update(count)

    def expect(self, total: int) -> None:
        self._bar.total = total

    def close(self) -> None:
        self._bar.close()


class _Lines(Advance):
    """A line every few seconds."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what, self._lock = total, what, Lock()
        self._started = self._told = perf_counter()
        self._done = 0
        self._worth_an_end = self._closed = False

    def __call__(self, count: int) -> None:
        with self._lock:
            self._done += count
            now = perf_counter()
            if self._done < self._total and now - self._told >= SECONDS_BETWEEN_LINES:
                rate = self._done / (now - self._started)
                left = duration((self._total - self._done) / rate) if rate else "unknown time"
                self._write(f"{rate:,.3g} a second, {left} left")
                self._told, self._worth_an_end = now, True

    def expect(self, total: int) -> None:
        self._total = total

    def close(self) -> None:
        taken = max(perf_counter() - self._started, 1e-9)
        if not self._closed and (self._worth_an_end or taken > SECONDS_WORTH_A_LINE):
            self._write(f"{self._done / taken:,.3g} a second, {duration(taken)} in all")
        self._closed = True

    def _write(self, text: str) -> None:
        sys.stderr.write(f"[skinfluence] {self._what}: {self._done:,} of {self._total:,}, {text}\n")


@contextmanager
def progress(total: int, what: str, *, parts: int | None = None) -> Iterator[Advance]:
    """A function to be told how many more of ``total`` things are done.

    It shows a tqdm bar where tqdm is installed, else a line every few seconds: how many are done,
    at what rate, and how long the rest takes. What is done at one go is not told of, so that
    its parts are; parts of what is told of are not.

    Parameters
    ----------
    total : int
    what : str
        What is counted.
    parts : int, optional
        How often it will be told; by default once for each thing.
    """
    if (total if parts is None else parts) <= 1 or not resources().verbose or told.get():
        yield _NOBODY
        return
    advance = _shown(total, what)
    told.set(advance)
    try:
        yield advance
    finally:
        advance.close()
        if told.get() is advance:
            told.set(None)


def track(blocks: Iterable[tuple[int, Item]], total: int, what: str) -> Iterator[Item]:
    """Pass blocks on, each with how many of ``total`` things it is."""
    waiting = iter(blocks)
    first = list(islice(waiting, 1))
    parts = 1 if not first or first[0][0] >= total else None
    waiting = chain(first, waiting)
    del first  # items may be large
    with progress(total, what, parts=parts) as advance:
        for count, item in waiting:
            yield item
            advance(count)


def tracked_blocks(n_rows: int, bytes_per_row: int, what: str, **limit: int) -> Iterator[slice]:
    """``row_blocks``, told of; with a ``limit`` or that one's own."""
    blocks = row_blocks(n_rows, bytes_per_row, **limit)
    return track(((block.stop - block.start, block) for block in blocks), n_rows, what)


def up_to(most: int, what: str) -> Iterator[int]:
    """0, 1, 2, … for at most so many steps: where the loop is left is their end."""
    step = 0
    with progress(most, what) as advance:
        try:
            for step in range(most):
                yield step
                advance(1)
        except GeneratorExit:
            advance(1)
            advance.expect(step + 1)
            raise


def duration(seconds: float) -> str:
    """In words."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _shown(total: int, what: str) -> Advance:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Lines(total, what)
    bar = tqdm(total=total, desc=what, delay=SECONDS_BEFORE_BAR, file=sys.stderr)
    return _Bar(bar)
