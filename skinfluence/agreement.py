"""Verification: what ``InfluenceExplainer.verify`` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .curvature import Array


@dataclass(frozen=True, eq=False)
class Verification:
    """Predicted effects of training rows against those of really refitting without them.

    Attributes
    ----------
    indices : ndarray of shape (n_rows,)
        Positions of the training rows that were left out, one at a time.
    predicted : ndarray of shape (n_test, n_rows)
        Predicted change of each test row's target. For ``kind="upweight"``, −s_i/n times the
        influence.
    actual : ndarray of shape (n_test, n_rows)
        The target at the model refitted without the row, minus the target at the model refitted
        on all rows.
    kind, target, unit : str
        What predicted, what is changed, and what it is measured in.
    n_refits : int
        How many models were fitted, the one on all rows among them.
    row_names, test_names : tuple
        Labels of training and test rows in the DataFrame's index, else their positions.
    """

    indices: Array
    predicted: Array
    actual: Array
    kind: str
    target: str
    unit: str
    n_refits: int
    row_names: tuple[Any, ...] = field(repr=False)
    test_names: tuple[Any, ...] = field(repr=False)

    @property
    def finite(self) -> Array:
        """Pairs with both numbers, bool (n_test, n_rows); the others have no say in agreement."""
        return np.asarray(np.isfinite(self.predicted) & np.isfinite(self.actual))

    @property
    def correlation(self) -> float:
        """Pearson's r of predicted and actual over all pairs; NaN with fewer than 2."""
        predicted, actual, scale = self._moments
        return float(actual @ predicted / np.sqrt(scale)) if scale > 0 else float("nan")

    @property
    def slope(self) -> float:
        """Least-squares slope of predicted on actual, over all pairs; NaN with fewer than 2."""
        predicted, actual, _ = self._moments
        square = float(actual @ actual)
        return float(actual @ predicted / square) if square > 0 else float("nan")

    @property
    def worst_row(self) -> int | None:
        """Position of the training row with the largest error of prediction; None without any."""
        return None if self._worst is None else int(self.indices[self._worst[1]])

    @cached_property
    def _moments(self) -> tuple[Array, Array, float]:
        """Centred pairs, and the product of their sums of squares."""
        if not self.finite.any():
            return np.zeros(0), np.zeros(0), 0.0
        predicted, actual = self.predicted[self.finite], self.actual[self.finite]
        # Numbers that are all alike differ by rounding alone from their mean.
        predicted = predicted - (predicted[0] if np.ptp(predicted) == 0 else predicted.mean())
        actual = actual - (actual[0] if np.ptp(actual) == 0 else actual.mean())
        return predicted, actual, float((predicted @ predicted) * (actual @ actual))

    @cached_property
    def _worst(self) -> tuple[int, int] | None:
        """Test row and place in ``indices`` of the largest difference."""
        if not self.finite.any():
            return None
        differences = np.where(self.finite, np.abs(self.predicted - self.actual), -1.0)
        test, place = np.unravel_index(np.argmax(differences), differences.shape)
        return int(test), int(place)

    @property
    def what(self) -> str:
        """What changes, in words."""
        return "loss" if self.target == "loss" else "prediction"

    def __repr__(self) -> str:
        n_tests, n_rows = self.predicted.shape
        lines = [
            f"Verification of kind={self.kind!r} by {self.n_refits} refits: "
            f"{_count(n_rows, 'training row')}, {_count(n_tests, 'test row')}",
            f"change of the {self.what}, in {self.unit}: correlation {self.correlation:.4f}, "
            f"slope {self.slope:.3f} (predicted on actual)",
        ]
        if self._worst is not None:
            test, place = self._worst
            lines.append(
                f"worst: {_title(self.row_names[place])} on test row {self.test_names[test]}, "
                f"predicted {self.predicted[test, place]:+.2e}, "
                f"actual {self.actual[test, place]:+.2e}"
            )
        lost = self.finite.size - int(self.finite.sum())
        if lost:
            lines.append(f"left out of these numbers: {lost} of {self.finite.size} pairs (NaN)")
        return "\n".join(lines)

    def to_frame(self) -> Any:
        """One line per test row and training row.

        Returns
        -------
        pandas.DataFrame
            Columns ``test_row``, ``row`` (labels of the DataFrames' indices, else positions),
            ``position`` of the training row, ``predicted`` and ``actual``.

        Raises
        ------
        ImportError
            Without pandas.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "Verification.to_frame needs pandas; install it with "
                "'pip install skinfluence[pandas]', or read the arrays directly."
            ) from error
        n_tests, n_rows = self.predicted.shape
        return pd.DataFrame(
            {
                "test_row": [name for name in self.test_names for _ in range(n_rows)],
                "row": list(self.row_names) * n_tests,
                "position": np.tile(self.indices, n_tests),
                "predicted": self.predicted.ravel(),
                "actual": self.actual.ravel(),
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw predicted against actual changes, with the line of equality (needs matplotlib).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; axes of a new figure by default.

        Returns
        -------
        RefitAgreementDisplay
            With ``ax_`` and ``figure_``.
        """
        from .display import RefitAgreementDisplay

        return RefitAgreementDisplay.from_verification(self).plot(ax)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _title(name: Any) -> str:
    return name if isinstance(name, str) else f"row {name}"
