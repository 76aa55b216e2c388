"""Columns replaced by the values of splines at them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.interpolate import BSpline
from sklearn.preprocessing import SplineTransformer

from ..curvature import Array
from .dispatch import step_vjp
from .rows import dense, quietly

APART = 1e-7  # of the range: how far from a row its two sides are looked at, in straight pieces


@step_vjp.register(SplineTransformer)
def _splines(step: Any, X: Any, cotangents: Array) -> Array:
    rows = dense(X).astype(np.float64, copy=False)
    with np.errstate(all="ignore"):
        slopes = _pieces(step, rows) if step.degree <= 1 else _smooth(step, rows)
    slopes = np.where(np.isnan(rows)[:, :, None], 0.0, slopes)
    return np.einsum("mrdk,rdk->mrd", cotangents.reshape(len(cotangents), *slopes.shape), slopes)


def _smooth(step: Any, rows: Array) -> Array:
    """(rows, d, splines of a column): mean of both sides, NaN where tied knots make a jump."""
    slopes = []
    for spline, column in zip(step.bsplines_, rows.T, strict=True):
        below, above = _sides(spline, _on_knots(column, spline.t), step.extrapolation)
        mean = 0.5 * (below[1] + above[1])
        mean[np.abs(mean) < 1e-14 * np.abs(mean).max(initial=0.0)] = 0.0
        slopes.append(np.where(np.abs(below[0] - above[0]) > 1e-9, np.nan, mean))
    return np.stack(slopes, axis=1)[:, :, : None if step.include_bias else -1]


def _sides(spline: Any, x: Array, extrapolation: str) -> tuple[Array, Array]:
    """Values and slopes, (2, rows, splines), just below x and just above."""
    low, high = _ends(spline)
    inner = x if extrapolation == "continue" else np.clip(x, low, high)
    if extrapolation == "periodic":
        inner = low + (x - low) % (high - low)
    mirrored = BSpline(-spline.t[::-1], spline.c[::-1], spline.k, spline.extrapolate)
    under = np.where(inner == low, high, inner) if extrapolation == "periodic" else inner
    below = np.stack([mirrored(-under), -mirrored(-under, nu=1)])
    above = np.stack([spline(inner), spline(inner, nu=1)])
    if extrapolation == "error":
        below[:, x <= low] = above[:, x <= low]
    if extrapolation in ("constant", "linear"):
        first, last = _beyond(spline, extrapolation)
        below[:, x <= low], below[:, x > high] = first, last
        above[:, x < low], above[:, x >= high] = first, last
    return below, above


def _beyond(spline: Any, extrapolation: str) -> tuple[Array, Array]:
    """Values and slopes below the first knot and above the last, (2, 1, splines).

    A straight line continues the first, and the last, so many splines as the degree.
    """
    first, last = (np.stack([spline([end]), spline([end], nu=1)]) for end in _ends(spline))
    straight = spline.k if extrapolation == "linear" else 0
    first[1, :, straight:] = 0.0
    last[1, :, : last.shape[2] - straight] = 0.0
    return first, last


def _on_knots(x: Array, knots: Array) -> Array:
    """Rows that are off a knot by rounding, put on it."""
    nearest = knots[np.abs(x[:, None] - knots).argmin(axis=1)]
    slack = 4.0 * np.finfo(x.dtype).eps * np.abs(nearest) + 1e-12 * (knots[-1] - knots[0])
    return np.where(np.abs(x - nearest) <= slack, nearest, x)


def _pieces(step: Any, rows: Array) -> Array:
    """Degrees 0 and 1: straight pieces, with the slope of the step's own transform.

    Its linear extrapolation of these degrees starts elsewhere from the second column on.
    """
    low, high = np.transpose([_ends(spline) for spline in step.bsplines_])

    def across(apart: Array) -> tuple[Array, Array]:
        before, after = rows - apart, rows + apart
        if step.extrapolation == "error":
            before, after = np.maximum(before, low), np.minimum(after, high)
        change = quietly(step.transform, after) - quietly(step.transform, before)
        return change.reshape(*rows.shape, -1), (after - before)[:, :, None]

    change, distance = across(APART * (high - low))
    closer, _ = across(0.5 * APART * (high - low))
    change[np.abs(change) < 1e-12] = 0.0
    jump = np.abs(change) > 1e-3
    if step.degree == 1:
        jump &= np.abs(change - closer) < 0.1 * np.abs(change)
    return np.where(jump, np.nan, change / distance)


def _ends(spline: Any) -> tuple[float, float]:
    return spline.t[spline.k], spline.t[-spline.k - 1]
