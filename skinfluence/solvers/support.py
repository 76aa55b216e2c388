"""One system of the dual solver: S over the rows with curvature, factorised and bordered."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dlange, dpocon

from ..blocks import as_slice, row_blocks
from ..curvature import Array
from ..exceptions import SingularHessianError
from ..operators import NEGLIGIBLE_CURVATURE
from ..predictors import LinearMap
from .base import LEVERAGES, leverage_blocks
from .factorisation import inverse_of_lower

# The inverse of the factor costs as much as this share of all its rows' right-hand sides.
MANY = 6
# Curvature that the exponential tail of a smoothed kink leaves is none long before it underflows.
LEAST_BORDER = 1e-100
# Shares below lose more than two digits in 1 − (1 − share).
LEAST_USED = 1e-2
NOT_POSITIVE = (
    "The Hessian is not positive definite: the kernel has negative eigenvalues on the training "
    "rows (the sigmoid kernel often has, and a precomputed or callable one may), so that the model "
    "is no minimum of its objective. Use a positive definite kernel such as rbf, or a stronger "
    "penalty."
)


class System:
    """S of outputs that share one, or that the loss couples.

    Parameters
    ----------
    linear_map : LinearMap
        Of all training rows, with the k outputs that are coupled.
    roots : ndarray of shape (n, k, k)
        R_i.
    diagonal : ndarray of shape (q, k)
        ∇²Ω and damping.
    """

    def __init__(self, linear_map: LinearMap, roots: Array, diagonal: Array) -> None:
        # The same for all k: couples with different penalties don't occur.
        strength = diagonal[:, 0]
        self.free = (
            bool(linear_map.constant) and strength[-1] == 0 and not linear_map.fixed_constant
        )
        self.scale = np.where(strength > 0, 1.0 / np.where(strength > 0, strength, 1.0), 0.0)
        if linear_map.fixed_constant:
            self.scale[-1] = 0.0
        self.rows = self._curved(linear_map, (roots**2).sum(axis=(1, 2)))
        self.support = linear_map.take(as_slice(self.rows))
        self.roots = roots[self.rows]
        self.k = roots.shape[1]
        self.size = len(self.rows) * self.k
        self._factorise()

    def _curved(self, linear_map: LinearMap, curvature: Array) -> Array:
        """Rows whose share in S, or in the border, is above rounding."""
        threshold = NEGLIGIBLE_CURVATURE / max(1, len(curvature))
        rows = np.flatnonzero(curvature > threshold**2 * curvature.max(initial=0.0))
        sizes = linear_map.take(as_slice(rows)).gram_diagonal(self.scale)
        if self.free:
            sizes = np.maximum(sizes, linear_map.constant**2)
        sizes = sizes * curvature[rows]
        return rows[sizes > threshold * min(1.0, sizes.max(initial=0.0))]

    def _factorise(self) -> None:
        gram = self.support.gram(self.support, self.scale)
        if self.k == 1:
            root = self.roots[:, 0, 0]
            matrix = gram
            matrix *= root
            matrix *= root[:, None]
        else:
            matrix = np.empty((self.size, self.size))
            by_row = matrix.reshape(len(gram), self.k, len(gram), self.k)
            for rows in row_blocks(len(gram), 8 * 3 * self.k * self.size):
                bent = np.einsum("iab,ij->iajb", self.roots[rows].transpose(0, 2, 1), gram[rows])
                by_row[rows] = np.einsum("iajb,jbc->iajc", bent, self.roots)
            del gram
        matrix[np.diag_indices(self.size)] += 1.0
        norm = float(dlange("1", matrix.T)) if self.size else 0.0
        try:
            # Its transpose is the same matrix in the order that LAPACK overwrites.
            self.lower = cholesky(matrix.T, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError as error:
            raise SingularHessianError(NOT_POSITIVE) from error
        reciprocal = float(dpocon(self.lower, norm, uplo="L")[0]) if self.size else 1.0
        self.condition = 1.0 / reciprocal if reciprocal > 0 else np.inf
        if self.free:
            self.border = self.support.constant * self.roots.transpose(0, 2, 1).reshape(
                self.size, self.k
            )
            self.half_border = self.half(self.border)
            self.border_gram = self.half_border.T @ self.half_border
            # Without any curvature no intercept is determined; not asked for, 0 will do.
            eigenvalues, vectors = np.linalg.eigh(self.border_gram)
            known = eigenvalues > max(LEAST_BORDER, 1e-13 * eigenvalues[-1])
            self.determined = bool(known.all())
            half_inverse = vectors[:, known] / np.sqrt(eigenvalues[known])
            self.border_inverse = half_inverse @ half_inverse.T
        else:
            self.determined = True

    @cached_property
    def remainders(self) -> Array:
        """Diagonal of S⁻¹ − S⁻¹ B M⁻¹ Bᵀ S⁻¹, (size,); for k = 1."""
        inverse = inverse_of_lower(self.lower)
        total = np.einsum("ij,ij->j", inverse, inverse)
        if self.free:
            solved = inverse.T @ self.half_border
            total -= np.einsum("ic,cd,id->i", solved, self.border_inverse, solved)
        return np.asarray(total)

    def half(self, right: Array) -> Array:
        """L⁻¹ e, for e (size, m)."""
        if not right.size:
            return np.zeros_like(right)
        return np.asarray(solve_triangular(self.lower, right, lower=True, check_finite=False))

    def respond(self, e: Array, of_border: Array) -> tuple[Array, Array]:
        """R t (support, k, m) and v_b (k, m), for e (support, k, m) and g_b (k, m)."""
        m = e.shape[2]
        right = np.matmul(self.roots.transpose(0, 2, 1), e).reshape(self.size, m)
        border = np.zeros((self.k, m))
        if self.free:
            crossed = self.half_border.T @ self.half(right)
            border = self.border_inverse @ (of_border - crossed)
            right = right + self.border @ border
        if not self.size:
            return np.zeros_like(e), border
        solved = cho_solve((self.lower, True), right, check_finite=False)
        return np.matmul(self.roots, solved.reshape(-1, self.k, m)), border

    def members(self, linear_map: LinearMap) -> tuple[Array, Array]:
        """Rows of a kernel machine that are in S, and their places there."""
        positions = getattr(linear_map, "positions", None)
        if positions is None or not self.size:
            return np.empty(0, np.intp), np.empty(0, np.intp)
        places = np.minimum(np.searchsorted(self.rows, positions), len(self.rows) - 1)
        members = np.flatnonzero(self.rows[places] == positions)
        return members, places[members]

    def leverage(self, linear_map: LinearMap) -> Array:
        """M_i, (rows, k, k).

        Of most of the rows in S, 1 − C_i M_i costs less than M_i, and says as much of it unless
        C_i M_i is small.
        """
        result = np.empty((linear_map.n_rows, self.k, self.k))
        asked = np.ones(linear_map.n_rows, dtype=bool)
        members, places = self.members(linear_map)
        if MANY * len(members) > self.size:
            used = 1.0 - self.remainders[places]
            members, places = members[used > LEAST_USED], places[used > LEAST_USED]
            curvature = self.roots[places, 0, 0] ** 2
            result[members, 0, 0] = (1.0 - self.remainders[places]) / curvature
            asked[members] = False
        rows = np.flatnonzero(asked)
        bytes_per_row = 8 * 3 * max(1, self.size) * self.k
        for block in leverage_blocks(len(rows), bytes_per_row, LEVERAGES):
            result[rows[block]] = self._leverage(linear_map.take(as_slice(rows[block])))
        return result

    def _leverage(self, linear_map: LinearMap) -> Array:
        n, k = linear_map.n_rows, self.k
        gram = self.support.gram(linear_map, self.scale)
        crossed = np.einsum("jba,ji->jaib", self.roots, gram).reshape(self.size, n * k)
        half = self.half(crossed).reshape(self.size, n, k)
        result = linear_map.gram_diagonal(self.scale)[:, None, None] * np.eye(k)
        result = result - np.einsum("sia,sib->iab", half, half)
        if self.free:
            left = linear_map.constant * np.eye(k)[:, None, :] - np.einsum(
                "sc,sia->cia", self.half_border, half
            )
            result += np.einsum("cia,cd,dib->iab", left, self.border_inverse, left)
        return result
