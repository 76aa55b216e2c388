"""Which features of which training rows a prediction hangs on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from ..blocks import row_blocks
from ..curvature import Array
from ..inputs import choose, model_rows, require_in_memory
from ..plotting import literal
from ..retraining import take_rows
from .drawing import axes_or_new, colour_bar, largest_size, signed_image
from .images import image_of
from .making import FromEstimator, labelled_titles, require_count, require_explainer

PER = ("unit", "deviation")
# Between images, as a share of one.
GAP = 0.08
CAPTION = {"horizontalalignment": "center", "verticalalignment": "bottom", "fontsize": 8}


@dataclass
class FeatureInfluenceDisplay(FromEstimator):
    """Perturbation gradients (Eq. 5) of the rows that a test loss hangs on most.

    Parameters
    ----------
    gradients : ndarray of shape (rows, n_features)
        Derivative of the mean test loss with respect to each feature of row i, times n / s_i,
        strongest row first; NaN where there is none. Times the feature's standard deviation with
        ``per="deviation"``.
    row_names : list of str
        What the rows are called; of a classifier's rows with their label.
    feature_names : list of str
        Of all features, in the order of the columns.
    strongest_features : ndarray of int
        Those that are drawn, strongest first.
    images : ndarray of shape (rows, height, width) or None
        The rows as images: then the gradients are drawn as images too.
    unit : str
        Of the gradients.

    Attributes
    ----------
    ax_, figure_
        Where it is drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence.display import FeatureInfluenceDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> display = FeatureInfluenceDisplay.from_estimator(
    ...     Ridge(), X[10:], y[10:], X[:10], y[:10], most_rows=3, most_features=4
    ... )
    >>> display.gradients.shape, len(display.strongest_features)
    ((3, 10), 4)
    """

    gradients: Array
    row_names: list[str]
    feature_names: list[str]
    strongest_features: Array
    images: Array | None
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
        indices: Any = None,
        most_rows: int | None = None,
        most_features: int = 12,
        image_shape: tuple[int, ...] | None = None,
        space: str = "raw",
        per: str | None = None,
    ) -> FeatureInfluenceDisplay:
        """Display of the rows with the largest gradients.

        Parameters
        ----------
        explainer : InfluenceExplainer
            Fitted, on rows in memory.
        X_test : array-like of shape (n_test, n_features)
            Rows over which the loss is averaged.
        y_test : array-like of shape (n_test,), optional
            None stands for the model's own predicted label.
        indices : array-like of int or bool, optional
            The training rows to choose from; all by default.
        most_rows : int, optional
            How many rows to draw; 10 by default, and 5 of images.
        most_features : int, default=12
            How many features to draw.
        image_shape : tuple of int, optional
            For rows that are grey images, such as (28, 28).
        space : {"raw", "model"}, default="raw"
            As in ``explainer.perturbation_gradient``.
        per : {"unit", "deviation"}, optional
            What a feature moves by: its own unit, the default for images, or its standard deviation
            over the training rows, by which features of different units can be compared.

        Returns
        -------
        FeatureInfluenceDisplay

        Raises
        ------
        TypeError
            For what is no explainer, steps whose derivative is not known, and rows of texts.
        IndexError, ValueError
            For settings and data that don't fit, and no derivative at all.
        """
        who = f"{cls.__name__}.from_explainer"
        require_explainer(who, explainer)
        require_in_memory(explainer._training_X, who, "their features")
        per = ("deviation" if image_shape is None else "unit") if per is None else per
        choose("per", per, PER)
        most_rows = (10 if image_shape is None else 5) if most_rows is None else most_rows
        n_rows = require_count(who, "most_rows", most_rows)
        n_features = require_count(who, "most_features", most_features)
        asked = {"X_test": X_test, "y_test": y_test, "reduce": "mean", "space": space}
        X = explainer._training_X
        if space == "model":
            X = model_rows(explainer._transformers, explainer._model, X)
        elif not hasattr(explainer, "n_features_in_"):
            raise TypeError(
                f"{who} got rows that are no columns of numbers, such as texts, which can't move a "
                "little; needed are columns. space='model' shows those that the model gets."
            )
        scale = _deviations(X) if per == "deviation" else 1.0
        rows = _strongest_rows(explainer, explainer._rows(indices), asked, scale, _width(X))
        rows = rows[:n_rows]
        if not len(rows):
            raise ValueError(f"{who} got no training rows in indices; needed is at least one.")
        gradients = scale * explainer.perturbation_gradient(indices=rows, **asked)
        if np.isnan(gradients).all():
            raise ValueError(
                f"{who} got training rows without any derivative: all their features are encoded, "
                "binned or split into words. Pass space='model'."
            )
        sizes = np.sqrt(np.nansum(gradients**2, axis=0))
        sizes[np.isnan(gradients).all(axis=0)] = -1.0
        strongest = np.argsort(-sizes, kind="stable")[:n_features]
        return cls(
            gradients,
            labelled_titles(explainer, rows),
            _feature_names(explainer, space, gradients.shape[1]),
            strongest[sizes[strongest] >= 0.0],
            None if image_shape is None else _images(who, X, rows, image_shape),
            _unit(explainer, X_test, per),
        )

    def plot(self, ax: Any = None, **kwargs: Any) -> FeatureInfluenceDisplay:
        """Draw a heat map of rows and features, or images above their gradients.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; axes of a new figure by default.
        **kwargs
            Of the gradients, for ``Axes.imshow``.

        Returns
        -------
        FeatureInfluenceDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        ax = self._draw_table(ax, kwargs) if self.images is None else self._draw_images(ax, kwargs)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_table(self, ax: Any, options: dict[str, Any]) -> Any:
        n_rows, n_features = len(self.row_names), len(self.strongest_features)
        names = [self.feature_names[feature] for feature in self.strongest_features]
        below, left = (0.08 * max(map(len, words)) for words in (names, self.row_names))
        ax = axes_or_new(ax, 2.6 + left + 0.36 * n_features, 0.6 + below + max(3.4, 0.28 * n_rows))
        values = self.gradients[:, self.strongest_features]
        drawn = signed_image(ax, values, largest_size(values), **({"aspect": "auto"} | options))
        ax.set_xticks(np.arange(n_features), literal(names), fontsize=9)
        ax.tick_params(axis="x", rotation=90)
        ax.set_yticks(np.arange(n_rows), literal(self.row_names), fontsize=9)
        ax.set_ylabel("training row")
        colour_bar(ax, drawn, self.unit)
        return ax

    def _draw_images(self, ax: Any, options: dict[str, Any]) -> Any:
        images = np.asarray(self.images)
        n_rows, height, width = images.shape
        ax = axes_or_new(ax, 3.2 + 1.4 * n_rows, 4.4)
        largest = largest_size(self.gradients)
        limits = {"cmap": "gray_r", "vmin": images.min(), "vmax": images.max()}
        for place, image in enumerate(images):
            left = place * (1.0 + GAP) * width
            upper = (left, left + width, (1.0 + GAP) * height, (2.0 + GAP) * height)
            lower = (left, left + width, 0.0, height)
            ax.imshow(image, extent=upper, **limits)
            gradient = self.gradients[place].reshape(height, width)
            drawn = signed_image(ax, gradient, largest, **({"extent": lower} | options))
            caption = self.row_names[place].replace(" (", "\n(")
            ax.text(left + width / 2.0, upper[3] + GAP * height, literal(caption), **CAPTION)
        ax.set_xlim(-1.0, left + width + 1.0)
        ax.set_ylim(-1.0, upper[3] + 1.0)
        ax.set_xticks([])
        ax.set_yticks([(1.5 + GAP) * height, 0.5 * height], ["training\nimage", "gradient"])
        ax.tick_params(length=0.0)
        ax.spines[:].set_visible(False)
        colour_bar(ax, drawn, self.unit)
        return ax


