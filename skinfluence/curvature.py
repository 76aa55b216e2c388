"""Per-row curvature B = ∂²ℓ/∂z² of a loss, with the row weights folded in.

Conventions
-----------
- n rows, K decision values per row, m directions at once.
- ``matmul`` maps an (n, K, m) block of decision-value directions to (n, K, m).
- ``to_dense`` returns (n, K, K). It is only ever called on blocks of rows: n × K × K for all rows
  is what the structure is there to avoid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Curvature(Protocol):
    """What the rest of the library asks of a curvature."""

    @property
    def n_outputs(self) -> int: ...
    @property
    def separable(self) -> bool: ...
    @property
    def root_width(self) -> int: ...
    def matmul(self, directions: Array) -> Array: ...
    def to_dense(self) -> Array: ...
    def scaled(self, weights: Array) -> Curvature: ...
    def take(self, rows: Any) -> Curvature: ...
    def root_matmul(self, directions: Array) -> Array: ...
    def coupled(self) -> Curvature: ...
    def largest_eigenvalues(self) -> Array: ...


@dataclass(frozen=True)
class DiagonalCurvature:
    """Curvature of a loss that is a sum over outputs: B_i is diagonal.

    Parameters
    ----------
    weights : ndarray of shape (n, K) or (n, 1)
        The diagonals. One column for K > 1 outputs means that all outputs share it, and so
        one factorisation.
    n_outputs : int
        K.
    separable : bool, default=True
        That outputs don't depend on each other; not to be set.
    """

    weights: Array
    n_outputs: int
    separable: bool = True

    @property
    def shared(self) -> bool:
        """Whether all outputs have the same curvature."""
        return self.weights.shape[1] == 1

    def matmul(self, directions: Array) -> Array:
        """B_i v_i for every row, (n, K, m)."""
        return self.weights[:, :, None] * directions

    @property
    def root_width(self) -> int:
        """Columns of R_i, where B_i = R_i R_iᵀ."""
        return self.n_outputs

    def root_matmul(self, directions: Array) -> Array:
        """R_i v_i for every row, (n, K, m)."""
        return np.sqrt(self.weights)[:, :, None] * directions

    def to_dense(self) -> Array:
        """(n, K, K); for blocks of rows."""
        diagonal = np.broadcast_to(self.weights, (len(self.weights), self.n_outputs))
        return diagonal[:, :, None] * np.eye(self.n_outputs)

    def scaled(self, weights: Array) -> DiagonalCurvature:
        """Each row's curvature times its weight, (n, 1) or (n, K)."""
        return replace(self, weights=self.weights * weights)

    def take(self, rows: Any) -> DiagonalCurvature:
        """The curvature of some rows."""
        return replace(self, weights=self.weights[rows])

    def coupled(self) -> DiagonalCurvature:
        """The same where outputs share parameters, so that the Hessian couples them."""
        return replace(self, separable=False)

    def largest_eigenvalues(self) -> Array:
        """(n,), exact."""
        return np.asarray(self.weights.max(axis=1))


@dataclass(frozen=True)
class CoupledCurvature:
    """Curvature of a loss with few outputs that depend on each other.

    Parameters
    ----------
    matrices : ndarray of shape (n, K, K)
        Symmetric.
    separable : bool, default=False
        That outputs depend on each other; not to be set.
    """

    matrices: Array
    separable: bool = False

    @property
    def n_outputs(self) -> int:
        """K."""
        return int(self.matrices.shape[1])

    def matmul(self, directions: Array) -> Array:
        """B_i v_i for every row, (n, K, m)."""
        return np.matmul(self.matrices.astype(directions.dtype, copy=False), directions)

    @property
    def root_width(self) -> int:
        """Columns of R_i, where B_i = R_i R_iᵀ."""
        return self.n_outputs

    def root_matmul(self, directions: Array) -> Array:
        """R_i v_i for every row, (n, K, m)."""
        eigenvalues, vectors = np.linalg.eigh(self.matrices)
        return np.matmul(vectors * np.sqrt(np.maximum(eigenvalues, 0.0))[:, None, :], directions)

    def to_dense(self) -> Array:
        """(n, K, K)."""
        return self.matrices

    def scaled(self, weights: Array) -> CoupledCurvature:
        """Each row's curvature times its weight, (n, 1)."""
        return CoupledCurvature(self.matrices * weights[:, :, None])

    def take(self, rows: Any) -> CoupledCurvature:
        """The curvature of some rows."""
        return CoupledCurvature(self.matrices[rows])

    def coupled(self) -> CoupledCurvature:
        """It is."""
        return self

    def largest_eigenvalues(self) -> Array:
        """(n,), an upper bound: the trace."""
        return np.asarray(np.trace(self.matrices, axis1=1, axis2=2))


