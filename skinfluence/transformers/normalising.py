"""Rows divided by their norm."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import Normalizer

from ..curvature import Array
from .dispatch import step_vjp
from .rows import dense


@step_vjp.register(Normalizer)
def _normalise(step: Any, X: Any, cotangents: Array) -> Array:
    return _divided_by_norm(dense(X), cotangents, step.norm)


@step_vjp.register(TfidfTransformer)
def _tfidf(step: Any, X: Any, cotangents: Array) -> Array:
    counts = dense(X)
    slopes = getattr(step, "idf_", np.ones(counts.shape[1]))
    terms = counts
    if step.sublinear_tf:
        found = np.where(counts == 0.0, np.nan, counts)
        terms = np.where(counts == 0.0, 0.0, np.log(found) + 1.0)
    if step.norm is not None:
        cotangents = _divided_by_norm(terms * slopes, cotangents, step.norm)
    # A count that appears jumps from 0 to 1 + log(count).
    return cotangents * slopes / found if step.sublinear_tf else cotangents * slopes


def _divided_by_norm(rows: Array, cotangents: Array, norm: str) -> Array:
    """Of y = x / ‖x‖: (c − (c · y) ∂‖x‖) / ‖x‖; a row of zeros has none."""
    size, slopes = _norm(rows, norm)
    size[size == 0.0] = np.nan
    along = np.einsum("mrd,rd->mr", cotangents, rows / size)[:, :, None]
    return (cotangents - along * slopes) / size


def _norm(rows: Array, norm: str) -> tuple[Array, Array]:
    """‖x‖ of shape (rows, 1) and its gradient."""
    absolute = np.abs(rows)
    if norm == "l1":
        return absolute.sum(axis=1, keepdims=True), np.sign(rows)
    if norm == "l2":
        size = np.sqrt((rows**2).sum(axis=1, keepdims=True))
        return size, rows / np.where(size == 0.0, 1.0, size)
    size = absolute.max(axis=1, keepdims=True)
    top = absolute == size
    tied = top.sum(axis=1, keepdims=True) > 1  # moves the maximum up, but not down
    return size, np.sign(rows) * top * np.where(tied, 0.5, 1.0)
