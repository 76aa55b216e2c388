"""Rows that are images."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..curvature import Array


def image_of(X: Any, row: int, shape: tuple[int, ...]) -> Array:
    """A row of a container of rows, in the shape of an image."""
    if sparse.issparse(X):
        return np.asarray(X.tocsr()[[row]].toarray()).reshape(shape)
    return np.asarray(X.iloc[row] if hasattr(X, "iloc") else X[row]).reshape(shape)
