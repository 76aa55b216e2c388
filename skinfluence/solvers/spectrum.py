"""What LiSSA needs to know of a Hessian before it starts: extremes of its spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import eigsh

from ..operators import HessianOperator
from .base import SolverContext

SAMPLE_ROWS = 4000


@dataclass(frozen=True)
class Spectrum:
    """Estimates in the sum convention.

    Parameters
    ----------
    largest : float
        Largest eigenvalue of ∇²J.
    smallest : float
        Lower bound of the smallest: the least penalty plus damping.
    row_bound : float
        R²: how much larger than ∇²J the Hessian of one row, scaled up by n, typically is. It is
        the mean of n ‖φ_i‖² λ_max(s_i B_i) over rows, weighted by itself.
    """

    largest: float
    smallest: float
    row_bound: float

    def batch_size(self, n_rows: int) -> int:
        """The smallest batch whose noise is within the largest eigenvalue."""
        return int(min(n_rows, max(1, np.ceil(self.row_bound / self.largest))))

    def solution_bound(self, norm: Any) -> float:
        """No iterate of a convergent chain is longer than this."""
        return 1e3 * float(norm) / max(self.smallest, 1e-10 * self.largest)


def estimate_spectrum(operator: HessianOperator, context: SolverContext) -> Spectrum:
    """Largest eigenvalue from a sample of rows (Lanczos), the rest from norms."""
    rng = np.random.default_rng(context.random_state)
    n = operator.n_rows
    size = min(n, SAMPLE_ROWS)
    rows = np.sort(rng.choice(n, size=size, replace=False))
    sample = operator.rows(rows, scale=n / size)
    per_row = sample.linear_map.squared_norms() * sample.curvature.largest_eigenvalues() * size
    weight = per_row.sum()
    penalty = operator.penalty_diagonal()
    return Spectrum(
        largest=_largest_eigenvalue(sample, rng),
        smallest=float(penalty.min()),
        row_bound=float((per_row**2).sum() / weight) if weight > 0 else 0.0,
    )


def _largest_eigenvalue(operator: HessianOperator, rng: np.random.Generator) -> float:
    p = operator.n_parameters
    if p < 3:
        return float(np.linalg.eigvalsh(operator.to_dense()).max())
    start = rng.standard_normal(p).astype(operator.dtype)
    value = eigsh(operator, k=1, which="LA", tol=1e-2, v0=start, return_eigenvectors=False)
    return float(value[0])
