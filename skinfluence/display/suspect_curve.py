"""How many wrong labels are found by looking at the most suspect rows first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..curvature import Array
from .drawing import CURVES, LINE_STYLES, axes_or_new
from .making import FromEstimator, require_explainer

NAMES = {
    "label_noise": "label noise",
    "loo_loss": "leave-one-out loss",
    "self_influence": "self-influence",
    "test_influence": "influence on test rows",
}
REST = ("loo_loss", "loss")


@dataclass
class SuspectCurveDisplay(FromEstimator):
    """Wrong labels found against rows checked, by each criterion, as in Figure 6 of Koh & Liang.

    Parameters
    ----------
    by : list of str
        Criteria of ``rank_suspects``.
    is_wrong : ndarray of bool of shape (criteria, n)
        Whether the row's label is wrong, most suspect row first.

    Attributes
    ----------
    checked : ndarray of shape (n + 1,)
        Fraction of the rows, from 0 to 1.
    found : ndarray of shape (criteria, n + 1)
        Fraction of the wrong labels.
    average_precision : ndarray of shape (criteria,)
        Mean over the wrong labels of the share of wrong ones among the rows up to it; 1 is perfect,
        about the fraction of wrong labels is random.
    area : ndarray of shape (criteria,)
        Under the curve: 1/2 is random.
    ax_, figure_
        Where it is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence.datasets import load_mnist17
    >>> from skinfluence.display import SuspectCurveDisplay
    >>> digits = load_mnist17()
    >>> y = digits.target.copy()
    >>> y[::10] = 8 - y[::10]
    >>> display = SuspectCurveDisplay.from_estimator(
    ...     LogisticRegression(C=0.1), digits.data, y, digits.target, by="loo_loss"
    ... )
    >>> display.average_precision.round(1)
    array([1.])
    """

    by: list[str]
    is_wrong: Array
    ax_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @classmethod
    def from_explainer(
        cls,
        explainer: Any,
        y_true: Any,
        by: str | Sequence[str] | None = None,
        *,
        X_test: Any = None,
        y_test: Any = None,
    ) -> SuspectCurveDisplay:
        """Display of what ``rank_suspects`` puts first.

        Parameters
        ----------
        explainer : InfluenceExplainer
            Fitted.
        y_true : array-like of shape (n,)
            The right labels, or targets; the explainer was fitted to those of which some are wrong.
        by : str or sequence of str, optional
            Criteria of ``rank_suspects``. By default "label_noise", where the model has
            probabilities, "loo_loss" and "loss".
        X_test, y_test : array-like, optional
            For "test_influence".

        Returns
        -------
        SuspectCurveDisplay

        Raises
        ------
        TypeError
            For what is no explainer.
        ValueError
            For y_true of another length, no wrong label or nothing but wrong ones, and criteria
            that the model has not.
        """
        who = f"{cls.__name__}.from_explainer"
        require_explainer(who, explainer)
        wrong = _wrong_labels(who, np.asarray(explainer._training_y), np.asarray(y_true))
        if by is None:
            by = list(dict.fromkeys((explainer._criterion("auto", None), *REST)))
        criteria = [by] if isinstance(by, str) else list(by)
        if not criteria:
            raise ValueError(f"{who} got by={by!r}; needed is at least one criterion.")
        orders = _orders(explainer, criteria, X_test, y_test)
        return cls(criteria, np.array([wrong[order] for order in orders]))

    @property
    def checked(self) -> Array:
        n_rows = self.is_wrong.shape[1]
        return np.arange(n_rows + 1) / n_rows

    @property
    def found(self) -> Array:
        counts = np.cumsum(self.is_wrong, axis=1) / self.is_wrong.sum(axis=1, keepdims=True)
        return np.pad(counts, ((0, 0), (1, 0)))

    @property
    def average_precision(self) -> Array:
        n_wrong, n_rows = self.is_wrong[0].sum(), self.is_wrong.shape[1]
        precision = np.cumsum(self.is_wrong, axis=1) / np.arange(1, n_rows + 1)
        return np.asarray((precision * self.is_wrong).sum(axis=1) / n_wrong)

    @property
    def area(self) -> Array:
        found = self.found
        return np.asarray((found[:, 1:] + found[:, :-1]).mean(axis=1) / 2.0)

    def plot(self, ax: Any = None, **kwargs: Any) -> SuspectCurveDisplay:
        """Draw the curves between those of a perfect and a random order.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; axes of a new figure by default.
        **kwargs
            Of the curves, for ``Axes.plot``.

        Returns
        -------
        SuspectCurveDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        ax = axes_or_new(ax, 6.2, 5.0)
        n_rows, n_wrong = self.is_wrong.shape[1], int(self.is_wrong[0].sum())
        numbers = zip(self.by, self.found, self.average_precision, self.area, strict=True)
        for place, (name, found, precision, area) in enumerate(numbers):
            style = {
                "color": CURVES[place % len(CURVES)],
                "linestyle": LINE_STYLES[place % len(LINE_STYLES)],
                "linewidth": max(3.6 - 0.8 * place, 1.6),  # curves that coincide show as bands
                "label": f"{NAMES.get(name, name)}: AP {precision:.2f}, area {area:.2f}",
            }
            ax.plot(self.checked, found, **(style | kwargs))
        grey = {"linewidth": 1.0, "zorder": 1}
        perfect = [0.0, n_wrong / n_rows, 1.0]
        ax.plot(perfect, [0.0, 1.0, 1.0], color="0.35", label="perfect", **grey)
        ax.plot([0.0, 1.0], [0.0, 1.0], color="0.6", linestyle="--", label="random", **grey)
        ax.set_xlabel("fraction of the rows checked, most suspect first")
        ax.set_ylabel("fraction of the wrong labels found")
        ax.set_title(f"{n_wrong:,} of {n_rows:,} labels wrong")
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        ax.legend(loc="lower right", fontsize=9)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _wrong_labels(who: str, given: Array, right: Array) -> Array:
    if right.reshape(-1).shape != given.reshape(-1).shape:
        raise ValueError(
            f"{who} got y_true of shape {right.shape} for training labels of shape {given.shape}; "
            "needed is the right label of each training row, in their order."
        )
    wrong = np.array([one != other for one, other in zip(given.flat, right.flat, strict=True)])
    if not wrong.any() or wrong.all():
        got = "no label" if not wrong.any() else "every label"
        raise ValueError(
            f"{who} got y_true with {got} other than the one that the model was fitted to; needed "
            "are some wrong labels to find among right ones. Fit the explainer to the labels as "
            "they are, and pass the right ones here, in the same type."
        )
    return wrong


def _orders(explainer: Any, criteria: list[str], X_test: Any, y_test: Any) -> list[Array]:
    """Positions of all rows by each criterion; a table has the ranks by some others too."""
    tables: list[Any] = []
    orders = []
    for name in criteria:
        rank = f"rank_{name}"
        known = next((table for table in tables if rank in _columns(table)), None)
        if known is not None:
            orders.append(np.asarray(known["position"])[np.argsort(np.asarray(known[rank]))])
            continue
        tests = (X_test, y_test) if name == "test_influence" else (None, None)
        table = explainer.rank_suspects(by=name, X_test=tests[0], y_test=tests[1])
        tables.append(table)
        orders.append(np.asarray(table["position"]))
    return orders


def _columns(table: Any) -> Any:
    return table.columns if hasattr(table, "columns") else table.dtype.names
