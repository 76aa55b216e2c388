"""Changes of the parameters by any reweighting, to first order, by a Newton step, or exactly.

upweight   −(∇²J)⁻¹ (∇J_c − ∇J)        the infinitesimal jackknife
removal    −(∇²J_c)⁻¹ (∇J_c − ∇J)      one Newton step on the column's objective
refit      Θ_c − θ                      its optimum (``refits``)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .active_set import leaves_support, warn_of_support
from .curvature import Array
from .downdates import column_inverse
from .exceptions import warn_user
from .progress import track, tracked_blocks
from .refit_words import ways_to_determine
from .refits import Refits
from .removal import RowRemoval
from .reweighting import Reweighting

COLUMN_BYTES = 1 << 28

Moves = Iterator[tuple[Array, Array]]


def first_order_moves(removal: RowRemoval, reweighting: Reweighting, what: str) -> Moves:
    """Columns, and their changes of the parameters (p, columns)."""
    for columns in _blocks(reweighting, f"first order, {what}"):
        block = reweighting.take(columns)
        yield columns, block.prescribed - removal.inverse.solve(block.gradient_changes())


def newton_moves(removal: RowRemoval, reweighting: Reweighting, what: str) -> Moves:
    """The same by one Newton step; NaN where a column leaves the model undetermined."""
    rows, scenarios = reweighting.single_rows(), removal.scenarios
    reweighting = replace(reweighting, objective=removal.objective)
    undetermined: list[int] = []
    leaving: list[int] = []
    told = f"Newton steps, {what}"
    for columns in _blocks(reweighting, told):
        if rows is not None:
            yield columns, removal.parameter_steps(rows[columns])
            continue
        block = reweighting.take(columns)
        gradients = block.gradient_changes()
        moves = np.full_like(gradients, np.nan)
        each = ((1, (position, column)) for position, column in enumerate(columns.tolist()))
        for position, column in track(each, len(columns), told):
            inverse = column_inverse(
                block, position, scenarios.inverse, scenarios.solver, scenarios.context
            )
            if inverse.determined:
                step = inverse.solve(gradients[:, [position]])
                moves[:, [position]] = block.prescribed[:, [position]] - step
            else:
                undetermined.append(column)
        leaves = leaves_support(removal.objective, block, moves)
        leaving += columns[leaves].tolist()
        yield columns, moves
    warn_of_support(leaving, what, reweighting.verb)
    if undetermined:
        warn_user(
            f"{len(undetermined)} {what} leave the model undetermined (for example "
            f"{undetermined[:5]}): too few rows remain, so their effects are NaN. "
            f"{ways_to_determine(removal.inverse.operator.bends_back)}",
            RuntimeWarning,
        )


def exact_moves(refits: Refits, reweighting: Reweighting, what: str) -> Moves:
    """The same by refits."""
    rows = reweighting.single_rows()
    return refits.columns(reweighting, what) if rows is None else refits.without_rows(rows)


def _blocks(reweighting: Reweighting, what: str) -> Iterator[Array]:
    bytes_per_column = 8 * 4 * reweighting.objective.n_parameters
    every = np.arange(reweighting.n_columns)
    for block in tracked_blocks(len(every), bytes_per_column, what, limit=COLUMN_BYTES):
        yield every[block]
