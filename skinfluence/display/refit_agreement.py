"""Predicted against actual changes, as a verification found them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..agreement import Verification
from ..curvature import Array
from .drawing import POINTS, axes_or_new
from .making import FromEstimator, require_explainer


@dataclass
class RefitAgreementDisplay(FromEstimator):
    """Predicted against actual changes of the target, as in Figure 2 of Koh & Liang.

    Parameters
    ----------
    predicted, actual : ndarray of shape (pairs,)
        Changes of the target, of all pairs of a row left out and a test row.
    title : str
        The kind, the number of refits, and how well they agree.
    what : str
        What has changed.
    unit : str
        What changes are measured in.
    """

    predicted: Array
    actual: Array
    title: str
    what: str
    unit: str
    ax_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    @classmethod
    def from_explainer(
        cls, explainer: Any, X_test: Any, y_test: Any = None, **options: Any
    ) -> RefitAgreementDisplay:
        """Display of all pairs of a verification, which really refits the estimator.

        Parameters
        ----------
        explainer : InfluenceExplainer
            Fitted.
        X_test, y_test : array-like
            As in ``explainer.verify``.
        **options
            Of ``explainer.verify``.

        Returns
        -------
        RefitAgreementDisplay
        """
        require_explainer(f"{cls.__name__}.from_explainer", explainer)
        return cls.from_verification(explainer.verify(X_test, y_test, **options))

    @classmethod
    def from_verification(cls, verification: Verification) -> RefitAgreementDisplay:
        """Display of all pairs with both numbers.

        Parameters
        ----------
        verification : Verification
            As ``explainer.verify`` returns it.

        Returns
        -------
        RefitAgreementDisplay
        """
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
            Where to draw; axes of a new figure by default.

        Returns
        -------
        RefitAgreementDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        ax = axes_or_new(ax, 5.0, 5.2)
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
