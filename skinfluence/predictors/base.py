"""What a map from parameters to decision values is: linear in θ, by features or by a kernel.

Conventions
-----------
- q inputs (with the constant of the intercept last), K outputs, p = q·K coordinates of θ.
- θ is (q, K); flattened in C order it is (p,), and a block of m directions is (p, m).
- ``jvp`` takes directions to decision values; ``vjp`` makes of cotangents of decision values the
  gradient Σ_i φ_i ⊗ c_i, in the same coordinates.
- Gradients and directions are paired by ``inner``, which need not be the dot product of
  coordinates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..blocks import BLOCK_BYTES, bounded, rows_per_block
from ..curvature import Array
from ..jobs import in_jobs, number_of_jobs
from ..progress import SILENCE, progress, tracked_blocks

# Partial sums of jobs that are held at once.
MOST_BYTES_OF_TOTALS = 1 << 28


class LinearMap(ABC):
    """θ → decision values of given rows, and back.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
        The rows.
    n_outputs : int
        K.
    constant : float
        The intercept's input, 0 without one.
    """

    # Whether inputs are implicit, by a kernel: no product with them but through other rows.
    implicit: bool = False
    # Whether it is linear in θ to first order alone, around the fitted parameters.
    tangent: bool = False
    # Whether the constant's parameters are given rather than fitted.
    fixed_constant: bool = False
    # Whether the rows are in memory here.
    at_hand: bool = True
    # Which coordinates (q, K) are parameters at all; None where all are.
    free: Array | None = None

    def __init__(self, X: Any, n_outputs: int, constant: float) -> None:
        self.X = X
        self.n_outputs = n_outputs
        self.constant = constant

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return int(self.X.shape[0])

    @property
    def full_X(self) -> Any:
        """The rows with all features that the model is given, whichever of them it uses."""
        return self.X

    @property
    def n_features(self) -> int:
        """How many these are, d."""
        return int(self.X.shape[1])

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """Number of inputs per output, q."""

    @property
    def n_parameters(self) -> int:
        """p = q K."""
        return self.n_inputs * self.n_outputs

    @property
    def theta_shape(self) -> tuple[int, int]:
        """Of θ, (q, K)."""
        return self.n_inputs, self.n_outputs

    @property
    def is_sparse(self) -> bool:
        """Whether products are with a CSR matrix, in one thread each."""
        return False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the large products."""
        return np.dtype(self.X.dtype)

    @property
    @abstractmethod
    def density(self) -> float:
        """Share of the inputs that products go through."""

    @property
    def stored_inputs(self) -> int:
        """How many numbers a row's inputs take: fewer than q where X is sparse."""
        return int(self.n_inputs * self.density) + 1

    @abstractmethod
    def take(self, rows: Any) -> LinearMap:
        """The map of some rows."""

    @abstractmethod
    def as_float64(self) -> LinearMap:
        """The map with its products in float64."""

    @abstractmethod
    def with_outputs(self, n_outputs: int) -> LinearMap:
        """The same rows with so many outputs."""

    @abstractmethod
    def substituted(self, rows: Array, others: LinearMap) -> LinearMap:
        """The map with other rows in the places of some, in a copy."""

    @abstractmethod
    def jvp(self, directions: Any) -> Array:
        """Change of decision values along directions of the parameters.

        Parameters
        ----------
        directions : ndarray of shape (p, m)

        Returns
        -------
        ndarray of shape (n, K, m)
        """

    def values(self, parameters: Any) -> Array:
        """Decision values (n, K, m) at parameters (p, m)."""
        return self.jvp(parameters)

    def own_values_at(self, parameters: Array) -> Array:
        """Each row's decision values at its own parameters, (p, n) → (n, K)."""
        return self.own_values(parameters)

    @abstractmethod
    def vjp(self, cotangents: Array) -> Array:
        """The gradients Σ_i φ_i ⊗ c_i, summed over the rows.

        Parameters
        ----------
        cotangents : ndarray of shape (n, K, m)

        Returns
        -------
        ndarray of shape (p, m)
        """

    @abstractmethod
    def columns(self, cotangents: Array) -> Array:
        """(n, K) → (p, n): one column φ_i ⊗ c_i per row. For blocks of rows."""

    @abstractmethod
    def inputs(self) -> Array:
        """What ``jvp`` multiplies θ by, (n, q), dense, float64. For blocks of rows."""

    @abstractmethod
    def own_values(self, directions: Array) -> Array:
        """Each row's decision values in its own direction, (p, n) → (n, K). For blocks of rows."""

    @abstractmethod
    def inner(self, gradients: Array, directions: Array) -> Array:
        """Pair each gradient with its direction, (p, m) and (p, m) → (m,)."""

    @abstractmethod
    def gram(self, other: LinearMap, scale: Array) -> Array:
        """Φ diag(scale) Φ'ᵀ with another map's rows, for scale (q,): (n, n'), float64."""

    @abstractmethod
    def gram_diagonal(self, scale: Array) -> Array:
        """φ_iᵀ diag(scale) φ_i, (n,), float64."""

    @abstractmethod
    def input_vjp(self, parameters: Any, cotangents: Array) -> Array:
        """Gradient of Σ_k cotangent_k z_k with respect to each row's features, (n, d)."""

    def direction_input_vjp(self, direction: Any, cotangents: Array) -> Array:
        """The same of Σ_k cotangent_k ż_k, with ż the change of z along a direction (p, 1)."""
        return self.input_vjp(direction, cotangents)

    def shown(self, directions: Array) -> Array:
        """Directions (p, m) as the estimator's coefficients have them."""
        return directions

    def accumulate(
        self,
        add: Callable[..., None],
        total: Array,
        arrays: Sequence[Any],
        bytes_per_row: int,
        *,
        limit: int = BLOCK_BYTES,
        what: str = "",
    ) -> Array:
        """Add all rows to ``total`` in blocks: ``add(total, map of a block, *its arrays)``.

        Every sum over rows goes through here, so that rows can be anywhere. ``arrays`` are
        anything that has ``take`` or can be indexed by rows. Blocks that jobs work at are added to
        zeros and then, in their order, to the total. Progress is told as that of ``what``.
        """

        def of_block(rows: slice) -> tuple[Any, ...]:
            return self.take(rows), *(take_rows(array, rows) for array in arrays)

        fine = self.rows_worth_a_job(total.size // self.n_inputs)
        size = min(rows_per_block(bytes_per_row, limit=limit), fine)
        starts = range(0, self.n_rows, size)
        blocks = [slice(start, min(start + size, self.n_rows)) for start in starts]
        most = max(1, bounded(MOST_BYTES_OF_TOTALS) // max(1, total.nbytes))
        with progress(self.n_rows, what, parts=len(blocks)) if what else SILENCE as advance:
            if len(blocks) == 1 or most == 1 or number_of_jobs() == 1:
                for rows in blocks:
                    add(total, *of_block(rows))
                    advance(rows.stop - rows.start)
                return total
            parts = in_jobs(
                _added_to_zeros,
                ((add, total.shape, total.dtype, *of_block(rows)) for rows in blocks),
                most=most,
            )
            for rows, part in zip(blocks, parts, strict=True):
                total += part
                advance(rows.stop - rows.start)
        return total

    def map_rows(
        self,
        function: Callable[..., Array],
        arrays: Sequence[Any],
        bytes_per_row: int,
        *,
        limit: int = BLOCK_BYTES,
        what: str = "rows",
    ) -> Array:
        """``function(map of a block, *its arrays)`` of all rows, in blocks: (n, …).

        What has an answer for each row goes through here, where the function needs no other rows.
        """
        result: Array | None = None
        for rows in tracked_blocks(self.n_rows, bytes_per_row, what, limit=limit):
            part = function(self.take(rows), *(take_rows(array, rows) for array in arrays))
            if result is None:
                result = np.empty((self.n_rows, *part.shape[1:]), part.dtype)
            result[rows] = part
        if result is None:
            none = slice(0, 0)
            return function(self.take(none), *(take_rows(array, none) for array in arrays))
        return result

    def rows_worth_a_job(self, n_columns: int) -> int:
        """How many rows make a product with so many columns long enough for a job of its own."""
        return max(1, self.n_rows)

    def scores(self, directions: Any, residuals: Array) -> Array:
        """Σ_k jvp(V)_ik r_ik for every row: (m, n), the inner products with all row gradients."""
        values = self.jvp(directions)
        return np.einsum("nkm,nk->mn", values, residuals.astype(self.dtype, copy=False))


def take_rows(array: Any, rows: Any) -> Any:
    """Some rows of an array or a curvature."""
    return array.take(rows) if hasattr(array, "to_dense") else array[rows]


def _added_to_zeros(
    add: Callable[..., None], shape: tuple[int, ...], dtype: Any, *block: Any
) -> Array:
    total = np.zeros(shape, dtype)
    add(total, *block)
    return total
