"""New weights for the training rows: each column is one data set to refit on.

Leaving rows out, k-fold, the bootstrap and the jackknife are all columns of new weights s'. A
column's objective is

    J_c(θ) = Σ_i s'_ic ℓ(y_i, z_i) + ω_c Ω(θ)

with ω = 1 where the estimator's objective is a sum, and Σ s' / Σ s where it is a mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from .blocks import row_blocks
from .curvature import Array
from .objective import Objective
from .progress import tracked_blocks

# Several passes go over a block's decision values: they should find it in a core's own cache.
CACHED_BYTES = 1 << 24


@dataclass(frozen=True)
class Reweighting(ABC):
    """Columns of new weights for the rows of one objective.

    Parameters
    ----------
    objective : Objective
    """

    objective: Objective
    # What messages say happens to a column's rows or weights.
    verb: ClassVar[str] = "left out"

    @property
    @abstractmethod
    def n_columns(self) -> int:
        """How many sets of new weights, m."""

    @abstractmethod
    def take(self, columns: Any) -> Reweighting:
        """Some of the columns."""

    def alone(self, column: int) -> Reweighting:
        """One column, as weights of the training rows of an objective of its own."""
        return self.take([column])

    @abstractmethod
    def weigh(self, residuals: Array, rows: slice) -> None:
        """Multiply residuals (rows, K, m) of a block of rows by each column's weights, in place."""

    @abstractmethod
    def changed_rows(self, column: int) -> Array | None:
        """Rows whose weight one column changes; None where they are too many to say."""

    def most_changed_rows(self) -> int:
        """How many rows a column changes, at the most."""
        return self.objective.n_rows

    def single_rows(self) -> Array | None:
        """The row that each column leaves out, where that is all that columns do."""
        return None

    @cached_property
    @abstractmethod
    def penalty_scale(self) -> Array:
        """ω, (m,)."""

    @abstractmethod
    def mean_targets(self) -> Array:
        """Means of the targets of each column's rows, (K, m)."""

    @cached_property
    def prescribed(self) -> Array:
        """Changes of parameters that are given rather than fitted, (p, m)."""
        objective = self.objective
        moves = np.zeros((*objective.theta.shape, self.n_columns))
        if objective.centred:
            moves[-1] = self.mean_targets() - objective.theta[-1][:, None]
        return moves.reshape(objective.n_parameters, self.n_columns)

    def weights(self, column: int) -> Array:
        """s' of one column, (n, 1) or (n, K)."""
        n_rows, n_outputs = self.objective.n_rows, self.objective.weights.values.shape[1]
        weights = np.ones((n_rows, n_outputs, 1))
        self.take([column]).weigh(weights, slice(0, n_rows))
        return weights[:, :, 0]

    def gradient_changes(self) -> Array:
        """∇J_c − ∇J at the fitted parameters, but for those prescribed, (p, m)."""
        objective, m = self.objective, self.n_columns
        if objective.centred:
            theta = objective.theta.reshape(-1, 1) + self.prescribed
            return self.gradients(theta) - objective.gradient()[:, None]
        slope = objective.penalty.gradient(objective.theta).reshape(-1, 1)
        total = (self.penalty_scale - 1.0) * slope
        n_outputs = objective.linear_map.n_outputs
        bytes_per_row = 8 * (objective.linear_map.stored_inputs + 3 * n_outputs * m)
        for rows in tracked_blocks(objective.n_rows, bytes_per_row, "gradients, rows"):
            residuals = objective.residuals[rows][:, :, None]
            weighted = np.repeat(residuals, m, axis=2)
            self.weigh(weighted, rows)
            weighted -= objective.weights.values[rows][:, :, None] * residuals
            total += objective.linear_map.take(rows).as_float64().vjp(weighted)
        return total

    def gradients(self, theta: Array) -> Array:
        """∇J_c at each column's own parameters (p, m): (p, m), float64."""
        objective, m = self.objective, self.n_columns
        linear_map = objective.linear_map
        by_input = theta.reshape(*linear_map.theta_shape, m)
        slope = objective.penalty.gradient(by_input).reshape(-1, m)
        total = self.penalty_scale * slope
        bytes_per_row = 8 * (linear_map.stored_inputs + 3 * linear_map.n_outputs * m)
        for rows in row_blocks(objective.n_rows, bytes_per_row, limit=CACHED_BYTES):
            block = linear_map.take(rows).as_float64()
            residuals = objective.loss.residual_columns(objective.y[rows], block.values(theta))
            self.weigh(residuals, rows)
            total += block.vjp(residuals)
        return total


