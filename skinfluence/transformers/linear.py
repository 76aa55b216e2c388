"""Affine steps of scikit-learn by their matrices, and selections of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import (
    PCA,
    FactorAnalysis,
    FastICA,
    IncrementalPCA,
    MiniBatchSparsePCA,
    SparsePCA,
    TruncatedSVD,
)
from sklearn.feature_selection import SelectorMixin
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.preprocessing import KernelCenterer
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from ..curvature import Array
from .dispatch import linear_map, step_vjp


@linear_map.register(TruncatedSVD)
@linear_map.register(FastICA)
@linear_map.register(NeighborhoodComponentsAnalysis)
@linear_map.register(GaussianRandomProjection)
@linear_map.register(SparseRandomProjection)
def _components(step: Any) -> Any:
    return step.components_


@linear_map.register(PCA)
@linear_map.register(IncrementalPCA)
def _principal(step: Any) -> Array:
    if not step.whiten:
        return np.asarray(step.components_)
    scale = np.sqrt(step.explained_variance_)
    return np.asarray(step.components_ / np.maximum(scale, np.finfo(scale.dtype).eps)[:, None])


@linear_map.register(FactorAnalysis)
def _factors(step: Any) -> Array:
    weighted = step.components_ / step.noise_variance_
    precision = np.eye(len(weighted)) + weighted @ step.components_.T
    return np.linalg.solve(precision, weighted)


@linear_map.register(SparsePCA)
@linear_map.register(MiniBatchSparsePCA)
def _ridge(step: Any) -> Array:
    gram = step.components_ @ step.components_.T
    ridge = gram + step.ridge_alpha * np.eye(len(gram))
    # Components that came out as 0 leave it singular without a penalty.
    return np.asarray(np.linalg.lstsq(ridge, step.components_, rcond=None)[0])


@linear_map.register(KernelCenterer)
def _centre(step: Any) -> Array:
    n = len(step.K_fit_rows_)
    return np.eye(n) - 1.0 / n


@step_vjp.register(SelectorMixin)
def _select(step: Any, X: Any, cotangents: Array) -> Array:
    kept = step.get_support()
    result = np.zeros((*cotangents.shape[:2], len(kept)), dtype=cotangents.dtype)
    result[:, :, kept] = cotangents
    return result
