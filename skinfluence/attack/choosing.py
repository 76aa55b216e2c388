"""Which training rows to move: those whose first step promises most."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..curvature import Array
from ..objective import Objective
from ..progress import tracked_blocks
from .combining import InOrder
from .gradients import raw_slopes
from .inputs import WHO
from .table import Table

# Arrays of the size of a block's rows that are held at once.
ARRAYS = 8


def predicted_rises(
    objective: Objective,
    direction: Any,
    transformers: list[Any],
    table: Table,
    project: InOrder,
    steps: Array,
) -> Array:
    """First-order rise of the target by each training row's first projected step, (n,).

    (s_i/n) ⟨I_pert,i , Π(z_i + α sign I_i) − z_i⟩, in blocks of rows.

    Raises
    ------
    ValueError
        Where no column of any row can move.
    """
    n, width = objective.n_rows, max(table.n_features, objective.linear_map.n_features)
    rises = np.zeros(n)
    movable = False
    for block in tracked_blocks(n, 8 * ARRAYS * width, "first steps, training rows"):
        rows = np.arange(block.start, block.stop)
        slopes = raw_slopes(objective, direction, rows, transformers, table.take(rows))[0]
        Z = table.values(rows)
        movable = movable or bool(movable_columns(slopes, Z).any())
        moved = take_step(Z, Z, slopes, steps, project)
        rises[block] = np.nansum(slopes * (moved - Z), axis=1)
    require_movable(movable)
    return rises


def choose_rows(rises: Array, weights: Array, n_rows: int) -> Array:
    """The most promising rows, strongest first; none of weight 0.

    Raises
    ------
    ValueError
        Where the projection lets no row move, or not so many have a weight.
    """
    present = np.flatnonzero((weights > 0).any(axis=1))
    if n_rows > len(present):
        raise ValueError(
            f"{WHO} got n_rows={n_rows}, but only {len(present)} training rows have a weight "
            "above 0."
        )
    if not (rises[present] > 0).any():
        raise ValueError(
            f"{WHO} got a project that leaves every training row where it is, or lets it move "
            "against the attack alone. Allow more: a larger radius, or fewer immutable columns."
        )
    order = np.argsort(-rises[present], kind="stable")
    return np.asarray(present[order[:n_rows]])


def take_step(Z: Array, Z0: Array, slopes: Array, steps: Array, project: InOrder) -> Array:
    """Π(z + α sign(slope)); where the slope isn't known the rows stay."""
    with np.errstate(invalid="ignore"):
        signs = np.sign(slopes)
    moved = Z + steps * np.where(np.isnan(signs), 0.0, signs)
    return project(moved, Z0)


def movable_columns(slopes: Array, Z: Array) -> Array:
    """Columns (d,) that can move in some of the rows: numbers with a known slope."""
    return np.asarray((~np.isnan(slopes) & ~np.isnan(Z)).any(axis=0))


def require_movable(movable: Any) -> None:
    """Refuse rows without any column that can move.

    Raises
    ------
    ValueError
    """
    if not np.any(movable):
        raise ValueError(
            f"{WHO} got training rows of which no column can move: they are no numbers, or the "
            "steps before the model have no derivative with respect to them. Attack the final "
            "model alone on transformed rows."
        )
