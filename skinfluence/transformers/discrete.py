"""Steps that jump: categories, bins and words have no derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    TargetEncoder,
)

from ..curvature import Array
from .dispatch import step_vjp
from .rows import width


@step_vjp.register(Binarizer)
@step_vjp.register(KBinsDiscretizer)
@step_vjp.register(OneHotEncoder)
@step_vjp.register(OrdinalEncoder)
@step_vjp.register(TargetEncoder)
def _columns(step: Any, X: Any, cotangents: Array) -> Array:
    return np.full((*cotangents.shape[:2], width(X)), np.nan, dtype=cotangents.dtype)


@step_vjp.register(CountVectorizer)
@step_vjp.register(TfidfVectorizer)
@step_vjp.register(HashingVectorizer)
@step_vjp.register(DictVectorizer)
@step_vjp.register(FeatureHasher)
def _documents(step: Any, X: Any, cotangents: Array) -> Array:
    return np.full((*cotangents.shape[:2], 1), np.nan, dtype=cotangents.dtype)
