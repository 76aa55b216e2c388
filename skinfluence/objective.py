"""The objective that a fitted estimator minimises: loss × predictor × penalty.

    J(θ) = Σ_i s_i ℓ(y_i, z_i) + Ω(θ),   z_i = f(x_i; θ) ∈ R^K
    ∇J  = vjp(s · r) + ∇Ω
    ∇²J = vjp(s · B · jvp(·)) + ∇²Ω        (models linear in their parameters)

Everything is in the sum convention. The paper's risk is R = J / n.

An estimator that sets its penalty against the mean of the losses has, as a sum, an Ω that
grows with the rows. At the fitted parameters that makes no difference; when rows go or change
their weight, ``penalty_scale`` says what becomes of Ω.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from .coding import TargetCoding
from .curvature import Array, Curvature
from .losses import Loss, MeasuredLoss
from .operators import HessianOperator
from .penalties import L2
from .predictors import LinearMap, LinearPredictor, Predictor
from .weighting import RowWeights


@dataclass(frozen=True)
class Outside:
    """What an objective that is restricted to an active set leaves out.

    Parameters
    ----------
    predictor : LinearPredictor
        With all features.
    inside : ndarray of bool of shape (q, K)
        Which of its coordinates are in the set.
    signs : ndarray of shape (q, K)
        Of the fitted parameters.
    bounds : ndarray of shape (q, K)
        The strength of the L1 penalty on each, in the sum convention.
    grouped : bool
        Whether it is on the norms of each input's parameters over the outputs.
    """

    predictor: LinearPredictor
    inside: Array
    signs: Array
    bounds: Array
    grouped: bool = False

    def columns_of(self, predictor: Predictor) -> Array:
        """Where the inputs of the active set's predictor are among all."""
        n_inputs = len(self.bounds)
        columns = getattr(predictor, "columns", None)
        if columns is None:
            return np.arange(n_inputs)
        constants = np.arange(self.predictor.n_features, n_inputs)
        return np.concatenate([columns, constants[: bool(predictor.constant)]])


@dataclass(frozen=True)
class Presentation:
    """How an estimator shows or predicts decision values; it knows of no rows.

    Parameters
    ----------
    predictor : LinearPredictor, KernelPredictor or NetworkPredictor
    coding : TargetCoding
    """

    predictor: Predictor
    coding: TargetCoding

    def shown(self, values: Array) -> Array:
        """Decision values (rows, K, …) as the estimator shows or predicts them, (rows, C, …)."""
        return self.coding.present(self.predictor.class_values(values))

    def shown_vjp(self, values: Array, cotangents: Array) -> Array:
        """Gradient (rows, K) of Σ_c cotangent_c · shown value_c, for values (rows, K)."""
        of_class = self.coding.present_vjp(self.predictor.class_values(values), cotangents)
        return self.predictor.class_vjp(of_class)


