"""From decision values to predicted values: the inverse links of regressors, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .curvature import Array


class Response(Protocol):
    """h(z), of each decision value by itself, in the unit of y."""

    def value(self, decision_values: Array) -> Array:
        """h(z).

        Parameters
        ----------
        decision_values : ndarray
            Decision values z.

        Returns
        -------
        ndarray of the same shape
        """

    def slope(self, decision_values: Array) -> Array:
        """h'(z).

        Parameters
        ----------
        decision_values : ndarray
            Decision values z.

        Returns
        -------
        ndarray of the same shape
        """

    def inverse(self, predicted: Array) -> Array:
        """The link: z of h(z).

        Parameters
        ----------
        predicted : ndarray
            Predicted values, in the unit of y.

        Returns
        -------
        ndarray of the same shape
        """


@dataclass(frozen=True)
class Exponential:
    """h(z) = exp(z): the log link."""

    def value(self, decision_values: Array) -> Array:
        """exp(z)."""
        return np.exp(decision_values)

    def slope(self, decision_values: Array) -> Array:
        """exp(z)."""
        return np.exp(decision_values)

    def inverse(self, predicted: Array) -> Array:
        """log: −∞ of what is 0 by underflow, NaN below."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(predicted)
