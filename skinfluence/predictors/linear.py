"""Linear decision values z_i = θᵀφ_i, with φ_i the row of X and a constant for the intercept.

Conventions
-----------
- d features, q = d or d + 1 inputs, and the coordinates of ``base``. A block of directions (p, m)
  reshapes to (q, K·m) without a copy and one matrix product serves all of it.
- The constant is never appended to X: X stays the user's array.
- Dense and sparse X share every line; sparse X becomes dense only in blocks of rows that a
  dense result was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ..curvature import Array
from .base import LinearMap


@dataclass(frozen=True)
class LinearPredictor:
    """Where a linear estimator keeps its parameters, and how θ packs them.

    Parameters
    ----------
    coef_shape, intercept_shape : tuple of int
        Shapes of the estimator's ``coef_`` and ``intercept_``.
    constant : float
        The intercept's input: 1, or liblinear's ``intercept_scaling``; 0 without intercept.
    contrasts : ndarray of shape (C, K), optional
        Q of a loss on contrasts: the estimator's parameters are θ Qᵀ.
    """

    coef_shape: tuple[int, ...]
    intercept_shape: tuple[int, ...]
    constant: float = 1.0
    contrasts: Array | None = None

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return self.coef_shape[-1]

    @property
    def n_outputs(self) -> int:
        """K."""
        if self.contrasts is not None:
            return int(self.contrasts.shape[1])
        return self.coef_shape[0] if len(self.coef_shape) == 2 else 1

    def pack(self, coef: Array, intercept: Array) -> Array:
        """Pack the estimator's parameters into θ (q, K)."""
        theta = np.atleast_2d(np.asarray(coef, dtype=np.float64)).T
        if self.constant:
            row = np.broadcast_to(np.asarray(intercept, dtype=np.float64), theta.shape[1])
            theta = np.vstack([theta, row[None, :] / self.constant])
        return theta if self.contrasts is None else theta @ self.contrasts

    def unpack(self, directions: Array) -> dict[str, Array]:
        """``coef`` and ``intercept`` of m directions (p, m), each (m, *its shape)."""
        m = directions.shape[1]
        n_inputs = self.n_features + bool(self.constant)
        theta = directions.reshape(n_inputs, self.n_outputs, m)
        if self.contrasts is not None:
            theta = np.matmul(self.contrasts, theta)
        theta = theta.transpose(2, 1, 0)
        coef = theta[:, :, : self.n_features].reshape(m, *self.coef_shape)
        if not self.constant:
            return {"coef": coef, "intercept": np.zeros((m, *self.intercept_shape))}
        intercept = theta[:, :, -1].reshape(m, *self.intercept_shape)
        return {"coef": coef, "intercept": intercept * self.constant}

    def class_values(self, decision_values: Array) -> Array:
        """Decision values (rows, K, …) of the estimator's own outputs, (rows, C, …).

        Those of a loss on contrasts sum to zero over the classes.
        """
        if self.contrasts is None:
            return decision_values
        return np.asarray(np.moveaxis(np.tensordot(self.contrasts, decision_values, (1, 1)), 0, 1))

    def linearize(self, X: Any) -> FeatureMap:
        """The map from parameters to the decision values of these rows."""
        return FeatureMap(X, self.n_outputs, self.constant)


