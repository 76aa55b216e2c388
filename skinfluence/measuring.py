"""One number of a model as a function of its parameters, and what training rows do to it.

    dF = ∇_z F · J_test dθ,    v = (∇²J)⁻¹ J_testᵀ ∇_z F

The test rows' gradients are summed before anything is solved, so that all of it takes one
right-hand side, and a training row's effect is the product of v with the few numbers that its
removal comes to (``removal``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .blocks import row_blocks
from .curvature import Array
from .effects import gradient_products, row_scores
from .exchanges import Exchanges
from .functional_readings import ModelReadings, Truth
from .functionals import Functional
from .objective import Objective
from .predictors import LinearMap
from .refits import Refits
from .removal import RowRemoval
from .solvers import InverseHessian

# Decision values of a block of refits, of which functionals take a few copies.
VALUE_BYTES = 1 << 25


class Tangent(ABC):
    """The derivative of a number by the parameters."""

    @abstractmethod
    def direction(self, inverse: InverseHessian) -> Any:
        """(∇²J)⁻¹∇F, (p, 1), or what stands for it with implicit features."""

    @abstractmethod
    def along(self, moves: Array) -> Array:
        """∇Fᵀ Δθ for moves (p, m) of the parameters: (m,)."""


class Measure(ABC):
    """One number of a model."""

    @abstractmethod
    def values(self, objective: Objective, changes: Array) -> Array:
        """The number itself at θ + Δθ for columns Δθ (p, m): (m,)."""

    @abstractmethod
    def tangent(self, objective: Objective) -> Tangent:
        """Its derivative at θ; of what is smooth beside it, where it is a step function."""

    def widened(self) -> list[Measure]:
        """Itself, and beside other smooth numbers where it is a step function."""
        return [self]

    def at(self, objective: Objective) -> float:
        """The number itself at θ."""
        return float(self.values(objective, np.zeros((objective.n_parameters, 1)))[0])


@dataclass(frozen=True)
class OfRows(Measure):
    """A functional of decision values.

    Parameters
    ----------
    functional : Functional
    linear_map : LinearMap
        Of the rows that it is evaluated on.
    truth : Truth
    """

    functional: Functional
    linear_map: LinearMap
    truth: Truth

    def values(self, objective: Objective, changes: Array) -> Array:
        """(m,), in blocks."""
        theta = objective.theta.reshape(-1, 1)
        result = np.empty(changes.shape[1])
        bytes_per_column = 8 * self.linear_map.n_rows * self.linear_map.n_outputs
        for columns in row_blocks(len(result), bytes_per_column, limit=VALUE_BYTES):
            readings = self._readings(objective, theta + changes[:, columns])
            result[columns] = self.functional.value(readings)
        if not np.isfinite(result).all():
            raise ValueError(
                f"The functional {self.functional.name!r} is {result[~np.isfinite(result)][0]} on "
                f"the {self.linear_map.n_rows} rows that it is evaluated on; needed is a finite "
                "number. Leave out rows on which it is not defined."
            )
        return result

    def tangent(self, objective: Objective) -> RowsTangent:
        """By the decision values of the rows."""
        readings = self._readings(objective, objective.theta.reshape(-1, 1))
        return RowsTangent(self.linear_map, readings.pull(self.functional.slope(readings)))

    def widened(self) -> list[Measure]:
        """With wider steps."""
        return [replace(self, functional=each) for each in self.functional.widened()]

    def _readings(self, objective: Objective, theta: Array) -> ModelReadings:
        n, k, m = self.linear_map.n_rows, self.linear_map.n_outputs, theta.shape[1]
        values = np.empty((n, k, m))
        for rows in row_blocks(n, 8 * (self.linear_map.stored_inputs + k * m)):
            values[rows] = self.linear_map.take(rows).as_float64().values(theta)
        return ModelReadings(objective, values, self.truth, self.functional.name)


@dataclass(frozen=True)
class RowsTangent(Tangent):
    """By decision values.

    Parameters
    ----------
    linear_map : LinearMap
    cotangents : ndarray of shape (rows, K)
    """

    linear_map: LinearMap
    cotangents: Array

    def direction(self, inverse: InverseHessian) -> Any:
        """One solve for all rows."""
        summed = len(self.cotangents) * self.cotangents
        return inverse.directions(self.linear_map, summed, mean=True)

    def along(self, moves: Array) -> Array:
        """(m,)."""
        total = np.zeros(moves.shape[1])
        k, m = self.linear_map.n_outputs, moves.shape[1]
        for rows in row_blocks(self.linear_map.n_rows, 8 * (self.linear_map.stored_inputs + k * m)):
            values = self.linear_map.take(rows).as_float64().jvp(moves)
            total += np.einsum("nk,nkm->m", self.cotangents[rows], values)
        return total


@dataclass(frozen=True)
class OfParameters(Measure):
    """A linear function of the parameters.

    Parameters
    ----------
    gradient : ndarray of shape (p,)
    """

    gradient: Array

    @classmethod
    def of_coefficient(cls, objective: Objective, position: int, row: int) -> OfParameters:
        """A coefficient of a linear model, by its feature and its row of ``coef_``."""
        predictor = objective.predictor
        gradient = np.zeros((objective.linear_map.n_inputs, objective.linear_map.n_outputs))
        columns = getattr(predictor, "columns", None)
        places = [position] if columns is None else np.flatnonzero(columns == position).tolist()
        for place in places:
            # What each of the input's parameters makes of the coefficient.
            units = np.zeros((*gradient.shape, gradient.shape[1]))
            units[place] = np.eye(gradient.shape[1])
            shown = predictor.unpack(units.reshape(-1, gradient.shape[1]))["coef"]
            gradient[place] = shown.reshape(len(shown), -1, shown.shape[-1])[:, row, position]
        return cls(gradient.reshape(-1))

    def values(self, objective: Objective, changes: Array) -> Array:
        """(m,)."""
        return np.asarray(self.gradient @ (objective.theta.reshape(-1, 1) + changes))

    def tangent(self, objective: Objective) -> ParametersTangent:
        """The same everywhere."""
        return ParametersTangent(self.gradient)


@dataclass(frozen=True)
class ParametersTangent(Tangent):
    """By parameters.

    Parameters
    ----------
    gradient : ndarray of shape (p,)
    """

    gradient: Array

    def direction(self, inverse: InverseHessian) -> Any:
        """(p, 1)."""
        return inverse.solve(self.gradient[:, None])

    def along(self, moves: Array) -> Array:
        """(m,)."""
        return np.asarray(self.gradient @ moves)


# ------------------------------------------------------------------------------------- effects
def first_order_products(
    objective: Objective, inverse: InverseHessian, tangent: Tangent, rows: Array | None
) -> Array:
    """∇Fᵀ(∇²J)⁻¹∇ℓ_i, (rows,), by one solve."""
    result = np.empty(objective.n_rows if rows is None else len(rows))
    direction = tangent.direction(inverse)
    for positions, values in gradient_products(objective, direction, rows):
        result[positions] = values[0]
    return result


def newton_changes(removal: RowRemoval, tangent: Tangent, rows: Array) -> Array:
    """∇Fᵀ Δθ_i for each row's Newton step, (rows,), by one solve a scenario; NaN as steps are."""
    objective, scenarios, steps = removal.objective, removal.scenarios, removal.steps(rows)
    exchanges = Exchanges(objective, rows)
    result = np.empty(len(rows))
    for group, scenario in scenarios.groups(exchanges):
        direction = tangent.direction(scenario.inverse)
        finite = np.nan_to_num(steps[group])
        result[group] = row_scores(objective, rows[group], direction, finite)[0]
        if scenario.shift is not None:
            own = replace(scenario, shift=tangent.along(scenario.shift)[None, :])
            result[group] += scenarios.shifts(exchanges.take(group), own)[0]
    return np.where(np.isnan(steps).any(axis=1), np.nan, result)


def exact_changes(refits: Refits, measure: Measure, rows: Array) -> Array:
    """Change of the number itself by each row's refit, (rows,); NaN where there is no optimum."""
    before = measure.at(refits.objective)
    result = np.full(len(rows), np.nan)
    for positions, changes in refits.without_rows(rows):
        found = ~np.isnan(changes).any(axis=0)
        result[positions[found]] = measure.values(refits.objective, changes[:, found]) - before
    return result
