"""What a question may use of the machine: memory, jobs, and how much it tells.

Ambient, as scikit-learn's ``config_context``: each public method of the explainer enters its own
settings, and blocks, jobs and progress far below ask for them. The alternative, to hand them
through every map, operator and loss, would put them into signatures that are about formulas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import wraps
from numbers import Real
from typing import Any, TypeVar

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BINARY_UNITS = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
# Below that blocks are so small that nothing is gained, and time is lost.
LEAST_MEMORY = 16_000_000
# Blocks within blocks, and what copies of them the products make.
SHARES = 16

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class Resources:
    """Settings in force.

    Parameters
    ----------
    max_memory : int
        Bytes of working memory, beside the data, what is asked for, and some numbers per row and
        output.
    n_jobs : int or None
        As in joblib.
    verbose : int
    """

    max_memory: int = 4 * 10**9
    n_jobs: int | None = None
    verbose: int = 0

    @property
    def block_bytes(self) -> int:
        """What one block of rows, columns or vectors may take."""
        return self.max_memory // SHARES

    def of_one_job(self, n_jobs: int) -> Resources:
        """What each of so many jobs may use."""
        return replace(self, max_memory=self.max_memory // n_jobs, n_jobs=1, verbose=0)


DEFAULT = Resources()
_in_force: ContextVar[Resources] = ContextVar("resources_in_force", default=DEFAULT)
# The bar that is shown, if one is: parts of what it tells of are not told of.
told: ContextVar[Any] = ContextVar("told", default=None)


def resources() -> Resources:
    """The settings in force."""
    return _in_force.get()


@contextmanager
def using(settings: Resources) -> Iterator[None]:
    """Put settings into force."""
    token, shown = _in_force.set(settings), told.get()
    try:
        yield
    finally:
        _in_force.reset(token)
        if told.get() is not shown:
            # Of an interrupted loop, which its traceback may keep alive.
            left = told.get()
            told.set(shown)
            if left is not None:
                left.close()


def within_resources(method: Method) -> Method:
    """A public method that runs within its explainer's own resources."""

    @wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        with using(self._resources()):
            return method(self, *args, **kwargs)

    return run  # type: ignore[return-value]


def bytes_of(max_memory: Any) -> int:
    """Bytes from a number of them, or from "500MB", "2GiB".

    Raises
    ------
    TypeError, ValueError
    """
    needed = (
        "needed is a number of bytes or a string such as '500MB' or '4GB', of at least "
        f"{LEAST_MEMORY // 10**6} MB."
    )
    amount: Any = max_memory
    if isinstance(max_memory, str):
        parts = re.fullmatch(r"\s*([\d.]+)\s*([kmgt]i?)?b?\s*", max_memory.lower())
        if parts is None or parts[1].count(".") > 1 or parts[1] == ".":
            raise ValueError(f"InfluenceExplainer got max_memory={max_memory!r}; {needed}")
        amount = float(parts[1]) * (UNITS | BINARY_UNITS)[parts[2] or ""]
    elif isinstance(max_memory, bool) or not isinstance(max_memory, Real):
        raise TypeError(
            f"InfluenceExplainer got max_memory={max_memory!r} of type "
            f"{type(max_memory).__name__}; {needed}"
        )
    if not LEAST_MEMORY <= amount < float("inf"):
        raise ValueError(f"InfluenceExplainer got max_memory={max_memory!r}; {needed}")
    return int(amount)
