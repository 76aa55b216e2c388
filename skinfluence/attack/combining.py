"""What the user gave as ``project``: projections one after the other, each checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import Array
from .inputs import WHO
from .projections import Projection

Callback = Callable[[Array, Array], Any]


@dataclass(frozen=True)
class InOrder:
    """Projections one after the other, each checked.

    Parameters
    ----------
    steps : tuple of callable
    """

    steps: tuple[Callback, ...]

    @classmethod
    def of(cls, project: Any, names: tuple[Any, ...] | None, n_features: int) -> InOrder:
        """What the user gave: None, one projection or several."""
        steps = [] if project is None else project
        steps = list(steps) if isinstance(steps, Sequence) else [steps]
        wrong = [step for step in steps if not callable(step)]
        if wrong:
            raise TypeError(
                f"{WHO} got project with {wrong[0]!r}; needed is a projection such as "
                "LInfBall(0.1), a function of the moved rows Z and the original rows Z0 that "
                "returns allowed rows, or a list of them."
            )
        bound = [
            step.bind(names, n_features) if isinstance(step, Projection) else step for step in steps
        ]
        return cls(tuple(bound))

    def __call__(self, Z: Array, Z0: Array) -> Array:
        """Allowed rows.

        Raises
        ------
        ValueError
            For a projection that returns another shape, NaN or infinities.
        """
        for step in self.steps:
            Z = _checked(step, step(Z, Z0), Z0)
        return Z


def _checked(step: Callback, returned: Any, Z0: Array) -> Array:
    rows = np.asarray(returned, dtype=np.float64)
    name = getattr(step, "__name__", type(step).__name__)
    if rows.shape != Z0.shape:
        raise ValueError(
            f"{WHO} got rows of shape {rows.shape} from the projection {name}; needed is the "
            f"shape of the rows that it was given, {Z0.shape}."
        )
    missing = np.isnan(Z0)
    lost = int((~np.isfinite(rows) & ~missing).sum())
    if lost:
        raise ValueError(
            f"{WHO} got {lost} of {rows.size} entries that are NaN or infinite from the projection "
            f"{name}; needed are finite numbers wherever the original row has one."
        )
    return np.where(missing, np.nan, rows) if missing.any() else rows
