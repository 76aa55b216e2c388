"""Sizes of Eq. 5's gradients for many test and training rows, without holding the gradients.

With z = Wᵀx + b, a = s_i B_i u_it and c = s_i r_i (K numbers each) the gradient of training row i
for the direction S_t is g = W a + S_t c, so that

    ‖g‖² = aᵀ WᵀW a + 2 aᵀ WᵀS_t c + cᵀ S_tᵀS_t c,

which needs no array of d numbers per pair. Other norms, kernels and pipelines go by blocks of g.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..blocks import BLOCK_BYTES
from ..curvature import Array
from ..objective import Objective
from ..progress import tracked_blocks
from .gradients import raw_slopes
from .table import Table

NORMS = ("l2", "l1", "linf")
# Test rows whose gradients are held at once.
TESTS = 8
# What progress is told of.
GRADIENTS = "sizes of gradients, training rows"


class GradientSizes:
    """Norms of ∂/∂x_i of v_tᵀ s_i ∇ℓ_i over the raw features, for all training rows i.

    Parameters
    ----------
    explainer : InfluenceExplainer
        Fitted.
    norm : {"l2", "l1", "linf"}
    """

    def __init__(self, explainer: Any, norm: str) -> None:
        self.objective: Objective = explainer.objective_
        self.transformers = explainer._transformers
        self.table = Table.of(explainer._training_X)
        self.norm = norm
        self.closed = norm == "l2" and not self.transformers and not self._implicit

    @property
    def _implicit(self) -> bool:
        return self.objective.linear_map.implicit

    def of(self, directions: Any) -> Array:
        """For directions (p, m): (m, n)."""
        m = directions.shape[1]
        result = np.empty((m, self.objective.n_rows))
        if self.closed:
            for rows, sizes in self._in_closed_form(directions):
                result[:, rows] = sizes
            return result
        width = max(self.table.n_features, self.objective.linear_map.n_features)
        for tests in tracked_blocks(m, BLOCK_BYTES // TESTS, "vulnerability, test rows"):
            some = directions[:, tests]
            bytes_per_row = 8 * 4 * width * some.shape[1]
            for block in tracked_blocks(self.objective.n_rows, bytes_per_row, GRADIENTS):
                positions = np.arange(block.start, block.stop)
                known = self.transformers, self.table.take(positions)
                slopes = raw_slopes(self.objective, some, positions, *known)
                result[tests, block] = _norms(slopes, self.norm)
        return result

    def _in_closed_form(self, directions: Array) -> Iterator[tuple[slice, Array]]:
        """Blocks of training rows, and sizes (m, rows)."""
        objective, m = self.objective, directions.shape[1]
        d, k = self.table.n_features, objective.linear_map.n_outputs
        W = objective.theta[:d]
        S = np.asarray(directions, dtype=np.float64).reshape(-1, k, m)[:d]
        WS = np.tensordot(W, S, ([0], [0]))
        SS = np.einsum("dkm,dlm->klm", S, S).reshape(k * k, m)
        for rows in tracked_blocks(objective.n_rows, 8 * 6 * k * m, GRADIENTS):
            weights = objective.weights.values[rows]
            c = weights * objective.residuals[rows]
            u = objective.linear_map.take(rows).jvp(directions).astype(np.float64)
            a = objective.row_curvature(rows).scaled(weights).matmul(u)
            bent = np.matmul(W.T @ W, a) + 2.0 * np.tensordot(c, WS, ([1], [1]))
            squares = (a * bent).sum(axis=1)
            squares += (c[:, :, None] * c[:, None, :]).reshape(len(c), -1) @ SS
            yield rows, np.sqrt(np.maximum(squares, 0.0)).T


def _norms(gradients: Array, norm: str) -> Array:
    """Over the last axis; what has no derivative (NaN) doesn't move."""
    sizes = np.abs(np.nan_to_num(gradients))
    if norm == "l2":
        return np.sqrt(np.einsum("mid,mid->mi", sizes, sizes, dtype=np.float64))
    return np.asarray(sizes.sum(axis=2) if norm == "l1" else sizes.max(axis=2, initial=0.0))
