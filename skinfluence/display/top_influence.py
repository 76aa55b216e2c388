"""Bars of the rows that matter most for a test row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..curvature import Array
from ..explanation import Explanation
from ..plotting import literal
from .drawing import HARMFUL, HELPFUL, axes_or_new, effect_label
from .making import FromEstimator, one_test_row, require_explainer


@dataclass
class TopInfluenceDisplay(FromEstimator):
    """Bars of the most helpful and most harmful training rows of one test row.

    Parameters
    ----------
    names : list of str
        Row names, most helpful first, most harmful last.
    effects : ndarray of shape (rows,)
        Of each row on the test row, in the sign and unit of the kind.
    helpful : ndarray of bool of shape (rows,)
        Whether it is one of the helpful rows.
    title : str
        Which test row it is, and the label that was explained.
    unit : str
        What effects are, and what they are measured in.
    """

    names: list[str]
    effects: Array
    helpful: Array
    title: str
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
        test_row: int = 0,
        **options: Any,
    ) -> TopInfluenceDisplay:
        """Display of one test row.

        Parameters
        ----------
        explainer : InfluenceExplainer
            Fitted.
        X_test, y_test : array-like
            As in ``explainer.explain``.
        test_row : int, default=0
            Position of the one to draw.
        **options
            Of ``explainer.explain``, such as ``k`` and ``kind``.

        Returns
        -------
        TopInfluenceDisplay
        """
        who = f"{cls.__name__}.from_explainer"
        require_explainer(who, explainer)
        explanation = explainer.explain(*one_test_row(who, X_test, y_test, test_row), **options)
        title = f"test row {test_row}{explanation.label_text(0)}"
        return replace(cls.from_explanation(explanation), title=title)

    @classmethod
    def from_explanation(cls, explanation: Explanation, test_row: int = 0) -> TopInfluenceDisplay:
        """Display of one test row of an explanation.

        Parameters
        ----------
        explanation : Explanation
            As ``explainer.explain`` returns it.
        test_row : int, default=0
            Position of the one to draw.

        Returns
        -------
        TopInfluenceDisplay
        """
        indices = np.concatenate(
            [explanation.helpful_indices[test_row], explanation.harmful_indices[test_row][::-1]]
        )
        effects = np.concatenate(
            [explanation.helpful_effects[test_row], explanation.harmful_effects[test_row][::-1]]
        )
        helpful = np.arange(len(indices)) < explanation.helpful_indices.shape[1]
        targets = np.asarray(explanation.training_y)
        names = [
            f"{explanation.row_title(i)} (y = {targets[i]})"
            if targets.ndim == 1 and targets.dtype.kind in "iubOUS"
            else explanation.row_title(i)
            for i in indices
        ]
        title = f"test row {test_row}{explanation.label_text(test_row)}"
        unit = effect_label(explanation.target, explanation.kind, explanation.unit)
        return cls(names, effects, helpful, title, unit)

    def plot(self, ax: Any = None) -> TopInfluenceDisplay:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; axes of a new figure by default.

        Returns
        -------
        TopInfluenceDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        ax = axes_or_new(ax, 7.0, 1.2 + 0.27 * len(self.names))
        positions = np.arange(len(self.names))
        for chosen, colour, label in (
            (self.helpful, HELPFUL, "helpful"),
            (~self.helpful, HARMFUL, "harmful"),
        ):
            ax.barh(positions[chosen], self.effects[chosen], color=colour, label=label)
        ax.set_yticks(positions, literal(self.names))
        ax.invert_yaxis()
        ax.axvline(0.0, color="black", linewidth=0.8)
        ax.ticklabel_format(axis="x", style="sci", scilimits=(-3, 3))
        ax.set_xlabel(self.unit)
        ax.set_title(literal(self.title))
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self
