"""From what the user passes to a functional: ready ones, their names, any callable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import Array
from .averages import accuracy, brier_score, calibration_error, mean_loss, r2
from .base import Functional, Slope
from .fairness import demographic_parity, equal_opportunity, equalized_odds
from .ranking import average_precision, roc_auc
from .readings import Readings
from .single import coefficient, prediction

READY: dict[str, type[Functional]] = {
    each.__name__: each
    for each in (
        mean_loss,
        accuracy,
        roc_auc,
        average_precision,
        brier_score,
        r2,
        demographic_parity,
        equal_opportunity,
        equalized_odds,
        calibration_error,
        coefficient,
        prediction,
    )
}


@dataclass(frozen=True)
class Given(Functional):
    """A callable of the user.

    Parameters
    ----------
    function : callable
        (decision_values, y) → (value, gradient).
    """

    function: Callable[[Any, Any], Any]
    needs_y = False

    @property
    def name(self) -> str:
        """Of the function, or of its type."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    @property
    def description(self) -> str:
        """The same."""
        return self.name

    def value(self, readings: Readings) -> Array:
        """(m,), one call each."""
        columns = range(readings.shown.shape[2])
        return np.array([self._call(readings, column)[0] for column in columns])

    def slope(self, readings: Readings) -> Slope:
        """What it returned for the first set."""
        _, gradient = self._call(readings, 0)
        values = _one_column(readings.shown[:, :, 0])
        got = np.asarray(gradient)
        if got.shape != values.shape or got.dtype.kind not in "fiub":
            raise ValueError(
                f"The functional {self.name!r} returned a gradient of shape {got.shape} and type "
                f"{got.dtype}; needed is one number for each decision value, shape {values.shape}."
            )
        if not np.isfinite(got).all():
            raise ValueError(
                f"The functional {self.name!r} returned a gradient with "
                f"{int((~np.isfinite(got)).sum())} NaN or infinite entries; needed are finite "
                "numbers. See what it divides by."
            )
        return Slope("shown", got.reshape(readings.shown.shape[:2]).astype(np.float64))

    def _call(self, readings: Readings, column: int) -> tuple[float, Any]:
        returned = self.function(_one_column(readings.shown[:, :, column]), readings.y)
        if not isinstance(returned, (tuple, list)) or len(returned) != 2:
            raise TypeError(
                f"The functional {self.name!r} returned {type(returned).__name__}; needed is a "
                "pair (value, gradient with respect to the decision values)."
            )
        value = np.asarray(returned[0])
        if value.size != 1 or value.dtype.kind not in "fiub":
            raise TypeError(
                f"The functional {self.name!r} returned a value of shape {value.shape} and type "
                f"{value.dtype}; needed is a single number."
            )
        if not np.isfinite(value).all():
            raise ValueError(
                f"The functional {self.name!r} returned {value.item()} as its value; needed is a "
                "finite number. See what it divides by, or takes the logarithm of."
            )
        return float(value.item()), returned[1]


def as_functional(functional: Any) -> Functional:
    """What the user passed.

    Raises
    ------
    TypeError, ValueError
        For what is none, unknown names, and ready ones that need settings.
    """
    if isinstance(functional, str):
        if functional not in READY:
            raise ValueError(
                f"InfluenceExplainer got functional={functional!r}; known are {list(READY)} of "
                "skinfluence.functionals. Or pass a callable f(decision_values, y) -> (value, "
                "gradient)."
            )
        functional = READY[functional]
    if isinstance(functional, type) and issubclass(functional, Functional):
        try:
            return functional()
        except TypeError as error:
            raise TypeError(
                f"InfluenceExplainer got functional={functional.__name__}, which needs settings: "
                f"{error}. Pass skinfluence.functionals.{functional.__name__}(...)."
            ) from error
    if isinstance(functional, Functional):
        return functional
    if not callable(functional):
        raise TypeError(
            f"InfluenceExplainer got a functional of type {type(functional).__name__}; needed is "
            "one of skinfluence.functionals, its name, or a callable f(decision_values, y) -> "
            "(value, gradient)."
        )
    return Given(functional)


def _one_column(values: Array) -> Array:
    """(n, 1) → (n,); more columns stay. A copy, which functions may write to."""
    return (values[:, 0] if values.shape[1] == 1 else values).copy()
