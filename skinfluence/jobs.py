"""Independent work in jobs, by joblib: threads by default, a cluster where its backend is active.

Matrix products, sparse ones too, and element-wise passes let go of Python's lock, so threads
scale, and share what they read. The order of results, and so every sum, is that of the work:
nothing depends on the number of jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache
from itertools import chain, islice, repeat
from typing import Any

from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController

from .resources import Resources, resources, using


def in_jobs(
    function: Callable[..., Any],
    arguments: Iterable[tuple[Any, ...]],
    *,
    most: int | None = None,
    threads: int | None = None,
) -> Iterator[Any]:
    """Results of ``function(*each)``, in order.

    As many are in work, and so in memory, as there are jobs.

    Parameters
    ----------
    function : callable
    arguments : iterable of tuple
    most : int, optional
        Jobs at a time, where results are large.
    threads : int, optional
        Of BLAS in each job; by default all in a single one, and else their share of the cores:
        more would wait for each other.
    """
    n_jobs = number_of_jobs()
    n_jobs = n_jobs if most is None else max(1, min(n_jobs, most))
    waiting = iter(arguments)
    if n_jobs > 1:
        first = list(islice(waiting, 2))
        # What is alone has all memory, threads and jobs to itself.
        n_jobs = n_jobs if len(first) > 1 else 1
        waiting = chain(first, waiting)
        del first
    if n_jobs == 1:
        for each in waiting:
            with nullcontext() if threads is None else blas_threads(threads):
                result = function(*each)
            yield result
        return
    share = resources().of_one_job(n_jobs)
    threads = threads or max(1, cpu_count() // n_jobs)
    while wave := list(islice(waiting, n_jobs)):
        with blas_threads(threads):
            done = _side_by_side(share, function, wave)
        yield from done


def _side_by_side(
    share: Resources, function: Callable[..., Any], wave: list[tuple[Any, ...]]
) -> list[Any]:
    n_jobs, shares = len(wave), repeat(share)
    backend, _ = get_active_backend(prefer="threads")
    if getattr(backend, "uses_threads", False):
        # joblib's own looks every 10 ms whether they are done, and many a product is done sooner.
        with ThreadPoolExecutor(n_jobs) as threads:
            return list(threads.map(_with_resources, shares, repeat(function), wave))
    call = delayed(_with_resources)
    return list(Parallel(n_jobs=n_jobs)(call(share, function, each) for each in wave))


def number_of_jobs() -> int:
    """How many run side by side: as ``n_jobs`` and joblib's active backend say."""
    return int(effective_n_jobs(resources().n_jobs))


def blas_threads(n_threads: int) -> Any:
    """A context with so many threads of BLAS; of the whole process, so not for use in jobs."""
    return _controller().limit(limits=n_threads, user_api="blas")


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    # Looking for the libraries takes as long as a small product, so it is done once.
    return ThreadpoolController()


def _with_resources(share: Resources, function: Callable[..., Any], each: tuple[Any, ...]) -> Any:
    with using(share):
        return function(*each)