class FeatureMap(LinearMap):
    """The map of rows whose features are at hand: φ_i is the row and its constant."""

    @property
    def n_inputs(self) -> int:
        """Number of inputs per output, q."""
        return int(self.X.shape[1]) + bool(self.constant)

    @property
    def density(self) -> float:
        """Share of X that is stored."""
        if not sparse.issparse(self.X):
            return 1.0
        return float(self.X.nnz / max(1, self.X.shape[0] * self.X.shape[1]))

    def take(self, rows: Any) -> FeatureMap:
        """The map of some rows (a slice makes no copy of a dense X)."""
        return FeatureMap(self.X[rows], self.n_outputs, self.constant)

    def substituted(self, rows: Array, others: LinearMap) -> FeatureMap:
        """The map with other rows in the places of some."""
        return FeatureMap(replace_rows(self.X, rows, others.X), self.n_outputs, self.constant)

    def as_float64(self) -> FeatureMap:
        """The map with its products in float64; X is copied unless it is that already."""
        return FeatureMap(self.X.astype(np.float64, copy=False), self.n_outputs, self.constant)

    def with_outputs(self, n_outputs: int) -> FeatureMap:
        """The same rows with so many outputs."""
        return FeatureMap(self.X, n_outputs, self.constant)

    def jvp(self, directions: Array) -> Array:
        """(p, m) → (n, K, m)."""
        m = directions.shape[1]
        inputs = self._by_input(directions, self.n_outputs * m)
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
        return result.reshape(self.n_parameters, m)

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
        return columns.reshape(self.n_parameters, self.n_rows)

    def own_values(self, directions: Array) -> Array:
        """(p, n) → (n, K). For blocks of rows."""
        by_input = directions.reshape(self.n_inputs, self.n_outputs, -1)
        return np.einsum("iq,qki->ik", self.inputs(), by_input)

    def inner(self, gradients: Array, directions: Array) -> Array:
        """(p, m) and (p, m) → (m,)."""
        return np.einsum("pm,pm->m", gradients, directions)

    def gram(self, other: LinearMap, scale: Array) -> Array:
        """Φ diag(scale) Φ'ᵀ, (n, n'), float64."""
        d = self.X.shape[1]
        X = self.X.astype(np.float64, copy=False)
        scaled = X.multiply(scale[:d]).tocsr() if sparse.issparse(X) else X * scale[:d]
        product = scaled @ other.X.astype(np.float64, copy=False).T
        gram = product.toarray() if sparse.issparse(product) else np.asarray(product)
        return gram + self.constant**2 * scale[-1] if self.constant else gram

    def gram_diagonal(self, scale: Array) -> Array:
        """φ_iᵀ diag(scale) φ_i, (n,), float64."""
        X = self.X.astype(np.float64, copy=False)
        squares = X.multiply(X) if sparse.issparse(X) else X * X
        total = np.asarray(squares @ scale[: X.shape[1]])
        return total + self.constant**2 * scale[-1] if self.constant else total

    def inputs(self) -> Array:
        """Φ (n, q), dense, float64. For blocks of rows."""
        dense = _dense(self.X)
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
        products = _sparse_grams(X, weights) if sparse.issparse(X) else _dense_grams(X, weights)
        for product, w in zip(products, weights.T, strict=True):
            yield self._bordered(product, X, w) if self.constant else product

    def weighted_squares(self, weights: Array) -> Array:
        """Σ_i w_ik φ_ij² for weights (n, K): (q, K). For blocks of rows."""
        X = self.X
        squares = X.multiply(X) if sparse.issparse(X) else X * X
        total = np.empty((self.n_inputs, weights.shape[1]))
        total[: X.shape[1]] = squares.T @ weights
        if self.constant:
            total[-1] = self.constant**2 * weights.sum(axis=0)
        return total

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
        theta = parameters.reshape(self.n_inputs, self.n_outputs)[: self.X.shape[1]]
        return np.asarray(cotangents @ theta.T)

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


def append_rows(X: Any, more: Any) -> Any:
    """X with more rows after its own, in its own storage and dtype."""
    if sparse.issparse(X):
        return sparse.vstack([X, sparse.csr_matrix(more, dtype=X.dtype)], format="csr")
    return np.concatenate([X, _dense(more).astype(X.dtype, copy=False)])


def replace_rows(X: Any, rows: Array, replacements: Any) -> Any:
    """A copy of X with other rows in some places, in X's own storage and dtype."""
    if sparse.issparse(X):
        order = np.arange(X.shape[0])
        order[rows] = X.shape[0] + np.arange(len(rows))
        return append_rows(X, replacements)[order]
    changed = X.copy()
    changed[rows] = _dense(replacements)
    return changed


def _dense(X: Any) -> Array:
    return np.asarray(X.toarray() if sparse.issparse(X) else X)


def _sparse_grams(X: Any, weights: Array) -> Iterator[Array]:
    for w in weights.T:
        yield np.asarray((X.T @ X.multiply(w[:, None]).tocsr()).toarray())


def _dense_grams(X: Array, weights: Array) -> Iterator[Array]:
    # BLAS exploits symmetry in AᵀA alone, which halves the work. Weights that can be negative
    # (the off-diagonal pairs of classes) are shifted to be positive; the shift, whose product
    # serves all pairs, is taken off again.
    shift = max(0.0, -float(weights.min(initial=0.0)))
    shifted = shift * (X.T @ X) if shift else 0.0
    for w in weights.T:
        scaled = np.sqrt(w + shift)[:, None] * X
        yield scaled.T @ scaled - shifted
