"""First-order effects, streamed over blocks of training rows.

Raw inner products in the sum convention: no n, no sign. What they mean to a user is the
explainer's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .blocks import as_slice, row_blocks
from .curvature import Array
from .exchanges import Exchanges
from .jobs import in_jobs
from .objective import Objective
from .predictors import LinearMap
from .progress import progress, tracked_blocks

# Parameter directions of the test rows that are held at once.
DIRECTION_BYTES = 1 << 28
# What progress is told of.
SCORES, EXCHANGED = "scores, training rows", "scores, exchanged rows"


def target_blocks(n_test: int, n_parameters: int, columns_per_row: int) -> Iterator[slice]:
    """Blocks of test rows whose parameter directions fit into memory."""
    bytes_per_row = 8 * 4 * n_parameters * columns_per_row
    return tracked_blocks(n_test, bytes_per_row, "influence, test rows", limit=DIRECTION_BYTES)


def training_blocks(
    objective: Objective, rows: Array | None, columns: int
) -> Iterator[tuple[slice, Any]]:
    """Positions in the request and the training rows there, in blocks."""
    n_rows = objective.n_rows if rows is None else len(rows)
    bytes_per_row = 8 * columns * objective.linear_map.n_outputs
    for positions in row_blocks(n_rows, bytes_per_row):
        yield positions, positions if rows is None else rows[positions]


def gradient_products(
    objective: Objective, directions: Any, rows: Array | None
) -> Iterator[tuple[slice, Array]]:
    """v_tᵀ∇ℓ_i for directions (p, m) and training rows i: blocks (m, rows)."""
    blocks = list(training_blocks(objective, rows, directions.shape[1]))
    work = (
        (objective.linear_map.take(block), directions, objective.residuals[block])
        for _, block in blocks
    )
    n_rows = objective.n_rows if rows is None else len(rows)
    with progress(n_rows, SCORES, parts=len(blocks)) as advance:
        for (positions, _), products in zip(blocks, in_jobs(scores, work), strict=True):
            yield positions, products
            advance(positions.stop - positions.start)


def scores(rows: LinearMap, directions: Any, residuals: Array) -> Array:
    """v_tᵀ∇ℓ_i of some rows, (m, rows)."""
    return rows.scores(directions, residuals)


def row_scores(objective: Objective, rows: Array, directions: Any, cotangents: Array) -> Array:
    """Σ_k (φ_i v_t)_k c_k for directions (p, m) and a cotangent of each of some rows: (m, rows).

    A row that is asked for with several cotangents is multiplied once.
    """
    unique, places = np.unique(rows, return_inverse=True)
    if len(unique) == len(rows):
        return objective.linear_map.take(as_slice(rows)).scores(directions, cotangents)
    values = objective.linear_map.take(unique).jvp(directions)
    return np.einsum("ckt,ck->tc", values[places], cotangents)


def exchange_products(exchanges: Exchanges, directions: Any) -> Iterator[tuple[Array, Array]]:
    """v_tᵀ(s_δ ∇ℓ_δ − s_i ∇ℓ_i)/s_i for directions (p, m) and exchanges: blocks (m, columns)."""
    objective, rows = exchanges.objective, exchanges.rows
    n_outputs = objective.linear_map.n_outputs
    for block in tracked_blocks(len(rows), 8 * 2 * directions.shape[1] * n_outputs, EXCHANGED):
        columns = np.arange(block.start, block.stop)
        chosen = exchanges.take(columns)
        going, coming = chosen.first_order_residuals()
        if chosen.same_features:
            yield columns, row_scores(objective, chosen.rows, directions, coming - going)
            continue
        lost = row_scores(objective, chosen.rows, directions, going)
        yield columns, chosen.arriving_map.scores(directions, coming) - lost


def input_gradients(
    objective: Objective, directions: Any, rows: Array, weights: Array | None = None
) -> Array:
    """∂/∂x_i of v_tᵀ∇ℓ_i for directions (p, m): (m, rows, d); times weights (rows, 1) or (rows, K).

    For z = Wᵀx + b and u = jvp_i(v), it is W B_i u + V_w r_i.
    """
    linear_map = objective.linear_map.take(as_slice(rows))
    weights = np.ones((len(rows), 1)) if weights is None else weights
    residuals = weights * objective.residuals[rows]
    curvature = objective.row_curvature(rows).scaled(weights)
    bent = curvature.matmul(linear_map.jvp(directions).astype(np.float64))
    n_features = linear_map.n_features
    result = np.empty((directions.shape[1], len(rows), n_features), dtype=linear_map.dtype)
    for t in range(len(result)):
        through_values = linear_map.input_vjp(objective.theta, bent[:, :, t])
        result[t] = through_values + linear_map.direction_input_vjp(directions[:, [t]], residuals)
    return result
