"""Progress of long runs, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TypeVar

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 5.0


def track(
    blocks: Iterable[tuple[int, Item]], total: int, verbose: int, what: str
) -> Iterator[Item]:
    """Pass blocks on and tell how many of ``total`` things are done, where ``verbose`` asks for it.

    A tqdm bar where tqdm is installed, else a line every few seconds.

    Parameters
    ----------
    blocks : iterable of (int, item)
        How many things each item is, and the item.
    total : int
    verbose : int
        0 for silence.
    what : str
        What is counted.
    """
    if not verbose:
        for _, item in blocks:
            yield item
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield from _lines(blocks, total, what)
        return
    with tqdm(total=total, desc=what, file=sys.stderr) as bar:
        for count, item in blocks:
            yield item
            bar.update(count)


def _lines(blocks: Iterable[tuple[int, Item]], total: int, what: str) -> Iterator[Item]:
    started = told = perf_counter()
    done = 0
    for count, item in blocks:
        yield item
        done += count
        now = perf_counter()
        if now - told >= SECONDS_BETWEEN_LINES or done == total:
            left = (now - started) * (total - done) / max(done, 1)
            sys.stderr.write(f"[skinfluence] {what}: {done:,} of {total:,}, {left:.0f} s left\n")
            told = now
