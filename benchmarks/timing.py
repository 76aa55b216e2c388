"""Smallest time of a few runs, by the clock that the number of threads asks for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

THREADS = "OMP_NUM_THREADS"


def clock() -> float:
    """Seconds of the processor with one thread, which another process can't lengthen, or passed."""
    return time.process_time() if os.environ.get(THREADS) == "1" else time.perf_counter()


def seconds(function: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Smallest time of a few runs, and the last result."""
    times = []
    for _ in range(repeats):
        start = clock()
        result = function()
        times.append(clock() - start)
    return min(times), result
