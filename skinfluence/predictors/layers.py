"""The layers of a network on given rows: forward, backward, and the derivatives of both.

    h_l = a_{l−1} W_l + b_l,   a_l = φ(h_l),   a_0 = x,   z = h_L
    forward   ḣ_l = ȧ_{l−1} W_l + a_{l−1} Ẇ_l + ḃ_l,   ȧ_l = φ'(h_l) ḣ_l
    backward  δ_{l−1} = φ'(h_{l−1}) (δ_l W_lᵀ),   ∂W_l = a_{l−1}ᵀ δ_l,   ∂b_l = 1ᵀδ_l
    its derivative along θ̇, by Pearlmutter's R-operator (Neural Computation, 1994):
        δ̇_{l−1} = φ' (δ̇_l W_lᵀ + δ_l Ẇ_lᵀ) + φ'' ḣ_{l−1} (δ_l W_lᵀ)
        ∂Ẇ_l = a_{l−1}ᵀ δ̇_l + ȧ_{l−1}ᵀ δ_l

Tangents and cotangents of a layer are (n, m, units), m directions beside each other, so that every
product above is one matrix product for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..curvature import Array
from .activations import ACTIVATIONS


class Network(Protocol):
    """What is asked of a predictor."""

    @property
    def coefs(self) -> tuple[Array, ...]: ...
    @property
    def intercepts(self) -> tuple[Array, ...]: ...
    @property
    def activation(self) -> str: ...
    @property
    def flat(self) -> Array | None: ...
    @property
    def contrasts(self) -> Array | None: ...
    @property
    def theta(self) -> Array: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...


class Layers:
    """A network's layers on some rows, at its fitted parameters.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    network : Network
    activations : list of ndarray of shape (n, units), optional
        Of the hidden layers, where they are known.
    """

    def __init__(self, X: Any, network: Network, activations: list[Array] | None = None) -> None:
        self.network, self.X, self.dtype = network, X, X.dtype
        if activations is not None:
            self.activations = activations

    @cached_property
    def weights(self) -> list[Array]:
        """W_l in the dtype of the rows."""
        return [each.astype(self.dtype, copy=False) for each in self.network.coefs]

    @cached_property
    def activations(self) -> list[Array]:
        """a_l of the hidden layers."""
        value = ACTIVATIONS[self.network.activation].value
        result: list[Array] = []
        for layer in range(len(self.weights) - 1):
            result.append(value(self._signal(layer, result[-1] if result else self.X)))
        return result

    @cached_property
    def outputs(self) -> Array:
        """z, (n, K)."""
        signal = self._signal(len(self.weights) - 1, self.inputs[-1])
        return self.read(signal[:, None, :])[:, 0]

    def read(self, signals: Array) -> Array:
        """Of the last layer's units (n, m, C) what the loss reads, (n, m, K)."""
        contrasts = self.network.contrasts
        return signals if contrasts is None else times(signals, contrasts.astype(self.dtype))

    def spread(self, cotangents: Array) -> Array:
        """The transpose of ``read``."""
        cotangents = np.ascontiguousarray(cotangents).astype(self.dtype, copy=False)
        contrasts = self.network.contrasts
        return (
            cotangents if contrasts is None else times(cotangents, contrasts.T.astype(self.dtype))
        )

    def _signal(self, layer: int, inputs: Any) -> Array:
        intercept = self.network.intercepts[layer].astype(self.dtype, copy=False)
        return np.asarray(inputs @ self.weights[layer]) + intercept

    @property
    def inputs(self) -> list[Any]:
        """a_{l−1} of each layer."""
        return [self.X, *self.activations]

    @cached_property
    def slopes(self) -> list[Array]:
        """φ'(h_l)."""
        return [ACTIVATIONS[self.network.activation].slope(each) for each in self.activations]

    @cached_property
    def bends(self) -> list[Array] | None:
        """φ''(h_l), or None where it is 0."""
        bend = ACTIVATIONS[self.network.activation].bend
        return None if bend is None else [bend(each) for each in self.activations]

    def take(self, rows: Any) -> Layers:
        """On some of the rows, with what is known of them."""
        taken = Layers(self.X[rows], self.network, [each[rows] for each in self.activations])
        taken.weights, taken.slopes = self.weights, [each[rows] for each in self.slopes]
        taken.bends = None if self.bends is None else [each[rows] for each in self.bends]
        return taken

    # ------------------------------------------------------------------------ forward, backward
    def tangents(self, directions: list[tuple[Array, Array]]) -> Iterator[tuple[Any, Array]]:
        """(ȧ_{l−1}, ḣ_l) of each layer, first to last, with ż for the last; ȧ_0 is None."""
        coming: Array | None = None
        for layer, (weights, intercepts) in enumerate(directions):
            units = intercepts.shape[1]
            values = np.asarray(self.inputs[layer] @ weights.reshape(len(weights), -1))
            values = values.reshape(len(values), -1, units)
            values += intercepts
            if coming is not None:
                values += times(coming, self.weights[layer])
            if layer < len(self.slopes):
                yield coming, values
                coming = self.slopes[layer][:, None, :] * values
        yield coming, self.read(values)

    def deltas(self, cotangents: Array) -> list[Array]:
        """δ_l of each layer for cotangents of z (n, m, K): (n, m, units)."""
        delta = self.spread(cotangents)
        deltas = [delta]
        for layer in range(len(self.slopes) - 1, -1, -1):
            delta = times(delta, self.weights[layer + 1].T)
            delta *= self.slopes[layer][:, None, :]
            deltas.append(delta)
        return deltas[::-1]

    def row_deltas(self, cotangents: Array) -> list[Array]:
        """δ_l of each layer for a single cotangent of z (n, K): (n, units)."""
        return [each[:, 0] for each in self.deltas(cotangents[:, None, :])]

    def delta_changes(
        self,
        directions: list[tuple[Array, Array]],
        tangents: list[tuple[Any, Array]],
        deltas: list[Array],
        change: Array,
    ) -> list[Array]:
        """δ̇_l of each layer for cotangents of z that change by (n, m, K): (n, m, units)."""
        changes = [self.spread(change)]
        for layer in range(len(self.slopes) - 1, -1, -1):
            above = layer + 1
            change = self.pulled(changes[-1], deltas[above], directions[above][0], above)
            change *= self.slopes[layer][:, None, :]
            if self.bends is not None:
                back = deltas[above] @ self.weights[above].T
                change += (back * self.bends[layer])[:, None, :] * tangents[layer][1]
            changes.append(change)
        return changes[::-1]

    def pulled(self, change: Array, delta: Array, direction: Array, layer: int) -> Array:
        """δ̇ Wᵀ + δ Ẇᵀ of a layer, (n, m, units before it)."""
        units, m = direction.shape[:2]
        turned = direction.transpose(2, 1, 0).reshape(delta.shape[1], m * units)
        along = (delta @ turned).reshape(len(delta), m, units)
        along += times(change, self.weights[layer].T)
        return np.asarray(along)

    # ---------------------------------------------------------------------------- packing of θ
    def unpacked(self, directions: Array) -> list[tuple[Array, Array]]:
        """Weights (fan_in, m, units) and intercepts (m, units) of directions (p, m)."""
        m, shapes = directions.shape[1], [each.shape for each in self.weights]
        sizes = [rows * columns for rows, columns in shapes] + [units for _, units in shapes]
        parts = np.split(directions.astype(self.dtype, copy=False), np.cumsum(sizes)[:-1])
        weights = [
            np.ascontiguousarray(part.reshape(*shape, m).transpose(0, 2, 1))
            for part, shape in zip(parts, shapes, strict=False)
        ]
        return list(zip(weights, (part.T for part in parts[len(shapes) :]), strict=True))

    def zeros(self, m: int) -> list[tuple[Array, Array]]:
        """What ``unpacked`` makes of m directions that are 0."""
        shapes = [each.shape for each in self.weights]
        return [
            (np.zeros((rows, m, units), self.dtype), np.zeros((m, units), self.dtype))
            for rows, units in shapes
        ]

    @staticmethod
    def packed(by_layer: list[tuple[Array, Array]]) -> Array:
        """The transpose of ``unpacked``, (p, m)."""
        m = by_layer[0][1].shape[0]
        weights = [each.transpose(0, 2, 1).reshape(-1, m) for each, _ in by_layer]
        return np.concatenate([*weights, *(each.T for _, each in by_layer)])


def times(block: Array, matrix: Array) -> Array:
    """(n, m, units) times (units, others), as one product: matmul would make one a row."""
    n, m, units = block.shape
    return (block.reshape(n * m, units) @ matrix).reshape(n, m, matrix.shape[1])
