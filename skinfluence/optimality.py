"""How far the fitted parameters are from the optimum of the objective.

The scale is statistical and needs no units: the Newton step to the optimum, measured in the
Hessian's norm, against the step that resampling the rows would cause,

    (∇Jᵀ (∇²J)⁻¹ ∇J)^½ / (Σ_i s_i² ∇ℓ_iᵀ (∇²J)⁻¹ ∇ℓ_i)^½ .

A converged fit is at a few hundredths at most; other X, y or weights, or changed
hyper-parameters, move the optimum by the order of one. ‖∇J‖ alone has no such scale.
The denominator is estimated with random signs: E‖Σ ε_i s_i ∇ℓ_i‖² is that sum in any norm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from .curvature import Array
from .exceptions import NotStationaryWarning, warn_user
from .objective import Objective
from .solvers import InverseHessian

TOLERANCE = 0.1
N_SIGN_VECTORS = 4
# Below this share of the decision values' own size a step is rounding, whatever the noise is.
SMALLEST_RELATIVE_STEP = 1e-6
# Below this share of a sum of as many terms with random signs, a sum is rounding.
SMALLEST_SUM = 1e-12


@dataclass(frozen=True)
class Optimality:
    """Distance of the fitted parameters from the optimum.

    Parameters
    ----------
    gradient_norm : float
        ‖∇J‖, sum convention; of the smallest subgradient where the loss has a kink.
    relative_step : float
        The Newton step to the optimum relative to the resampling noise.
    """

    gradient_norm: float
    relative_step: float

    def warn(self, estimator_name: str, *, goes_on: bool = False) -> None:
        """NotStationaryWarning when the optimum is too far away, or training could go on."""
        if self.relative_step <= TOLERANCE:
            return
        if goes_on:
            warn_user(
                f"The fitted {estimator_name} is at no minimum of its objective on these data: "
                f"||grad J|| = {self.gradient_norm:.2e}, and the Newton step from its parameters "
                f"is {self.relative_step:.2f} of the sampling noise (at most {TOLERANCE} is "
                "expected of a minimum). Effects of rows are then differences in where training "
                "goes on to from these parameters, and verify() says how good they are. For those "
                "at a minimum train it further (lower tol, raise max_iter, solver='lbfgs'). With "
                "prefit=True, check that X, y and sample_weight are those it was fitted on.",
                NotStationaryWarning,
            )
            return
        warn_user(
            f"The fitted {estimator_name} is not at the optimum of its objective on these data: "
            f"||grad J|| = {self.gradient_norm:.2e}, and the step to the optimum is "
            f"{self.relative_step:.2f} of the sampling noise (at most {TOLERANCE} is expected). "
            "Likely causes: the estimator has not converged (lower tol, raise max_iter); X, y or "
            "sample_weight are not those that it was fitted on (prefit=True); a "
            "hyper-parameter was changed since. Influence values may be wrong.",
            NotStationaryWarning,
        )


def measure_optimality(
    objective: Objective, inverse: InverseHessian, random_state: int
) -> Optimality:
    """Compare the Newton step at the fitted parameters with the resampling noise."""
    gradient = smallest_subgradient(objective)
    noise = resampled_gradients(objective, random_state)
    # A sum that should be 0 leaves rounding, of any direction: also of those in which ∇²J is
    # singular, where an iterative solver would never come to an end.
    rounding = SMALLEST_SUM * np.sqrt((noise**2).mean(axis=1))
    columns = np.column_stack([np.where(np.abs(gradient) > rounding, gradient, 0.0), noise])
    products = objective.linear_map.inner(columns, inverse.estimate(columns))
    # Negative by rounding, or by an indefinite kernel: in either case no sign of an optimum.
    products = np.abs(products)
    values = objective.training_values[:, :, None]
    bent = objective.curvature.matmul(values)
    floor = SMALLEST_RELATIVE_STEP**2 * float((values * bent).sum())
    scale = float(products[1:].mean()) + floor / TOLERANCE**2
    relative = np.sqrt(products[0] / scale) if scale > 0 else 0.0
    squared = objective.linear_map.inner(gradient[:, None], gradient[:, None])[0]
    return Optimality(float(np.sqrt(max(0.0, squared))), float(relative))


def resampled_gradients(objective: Objective, random_state: int) -> Array:
    """Σ_i ε_i s_i ∇ℓ_i for a few vectors of random signs ε, (p, m)."""
    signs = np.random.default_rng(random_state).choice(
        [-1.0, 1.0], size=(objective.n_rows, 1, N_SIGN_VECTORS)
    )
    weighted = (objective.weights.values * objective.residuals)[:, :, None]
    return objective.sum_gradients(weighted * signs)


def smallest_subgradient(objective: Objective) -> Array:
    """∇J (p,); where rows lie on a kink of the loss, the subgradient of smallest norm."""
    lower, upper = objective.loss.residual_range(objective.y, objective.training_values)
    rows, outputs = np.nonzero(upper > lower)
    if not len(rows):
        return objective.gradient(lower)
    if objective.linear_map.implicit:
        return objective.gradient(_multipliers(objective, lower, upper))
    residuals = lower.copy()
    residuals[rows, outputs] = 0.0
    smooth_part = objective.gradient(residuals)
    kinks = objective.linear_map.take(rows)
    weights = np.broadcast_to(objective.weights.values, residuals.shape)[rows, outputs]
    place = (np.arange(len(rows)), outputs)

    def gradient(slopes: Array) -> Array:
        cotangents = np.zeros((len(rows), residuals.shape[1], 1))
        cotangents[(*place, 0)] = weights * slopes
        return smooth_part + kinks.vjp(cotangents)[:, 0]

    def norm_and_slope(slopes: Array) -> tuple[float, Array]:
        total = gradient(slopes)
        along = kinks.jvp(total.reshape(-1, 1))[(*place, 0)]
        return 0.5 * float(total @ total), np.asarray(weights * along, dtype=np.float64)

    bounds = np.column_stack([lower[rows, outputs], upper[rows, outputs]])
    start = np.clip(objective.residuals, lower, upper)[rows, outputs]
    best = minimize(norm_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return gradient(best.x)


def _multipliers(objective: Objective, lower: Array, upper: Array) -> Array:
    """The subgradients nearest to stationarity, (n, K): each has a coefficient of its own.

    At an optimum s r + λθ = 0 for the coefficients θ of the kernel at each row.
    """
    pull = objective.penalty.gradient(objective.theta)[: objective.n_rows]
    weights = np.broadcast_to(objective.weights.values, pull.shape)
    wanted = np.divide(-pull, weights, out=np.zeros_like(pull), where=weights > 0)
    return np.clip(wanted, lower, upper)
