"""A test image beside the training images that matter most for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..curvature import Array
from ..explanation import Explanation
from ..plotting import literal, pyplot
from .drawing import HARMFUL, HELPFUL, effect_label
from .images import image_of
from .making import FromEstimator, one_test_row, require_explainer


@dataclass
class InfluenceImagesDisplay(FromEstimator):
    """A test image with its most helpful and most harmful training images.

    Parameters
    ----------
    test_image : ndarray of shape (height, width)
        Grey levels of the image that is explained.
    test_title : str
        Which test row it is, and the label that was explained.
    helpful, harmful : list of (image, caption)
        Training images, strongest first; a caption is the row, its label and its effect.
    caption : str
        What the numbers under the images are.
    """

    test_image: Array
    test_title: str
    helpful: list[tuple[Array, str]]
    harmful: list[tuple[Array, str]]
    caption: str
    axes_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @classmethod
    def from_explainer(
        cls,
        explainer: Any,
        X_test: Any,
        y_test: Any = None,
        *,
        test_row: int = 0,
        image_shape: tuple[int, ...] = (28, 28),
        most: int = 5,
        **options: Any,
    ) -> InfluenceImagesDisplay:
        """Display of one test row.

        Parameters
        ----------
        explainer : InfluenceExplainer
            Fitted.
        X_test, y_test : array-like
            As in ``explainer.explain``.
        test_row : int, default=0
            Position of the one to draw.
        image_shape : tuple of int, default=(28, 28)
            Height and width; a row is an image, line after line.
        most : int, default=5
            Images of either sort.
        **options
            Of ``explainer.explain``, such as ``k`` and ``kind``.

        Returns
        -------
        InfluenceImagesDisplay
        """
        who = f"{cls.__name__}.from_explainer"
        require_explainer(who, explainer)
        explanation = explainer.explain(*one_test_row(who, X_test, y_test, test_row), **options)
        made = cls.from_explanation(explanation, 0, image_shape, most=most)
        return replace(made, test_title=f"test row {test_row}{explanation.label_text(0)}")

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        test_row: int = 0,
        image_shape: tuple[int, ...] = (28, 28),
        *,
        most: int = 5,
    ) -> InfluenceImagesDisplay:
        """Display of one test row of an explanation.

        Parameters
        ----------
        explanation : Explanation
            Of rows that are images.
        test_row : int, default=0
            Position of the one to draw.
        image_shape : tuple of int, default=(28, 28)
            Height and width.
        most : int, default=5
            Images of either sort, of those that the explanation has.

        Returns
        -------
        InfluenceImagesDisplay
        """
        targets = np.asarray(explanation.training_y)

        def captioned(indices: Array, effects: Array) -> list[tuple[Array, str]]:
            return [
                (
                    image_of(explanation.training_X, i, image_shape),
                    f"{explanation.row_title(i)}, y = {targets[i]}\n{effect:+.1e}",
                )
                for i, effect in zip(indices[:most], effects[:most], strict=True)
            ]

        return cls(
            image_of(explanation.test_X, test_row, image_shape),
            f"test row {test_row}{explanation.label_text(test_row)}",
            captioned(explanation.helpful_indices[test_row], explanation.helpful_effects[test_row]),
            captioned(explanation.harmful_indices[test_row], explanation.harmful_effects[test_row]),
            effect_label(explanation.target, explanation.kind, explanation.unit),
        )

    def plot(self, figure: Any = None) -> InfluenceImagesDisplay:
        """Draw the images.

        Parameters
        ----------
        figure : matplotlib Figure, optional
            Where to draw; a new one by default.

        Returns
        -------
        InfluenceImagesDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        columns = len(self.helpful)
        if figure is None:
            figure = pyplot().figure(figsize=(1.45 * columns + 2.2, 4.3), layout="constrained")
        grid = figure.add_gridspec(2, columns + 1, width_ratios=[1.6] + [1.0] * columns)
        test_ax = figure.add_subplot(grid[:, 0])
        self._draw(test_ax, self.test_image, self.test_title, "black")
        axes = [test_ax]
        for row, (name, colour, images) in enumerate(
            (("helpful", HELPFUL, self.helpful), ("harmful", HARMFUL, self.harmful))
        ):
            for column, (image, title) in enumerate(images, start=1):
                ax = figure.add_subplot(grid[row, column])
                self._draw(ax, image, title, colour)
                axes.append(ax)
                if column == 1:
                    ax.set_ylabel(name, color=colour, fontsize=11, fontweight="bold")
        figure.supxlabel(self.caption, fontsize=9)
        self.axes_, self.figure_ = axes, figure
        return self

    @staticmethod
    def _draw(ax: Any, image: Array, title: str, colour: str) -> None:
        ax.imshow(image, cmap="gray_r" if image.ndim == 2 else None)
        ax.set_title(literal(title), fontsize=8)
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set(color=colour, linewidth=1.5)
