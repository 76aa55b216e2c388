"""What iterative solvers need to know of a Hessian before they start: its spectrum's extremes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from ..curvature import Array
from ..operators import HessianOperator
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
    ritz = lanczos(sample, rng)
    return Spectrum(
        largest=float(ritz[-1]),
        smallest=max(float(ritz[0]), float(operator.penalty_diagonal().min())),
        row_bound=float((per_row**2).sum() / weight) if weight > 0 else 0.0,
    )


def lanczos(operator: HessianOperator, rng: np.random.Generator) -> Array:
    """Ritz values of a few Lanczos steps with full reorthogonalisation, ascending."""
    steps = min(LANCZOS_STEPS, operator.n_parameters)
    vector = rng.standard_normal(operator.n_parameters)
    basis = [vector / np.linalg.norm(vector)]
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    for _ in range(steps):
        following = np.asarray(operator.matvec(basis[-1]), dtype=np.float64)
        diagonal.append(float(following @ basis[-1]))
        for _ in range(2):
            for known in basis:
                following -= (following @ known) * known
        length = float(np.linalg.norm(following))
        if length <= 1e-10 * abs(diagonal[0]) or len(diagonal) == steps:
            break
        off_diagonal.append(length)
        basis.append(following / length)
    return np.asarray(eigvalsh_tridiagonal(np.array(diagonal), np.array(off_diagonal)))
