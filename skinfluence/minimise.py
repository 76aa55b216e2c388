"""One column's optimum by Newton's method with a line search: for removals that change much.

Directions come from the dual system of the column's Hessian at the current parameters, where few
rows have curvature; else from conjugate gradients, preconditioned with a factor that is at hand.
Along a direction u = jvp(d) the slope

    φ'(α) = Σ_i s'_i r(z_i + α u_i) · u_i + ω ⟨∇Ω(θ + α d), d⟩

increases (J_c is convex) and costs no product with X, so the step goes to where it vanishes: for
each output by itself, where the loss is a sum over outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
from scipy.optimize import brentq
from scipy.sparse.linalg import LinearOperator

from .curvature import Array
from .exceptions import SingularHessianError
from .losses import Loss
from .operators import HessianOperator
from .predictors import LinearMap
from .progress import up_to
from .reweighting import Reweighting
from .solvers import Auto, InverseHessian, SolverContext
from .solvers.base import TYPICAL_ITERATIONS
from .solvers.dual import DualInverse
from .solvers.preconditioners import run_cg
from .solvers.support import NOT_POSITIVE

EVERY_ROW = slice(None)
# Of its typical size, a square below minus this is no rounding.
NEGATIVE = 1e-9
MAX_STEPS = 100
MAX_CG_STEPS = 500
# Where there is next to no curvature steps are next to infinite: none moves a decision value
# further than so many times the largest.
FARTHEST = 10.0
ROUNDING = 1e-14
PUSH = 1e60
# Rounding, or no optimum at all, where so many steps have not made the gradient smaller.
PATIENCE = 20
# A step is taken whole where the slope there has not turned uphill by more than this share.
UPHILL = 0.1


class Preconditioner(Protocol):
    """What a direction needs of an inverse Hessian."""

    def precondition(self, right_hand_sides: Array) -> Array: ...


@dataclass(frozen=True)
class Minimum:
    """Where Newton's method ended.

    Parameters
    ----------
    theta : ndarray of shape (p, 1)
    reached : float
        (∇J_cᵀ P ∇J_c)^½ there.
    last_move : float
        The largest move of a training row's decision value by the last step: next to nothing at
        an optimum, but as large as ever on the way to one at infinity.
    n_steps : int
    """

    theta: Array
    reached: float
    last_move: float
    n_steps: int

    def after(self, n_steps: int) -> Minimum:
        """The same with so many steps in all."""
        return replace(self, n_steps=n_steps)


def newton_minimise(
    reweighting: Reweighting,
    theta: Array,
    inverse: Preconditioner | None,
    target: float,
    max_steps: int = MAX_STEPS,
    rows: Any = EVERY_ROW,
    rest: Array | float = 0.0,
) -> Minimum:
    """Minimise one column's objective.

    Parameters
    ----------
    reweighting : Reweighting
        Of one column.
    theta : ndarray of shape (p, 1)
        Where to start.
    inverse : InverseHessian, column inverse or None
        Preconditioner P; None where there is none, and every step solves for itself.
    target : float
        Of (∇J_cᵀ P ∇J_c)^½.
    max_steps : int
        0 measures where it starts.
    rows : slice or ndarray of int
        Rows whose residuals may change on the way.
    rest : ndarray of shape (p, 1)
        What the others, held as they are, have in the gradient.

    Returns
    -------
    Minimum
    """
    objective = reweighting.objective
    penalty = objective.penalty.scaled(float(reweighting.penalty_scale[0]))
    linear_map, y = objective.linear_map.take(rows).as_float64(), objective.y[rows]
    every = reweighting.weights(0)
    weights, total_weight = every[rows], float(every.sum()) * linear_map.constant
    best, reached, first, since, last_move = theta, np.inf, None, 0, 0.0
    values = linear_map.jvp(theta)[:, :, 0]
    held = np.broadcast_to(rest, theta.shape).reshape(objective.theta.shape)
    # From kink to kink the gradient's length goes up and down; only the objective always falls.
    patience = max_steps if objective.loss.kinked else PATIENCE
    for n_steps in up_to(max_steps + 1, "Newton's method, steps"):
        at = theta.reshape(objective.theta.shape)
        residuals = weights * objective.loss.residual(y, values)
        gradient = penalty.gradient(at).reshape(-1, 1) + rest
        gradient = gradient + linear_map.vjp(residuals[:, :, None])
        if objective.loss.kinked and linear_map.constant:
            # Where multipliers are at their bounds the intercept's gradient is 0 or rounding, and
            # its curvature no more than that.
            constants = gradient.reshape(*objective.theta.shape)[-1]
            constants[np.abs(constants) <= ROUNDING * total_weight] = 0.0
        curvature = objective.loss.curvature(y, values).scaled(weights)
        hessian = HessianOperator.of_penalty(linear_map, curvature, penalty, at)
        direct = _direct(hessian, inverse)
        if direct is not None:
            moved = direct.estimate(gradient)
            _push(moved.reshape(*objective.theta.shape), gradient, linear_map)
        else:
            moved = cast(Preconditioner, inverse).precondition(gradient)
        squared = float(linear_map.inner(gradient, moved)[0])
        _require_positive(linear_map, squared, gradient, moved)
        size = float(np.sqrt(abs(squared)))
        since = 0 if size < reached else since + 1
        if size < reached:
            best, reached = theta, size
        first = size if first is None else first
        if not target < size < np.inf or since > patience or n_steps == max_steps:
            break
        direction = -moved
        if direct is None and inverse is not None:
            # Quadratic convergence asks for directions as exact as the gradient is small.
            tolerance = min(0.1, max(size / first, target / size))
            direction = newton_direction(hessian, gradient, inverse, tolerance)
        moves = linear_map.jvp(direction)[:, :, 0]
        shorter = _shorter(values, moves, curvature.separable)
        along = direction.reshape(objective.theta.shape) * shorter
        moves = moves * shorter
        inner = linear_map.with_outputs(1).inner
        steady = penalty.slope_along(at, along, inner), inner(held, along)
        line = _Line(objective.loss, y, weights, values, moves, *steady)
        lengths = line.step_lengths(curvature.separable)
        if not lengths.any():
            break
        theta = theta + (lengths * along).reshape(theta.shape)
        values = values + lengths * moves
        last_move = float(np.abs(lengths * moves).max(initial=0.0))
    return Minimum(best, float(reached), last_move, n_steps)


def decrement(linear_map: LinearMap, gradients: Array, moved: Array) -> Array:
    """(gᵀ P g)^½ of each column, for P g at hand."""
    # Negative by rounding alone; taken for 0 it would be taken for an optimum.
    return np.sqrt(np.abs(linear_map.inner(gradients, moved)))


def _push(moved: Array, gradient: Array, linear_map: LinearMap) -> None:
    """Move intercepts that have a gradient and no curvature: as far as steps go, in place."""
    if linear_map.constant and not linear_map.fixed_constant:
        slope = gradient.reshape(moved.shape)[-1]
        stuck = (moved[-1] == 0) & (slope != 0)
        moved[-1, stuck] = PUSH * slope[stuck]


def _shorter(values: Array, moves: Array, separable: bool) -> Array:
    """Factors that keep steps within reach, of each output or of all together."""
    axis = 0 if separable else None
    limit = FARTHEST * (1.0 + np.abs(values).max(axis=axis, keepdims=True, initial=0.0))
    largest = np.abs(moves).max(axis=axis, keepdims=True, initial=0.0)
    return np.asarray((limit / np.maximum(largest, limit)).reshape(-1))


def _require_positive(linear_map: LinearMap, squared: float, gradient: Array, moved: Array) -> None:
    """A gradient of negative squared length is no small one: the kernel is indefinite."""
    if not linear_map.implicit or not linear_map.n_rows:
        return
    typical = float(np.abs(linear_map.gram_diagonal(np.ones(linear_map.n_inputs))).mean())
    size = np.linalg.norm(gradient) * np.linalg.norm(moved) * typical
    if squared < -NEGATIVE * size:
        raise SingularHessianError(NOT_POSITIVE)


def _direct(hessian: HessianOperator, inverse: Preconditioner | None) -> InverseHessian | None:
    """The exact inverse, where that is no dearer than iterations, or the only way."""
    if hessian.implicit:
        return DualInverse(hessian)
    if inverse is None:
        return Auto().factor(hessian, SolverContext())
    iterations = TYPICAL_ITERATIONS * hessian.product_operations()
    pays = hessian.has_dual and hessian.dual_operations() <= iterations
    return DualInverse(hessian) if pays else None


def newton_direction(
    hessian: HessianOperator, gradient: Array, inverse: Preconditioner, tolerance: float
) -> Array:
    """−(∇²J)⁻¹ g by CG, scaled to a unit diagonal: no tolerance depends on the features' units."""
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


