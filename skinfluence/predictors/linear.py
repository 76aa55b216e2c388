"""Where a linear estimator keeps its parameters, and how θ packs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import Array
from .contrasts import OnContrasts
from .features import FeatureMap, feature_map
from .selection import Selection


@dataclass(frozen=True)
class LinearPredictor(OnContrasts):
    """Where a linear estimator keeps its parameters, and how θ packs them.

    Parameters
    ----------
    coef_shape, intercept_shape : tuple of int
        Shapes of the estimator's ``coef_`` and ``intercept_``.
    constant : float
        The intercept's input: 1, or liblinear's ``intercept_scaling``; 0 without intercept.
    contrasts : ndarray of shape (C, K), optional
        Q of a loss on contrasts: the estimator's parameters are θ Qᵀ.
    columns : ndarray of int, optional
        Features that have parameters; all by default. The others' coefficients are 0.
    free : ndarray of bool of shape (q, K), optional
        Which of the coordinates of these features, and of the constant, are parameters.
    flat : ndarray of bool of shape (q,), optional
        Of a loss that doesn't see what decision values have in common: inputs of which the penalty
        doesn't see it either. Their parameters are differences to the last output's, and are
        shown so that they sum to zero, also in decision values.
    """

    coef_shape: tuple[int, ...]
    intercept_shape: tuple[int, ...]
    constant: float = 1.0
    contrasts: Array | None = None
    columns: Array | None = None
    free: Array | None = None
    flat: Array | None = None

    @property
    def n_features(self) -> int:
        """Number of features of the estimator."""
        return self.coef_shape[-1]

    @property
    def n_outputs(self) -> int:
        """K."""
        if self.contrasts is not None:
            return int(self.contrasts.shape[1])
        return self.coef_shape[0] if len(self.coef_shape) == 2 else 1

    def pack(self, coef: Array, intercept: Array) -> Array:
        """Pack the estimator's parameters into θ (q, K)."""
        theta = np.atleast_2d(np.asarray(coef, dtype=np.float64)).T
        if self.columns is not None:
            theta = theta[self.columns]
        if self.constant:
            row = np.broadcast_to(np.asarray(intercept, dtype=np.float64), theta.shape[1])
            theta = np.vstack([theta, row[None, :] / self.constant])
        if self.flat is not None:
            theta = np.where(self.flat[:, None], theta - theta[:, -1:], theta)
        return theta if self.contrasts is None else theta @ self.contrasts

    def unpack(self, directions: Array) -> dict[str, Array]:
        """``coef`` and ``intercept`` of m directions (p, m), each (m, *its shape)."""
        m = directions.shape[1]
        used = self.n_features if self.columns is None else len(self.columns)
        n_inputs = used + bool(self.constant)
        theta = directions.reshape(n_inputs, self.n_outputs, m)
        if self.contrasts is not None:
            theta = np.matmul(self.contrasts, theta)
        if self.flat is not None:
            centred = theta - theta.mean(axis=1, keepdims=True)
            theta = np.where(self.flat[:, None, None], centred, theta)
        theta = theta.transpose(2, 1, 0)
        coef = theta[:, :, :used]
        if self.columns is not None:
            coef = np.zeros((*theta.shape[:2], self.n_features))
            coef[:, :, self.columns] = theta[:, :, :used]
        coef = coef.reshape(m, *self.coef_shape)
        if not self.constant:
            return {"coef": coef, "intercept": np.zeros((m, *self.intercept_shape))}
        intercept = theta[:, :, -1].reshape(m, *self.intercept_shape)
        return {"coef": coef, "intercept": intercept * self.constant}

    def linearize(self, X: Any) -> FeatureMap:
        """The map from parameters to the decision values of these rows."""
        if self.columns is None:
            return feature_map(X, self.n_outputs, self.constant, None, self.free, self.flat)
        used, selection = X[:, self.columns], Selection(self.columns, X)
        return feature_map(used, self.n_outputs, self.constant, selection, self.free, self.flat)
