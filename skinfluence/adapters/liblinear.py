"""What liblinear does in its own way: it penalises the intercept and weighs one-vs-rest rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..curvature import Array


def intercept_options(estimator: Any) -> dict[str, Any]:
    """liblinear appends ``intercept_scaling`` to every row and penalises its weight too."""
    scaling = float(estimator.intercept_scaling) if estimator.fit_intercept else 0.0
    return {"constant": scaling, "penalise_intercept": True}


def weighted_outputs(codes: Array, classes: Array) -> Array | None:
    """Class weights apply to the rows of class k in problem k only, (n, C); all for C = 2."""
    if len(classes) == 2:
        return None
    return np.asarray(codes[:, None] == np.arange(len(classes)), dtype=np.float64)
