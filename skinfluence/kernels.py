"""Kernels k(a, b): their matrices, diagonals and derivatives in the first argument.

Rows are ndarrays or CSR matrices. The derivative of a Gaussian-process kernel is one registered
function of ``gaussian_process_vjp``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import kernels as gp
from sklearn.metrics.pairwise import pairwise_kernels, polynomial_kernel

from .curvature import Array

# Large enough to spread the cost of a call, small enough that k(a, b) with a ≠ b is little waste.
DIAGONAL_BLOCK = 16


class Kernel(ABC):
    """A kernel between rows, dense or CSR."""

    @abstractmethod
    def __call__(self, A: Any, B: Any) -> Array:
        """The kernel matrix, (n_a, n_b), without white noise also where B is A."""

    def diagonal(self, A: Any) -> Array:
        """k(a, a) without white noise, (n_a,), in float64."""
        return _diagonal(self, A, DIAGONAL_BLOCK)

    def input_vjp(self, A: Any, B: Any, weights: Array) -> Array:
        """The derivative with respect to the rows of A, summed over those of B.

        Parameters
        ----------
        A : {ndarray, CSR matrix} of shape (n_a, d)
        B : {ndarray, CSR matrix} of shape (n_b, d)
            Held fixed, also where it shares rows with A.
        weights : ndarray of shape (..., n_a, n_b)
            Leading axes are several cotangents of one kernel matrix, which is computed once.

        Returns
        -------
        ndarray of shape (..., n_a, d)
            Σ_b weights[a, b] ∂k(a, b)/∂a; dense also for sparse rows.

        Raises
        ------
        TypeError
            If it is not known.
        """
        raise _unknown(self)


@dataclass(frozen=True)
class PairwiseKernel(Kernel):
    """A kernel by scikit-learn's name for it, or as a function of two single rows.

    Parameters
    ----------
    metric : str or callable
        As ``sklearn.metrics.pairwise.pairwise_kernels`` takes it; also a Gaussian-process kernel.
    parameters : dict
        A name's parameters that are None are scikit-learn's defaults, unknown ones are ignored.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.kernels import PairwiseKernel
    >>> kernel = PairwiseKernel("poly", {"degree": 2, "gamma": 1.0, "coef0": 0.0})
    >>> A, B = np.array([[1.0, 2.0]]), np.array([[3.0, 1.0]])
    >>> kernel(A, B)
    array([[25.]])
    >>> kernel.diagonal(A)
    array([25.])
    >>> kernel.input_vjp(A, B, np.ones((1, 1)))
    array([[30., 10.]])
    """

    metric: str | Callable[..., Any]
    parameters: dict[str, Any] = field(default_factory=dict)

    def __call__(self, A: Any, B: Any) -> Array:
        parameters = self.parameters
        if isinstance(self.metric, str):
            parameters = {key: value for key, value in parameters.items() if value is not None}
        return pairwise_kernels(A, B, metric=self.metric, filter_params=True, **parameters)

    def diagonal(self, A: Any) -> Array:
        if self.metric in ("rbf", "laplacian"):
            return np.ones(A.shape[0])
        if self.metric not in ("linear", "cosine", "poly", "polynomial", "sigmoid"):
            return _diagonal(self, A, 1)  # a function of two rows is slow: no pair too many
        squares = _squared_norms(A)
        if self.metric == "linear":
            return squares
        if self.metric == "cosine":
            return (squares > 0.0).astype(np.float64)
        gamma, coef0, degree = self._numbers(A)
        affine = gamma * squares + coef0
        return np.tanh(affine) if self.metric == "sigmoid" else np.asarray(affine**degree)

    def input_vjp(self, A: Any, B: Any, weights: Array) -> Array:
        if isinstance(self.metric, gp.Kernel):
            return GaussianProcessKernel(self.metric).input_vjp(A, B, weights)
        if self.metric == "linear":
            return _times(weights, B)
        if self.metric not in ("rbf", "poly", "polynomial", "sigmoid"):
            raise _unknown(self.metric)
        gamma, coef0, degree = self._numbers(A)
        if self.metric == "rbf":
            return 2.0 * gamma * _differences(weights * self(A, B), A, B)
        if self.metric == "sigmoid":
            return gamma * _times(weights * (1.0 - self(A, B) ** 2), B)
        affine = polynomial_kernel(A, B, degree=1, gamma=gamma, coef0=coef0)
        return gamma * _times(weights * (degree * affine ** (degree - 1.0)), B)

    def _numbers(self, A: Any) -> list[float]:
        """gamma, coef0, degree. A numpy scalar among them would make float64 of float32."""
        defaults = {"gamma": 1.0 / A.shape[1], "coef0": 1.0, "degree": 3.0}
        given = {key: value for key, value in self.parameters.items() if value is not None}
        return [float(given.get(name, default)) for name, default in defaults.items()]


@dataclass(frozen=True)
class GramFunction(Kernel):
    """A function from two sets of rows to their kernel matrix, as support-vector machines take it.

    Parameters
    ----------
    function : callable
        ``function(A, B)`` of shape (n_a, n_b).
    """

    function: Callable[[Any, Any], Any]

    def __call__(self, A: Any, B: Any) -> Array:
        return np.asarray(_dense(self.function(A, B)), dtype=np.float64)

    def input_vjp(self, A: Any, B: Any, weights: Array) -> Array:
        raise _unknown(self.function)


@dataclass(frozen=True)
class GaussianProcessKernel(Kernel):
    """A kernel of ``sklearn.gaussian_process.kernels`` with its parameters, times a number.

    White noise belongs to a row and itself, not to rows that look alike, and is not in it. Sparse
    rows are made dense, because these kernels take none.

    Parameters
    ----------
    kernel : sklearn.gaussian_process.kernels.Kernel
    scale : float, default=1.0
        What it is multiplied by.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process.kernels import DotProduct, WhiteKernel
    >>> from skinfluence.kernels import GaussianProcessKernel
    >>> kernel = GaussianProcessKernel(DotProduct(sigma_0=1.0) + WhiteKernel(0.1), scale=2.0)
    >>> A = np.array([[1.0, 2.0]])
    >>> kernel.diagonal(A)
    array([12.])
    >>> kernel.input_vjp(A, A, np.ones((1, 1)))
    array([[2., 4.]])
    """

    kernel: Any
    scale: float = 1.0

    def __call__(self, A: Any, B: Any) -> Array:
        # Both arguments, also for B = A: scikit-learn adds white noise where there is one.
        return np.asarray(self.kernel(_dense(A), _dense(B)) * float(self.scale))

    def input_vjp(self, A: Any, B: Any, weights: Array) -> Array:
        return gaussian_process_vjp(self.kernel, _dense(A), _dense(B), weights) * float(self.scale)


@singledispatch
def gaussian_process_vjp(kernel: Any, A: Array, B: Array, weights: Array) -> Array:
    """``Kernel.input_vjp`` of a Gaussian-process kernel on dense rows.

    From weights (..., n_a, n_b) to (..., n_a, d). One that nobody has registered is a TypeError.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct
    >>> from skinfluence.kernels import gaussian_process_vjp
    >>> kernel = ConstantKernel(3.0) * DotProduct()
    >>> gaussian_process_vjp(kernel, np.array([[1.0]]), np.array([[2.0]]), np.ones((1, 1)))
    array([[6.]])
    """
    raise _unknown(kernel)


@gaussian_process_vjp.register(gp.ConstantKernel)
@gaussian_process_vjp.register(gp.WhiteKernel)
def _constant(kernel: Any, A: Array, B: Array, weights: Array) -> Array:
    return np.zeros((*weights.shape[:-1], A.shape[1]), dtype=weights.dtype)


@gaussian_process_vjp.register(gp.DotProduct)
def _dot(kernel: Any, A: Array, B: Array, weights: Array) -> Array:
    return _times(weights, B)


@gaussian_process_vjp.register(gp.RBF)
def _rbf(kernel: Any, A: Array, B: Array, weights: Array) -> Array:
    return _differences(weights * kernel(A, B), A, B) / np.square(kernel.length_scale)


@gaussian_process_vjp.register(gp.Matern)
def _matern(kernel: Any, A: Array, B: Array, weights: Array) -> Array:
    if kernel.nu == np.inf:
        return _rbf(kernel, A, B, weights)
    if kernel.nu not in (1.5, 2.5):  # 0.5 has no derivative at b
        raise _unknown(kernel)
    scaled = cdist(A / kernel.length_scale, B / kernel.length_scale) * np.sqrt(2.0 * kernel.nu)
    slopes = 3.0 if kernel.nu == 1.5 else 5.0 / 3.0 * (1.0 + scaled)
    weights = weights * (slopes * np.exp(-scaled))
    return _differences(weights, A, B) / np.square(kernel.length_scale)


@gaussian_process_vjp.register(gp.RationalQuadratic)
def _rational_quadratic(kernel: Any, A: Array, B: Array, weights: Array) -> Array:
    slopes = kernel(A, B) ** (1.0 + 1.0 / kernel.alpha)
    return _differences(weights * slopes, A, B) / kernel.length_scale**2


@gaussian_process_vjp.register(gp.Sum)
def _sum(kernel: Any, A: Array, B: Array, weights: Array) -> Array:
    first = gaussian_process_vjp(kernel.k1, A, B, weights)
    return np.asarray(first + gaussian_process_vjp(kernel.k2, A, B, weights))


@gaussian_process_vjp.register(gp.Product)
def _product(kernel: Any, A: Array, B: Array, weights: Array) -> Array:
    first = gaussian_process_vjp(kernel.k1, A, B, weights * kernel.k2(A, B))
    return np.asarray(first + gaussian_process_vjp(kernel.k2, A, B, weights * kernel.k1(A, B)))


@gaussian_process_vjp.register(gp.Exponentiation)
def _power(kernel: Any, A: Array, B: Array, weights: Array) -> Array:
    slopes = kernel.exponent * kernel.kernel(A, B) ** (kernel.exponent - 1.0)
    return gaussian_process_vjp(kernel.kernel, A, B, weights * slopes)


def _unknown(kernel: Any) -> TypeError:
    name = getattr(kernel, "__name__", repr(kernel))
    kinds = sorted(kind.__name__ for kind in gaussian_process_vjp.registry if kind is not object)
    return TypeError(
        f"perturbation_gradient got the kernel {name}, whose derivative it does not know. It knows "
        f"rbf, poly, linear and sigmoid; of Gaussian-process kernels {', '.join(kinds)} (Matern "
        "with nu 1.5, 2.5 and inf). Use one of these, register the derivative of another "
        "Gaussian-process kernel with skinfluence.kernels.gaussian_process_vjp.register, or ask "
        "one of the other questions: they need no derivative of the kernel."
    )


def _diagonal(kernel: Kernel, A: Any, size: int) -> Array:
    result = np.empty(A.shape[0])
    for start in range(0, A.shape[0], size):
        block = A[start : start + size]
        result[start : start + size] = np.diagonal(kernel(block, block))
    return result


def _squared_norms(A: Any) -> Array:
    if sparse.issparse(A):
        return np.asarray(A.multiply(A).sum(axis=1, dtype=np.float64)).ravel()
    return np.einsum("ij,ij->i", A, A, dtype=np.float64)


def _times(weights: Array, B: Any) -> Array:
    """Σ_b weights[a, b] b, dense. As one product whatever the leading axes."""
    flat = weights.reshape(-1, weights.shape[-1]) @ B
    return np.asarray(flat).reshape(*weights.shape[:-1], B.shape[1])


def _differences(weights: Array, A: Any, B: Any) -> Array:
    """Σ_b weights[a, b] (b − a), dense."""
    if not (sparse.issparse(A) or sparse.issparse(B)):
        # Features far from 0 would cancel to the last digits.
        centre = B.mean(axis=0)
        A, B = A - centre, B - centre
    return _times(weights, B) - weights.sum(axis=-1, keepdims=True) * _dense(A)


def _dense(A: Any) -> Array:
    return A.toarray() if sparse.issparse(A) else np.asarray(A)
