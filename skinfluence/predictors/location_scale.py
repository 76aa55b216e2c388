"""A linear location with one scale for all rows, which is a parameter beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import Array
from .linear import LinearPredictor


@dataclass(frozen=True)
class LocationScalePredictor(LinearPredictor):
    """Decision values (z, σ): σ is the second output's constant, and all that it has.

    Parameters
    ----------
    coef_shape, intercept_shape, constant, free
        As of a linear predictor, with ``constant`` 1.
    """

    @classmethod
    def of(cls, n_features: int, *, fit_intercept: bool) -> LocationScalePredictor:
        """With or without an intercept of the location."""
        free = np.zeros((n_features + 1, 2), dtype=bool)
        free[:, 0], free[-1] = True, (fit_intercept, True)
        return cls((n_features,), (), 1.0, free=free)

    @property
    def n_outputs(self) -> int:
        """2."""
        return 2

    def pack_scaled(self, coef: Array, intercept: Any, scale: float) -> Array:
        """Pack the estimator's parameters into θ (q, 2)."""
        location = super().pack(coef, intercept)
        spread = np.zeros_like(location)
        spread[-1] = scale
        return np.concatenate([location, spread], axis=1)

    def unpack(self, directions: Array) -> dict[str, Array]:
        """``coef``, ``intercept`` and ``scale`` of m directions (p, m), each (m, *its shape)."""
        by_input = directions.reshape(self.n_features + 1, 2, -1)
        return {
            "coef": np.ascontiguousarray(by_input[:-1, 0].T),
            "intercept": by_input[-1, 0],
            "scale": by_input[-1, 1],
        }

    def class_values(self, decision_values: Array) -> Array:
        """The location alone, (rows, 1, …)."""
        return decision_values[:, :1]

    def class_vjp(self, cotangents: Array) -> Array:
        """Nothing from the scale."""
        return np.concatenate([cotangents, np.zeros_like(cotangents)], axis=1)
