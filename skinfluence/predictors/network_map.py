"""The map of a network's rows: decision values and their derivatives in θ and in the features.

Around the fitted parameters it is linear in θ: ``jvp`` and ``vjp`` are the network's own Jacobian.
What that leaves out of the Hessian, Σ s_i r_i · ∂²z_i, is in ``curved``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from ..blocks import row_blocks
from ..curvature import Array, Curvature
from .base import LinearMap
from .layers import Layers, Network
from .storage import dense_rows, replace_rows

# Working memory of a block of rows: larger than elsewhere, because each adds to all of (p, m).
CURVED_BYTES = 1 << 25


class NetworkMap(LinearMap):
    """θ → decision values of given rows, linear around the fitted parameters.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    network : NetworkPredictor
    layers : Layers, optional
        On these rows, where they are known.
    """

    tangent = True

    def __init__(self, X: Any, network: Network, layers: Layers | None = None) -> None:
        super().__init__(X, network.n_outputs, 0.0)
        self.network = network
        self.layers = layers or Layers(X, network)

    @property
    def n_inputs(self) -> int:
        """What a row's products go through: its features and all units."""
        return self.n_features + sum(len(each) for each in self.network.intercepts)

    @property
    def n_parameters(self) -> int:
        """p."""
        return self.network.n_parameters

    @property
    def theta_shape(self) -> tuple[int, int]:
        """(p, 1)."""
        return self.n_parameters, 1

    @property
    def density(self) -> float:
        """Share of the weights that a product goes through, by what is stored of X."""
        if not sparse.issparse(self.X):
            return 1.0
        first = self.network.coefs[0].size
        stored = self.X.nnz / max(1, self.X.shape[0] * self.X.shape[1])
        return float((first * stored + self.n_parameters - first) / self.n_parameters)

    def take(self, rows: Any) -> NetworkMap:
        """The map of some rows."""
        layers = self.layers.take(rows)
        return NetworkMap(layers.X, self.network, layers)

    @cached_property
    def _in_float64(self) -> NetworkMap:
        return NetworkMap(self.X.astype(np.float64), self.network)

    def as_float64(self) -> NetworkMap:
        """The map with its products in float64."""
        return self if self.dtype == np.float64 else self._in_float64

    def with_outputs(self, n_outputs: int) -> NetworkMap:
        """None."""
        raise TypeError("The outputs of a network share their parameters.")

    def substituted(self, rows: Array, others: LinearMap) -> NetworkMap:
        """The map with other rows in the places of some."""
        return NetworkMap(replace_rows(self.X, rows, others.X), self.network)

    # -------------------------------------------------------------------------- decision values
    def values(self, parameters: Array) -> Array:
        """Decision values (n, K, m) at parameters (p, m), to first order around the fitted ones."""
        fitted, steps = self.layers.outputs[:, :, None], parameters - self.network.theta
        if not steps.any():
            return np.repeat(fitted, steps.shape[1], axis=2)
        return np.asarray(fitted + self.jvp(steps))

    def own_values_at(self, parameters: Array) -> Array:
        """The same of each row at its own parameters, (p, n) → (n, K)."""
        return self.layers.outputs + self.own_values(parameters - self.network.theta)

    # ------------------------------------------------------------------------ derivatives in θ
    def jvp(self, directions: Array) -> Array:
        """(p, m) → (n, K, m)."""
        by_layer, m = self.layers.unpacked(directions), directions.shape[1]
        values = np.empty((self.n_rows, m, self.n_outputs), dtype=self.dtype)
        for rows in self._blocks(m):
            *_, (_, values[rows]) = self.layers.take(rows).tangents(by_layer)
        return values.transpose(0, 2, 1)

    def vjp(self, cotangents: Array) -> Array:
        """(n, K, m) → (p, m)."""
        m = cotangents.shape[2]
        total = self.layers.zeros(m)
        for rows in self._blocks(m):
            layers = self.layers.take(rows)
            deltas = layers.deltas(cotangents[rows].transpose(0, 2, 1))
            for sums, inputs, delta in zip(total, layers.inputs, deltas, strict=True):
                _add(sums, _summed_outer(inputs, delta), delta)
        return self.layers.packed(total)

    def _blocks(self, m: int) -> Iterator[slice]:
        """Rows whose signals, tangents and cotangents for m directions fit into memory."""
        bytes_per_row = self.dtype.itemsize * 4 * (self.n_inputs - self.n_features) * m
        return row_blocks(self.n_rows, bytes_per_row, limit=CURVED_BYTES)

    def curved(self, directions: Array, curvature: Curvature, pull: Array | None = None) -> Array:
        """Σ_i J_iᵀ C_i J_i v along directions (p, m), and Σ_i c_i · ∂²z_i v with a pull.

        Parameters
        ----------
        directions : ndarray of shape (p, m)
        curvature : Curvature
            C = s B.
        pull : ndarray of shape (n, K), optional
            c = s r.
        """
        by_layer, m = self.layers.unpacked(directions), directions.shape[1]
        total = self.layers.zeros(m)
        for rows in self._blocks(m):
            own_pull = None if pull is None else pull[rows]
            block = _curved_block(self.layers.take(rows), by_layer, curvature.take(rows), own_pull)
            for sums, (gradient, change) in zip(total, block, strict=True):
                _add(sums, gradient, change)
        return self.layers.packed(total)

    # ------------------------------------------------------------------------------- row by row
    def columns(self, cotangents: Array) -> Array:
        """(n, K) → (p, n): each row's own gradient. For blocks of rows."""
        layers = self.as_float64().layers
        deltas = layers.row_deltas(cotangents)
        parts = [
            (dense_rows(inputs).T[:, None, :] * delta.T).reshape(-1, self.n_rows)
            for inputs, delta in zip(layers.inputs, deltas, strict=True)
        ]
        return np.concatenate([*parts, *(delta.T for delta in deltas)])

    def own_values(self, directions: Array) -> Array:
        """Each row's decision values in its own direction, (p, n) → (n, K). For blocks of rows."""
        layers = self.layers
        coming: Array | None = None
        for layer, (weights, intercepts) in enumerate(layers.unpacked(directions)):
            inputs = dense_rows(layers.inputs[layer])
            values = np.einsum("nf,fnu->nu", inputs, weights) + intercepts
            if coming is not None:
                values += coming @ layers.weights[layer]
            if layer < len(layers.slopes):
                coming = layers.slopes[layer] * values
        return np.asarray(layers.read(values[:, None, :])[:, 0], dtype=np.float64)

    def inner(self, gradients: Array, directions: Array) -> Array:
        """(p, m) and (p, m) → (m,)."""
        return np.einsum("pm,pm->m", gradients, directions)

    def squared_norms(self) -> Array:
        """‖∂z_i/∂θ‖² over all K outputs, (n,)."""
        k = self.n_outputs
        deltas = self.layers.deltas(np.broadcast_to(np.eye(k), (self.n_rows, k, k)))
        total = np.zeros(self.n_rows)
        for inputs, delta in zip(self.layers.inputs, deltas, strict=True):
            squares = np.asarray(_squared(inputs).sum(axis=1), dtype=np.float64).ravel()
            total += (squares + 1.0) * np.einsum("nmu,nmu->n", delta, delta)
        return total

    def weighted_squares(self, roots: Array) -> Array:
        """Σ_i Σ_j (J_iᵀ root_ij)², element by element, for roots (n, K, J): (p,)."""
        squares = [
            (each * each).sum(axis=1) for each in self.layers.deltas(roots.transpose(0, 2, 1))
        ]
        pairs = zip(self.layers.inputs, squares, strict=True)
        parts = [np.asarray(_squared(inputs).T @ square).ravel() for inputs, square in pairs]
        return np.concatenate([*parts, *(square.sum(axis=0) for square in squares)])

    # --------------------------------------------------------------------- derivatives in inputs
    def input_vjp(self, parameters: Any, cotangents: Array) -> Array:
        """Gradient of Σ_k cotangent_k z_k of the network in each row's features, (n, d)."""
        return np.asarray(self.layers.row_deltas(cotangents)[0] @ self.layers.weights[0].T)

    def direction_input_vjp(self, direction: Array, cotangents: Array) -> Array:
        """The same of Σ_k cotangent_k ż_k, ż = J θ̇ for a direction (p, 1)."""
        layers = self.layers
        by_layer = layers.unpacked(direction)
        deltas = layers.row_deltas(cotangents)
        tangents = list(layers.tangents(by_layer))
        still = np.zeros_like(tangents[-1][1])
        change = layers.delta_changes(by_layer, tangents, deltas, still)[0]
        return layers.pulled(change, deltas[0], by_layer[0][0], 0)[:, 0]

    # ----------------------------------------------------------- what only linear models can do
    def common_shift(self, directions: Array) -> Array:
        """The part of directions (p, m) that neither loss nor penalty sees."""
        result, flat = np.zeros_like(directions), self.network.flat
        if flat is None:
            return result
        units, last = self.network.coefs[-1].shape[1], self.network.coefs[-1].size
        end = self.n_parameters - sum(len(each) for each in self.network.intercepts)
        places = [slice(end - last, end), slice(self.n_parameters - units, None)]
        for place, shifts in zip(places, (flat[:-1], flat[-1:]), strict=True):
            by_input = directions[place].reshape(len(shifts), units, -1)
            mean = by_input.mean(axis=1, keepdims=True) * shifts[:, None, None]
            result[place] = np.broadcast_to(mean, by_input.shape).reshape(-1, by_input.shape[2])
        return result

    def gram(self, other: LinearMap, scale: Array) -> Array:
        """None: there is no dual system."""
        raise TypeError("A network has no dual system.")

    def gram_diagonal(self, scale: Array) -> Array:
        """None, as of ``gram``."""
        raise TypeError("A network has no dual system.")

    def inputs(self) -> Array:
        """None that all of θ is multiplied by."""
        raise TypeError("A network's parameters are not multiplied by inputs of its rows alone.")


