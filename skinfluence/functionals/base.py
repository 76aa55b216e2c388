"""What a functional is: one number of a model on given rows, and its slope.

Conventions
-----------
- A functional reads a model's answers (``Readings``) for m sets of parameters at once, and gives
  (m,) values: the metric itself, as scikit-learn has it.
- Its slope is taken at the first set. Where the metric is a step function it is the slope of a
  smoothed one, in which a step is a sigmoid of some width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from ..curvature import Array
from .readings import DecisionReadings, Readings

# Of what a search over many rows smooths by, in temperatures: how far these move decision values
# isn't known before, and what is best for one metric is not for the next.
WIDER = (1.0, 5.0, 10.0, 25.0)

What = Literal["shown", "scores", "probabilities", "losses"]


@dataclass(frozen=True)
class Slope:
    """Derivatives of a functional by what it reads.

    Parameters
    ----------
    of : {"shown", "scores", "probabilities", "losses"}
        Which of the readings.
    values : ndarray of shape (rows, C)
        The derivatives, in the shape of that reading.
    """

    of: What
    values: Array


class Functional(ABC):
    """One number of a model on rows with known y.

    Also a plain function of decision values, ``f(decision_values, y) -> (value, gradient)``.
    """

    # Whether it asks for the rows' y.
    needs_y: ClassVar[bool] = True
    # Whether it can be negative.
    signed: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """What errors and results call it."""
        return type(self).__name__

    @property
    def description(self) -> str:
        """The same with the settings that are not the usual ones."""
        settings = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in getattr(self, "__dataclass_fields__", {}).values()
            if each.repr and getattr(self, each.name) != each.default
        ]
        return f"{self.name}({', '.join(settings)})" if settings else self.name

    @abstractmethod
    def value(self, readings: Readings) -> Array:
        """The metric itself.

        Parameters
        ----------
        readings : Readings
            Answers of the model, at m sets of parameters.

        Returns
        -------
        ndarray of shape (m,)
            In the unit of the metric.
        """

    @abstractmethod
    def slope(self, readings: Readings) -> Slope:
        """The derivatives at the first set of parameters, of the smoothed metric if there is one.

        Parameters
        ----------
        readings : Readings
            Answers of the model; the first set of parameters counts.

        Returns
        -------
        Slope
            By which of the readings, and how much.
        """

    def width(self, readings: Readings) -> Any:
        """How wide the sigmoid is that stands for a step, in units of what it is a step of.

        Parameters
        ----------
        readings : Readings
            Answers of the model; the first set of parameters counts.

        Returns
        -------
        float or array
            0 where there is no step.
        """
        return 0.0

    def smooth_value(self, readings: Readings, width: Any) -> Array:
        """What ``slope`` is the derivative of, with the width held.

        Parameters
        ----------
        readings : Readings
            Answers of the model, at m sets of parameters.
        width : float or array
            As ``width`` returns it.

        Returns
        -------
        ndarray of shape (m,)
            The metric itself where there is no step.
        """
        return self.value(readings)

    def widened(self) -> list[Functional]:
        """Itself, and with wider steps if it has any."""
        return [self]

    def __call__(self, decision_values: Any, y: Any, *, classes: Any = None) -> tuple[float, Array]:
        """The metric of decision values, and the gradient with respect to them.

        Parameters
        ----------
        decision_values : array-like of shape (n,) or (n, C)
            As ``decision_function`` or, of a regressor, ``predict`` gives them. Where
            probabilities are asked for, they are taken for log-odds (of a softmax if C > 1).
        y : array-like of shape (n,) or (n, C)
            Labels or targets of the rows.
        classes : array-like, optional
            Labels in the order of the columns; the sorted labels of y by default.

        Returns
        -------
        value : float
            The metric itself.
        gradient : ndarray of the shape of decision_values
            Of the smoothed metric, where that is a step function.
        """
        readings = DecisionReadings(decision_values, y, classes, name=self.name)
        value = float(self.value(readings)[0])
        gradient = readings.pull(self.slope(readings))
        return value, gradient.reshape(np.shape(decision_values))


class Stepped(Functional):
    """A functional whose steps are as wide as so many deviations of what they are steps of."""

    temperature: float

    def __post_init__(self) -> None:
        check_positive(self.name, "temperature", self.temperature)

    def widened(self) -> list[Functional]:
        """The removal of many rows moves decision values further than that of one."""
        temperatures = [factor * self.temperature for factor in WIDER]
        return [replace(self, temperature=each) for each in temperatures]  # type: ignore[type-var]


def check_positive(name: str, setting: str, value: Any) -> None:
    """Refuse a setting that isn't a finite number above 0.

    Raises
    ------
    ValueError
    """
    fine = isinstance(value, (int, float, np.number)) and np.isfinite(value) and value > 0
    if not fine or isinstance(value, bool):
        raise ValueError(
            f"functionals.{name} got {setting}={value!r}; needed is a finite number above 0."
        )


def row_weights(functional: str, sample_weight: Any, n_rows: int) -> Array:
    """Weights of the rows as they were given, (n,); 1 by default.

    Raises
    ------
    ValueError
        For another length, NaN, negative weights, or nothing but zeros.
    """
    if not n_rows:
        raise ValueError(f"functionals.{functional} got no rows; needed is at least one.")
    if sample_weight is None:
        return np.ones(n_rows)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_rows,):
        raise ValueError(
            f"functionals.{functional} got sample_weight of shape {weights.shape}; needed is one "
            f"weight for each of the {n_rows} rows that it is evaluated on."
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError(
            f"functionals.{functional} got sample_weight with NaN, infinite or negative weights, "
            "or nothing but zeros; needed are weights of at least 0, some of them above."
        )
    return weights


def shares(functional: str, sample_weight: Any, n_rows: int) -> Array:
    """The same, to sum to 1."""
    weights = row_weights(functional, sample_weight, n_rows)
    return np.asarray(weights / weights.sum())


def rates(weights: Array, hits: Array) -> Array:
    """Share of the weight at hits (n, m), (m,).

    Each column by itself: rows that change no prediction have an effect of exactly 0, which sums
    in an order that depends on the other columns would blur.
    """
    total = weights.sum()
    columns = np.ascontiguousarray(hits.T, dtype=np.float64)
    return np.array([weights @ column / total for column in columns])


def spread(columns: Array) -> float:
    """Standard deviation over the rows, (n, C); what all classes share is left out."""
    centred = columns - columns.mean(axis=1, keepdims=True) if columns.shape[1] > 1 else columns
    return float(np.sqrt(centred.var(axis=0).mean())) or 1.0
