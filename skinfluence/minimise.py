"""One column's optimum by Newton's method with a line search: for removals that change much.

Directions come from conjugate gradients on the column's Hessian at the current parameters,
preconditioned with a factor that is at hand. Along a direction u = jvp(d) the slope

    φ'(α) = Σ_i s'_i r(z_i + α u_i) · u_i + ω ∇Ω(θ + α d) · d

increases (J_c is convex) and costs no product with X, so the step goes to where it vanishes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from scipy.optimize import brentq
from scipy.sparse.linalg import LinearOperator

from .curvature import Array
from .objective import Objective
from .operators import HessianOperator
from .predictors import LinearMap
from .reweighting import Reweighting
from .solvers.preconditioners import run_cg

MAX_STEPS = 100
MAX_CG_STEPS = 500
# Rounding, or no optimum at all, where so many steps have not made the gradient smaller.
PATIENCE = 20
# A step is taken whole where the slope there has not turned uphill by more than this share.
UPHILL = 0.1


class Preconditioner(Protocol):
    """What a direction needs of an inverse Hessian."""

    def precondition(self, right_hand_sides: Array) -> Array: ...


def newton_minimise(
    reweighting: Reweighting, theta: Array, inverse: Preconditioner, target: float
) -> tuple[Array, float, float]:
    """Minimise one column's objective.

    Parameters
    ----------
    reweighting : Reweighting
        Of one column.
    theta : ndarray of shape (p, 1)
        Where to start.
    inverse : InverseHessian or column inverse
        Preconditioner P.
    target : float
        Of (∇J_cᵀ P ∇J_c)^½.

    Returns
    -------
    theta : ndarray of shape (p, 1)
    float
        What was reached.
    float
        The largest move of a training row's decision value by the last step: next to nothing at
        an optimum, but as large as ever on the way to one at infinity.
    """
    objective = reweighting.objective
    linear_map = objective.linear_map.as_float64()
    weights, scale = reweighting.weights(0), float(reweighting.penalty_scale[0])
    best, reached, first, since, last_move = theta, np.inf, None, 0, 0.0
    for _ in range(MAX_STEPS):
        gradient = reweighting.gradients(theta)
        size = decrement(gradient, inverse.precondition(gradient))[0]
        since = 0 if size < reached else since + 1
        if size < reached:
            best, reached = theta, size
        first = size if first is None else first
        if not target < size < np.inf or since > PATIENCE:
            break
        curvature = objective.loss.curvature(objective.y, linear_map.jvp(theta)[:, :, 0])
        hessian = HessianOperator(
            linear_map, curvature.scaled(weights), scale * objective.penalty.strength
        )
        # Quadratic convergence asks for directions as exact as the gradient is small.
        tolerance = min(0.1, max(size / first, target / size))
        direction = _direction(hessian, gradient, inverse, tolerance)
        along = _Line(reweighting, theta, direction, weights, linear_map)
        length = along.step_length()
        if length == 0.0:
            break
        theta = theta + length * direction
        last_move = length * float(np.abs(along.moves).max())
    return best, float(reached), last_move


def decrement(gradients: Array, moved: Array) -> Array:
    """(gᵀ P g)^½ of each column, for P g at hand."""
    return np.sqrt(np.maximum(np.einsum("pm,pm->m", gradients, moved), 0.0))


def _direction(
    hessian: HessianOperator, gradient: Array, inverse: Preconditioner, tolerance: float
) -> Array:
    # Scaled to a unit diagonal, so that CG's tolerance doesn't depend on the features' units.
    diagonal = hessian.main_diagonal()
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 1.0)
    column = scale[:, None]

    def operator(apply: Callable[[Array], Array], scales: Array) -> LinearOperator:
        return LinearOperator(
            hessian.shape,
            matvec=lambda v: (scales * apply(scales * v.reshape(-1, 1))).reshape(-1),
            dtype=np.float64,
        )

    direction, _ = run_cg(
        operator(hessian.matmat, column),
        -scale * gradient[:, 0],
        operator(inverse.precondition, 1.0 / column),
        tolerance,
        MAX_CG_STEPS,
    )
    return np.asarray(column * direction[:, None])


class _Line:
    """The column's objective along a direction."""

    def __init__(
        self,
        reweighting: Reweighting,
        theta: Array,
        direction: Array,
        weights: Array,
        linear_map: LinearMap,
    ) -> None:
        self.objective: Objective = reweighting.objective
        self.weights = weights
        self.values = linear_map.jvp(theta)[:, :, 0]
        self.moves = linear_map.jvp(direction)[:, :, 0]
        self.scale = float(reweighting.penalty_scale[0])
        shape = self.objective.theta.shape
        self.theta, self.direction = theta.reshape(shape), direction.reshape(shape)

    def slope(self, length: float) -> float:
        """φ'."""
        objective = self.objective
        residuals = objective.loss.residual(objective.y, self.values + length * self.moves)
        pull = objective.penalty.gradient(self.theta + length * self.direction)
        data = (self.weights * residuals * self.moves).sum()
        return float(data + self.scale * (pull * self.direction).sum())

    def step_length(self) -> float:
        """1 where the whole step is good, 0 where rounding leaves no descent."""
        start, end = self.slope(0.0), self.slope(1.0)
        if not start < 0.0:
            return 0.0
        if end <= -UPHILL * start:
            return 1.0
        return float(brentq(self.slope, 0.0, 1.0, xtol=1e-12, rtol=1e-2))
