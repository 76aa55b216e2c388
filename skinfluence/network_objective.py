"""A network's objective: like any other, around parameters that are no optimum.

    ∇²J at θ̃, the fitted parameters, all along; residuals and decision values at θ̃ + δ, with
    δ = −(∇²J + damping)⁻¹ ∇J

Training that goes on from θ̃ moves by δ to first order whether a row is left out or not (Appendix
B of the paper): what the row makes of it is the difference to that. For one Newton step J is, as
Gauss–Newton has it, that of a model with the features ∂z_i/∂θ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .curvature import Array, Curvature
from .objective import Objective
from .predictors import NetworkMap, NetworkPredictor
from .solvers import InverseHessian
from .tangent_hessian import TangentHessian

HALVINGS = 8


@dataclass(frozen=True)
class NetworkObjective(Objective):
    """The objective of a multi-layer perceptron.

    Parameters
    ----------
    predictor : NetworkPredictor
        At the fitted parameters θ̃, around which all derivatives are taken.
    theta : ndarray of shape (p, 1)
        θ̃, or θ̃ + δ.
    second_order : bool
        Whether ∇²J has the second derivatives of decision values, or is the Gauss–Newton matrix.
    newton_share : float
        How much of δ is taken.
    """

    predictor: NetworkPredictor
    linear_map: NetworkMap
    second_order: bool = True
    newton_share: float = 0.0

    @cached_property
    def fitted_values(self) -> Array:
        """Z of the training rows at θ̃, (n, K)."""
        return self.linear_map.layers.outputs.astype(np.float64)

    def curvature_with(self, weights: Array) -> Curvature:
        """B_i at θ̃ times other weights."""
        return self.loss.curvature(self.y, self.fitted_values).scaled(weights).coupled()

    def row_curvature(self, rows: Any) -> Curvature:
        """B_i at θ̃ of some training rows, not weighted."""
        return self.loss.curvature(self.y[rows], self.fitted_values[rows]).coupled()

    def hessian(self, weights: Array | None = None, penalty_scale: float = 1.0) -> TangentHessian:
        """∇²J at θ̃, or with other row weights and so much of Ω."""
        weights = self.weights.values if weights is None else weights
        pull = None
        if self.second_order:
            # Held as the features ∂z/∂θ are: what leaves with a row is its curvature alone.
            pull = self.weights.values * self.loss.residual(self.y, self.fitted_values)
        penalty = self.penalty.scaled(penalty_scale).diagonal(self.theta)
        return TangentHessian(self.linear_map, self.curvature_with(weights), penalty, pull=pull)

    def after_newton_step(self, inverse: InverseHessian) -> NetworkObjective:
        """At θ̃ + δ."""
        gradient = self.gradient()[:, None]
        # With a factor at hand without a check of its range, of which rounding may fall out.
        iterates = bool(inverse.iterative_operations(1))
        step = inverse.solve(gradient) if iterates else inverse.estimate(gradient)
        before = self.value()
        # Where bends of the exact Hessian mislead, a whole step may lead uphill.
        for share in 0.5 ** np.arange(HALVINGS):
            moved = replace(self, theta=self.theta - share * step, newton_share=float(share))
            if moved.value() <= before:
                return moved
        return self
