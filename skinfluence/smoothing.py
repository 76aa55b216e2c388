"""The optimum of the smooth objective that stands in for one with kinks.

A hinge model's own parameters are no optimum of the smoothed objective: rows on the kink lie
anywhere within its width, so slopes and curvature there say little of the multipliers that
hold the model in place. At the smooth optimum next to it slopes are multipliers, and everything
asked of it (first order, removal, refits) is consistent. The two optima differ by the order of the
temperature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .exceptions import warn_user
from .losses import Loss
from .minimise import decrement, newton_minimise
from .objective import Objective
from .optimality import resampled_gradients
from .reweighting import unchanged
from .screening import screened_minimise
from .solvers import Auto, InverseHessian, Solver, SolverContext

# Of the gradient, in units of the rows' sampling noise: what is aimed at, and what is warned of.
TOLERANCE = 1e-10
TOO_FAR = 1e-4
# The optimum at one temperature is a good start for one so much lower; at 1 every row has
# curvature.
COOLING = 10.0**0.5
HOT = 1.0
# In the same units: of the optima on the way to the lowest temperature. From further away, no row
# may be left with curvature at the next, and so the intercept with none.
ON_THE_WAY = 1e-3


def smooth_optimum(objective: Objective, solver: Solver, context: SolverContext) -> Objective:
    """Go from the fitted parameters to the optimum of the smooth objective.

    Parameters
    ----------
    objective : Objective
        At the estimator's parameters, with a loss that is ``smoothed``.
    solver, context
        What makes inverses of its Hessian.

    Returns
    -------
    Objective
        At its own optimum.

    Warns
    -----
    ConvergenceWarning
        Where that is not reached.
    """
    inverse = solver.factor(objective.hessian(), context)
    scale = sampling_noise(objective, inverse, context.random_state)
    start = objective.theta.reshape(-1, 1)
    minimum = screened_minimise(unchanged(objective), start, inverse, TOLERANCE * scale)
    if not minimum.reached <= TOO_FAR * scale:
        warn_user(
            f"The optimum of the smoothed objective was not found: the gradient is "
            f"{minimum.reached / scale:.1e} of the sampling noise, asked was {TOLERANCE:.0e}. "
            "Raise smoothing, or the estimator's penalty.",
            ConvergenceWarning,
        )
    return replace(objective, theta=minimum.theta.reshape(objective.theta.shape))


def sampling_noise(objective: Objective, inverse: InverseHessian, random_state: int) -> float:
    """What tolerances of ∇J are measured in: the norm by (∇²J)⁻¹ of what resampling makes of it.

    The root mean square over a few resamplings of the rows.
    """
    noise = resampled_gradients(objective, random_state)
    size = decrement(objective.linear_map, noise, inverse.estimate(noise))
    return float(np.sqrt(np.mean(size**2)))


@dataclass(frozen=True)
class Annealed:
    """Where the descent over ever lower temperatures ended.

    Parameters
    ----------
    objective : Objective
        At the parameters found.
    share : float
        The gradient there relative to the sampling noise.
    n_steps : int
        Newton steps, of all temperatures.
    """

    objective: Objective
    share: float
    n_steps: int


def anneal(objective: Objective, tolerance: float, max_steps: int) -> Annealed:
    """Go from anywhere to the optimum of an objective whose loss has a low temperature.

    At a low temperature few rows have curvature, and Newton's method finds its way from nearby.

    Parameters
    ----------
    objective : Objective
        Of a loss with a ``temperature``.
    tolerance : float
        Of the gradient, relative to the rows' sampling noise.
    max_steps : int
        Of all temperatures together.

    Returns
    -------
    Annealed

    Raises
    ------
    SingularHessianError
        Where a kernel with negative eigenvalues leads nowhere.
    """
    asked: Loss = objective.loss
    lowest = asked.temperature  # type: ignore[attr-defined]
    n_steps = 0
    for temperature in cooling(lowest):
        loss = replace(asked, temperature=temperature)  # type: ignore[type-var]
        rough = max(tolerance, ON_THE_WAY) if temperature > lowest else tolerance
        found = _descend(replace(objective, loss=loss), rough, max_steps - n_steps)
        objective, n_steps = found.objective, n_steps + found.n_steps
    return replace(found, n_steps=n_steps)


def cooling(temperature: float) -> list[float]:
    """Temperatures from 1 down to this one, or this one alone if it is higher."""
    n_more = max(0, int(np.ceil(np.log(HOT / temperature) / np.log(COOLING) - 1e-9)))
    return [*np.geomspace(HOT, temperature, n_more + 1)[:-1].tolist(), temperature]


def _descend(objective: Objective, tolerance: float, max_steps: int) -> Annealed:
    """To the optimum at one temperature."""
    n_steps = 0
    while True:
        inverse = Auto().factor(objective.hessian(), SolverContext())
        noise = sampling_noise(objective, inverse, random_state=0)
        start, target = objective.theta.reshape(-1, 1), tolerance * noise
        minimum = newton_minimise(unchanged(objective), start, None, target, max_steps - n_steps)
        objective = replace(objective, theta=minimum.theta.reshape(objective.theta.shape))
        n_steps += minimum.n_steps
        # The noise is that at the start: where steps led away from there it is measured anew.
        if minimum.n_steps == 0 or minimum.reached > target:
            return Annealed(objective, minimum.reached / noise if noise else 0.0, n_steps)


def sharp_optimum(
    fitted: Objective, solver: Solver, context: SolverContext
) -> tuple[Objective, InverseHessian]:
    """The same for refits, which take a temperature that is next to none.

    Parameters
    ----------
    fitted : Objective
        At the estimator's parameters, with a loss that is ``smoothed``.
    solver, context
        What makes inverses of its Hessian.

    Returns
    -------
    Objective
    InverseHessian
        There.
    """
    sharp = replace(fitted, loss=fitted.loss.sharpened())
    objective = smooth_optimum(sharp, solver, context)
    return objective, solver.factor(objective.hessian(), context)
