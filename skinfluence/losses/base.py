"""What a loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Literal

import numpy as np

from ..curvature import Array, Curvature


class Loss(ABC):
    """Base of all losses; see the module's conventions."""

    unit: str = "loss"
    has_probabilities: bool = False
    # σ² of the distribution whose likelihood the loss is; None where diagnostics know of none.
    dispersion: Literal["estimated", "one"] | None = None
    # Whether its slope changes within a small part of what a removal moves decision values by, so
    # that one Newton step is no answer to the removal.
    kinked: bool = False
    # Whether it stands in, smooth, for the loss with a kink that the estimator minimises.
    smoothed: bool = False

    @abstractmethod
    def value(self, y: Array, decision_values: Array) -> Array:
        """The loss ℓ(y, z) of each row.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
            As the target coding makes it of the user's labels or targets.
        decision_values : ndarray of shape (n, K)
            Decision values z.

        Returns
        -------
        ndarray of shape (n,)
        """

    @abstractmethod
    def residual(self, y: Array, decision_values: Array) -> Array:
        """R = ∂ℓ/∂z.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
        decision_values : ndarray of shape (n, K)

        Returns
        -------
        ndarray of shape (n, K)
        """

    def residual_columns(self, y: Array, decision_values: Array) -> Array:
        """R of many parameter columns at once.

        Correct for every loss; overridden where ``residual`` broadcasts over columns.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
        decision_values : ndarray of shape (n, K, m)

        Returns
        -------
        ndarray of shape (n, K, m)
        """
        n, n_outputs, m = decision_values.shape
        flat = decision_values.transpose(0, 2, 1).reshape(n * m, n_outputs)
        residual = self.residual(np.repeat(y, m, axis=0), flat)
        return residual.reshape(n, m, n_outputs).transpose(0, 2, 1)

    @abstractmethod
    def curvature(self, y: Array, decision_values: Array) -> Curvature:
        """B = ∂²ℓ/∂z², one K × K matrix per row.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
        decision_values : ndarray of shape (n, K)

        Returns
        -------
        Curvature
        """

    def around(self, loss: Loss) -> Loss:
        """The loss to ask about, where another one stands for the estimator's own.

        Parameters
        ----------
        loss : Loss
            What stands for it.

        Returns
        -------
        Loss
        """
        return loss

    def of_outputs(self, outputs: slice) -> Loss:
        """The loss of some of the outputs, where it is a sum over them.

        Parameters
        ----------
        outputs : slice

        Returns
        -------
        Loss
        """
        return self

    def at_temperature(self, temperature: float) -> Loss:
        """The same loss at another temperature, where it has one.

        Parameters
        ----------
        temperature : float

        Returns
        -------
        Loss
        """
        return replace(self, temperature=temperature)  # type: ignore[type-var]

    def sharpened(self) -> Loss:
        """What refits take for a loss that stands in for another: as near to that as they get.

        Returns
        -------
        Loss
        """
        return self

    def kinks(self, y: Array, decision_values: Array) -> Array:
        """How far decision values are below each kink; NaN where there is none.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
        decision_values : ndarray of shape (n, K)

        Returns
        -------
        ndarray of shape (n, K, kinks)
        """
        return np.full((*decision_values.shape, 1), np.nan)

    @property
    def kink_width(self) -> float:
        """Further than this from a kink the residual is constant, but for rounding."""
        return np.inf

    def settled(self, y: Array, decision_values: Array, reach: float) -> Array:
        """Whether a row's residual is the same wherever its decision values move within reach.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
        decision_values : ndarray of shape (n, K)
        reach : float
            How far each decision value may move, either way.

        Returns
        -------
        ndarray of bool of shape (n,)
        """
        distances = np.abs(self.kinks(y, decision_values))
        if not self.kinked:
            return np.zeros(len(decision_values), dtype=bool)
        return np.asarray(~(distances <= reach + self.kink_width).any(axis=(1, 2)))

    def residual_range(self, y: Array, decision_values: Array) -> tuple[Array, Array]:
        """Smallest and largest subgradient; equal where the loss is smooth.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
        decision_values : ndarray of shape (n, K)

        Returns
        -------
        smallest : ndarray of shape (n, K)
        largest : ndarray of shape (n, K)
        """
        residual = self.residual(y, decision_values)
        return residual, residual

    def separates(self, y: Array, decision_values: Array) -> bool:
        """Whether scaling these decision values up would lower the loss for ever.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
        decision_values : ndarray of shape (n, K)

        Returns
        -------
        bool
        """
        return False

    def probability(self, codes: Array, decision_values: Array) -> Array:
        """Probability of a class, for classifiers with ``predict_proba``.

        Parameters
        ----------
        codes : ndarray of int of shape (n,)
            A class for each row.
        decision_values : ndarray of shape (n, K)

        Returns
        -------
        ndarray of shape (n,)
        """
        raise TypeError(f"{type(self).__name__} has no class probabilities.")

    def probability_gradient(self, codes: Array, decision_values: Array) -> Array:
        """Gradient of ``probability`` with respect to the decision values.

        Parameters
        ----------
        codes : ndarray of int of shape (n,)
            A class for each row.
        decision_values : ndarray of shape (n, K)

        Returns
        -------
        ndarray of shape (n, K)
        """
        raise TypeError(f"{type(self).__name__} has no class probabilities.")


def of_class(values: Array, codes: Array) -> Array:
    """Each row's entry at its own class."""
    return np.asarray(values[np.arange(len(codes)), codes])
