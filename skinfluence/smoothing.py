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
from .minimise import Minimum, decrement, newton_minimise
from .objective import Objective
from .optimality import resampled_gradients
from .progress import track
from .reweighting import unchanged
from .screening import cooling, screened_minimise
from .solvers import Auto, InverseHessian, Solver, SolverContext

# Of the gradient, in units of the rows' sampling noise: what is aimed at, and what is warned of.
TOLERANCE = 1e-10
TOO_FAR = 1e-4
# At a temperature of 1 every row has curvature.
HOT = 1.0
# A temperature so much higher is hot enough for parameters that are not at the optimum.
HOTTER = 1000.0
# Squares of the sampling noise beyond so many times the objective itself are no noise.
CREDIBLE = 10.0
MOST_STEPS = 500
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
    minimum = None
    if credible(objective, scale):
        minimum = _nearest(objective, inverse, scale)
    if minimum is None or minimum.reached > TOO_FAR * scale:
        temperature = objective.loss.temperature  # type: ignore[attr-defined]
        objective = anneal(objective, TOLERANCE, MOST_STEPS, HOTTER * temperature).objective
        inverse = solver.factor(objective.hessian(), context)
        scale = sampling_noise(objective, inverse, context.random_state)
        minimum = _nearest(objective, inverse, scale)
    if not (minimum.reached <= TOO_FAR * scale and credible(objective, scale)):
        warn_user(
            f"The optimum of the smoothed objective was not found: the gradient is "
            f"{minimum.reached / scale:.1e} of the sampling noise, asked was {TOLERANCE:.0e}. "
            "Raise smoothing, or the estimator's penalty.",
            ConvergenceWarning,
        )
    return replace(objective, theta=minimum.theta.reshape(objective.theta.shape))


def _nearest(objective: Objective, inverse: InverseHessian, scale: float) -> Minimum:
    start = objective.theta.reshape(-1, 1)
    return screened_minimise(unchanged(objective), start, inverse, TOLERANCE * scale)


def credible(objective: Objective, noise: float) -> bool:
    """Whether rows are near enough to kinks for the Hessian to say how far noise moves anything.

    By half the square of its size resampling would lower the objective, which is never negative.
    Of parameters that are further from the optimum than the width of a kink no row may have any
    curvature, and every gradient would look small.
    """
    return bool(noise**2 <= CREDIBLE * objective.value())


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


def anneal(
    objective: Objective, tolerance: float, max_steps: int, hottest: float = HOT
) -> Annealed:
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
    hottest : float
        The temperature to begin with.

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
    temperatures = cooling(lowest, hottest)
    each = ((1, temperature) for temperature in temperatures)
    for temperature in track(each, len(temperatures), "smoothing, temperatures"):
        loss = asked.at_temperature(temperature)
        rough = max(tolerance, ON_THE_WAY) if temperature > lowest else tolerance
        found = _descend(replace(objective, loss=loss), rough, max_steps - n_steps)
        objective, n_steps = found.objective, n_steps + found.n_steps
    return replace(found, n_steps=n_steps)


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
    fitted: Objective, smooth: Objective, solver: Solver, context: SolverContext
) -> tuple[Objective, InverseHessian]:
    """The same for refits, which take a temperature that is next to none.

    Parameters
    ----------
    fitted : Objective
        At the estimator's parameters, with a loss that is ``smoothed``.
    smooth : Objective
        At the optimum of that.
    solver, context
        What makes inverses of its Hessian.

    Returns
    -------
    Objective
    InverseHessian
        There.
    """
    sharp = replace(fitted, loss=fitted.loss.sharpened())
    noise = sampling_noise(sharp, solver.factor(sharp.hessian(), context), context.random_state)
    if not credible(sharp, noise):
        # The estimator has stopped too far from its optimum: cool down from the smooth one.
        sharp = replace(smooth, loss=sharp.loss)
    objective = smooth_optimum(sharp, solver, context)
    return objective, solver.factor(objective.hessian(), context)
