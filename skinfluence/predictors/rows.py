"""The training rows of a kernel machine and their kernel, in blocks or kept column by column."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from scipy import sparse

from ..blocks import as_slice, row_blocks
from ..curvature import Array
from ..kernels import Kernel
from ..resources import resources

# Columns of K that are kept for the rows that functions are made of (the support set, mostly), or
# this share of ``max_memory``: beside them a factor and its inverse have to fit.
KEPT_BYTES = 1 << 29
KEPT_SHARE = 8


class TrainingRows:
    """Rows x_j that functions are sums of k(·, x_j) over.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
        Of a precomputed kernel the matrix K itself.
    kernel : Kernel or None
        None for a precomputed kernel.
    """

    def __init__(self, X: Any, kernel: Kernel | None) -> None:
        self.X = X
        self.kernel = kernel
        self._columns = np.empty((self.n_rows, 0), dtype=self.X.dtype)
        self._slots = np.full(self.n_rows, -1)
        self._filled = 0
        self._lock = Lock()

    @property
    def n_rows(self) -> int:
        """Number of training rows, n."""
        return int(self.X.shape[0])

    @property
    def precomputed(self) -> bool:
        """Whether X is K."""
        return self.kernel is None

    @cached_property
    def in_float64(self) -> TrainingRows:
        """The same rows with their kernel in float64."""
        return TrainingRows(self.X.astype(np.float64), self.kernel)

    def evaluate(self, X: Any, others: Any) -> Array:
        """k(x_i, x'_j)."""
        if self.kernel is None:
            raise TypeError("A precomputed kernel can't be evaluated.")
        shape = (X.shape[0], others.shape[0])
        # scikit-learn's kernels refuse to be asked about no rows.
        return np.asarray(self.kernel(X, others)) if all(shape) else np.zeros(shape, X.dtype)

    def kernel_of(self, X: Any, positions: Array | None, anchors: Array) -> Array:
        """Kernel of rows with some training rows, (rows, anchors)."""
        if self.kernel is None:
            columns = X[:, anchors]
            return np.asarray(columns.toarray() if sparse.issparse(columns) else columns)
        kept = None if positions is None else self._kept(anchors)
        if positions is None or kept is None:
            return self.evaluate(X, self.X[anchors])
        columns, slots = kept
        return np.asarray(columns[as_slice(positions)][:, as_slice(slots)])

    def products(
        self, X: Any, positions: Array | None, coefficients: Array, anchors: Array
    ) -> Array:
        """Σ_j k(x_i, x_j) c_j over some training rows, for c (n, m): (rows, m)."""
        kept = None if self.precomputed or positions is None else self._kept(anchors)
        if kept is not None:
            columns, slots = kept
            scattered = np.zeros((columns.shape[1], coefficients.shape[1]), dtype=columns.dtype)
            scattered[slots] = coefficients[anchors]
            return np.asarray(columns[as_slice(positions)] @ scattered)
        chosen = coefficients[anchors]
        result = np.zeros((X.shape[0], coefficients.shape[1]), dtype=X.dtype)
        for rows in row_blocks(X.shape[0], 8 * 2 * max(1, len(anchors))):
            result[rows] = self.kernel_of(X[rows], None, anchors) @ chosen
        return result

    def diagonal(self, X: Any, positions: Array | None) -> Array:
        """k(x_i, x_i), (rows,); of a precomputed kernel only of training rows."""
        if positions is not None:
            return self._diagonal[positions]
        if self.kernel is None:
            raise TypeError("A precomputed kernel has no diagonal for other rows.")
        return self.kernel.diagonal(X)

    @cached_property
    def _diagonal(self) -> Array:
        """Of all training rows: of a callable kernel it takes as many calls."""
        if self.kernel is None:
            return np.asarray(self.X.diagonal(), dtype=np.float64)
        return self.kernel.diagonal(self.X)

    def input_vjp(self, X: Any, others: Any, coefficients: Array, cotangents: Array) -> Array:
        """Σ_k c_ik Σ_j α_jk ∂k(x_i, x'_j)/∂x_i for α (others, K) and c (rows, K): (rows, d)."""
        if self.kernel is None:
            raise TypeError(
                "perturbation_gradient got a model with kernel='precomputed', which has no "
                "features to move. Fit it with the kernel's name (rbf, poly, linear or sigmoid) "
                "on the features themselves."
            )
        if not others.shape[0]:
            return np.zeros((X.shape[0], X.shape[1]))
        result = np.empty((X.shape[0], X.shape[1]))
        for rows in row_blocks(X.shape[0], 8 * 5 * others.shape[0]):
            weights = cotangents[rows] @ coefficients.T
            result[rows] = self.kernel.input_vjp(X[rows], others, weights)
        return result

    def _kept(self, anchors: Array) -> tuple[Array, Array] | None:
        """Kept columns of K with the places of these anchors; None where they are too many."""
        with self._lock:
            new = anchors[self._slots[anchors] < 0]
            filled = self._filled + len(new)
            most = min(KEPT_BYTES, resources().max_memory // KEPT_SHARE)
            if len(new) and self.X.dtype.itemsize * self.n_rows * filled > most:
                return None
            if len(new):
                kernel = self.evaluate(self.X, self.X[new])
                if self._filled:
                    self._make_room(filled)
                    self._columns[:, self._filled : filled] = kernel
                else:
                    self._columns = kernel
                # In this order an interruption loses columns at worst, and mixes none up.
                places, self._filled = np.arange(self._filled, filled), filled
                self._slots[new] = places
            return self._columns[:, :filled], self._slots[anchors]

    def _make_room(self, n_columns: int) -> None:
        if n_columns > self._columns.shape[1]:
            columns = np.empty((self.n_rows, max(n_columns, 2 * self._filled)), self.X.dtype)
            columns[:, : self._filled] = self._columns[:, : self._filled]
            self._columns = columns

    def __getstate__(self) -> dict[str, Any]:
        # Kept columns go along: computing them again, in another order, would change last digits.
        with self._lock:
            state = self.__dict__.copy()
            state["_columns"] = self._columns[:, : self._filled]
            state["_slots"] = self._slots.copy()
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # New columns find no room in what may be a read-only memory map, and get an array of their
        # own; slots are written to.
        self._slots = np.array(self._slots)
        self._lock = Lock()
