"""Predictors: how parameters become decision values, z = f(x; θ)."""

from .base import LinearMap
from .functions import Functions
from .kernel import NO_RESIDUAL, KernelMap, KernelPredictor
from .linear import FeatureMap, LinearPredictor, append_rows, replace_rows
from .rows import TrainingRows

Predictor = LinearPredictor | KernelPredictor

__all__ = [
    "NO_RESIDUAL",
    "FeatureMap",
    "Functions",
    "KernelMap",
    "KernelPredictor",
    "LinearMap",
    "LinearPredictor",
    "Predictor",
    "TrainingRows",
    "append_rows",
    "replace_rows",
]
