"""Predictors: how parameters become decision values, z = f(x; θ)."""

from .linear import LinearMap, LinearPredictor

__all__ = ["LinearMap", "LinearPredictor"]
