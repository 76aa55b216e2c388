"""Time and peak memory of a question, inside its own process."""

from __future__ import annotations

import resource
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ..timing import clock
from .items import Ask

STATM = Path("/proc/self/statm")
PAGE = resource.getpagesize()
MEGABYTE = 1e6
PERIOD = 0.002  # seconds between two looks at the resident memory
BUDGET = 10.0  # seconds within which short questions are asked again


def resident() -> float:
    """Resident bytes now; the high-water mark where the system tells no more."""
    if STATM.exists():
        return float(STATM.read_text().split()[1]) * PAGE
    return high_water()


def high_water() -> float:
    """Most bytes that have been resident so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


class PeakMemory:
    """Most resident bytes while the context lasts, over what there was before.

    The high-water mark of the system is exact, but only where it is passed: loading the data may
    have set it. A thread looks at the resident memory for the other case.
    """

    def __enter__(self) -> PeakMemory:
        self._mark = high_water()
        self._before = self._most = resident()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(PERIOD):
            self._most = max(self._most, resident())

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()
        mark = high_water()
        most = mark if mark > self._mark else max(self._most, resident())
        self.megabytes = max(most - self._before, 0.0) / MEGABYTE


def measure(ask: Ask, repeats: int) -> tuple[float, float, np.ndarray]:
    """Best time in seconds, peak memory of the first run in MB, and the answer.

    The first run has the memory watched, and finds libraries cold; later ones, as many as fit into
    the budget, have the clock alone.
    """
    warm_up()
    with PeakMemory() as peak:
        start = clock()
        answer = ask()
        spent = [clock() - start]
    while len(spent) < repeats and sum(spent) + min(spent) < BUDGET:
        del answer
        start = clock()
        answer = ask()
        spent.append(clock() - start)
    return min(spent), peak.megabytes, np.asarray(answer)


def warm_up() -> None:
    """Have BLAS start its threads and take its buffers."""
    square = np.ones((512, 512))
    square @ square
