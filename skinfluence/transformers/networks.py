"""Layers of networks as steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.neural_network import BernoulliRBM

from ..curvature import Array
from .dispatch import step_vjp
from .rows import numbers


@step_vjp.register(BernoulliRBM)
def _probabilities(step: Any, X: Any, cotangents: Array) -> Array:
    """Of p = σ(X Wᵀ + b): (c ∘ p (1 − p)) W."""
    on = expit(np.asarray(numbers(X) @ step.components_.T) + step.intercept_hidden_)
    return np.asarray((cotangents * (on * (1.0 - on))) @ step.components_)
