"""Studentized residuals against leverages, with lines of equal Cook's distance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..curvature import Array
from ..plotting import literal
from .drawing import HARMFUL, POINTS, axes_or_new, point_style
from .making import FromEstimator, require_count, require_explainer, row_titles

CONTOUR_STYLES = ("-", "--", ":")
STEPS = np.array([1.0, 2.0, 5.0])
EXACT = 1e-6
# Between the middles of two names, as a share of the height of the axes.
LEAST_GAP = 0.055


@dataclass
class DiagnosticsDisplay(FromEstimator):
    """Studentized residual against leverage, and Cook's distance.

    Parameters
    ----------
    leverage, studentized_residual, cooks_distance : ndarray of shape (n,)
        Columns of ``explainer.diagnostics()``.
    effective_dof : float
        The sum of leverages.
    residual_dof : float or None
        Rows minus that, where the residual variance is estimated; None where it is 1, as for
        log-losses.
    named_rows : ndarray of int
        Positions of the rows that are named, the largest Cook's distance first.
    names : list of str
        What they are called.

    Attributes
    ----------
    contour_factor : float
        Sum of all Cook's distances over what they would be without a penalty at the same leverages
        and residuals: 1 without one. Contours are scaled by it, and are approximate where it is
        not 1: the more so the further it is from 1.
    ax_, figure_
        Where it is drawn.

    Notes
    -----
    Without a penalty Cook's distance is D = r² h / ((1 − h) tr H), with r² = t² for log-losses
    and, with t the external studentized residual, r² = t² ν / (ν − 1 + t²) for the squared error
    with ν = n − tr H degrees of freedom left; with 1 or less there are no contours.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skinfluence.display import DiagnosticsDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> display = DiagnosticsDisplay.from_estimator(LinearRegression(), X, y, most_named=2)
    >>> display.names
    ['row 382', 'row 123']
    >>> bool(abs(display.contour_factor - 1.0) < 1e-6)
    True
    """

    leverage: Array
    studentized_residual: Array
    cooks_distance: Array
    effective_dof: float
    residual_dof: float | None
    named_rows: Array
    names: list[str]
    ax_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @classmethod
    def from_explainer(cls, explainer: Any, *, most_named: int = 6) -> DiagnosticsDisplay:
        """Display of all training rows.

        Parameters
        ----------
        explainer : InfluenceExplainer
            Fitted.
        most_named : int, default=6
            How many rows to name, by Cook's distance.

        Returns
        -------
        DiagnosticsDisplay

        Raises
        ------
        TypeError
            For what is no explainer, and for networks.
        ValueError
            For models without studentized residuals: those with several outputs, and losses
            that say no standard errors.
        """
        who = f"{cls.__name__}.from_explainer"
        require_explainer(who, explainer)
        most = require_count(who, "most_named", most_named, 0)
        objective = explainer.objective_
        loss, n_outputs = objective.loss, objective.linear_map.n_outputs
        if (n_outputs > 1 or loss.dispersion is None) and not objective.linear_map.tangent:
            raise ValueError(
                f"{who} got {type(loss).__name__} of {n_outputs} output(s), which has no "
                "studentized residuals; needed are one output and a loss with standard errors "
                "(squared error, log-loss, Poisson). diagnostics() has its leverages and Cook's "
                "distances."
            )
        table = explainer.diagnostics()
        distances = np.asarray(table["cooks_distance"])
        leverage = np.asarray(table["leverage"])
        order = np.argsort(-np.nan_to_num(distances, nan=-1.0), kind="stable")
        named = order[np.isfinite(distances[order])][:most]
        estimated = loss.dispersion == "estimated"
        dof = float(leverage.sum())
        return cls(
            leverage,
            np.asarray(table["studentized_residual"]),
            distances,
            dof,
            float(objective.n_rows - dof) if estimated else None,
            named,
            row_titles(explainer, named),
        )

    @property
    def contour_factor(self) -> float:
        plain = self._plain_distances()
        known = np.isfinite(plain) & np.isfinite(self.cooks_distance)
        total = float(plain[known].sum())
        return float(self.cooks_distance[known].sum() / total) if total > 0 else 1.0

    def contour(self, distance: float, residual: Array) -> Array:
        """The line of a Cook's distance.

        Parameters
        ----------
        distance : float
            The Cook's distance, 0.5 or 1 as a rule.
        residual : ndarray
            Studentized.

        Returns
        -------
        ndarray
            Leverages at which Cook's distance is that; NaN where residuals say none.
        """
        scaled = distance * self.effective_dof
        return np.asarray(scaled / (scaled + self.contour_factor * self._squares(residual)))

    def _squares(self, residual: Array) -> Array:
        """r² of studentized residuals."""
        squares = np.asarray(residual) ** 2
        if self.residual_dof is None:
            return squares
        if self.residual_dof <= 1.0:
            return np.full_like(squares, np.nan)
        return np.asarray(squares * self.residual_dof / (self.residual_dof - 1.0 + squares))

    def _plain_distances(self) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            left = (1.0 - self.leverage) * self.effective_dof
            return np.asarray(self._squares(self.studentized_residual) * self.leverage / left)

    def plot(self, ax: Any = None, **kwargs: Any) -> DiagnosticsDisplay:
        """Draw the rows, lines of equal Cook's distance, and the names of the extreme ones.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; axes of a new figure by default.
        **kwargs
            Of the points, for ``Axes.scatter``.

        Returns
        -------
        DiagnosticsDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        ax = axes_or_new(ax, 7.6, 5.0)
        options = point_style(len(self.leverage)) | {"color": POINTS} | kwargs
        ax.scatter(self.leverage, self.studentized_residual, **options)
        ax.axhline(0.0, color="black", linewidth=0.8, zorder=1)
        ax.set_xlim(0.0, _room(self.leverage))
        reach = _room(np.abs(self.studentized_residual))
        ax.set_ylim(-reach, reach)
        self._draw_contours(ax)
        self._draw_names(ax)
        ax.set_xlabel("leverage: share of the row in its own fitted value")
        ax.set_ylabel("studentized residual, in standard errors;\npositive = above the fit")
        ax.set_title(
            f"{len(self.leverage):,} rows, {self.effective_dof:.3g} effective degrees of freedom",
            pad=26.0,  # the lines' names are below it
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_contours(self, ax: Any) -> None:
        largest = np.nanmax(self.cooks_distance, initial=0.0)
        low, high = ax.get_ylim()
        residuals = np.linspace(low, high, 801)
        if np.isnan(self._squares(residuals)).all():
            return
        about = "" if abs(self.contour_factor - 1.0) < EXACT else "≈ "
        name = "Cook's distance "
        for level, style in zip(_levels(largest), CONTOUR_STYLES, strict=False):
            line = {"color": "0.3", "linewidth": 1.0, "linestyle": style, "zorder": 1}
            label, name = f"{name}{about or '= '}{level:g}", ""
            ax.plot(self.contour(level, residuals), residuals, label=label, **line)
        if largest > 0:
            place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncol": 3}
            ax.legend(**place, fontsize=8, frameon=False, borderaxespad=0.2)

    def _draw_names(self, ax: Any) -> None:
        """Names in a column on the right, from top to bottom as their points, so none overlap.

        With Cook's distances, of which contours are no more than about right under a penalty.
        """
        x, y = self.leverage[self.named_rows], self.studentized_residual[self.named_rows]
        low, high = ax.get_ylim()
        heights = _spread((y - low) / (high - low))
        ax.scatter(x, y, s=40.0, facecolors="none", edgecolors=HARMFUL, linewidths=1.2)
        beside = {"transform": ax.transAxes, "fontsize": 8, "va": "center"}
        for place, (name, row) in enumerate(zip(self.names, self.named_rows, strict=True)):
            words = f"{literal(name)}: Cook's D {self.cooks_distance[row]:.2g}"
            ax.text(1.04, heights[place], words, **beside)
            ax.annotate(
                "",
                (x[place], y[place]),
                xytext=(1.035, heights[place]),
                textcoords="axes fraction",
                arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 0.0},
            )


def _room(values: Array) -> float:
    """A limit of an axis that leaves some air."""
    return 1.1 * (float(np.max(values[np.isfinite(values)], initial=0.0)) or 1.0)


def _levels(largest: float) -> list[float]:
    """The three largest of 1, 2, 5, 10 … that some row reaches."""
    if not largest > 0:
        return []
    power = 10.0 ** np.floor(np.log10(largest))
    steps = np.concatenate([STEPS * power / 10.0, STEPS * power])
    reached = steps[steps <= largest]
    return [float(level) for level in reached[:-4:-1]]


def _spread(heights: Array) -> Array:
    """Heights from 0 to 1 moved as little apart as words need."""
    gap = min(LEAST_GAP, 1.0 / max(len(heights), 1))
    order = np.argsort(-heights, kind="stable")
    result = heights.copy()
    ceiling = 1.0
    for place in order:
        result[place] = ceiling = min(result[place], ceiling)
        ceiling -= gap
    floor = 0.0
    for place in order[::-1]:
        result[place] = floor = max(result[place], floor)
        floor += gap
    return result
