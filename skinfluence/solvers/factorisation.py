"""Factorisations of one symmetric positive semi-definite matrix, blind to its scale.

The matrix is first scaled to a unit diagonal, H' = S H S. That is what makes rank and condition
independent of the units of the features: a column in millimetres and its copy in kilometres
get the same verdict.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import dtrsm, strmm
from scipy.linalg.lapack import dlange, dpocon, dpotrf, dtrtri

from ..curvature import Array
from ..exceptions import SingularHessianError

NO_MINIMUM = (
    "The Hessian has negative eigenvalues: the fitted parameters are no minimum of the estimator's "
    "objective, whose loss is not convex. Check that it has converged (lower tol, raise max_iter), "
    "and that X, y and sample_weight are those that it was fitted on; or pass damping='auto', or "
    "hessian='gauss-newton' for a network; or use a link or a loss that is convex, or a stronger "
    "penalty."
)
# A right-hand side with a larger share than this in the null space has no solution.
NULL_SHARE = 1e-6


def inverse_of_lower(lower: Array) -> Array:
    """L⁻¹ with zeros above its diagonal."""
    inverse, _ = dtrtri(lower, lower=1)
    for column in range(1, len(inverse)):  # np.tril would hold a second copy
        inverse[:column, column] = 0.0
    return np.asarray(inverse)


class CholeskyFactor:
    """H' = L Lᵀ; H⁻¹ = S L⁻ᵀ L⁻¹ S."""

    def __init__(self, scale: Array, lower: Array, condition: float) -> None:
        self.scale = scale
        self.lower = lower
        self.condition = condition
        self.rank = len(scale)

    def half_solve(self, right_hand_sides: Array) -> Array:
        """L⁻¹ S B: its columns' inner products are those of B in H⁻¹."""
        scaled = np.asfortranarray(self.scale[:, None] * right_hand_sides)
        return np.asarray(dtrsm(1.0, self.lower, scaled, lower=1, overwrite_b=1))

    def solve(self, right_hand_sides: Array) -> Array:
        """H⁻¹ B."""
        half = self.half_solve(right_hand_sides)
        solved = dtrsm(1.0, self.lower, half, lower=1, trans_a=1, overwrite_b=1)
        return np.asarray(self.scale[:, None] * solved)

    def solve_in_range(self, right_hand_sides: Array) -> Array:
        """H⁻¹ B."""
        return self.solve(right_hand_sides)

    def half_inverse(self) -> Array:
        """L⁻¹ S, lower triangular: for many structured right-hand sides at once."""
        inverse = inverse_of_lower(self.lower)
        inverse *= self.scale
        return np.asarray(inverse)


class HalfInSingle:
    """L⁻¹ S B in float32, by the inverse of a factor, computed in float64.

    Rounding the inverse does no more to the columns' lengths than rounding B does: at most the
    root of the condition number times eps. A triangular solve in float32 would lose its square.
    """

    def __init__(self, factor: CholeskyFactor) -> None:
        self.inverse = np.asfortranarray(factor.half_inverse(), dtype=np.float32)

    def __call__(self, right_hand_sides: Array) -> Array:
        """(p, m) → (p, m)."""
        right = np.array(right_hand_sides, dtype=np.float32, order="F")
        return np.asarray(strmm(1.0, self.inverse, right, lower=1, overwrite_b=1))