def _curved_block(
    layers: Layers, by_layer: list[tuple[Array, Array]], curvature: Curvature, pull: Array | None
) -> Iterator[tuple[Array, Array]]:
    """What a block of rows adds to each layer's weights (fan_in, m, units), and its δ̇."""
    tangents = list(layers.tangents(by_layer))
    change = curvature.matmul(tangents[-1][1].transpose(0, 2, 1)).transpose(0, 2, 1)
    if pull is None:
        for inputs, delta in zip(layers.inputs, layers.deltas(change), strict=True):
            yield _summed_outer(inputs, delta), delta
        return
    deltas = layers.row_deltas(pull)
    changes = layers.delta_changes(by_layer, tangents, deltas, change)
    for inputs, change, delta, (coming, _) in zip(
        layers.inputs, changes, deltas, tangents, strict=True
    ):
        gradient = _summed_outer(inputs, change)
        if coming is not None:
            n, m, units = coming.shape
            along = coming.reshape(n, m * units).T @ delta
            gradient += along.reshape(m, units, -1).transpose(1, 0, 2)
        yield gradient, change


def _add(sums: tuple[Array, Array], gradient: Array, delta: Array) -> None:
    """To a layer's weights and intercepts, in place."""
    weights, intercepts = sums
    weights += gradient
    intercepts += delta.sum(axis=0)


def _summed_outer(inputs: Any, deltas: Array) -> Array:
    """Σ_i a_i δ_i for δ (n, m, units): (fan_in, m, units)."""
    n, m, units = deltas.shape
    return np.asarray(inputs.T @ deltas.reshape(n, m * units)).reshape(-1, m, units)


def _squared(inputs: Any) -> Any:
    return inputs.multiply(inputs) if sparse.issparse(inputs) else inputs * inputs
