"""Single training rows that go, and what may come in their place: a column for each.

    J_c(θ) = Σ_k s'_k ℓ_k − s'_i ℓ_i + s'_δ ℓ_δ + ω_c Ω

Row i goes and, in an exchange, row δ comes: with other features, another target, or both (Eq. 3).
s' are the weights as they then are. Without arrivals it is leave-one-out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .curvature import Array, Curvature
from .predictors import LinearMap
from .replacing import with_rows
from .reweighting import Reweighting, unchanged, weigh_as_before


@dataclass(frozen=True)
class Arrivals:
    """Rows that come, one a column.

    Parameters
    ----------
    linear_map : LinearMap or None
        Of the rows; None where their features are those of the rows that go.
    y : ndarray of shape (m,) or (m, K)
        Their targets as the loss reads them.
    codes : ndarray of shape (m,), optional
        Their classes, of a classifier.
    """

    linear_map: LinearMap | None
    y: Array
    codes: Array | None

    def take(self, columns: Array) -> Arrivals:
        """Those of some columns."""
        codes = None if self.codes is None else self.codes[columns]
        linear_map = None if self.linear_map is None else self.linear_map.take(columns)
        return Arrivals(linear_map, self.y[columns], codes)


@dataclass(frozen=True)
class Exchanges(Reweighting):
    """Each column takes one row out, and may put another in its place.

    Parameters
    ----------
    rows : ndarray of int of shape (m,)
        The rows that go; they may repeat.
    arrivals : Arrivals, optional
        What comes.
    """

    rows: Array
    arrivals: Arrivals | None = None

    @property
    def n_columns(self) -> int:
        """How many exchanges, m."""
        return len(self.rows)

    def take(self, columns: Array) -> Exchanges:
        """Some of the columns."""
        arrivals = None if self.arrivals is None else self.arrivals.take(columns)
        return replace(self, rows=self.rows[columns], arrivals=arrivals)

    def alone(self, column: int) -> Reweighting:
        """One column, as weights of the training rows of an objective of its own."""
        own = self.take(np.array([column]))
        if own.arrivals is None:
            return own
        changed = with_rows(self.objective, own.rows, y=own.arrivals.y)
        if own.arrivals.linear_map is not None:
            linear_map = changed.linear_map.substituted(own.rows, own.arrivals.linear_map)
            changed = replace(changed, linear_map=linear_map)
        return unchanged(changed)

    # ---------------------------------------------------------------------------------- weights
    @cached_property
    def class_weights(self) -> Array | None:
        """(m, C) where class weights follow the rows, else None."""
        codes = None if self.arrivals is None else self.arrivals.codes
        return self.objective.weights.class_weights_exchanged(self.rows, codes)

    @cached_property
    def leaving_weights(self) -> Array:
        """s'_i, (m, 1) or (m, K)."""
        return self.objective.weights.of_rows(self.rows, self.class_weights)

    @cached_property
    def arriving_weights(self) -> Array:
        """s'_δ, (m, 1) or (m, K): the sample weight of the row that goes, its own class weight."""
        codes = None if self.arrivals is None else self.arrivals.codes
        return self.objective.weights.of_rows(self.rows, self.class_weights, codes)

    @cached_property
    def penalty_scale(self) -> Array:
        """ω, (m,)."""
        objective = self.objective
        if objective.mean_over is None or (objective.mean_over == "rows" and self.arrivals):
            return np.ones(self.n_columns)
        if objective.mean_over == "rows":
            return np.full(self.n_columns, 1.0 - 1.0 / objective.n_rows)
        masses = objective.weights.values.mean(axis=1)
        lost = masses[self.rows]
        if self.arrivals is not None:
            lost = lost - objective.weights.of_rows(self.rows, codes=self.arrivals.codes).mean(
                axis=1
            )
        return np.asarray(1.0 - lost / masses.sum())

    def mean_targets(self) -> Array:
        """Means of the targets of each column's rows, (K, m)."""
        y = self.objective.y
        total, left = y.sum(axis=0) - y[self.rows], len(y) - 1
        if self.arrivals is not None:
            total, left = total + self.arrivals.y, len(y)
        return np.asarray((total / left).T)

    @property
    def loses_a_class(self) -> Array:
        """Columns that leave a class without any row of weight, (m,)."""
        objective = self.objective
        present = objective.weights.sample_weight > 0
        alone = objective.class_members[present].sum(axis=0) == 1
        lost = present[self.rows, None] & objective.class_members[self.rows] & alone
        if self.arrivals is not None:
            lost &= ~objective.members_of(self.arrivals.y)
        return np.asarray(lost.any(axis=1))

    def weigh(self, residuals: Array, rows: slice) -> None:
        """In place; of the rows that stay."""
        weigh_as_before(self.objective, residuals, rows, self.class_weights)
        inside = np.flatnonzero((self.rows >= rows.start) & (self.rows < rows.stop))
        residuals[self.rows[inside] - rows.start, :, inside] = 0.0

    def changed_rows(self, column: int) -> Array | None:
        """The row that goes; None where class weights change all others."""
        return None if self.class_weights is not None else self.rows[[column]]

    def most_changed_rows(self) -> int:
        """One."""
        return 1

    # -------------------------------------------------------------------------------- gradients
    def gradient_changes(self) -> Array:
        """∇J_c − ∇J at the fitted parameters, but for those prescribed, (p, m)."""
        objective = self.objective
        if objective.centred:
            return super().gradient_changes()
        if self.class_weights is not None:
            total = super().gradient_changes()
        else:
            slope = objective.penalty.gradient(objective.theta).reshape(-1, 1)
            total = (self.penalty_scale - 1.0) * slope
            leaving = objective.linear_map.take(self.rows).as_float64()
            total = total - leaving.columns(self.leaving_weights * objective.residuals[self.rows])
        theta = np.broadcast_to(objective.theta.reshape(-1, 1), total.shape)
        return total + self._arriving_gradients(theta)

    def gradients(self, theta: Array) -> Array:
        """∇J_c at each column's own parameters (p, m): (p, m), float64."""
        return super().gradients(theta) + self._arriving_gradients(theta)

    def _arriving_gradients(self, theta: Array) -> Array | float:
        if self.arrivals is None:
            return 0.0
        linear_map = self.arriving_map.as_float64()
        residuals = self.objective.loss.residual(self.arrivals.y, linear_map.own_values_at(theta))
        return linear_map.columns(self.arriving_weights * residuals)

    def residuals(self) -> Array:
        """ρ_c of ``removal``, (m, J K): weighted, of the rows that go and of those that come."""
        going = self.leaving_weights * self.objective.residuals[self.rows]
        if self.arrivals is None:
            return going
        residuals = self.objective.loss.residual(self.arrivals.y, self.arriving_values)
        coming = self.arriving_weights * residuals
        return going - coming if self.same_features else np.concatenate([going, -coming], axis=1)

    def first_order_residuals(self) -> tuple[Array, Array]:
        """Residuals of the rows that go and of those that come, over s_i, each (m, K).

        s_i is the weight of the row that goes; its sample weight, where class weights differ by
        output. NaN of a row whose class has no weight, in a class that has.
        """
        objective, arrivals = self.objective, self.arrivals
        before = objective.weights.class_factors(self.rows)
        going = objective.residuals[self.rows]
        if arrivals is None:
            return before * going, np.zeros_like(going)
        after = objective.weights.class_factors(self.rows, arrivals.codes)
        coming = objective.loss.residual(arrivals.y, self.arriving_values)
        if before.shape[1] > 1:
            return before * going, after * coming
        shares = np.where(after > 0, np.nan, 1.0)
        return going, np.divide(after, before, out=shares, where=before > 0) * coming

    def arriving_curvature(self) -> Curvature:
        """s'_δ B_δ of the rows that come; of those that go where nothing comes."""
        y = self.objective.y[self.rows] if self.arrivals is None else self.arrivals.y
        curvature = self.objective.loss.curvature(y, self.arriving_values)
        return curvature.scaled(self.arriving_weights)

    @property
    def arriving_map(self) -> LinearMap:
        """Of the rows that come, (m rows); without other features those that go."""
        if self.arrivals is not None and self.arrivals.linear_map is not None:
            return self.arrivals.linear_map
        return self.objective.linear_map.take(self.rows)

    @property
    def same_features(self) -> bool:
        """Whether nothing but targets changes, or nothing comes at all."""
        return self.arrivals is None or self.arrivals.linear_map is None

    @cached_property
    def arriving_values(self) -> Array:
        """Decision values of the rows that come, at the fitted parameters, (m, K)."""
        if self.same_features:
            return self.objective.training_values[self.rows]
        return self.objective.decision_values(self.arriving_map)