class SpectralFactor:
    """H' = V Λ Vᵀ without its null space, for singular H.

    The null directions are those in which no training row moves any decision value, so training
    gradients have no part in them and the inverse on the rest is exact. Right-hand sides that
    do have a part there (test rows that reach outside of what the training rows determine)
    are refused.
    """

    def __init__(self, scale: Array, eigenvalues: Array, vectors: Array, threshold: float) -> None:
        kept = eigenvalues > threshold
        self.indefinite = bool(eigenvalues[0] < -NULL_SHARE * eigenvalues[-1])
        self.scale = scale
        self.null = vectors[:, ~kept]
        self.half = (vectors[:, kept] / np.sqrt(eigenvalues[kept])).T * scale
        self.rank = int(kept.sum())
        self.condition = float(eigenvalues[-1] / eigenvalues[kept][0]) if self.rank else np.inf
        # Solutions are made orthogonal to the null directions in the parameters' own scale, the
        # columns of S null = Q R, which is the choice of least norm.
        self.null_q, self.null_r = np.linalg.qr(scale[:, None] * self.null)

    def half_solve(self, right_hand_sides: Array) -> Array:
        """Λ^-½ Vᵀ S B on the range."""
        self._check_range(right_hand_sides)
        return np.asarray(self.half @ right_hand_sides)

    def solve(self, right_hand_sides: Array) -> Array:
        """The minimum-norm solution of H X = B."""
        self._check_range(right_hand_sides)
        return self.solve_in_range(right_hand_sides)

    def solve_in_range(self, right_hand_sides: Array) -> Array:
        """The same for the part of B in the range of H, without a word about the rest."""
        solved = self.half.T @ (self.half @ right_hand_sides)
        # What is taken off is a combination of null's own columns, which training rows don't see
        # whatever the units; Q's columns are null only relative to their largest entry.
        share = np.linalg.solve(self.null_r, self.null_q.T @ solved)
        return np.asarray(solved - self.scale[:, None] * (self.null @ share))

    def half_inverse(self) -> Array:
        """Λ^-½ Vᵀ S, (rank, p)."""
        return self.half

    def _check_range(self, right_hand_sides: Array) -> None:
        scaled = self.scale[:, None] * right_hand_sides
        norms = np.linalg.norm(scaled, axis=0)
        outside = np.linalg.norm(self.null.T @ scaled, axis=0)
        bad = outside > NULL_SHARE * norms
        if bad.any() and self.indefinite:
            raise SingularHessianError(NO_MINIMUM)
        if bad.any():
            raise SingularHessianError(
                f"The Hessian is singular (rank {self.rank} of {len(self.scale)}) and "
                f"{int(bad.sum())} of {len(bad)} requested gradients lie partly outside of its "
                "range: these rows differ from the others in a way that the training rows do not "
                "determine, for example through a column that is constant in training or a "
                "combination of collinear columns. Remove such columns, add a penalty to the "
                "estimator, or pass damping=1e-6 or larger ('auto' for a network)."
            )


def factorise(matrix: Array) -> CholeskyFactor | SpectralFactor:
    """Factorise a symmetric positive semi-definite matrix; it is overwritten.

    Parameters
    ----------
    matrix : ndarray of shape (size, size), float64, C-ordered

    Returns
    -------
    CholeskyFactor, or SpectralFactor where H' is singular to working precision.
    """
    size = len(matrix)
    diagonal = matrix.diagonal().copy()
    # A zero on the diagonal is a zero row: scale 0 would hide it from the eigenvectors.
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 1.0)
    matrix *= scale
    matrix *= scale[:, None]
    norm = float(dlange("1", matrix.T)) if size else 0.0
    # Forming and factorising leave errors of a few tens of eps even in the smallest matrices.
    threshold = max(size, 100) * np.finfo(np.float64).eps
    unit_diagonal = matrix.diagonal().copy()
    # In Fortran's view this writes L over the upper triangle; the strict lower one stays.
    lower, info = dpotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
    if info == 0:
        reciprocal = float(dpocon(lower, norm, uplo="L")[0])
        if reciprocal > threshold:
            return CholeskyFactor(scale, lower, 1.0 / reciprocal)
    np.fill_diagonal(matrix, unit_diagonal)
    eigenvalues, vectors = eigh(matrix, lower=True)
    cutoff = max(float(eigenvalues[-1]), 0.0) * threshold
    return SpectralFactor(scale, eigenvalues, vectors, cutoff)
