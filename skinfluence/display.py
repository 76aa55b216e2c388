"""Pictures of explanations and verifications, in the manner of scikit-learn's displays.

A display holds arrays; ``plot`` draws them and returns the display. matplotlib is imported by
``plot`` alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from .agreement import Verification
from .curvature import Array
from .explanation import Explanation

# Two colours of the Okabe–Ito palette, apart for every kind of colour vision and in grey.
HELPFUL, HARMFUL = "#0072B2", "#D55E00"
POINTS = "#009E73"


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
            f"{explanation.row_title(i)} (y = {targets[i]})"
            if targets.ndim == 1 and targets.dtype.kind in "iubOUS"
            else explanation.row_title(i)
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
        targets = np.asarray(explanation.training_y)

        def captioned(indices: Array, effects: Array) -> list[tuple[Array, str]]:
            return [
                (
                    _image(explanation.training_X, i, image_shape),
                    f"{explanation.row_title(i)}, y = {targets[i]}\n{effect:+.1e}",
                )
                for i, effect in zip(indices[:most], effects[:most], strict=True)
            ]

        return cls(
            _image(explanation.test_X, test_row, image_shape),
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
        columns = len(self.helpful)
        if figure is None:
            figure = plt.figure(figsize=(1.45 * columns + 2.2, 4.3), layout="constrained")
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
        ax.set_title(title, fontsize=8)
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set(color=colour, linewidth=1.5)


@dataclass
class RefitAgreementDisplay:
    """Predicted against actual changes of the target, as in Figure 2 of Koh & Liang.

    Parameters
    ----------
    predicted, actual : ndarray of shape (pairs,)
    title, what, unit : str
    """

    predicted: Array
    actual: Array
    title: str
    what: str
    unit: str
    ax_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @classmethod
    def from_verification(cls, verification: Verification) -> RefitAgreementDisplay:
        """Display of all pairs with both numbers."""
        finite = verification.finite
        title = (
            f"kind={verification.kind!r} against {verification.n_refits} refits\n"
            f"correlation {verification.correlation:.4f}, slope {verification.slope:.3f}"
        )
        predicted, actual = verification.predicted[finite], verification.actual[finite]
        return cls(predicted, actual, title, verification.what, verification.unit)

    def plot(self, ax: Any = None) -> RefitAgreementDisplay:
        """Draw the pairs and the line on which they would agree.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        RefitAgreementDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        plt = _pyplot()
        if ax is None:
            _, ax = plt.subplots(figsize=(5.0, 5.2), layout="constrained")
        ends = np.zeros(2)
        if self.actual.size:
            both = np.concatenate([self.predicted, self.actual])
            ends = np.array([both.min(), both.max()])
        ax.plot(ends, ends, color="black", linewidth=0.8, label="predicted = actual", zorder=1)
        ax.scatter(self.actual, self.predicted, s=14, color=POINTS, alpha=0.6, linewidths=0.0)
        ax.set_aspect("equal", adjustable="datalim")
        ax.ticklabel_format(style="sci", scilimits=(-3, 3))
        ax.set_xlabel(f"actual change of the {self.what},\n{self.unit}")
        ax.set_ylabel(f"predicted change of the {self.what}")
        ax.set_title(self.title)
        ax.legend(loc="upper left")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _image(X: Any, row: int, shape: tuple[int, ...]) -> Array:
    if sparse.issparse(X):
        return np.asarray(X.tocsr()[[row]].toarray()).reshape(shape)
    return np.asarray(X.iloc[row] if hasattr(X, "iloc") else X[row]).reshape(shape)


def _axis_label(explanation: Explanation) -> str:
    what = "loss" if explanation.target == "loss" else "prediction"
    if explanation.kind != "upweight":
        return f"change of the {what} when the row is removed,\n{explanation.unit}"
    return f"influence of upweighting the row on the {what},\n{explanation.unit}"


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing an explanation needs matplotlib; install it with "
            "'pip install skinfluence[plot]', or use to_frame()."
        ) from error
    return plt
