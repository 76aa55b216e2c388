"""Functionals of one thing: a prediction, a coefficient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import Array
from .base import Functional, Slope, What
from .readings import Readings


@dataclass(frozen=True)
class prediction(Functional):
    """What the model says of one row, as ``target="prediction"``.

    The probability of a class (its decision value where the loss has no probabilities), or a
    regressor's predicted value.

    Parameters
    ----------
    row : int, default=0
        Which of the rows that are handed over.
    output : label or int, optional
        The class whose probability is asked for: the row's y by default, or the predicted one if
        there is no y. Of a regressor with several outputs the number of one.
    """

    row: int = 0
    output: Any = None
    needs_y = False

    def value(self, readings: Readings) -> Array:
        """(m,)."""
        of, weights = self._weights(readings)
        return np.asarray(np.einsum("c,cm->m", weights, getattr(readings, of)[self.row]))

    def slope(self, readings: Readings) -> Slope:
        """Of one row alone."""
        of, weights = self._weights(readings)
        slope = np.zeros((readings.n_rows, len(weights)))
        slope[self.row] = weights
        return Slope(of, slope)

    def _weights(self, readings: Readings) -> tuple[What, Array]:
        """What is read, and which of its columns (C,)."""
        n_rows = readings.n_rows
        if not isinstance(self.row, (int, np.integer)) or not -n_rows <= self.row < n_rows:
            raise IndexError(
                f"functionals.prediction got row={self.row!r} with {n_rows} rows; needed is the "
                f"position of one of them, 0 to {n_rows - 1}."
            )
        readings.require_one_label()
        if not readings.is_classification:
            return "shown", self._of_output(readings.shown.shape[1])
        code = readings.codes[self.row]
        if self.output is not None:
            code = readings.code_of(self.output, "output")
        if readings.has_probabilities:
            return "probabilities", np.eye(len(readings.classes))[code]
        n_scores = readings.scores.shape[1]
        return "scores", np.array([2.0 * code - 1.0]) if n_scores == 1 else np.eye(n_scores)[code]

    def _of_output(self, n_outputs: int) -> Array:
        output = 0 if self.output is None and n_outputs == 1 else self.output
        if not isinstance(output, (int, np.integer)) or not 0 <= output < n_outputs:
            raise ValueError(
                f"functionals.prediction got output={self.output!r} for a regressor with "
                f"{n_outputs} outputs; needed is the number of one, 0 to {n_outputs - 1}."
            )
        return np.eye(n_outputs)[output]


@dataclass(frozen=True)
class coefficient(Functional):
    """One coefficient of a linear model.

    Parameters
    ----------
    feature : str or int
        Name or position among the final model's inputs.
    output : label or int, optional
        Of a model with a row of coefficients for each class its label; of a regressor with
        several outputs the number of one.
    """

    feature: Any
    output: Any = None
    needs_y = False

    def value(self, readings: Readings) -> Array:
        """It reads parameters."""
        raise TypeError(
            "functionals.coefficient reads the parameters of a model, and decision values don't "
            "tell which these are. Pass it to InfluenceExplainer.functional_influence."
        )

    def slope(self, readings: Readings) -> Slope:
        """It reads parameters."""
        raise TypeError("functionals.coefficient has no slope by decision values.")

    def position(self, names: Any, n_features: int) -> int:
        """Of the feature among the inputs.

        Parameters
        ----------
        names : array-like of str
        n_features : int

        Raises
        ------
        ValueError, IndexError, TypeError
        """
        if isinstance(self.feature, str):
            known = [str(name) for name in names]
            if self.feature in known:
                return known.index(self.feature)
            raise ValueError(
                f"functionals.coefficient got feature={self.feature!r}; needed is one of the "
                f"model's inputs, {known[:20]}, or a position."
            )
        if not isinstance(self.feature, (int, np.integer)) or isinstance(self.feature, bool):
            raise TypeError(
                f"functionals.coefficient got feature={self.feature!r}; needed is the name or the "
                f"position (0 to {n_features - 1}) of one of the model's inputs."
            )
        if not -n_features <= self.feature < n_features:
            raise IndexError(
                f"functionals.coefficient got feature={self.feature}; positions of the model's "
                f"inputs run from 0 to {n_features - 1}."
            )
        return int(self.feature) % n_features

    def row(self, labels: list[Any], n_outputs: int) -> int:
        """Of ``coef_``, for a model with so many.

        Raises
        ------
        ValueError
        """
        if self.output is None and n_outputs == 1:
            return 0
        known = labels if len(labels) == n_outputs else list(range(n_outputs))
        if self.output not in known:
            raise ValueError(
                f"functionals.coefficient got output={self.output!r} for a model with {n_outputs} "
                f"rows of coefficients; needed is one of {known[:20]}."
            )
        return known.index(self.output)
