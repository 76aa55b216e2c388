"""How far rows have moved, and how far that is for rows of their class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..blocks import row_blocks
from ..curvature import Array

# Arrays of the size of a block's rows that are held at once.
ARRAYS = 4


class Sizes(NamedTuple):
    """Lengths of the moves, (rows,) each.

    Parameters
    ----------
    l2 : ndarray
        Euclidean.
    linf : ndarray
        Of the feature that moved furthest.
    """

    l2: Array
    linf: Array

    @classmethod
    def of(cls, change: Array) -> Sizes:
        """Of moves (rows, d); what is no number hasn't moved."""
        change = np.abs(np.nan_to_num(np.asarray(change, dtype=np.float64)))
        return cls(np.sqrt((change**2).sum(axis=1)), change.max(axis=1, initial=0.0))

    def relative_to(self, mean: tuple[float, float]) -> Sizes:
        """In units of mean distances."""
        l2, linf = (each if each > 0 else np.nan for each in mean)
        return Sizes(self.l2 / l2, self.linf / linf)


def mean_centroid_distance(
    values: Callable[[Any], Array], n_features: int, codes: Array
) -> tuple[float, float]:
    """Mean distance of training rows to the centroid of their class, in L2 and L∞.

    Parameters
    ----------
    values : callable
        Slice of rows → (rows, d). Columns with a NaN anywhere are left out.
    n_features : int
        d.
    codes : ndarray of int of shape (n,)
        Class of each row.
    """
    counts = np.bincount(codes)
    centroids = np.zeros((len(counts), n_features))
    blocks = list(row_blocks(len(codes), 8 * ARRAYS * n_features))
    for rows in blocks:
        members = np.arange(len(counts))[:, None] == codes[rows]
        centroids += members.astype(np.float64) @ values(rows)
    centroids /= np.maximum(counts, 1)[:, None]
    totals = np.zeros(2)
    for rows in blocks:
        sizes = Sizes.of(values(rows) - centroids[codes[rows]])
        totals += [sizes.l2.sum(), sizes.linf.sum()]
    l2, linf = totals / len(codes)
    return float(l2), float(linf)


def as_dense(X: Any) -> Array:
    """A block of rows, dense, float64."""
    return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)
