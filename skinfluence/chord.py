"""Optima of many reweighted objectives together, by chord-Newton steps.

All columns of Θ take steps at once,

    Θ_c ← Θ_c − (∇²J_c)⁻¹ ∇J_c(Θ_c),

with (∇²J_c)⁻¹ as it is at the full data's optimum: a step costs two products with X for all
columns, and solves with factors that are at hand. Columns that don't contract, because their
change bends the objective too much, are finished one by one (``minimise``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .active_set import leaves_support
from .curvature import Array
from .minimise import Preconditioner, decrement, newton_minimise
from .progress import track, up_to
from .reweighting import Reweighting
from .screening import cooled_minimise, screened_minimise

# A chord step that leaves more than this share of the gradient is too slow to go on with.
SLOWEST_CONTRACTION = 0.8
MOST_STEPS = 100
# Newton steps towards an optimum at infinity move decision values by about 1 each, or less where
# only some of the parameters go there; the last to an optimum by the square root of rounding.
STILL_MOVING = 1e-3


@dataclass(frozen=True)
class ColumnBlock:
    """Columns that are refitted together.

    Parameters
    ----------
    reweighting : Reweighting
        Of the full data's objective, at its optimum.
    determined : ndarray of bool of shape (m,)
        Columns that have an optimum; the others are NaN.
    approximate : callable
        (columns, gradients) → (∇²J_c)⁻¹ ∇J_c: the chord.
    preconditioner : callable
        column → what its own Newton steps are preconditioned with.
    """

    reweighting: Reweighting
    determined: Array
    approximate: Callable[[Array, Array], Array]
    preconditioner: Callable[[int], Preconditioner]


@dataclass(frozen=True)
class Optima:
    """Optima of a block of columns.

    Parameters
    ----------
    changes : ndarray of shape (p, m)
        Θ_c − θ; NaN where there is no optimum.
    reached : ndarray of shape (m,)
        (∇J_cᵀ (∇²J_c)⁻¹ ∇J_c)^½ at the end.
    first : ndarray of shape (m,)
        The same before the first step.
    converged : ndarray of bool of shape (m,)
    leaves_support : ndarray of bool of shape (m,)
        Whether the active set of the estimator would be another one there.
    """

    changes: Array
    reached: Array
    first: Array
    converged: Array
    leaves_support: Array

    @property
    def relative_gradients(self) -> Array:
        """What is left of the gradient, (m,)."""
        return np.asarray(self.reached / np.where(self.first > 0, self.first, 1.0))


def find_optima(block: ColumnBlock, tolerance: float, rounding: float) -> Optima:
    """Go from the full data's optimum to each column's.

    Parameters
    ----------
    block : ColumnBlock
    tolerance : float
        Of the relative gradients.
    rounding : float
        What (∇Jᵀ (∇²J)⁻¹ ∇J)^½ can't get below.
    """
    m = block.reweighting.n_columns
    theta = block.reweighting.objective.theta.reshape(-1, 1)
    linear_map = block.reweighting.objective.linear_map
    changes = np.full((len(theta), m), np.nan)
    reached, first = np.full(m, np.nan), np.full(m, np.nan)
    columns = np.flatnonzero(block.determined)
    if len(columns):
        asked = block.reweighting.take(columns)
        gradients = asked.gradient_changes()
        steps = block.approximate(columns, gradients)
        first[columns] = decrement(linear_map, gradients, steps)
        targets = tolerance * first + rounding
        start = asked.prescribed - steps
        changes[:, columns], reached[columns] = start, first[columns]
        # Most rows of a loss with kinks have no multiplier, and nothing changes without them.
        idle = block.reweighting.objective.loss.kinked & (first[columns] <= rounding)
        slow = _chord(block, columns[~idle], changes, start[:, ~idle], reached, targets)
        one_by_one = ((1, column) for column in slow)
        for column in track(one_by_one, len(slow), "refits by Newton's method"):
            own = block.reweighting.alone(column)
            good = reached[column] < first[column]
            start = theta + (changes[:, [column]] if good else own.prescribed)
            # Without a penalty rows may go that kept classes from being separable. The gradient
            # vanishes on the way to infinity too, so only rounding shows where that leads.
            free = own.objective.penalty.is_zero
            minimise = screened_minimise if own.objective.loss.kinked else newton_minimise
            minimum = minimise(
                own, start, block.preconditioner(column), rounding if free else targets[column]
            )
            if own.objective.loss.smoothed and not minimum.reached <= targets[column]:
                cooled = cooled_minimise(own, theta + own.prescribed, targets[column])
                minimum = cooled if cooled.reached < minimum.reached else minimum
            lost = free and minimum.last_move > STILL_MOVING
            changes[:, [column]] = np.nan if lost else minimum.theta - theta
            reached[column] = minimum.reached
    undetermined = np.isnan(changes).any(axis=0)
    converged = undetermined | (reached <= tolerance * first + rounding)
    leaves = leaves_support(block.reweighting.objective, block.reweighting, changes)
    return Optima(changes, reached, first, converged, leaves)


def _chord(
    block: ColumnBlock,
    columns: Array,
    changes: Array,
    start: Array,
    reached: Array,
    targets: Array,
) -> list[int]:
    """Step until every column converges or is too slow; returns those, at their best."""
    theta = block.reweighting.objective.theta.reshape(-1, 1)
    linear_map = block.reweighting.objective.linear_map
    changes[:, columns] = start
    previous = np.full(len(targets), np.inf)
    last_steps = np.zeros_like(changes)
    slow: list[int] = []
    for _ in up_to(MOST_STEPS, "refits, chord steps"):
        if not len(columns):
            break
        gradients = block.reweighting.take(columns).gradients(theta + changes[:, columns])
        with np.errstate(invalid="ignore", over="ignore"):
            steps = block.approximate(columns, gradients)
            size = decrement(linear_map, gradients, steps)
        done = size <= targets[columns]
        reached[columns] = size
        stuck = ~done & ~(size <= SLOWEST_CONTRACTION * previous[columns])
        worse = stuck & ~(size <= previous[columns])
        changes[:, columns[worse]] += last_steps[:, columns[worse]]
        reached[columns[worse]] = previous[columns[worse]]
        slow += columns[stuck].tolist()
        # The step at hand costs nothing more, so converged columns take it too.
        changes[:, columns[~stuck]] -= steps[:, ~stuck]
        last_steps[:, columns] = steps
        previous[columns] = size
        columns = columns[~done & ~stuck]
    return slow + columns.tolist()