def _strongest_rows(
    explainer: Any, rows: Array, asked: dict[str, Any], scale: Array | float, n_features: int
) -> Array:
    """By the norm of their gradients, which are never all held."""
    sizes = np.zeros(len(rows))
    for block in row_blocks(len(rows), 24 * n_features):
        gradients = scale * explainer.perturbation_gradient(indices=rows[block], **asked)
        sizes[block] = np.nansum(gradients**2, axis=1)
    return rows[np.argsort(-sizes, kind="stable")]


def _deviations(X: Any) -> Array:
    """Standard deviation of each column, NaN where it holds no numbers."""
    if sparse.issparse(X):
        columns = X.tocsc().astype(np.float64)
        mean = np.asarray(columns.mean(axis=0)).reshape(-1)
        squares = np.asarray(columns.power(2).mean(axis=0)).reshape(-1)
        return np.sqrt(np.maximum(squares - mean**2, 0.0))
    if hasattr(X, "iloc"):
        return np.array([_deviation(X.iloc[:, column]) for column in range(X.shape[1])])
    return np.array([_deviation(column) for column in np.asarray(X).T])


def _deviation(column: Any) -> float:
    try:
        return float(np.nanstd(np.asarray(column, dtype=np.float64)))
    except (TypeError, ValueError):  # words
        return float("nan")


def _unit(explainer: Any, X_test: Any, per: str) -> str:
    n_tests = X_test.shape[0] if hasattr(X_test, "shape") else len(X_test)
    whose = "loss of the test row" if n_tests == 1 else f"mean loss of {n_tests:,} test rows"
    by = "unit" if per == "unit" else "standard deviation"
    loss = explainer.objective_.measured_loss.unit
    return f"n × change of the {whose},\n{loss},\nper {by} of the feature;\npositive = raises it"


def _feature_names(explainer: Any, space: str, n_features: int) -> list[str]:
    if space == "model":
        return [str(name) for name in explainer.model_feature_names_]
    names = getattr(explainer, "feature_names_in_", None)
    if names is None:
        return [f"feature {column}" for column in range(n_features)]
    return [str(name) for name in names]


def _width(X: Any) -> int:
    return X.shape[1] if hasattr(X, "shape") else len(X[0])


def _images(who: str, X: Any, rows: Array, shape: tuple[int, ...]) -> Array:
    n_features = _width(X)
    if len(shape) != 2 or np.prod(shape) != n_features:
        raise ValueError(
            f"{who} got image_shape={tuple(shape)} for rows of {n_features} features; needed are "
            f"two numbers whose product is {n_features}: grey images."
        )
    chosen = take_rows(X, rows)
    return np.stack([image_of(chosen, place, shape) for place in range(len(rows))])
