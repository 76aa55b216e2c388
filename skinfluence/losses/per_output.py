"""A loss of its own for each output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import Array, DiagonalCurvature
from .base import Loss


@dataclass(frozen=True)
class PerOutput(Loss):
    """ℓ = Σ_k ℓ_k(y_k, z_k).

    Parameters
    ----------
    losses : tuple of Loss
        Of one output each.
    """

    losses: tuple[Loss, ...]

    @property
    def unit(self) -> str:  # type: ignore[override]
        """Of the first: those that are added up are measured alike, or nobody asks for the sum."""
        return self.losses[0].unit

    @property
    def kinked(self) -> bool:  # type: ignore[override]
        """Whether any is."""
        return any(loss.kinked for loss in self.losses)

    @property
    def smoothed(self) -> bool:  # type: ignore[override]
        """Whether any stands in for another."""
        return any(loss.smoothed for loss in self.losses)

    @property
    def temperature(self) -> float:
        """The lowest; 0 where none has one."""
        smoothed = (loss.temperature for loss in self.losses if loss.smoothed)  # type: ignore[attr-defined]
        return min(smoothed, default=0.0)

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        parts = self._each("value", y, decision_values)
        return np.asarray(np.sum(parts, axis=0))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """(n, K)."""
        return np.concatenate(self._each("residual", y, decision_values), axis=1)

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """(n, K, m)."""
        return np.concatenate(self._each("residual_columns", y, decision_values), axis=1)

    def curvature(self, y: Array, decision_values: Array) -> DiagonalCurvature:
        """Of each output its own."""
        parts = self._each("curvature", y, decision_values)
        weights = np.concatenate([part.weights for part in parts], axis=1)
        return DiagonalCurvature(weights, decision_values.shape[1])

    def of_outputs(self, outputs: slice) -> PerOutput:
        """Their own."""
        return PerOutput(self.losses[outputs])

    def at_temperature(self, temperature: float) -> PerOutput:
        """Each by the same factor."""
        factor = temperature / self.temperature
        return PerOutput(
            tuple(
                loss.at_temperature(factor * loss.temperature) if loss.smoothed else loss  # type: ignore[attr-defined]
                for loss in self.losses
            )
        )

    def sharpened(self) -> PerOutput:
        """Each."""
        return PerOutput(tuple(loss.sharpened() for loss in self.losses))

    def kinks(self, y: Array, decision_values: Array) -> Array:
        """(n, K, the most kinks of any)."""
        parts = self._each("kinks", y, decision_values)
        most = max(part.shape[2] for part in parts)
        padded = [
            np.pad(part, ((0, 0), (0, 0), (0, most - part.shape[2])), constant_values=np.nan)
            for part in parts
        ]
        return np.concatenate(padded, axis=1)

    @property
    def kink_width(self) -> float:
        """The largest."""
        return max(loss.kink_width for loss in self.losses)

    def residual_range(self, y: Array, decision_values: Array) -> tuple[Array, Array]:
        """Each (n, K)."""
        parts = self._each("residual_range", y, decision_values)
        lower, upper = zip(*parts, strict=True)
        return np.concatenate(lower, axis=1), np.concatenate(upper, axis=1)

    def separates(self, y: Array, decision_values: Array) -> bool:
        """Whether any output's rows are separated."""
        return any(self._each("separates", y, decision_values))

    def _each(self, method: str, y: Array, decision_values: Array) -> list[Any]:
        return [
            getattr(loss, method)(y[:, k : k + 1], decision_values[:, k : k + 1])
            for k, loss in enumerate(self.losses)
        ]