@dataclass(frozen=True)
class _Line:
    """The column's objective along a direction.

    Parameters
    ----------
    loss : Loss
    y, weights, values : ndarray
        Of the rows, at the start.
    moves : ndarray of shape (rows, K)
        By the whole step.
    penalty_slope : callable
        length → that of Ω, (K,).
    rest : ndarray of shape (K,)
        That of what doesn't change along the line.
    """

    loss: Loss
    y: Array
    weights: Array
    values: Array
    moves: Array
    penalty_slope: Callable[[float], Array]
    rest: Array

    def step_lengths(self, separable: bool) -> Array:
        """Of each output, (K,), or of all together where the loss couples them, (1,)."""
        n_outputs = self.moves.shape[1]
        if not separable:
            return np.array([self._step_length(slice(0, n_outputs))])
        return np.array([self._step_length(slice(k, k + 1)) for k in range(n_outputs)])

    def _step_length(self, outputs: slice) -> float:
        """1 where the whole step is good, 0 where rounding leaves no descent."""
        slope = self._slope(outputs)
        start, end = slope(0.0), slope(1.0)
        if not start < 0.0:
            return 0.0
        if end <= -UPHILL * start:
            return 1.0
        # Where there is next to no curvature, Newton's step may be longer by many orders.
        return float(brentq(slope, 0.0, 1.0, xtol=1e-30, rtol=1e-2, maxiter=500))

    def _slope(self, outputs: slice) -> Callable[[float], float]:
        """φ' of some of the outputs."""
        y, weights, loss = self.y, self.weights, self.loss
        values, moves = self.values[:, outputs], self.moves[:, outputs]
        if moves.shape[1] < self.moves.shape[1]:
            y, loss = y[:, outputs], loss.of_outputs(outputs)
            weights = weights if weights.shape[1] == 1 else weights[:, outputs]
        weighted = weights * moves
        rest = float(self.rest[outputs].sum())

        def slope(length: float) -> float:
            residuals = loss.residual(y, values + length * moves)
            pull = float(self.penalty_slope(length)[outputs].sum())
            return float((residuals * weighted).sum()) + pull + rest

        return slope
