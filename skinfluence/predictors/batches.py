"""Mini-batches for several independent chains at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..curvature import Array
from .features import FeatureMap


class BatchMap:
    """One mini-batch of rows for each of R chains, each chain with its own parameters.

    Parameters
    ----------
    linear_map : FeatureMap
        Of all rows.
    rows : ndarray of shape (R, batch_size)
        Rows of each chain's batch.
    """

    def __init__(self, linear_map: FeatureMap, rows: Array) -> None:
        self.n_chains, self.batch_size = rows.shape
        self.n_inputs, self.n_outputs = linear_map.n_inputs, linear_map.n_outputs
        self.n_features = linear_map.X.shape[1]
        self.constant, self.free = linear_map.constant, linear_map.free
        X = linear_map.X[rows.reshape(-1)]
        self.X = self._block_diagonal(X) if sparse.issparse(X) else X.reshape(*rows.shape, -1)

    def _block_diagonal(self, X: Any) -> Any:
        # Column offsets keep the chains apart in one sparse product.
        chain = np.repeat(np.arange(self.n_chains), self.batch_size)
        offsets = np.repeat(chain * self.n_features, np.diff(X.indptr))
        shape = (X.shape[0], self.n_chains * self.n_features)
        return sparse.csr_matrix((X.data, X.indices + offsets, X.indptr), shape=shape)

    def jvp(self, directions: Array) -> Array:
        """(R, p, m) → (R · batch, K, m)."""
        m = directions.shape[2]
        if self.free is not None:
            directions = directions * self.free.reshape(-1, 1)
        inputs = directions.reshape(self.n_chains, self.n_inputs, self.n_outputs * m)
        features = inputs[:, : self.n_features]
        if sparse.issparse(self.X):
            values = self.X @ features.reshape(-1, self.n_outputs * m)
            values = values.reshape(self.n_chains, self.batch_size, -1)
        else:
            values = np.matmul(self.X, features)
        if self.constant:
            values += self.constant * inputs[:, -1:]
        return values.reshape(-1, self.n_outputs, m)

    def vjp(self, cotangents: Array) -> Array:
        """(R · batch, K, m) → (R, p, m)."""
        m = cotangents.shape[2]
        flat = cotangents.reshape(self.n_chains, self.batch_size, self.n_outputs * m)
        result = np.empty((self.n_chains, self.n_inputs, self.n_outputs * m), dtype=flat.dtype)
        if sparse.issparse(self.X):
            product = self.X.T @ flat.reshape(-1, self.n_outputs * m)
            result[:, : self.n_features] = product.reshape(self.n_chains, self.n_features, -1)
        else:
            result[:, : self.n_features] = np.matmul(self.X.transpose(0, 2, 1), flat)
        if self.constant:
            result[:, -1] = self.constant * flat.sum(axis=1)
        result = result.reshape(self.n_chains, self.n_inputs * self.n_outputs, m)
        return result if self.free is None else result * self.free.reshape(-1, 1)
