"""Input Jacobians of the steps before the model, as vector–Jacobian products.

``step_vjp(step, X, cotangents)`` takes the step's own input rows (rows, d_in) and cotangents
(m, rows, d_out) and returns (m, rows, d_in). It is a singledispatch function: support for
another step is one registered function.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from .curvature import Array
from .kernels import PairwiseKernel


@singledispatch
def step_vjp(step: Any, X: Any, cotangents: Array) -> Array:
    """Pull cotangents on a step's output back to its input.

    Parameters
    ----------
    step : fitted transformer
    X : array-like of shape (rows, d_in)
    cotangents : ndarray of shape (m, rows, d_out)

    Returns
    -------
    ndarray of shape (m, rows, d_in)

    Raises
    ------
    TypeError
        For steps that nobody has registered.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skinfluence.transformers import step_vjp
    >>> X = np.array([[0.0], [4.0]])
    >>> step_vjp(StandardScaler().fit(X), X, np.ones((1, 2, 1)))
    array([[[0.5],
            [0.5]]])
    """
    known = sorted(kind.__name__ for kind in step_vjp.registry if kind is not object)
    raise TypeError(
        f"perturbation_gradient got a pipeline with {type(step).__name__}, whose derivative it "
        f"does not know. It knows {', '.join(known)}. Register another with "
        "skinfluence.transformers.step_vjp.register, or explain the final model alone on "
        "transformed rows to get the gradient with respect to its inputs."
    )


@step_vjp.register(StandardScaler)
@step_vjp.register(RobustScaler)
def _divide(step: Any, X: Any, cotangents: Array) -> Array:
    return cotangents if step.scale_ is None else cotangents / step.scale_


@step_vjp.register(MaxAbsScaler)
def _divide_and_clip(step: Any, X: Any, cotangents: Array) -> Array:
    if not getattr(step, "clip", False):  # a parameter of newer scikit-learn
        return cotangents / step.scale_
    dense = X.toarray() if sparse.issparse(X) else np.asarray(X)
    return cotangents / step.scale_ * (np.abs(dense) <= step.scale_)


@step_vjp.register(MinMaxScaler)
def _multiply(step: Any, X: Any, cotangents: Array) -> Array:
    if not step.clip:
        return cotangents * step.scale_
    unclipped = np.asarray(X) * step.scale_ + step.min_
    low, high = step.feature_range
    return cotangents * step.scale_ * ((unclipped >= low) & (unclipped <= high))


@step_vjp.register(PCA)
def _pca(step: Any, X: Any, cotangents: Array) -> Array:
    if step.whiten:
        cotangents = cotangents / np.sqrt(step.explained_variance_)
    return np.asarray(cotangents @ step.components_)


@step_vjp.register(TruncatedSVD)
def _project(step: Any, X: Any, cotangents: Array) -> Array:
    return np.asarray(cotangents @ step.components_)


@step_vjp.register(Nystroem)
def _nystroem(step: Any, X: Any, cotangents: Array) -> Array:
    parameters = dict(step.kernel_params or {})
    for name in ("gamma", "coef0", "degree"):
        if getattr(step, name) is not None:
            parameters[name] = getattr(step, name)
    kernel = PairwiseKernel(step.kernel, parameters)
    return kernel.input_vjp(_rows(X), step.components_, cotangents @ step.normalization_)


@step_vjp.register(RBFSampler)
def _cosines(step: Any, X: Any, cotangents: Array) -> Array:
    slopes = -np.sin(_rows(X) @ step.random_weights_ + step.random_offset_)
    slopes *= (2.0 / slopes.shape[1]) ** 0.5
    return np.asarray((cotangents * slopes) @ step.random_weights_.T)


def pull_back(transformers: list[Any], X: Any, rows: Array, cotangents: Array) -> Array:
    """From the model's inputs back through all steps to the raw features of some rows."""
    if not transformers:
        return cotangents
    dtype = cotangents.dtype
    inputs = [_take(X, rows)]
    for transformer in transformers[:-1]:
        inputs.append(transformer.transform(inputs[-1]))
    for transformer, given in zip(reversed(transformers), reversed(inputs), strict=True):
        cotangents = step_vjp(transformer, given, cotangents)
    return cotangents.astype(dtype, copy=False)


def _rows(X: Any) -> Any:
    return X.tocsr() if sparse.issparse(X) else np.asarray(X)


def _take(X: Any, rows: Array) -> Any:
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if sparse.issparse(X):
        return X.tocsr()[rows]
    return np.asarray(X)[rows]