@dataclass(frozen=True)
class Objective:
    """A fitted estimator's objective on its training data, at its fitted parameters.

    Parameters
    ----------
    loss : Loss
        What is summed over the rows.
    predictor : LinearPredictor or KernelPredictor
        What makes decision values of rows, of any set.
    penalty : L2
        Its Ω(θ).
    theta : ndarray of shape (q, K)
        The fitted parameters.
    linear_map : LinearMap
        Of the training rows.
    y : ndarray
        Training targets as the loss reads them.
    weights : RowWeights
        Weights s_i of the training rows, and what they become without some.
    coding : TargetCoding
        User's targets → what the loss reads.
    mean_over : {None, "weights", "rows"}
        None: the estimator's objective is a sum, and Ω stays as it is whatever the rows. Else a
        mean, and Ω is in proportion to Σ s_i, or to the number of rows.
    centred : bool
        Whether the constant is the mean of the targets, whatever the rows, and no parameter.
    outside : Outside, optional
        Of an objective on an active set: what tells whether it is still the active set.
    held : str
        What of the estimator is held as it was fitted, where that is more than hyper-parameters.
    """

    loss: Loss
    predictor: Predictor
    penalty: L2
    theta: Array
    linear_map: LinearMap
    y: Array
    weights: RowWeights
    coding: TargetCoding
    mean_over: Literal["weights", "rows"] | None = None
    centred: bool = False
    outside: Outside | None = None
    held: str = ""

    @property
    def n_rows(self) -> int:
        """Number of training rows, n."""
        return self.linear_map.n_rows

    @property
    def n_parameters(self) -> int:
        """Number of parameters, p."""
        return self.linear_map.n_parameters

    @property
    def has_probabilities(self) -> bool:
        """Whether decision values tell class probabilities; those of pairs of classes don't."""
        return self.loss.has_probabilities and getattr(self.coding, "layout", None) != "pairs"

    @property
    def measured_loss(self) -> Loss | MeasuredLoss:
        """The loss that is asked about: the estimator's own, in the unit of y."""
        measure = getattr(self.coding, "measure", None)
        return self.loss if measure is None else measure(self.loss)

    @cached_property
    def class_members(self) -> Array:
        """Training rows of each class, bool (n, C)."""
        return self.members_of(self.y)

    def members_of(self, y: Array) -> Array:
        """Rows of each class, of either sort of several labels, or of none: bool (rows, C)."""
        if self.coding.is_classification:
            codes = self.coding.decode(y)
            return np.asarray(codes[:, None] == np.arange(self.coding.decode(self.y).max() + 1))
        return np.hstack([y < 0, y > 0]) if self.coding.has_labels else np.zeros((len(y), 0), bool)

    @property
    def n_free_parameters(self) -> int:
        """How many of the coordinates of θ are parameters."""
        free = self.linear_map.free
        return self.n_parameters if free is None else int(free.sum())

    def decision_values(self, linear_map: LinearMap) -> Array:
        """Decision values at the fitted parameters.

        Parameters
        ----------
        linear_map : LinearMap
            Of the rows: ``predictor.linearize(X)``.

        Returns
        -------
        ndarray of shape (rows, K)
            In float64.
        """
        values = linear_map.values(self.theta.reshape(-1, 1))[:, :, 0]
        return values.astype(np.float64)

    def shown(self, values: Array) -> Array:
        """Decision values (rows, K, …) as the estimator shows or predicts them, (rows, C, …)."""
        return self.presentation.shown(values)

    def shown_vjp(self, values: Array, cotangents: Array) -> Array:
        """Gradient (rows, K) of Σ_c cotangent_c · shown value_c, for values (rows, K)."""
        return self.presentation.shown_vjp(values, cotangents)

    @property
    def presentation(self) -> Presentation:
        """What it shows decision values by."""
        return Presentation(self.predictor, self.coding)

    @cached_property
    def training_values(self) -> Array:
        """Z of the training rows, (n, K)."""
        return self.decision_values(self.linear_map)

    @cached_property
    def residuals(self) -> Array:
        """R of the training rows, (n, K), not weighted."""
        return self.loss.residual(self.y, self.training_values)

    @cached_property
    def curvature(self) -> Curvature:
        """s_i B_i of the training rows."""
        return self.curvature_with(self.weights.values)

    def curvature_with(self, weights: Array) -> Curvature:
        """B_i times other weights, (n, 1) or (n, K)."""
        return self._unweighted_curvature.scaled(weights)

    @cached_property
    def _unweighted_curvature(self) -> Curvature:
        """B_i, of which Hessians with other weights share what they can."""
        return self.loss.curvature(self.y, self.training_values)

    def value(self) -> float:
        """J at the fitted parameters.

        Returns
        -------
        float
            With Ω, in the sum convention.
        """
        z, weights = self.training_values, self.weights.values
        if weights.shape[1] == 1:
            data = weights[:, 0] @ self.loss.value(self.y, z)
        else:
            # Only sums over outputs are weighted per output.
            outputs = [slice(k, k + 1) for k in range(z.shape[1])]
            losses = [self.loss.of_outputs(k).value(self.y[:, k], z[:, k]) for k in outputs]
            data = (weights * np.column_stack(losses)).sum()
        return float(data) + self.penalty.value(self.theta, self.linear_map.inner)

    def gradient(self, residuals: Array | None = None) -> Array:
        """∇J at the fitted parameters, near 0 where the estimator has converged.

        Parameters
        ----------
        residuals : ndarray of shape (n, K), optional
            In place of the fitted ones.

        Returns
        -------
        ndarray of shape (p,)
        """
        residuals = self.residuals if residuals is None else residuals
        total = self.penalty.gradient(self.theta).reshape(-1)
        return total + self.sum_gradients(self.weights.values * residuals)[:, 0]

    def sum_gradients(self, cotangents: Array) -> Array:
        """Σ_i φ_i ⊗ c_i for (n, K) or a block (n, K, m) of cotangents: (p, m), float64.

        In float64 also for float32 data: a gradient near 0 is a sum of large terms.
        """
        cotangents = cotangents.reshape(self.n_rows, self.linear_map.n_outputs, -1)
        total = np.zeros((self.n_parameters, cotangents.shape[2]))
        bytes_per_row = 8 * (self.linear_map.stored_inputs + cotangents[0].size)
        return self.linear_map.accumulate(_add_gradients, total, [cotangents], bytes_per_row)

    def hessian(self, weights: Array | None = None, penalty_scale: float = 1.0) -> HessianOperator:
        """∇²J at the fitted parameters.

        Parameters
        ----------
        weights : ndarray of shape (n, 1) or (n, K), optional
            In place of those of the rows.
        penalty_scale : float, default=1.0
            How much of Ω there is.

        Returns
        -------
        HessianOperator
        """
        curvature = self.curvature if weights is None else self.curvature_with(weights)
        penalty = self.penalty.scaled(penalty_scale)
        return HessianOperator.of_penalty(self.linear_map, curvature, penalty, self.theta)

    def row_curvature(self, rows: Any) -> Curvature:
        """B_i of some training rows, not weighted."""
        return self.loss.curvature(self.y[rows], self.training_values[rows])


def _add_gradients(total: Array, rows: LinearMap, cotangents: Array) -> None:
    total += rows.as_float64().vjp(cotangents)
