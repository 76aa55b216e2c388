"""Pictures of attacks, as scikit-learn's displays; only ``plot`` imports matplotlib."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..curvature import Array
from ..plotting import literal, pyplot
from .openness import MOVES, Vulnerability
from .result import AttackResult
from .words import row_title

# The Okabe–Ito palette: apart for every kind of colour vision.
BEFORE, AFTER, NEUTRAL = "#0072B2", "#D55E00", "#009E73"
# Histories that are told apart by name and colour; more are drawn thin and in one.
NAMED = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
MOST_FEATURES, MOST_IMAGES = 12, 4


@dataclass
class AttackDisplay:
    """The fate of the test rows beside what moved: images, or bars of features.

    Parameters
    ----------
    history : ndarray of shape (n_iter + 1, n_test)
        Probability, decision value or loss of each test row, at first and after each step.
    history_label : str
    threshold : float or None
        Where two classes are even.
    test_names : list of str
    title : str
    features : list of str
        Those that moved furthest, furthest first.
    moves : ndarray of shape (n_features,)
        How far each of them moved, after minus before, in its own unit.
    images : list of (str, ndarray, ndarray)
        Row, before and after.
    """

    history: Array
    history_label: str
    threshold: float | None
    test_names: list[str]
    title: str
    features: list[str]
    moves: Array
    images: list[tuple[str, Array, Array]]
    axes_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @classmethod
    def from_result(
        cls, result: AttackResult, image_shape: tuple[int, ...] | None = None
    ) -> AttackDisplay:
        """Display of an attack.

        Parameters
        ----------
        result : AttackResult
        image_shape : tuple of int, optional
            For rows that are grey images, such as (28, 28).

        Returns
        -------
        AttackDisplay
        """
        images = []
        if image_shape is not None:
            for name, before, after in zip(result.row_names, *result.values, strict=True):
                shown = before.reshape(image_shape), after.reshape(image_shape)
                images.append((row_title(name), *shown))
        features, moves = _furthest(result)
        n_flipped = int(result.flipped.sum())
        return cls(
            *_history(result),
            [f"test {row_title(name)}" for name in result.test_names],
            f"{n_flipped} of {len(result.flipped)} flipped, stopped: {result.stopped}",
            features,
            moves,
            images[:MOST_IMAGES],
        )

    def plot(self, ax: Any = None) -> AttackDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            For the history alone.

        Returns
        -------
        AttackDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        plt = pyplot()
        if ax is not None:
            self.axes_, self.figure_ = [ax], ax.figure
        elif self.images:
            self._plot_images(plt)
        else:
            height = max(3.4, 1.4 + 0.25 * len(self.features))
            options = {"figsize": (9.6, height), "layout": "constrained"}
            self.figure_, axes = plt.subplots(1, 2, **options)
            self.axes_ = list(axes)
            self._draw_features(self.axes_[1])
        self._draw_history(self.axes_[0])
        return self

    def _plot_images(self, plt: Any) -> None:
        n = len(self.images)
        figure = plt.figure(figsize=(10.4, max(3.0, 2.0 * n + 0.6)), layout="constrained")
        grid = figure.add_gridspec(n, 4, width_ratios=[2.0, 1.0, 1.0, 1.25])
        self.axes_ = [figure.add_subplot(grid[:, 0])]
        for place, (name, before, after) in enumerate(self.images):
            row = [figure.add_subplot(grid[place, column]) for column in (1, 2, 3)]
            low, high = min(before.min(), after.min()), max(before.max(), after.max())
            for ax, image, title in zip(row, (before, after), ("before", "after"), strict=False):
                _show(ax, image, f"{name}, {title}", low, high)
            self._show_difference(figure, row[2], after - before)
            self.axes_ += row
        self.figure_ = figure

    @staticmethod
    def _show_difference(figure: Any, ax: Any, change: Array) -> None:
        largest = float(np.abs(change).max(initial=0.0)) or 1.0
        if change.ndim > 2:  # colours: from half grey
            _show(ax, 0.5 + change / (2.0 * largest), f"difference, 1 = {largest:.1e}", 0.0, 1.0)
            return
        drawn = ax.imshow(change, cmap="PuOr", vmin=-largest, vmax=largest)
        ax.set_title("difference", fontsize=9)
        ax.set(xticks=[], yticks=[])
        bar = figure.colorbar(drawn, ax=ax, shrink=0.8, ticks=[-largest, 0.0, largest])
        bar.ax.set_yticklabels([f"{-largest:.1e}", "0", f"{largest:.1e}"], fontsize=8)

    def _draw_history(self, ax: Any) -> None:
        steps = np.arange(len(self.history))
        marker = "o" if len(steps) <= 30 else ""
        few = self.history.shape[1] <= len(NAMED)
        for place, name in enumerate(self.test_names):
            colour = NAMED[place] if few else NEUTRAL
            style = {"linewidth": 1.6, "marker": marker, "markersize": 3.5}
            style = style if few else {"linewidth": 0.7, "alpha": 0.6}
            label = name if few else None
            ax.plot(steps, self.history[:, place], color=colour, label=label, **style)
        if self.threshold is not None:
            ax.axhline(self.threshold, color="black", linewidth=0.8, linestyle="--")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel("step")
        ax.set_ylabel(self.history_label)
        ax.set_title(literal(self.title), fontsize=10)
        if few:
            ax.legend(fontsize=8)

    def _draw_features(self, ax: Any) -> None:
        places = np.arange(len(self.features))
        colours = np.where(self.moves > 0, AFTER, BEFORE)
        ax.barh(places, self.moves, color=colours)
        ax.set_yticks(places, literal(self.features), fontsize=8)
        ax.invert_yaxis()
        ax.axvline(0.0, color="black", linewidth=0.8)
        ax.locator_params(axis="x", nbins=5)
        ax.set_xlabel("change of the feature")
        ax.set_title("largest moves", fontsize=10)


@dataclass
class VulnerabilityDisplay:
    """Bars of the test rows that flip most easily, and of the training rows that do most.

    Parameters
    ----------
    test_names : list of str
    distances : ndarray
        Smallest move of a training row that flips each, to first order; easiest first.
    row_names : list of str
    sizes : ndarray
        Of I_pert,loss, averaged over all test rows; most effective first.
    moves : str
        What distances are measured in.
    """

    test_names: list[str]
    distances: Array
    row_names: list[str]
    sizes: Array
    moves: str
    axes_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @classmethod
    def from_vulnerability(cls, found: Vulnerability, most: int = 10) -> VulnerabilityDisplay:
        """Display of the test rows that flip most easily, and of the rows that do most.

        Parameters
        ----------
        found : Vulnerability
        most : int, default=10

        Returns
        -------
        VulnerabilityDisplay
        """
        tests = [test for test in found.ranking() if np.isfinite(found.flip_distance[test])][:most]
        rows = found.most_effective_rows[:most]
        return cls(
            [
                f"{row_title(found.test_names[test])}, by "
                f"{row_title(found.row_name(found.flip_rows[test]))}"
                for test in tests
            ],
            found.flip_distance[tests],
            [row_title(found.row_name(row)) for row in rows],
            found.row_sizes[rows],
            MOVES[found.norm],
        )

    def plot(self, axes: Any = None) -> VulnerabilityDisplay:
        """Draw.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional

        Returns
        -------
        VulnerabilityDisplay
            Itself, with ``axes_`` and ``figure_``.
        """
        if axes is None:
            height = 1.4 + 0.27 * max(len(self.test_names), len(self.row_names), 4)
            options = {"figsize": (10.0, height), "layout": "constrained"}
            _, axes = pyplot().subplots(1, 2, **options)
        drawn = (
            (self.test_names, self.distances, AFTER, "test rows that flip most easily"),
            (self.row_names, self.sizes, BEFORE, "training rows that do most"),
        )
        labels = f"move of one training row that flips ({self.moves})", "mean size of I_pert,loss"
        for ax, (names, lengths, colour, title), label in zip(axes, drawn, labels, strict=True):
            ax.barh(np.arange(len(names)), lengths, color=colour)
            ax.set_yticks(np.arange(len(names)), literal(names), fontsize=8)
            ax.invert_yaxis()
            ax.locator_params(axis="x", nbins=6)
            ax.set_xlabel(label)
            ax.set_title(title, fontsize=10)
        self.axes_, self.figure_ = list(axes), axes[0].figure
        return self


def _history(result: AttackResult) -> tuple[Array, str, float | None]:
    """What to draw over the steps, its name, and where two classes are even."""
    same = len({str(label) for label in np.ravel(result.labels)}) == 1
    label = f"label {np.ravel(result.labels)[0]}" if same else "the label"
    if np.isfinite(result.probability_history).all():
        even = 0.5 if result.n_classes == 2 else None
        return result.probability_history, f"probability of {label}", even
    if result.n_classes and np.isfinite(result.decision_history).all():
        return result.decision_history, f"decision value of {label} above the next", 0.0
    return result.loss_history, f"loss\n{result.unit}", None


def _furthest(result: AttackResult) -> tuple[list[str], Array]:
    """Names and moves of the entries that moved furthest."""
    before, after = result.values
    change = np.nan_to_num(after - before)
    order = np.argsort(-np.abs(change).reshape(-1), kind="stable")[:MOST_FEATURES]
    order = order[np.abs(change).reshape(-1)[order] > 0]
    rows, columns = np.unravel_index(order, change.shape)
    several = len(result.rows) > 1
    names = [
        _feature_title(result.feature_names[j])
        + (f", {row_title(result.row_names[i])}" if several else "")
        for i, j in zip(rows, columns, strict=True)
    ]
    return names, change[rows, columns]


def _feature_title(name: Any) -> str:
    return name if isinstance(name, str) else f"feature {name}"


def _show(ax: Any, image: Array, title: str, low: float, high: float) -> None:
    grey = {"cmap": "gray_r", "vmin": low, "vmax": high} if image.ndim == 2 else {}
    ax.imshow(image, **grey)
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])
