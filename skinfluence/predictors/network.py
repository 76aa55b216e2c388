"""Where a multi-layer perceptron keeps its parameters, and how θ packs them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..curvature import Array
from .contrasts import OnContrasts
from .network_map import NetworkMap


@dataclass(frozen=True)
class NetworkPredictor(OnContrasts):
    """A network at its fitted parameters, around which it is linear in θ to first order.

    θ is (p, 1): the weights of all layers, first to last, then their intercepts.

    Parameters
    ----------
    coefs : tuple of ndarray of shape (fan_in, fan_out)
        Weights of each layer.
    intercepts : tuple of ndarray of shape (fan_out,)
    activation : str
        Of the hidden layers.
    flat : ndarray of bool of shape (fan_in + 1,), optional
        Of a loss that doesn't see what decision values have in common: inputs of the last layer
        (its constant last) of which the penalty doesn't see it either.
    contrasts : ndarray of shape (C, K), optional
        Q of a loss on contrasts: of the C outputs of the last layer it reads z Q.
    """

    coefs: tuple[Array, ...]
    intercepts: tuple[Array, ...]
    activation: str
    flat: Array | None = None
    contrasts: Array | None = None
    # No input of θ is the same for all rows.
    constant = 0.0

    @property
    def n_features(self) -> int:
        """Number of features of the estimator."""
        return int(self.coefs[0].shape[0])

    @property
    def n_outputs(self) -> int:
        """K."""
        last = self.coefs[-1] if self.contrasts is None else self.contrasts
        return int(last.shape[1])

    @property
    def coef_shape(self) -> tuple[int, ...]:
        """That of a linear model with these outputs: (d,) for one, else (K, d)."""
        return (self.n_features,) if self.n_outputs == 1 else (self.n_outputs, self.n_features)

    @property
    def n_parameters(self) -> int:
        """p."""
        return sum(each.size for each in (*self.coefs, *self.intercepts))

    @cached_property
    def theta(self) -> Array:
        """The fitted parameters, (p, 1), float64."""
        parts = [np.ravel(each) for each in (*self.coefs, *self.intercepts)]
        return np.concatenate(parts).astype(np.float64)[:, None]

    @property
    def is_weight(self) -> Array:
        """Which parameters are weights rather than intercepts, (p, 1)."""
        n_weights = sum(each.size for each in self.coefs)
        return np.arange(self.n_parameters)[:, None] < n_weights

    def unpack(self, directions: Array) -> dict[str, Any]:
        """``coefs`` and ``intercepts`` of m directions (p, m): lists of (m, *their shape)."""
        m = directions.shape[1]
        shapes = [each.shape for each in (*self.coefs, *self.intercepts)]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        parts = np.split(directions.T, ends[:-1], axis=1)
        arrays = [part.reshape(m, *shape) for part, shape in zip(parts, shapes, strict=True)]
        n_layers = len(self.coefs)
        return {"coefs": arrays[:n_layers], "intercepts": arrays[n_layers:]}

    def linearize(self, X: Any) -> NetworkMap:
        """The derivative of these rows' decision values in θ, at the fitted parameters."""
        return NetworkMap(X, self)