@dataclass(frozen=True)
class SoftmaxCurvature:
    """Curvature of the softmax loss on K = C − 1 contrasts, Qᵀ(diag(p) − p pᵀ)Q.

    Parameters
    ----------
    probabilities : ndarray of shape (n, C)
    weights : ndarray of shape (n, 1)
    contrasts : ndarray of shape (C, C − 1)
        Q, orthonormal columns, each summing to zero.
    """

    probabilities: Array
    weights: Array
    contrasts: Array
    separable: bool = False

    @property
    def n_outputs(self) -> int:
        """K = C − 1."""
        return int(self.contrasts.shape[1])

    def matmul(self, directions: Array) -> Array:
        """B_i v_i for every row, (n, C − 1, m); no C × C matrix per row is formed."""
        dtype = directions.dtype
        contrasts = self.contrasts.astype(dtype, copy=False)
        probabilities = self.probabilities.astype(dtype, copy=False)
        of_classes = len(contrasts) == self.n_outputs  # Q = I
        per_class = directions if of_classes else np.matmul(contrasts, directions)
        per_class = per_class - np.einsum("nc,ncm->nm", probabilities, per_class)[:, None, :]
        per_class *= (probabilities * self.weights.astype(dtype, copy=False))[:, :, None]
        return per_class if of_classes else np.matmul(contrasts.T, per_class)

    @property
    def root_width(self) -> int:
        """Columns of R_i, where B_i = R_i R_iᵀ: C."""
        return len(self.contrasts)

    def root_matmul(self, directions: Array) -> Array:
        """R_i v_i for every row, (n, C, m) → (n, C − 1, m).

        With P = diag(√p) − p √pᵀ, P Pᵀ = diag(p) − p pᵀ since √pᵀ√p = 1.
        """
        roots = np.sqrt(self.probabilities)
        per_class = roots[:, :, None] * directions
        along = np.einsum("nc,ncm->nm", roots, directions)
        per_class -= self.probabilities[:, :, None] * along[:, None, :]
        per_class *= np.sqrt(self.weights)[:, :, None]
        return np.matmul(self.contrasts.T, per_class)

    def to_dense(self) -> Array:
        """(n, C − 1, C − 1); for blocks of rows."""
        projected = self.probabilities @ self.contrasts
        scaled = self.probabilities[:, :, None] * self.contrasts
        dense = np.matmul(self.contrasts.T, scaled)
        dense -= projected[:, :, None] * projected[:, None, :]
        dense *= self.weights[:, :, None]
        return np.asarray(dense)

    def scaled(self, weights: Array) -> SoftmaxCurvature:
        """Each row's curvature times its weight, (n, 1)."""
        return SoftmaxCurvature(self.probabilities, self.weights * weights, self.contrasts)

    def take(self, rows: Any) -> SoftmaxCurvature:
        """The curvature of some rows."""
        return SoftmaxCurvature(self.probabilities[rows], self.weights[rows], self.contrasts)

    def coupled(self) -> SoftmaxCurvature:
        """It is."""
        return self

    def largest_eigenvalues(self) -> Array:
        """(n,), an upper bound: Gershgorin on diag(p) − p pᵀ gives 2 max p(1 − p)."""
        spread = self.probabilities * (1.0 - self.probabilities)
        return np.asarray(2.0 * spread.max(axis=1) * self.weights[:, 0])
