"""Approximations of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.kernel_approximation import Nystroem, RBFSampler

from ..curvature import Array
from ..kernels import PairwiseKernel
from .dispatch import step_vjp
from .rows import numbers


@step_vjp.register(Nystroem)
def _nystroem(step: Any, X: Any, cotangents: Array) -> Array:
    parameters = dict(step.kernel_params or {})
    for name in ("gamma", "coef0", "degree"):
        if getattr(step, name) is not None:
            parameters[name] = getattr(step, name)
    kernel = PairwiseKernel(step.kernel, parameters)
    return kernel.input_vjp(numbers(X), step.components_, cotangents @ step.normalization_)


@step_vjp.register(RBFSampler)
def _cosines(step: Any, X: Any, cotangents: Array) -> Array:
    slopes = -np.sin(numbers(X) @ step.random_weights_ + step.random_offset_)
    slopes *= (2.0 / slopes.shape[1]) ** 0.5
    return np.asarray((cotangents * slopes) @ step.random_weights_.T)
