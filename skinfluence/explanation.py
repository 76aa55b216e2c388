"""Explanation: what ``InfluenceExplainer.explain`` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .curvature import Array
from .dask_graphs import is_dask
from .explanation_html import explanation_html

SHOWN_TESTS = 3
SHOWN_ROWS = 5

# What a relative effect is per unit of, by the norm of the row's change of the parameters.
PER = {"theta": "‖Δθ‖", "loss": "(Δθᵀ ∇²J Δθ)^½"}


def relative_unit(unit: str, normalize: str | None) -> str:
    """The unit of effects that are divided by a norm."""
    return unit if normalize is None else f"{unit} per unit of {PER[normalize]}"


class TopRows:
    """The k largest and k smallest effects per test row, kept while blocks stream by.

    Ties go to the lower row number, so that the result doesn't depend on how rows are blocked.
    """

    def __init__(self, n_tests: int, k: int) -> None:
        self.k = k
        self.largest = _empty(n_tests)
        self.smallest = _empty(n_tests)

    def update(self, tests: slice, positions: Any, values: Array) -> None:
        """Merge a block of effects (tests, rows); rows are known by their positions."""
        numbers = positions
        if isinstance(positions, slice):
            numbers = np.arange(positions.start, positions.stop)
        for offset, test in enumerate(range(tests.start, tests.stop)):
            effects = np.asarray(values[offset], dtype=np.float64)
            self._merge(self.largest, test, numbers, effects, sign=1.0)
            self._merge(self.smallest, test, numbers, effects, sign=-1.0)

    def merge(self, other: TopRows, first_test: int = 0) -> None:
        """Take in what was kept of other training rows, for test rows from ``first_test`` on."""
        for offset, (largest, smallest) in enumerate(
            zip(other.largest, other.smallest, strict=True)
        ):
            self._merge(self.largest, first_test + offset, *largest, sign=1.0)
            self._merge(self.smallest, first_test + offset, *smallest, sign=-1.0)

    def _merge(
        self,
        kept: list[tuple[Array, Array]],
        test: int,
        numbers: Array,
        effects: Array,
        *,
        sign: float,
    ) -> None:
        ranked = _ranked(effects, sign)
        if len(ranked) > self.k:
            threshold = np.partition(ranked, -self.k)[-self.k]
            good = ranked >= threshold
            numbers, effects = numbers[good], effects[good]
        numbers = np.concatenate([kept[test][0], numbers])
        effects = np.concatenate([kept[test][1], effects])
        order = np.lexsort((numbers, -_ranked(effects, sign)))[: self.k]
        kept[test] = (numbers[order], effects[order])


def _ranked(effects: Array, sign: float) -> Array:
    # Rows whose effect is not determined (NaN) come last in either list.
    return np.where(np.isnan(effects), -np.inf, sign * effects)


def _empty(n_tests: int) -> list[tuple[Array, Array]]:
    return [(np.empty(0, dtype=np.intp), np.empty(0)) for _ in range(n_tests)]


@dataclass(frozen=True)
class Explanation:
    """The training rows that matter most for each test row.

    Attributes
    ----------
    helpful_indices, harmful_indices : ndarray of shape (n_test, k)
        Positions of training rows, strongest first. Helpful rows pull the model towards the
        explained label (or value), harmful rows away from it; where fewer than k rows do, a list
        goes on with the weakest of the other sort, and the sign of the effect tells.
    helpful_effects, harmful_effects : ndarray of shape (n_test, k)
        Their effects in the sign and unit of ``kind``.
    indices, effects : ndarray of shape (n_test, 2k)
        Both together, by size of the effect.
    kind : str
        "removal", "refit": change of the target when the row is removed and the model refitted.
        "upweight": the paper's influence, −∇ℓ_tᵀ H⁻¹ ∇ℓ_i.
    target, unit : str
        What is changed, and what it is measured in.
    normalize : {None, "theta", "loss"}
        Whether effects are relative to how far each row moves the model, and by which norm.
    labels : ndarray or None
        The label or target of each test row that was explained.
    training_X, training_y, test_X : array-like
        The rows that positions refer to, and their targets, as the explainer got them.
    """

    helpful_indices: Array
    helpful_effects: Array
    harmful_indices: Array
    harmful_effects: Array
    indices: Array
    effects: Array
    kind: str
    target: str
    unit: str
    normalize: str | None
    labels: Any
    training_X: Any = field(repr=False)
    training_y: Any = field(repr=False)
    test_X: Any = field(repr=False)

    @classmethod
    def from_top_rows(
        cls, top: TopRows, *, larger_is_helpful: bool, labels: Any, **described: Any
    ) -> Explanation:
        """Sort what streaming kept into helpful and harmful."""
        largest, smallest = _stack(top.largest), _stack(top.smallest)
        helpful, harmful = (largest, smallest) if larger_is_helpful else (smallest, largest)
        indices = np.concatenate([helpful[0], harmful[0]], axis=1)
        effects = np.concatenate([helpful[1], harmful[1]], axis=1)
        order = np.argsort(-np.abs(effects), axis=1, kind="stable")
        return cls(
            *helpful,
            *harmful,
            np.take_along_axis(indices, order, axis=1),
            np.take_along_axis(effects, order, axis=1),
            labels=None if labels is None else np.asarray(labels),
            **described,
        )

    @property
    def meaning(self) -> str:
        """Sign and unit of the effects, in a sentence."""
        what = "the test row's loss" if self.target == "loss" else "the predicted value"
        helpful = "positive" if (self.kind != "upweight") == (self.target == "loss") else "negative"
        relative = "" if self.normalize is None else ", relative to how far that moves the model"
        if self.kind != "upweight":
            return (
                f"change of {what}, in {self.unit}, when the row is removed and the model "
                f"refitted{relative}; {helpful} = helpful"
            )
        doing = "influence of upweighting the row on"
        return f"{doing} {what} ({self.unit}){relative}; {helpful} = helpful"

    def __repr__(self) -> str:
        n_tests, k = self.helpful_indices.shape
        tests = "1 test row" if n_tests == 1 else f"{n_tests} test rows"
        lines = [f"Explanation of {tests}: {k} helpful and {k} harmful rows each"]
        lines.append(f"effect: {self.meaning}")
        for test in range(min(n_tests, SHOWN_TESTS)):
            lines.append(f"test row {test}{self.label_text(test)}")
            lines.append(
                f"  helpful: {self._listing(self.helpful_indices, self.helpful_effects, test)}"
            )
            lines.append(
                f"  harmful: {self._listing(self.harmful_indices, self.harmful_effects, test)}"
            )
        if n_tests > SHOWN_TESTS:
            lines.append(f"... and {n_tests - SHOWN_TESTS} more test rows")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return explanation_html(self)

    def _listing(self, indices: Array, effects: Array, test: int) -> str:
        shown = zip(indices[test, :SHOWN_ROWS], effects[test, :SHOWN_ROWS], strict=True)
        text = ", ".join(f"{self.row_title(i)} {effect:+.2e}" for i, effect in shown)
        return text + (", ..." if indices.shape[1] > SHOWN_ROWS else "")

    def row_name(self, position: int) -> Any:
        """A training row's label in the DataFrame's index, else its position.

        Parameters
        ----------
        position : int

        Returns
        -------
        label or int
        """
        return self.training_X.index[position] if _is_frame(self.training_X) else position

    def row_title(self, position: int) -> str:
        """What a listing or picture calls a training row."""
        name = self.row_name(position)
        return name if isinstance(name, str) else f"row {name}"

    def training_label(self, position: int) -> str:
        """The label or target of a training row, as text."""
        return str(np.asarray(self.training_y)[position])

    def label_text(self, test_row: int) -> str:
        """The label that was explained, in brackets.

        Parameters
        ----------
        test_row : int
            Position of the test row.

        Returns
        -------
        str
            Such as " (explained: 7)"; empty where no label was explained.
        """
        return "" if self.labels is None else f" (explained: {self.labels[test_row]})"

    def to_frame(self) -> Any:
        """One line per test row and training row, strongest first.

        Returns
        -------
        pandas.DataFrame
            Columns ``test_row``, ``role`` (helpful or harmful), ``rank`` (from 1), ``row`` (the
            training DataFrame's index label, else the position), ``position``, ``effect`` and
            ``y``; after them the features of the training row where it came in a DataFrame
            (``x_`` goes before names that are taken).

        Raises
        ------
        ImportError
            Without pandas.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "Explanation.to_frame needs pandas; install it with "
                "'pip install skinfluence[pandas]', or read the arrays directly."
            ) from error
        n_tests, k = self.helpful_indices.shape
        positions = np.concatenate([self.helpful_indices, self.harmful_indices], axis=1).reshape(-1)
        frame = pd.DataFrame(
            {
                "test_row": np.repeat(self._test_names(), 2 * k),
                "role": np.tile(np.repeat(["helpful", "harmful"], k), n_tests),
                "rank": np.tile(np.arange(1, k + 1), 2 * n_tests),
                "row": [self.row_name(position) for position in positions],
                "position": positions,
                "effect": np.concatenate(
                    [self.helpful_effects, self.harmful_effects], axis=1
                ).reshape(-1),
            }
        )
        y = np.asarray(self.training_y)
        frame["y"] = list(y[positions]) if y.ndim > 1 else y[positions]
        if _is_frame(self.training_X):
            features = self.training_X.iloc[positions].reset_index(drop=True)
            features = features.rename(columns=lambda c: f"x_{c}" if c in frame.columns else c)
            frame = pd.concat([frame, features], axis=1)
        return frame

    def _test_names(self) -> Any:
        if _is_frame(self.test_X):
            return np.asarray(self.test_X.index)
        return np.arange(len(self.helpful_indices))

    def plot(self, test_row: int = 0, *, image_shape: tuple[int, ...] | None = None) -> Any:
        """Draw one test row's explanation (needs matplotlib).

        Parameters
        ----------
        test_row : int, default=0
            Position of the test row.
        image_shape : tuple of int, optional
            For rows that are images, such as (28, 28): draw the test image and its most helpful
            and most harmful training images. Otherwise bars.

        Returns
        -------
        TopInfluenceDisplay or InfluenceImagesDisplay
            With ``figure_``.
        """
        from .display import InfluenceImagesDisplay, TopInfluenceDisplay

        if image_shape is None:
            return TopInfluenceDisplay.from_explanation(self, test_row).plot()
        return InfluenceImagesDisplay.from_explanation(self, test_row, image_shape).plot()


def _is_frame(X: Any) -> bool:
    """Whether X is a DataFrame in memory; a list has an ``index`` too."""
    return hasattr(X, "iloc") and not is_dask(X)


def _stack(kept: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    return np.stack([numbers for numbers, _ in kept]), np.stack([effects for _, effects in kept])
