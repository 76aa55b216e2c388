"""What the pictures share: colours, axes, and words on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..curvature import Array
from ..plotting import pyplot

# Two colours of the Okabe–Ito palette, apart for every kind of colour vision and in grey.
HELPFUL, HARMFUL = "#0072B2", "#D55E00"
POINTS = "#009E73"
# Light and dark of the same palette, for two sorts of points that are neither good nor bad.
SAME, OTHER = "#0072B2", "#E69F00"
CURVES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
LINE_STYLES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
# Orange to purple over white: the sign is told apart by every kind of colour vision.
SIGNED = "PuOr"
# More points than these are drawn as pixels in vector files too.
RASTERISED = 1000


def axes_or_new(ax: Any, width: float, height: float) -> Any:
    """The axes that are given, or new ones of that size in inches."""
    if ax is None:
        _, ax = pyplot().subplots(figsize=(width, height), layout="constrained")
    return ax


def point_style(n_points: int) -> dict[str, Any]:
    """Size and transparency of points of which there may be three or ten thousand."""
    size = float(np.clip(40000.0 / max(n_points, 1), 8.0, 34.0))
    alpha = float(np.clip(1000.0 / max(n_points, 1), 0.45, 0.9))
    return {"s": size, "alpha": alpha, "linewidths": 0.0, "rasterized": n_points > RASTERISED}


def signed_image(ax: Any, values: Array, largest: float, **options: Any) -> Any:
    """Colours for signed numbers, white at 0 and grey where there is none."""
    import matplotlib as mpl

    colours = mpl.colormaps[SIGNED].with_extremes(bad="0.8")
    limits = {"cmap": colours, "vmin": -largest, "vmax": largest}
    return ax.imshow(np.ma.masked_invalid(values), **(limits | options))


def largest_size(values: Array) -> float:
    """The largest absolute value, 1 where all are 0 or missing."""
    sizes = np.abs(values[np.isfinite(values)])
    return float(sizes.max(initial=0.0)) or 1.0


def colour_bar(ax: Any, drawn: Any, label: str) -> None:
    """A bar beside the axes, with its numbers in powers of ten."""
    bar = ax.figure.colorbar(drawn, ax=ax)
    bar.formatter.set_powerlimits((-2, 3))
    bar.set_label(label, fontsize=9)


def effect_label(target: str, kind: str, unit: str) -> str:
    """What the effect of a row is, and its unit, for an axis."""
    what = "loss" if target == "loss" else "prediction"
    if kind != "upweight":
        return f"change of the {what} when the row is removed,\n{unit}"
    return f"influence of upweighting the row on the {what},\n{unit}"


def helpful_sign(target: str, kind: str) -> str:
    """The sign of rows that pull the model to what is asked about."""
    return "positive" if (kind != "upweight") == (target == "loss") else "negative"
