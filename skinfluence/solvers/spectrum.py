"""What iterative solvers need to know of a Hessian before they start: its spectrum's extremes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal

from ..curvature import Array
from ..operators import HessianOperator
from ..progress import up_to
from .base import SolverContext

SAMPLE_ROWS = 4000
LANCZOS_STEPS = 40


@dataclass(frozen=True)
class Spectrum:
    """Estimates in the sum convention.

    Parameters
    ----------
    largest : float
        Largest eigenvalue of ∇²J.
    smallest : float
        Smallest eigenvalue as far as Lanczos saw it, an estimate from above.
    row_bound : float
        R²: how much larger than ∇²J the Hessian of one row, scaled up by n, typically is. It is
        the mean of n ‖φ_i‖² λ_max(s_i B_i) over rows, weighted by itself.
    """

    largest: float
    smallest: float
    row_bound: float

    @property
    def condition(self) -> float:
        """Condition number, estimated from below."""
        return self.largest / self.smallest if self.smallest > 0 else float("inf")

    def batch_size(self, n_rows: int) -> int:
        """The smallest batch whose noise is within the largest eigenvalue."""
        return int(min(n_rows, max(1, np.ceil(self.row_bound / self.largest))))

    def solution_bound(self, norm: Any) -> float:
        """No iterate of a convergent chain is longer than this."""
        return 1e3 * float(norm) / max(self.smallest, 1e-10 * self.largest)


def estimate_spectrum(operator: HessianOperator, context: SolverContext) -> Spectrum:
    """Eigenvalues from a sample of rows (Lanczos), the row bound from norms."""
    rng = np.random.default_rng(context.random_state)
    n = operator.n_rows
    size = min(n, SAMPLE_ROWS)
    rows = np.sort(rng.choice(n, size=size, replace=False))
    sample = operator.rows(rows, scale=n / size)
    per_row = sample.features.squared_norms() * sample.curvature.largest_eigenvalues() * size
    weight = per_row.sum()
    ritz = lanczos(sample, rng).values
    return Spectrum(
        largest=float(ritz[-1]),
        smallest=max(float(ritz[0]), float(operator.penalty_diagonal().min())),
        row_bound=float((per_row**2).sum() / weight) if weight > 0 else 0.0,
    )


@dataclass(frozen=True)
class Ritz:
    """Ritz values of a symmetric operator, ascending.

    Parameters
    ----------
    values : ndarray of shape (steps,)
    errors : ndarray of shape (steps,)
        No further away than this is an eigenvalue.
    """

    values: Array
    errors: Array


def lanczos(operator: Any, rng: np.random.Generator, steps: int = LANCZOS_STEPS) -> Ritz:
    """A few Lanczos steps with full reorthogonalisation, from a random start."""
    steps = min(steps, operator.shape[0])
    vector = rng.standard_normal(operator.shape[0])
    basis = np.empty((steps, len(vector)))
    basis[0] = vector / np.linalg.norm(vector)
    diagonal, off_diagonal = np.zeros(steps), np.zeros(steps)
    for step in up_to(steps, "Lanczos, steps"):
        following = np.asarray(operator.matvec(basis[step]), dtype=np.float64)
        diagonal[step] = following @ basis[step]
        known = basis[: step + 1]
        for _ in range(2):
            following -= known.T @ (known @ following)
        off_diagonal[step] = np.linalg.norm(following)
        if off_diagonal[step] <= 1e-10 * np.abs(diagonal).max() or step + 1 == steps:
            break
        basis[step + 1] = following / off_diagonal[step]
    values, vectors = eigh_tridiagonal(diagonal[: step + 1], off_diagonal[:step])
    return Ritz(values, off_diagonal[step] * np.abs(vectors[-1]))
