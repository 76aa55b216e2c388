"""AttackResult: what ``TrainingSetAttack.attack`` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..curvature import Array
from .confirmation import Confirmation, confirm
from .sizes import Sizes, as_dense, mean_centroid_distance
from .table import Table
from .victims import History, Victims, seen_by_model
from .words import and_more, count, need_pandas, row_title

SHOWN = 3


@dataclass(frozen=True, eq=False)
class AttackResult:
    """Moved training rows, and what the model makes of the test rows when they are moved.

    Attributes
    ----------
    rows : ndarray of int of shape (m,)
        Positions of the training rows that moved, most promising first.
    row_names : tuple
        Their labels in the DataFrame's index, else their positions.
    X_before, X_after : DataFrame, ndarray or CSR matrix of shape (m, n_features)
        The rows, in the container of the training rows.
    labels : ndarray of shape (n_test,)
        What the attack led the model away from.
    flipped : ndarray of bool of shape (n_test,)
        Whether the prediction of each test row has changed; False for regressors.
    predictions_before, predictions_after : ndarray of shape (n_test,)
    loss_history : ndarray of shape (n_iter + 1, n_test)
        The loss of each test row, at first and after each step.
    probability_history : ndarray of shape (n_iter + 1, n_test)
        The probability of the label; NaN where the model has none.
    decision_history : ndarray of shape (n_iter + 1, n_test)
        What the label's decision value is above the strongest other's: the signed decision value
        for two classes; negative where another label is predicted. The predicted value of a
        regressor. NaN for one-vs-one, and for several outputs.
    n_iter : int
        Steps taken.
    stopped : {"flipped", "fixed point", "cycle", "no progress", "n_iter", "no optimum"}
        Why: no test row that was predicted as its label is any more; the rows no longer moved, or
        came back to where they had been; the last steps brought nothing; all steps were taken; the
        next step would have left the model without an optimum.
    change_raw, change_model : Sizes
        How far each row has moved, in the raw features and in those that the model sees:
        ``l2`` and ``linf``, each of shape (m,).
    values : tuple of two ndarrays of shape (m, n_features)
        The rows before and after as float64, NaN where a column is no number.
    explainer, X_test : InfluenceExplainer and array-like
        What was attacked: the model before, and the test rows.
    test_names : tuple
        Labels of the test rows in the DataFrame's index, else their positions.
    unit : str
        What losses are measured in.
    """

    rows: Array
    row_names: tuple[Any, ...]
    X_before: Any = field(repr=False)
    X_after: Any = field(repr=False)
    labels: Any
    flipped: Array
    predictions_before: Array
    predictions_after: Array
    loss_history: Array
    probability_history: Array
    decision_history: Array
    stopped: str
    change_raw: Sizes
    change_model: Sizes
    test_names: tuple[Any, ...] = field(repr=False)
    unit: str = field(repr=False)
    explainer: Any = field(repr=False)
    X_test: Any = field(repr=False)
    values: tuple[Array, Array] = field(repr=False)

    @classmethod
    def from_run(
        cls,
        explainer: Any,
        table: Table,
        victims: Victims,
        history: History,
        X_test: Any,
        rows: Array,
        Z: Array,
        stopped: str,
    ) -> AttackResult:
        """Of rows that ended at Z (m, d)."""
        before = table.values(rows)
        moved = _moved(before, Z)
        X_before, X_after = table.take(rows), table.rows_with(rows, Z, moved)
        seen = [as_dense(seen_by_model(explainer, X)) for X in (X_before, X_after)]
        predictions = [_labels(explainer, codes) for codes in (history.codes[0], history.codes[-1])]
        coding = explainer.objective_.coding
        flipped = np.zeros(victims.n_rows, dtype=bool)
        if coding.is_classification:
            flipped = history.codes[0] != history.codes[-1]
        return cls(
            rows=rows,
            row_names=_names(table.X, rows),
            X_before=X_before,
            X_after=X_after,
            labels=victims.labels,
            flipped=flipped,
            predictions_before=predictions[0],
            predictions_after=predictions[1],
            loss_history=np.array(history.losses),
            probability_history=np.array(history.probabilities),
            decision_history=np.array(history.decisions),
            stopped=stopped,
            change_raw=Sizes.of(Z - before),
            change_model=Sizes.of(seen[1] - seen[0]),
            test_names=_names(X_test, np.arange(victims.n_rows)),
            unit=explainer.objective_.loss.unit,
            explainer=explainer,
            X_test=X_test,
            values=(before, Z),
        )

    @property
    def n_iter(self) -> int:
        """Steps taken."""
        return len(self.loss_history) - 1

    @cached_property
    def relative_change_raw(self) -> Sizes:
        """``change_raw`` in units of the training rows' mean distance to their class centroid.

        NaN for regressors. Columns that are no numbers, or miss some, have no part in the distance.
        """
        table = Table.of(self.explainer._training_X)
        return self._relative(self.change_raw, table.values, table.n_features)

    @cached_property
    def relative_change_model(self) -> Sizes:
        """``change_model`` in such units, in the features that the model sees."""
        X = self.explainer.objective_.linear_map.full_X
        return self._relative(self.change_model, lambda rows: as_dense(X[rows]), X.shape[1])

    def _relative(self, sizes: Sizes, values: Any, n_features: int) -> Sizes:
        objective = self.explainer.objective_
        if not objective.coding.is_classification:
            return sizes.relative_to((np.nan, np.nan))
        codes = objective.coding.decode(objective.y)
        return sizes.relative_to(mean_centroid_distance(values, n_features, codes))

    def X_attacked(self) -> Any:
        """All training rows, of which the attacked ones are moved, in the user's container.

        Columns in which nothing moved keep their dtype; whole numbers that moved are floats.

        Returns
        -------
        array-like of shape (n, n_features)
            A copy; the explainer's own rows stay.
        """
        table = Table.of(self.explainer._training_X)
        return table.replaced(self.rows, self.values[1], _moved(*self.values))

    def confirm(self, *, preprocessing: str = "refit") -> Confirmation:
        """Fit a clone of the user's own estimator on the attacked training rows, from scratch.

        With the same hyper-parameters (what a search chose is held fixed) and sample weights. No
        formula of this package has a part in it.

        Parameters
        ----------
        preprocessing : {"refit", "fixed"}, default="refit"
            "refit": everything is fitted anew, pipelines as a whole, and what follows the rows,
            such as ``gamma="scale"``, follows the attacked ones. "fixed": steps before the model
            and the kernel's width stay as they were, which is what the attack assumes.

        Returns
        -------
        Confirmation
        """
        return confirm(
            self.explainer,
            self.X_attacked(),
            self.X_test,
            self.labels,
            self.test_names,
            preprocessing,
        )

    def to_frame(self) -> Any:
        """One line per entry that moved.

        Returns
        -------
        pandas.DataFrame
            Columns ``row`` (the DataFrame's index label, else the position), ``position``,
            ``feature`` (the column's name, else its position), ``before`` and ``after``.

        Raises
        ------
        ImportError
            Without pandas.
        """
        pd = need_pandas("AttackResult")
        before, after = self.values
        at_row, at_column = np.nonzero(~np.isnan(before) & (before != after))
        names = self.feature_names
        return pd.DataFrame(
            {
                "row": [self.row_names[place] for place in at_row],
                "position": self.rows[at_row],
                "feature": [names[place] for place in at_column],
                "before": before[at_row, at_column],
                "after": after[at_row, at_column],
            }
        )

    @property
    def n_classes(self) -> int:
        """Of the model; 0 for a regressor."""
        classifies = self.explainer.objective_.coding.is_classification
        return len(self.explainer.classes_) if classifies else 0

    @property
    def feature_names(self) -> tuple[Any, ...]:
        """Names of the DataFrame's columns, else their positions."""
        names = Table.of(self.X_before).names
        return tuple(range(self.values[0].shape[1])) if names is None else names

    def plot(self, ax: Any = None, *, image_shape: tuple[int, ...] | None = None) -> Any:
        """Draw how the test rows fared and what moved (needs matplotlib).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            For the history alone.
        image_shape : tuple of int, optional
            For rows that are images, such as (28, 28): each row before and after, and what changed.
            Otherwise the features that moved furthest.

        Returns
        -------
        AttackDisplay
            With ``axes_`` and ``figure_``.
        """
        from .display import AttackDisplay

        return AttackDisplay.from_result(self, image_shape).plot(ax)

    def __repr__(self) -> str:
        n_tests, n_flipped = len(self.flipped), int(self.flipped.sum())
        lines = [
            f"AttackResult of {count(n_tests, 'test row')} by {count(len(self.rows), 'moved row')}:"
            f" {n_flipped} flipped, stopped after {count(self.n_iter, 'step')} ({self.stopped})"
        ]
        for place, name in enumerate(self.row_names[:SHOWN]):
            lines.append(
                f"training {row_title(name)}: moved by {self.change_raw.l2[place]:.2e} (L2), at "
                f"most {self.change_raw.linf[place]:.2e} in a feature"
            )
        lines += and_more(len(self.row_names) - SHOWN, "training row")
        for test in range(min(n_tests, SHOWN)):
            lines.append(f"test {row_title(self.test_names[test])}: {self._fate(test)}")
        return "\n".join(lines + and_more(n_tests - SHOWN, "test row"))

    def _fate(self, test: int) -> str:
        """What became of a test row."""
        loss, chance = self.loss_history[:, test], self.probability_history[:, test]
        text = f"loss {loss[0]:.3g} -> {loss[-1]:.3g} ({self.unit})"
        if self.n_classes:
            was, now = self.predictions_before[test], self.predictions_after[test]
            text = f"predicted {was} -> {now}, {text}"
        if np.isfinite(chance).all():
            text += f", probability of {self.labels[test]} {chance[0]:.3f} -> {chance[-1]:.3f}"
        return text


def _moved(before: Array, after: Array) -> Array:
    """Columns of which something moved, bool (d,)."""
    return np.asarray((~np.isnan(before) & (before != after)).any(axis=0))


def _labels(explainer: Any, codes: Array) -> Array:
    """The user's labels of class codes; a regressor's values as they are."""
    if not explainer.objective_.coding.is_classification:
        return codes
    return np.asarray(np.asarray(explainer.classes_)[codes])


def _names(X: Any, rows: Array) -> tuple[Any, ...]:
    """Labels of a DataFrame's rows, else their positions."""
    return tuple(X.index[rows] if hasattr(X, "iloc") else rows.tolist())
