"""Influence on a test row against distance from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from ..blocks import row_blocks
from ..curvature import Array
from ..inputs import model_rows, require_in_memory
from ..plotting import literal
from ..predictors import KernelPredictor
from .drawing import OTHER, SAME, axes_or_new, effect_label, helpful_sign, point_style
from .making import FromEstimator, one_test_row, require_explainer


@dataclass
class InfluenceScatterDisplay(FromEstimator):
    """Influence of each training row on one test row against distance, as in Figure 4.

    Parameters
    ----------
    distances : ndarray of shape (n,)
        Euclidean, between the rows as the model sees them: after the steps before it.
    effects : ndarray of shape (n,)
        Of each training row on the test row, in the sign and unit of the kind.
    same_label : ndarray of bool of shape (n,), or None
        Whether the row has the label that was explained; None for regressors.
    title : str
        Which test row it is, and the label that was explained.
    effect_label : str
        What effects are, and what they are measured in.

    Attributes
    ----------
    ax_, figure_
        Where it is drawn.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence.datasets import load_mnist17
    >>> from skinfluence.display import InfluenceScatterDisplay
    >>> digits = load_mnist17()
    >>> display = InfluenceScatterDisplay.from_estimator(
    ...     LogisticRegression(C=0.01), digits.data, digits.target, digits.test_data, test_row=3
    ... )
    >>> display.effects.shape
    (1500,)
    """

    distances: Array
    effects: Array
    same_label: Array | None
    title: str
    effect_label: str
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
        target: str = "loss",
        kind: str = "upweight",
    ) -> InfluenceScatterDisplay:
        """Display of one test row.

        Parameters
        ----------
        explainer : InfluenceExplainer
            Fitted, on rows in memory.
        X_test : array-like of shape (n_test, n_features)
            Rows of which one is drawn.
        y_test : array-like of shape (n_test,), optional
            Their labels or targets; None stands for the model's own predicted label.
        test_row : int, default=0
            Position of the one to draw.
        target : {"loss", "prediction"}, default="loss"
            As in ``explainer.influence``.
        kind : {"upweight", "removal", "refit"}, default="upweight"
            As in ``explainer.influence``.

        Returns
        -------
        InfluenceScatterDisplay

        Raises
        ------
        TypeError
            For what is no explainer, and models without features: ``kernel="precomputed"``.
        IndexError, ValueError
            For another position, settings and data that don't fit.
        """
        who = f"{cls.__name__}.from_explainer"
        require_explainer(who, explainer)
        require_in_memory(explainer._training_X, who, "a distance and a point for each of them")
        predictor = explainer.objective_.predictor
        if isinstance(predictor, KernelPredictor) and predictor.training.precomputed:
            raise TypeError(
                f"{who} got a model with kernel='precomputed', whose rows have no features; needed "
                "are features for distances. Fit it with the kernel's name, or with a function."
            )
        X, y = one_test_row(who, X_test, y_test, test_row)
        question = explainer._question(X, y, target)
        same, explained = _same_label(explainer, question.labels)
        steps = explainer._transformers, explainer._model
        rows = model_rows(*steps, explainer._training_X)
        effects = np.asarray(explainer.influence(X, y, target=target, kind=kind))[0]
        return cls(
            _distances(rows, model_rows(*steps, X)),
            effects,
            same,
            f"test row {test_row}{explained}",
            f"{effect_label(target, kind, question.target.unit)}; "
            f"{helpful_sign(target, kind)} = helpful",
        )

    def plot(self, ax: Any = None, **kwargs: Any) -> InfluenceScatterDisplay:
        """Draw a point for each training row.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; axes of a new figure by default.
        **kwargs
            Of the points, for ``Axes.scatter``.

        Returns
        -------
        InfluenceScatterDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        ax = axes_or_new(ax, 6.4, 4.8)
        style = point_style(len(self.effects))
        ax.axhline(0.0, color="black", linewidth=0.8, zorder=1)
        sorts: list[tuple[Array, str, str, str | None]]
        sorts = [(np.ones(len(self.effects), dtype=bool), SAME, "o", None)]
        if self.same_label is not None:
            sorts = [
                (~self.same_label, OTHER, "^", "another label"),
                (self.same_label, SAME, "o", "the test row's label"),
            ]
        for chosen, colour, marker, label in sorts:
            options = style | {"color": colour, "marker": marker, "label": label} | kwargs
            ax.scatter(self.distances[chosen], self.effects[chosen], **options)
        ax.ticklabel_format(axis="both", style="sci", scilimits=(-3, 4))
        ax.set_xlabel("Euclidean distance from the test row, in the model's inputs")
        ax.set_ylabel(self.effect_label)
        ax.set_title(literal(self.title))
        if self.same_label is not None:
            ax.legend(handles=[_legend_point(*sort[1:]) for sort in sorts])
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _legend_point(colour: str, marker: str, label: str | None) -> Any:
    """Large and solid, which points of ten thousand are not."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", color=colour, marker=marker, label=literal(label))


def _same_label(explainer: Any, labels: Any) -> tuple[Array | None, str]:
    """Which training rows have the label that is explained, and its name in brackets."""
    if labels is None:
        return None, ""
    label = np.asarray(labels)[0]
    targets = np.asarray(explainer._training_y)
    explained = f" (explained: {label})"
    if np.ndim(label) or not explainer.objective_.coding.has_labels:
        return None, explained
    return np.asarray(targets.reshape(-1) == label), explained


def _distances(rows: Any, test: Any) -> Array:
    """Of each row from one, by differences: sums of squares would lose those of near rows."""
    n_rows, n_features = rows.shape
    result = np.empty(n_rows)
    for block in row_blocks(n_rows, 24 * n_features):
        if sparse.issparse(rows):
            some = rows[block]
            many = sparse.csr_matrix(np.ones((some.shape[0], 1))) @ test
            squares = np.asarray((some - many).power(2).sum(axis=1)).reshape(-1)
        else:
            difference = rows[block] - test
            squares = np.einsum("ij,ij->i", difference, difference, dtype=np.float64)
        result[block] = np.sqrt(squares)
    return result
