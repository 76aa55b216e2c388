"""What it does, on average, to give rows of one class the label of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..curvature import Array
from ..plotting import literal
from .drawing import axes_or_new, colour_bar, largest_size, signed_image
from .making import FromEstimator, require_explainer

# More classes than these have colours without numbers, and not all of them are named.
NUMBERED, NAMED = 12, 24
DARK = 0.6


@dataclass
class LabelFlipMatrixDisplay(FromEstimator):
    """Mean effect of flipping one label, by given class and class that it is flipped to.

    Parameters
    ----------
    effects : ndarray of shape (n_classes, n_classes)
        Given classes down, others across; NaN on the diagonal and for classes without a row.
    classes : ndarray of shape (n_classes,)
        Labels, in the order of rows and columns.
    unit : str
        What effects are, and what they are measured in.

    Attributes
    ----------
    ax_, figure_
        Where it is drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence.display import LabelFlipMatrixDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = LabelFlipMatrixDisplay.from_estimator(
    ...     LogisticRegression(max_iter=1000), X, y, X, y
    ... )
    >>> display.effects.shape
    (3, 3)
    """

    effects: Array
    classes: Array
    unit: str
    ax_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @classmethod
    def from_explainer(
        cls,
        explainer: Any,
        X_test: Any,
        y_test: Any = None,
        *,
        target: str = "loss",
        kind: str = "removal",
        indices: Any = None,
    ) -> LabelFlipMatrixDisplay:
        """Display of the mean over training rows and test rows.

        Parameters
        ----------
        explainer : InfluenceExplainer
            Fitted, of a classifier.
        X_test : array-like of shape (n_test, n_features)
            Rows over which effects are averaged.
        y_test : array-like of shape (n_test,), optional
            Their labels; None stands for the model's own.
        target : {"loss", "prediction"}, default="loss"
            As in ``explainer.label_flip_influence``.
        kind : {"removal", "upweight", "refit"}, default="removal"
            As in ``explainer.label_flip_influence``.
        indices : array-like of int or bool, optional
            Training rows whose labels are flipped, one at a time; all by default.

        Returns
        -------
        LabelFlipMatrixDisplay

        Raises
        ------
        TypeError
            For what is no explainer, and for regressors.
        IndexError, ValueError
            For settings and data that don't fit.
        """
        require_explainer(f"{cls.__name__}.from_explainer", explainer)
        options = {"target": target, "kind": kind, "indices": indices, "reduce": "mean"}
        changes = explainer.label_flip_influence(X_test, y_test, **options)
        classes = np.asarray(explainer.classes_)
        given = np.asarray(explainer._training_y).reshape(-1)[explainer._rows(indices)]
        effects = np.full((len(classes), len(classes)), np.nan)
        for place, label in enumerate(classes):
            own = changes[given == label]
            own = own[~np.isnan(own).any(axis=1)]  # a class's only row determines it
            if len(own):
                effects[place] = own.mean(axis=0)
        np.fill_diagonal(effects, np.nan)
        return cls(effects, classes, _unit(explainer, target, kind, X_test, y_test))

    def plot(self, ax: Any = None, **kwargs: Any) -> LabelFlipMatrixDisplay:
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; axes of a new figure by default.
        **kwargs
            Of the matrix, for ``Axes.imshow``.

        Returns
        -------
        LabelFlipMatrixDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        n_classes = len(self.classes)
        shown = np.arange(0, n_classes, -(-n_classes // NAMED))
        names = [str(self.classes[place]) for place in shown]
        longest = max(len(name) for name in names)
        upright = longest * len(names) <= 40
        side = float(np.clip(0.6 * n_classes, 3.2, 6.6))
        words = 0.08 * longest
        ax = axes_or_new(ax, side + words + 2.7, side + (0.0 if upright else words) + 0.9)
        largest = largest_size(self.effects)
        power = int(np.floor(np.log10(largest)))
        values = self.effects / 10.0**power
        drawn = signed_image(ax, values, largest / 10.0**power, **kwargs)
        if n_classes <= NUMBERED:
            self._write_numbers(ax, values)
        ax.set_xticks(shown, literal(names), fontsize=9, rotation=0 if upright else 90)
        ax.set_yticks(shown, literal(names), fontsize=9)
        ax.set_xlabel("label that it is flipped to")
        ax.set_ylabel("given label")
        times = "" if power == 0 else rf"$10^{{{power}}}$ × "
        colour_bar(ax, drawn, times + self.unit)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @staticmethod
    def _write_numbers(ax: Any, values: Array) -> None:
        largest = largest_size(values)
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if abs(value) > DARK * largest else "black"
                middle = {"ha": "center", "va": "center", "fontsize": 8, "color": colour}
                ax.text(column, row, f"{value:+.2f}", **middle)


def _unit(explainer: Any, target: str, kind: str, X_test: Any, y_test: Any) -> str:
    what = "loss" if target == "loss" else "prediction"
    unit = explainer._question(X_test, y_test, target).target.unit
    doing = "influence of flipping one label on" if kind == "upweight" else "change by one flip of"
    return f"{doing} the {what},\n{unit};\npositive = the flip raises it"
