"""Decision values of kernel machines, z_i = Σ_j θ_j k(x_i, x_j) + b, without explicit features.

Conventions
-----------
- θ, directions and gradients are functions in the span of the n training rows and the constant:
  q = n + 1 coordinates per output, the coefficients of k(·, x_j) and the constant.
- The gradient of a loss at row i is r_i k(·, x_i): one coordinate. So ∇J has the coordinates
  s r + λ θ, and ∇²J those of D K + λ I. Nowhere is K squared.
- Pairs of functions have their inner product by K (``inner``), not by coordinates.
- Functions of rows that are no training rows are ``Functions``: evaluated at training rows, but
  never written in the training rows' coordinates, for which K would have to be inverted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from ..blocks import row_blocks
from ..curvature import Array
from .base import LinearMap
from .functions import Functions
from .rows import TrainingRows
from .storage import append_rows

# Coefficients below this share of the largest of their column are rounding.
NEGLIGIBLE = 1e-18
# Residuals below this have squares that underflow: of most rows of a support vector machine.
NO_RESIDUAL = 1e-150


@dataclass(frozen=True)
class KernelPredictor:
    """Where a kernel machine keeps its parameters.

    Parameters
    ----------
    training : TrainingRows
    output_shape : tuple of int
        () for a single output, else (K,).
    constant : float
        1 with an intercept, else 0.
    fixed_constant : bool
        Whether the intercept is given (the mean of the targets) rather than fitted.
    """

    training: TrainingRows
    output_shape: tuple[int, ...] = ()
    constant: float = 1.0
    fixed_constant: bool = False
    contrasts: None = None

    @property
    def coef_shape(self) -> tuple[int, ...]:
        """Of the coefficients: (n, K), or (n,) for a single output."""
        return (self.training.n_rows, *self.output_shape)

    @property
    def n_outputs(self) -> int:
        """K."""
        return int(np.prod(self.output_shape))

    @property
    def n_features(self) -> int:
        """Of the rows, d."""
        return int(self.training.X.shape[1])

    def pack(self, coef: Array, intercept: Array) -> Array:
        """Coefficients (n, K) and intercepts (K,) → θ (q, K)."""
        if not self.constant:
            return np.asarray(coef, dtype=np.float64)
        return np.vstack([coef, np.reshape(intercept, (1, -1)) / self.constant])

    def unpack(self, directions: Array) -> dict[str, Array]:
        """``dual_coef`` and ``intercept`` of m directions (p, m)."""
        m, n = directions.shape[1], self.training.n_rows
        theta = np.moveaxis(directions.reshape(-1, self.n_outputs, m), 2, 0)
        coef = theta[:, :n].reshape(m, *self.coef_shape)
        intercept = np.zeros((m, self.n_outputs))
        if self.constant:
            intercept = theta[:, n] * self.constant
        return {"dual_coef": coef, "intercept": intercept.reshape(m, *self.output_shape)}

    def class_values(self, decision_values: Array) -> Array:
        """As they are."""
        return decision_values

    def class_vjp(self, cotangents: Array) -> Array:
        """As they are."""
        return cotangents

    def linearize(self, X: Any) -> KernelMap:
        """The map from parameters to the decision values of these rows."""
        return self._map(X, None)

    def linearize_training(self) -> KernelMap:
        """The same of the training rows."""
        return self._map(self.training.X, np.arange(self.training.n_rows))

    def with_more_rows(self, X: Any) -> KernelPredictor:
        """Over more rows, which come after the training rows."""
        both = append_rows(self.training.X, X)
        return replace(self, training=TrainingRows(both, self.training.kernel))

    def _map(self, X: Any, positions: Array | None) -> KernelMap:
        return KernelMap(
            self.training, X, positions, self.n_outputs, self.constant, self.fixed_constant
        )


class KernelMap(LinearMap):
    """θ → decision values of given rows, by their kernel with the training rows.

    Parameters
    ----------
    training : TrainingRows
    X : ndarray or CSR of shape (rows, d)
        The rows; of a precomputed kernel their kernel with all training rows.
    positions : ndarray of shape (rows,) or None
        Which training rows they are; None for other rows.
    n_outputs, constant
        As in every map.
    fixed_constant : bool
        Whether gradients leave the constant out.
    """

    implicit = True

    def __init__(
        self,
        training: TrainingRows,
        X: Any,
        positions: Array | None,
        n_outputs: int,
        constant: float,
        fixed_constant: bool = False,
    ) -> None:
        super().__init__(X, n_outputs, constant)
        self.training = training
        self.positions = positions
        self.fixed_constant = fixed_constant

    @property
    def n_inputs(self) -> int:
        """q = n + 1, or n without an intercept."""
        return self.training.n_rows + bool(self.constant)

    @property
    def density(self) -> float:
        """1."""
        return 1.0

    def take(self, rows: Any) -> KernelMap:
        """The map of some rows."""
        positions = None if self.positions is None else self.positions[rows]
        return self._like(self.training, self.X[rows], positions, self.n_outputs)

    def substituted(self, rows: Array, others: LinearMap) -> KernelMap:
        """The map with others of the rows that functions are made of in the places of some."""
        positions = self._training_positions().copy()
        positions[rows] = cast(KernelMap, others)._training_positions()
        X = self.training.X[positions]
        return self._like(self.training, X, positions, self.n_outputs)

    def as_float64(self) -> KernelMap:
        """The map with its products in float64."""
        if self.dtype == np.float64:
            return self
        X, training = self.X.astype(np.float64), self.training.in_float64
        return self._like(training, X, self.positions, self.n_outputs)

    def with_outputs(self, n_outputs: int) -> KernelMap:
        """The same rows with so many outputs."""
        return self._like(self.training, self.X, self.positions, n_outputs)

    def _like(
        self, training: TrainingRows, X: Any, positions: Array | None, n_outputs: int
    ) -> KernelMap:
        return KernelMap(training, X, positions, n_outputs, self.constant, self.fixed_constant)

    def jvp(self, directions: Array | Functions) -> Array:
        """(p, m) → (rows, K, m)."""
        if isinstance(directions, Functions):
            values = self.jvp(directions.coordinates)
            own = directions.coefficients.astype(self.dtype, copy=False)
            flat = own.reshape(len(own), -1)
            for rows in row_blocks(self.n_rows, 8 * 2 * len(own)):
                cross = self.take(rows).kernel_with(directions.others)
                values[rows] += (cross @ flat).reshape(values[rows].shape)
            return values
        m = directions.shape[1]
        theta = directions.reshape(self.n_inputs, -1).astype(self.dtype, copy=False)
        coefficients = theta[: self.training.n_rows]
        values = self.training.products(self.X, self.positions, coefficients, self._used(theta))
        if self.constant:
            values += self.constant * theta[-1]
        return values.reshape(self.n_rows, self.n_outputs, m)

    def vjp(self, cotangents: Array) -> Array:
        """(rows, K, m) → (p, m), of training rows."""
        m = cotangents.shape[2]
        result = np.zeros((self.n_inputs, self.n_outputs, m), dtype=self.dtype)
        np.add.at(result, self._training_positions(), cotangents.astype(self.dtype, copy=False))
        if self.constant and not self.fixed_constant:
            result[-1] = self.constant * cotangents.sum(axis=0)
        return result.reshape(self.n_parameters, m)

    def columns(self, cotangents: Array) -> Array:
        """(rows, K) → (p, rows), of training rows."""
        result = np.zeros((self.n_inputs, self.n_outputs, self.n_rows))
        result[self._training_positions(), :, np.arange(self.n_rows)] = cotangents
        if self.constant and not self.fixed_constant:
            result[-1] = self.constant * cotangents.T
        return result.reshape(self.n_parameters, self.n_rows)

    def inputs(self) -> Array:
        """[K, constant], (rows, q), dense, float64."""
        every = np.arange(self.training.n_rows)
        kernel = self.training.kernel_of(self.X, self.positions, every)
        if not self.constant:
            return np.asarray(kernel, dtype=np.float64)
        return np.column_stack([kernel, np.full(self.n_rows, self.constant)])

    def own_values(self, directions: Array) -> Array:
        """(p, rows) → (rows, K)."""
        theta = directions.reshape(self.n_inputs, self.n_outputs, -1)
        used = self._used(theta.reshape(self.n_inputs, -1))
        kernel = self.training.kernel_of(self.X, self.positions, used)
        values = np.einsum("ij,jki->ik", kernel, theta[used])
        return values + self.constant * theta[-1].T if self.constant else values

    def inner(self, gradients: Array, directions: Array) -> Array:
        """⟨g, v⟩ = g_αᵀ K v_α + g_b v_b for each pair, (p, m) and (p, m) → (m,)."""
        left = gradients.reshape(self.n_inputs, -1)
        right = directions.reshape(self.n_inputs, -1)
        rows = self._used(left)
        training = self.training
        values = training.products(
            training.X[rows], rows, right[: training.n_rows], self._used(right)
        )
        total = np.einsum("ij,ij->j", left[rows], values)
        if self.constant:
            total = total + left[-1] * right[-1]
        return np.asarray(total.reshape(self.n_outputs, -1).sum(axis=0), dtype=np.float64)

    def gram(self, other: LinearMap, scale: Array) -> Array:
        """Scale · K, (rows, others), float64."""
        gram = np.empty((self.n_rows, other.n_rows))
        for rows in row_blocks(self.n_rows, 8 * 2 * max(1, other.n_rows)):
            gram[rows] = scale[0] * self.take(rows).kernel_with(other)
        gram += self.constant**2 * scale[-1]
        return gram

    def gram_diagonal(self, scale: Array) -> Array:
        """Scale · k(x_i, x_i), (rows,), float64."""
        total = scale[0] * self.training.diagonal(self.X, self.positions)
        return total + self.constant**2 * scale[-1] if self.constant else total

    def input_vjp(self, parameters: Array | Functions, cotangents: Array) -> Array:
        """Σ_k c_ik ∂z_k/∂x at each row, the anchors of the functions held, (rows, d)."""
        if isinstance(parameters, Functions):
            own = parameters.coefficients[:, :, 0]
            total = self.training.input_vjp(self.X, parameters.others.X, own, cotangents)
            return total + self.input_vjp(parameters.coordinates, cotangents)
        theta = parameters.reshape(self.n_inputs, self.n_outputs)
        used = self._used(theta)
        return self.training.input_vjp(self.X, self.training.X[used], theta[used], cotangents)

    def scores(self, directions: Any, residuals: Array) -> Array:
        """Σ_k jvp(V)_ik r_ik for every row: (m, rows); rows without a residual cost nothing."""
        present = np.flatnonzero((np.abs(residuals) > NO_RESIDUAL).any(axis=1))
        if len(present) == self.n_rows:
            return super().scores(directions, residuals)
        result = np.zeros((directions.shape[1], self.n_rows), dtype=self.dtype)
        if len(present):
            result[:, present] = self.take(present).scores(directions, residuals[present])
        return result

    def kernel_with(self, other: Any) -> Array:
        """k(x_i, x'_j), (rows, others); one of the two are training rows."""
        if other.positions is not None:
            if self.positions is not None and len(self.positions) < len(other.positions):
                return self.training.kernel_of(other.X, other.positions, self.positions).T
            return self.training.kernel_of(self.X, self.positions, other.positions)
        if self.training.precomputed:
            return np.asarray(other.X[:, self._training_positions()].T)
        return self.training.evaluate(self.X, other.X)

    def _used(self, theta: Array) -> Array:
        """Training rows with a coefficient above rounding, of (q, columns)."""
        sizes = np.abs(theta[: self.training.n_rows])
        threshold = NEGLIGIBLE * sizes.max(axis=0, initial=0.0)
        return np.flatnonzero((sizes > threshold).any(axis=1))

    def _training_positions(self) -> Array:
        if self.positions is None:
            raise TypeError("Rows that are no training rows have no coordinates: see Functions.")
        return self.positions