@dataclass(frozen=True)
class RowsLeftOut(Reweighting):
    """Each column leaves a set of rows out.

    Parameters
    ----------
    members : scipy.sparse CSR array of shape (n, m)
        1 where a row is left out; 1 minus the copies of each row, in a resample.
    """

    members: Any

    @classmethod
    def sets(cls, objective: Objective, sets: list[Array]) -> RowsLeftOut:
        """A column for each set of rows."""
        return cls.copies(objective, [np.stack([rows, np.ones_like(rows)]) for rows in sets])

    @classmethod
    def copies(cls, objective: Objective, changes: list[Array]) -> RowsLeftOut:
        """A column for each array (2, ·): rows, and how many copies fewer there are of each."""
        rows, fewer = np.concatenate(changes, axis=1) if changes else np.empty((2, 0), np.intp)
        columns = np.repeat(np.arange(len(changes)), [each.shape[1] for each in changes])
        shape = (objective.n_rows, len(changes))
        return cls(objective, sparse.csr_matrix((fewer.astype(float), (rows, columns)), shape))

    @property
    def n_columns(self) -> int:
        """How many sets of rows, m."""
        return int(self.members.shape[1])

    def take(self, columns: Any) -> RowsLeftOut:
        """Some of the columns."""
        return replace(self, members=self.members[:, columns].tocsr())

    @cached_property
    def class_weights(self) -> Array | None:
        """(m, C) where class weights follow the rows that are left, else None."""
        return self.objective.weights.class_weights_without(self.members)

    def gradient_changes(self) -> Array:
        """∇J_c − ∇J at the fitted parameters, but for those prescribed, (p, m)."""
        if self.class_weights is not None or self.objective.centred:
            return super().gradient_changes()
        objective = self.objective
        slope = objective.penalty.gradient(objective.theta).reshape(-1, 1)
        total = (self.penalty_scale - 1.0) * slope
        changed = np.flatnonzero(np.diff(self.members.indptr))
        n_outputs = objective.linear_map.n_outputs
        bytes_per_row = 8 * (objective.linear_map.stored_inputs + 2 * n_outputs * self.n_columns)
        for block in row_blocks(len(changed), bytes_per_row):
            rows = changed[block]
            lost = objective.weights.values[rows] * objective.residuals[rows]
            cotangents = lost[:, :, None] * self.members[rows].toarray()[:, None, :]
            total -= objective.linear_map.take(rows).as_float64().vjp(cotangents)
        return np.asarray(total)

    def weigh(self, residuals: Array, rows: slice) -> None:
        """In place."""
        weigh_as_before(self.objective, residuals, rows, self.class_weights)
        left_out = self.members[rows].tocoo()
        residuals[left_out.row, :, left_out.col] *= 1.0 - left_out.data[:, None]

    def changed_rows(self, column: int) -> Array | None:
        """The rows left out, ascending; None where class weights change all others."""
        if self.class_weights is not None:
            return None
        return np.sort(self.members[:, [column]].nonzero()[0])

    def mean_targets(self) -> Array:
        """(K, m)."""
        y = self.objective.y
        left = len(y) - np.asarray(self.members.sum(axis=0)).reshape(-1)
        return np.asarray((y.sum(axis=0) - self.members.T @ y).T / left)

    def most_changed_rows(self) -> int:
        """Rows of the largest set."""
        counts = np.bincount(self.members.indices, minlength=self.n_columns)
        return int(counts.max(initial=0))

    def single_rows(self) -> Array | None:
        """The row that each column leaves out, if none leaves out more."""
        by_column = self.members.tocsc()
        single = (np.diff(by_column.indptr) == 1).all() and (by_column.data == 1.0).all()
        return np.asarray(by_column.indices) if single else None

    @cached_property
    def penalty_scale(self) -> Array:
        """ω, (m,)."""
        if self.objective.mean_over is None:
            return np.ones(self.n_columns)
        masses = np.ones(self.objective.n_rows)
        if self.objective.mean_over == "weights":
            masses = self.objective.weights.values.mean(axis=1)
        return np.asarray(1.0 - (self.members.T @ masses) / masses.sum())


@dataclass(frozen=True)
class NewWeights(Reweighting):
    """Each column is a set of new sample weights.

    Parameters
    ----------
    sample_weights : ndarray of shape (n, m)
        In place of those that the estimator was fitted with.
    """

    sample_weights: Array
    verb = "used"

    @property
    def n_columns(self) -> int:
        """How many sets of weights, m."""
        return int(self.sample_weights.shape[1])

    def take(self, columns: Any) -> NewWeights:
        """Some of the columns."""
        return replace(self, sample_weights=self.sample_weights[:, columns])

    @cached_property
    def class_weights(self) -> Array | None:
        """(m, C) where class weights follow the sample weights, else None."""
        return self.objective.weights.class_weights_with(self.sample_weights)

    def weigh(self, residuals: Array, rows: slice) -> None:
        """In place."""
        residuals *= self.sample_weights[rows][:, None, :]
        residuals *= self.objective.weights.by_class(rows, self.class_weights)

    def mean_targets(self) -> Array:
        """(K, m), by weight."""
        return np.asarray(
            self.objective.y.T @ self.sample_weights / self.sample_weights.sum(axis=0)
        )

    def changed_rows(self, column: int) -> Array | None:
        """Rows with another sample weight; None where class weights change all."""
        if self.class_weights is not None:
            return None
        before = self.objective.weights.sample_weight
        return np.flatnonzero(self.sample_weights[:, column] != before)

    @cached_property
    def penalty_scale(self) -> Array:
        """ω, (m,)."""
        if self.objective.mean_over != "weights":
            return np.ones(self.n_columns)
        before = self.objective.weights.values.mean(axis=1)
        after = [self.weights(column).mean() * len(before) for column in range(self.n_columns)]
        return np.asarray(after) / before.sum()


def weigh_as_before(
    objective: Objective, residuals: Array, rows: slice, class_weights: Array | None
) -> None:
    """Multiply residuals (rows, K, m) by sample weights and class weights (m, C), in place."""
    weights = objective.weights
    factors = weights.by_class(rows, class_weights)
    factors = factors * weights.sample_weight[rows][:, None, None]
    if (factors != 1.0).any():
        residuals *= factors


def unchanged(objective: Objective) -> RowsLeftOut:
    """One column that changes nothing: the estimator's own optimum."""
    return RowsLeftOut.sets(objective, [np.empty(0, dtype=np.intp)])
