"""The Hessian ∇²J as an operator: products, dense blocks, sub-samples.

    ∇²J v = vjp(s · B · jvp(v)) + ∇²Ω v + damping · v

Everything is in the sum convention; ``damping`` here is what is added to the diagonal of ∇²J.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .curvature import Array, Curvature
from .hessian_sums import add_coupled_grams, add_grams, add_products, add_squares
from .penalties import L2
from .predictors import FeatureMap, LinearMap
from .predictors.batches import BatchMap

GRAM_BLOCK_BYTES = 1 << 26
# What progress is told of.
FORMING = "Hessian, rows"
# Curvature whose share in the sum over rows is below rounding is none.
NEGLIGIBLE_CURVATURE = 1e-17
# Curvature of what is no parameter: its inverse is 0, and no other entry feels it.
PINNED = 1e300


class HessianOperator(LinearOperator):
    """∇²J, positive semi-definite, of shape (p, p); symmetric in the inner product of its map.

    Parameters
    ----------
    linear_map : LinearMap
        Parameters → decision values of the training rows.
    curvature : Curvature
        Curvatures s_i B_i of the rows.
    diagonal : ndarray of shape (q, K) or (q, 1)
        ∇²Ω; one column means that all outputs share it.
    damping : float
        Added to the diagonal.
    coupling : ndarray of shape (q, K, K), optional
        What ∇²Ω has between the outputs of an input, where the curvature couples outputs too.
    """

    def __init__(
        self,
        linear_map: LinearMap,
        curvature: Curvature,
        diagonal: Array,
        damping: float = 0.0,
        coupling: Array | None = None,
    ) -> None:
        p = linear_map.n_parameters
        super().__init__(dtype=linear_map.dtype, shape=(p, p))
        self.linear_map = linear_map
        self.n_inputs, self.n_outputs = linear_map.n_inputs, linear_map.n_outputs
        self.curvature = curvature
        self.damping = damping
        self.diagonal = diagonal
        self.coupling = coupling

    @classmethod
    def of_penalty(
        cls, linear_map: LinearMap, curvature: Curvature, penalty: L2, theta: Array
    ) -> HessianOperator:
        """With ∇²Ω at the parameters (q, K)."""
        return cls(linear_map, curvature, penalty.diagonal(theta), coupling=penalty.coupling(theta))

    @property
    def n_parameters(self) -> int:
        """p."""
        return self.linear_map.n_parameters

    @property
    def n_rows(self) -> int:
        """Number of training rows, n."""
        return self.linear_map.n_rows

    def penalty_diagonal(self) -> Array:
        """∇²Ω + damping, (p, 1)."""
        full = np.broadcast_to(self.diagonal, self.linear_map.theta_shape) + self.damping
        return full.reshape(-1, 1)

    def penalty_product(self, directions: Array) -> Array:
        """(∇²Ω + damping) V, for V (…, p, m)."""
        result = self.penalty_diagonal().astype(directions.dtype) * directions
        if self.coupling is not None:
            by_input = directions.reshape(*directions.shape[:-2], *self.coupling.shape[:2], -1)
            product = np.matmul(self.coupling.astype(result.dtype), by_input)
            result += product.reshape(directions.shape)
        return np.asarray(result)

    def _matmat(self, directions: Array) -> Array:
        result = self.penalty_product(directions.astype(self.dtype, copy=False))
        bytes_per_row = self.dtype.itemsize * (self.n_outputs * directions.shape[1] * 3 + 1)
        add = partial(add_products, directions)
        return self.linear_map.accumulate(add, result, [self.curvature], bytes_per_row)

    def _matvec(self, direction: Array) -> Array:
        return self._matmat(direction.reshape(-1, 1))

    def batch_products(self, rows: Array, directions: Array) -> Array:
        """Σ over each chain's own rows (R, batch), of its directions (R, p, m); no penalty."""
        batch, curvature = BatchMap(self.features, rows), self.curvature.take(rows.reshape(-1))
        return batch.vjp(curvature.matmul(batch.jvp(directions)))

    def _adjoint(self) -> HessianOperator:
        return self

    def damped(self, damping: float) -> HessianOperator:
        """The same operator with this much more on the diagonal."""
        return HessianOperator(
            self.linear_map, self.curvature, self.diagonal, self.damping + damping, self.coupling
        )

    def gauss_newton(self) -> HessianOperator:
        """Without second derivatives of decision values, which are 0 here."""
        return self

    def rows(self, rows: Any, scale: float = 1.0) -> HessianOperator:
        """The operator with the data term of some rows, times ``scale``; the penalty stays."""
        curvature = self.curvature.take(rows)
        return HessianOperator(
            self.linear_map.take(rows),
            curvature.scaled(np.full((len(curvature.largest_eigenvalues()), 1), scale)),
            self.diagonal,
            self.damping,
            self.coupling,
        )

    @property
    def n_blocks(self) -> int:
        """How many independent matrices ∇²J falls into, 1 or K.

        A loss that is a sum over outputs makes ∇²J block-diagonal over outputs; when curvature
        and penalty are the same for all, a single q × q matrix serves every output.
        """
        if not self.curvature.separable:
            return 1
        return 1 if self._shared else self.n_outputs

    @property
    def _shared(self) -> bool:
        curvature_shared = bool(getattr(self.curvature, "shared", False))
        one_penalty = self.diagonal.shape[1] == 1 and self.linear_map.free is None
        return self.n_outputs == 1 or (curvature_shared and one_penalty)

    @property
    def block_size(self) -> int:
        """Rows of each independent matrix: q where the loss is a sum over outputs, else p."""
        return self.n_inputs if self.curvature.separable else self.n_parameters

    def product_operations(self) -> float:
        """Floating-point operations of one product with a vector."""
        return 4.0 * self.n_rows * self.n_parameters * self.linear_map.density

    def dense_operations(self) -> float:
        """Floating-point operations of forming and factorising the independent matrices."""
        pairs = (
            self.n_blocks
            if self.curvature.separable
            else self.n_outputs * (self.n_outputs + 1) // 2
        )
        form = pairs * self.n_rows * (self.n_inputs * self.linear_map.density) ** 2
        return form + self.n_blocks * self.block_size**3 / 3.0

    @property
    def features(self) -> FeatureMap:
        """The map, where features are at hand."""
        if not isinstance(self.linear_map, FeatureMap):
            raise TypeError("The features of a kernel are implicit: use the dual solver.")
        return self.linear_map

    @property
    def implicit(self) -> bool:
        """Whether there are no features to form ∇²J from."""
        return self.linear_map.implicit

    @property
    def bends_back(self) -> bool:
        """Whether a row's curvature is negative, so that it has no root."""
        return bool((getattr(self.curvature, "weights", np.zeros(1)) < 0).any())

    @property
    def has_dual(self) -> bool:
        """Whether curvature has roots, and all but an intercept is penalised, or damped."""
        if self.linear_map.free is not None or self.coupling is not None or self.bends_back:
            return False
        diagonal = self.diagonal + self.damping
        return bool((diagonal[: len(diagonal) - bool(self.linear_map.constant)] > 0).all())

    @cached_property
    def dual_size(self) -> int:
        """Size of the largest dual system: rows with curvature, times outputs that are coupled."""
        separable = self.curvature.separable
        sizes: Array = self.curvature.largest_eigenvalues()[:, None]
        if separable:
            sizes = self.curvature.weights  # type: ignore[attr-defined]
        threshold = NEGLIGIBLE_CURVATURE * sizes.max(initial=0.0) / max(1, len(sizes))
        most = int((sizes > threshold).sum(axis=0).max(initial=0))
        return most if separable else most * self.n_outputs

    def dual_operations(self) -> float:
        """Floating-point operations of forming and factorising the dual systems."""
        size = float(self.dual_size)
        form = size**2 * self.n_inputs * self.linear_map.density
        return self.n_blocks * (form + size**3 / 3.0)

    def to_blocks(self, directions: Array) -> Array:
        """(p, m) → (n_blocks, block size, ·): the layout of ``dense_blocks``."""
        m = directions.shape[1]
        by_output = directions.reshape(self.n_inputs, self.n_outputs, m).transpose(1, 0, 2)
        if not self.curvature.separable:
            return by_output.reshape(1, self.n_parameters, m)
        if self._shared:
            return directions.reshape(1, self.n_inputs, self.n_outputs * m)
        return np.ascontiguousarray(by_output)

    def from_blocks(self, blocks: Array) -> Array:
        """Inverse of ``to_blocks``."""
        if self.curvature.separable and self._shared:
            return blocks.reshape(self.n_parameters, -1)
        m = blocks.shape[2]
        by_output = blocks.reshape(self.n_outputs, self.n_inputs, m)
        return by_output.transpose(1, 0, 2).reshape(self.n_parameters, m)

    def dense_blocks(self) -> Array:
        """The independent matrices, (n_blocks, size, size), float64.

        size is q where the loss is a sum over outputs, else p with outputs outermost.
        """
        if self.curvature.separable:
            dense = self._separable_blocks()
        else:
            dense = self._coupled_block()
        penalty = self.to_blocks(self.penalty_diagonal())[..., :1]
        index = np.arange(dense.shape[1])
        dense[:, index, index] += penalty[:, :, 0]
        if self.linear_map.free is not None:
            pinned = self.to_blocks(~self.linear_map.free.reshape(-1, 1))[..., 0]
            dense[pinned[:, :, None] | pinned[:, None, :]] = 0.0
            dense[:, index, index] = np.where(pinned, PINNED, dense[:, index, index])
        return dense

    def _separable_blocks(self) -> Array:
        blocks = np.zeros((self.n_blocks, self.n_inputs, self.n_inputs))
        return self._accumulated(add_grams, blocks)

    def _coupled_block(self) -> Array:
        first, second = np.triu_indices(self.n_outputs)
        inputs = np.arange(self.n_inputs)
        zeros = np.zeros((self.n_outputs, self.n_inputs, self.n_outputs, self.n_inputs))
        dense = self._accumulated(add_coupled_grams, zeros)
        for k, h in zip(first, second, strict=True):
            if self.coupling is not None:
                dense[k, inputs, h, inputs] += self.coupling[:, k, h]
            if k != h:
                dense[h, :, k, :] = dense[k, :, h, :]
        return dense.reshape(1, self.n_parameters, self.n_parameters)

    def _accumulated(self, add: Callable[..., None], total: Array) -> Array:
        bytes_per_row = 8 * (self.linear_map.stored_inputs + self.n_outputs**2)
        return self.features.accumulate(
            add, total, [self.curvature], bytes_per_row, limit=GRAM_BLOCK_BYTES, what=FORMING
        )

    def to_dense(self) -> Array:
        """∇²J as one (p, p) array in the parameters' own order, for tests and small models."""
        return self.from_blocks(
            np.matmul(self.dense_blocks(), self.to_blocks(np.eye(self.n_parameters)))
        )

    def main_diagonal(self) -> Array:
        """Diagonal of ∇²J, (p,)."""
        total = np.zeros((self.n_inputs, self.n_outputs))
        bytes_per_row = 8 * (self.linear_map.stored_inputs + self.n_outputs**2)
        self.features.accumulate(add_squares, total, [self.curvature], bytes_per_row)
        total += self.penalty_diagonal().reshape(total.shape)
        if self.coupling is not None:
            total += np.einsum("qkk->qk", self.coupling)
        return total.reshape(-1)
