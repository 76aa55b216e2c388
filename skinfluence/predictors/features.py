"""The map of rows whose features are at hand: z_i = θᵀφ_i, φ_i the row of X and a constant.

Conventions
-----------
- d features in use, q = d or d + 1 inputs, and the coordinates of ``base``. A block of directions
  (p, m) reshapes to (q, K·m) without a copy and one matrix product serves all of it.
- The constant is never appended to X: X stays the user's array.
- Dense and sparse X share every line; sparse X becomes dense only in blocks of rows that a
  dense result was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from ..curvature import Array
from ..made_rows import MadeRows
from .base import LinearMap
from .selection import Selection
from .storage import dense_rows, replace_rows, some_rows, weighted_grams

# A job of sparse products takes some milliseconds, and a small part of that to add what it found.
JOB_OPERATIONS = 8_000_000
ENTRIES_PER_INPUT = 20


# Maps of rows that are neither arrays nor CSR matrices, by their class.
KINDS: dict[type, type[FeatureMap]] = {}


class FeatureMap(LinearMap):
    """The map of rows whose features are at hand: φ_i is the row and its constant.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
        The features in use.
    n_outputs, constant
        As everywhere.
    selection : Selection, optional
        Where X is some of the columns of the model's rows.
    free : ndarray of bool of shape (q, K), optional
        Which coordinates are parameters.
    flat : ndarray of bool of shape (q,), optional
        Inputs whose parameters enter less their mean over the outputs.
    """

    def __init__(
        self,
        X: Any,
        n_outputs: int,
        constant: float,
        selection: Selection | None = None,
        free: Array | None = None,
        flat: Array | None = None,
    ) -> None:
        super().__init__(X, n_outputs, constant)
        self.selection, self.free, self.flat = selection, free, flat

    @property
    def full_X(self) -> Any:
        """The rows with all features that the model is given."""
        return self.X if self.selection is None else self.selection.whole

    @property
    def n_features(self) -> int:
        """How many these are."""
        return int(self.X.shape[1]) if self.selection is None else self.selection.n_features

    @property
    def n_inputs(self) -> int:
        """Number of inputs per output, q."""
        return int(self.X.shape[1]) + bool(self.constant)

    @property
    def is_sparse(self) -> bool:
        """Whether X is CSR."""
        return bool(sparse.issparse(self.X))

    @property
    def density(self) -> float:
        """Share of X that is stored."""
        if not self.is_sparse:
            return 1.0
        return float(self.X.nnz / max(1, self.X.shape[0] * self.X.shape[1]))

    def take(self, rows: Any) -> FeatureMap:
        """The map of some rows: a run of them makes no copy, and many others no large one."""
        selection = None if self.selection is None else self.selection.take(rows)
        return self._of(some_rows(self.X, rows), selection)

    def rows_worth_a_job(self, n_columns: int) -> int:
        """Sparse products run in one thread; dense ones have BLAS's."""
        if not self.is_sparse or not self.X.nnz:
            return super().rows_worth_a_job(n_columns)
        most = min(
            self.X.nnz // (ENTRIES_PER_INPUT * self.n_inputs),
            self.X.nnz * n_columns // JOB_OPERATIONS,
        )
        # An even number, which two jobs finish together.
        return -(-self.n_rows // max(1, int(most) // 2 * 2))

    def substituted(self, rows: Array, others: LinearMap) -> FeatureMap:
        """The map with other rows in the places of some."""
        X, selection = replace_rows(self.X, rows, others.X), self.selection
        if selection is not None:
            whole = replace_rows(self.full_X, rows, others.full_X)
            selection = Selection(selection.columns, whole)
        return self._of(X, selection)

    def as_float64(self) -> FeatureMap:
        """The map with its products in float64; X is copied unless it is that already."""
        return self._of(self.X.astype(np.float64, copy=False), self.selection)

    def _of(self, X: Any, selection: Selection | None) -> FeatureMap:
        return feature_map(X, self.n_outputs, self.constant, selection, self.free, self.flat)

    def with_outputs(self, n_outputs: int) -> FeatureMap:
        """The same rows with so many outputs."""
        return feature_map(self.X, n_outputs, self.constant, self.selection)

    def jvp(self, directions: Array) -> Array:
        """(p, m) → (n, K, m)."""
        m = directions.shape[1]
        inputs = self._by_input(self._entering(directions), self.n_outputs * m)
        values = self._times(inputs)
        return values.reshape(self.n_rows, self.n_outputs, m)

    def vjp(self, cotangents: Array) -> Array:
        """(n, K, m) → (p, m), the transpose of ``jvp``."""
        m = cotangents.shape[2]
        flat = cotangents.reshape(self.n_rows, self.n_outputs * m).astype(self.dtype, copy=False)
        result = np.empty((self.n_inputs, flat.shape[1]), dtype=self.dtype)
        d = self.X.shape[1]
        result[:d] = self.X.T @ flat
        if self.constant:
            result[d] = self.constant * flat.sum(axis=0)
        return self._leaving(result.reshape(self.n_parameters, m))

    def scores(self, directions: Array, residuals: Array) -> Array:
        """Σ_k jvp(V)_ik r_ik for every row: (m, n), the inner products with all row gradients."""
        if self.n_outputs > 1:
            return super().scores(directions, residuals)
        inputs = self._by_input(directions, directions.shape[1])
        d = self.X.shape[1]
        values = np.asarray(inputs[:d].T @ self.X.T)
        if self.constant:
            values += self.constant * inputs[d][:, None]
        values *= residuals[:, 0].astype(self.dtype, copy=False)
        return values

    def columns(self, cotangents: Array) -> Array:
        """(n, K) → (p, n): one column φ_i ⊗ c_i per row. For blocks of rows."""
        inputs = self.inputs()
        columns = inputs.T[:, None, :] * cotangents.T[None, :, :]
        return self._leaving(columns.reshape(self.n_parameters, self.n_rows))

    def own_values(self, directions: Array) -> Array:
        """(p, n) → (n, K). For blocks of rows."""
        by_input = self._entering(directions).reshape(self.n_inputs, self.n_outputs, -1)
        return np.einsum("iq,qki->ik", self.inputs(), by_input)

    def shown(self, directions: Array) -> Array:
        """(p, m) → (p, m), centred over the outputs where only differences enter."""
        return self._entering(directions)

    def inner(self, gradients: Array, directions: Array) -> Array:
        """(p, m) and (p, m) → (m,)."""
        return np.einsum("pm,pm->m", gradients, directions)

    def gram(self, other: LinearMap, scale: Array) -> Array:
        """Φ diag(scale) Φ'ᵀ, (n, n'), float64."""
        if isinstance(other.X, MadeRows):
            return other.gram(self, scale).T
        d = self.X.shape[1]
        X = self.X.astype(np.float64, copy=False)
        even = d > 0 and bool((scale[:d] == scale[0]).all())
        if not even:
            X = X.multiply(scale[:d]).tocsr() if sparse.issparse(X) else X * scale[:d]
        others = X if even and other.X is self.X else other.X.astype(np.float64, copy=False)
        product = X @ others.T
        gram = product.toarray() if sparse.issparse(product) else np.asarray(product)
        if even:
            gram *= scale[0]
        if self.constant:
            gram += self.constant**2 * scale[-1]
        return gram

    def gram_diagonal(self, scale: Array) -> Array:
        """φ_iᵀ diag(scale) φ_i, (n,), float64."""
        X = self.X.astype(np.float64, copy=False)
        used = scale[: X.shape[1]]
        if sparse.issparse(X):
            total = np.asarray(X.multiply(X) @ used)
        else:
            total = np.einsum("ij,ij,j->i", X, X, used)
        return total + self.constant**2 * scale[-1] if self.constant else total

    def inputs(self) -> Array:
        """Φ (n, q), dense, float64. For blocks of rows."""
        dense = dense_rows(self.X)
        if not self.constant:
            return np.asarray(dense, dtype=np.float64)
        inputs = np.empty((self.n_rows, self.n_inputs))
        inputs[:, :-1] = dense
        inputs[:, -1] = self.constant
        return inputs

    def grams(self, weights: Array) -> Iterator[Array]:
        """Φᵀ diag(w) Φ (q, q) for each column w of ``weights`` (n, P). For blocks of rows.

        In float64 whatever X is: these sums go into factorisations.
        """
        X = self.X.astype(np.float64, copy=False)
        for product, w in zip(weighted_grams(X, weights), weights.T, strict=True):
            yield self._bordered(product, X, w) if self.constant else product

    def weighted_squares(self, weights: Array) -> Array:
        """Σ_i w_ik φ_ij² for weights (n, K): (q, K). For blocks of rows."""
        X = self.X
        squares = X.multiply(X) if sparse.issparse(X) else X * X
        total = np.empty((self.n_inputs, weights.shape[1]))
        total[: X.shape[1]] = squares.T @ weights
        if self.constant:
            total[-1] = self.constant**2 * weights.sum(axis=0)
        return total if self.free is None else total * self.free

    def squares_times(self, weights: Array) -> Array:
        """Σ_j φ_ij² w_jk for weights (q, K): (n, K). For blocks of rows."""
        X = self.X
        squares = X.multiply(X) if sparse.issparse(X) else X * X
        entering = weights if self.free is None else weights * self.free
        values = np.asarray(squares @ entering[: X.shape[1]], dtype=np.float64)
        return values + self.constant**2 * entering[-1] if self.constant else values

    def squared_norms(self) -> Array:
        """‖φ_i‖², (n,)."""
        X = self.X
        if sparse.issparse(X):
            squares = np.asarray(X.multiply(X).sum(axis=1)).ravel()
        else:
            squares = np.einsum("ij,ij->i", X, X)
        return squares.astype(np.float64) + self.constant**2

    def input_vjp(self, parameters: Array, cotangents: Array) -> Array:
        """Gradient of Σ_k cotangent_k z_k with respect to each row's features, (n, d)."""
        theta = self._entering(parameters.reshape(-1, 1))
        theta = theta.reshape(self.n_inputs, self.n_outputs)[: self.X.shape[1]]
        used = np.asarray(cotangents @ theta.T)
        if self.selection is None:
            return used
        result = np.zeros((len(used), self.n_features), dtype=used.dtype)
        result[:, self.selection.columns] = used
        return result

    def _entering(self, directions: Array) -> Array:
        """What inputs are multiplied by, (p, m): 0 where there are no parameters."""
        return self._centred(self._of_free(directions))

    def _leaving(self, gradients: Array) -> Array:
        """The transpose of ``_entering``."""
        return self._of_free(self._centred(gradients))

    def _of_free(self, directions: Array) -> Array:
        return directions if self.free is None else directions * self.free.reshape(-1, 1)

    def _centred(self, directions: Array) -> Array:
        if self.flat is None:
            return directions
        by_input = directions.reshape(self.n_inputs, self.n_outputs, -1).copy()
        by_input[self.flat] -= by_input[self.flat].mean(axis=1, keepdims=True)
        return by_input.reshape(directions.shape)

    def _bordered(self, product: Array, X: Any, weights: Array) -> Array:
        gram = np.empty((self.n_inputs, self.n_inputs))
        gram[:-1, :-1] = product
        gram[-1, :-1] = gram[:-1, -1] = self.constant * np.asarray(X.T @ weights)
        gram[-1, -1] = self.constant**2 * weights.sum()
        return gram

    def _by_input(self, directions: Array, width: int) -> Array:
        return directions.reshape(self.n_inputs, width).astype(self.dtype, copy=False)

    def _times(self, inputs: Array) -> Array:
        d = self.X.shape[1]
        values = np.asarray(self.X @ inputs[:d])
        if self.constant:
            values += self.constant * inputs[d]
        return values


def feature_map(X: Any, *settings: Any) -> FeatureMap:
    """The map of rows in memory, or elsewhere; the settings are those of ``FeatureMap``."""
    return KINDS.get(type(X), FeatureMap)(X, *settings)
