"""Optima of losses with kinks, over the rows near a kink alone.

Away from its kinks such a loss is a straight line: its residual there is a constant, whatever the
decision value. So Newton's method needs the rows within reach of a kink only, and what all others
have in the gradient once. Whether they did stay away is checked at the end, by all rows; those that
didn't join in.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .curvature import Array
from .minimise import EVERY_ROW, Minimum, Preconditioner, newton_minimise
from .reweighting import Reweighting

# Rows join in whose kink is within so many times what decision values have moved so far.
REACH = 2.0
MOST_ROUNDS = 10
# Residuals are of the order of 1; a change below this is rounding.
ROUNDING = 1e-13
# Multipliers closer to a bound than this are there.
AT_BOUND = 1e-6
# The optimum at one temperature is a good start for one so much lower.
COOLING = 10.0**0.5
# How much hotter to begin where a column's own optimum is not near.
HOTTER = 1000.0


def cooling(temperature: float, hottest: float) -> list[float]:
    """Temperatures from the hottest down to this one, or this one alone if it is higher."""
    n_more = max(0, int(np.ceil(np.log(hottest / temperature) / np.log(COOLING) - 1e-9)))
    return [*np.geomspace(hottest, temperature, n_more + 1)[:-1].tolist(), temperature]


def cooled_minimise(reweighting: Reweighting, theta: Array, target: float) -> Minimum:
    """Minimise one column's objective from afar: by ever lower temperatures, without a factor.

    Parameters
    ----------
    reweighting, theta, target
        As in ``screened_minimise``.

    Returns
    -------
    Minimum
    """
    loss, n_steps = reweighting.objective.loss, 0
    lowest = loss.temperature  # type: ignore[attr-defined]
    for temperature in cooling(lowest, HOTTER * lowest)[:-1]:
        warmer = loss.at_temperature(temperature)
        objective = replace(reweighting.objective, loss=warmer)
        found = newton_minimise(replace(reweighting, objective=objective), theta, None, target)
        theta, n_steps = found.theta, n_steps + found.n_steps
    found = screened_minimise(reweighting, theta, None, target)
    return found.after(n_steps + found.n_steps)


def screened_minimise(
    reweighting: Reweighting, theta: Array, inverse: Preconditioner | None, target: float
) -> Minimum:
    """Minimise one column's objective, as ``newton_minimise`` does, with few of its rows.

    Parameters
    ----------
    reweighting, theta, inverse, target
        As there. Near the optimum of all rows is a good place to start.

    Returns
    -------
    Minimum
    """
    objective = reweighting.objective
    loss, y = objective.loss, objective.y
    linear_map, weights = objective.linear_map.as_float64(), reweighting.weights(0)
    values = linear_map.jvp(theta)[:, :, 0]
    moved = float(np.abs(values - objective.training_values).max(initial=0.0))
    near = ~loss.settled(y, values, REACH * moved)
    n_steps = 0
    for _ in range(MOST_ROUNDS):
        if 2 * near.sum() > len(near):
            break
        held = loss.residual(y, values)
        far = np.where(near[:, None], 0.0, weights * held)
        rest = linear_map.vjp(far[:, :, None])
        rows = np.flatnonzero(near)
        found = newton_minimise(reweighting, theta, inverse, target, rows=rows, rest=rest)
        n_steps += found.n_steps
        before, theta = values, found.theta
        values = linear_map.jvp(theta)[:, :, 0]
        changed = (np.abs(loss.residual(y, values) - held) > ROUNDING).any(axis=1) & ~near
        if not changed.any():
            return _centred(found, reweighting, values, weights).after(n_steps)
        moved = max(moved, float(np.abs(values - before).max()))
        near |= changed | ~loss.settled(y, values, REACH * moved)
    found = newton_minimise(reweighting, theta, inverse, target, rows=EVERY_ROW)
    values = linear_map.jvp(found.theta)[:, :, 0]
    return _centred(found, reweighting, values, weights).after(n_steps + found.n_steps)


def _centred(found: Minimum, reweighting: Reweighting, values: Array, weights: Array) -> Minimum:
    """Where all multipliers are at their bounds a free intercept has room: put it in the middle.

    That is where the smooth optimum tends to as the temperature falls, too far down the tails to be
    seen there, and what libsvm does.
    """
    objective, linear_map = reweighting.objective, reweighting.objective.linear_map
    strength = objective.penalty.strength
    free = linear_map.constant and not linear_map.fixed_constant and not strength[-1].any()
    if not (free and objective.loss.smoothed):
        return found
    theta = found.theta.reshape(objective.theta.shape).copy()
    distances = objective.loss.kinks(objective.y, values)
    distances[~np.broadcast_to(weights > 0, values.shape)] = np.nan
    residuals = np.where(weights > 0, objective.loss.residual(objective.y, values), 0.0)
    held = np.abs(residuals - np.round(residuals)).max(axis=0, initial=0.0) > AT_BOUND
    for output in np.flatnonzero(~held):
        below = distances[:, output][np.isfinite(distances[:, output])]
        up, down = below[below > 0], -below[below < 0]
        if len(up) and len(down):
            theta[-1, output] += 0.5 * (up.min() - down.min()) / linear_map.constant
    return replace(found, theta=theta.reshape(found.theta.shape))
