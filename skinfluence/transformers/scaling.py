"""Scalers: column by column, with one slope for all rows that aren't clipped."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from ..curvature import Array
from .dispatch import step_vjp
from .rows import dense


@step_vjp.register(StandardScaler)
@step_vjp.register(RobustScaler)
def _divide(step: Any, X: Any, cotangents: Array) -> Array:
    return cotangents if step.scale_ is None else cotangents / step.scale_


@step_vjp.register(MaxAbsScaler)
def _divide_and_clip(step: Any, X: Any, cotangents: Array) -> Array:
    if not getattr(step, "clip", False):  # a parameter of newer scikit-learn
        return cotangents / step.scale_
    rows = dense(X)
    slack = 4.0 * np.finfo(rows.dtype).eps
    return cotangents / step.scale_ * _unclipped(rows / step.scale_, -1.0, 1.0, slack)


@step_vjp.register(MinMaxScaler)
def _multiply(step: Any, X: Any, cotangents: Array) -> Array:
    if not step.clip:
        return cotangents * step.scale_
    rows = dense(X)
    scaled = rows * step.scale_
    low, high = step.feature_range
    slack = 4.0 * np.finfo(rows.dtype).eps * (np.abs(scaled) + np.abs(step.min_))
    share = _unclipped(scaled + step.min_, low, high, slack)
    return cotangents * step.scale_ * share


def _unclipped(values: Array, low: float, high: float, slack: Any) -> Array:
    """1 inside of the range, 0 outside, ½ at its ends, where training rows are."""
    touching = (values >= low - slack) & (values <= high + slack)
    inside = (values > low + slack) & (values < high - slack)
    return 0.5 * touching + 0.5 * inside
