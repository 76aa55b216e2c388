"""What each block of rows adds to products with the Hessian, and to the Hessian.

For ``LinearMap.accumulate``, which adds blocks up wherever the rows are.
"""

from __future__ import annotations

import numpy as np

from .curvature import Array, Curvature
from .predictors import FeatureMap, LinearMap


def add_products(directions: Array, total: Array, rows: LinearMap, curvature: Curvature) -> None:
    """Σ J_iᵀ s_i B_i J_i V, (p, m)."""
    total += rows.vjp(curvature.matmul(rows.jvp(directions)))


def add_grams(total: Array, rows: FeatureMap, curvature: Curvature) -> None:
    """Φᵀ diag(w) Φ of each output, (n_blocks, q, q)."""
    weights: Array = curvature.weights  # type: ignore[attr-defined]
    if len(total) > 1:
        weights = np.broadcast_to(weights, (len(weights), len(total)))
    for k, gram in enumerate(rows.grams(weights)):
        total[k] += gram


def add_coupled_grams(total: Array, rows: FeatureMap, curvature: Curvature) -> None:
    """Φᵀ diag(B_kh) Φ of pairs of outputs k ≤ h, (K, q, K, q)."""
    first, second = np.triu_indices(len(total))
    weights = curvature.to_dense()[:, first, second]
    for k, h, gram in zip(first, second, rows.grams(weights), strict=True):
        total[k, :, h, :] += gram


def add_squares(total: Array, rows: FeatureMap, curvature: Curvature) -> None:
    """The diagonal, (q, K)."""
    total += rows.weighted_squares(np.einsum("nkk->nk", curvature.to_dense()))
