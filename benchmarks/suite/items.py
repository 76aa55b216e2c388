"""What a work item is, and where all of them are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

OURS = "skinfluence"
NUMPY = "NumPy"
BLAS = "BLAS"

Ask = Callable[[], Any]


class Skipped(Exception):
    """A work item or a contender that can't run here, with the reason."""


@dataclass
class Task:
    """Data, the fitted scikit-learn model and what is asked about; the same for all contenders."""

    X: Any
    y: np.ndarray
    model: Any
    X_test: Any = None
    y_test: Any = None
    rows: Any = None


@dataclass(frozen=True)
class Item:
    """A question about a model on some data, and who can answer it.

    A contender is a function that gets the task, does what isn't timed (a copy of the model in
    another library, say) and returns the question as a function to be timed. A string stands for
    one that can't answer, and says why. ``limit`` says what BLAS does; ``in_summary`` are the items
    of the README's table.
    """

    name: str
    data: str
    question: str
    prepare: Callable[[bool], Task]
    contenders: Mapping[str, Callable[[Task], Ask] | str]
    limit: str
    reference: str = NUMPY
    remark: str = ""
    repeats: int = 5
    in_summary: bool = False


def all_items() -> dict[str, Item]:
    """Every work item by its name, in the order of the page."""
    from . import (
        diagnostic_items,
        dual_items,
        kernel_items,
        linear_items,
        softmax_items,
        text_items,
    )

    rooms = (linear_items, softmax_items, diagnostic_items, dual_items, kernel_items, text_items)
    return {item.name: item for room in rooms for item in room.ITEMS}


def named(names: list[str], among: Mapping[str, Any]) -> list[str]:
    """The names as they are, or an error that lists those there are."""
    unknown = [name for name in names if name not in among]
    if unknown:
        raise SystemExit(
            f"benchmarks got {', '.join(unknown)}, of which there is no work item; "
            f"name some of: {', '.join(among)}"
        )
    return names
