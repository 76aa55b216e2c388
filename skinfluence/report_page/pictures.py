"""Pictures inside the page, as data URIs."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from io import BytesIO
from typing import Any

import numpy as np

from ..curvature import Array
from ..display.drawing import POINTS, axes_or_new
from ..plotting import pyplot
from .markup import scrolling

DPI = 110


def picture(display: Any, alt: str, caption: str) -> str:
    """A display drawn, as a figure of HTML.

    Parameters
    ----------
    display : display
        One with ``plot`` and ``figure_``.
    alt : str
        What it shows, for those who don't see it.
    caption : str
        How to read it.
    """
    plt = pyplot()
    display.plot()
    held = BytesIO()
    try:
        display.figure_.savefig(held, format="png", dpi=DPI, facecolor="white")
        width, height = (display.figure_.get_size_inches() * DPI).astype(int)
    finally:
        plt.close(display.figure_)
    source = b64encode(held.getvalue()).decode("ascii")
    image = (
        f'<img alt="{escape(alt)}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{source}">'
    )
    inside = scrolling("picture", image, f"Picture: {caption}")
    return f"<figure>{inside}<figcaption>{escape(caption)}</figcaption></figure>"


class ScoresInOrder:
    """Scores of all rows, the largest first: where the bend is, the suspects end.

    Parameters
    ----------
    scores : ndarray of shape (n,)
    name : str
        Of the score, with its unit.
    listed : int
        How many of the rows the table beside it lists.
    """

    def __init__(self, scores: Array, name: str, listed: int) -> None:
        self.scores, self.name, self.listed = scores[np.isfinite(scores)], name, listed
        self.figure_: Any = None

    def plot(self, ax: Any = None) -> ScoresInOrder:
        """Draw."""
        ax = axes_or_new(ax, 7.2, 3.6)
        places = np.arange(1, len(self.scores) + 1)
        ax.plot(places, np.sort(self.scores)[::-1], color=POINTS, linewidth=2.0)
        ax.axvline(
            self.listed, color="black", linewidth=0.9, linestyle="--", label="end of the table"
        )
        ax.set_xscale("log")
        ax.set_xlabel("place of the row, most suspect first")
        ax.set_ylabel(self.name)
        ax.legend(loc="upper right")
        self.figure_ = ax.figure
        return self
