"""Predictors: how parameters become decision values, z = f(x; θ)."""

from .base import LinearMap
from .chunked import ChunkedMap
from .features import FeatureMap
from .functions import Functions
from .kernel import NO_RESIDUAL, KernelMap, KernelPredictor
from .linear import LinearPredictor
from .location_scale import LocationScalePredictor
from .network import NetworkPredictor
from .network_map import NetworkMap
from .rows import TrainingRows
from .storage import append_rows, replace_rows

Predictor = LinearPredictor | KernelPredictor | NetworkPredictor

__all__ = [
    "NO_RESIDUAL",
    "ChunkedMap",
    "FeatureMap",
    "Functions",
    "KernelMap",
    "KernelPredictor",
    "LinearMap",
    "LinearPredictor",
    "LocationScalePredictor",
    "NetworkMap",
    "NetworkPredictor",
    "Predictor",
    "TrainingRows",
    "append_rows",
    "replace_rows",
]
