"""The loss in the unit of y, of a model that was fitted to transformed targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from ..curvature import Array
from .base import Loss


class Elementwise(Protocol):
    """From the scale of the fit to the unit of y, value by value."""

    def value(self, decision_values: Array) -> Array: ...
    def slope(self, decision_values: Array) -> Array: ...


@dataclass(frozen=True)
class MeasuredLoss:
    """ℓ(h(y), h(z)): what is asked about, while ℓ(y, z) is what is minimised.

    Parameters
    ----------
    loss : Loss
    response : Elementwise
        h.
    """

    loss: Loss
    response: Elementwise

    @property
    def unit(self) -> str:
        """As the loss has it; its y is the original one."""
        return self.loss.unit

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return self.loss.value(self.response.value(y), self.response.value(decision_values))

    def residual(self, y: Array, decision_values: Array) -> Array:
        """Its gradient with respect to z, (n, K)."""
        slopes = self.response.slope(decision_values)
        predicted = self.response.value(decision_values)
        return self.loss.residual(self.response.value(y), predicted) * slopes

    def around(self, loss: Loss) -> MeasuredLoss:
        """The same of another loss."""
        return replace(self, loss=loss)
