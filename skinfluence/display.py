"""Pictures of explanations, in the manner of scikit-learn's displays.

A display holds arrays; ``plot`` draws them and returns the display. matplotlib is imported by
``plot`` alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .curvature import Array
from .explanation import Explanation

# Two colours of the Okabe–Ito palette, apart for every kind of colour vision and in grey.
HELPFUL, HARMFUL = "#0072B2", "#D55E00"


@dataclass
class TopInfluenceDisplay:
    """Bars of the most helpful and most harmful training rows of one test row.

    Parameters
    ----------
    names : list of str
        Row names, most helpful first, most harmful last.
    effects : ndarray of shape (rows,)
    helpful : ndarray of bool of shape (rows,)
    title, unit : str
    """

    names: list[str]
    effects: Array
    helpful: Array
    title: str
    unit: str
    ax_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @classmethod
    def from_explanation(cls, explanation: Explanation, test_row: int = 0) -> TopInfluenceDisplay:
        """Display of one test row of an explanation."""
        indices = np.concatenate(
            [explanation.helpful_indices[test_row], explanation.harmful_indices[test_row][::-1]]
        )
        effects = np.concatenate(
            [explanation.helpful_effects[test_row], explanation.harmful_effects[test_row][::-1]]
        )
        helpful = np.arange(len(indices)) < explanation.helpful_indices.shape[1]
        targets = np.asarray(explanation.training_y)
        names = [
            f"row {explanation.row_name(i)} (y = {targets[i]})"
            if targets.ndim == 1 and targets.dtype.kind in "iubOUS"
            else f"row {explanation.row_name(i)}"
            for i in indices
        ]
        title = f"test row {test_row}{explanation.label_text(test_row)}"
        return cls(names, effects, helpful, title, _axis_label(explanation))

    def plot(self, ax: Any = None) -> TopInfluenceDisplay:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        TopInfluenceDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        plt = _pyplot()
        if ax is None:
            height = 1.2 + 0.27 * len(self.names)
            _, ax = plt.subplots(figsize=(7.0, height), layout="constrained")
        positions = np.arange(len(self.names))
        for chosen, colour, label in (
            (self.helpful, HELPFUL, "helpful"),
            (~self.helpful, HARMFUL, "harmful"),
        ):
            ax.barh(positions[chosen], self.effects[chosen], color=colour, label=label)
        ax.set_yticks(positions, self.names)
        ax.invert_yaxis()
        ax.axvline(0.0, color="black", linewidth=0.8)
        ax.ticklabel_format(axis="x", style="sci", scilimits=(-3, 3))
        ax.set_xlabel(self.unit)
        ax.set_title(self.title)
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


@dataclass
class InfluenceImagesDisplay:
    """A test image with its most helpful and most harmful training images.

    Parameters
    ----------
    test_image : ndarray
    test_title : str
    helpful, harmful : list of (image, caption)
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
    def from_explanation(
        cls,
        explanation: Explanation,
        test_row: int = 0,
        image_shape: tuple[int, ...] = (28, 28),
        *,
        most: int = 5,
    ) -> InfluenceImagesDisplay:
        """Display of one test row of an explanation, at most ``most`` images of either sort."""
        training, targets = np.asarray(explanation.training_X), np.asarray(explanation.training_y)

        def captioned(indices: Array, effects: Array) -> list[tuple[Array, str]]:
            return [
                (
                    training[i].reshape(image_shape),
                    f"row {explanation.row_name(i)}, y = {targets[i]}\n{effect:+.1e}",
                )
                for i, effect in zip(indices[:most], effects[:most], strict=True)
            ]

        return cls(
            np.asarray(explanation.test_X)[test_row].reshape(image_shape),
            f"test row {test_row}{explanation.label_text(test_row)}",
            captioned(explanation.helpful_indices[test_row], explanation.helpful_effects[test_row]),
            captioned(explanation.harmful_indices[test_row], explanation.harmful_effects[test_row]),
            _axis_label(explanation),
        )

    def plot(self, figure: Any = None) -> InfluenceImagesDisplay:
        """Draw the images.

        Parameters
        ----------
        figure : matplotlib Figure, optional

        Returns
        -------
        InfluenceImagesDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        plt = _pyplot()
        columns = 1 + len(self.helpful)
        if figure is None:
            figure = plt.figure(figsize=(1.6 * columns + 0.6, 4.6), layout="constrained")
        axes = figure.subplots(2, columns, squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        self._draw(axes[0, 0], self.test_image, self.test_title)
        for row, (name, colour, images) in enumerate(
            (("helpful", HELPFUL, self.helpful), ("harmful", HARMFUL, self.harmful))
        ):
            for column, (image, title) in enumerate(images, start=1):
                self._draw(axes[row, column], image, title)
            axes[row, 1].set_title(
                f"{name}\n{images[0][1]}", fontsize=8, color=colour, fontweight="bold"
            )
        figure.supxlabel(self.caption, fontsize=8)
        self.axes_, self.figure_ = axes, figure
        return self

    @staticmethod
    def _draw(ax: Any, image: Array, title: str) -> None:
        ax.imshow(image, cmap="gray_r" if image.ndim == 2 else None)
        ax.set_title(title, fontsize=8)


def _axis_label(explanation: Explanation) -> str:
    what = "loss" if explanation.target == "loss" else "prediction"
    if explanation.kind == "removal":
        return f"change of the {what} when the row is removed, {explanation.unit}"
    return f"influence of upweighting the row on the {what}, {explanation.unit}"


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing an explanation needs matplotlib; install it with "
            "'pip install skinfluence[plot]', or use to_frame()."
        ) from error
    return plt
