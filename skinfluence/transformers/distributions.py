"""Columns mapped towards a distribution: powers and quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import boxcox
from scipy.stats import norm, yeojohnson
from sklearn.preprocessing import PowerTransformer, QuantileTransformer

from ..curvature import Array
from .dispatch import step_vjp
from .rows import dense, quietly, transformed

# Beyond these scikit-learn cuts the normal distribution off.
LARGEST_NORMAL = norm.isf(1e-7) - 1e-5


@step_vjp.register(PowerTransformer)
def _power(step: Any, X: Any, cotangents: Array) -> Array:
    rows = dense(X)
    with np.errstate(all="ignore"):
        if step.method == "box-cox":
            slopes = rows ** (step.lambdas_ - 1.0)
        else:
            exponent = np.where(rows >= 0.0, step.lambdas_ - 1.0, 1.0 - step.lambdas_)
            slopes = (1.0 + np.abs(rows)) ** exponent
    if step.standardize:
        slopes = slopes / _standard_deviations(step)
    return cotangents * np.where(np.isnan(rows), 0.0, slopes)


def _standard_deviations(step: Any) -> Array:
    """By which the powers are divided: how far two points are apart before and after it."""
    levels = np.repeat([[-1.0], [-0.5], [0.0], [0.5], [1.0]], len(step.lambdas_), axis=1)
    points = quietly(step.inverse_transform, levels)
    outside = ~np.isfinite(points)
    if step.method == "box-cox":
        outside |= points <= 0.0
    after = quietly(step.transform, np.where(outside, np.nan, points))
    columns = np.arange(len(step.lambdas_))
    ends = [
        np.where(np.isnan(after), np.inf, after).argmin(axis=0),
        np.where(np.isnan(after), -np.inf, after).argmax(axis=0),
    ]
    power = boxcox if step.method == "box-cox" else yeojohnson
    before = [
        power(points[pair, column], float(step.lambdas_[column]))
        for column, pair in zip(columns, np.transpose(ends), strict=True)
    ]
    low, high = ends
    with np.errstate(invalid="ignore"):
        return np.diff(before, axis=1)[:, 0] / (after[high, columns] - after[low, columns])


@step_vjp.register(QuantileTransformer)
def _quantiles(step: Any, X: Any, cotangents: Array) -> Array:
    rows = dense(X)
    slopes = np.empty(rows.shape)
    for column, knots in enumerate(np.transpose(step.quantiles_)):
        slopes[:, column] = _interpolation_slopes(rows[:, column], knots, step.references_)
    if step.output_distribution == "normal":
        outputs = dense(transformed(step, X))
        slopes = np.where(np.abs(outputs) < LARGEST_NORMAL, slopes / norm.pdf(outputs), 0.0)
        if sparse.issparse(X):
            slopes[rows == 0.0] = np.nan  # stay 0, whatever their neighbours become
    return cotangents * np.where(np.isnan(rows), 0.0, slopes)


def _interpolation_slopes(x: Array, knots: Array, values: Array) -> Array:
    """Of the line through (knots, values): mean of both sides at a knot, NaN where knots tie.

    Knots are percentiles, and off the training rows they stand for by rounding.
    """
    with np.errstate(all="ignore"):
        slopes = np.diff(values) / np.diff(knots)
    gaps = np.concatenate([[np.inf], np.diff(knots), [np.inf]])
    nearest = np.minimum(gaps[:-1], gaps[1:])
    slack = 4.0 * np.finfo(x.dtype).eps * np.abs(knots)
    slack += 1e-9 * np.where(np.isfinite(nearest), nearest, 0.0)
    highest = np.maximum.accumulate(knots + slack)
    lowest = np.minimum.accumulate((knots - slack)[::-1])[::-1]
    first, last = np.searchsorted(highest, x, "left"), np.searchsorted(lowest, x, "right")
    sides = np.concatenate([[0.0], slopes, [0.0]])
    touched = last - first
    with np.errstate(invalid="ignore"):
        return np.where(touched > 1, np.nan, 0.5 * (sides[first] + sides[last]))
