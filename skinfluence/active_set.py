"""The active set of an L1 penalty: which parameters are not 0, held fixed with their signs.

On it the objective is smooth. It is that of the whole model as long as

    sign θ_j stays            for j in the set,
    |∂_j Σ s_i ℓ_i| ≤ l1_j    for j outside        (‖·‖ over outputs, where they are grouped),

which is checked of every set of parameters that a removal leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np

from .blocks import bounded, row_blocks
from .curvature import Array
from .exceptions import NotStationaryWarning, warn_user
from .exchanges import Exchanges
from .objective import Objective, Outside
from .penalties import L2
from .progress import tracked_blocks
from .reweighting import Reweighting, unchanged

# Shares of l1 by which a gradient may exceed it, for solvers that stop at a tolerance.
SLACK = 1e-6
# And those beyond which it is no longer a matter of its tolerance.
TOO_STEEP = 1.05
# Arrays of the size of all parameters that a check of the support holds for each column.
COPIES = 6
# How many times as far as to first order slopes may move before a row is in doubt; how many rows
# for each parameter make it worth while to know; and the memory for it.
FARTHER, FEWEST, SCREEN_BYTES = 2.0, 2, 1 << 28


def leaves_support(objective: Objective, reweighting: Reweighting, changes: Array) -> Array:
    """Columns whose own optimum has another support, or other signs, (m,).

    Parameters
    ----------
    objective : Objective
        Of the active set.
    reweighting : Reweighting
        The columns.
    changes : ndarray of shape (p, m)
        Of the parameters; NaN counts as no change of the support.
    """
    outside = objective.outside
    m = changes.shape[1]
    if outside is None:
        return np.zeros(m, dtype=bool)
    leaving = np.zeros(m, dtype=bool)
    # Of all features, not of those in the set alone: a few columns at a time.
    for block in row_blocks(m, COPIES * 8 * outside.bounds.size):
        some = reweighting.take(np.arange(m)[block])
        leaving[block] = _leave(objective, outside, some, changes[:, block])
    return leaving & ~np.isnan(changes).any(axis=0)


def _leave(
    objective: Objective, outside: Outside, reweighting: Reweighting, changes: Array
) -> Array:
    theta = _parameters(objective, outside, changes)
    slopes = _slopes(objective, outside, reweighting, theta)
    bounds = reweighting.penalty_scale * outside.bounds[:, :, None]
    if outside.grouped:
        bounds = bounds[:, :1]
        at_zero = _slopes_at_zero(objective, outside, reweighting, theta, slopes)
        held = (outside.inside & (outside.bounds > 0))[:, :1]
        leaving = np.linalg.norm(at_zero, axis=1, keepdims=True) <= bounds
        slopes = np.linalg.norm(slopes, axis=1, keepdims=True)
    else:
        held = outside.inside & (outside.bounds > 0)
        leaving = np.sign(theta) != outside.signs[:, :, None]
    entering = np.abs(slopes) > bounds * (1.0 + SLACK)
    out = ~outside.inside[:, : slopes.shape[1]]
    moved = (leaving & held[:, :, None]) | (entering & out[:, :, None])
    return np.asarray(moved.any(axis=(0, 1)))


def _slopes_at_zero(
    objective: Objective, outside: Outside, reweighting: Reweighting, theta: Array, slopes: Array
) -> Array:
    """Of groups whose parameters alone are 0 instead, (q, K, m): if no more than l1, they stay 0.

    Losses with groups are squared errors, whose B_i is b_i I.
    """
    linear_map, m = objective.linear_map, theta.shape[2]
    bends = np.zeros((linear_map.n_inputs, m))
    for rows in row_blocks(objective.n_rows, 8 * (linear_map.stored_inputs + 3 * m)):
        weights = np.ones((len(objective.y[rows]), objective.weights.values.shape[1], m))
        reweighting.weigh(weights, rows)
        weights = weights[:, 0] * objective.row_curvature(rows).to_dense()[:, 0, :1]
        bends += (linear_map.take(rows).inputs() ** 2).T @ weights
    if isinstance(reweighting, Exchanges) and reweighting.arrivals is not None:
        coming = reweighting.arriving_curvature().to_dense()[:, 0, :1]
        bends += (reweighting.arriving_map.inputs() ** 2 * coming).T
    at_zero = slopes.copy()
    used = outside.columns_of(objective.predictor)
    at_zero[used] -= bends[:, None, :] * theta[used]
    return at_zero


def _parameters(objective: Objective, outside: Outside, changes: Array) -> Array:
    """Of the whole model, (q, K, m)."""
    width, m = objective.theta.shape[1], changes.shape[1]
    moved = objective.theta.reshape(-1, 1) + np.nan_to_num(changes)
    theta = np.zeros((*outside.bounds.shape, m))
    used = outside.columns_of(objective.predictor)
    theta[used] = moved.reshape(len(used), width, m)
    flat = outside.predictor.flat
    for j in [] if flat is None else np.flatnonzero(flat & outside.bounds.any(axis=1)):
        # Any shift that leaves half of them positive is as good: one in the middle, if any is.
        above, below = theta[j, outside.signs[j] > 0], theta[j, outside.signs[j] < 0]
        theta[j] -= 0.5 * (above.min(axis=0) + below.max(axis=0))
    return theta


def _slopes(
    objective: Objective, outside: Outside, reweighting: Reweighting, theta: Array
) -> Array:
    """Slopes of Σ s_i ℓ_i, (q, K, m)."""
    whole = replace(
        objective,
        predictor=outside.predictor,
        linear_map=outside.predictor.linearize(objective.linear_map.full_X),
        theta=theta[:, :, 0],
        penalty=L2(np.zeros((1, 1))),
        outside=None,
    )
    by_column = theta.reshape(-1, theta.shape[2])
    return _on(whole, reweighting).gradients(by_column).reshape(theta.shape)


def _on(whole: Objective, reweighting: Reweighting) -> Reweighting:
    """The same columns for the objective with all features."""
    reweighting = replace(reweighting, objective=whole)
    arrivals = getattr(reweighting, "arrivals", None)
    if isinstance(reweighting, Exchanges) and arrivals is not None and arrivals.linear_map:
        linear_map = whole.predictor.linearize(arrivals.linear_map.full_X)
        return replace(reweighting, arrivals=replace(arrivals, linear_map=linear_map))
    return reweighting


def warn_if_not_optimal(objective: Objective, estimator_name: str) -> None:
    """NotStationaryWarning where a coefficient that is 0 would not be at the optimum."""
    outside = objective.outside
    if outside is None:
        return
    theta = _parameters(objective, outside, np.zeros((objective.n_parameters, 1)))
    slopes = _slopes(objective, outside, unchanged(objective), theta)[:, :, 0]
    if outside.grouped:
        slopes = np.linalg.norm(slopes, axis=1, keepdims=True)
    out = ~outside.inside[:, : slopes.shape[1]]
    excess = np.abs(slopes[out]) / outside.bounds[:, : slopes.shape[1]][out]
    if (excess > TOO_STEEP).any():
        warn_user(
            f"The fitted {estimator_name} is not at the optimum of its objective on these data: "
            f"{int((excess > TOO_STEEP).sum())} coefficients are 0 that would not be, with slopes "
            f"of up to {excess.max():.2f} times what the L1 penalty holds. Likely causes: the "
            "estimator has not converged (lower tol, raise max_iter, or take another of its "
            "solvers); X, y or sample_weight are not those that it was fitted on (prefit=True); a "
            "hyper-parameter was changed since. Influence values may be wrong.",
            NotStationaryWarning,
        )


def rows_leaving_support(
    objective: Objective, rows: Array, parameter_steps: Callable[[Array], Array]
) -> Array:
    """Rows whose removal leads out of the active set, (rows,).

    Parameters
    ----------
    objective : Objective
    rows : ndarray of int
    parameter_steps : callable
        rows → changes of the parameters by each one's removal, (p, rows).
    """
    outside, leaving = objective.outside, np.zeros(len(rows), dtype=bool)
    if outside is None:
        return leaving
    screen = SlopeScreen(objective) if SlopeScreen.pays(objective, len(rows)) else None
    for block in tracked_blocks(len(rows), COPIES * 8 * outside.bounds.size, "support, rows"):
        steps, exchanges = parameter_steps(rows[block]), Exchanges(objective, rows[block])
        asked = np.arange(exchanges.n_columns)
        if screen is not None:
            asked = np.flatnonzero(screen.doubtful(exchanges, steps))
        leaves = leaves_support(objective, exchanges.take(asked), steps[:, asked])
        leaving[block][asked] = leaves
        # On this support nothing is determined, so the estimator's own is another.
        leaving[block] |= np.isnan(steps).any(axis=0)
    return leaving


class SlopeScreen:
    """Which of many rows need no check of all slopes: to first order they move far too little.

    ∂_j Σ s_i ℓ_i without row i is  g_j + (A Δθ_i)_j − s_i φ_ij (r_i + B_i φ_iᵀ Δθ_i),  A the data's
    second derivatives between all coordinates and those in the set. A row with a slope that would
    exceed its bound if it moved so many times as far is in doubt.

    Parameters
    ----------
    objective : Objective
        Of the active set.
    """

    def __init__(self, objective: Objective) -> None:
        outside = cast(Outside, objective.outside)
        self.objective, self.outside = objective, outside
        self.whole = outside.predictor.linearize(objective.linear_map.full_X)
        self.weighted = objective.weights.values * objective.residuals
        unit = np.eye(objective.n_parameters)
        self.slopes = np.zeros((outside.bounds.size, 1))
        self.bend = np.zeros((outside.bounds.size, len(unit)))
        bytes_per_row = 8 * (len(outside.bounds) + 3 * unit[0].size * outside.bounds.shape[1])
        for rows in tracked_blocks(objective.n_rows, bytes_per_row, "bounds of the support, rows"):
            block = self.whole.take(rows).as_float64()
            inner = objective.linear_map.take(rows).as_float64().jvp(unit)
            self.slopes += block.vjp(self.weighted[rows][:, :, None])
            self.bend += block.vjp(objective.curvature.take(rows).matmul(inner))

    @staticmethod
    def pays(objective: Objective, n_rows: int) -> bool:
        """Whether it costs less than to check so many rows, and fits into memory."""
        outside, p = cast(Outside, objective.outside), objective.n_parameters
        reweighs = objective.weights.class_weights_exchanged(np.array([0]), None) is not None
        small = 8 * outside.bounds.size * p <= bounded(SCREEN_BYTES)
        return n_rows > FEWEST * p and small and not (reweighs or outside.grouped)

    def doubtful(self, exchanges: Exchanges, steps: Array) -> Array:
        """Rows that are left out, with their steps (p, m): (m,)."""
        rows, outside = exchanges.rows, self.outside
        known = np.nan_to_num(steps)
        inner = self.objective.linear_map.take(rows).as_float64().own_values(known)
        bent = self.objective.curvature.take(rows).matmul(inner[:, :, None])[:, :, 0]
        lost = self.whole.take(rows).as_float64().columns(self.weighted[rows] + bent)
        change = self.bend @ known - lost
        far = np.abs(self.slopes + FARTHER * change).reshape(*outside.bounds.shape, -1)
        entering = far > exchanges.penalty_scale * outside.bounds[:, :, None]
        turned = np.sign(_parameters(self.objective, outside, steps)) != outside.signs[:, :, None]
        held = outside.inside & (outside.bounds > 0)
        moved = (entering & ~outside.inside[:, :, None]) | (turned & held[:, :, None])
        return np.asarray(moved.any(axis=(0, 1)))


def warn_if_optimum_leaves(leaves: bool) -> None:
    """NotStationaryWarning where the estimator stopped before it had its optimum's support."""
    if leaves:
        warn_user(
            "The optimum of the estimator's own objective, which kind='refit' compares with, has "
            "another support than the fitted coefficients: some are 0 that would not be, or the "
            "other way round. Refits hold the support as fitted, so most rows count as changing "
            "it. Lower the estimator's tol, raise its max_iter, or take another of its solvers.",
            NotStationaryWarning,
        )


def warn_of_support(names: list[int], what: str, verb: str = "left out") -> None:
    """Tell whose removal, or exchange, changes the support."""
    if names:
        warn_user(
            f"{len(names)} {what} (for example {names[:5]}) would change the support if they were "
            f"{verb}: a coefficient would become 0, or no longer be 0, or change its sign. Their "
            "effects are those of the model whose support and signs are held as fitted. "
            "support_changes() tells which rows they are, and verify() refits the estimator.",
            RuntimeWarning,
        )
