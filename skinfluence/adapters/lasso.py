"""Lasso and elastic net, of one target and of several."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    LassoCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
)
from sklearn.utils.validation import check_is_fitted

from ..coding import RealTargets
from ..curvature import Array
from ..losses import SquaredError
from ..objective import Objective
from ..weighting import RowWeights
from .dispatch import as_objective, linear_objective, unit_weights
from .squared import refuse_positive


@as_objective.register(ElasticNet)  # and Lasso, MultiTaskElasticNet, MultiTaskLasso
@as_objective.register(ElasticNetCV)
@as_objective.register(LassoCV)
@as_objective.register(MultiTaskElasticNetCV)
@as_objective.register(MultiTaskLassoCV)
def _elastic_net(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    refuse_positive(estimator)
    weights = unit_weights(sample_weight, X.shape[0])
    grouped = isinstance(estimator, MULTI_TASK)
    # Its objective is half a mean of squares: in sums of squares alpha stands twice Σ s.
    alpha = 2.0 * weights.sum() * float(chosen(estimator, "alpha"))
    l1_ratio = float(chosen(estimator, "l1_ratio"))
    return linear_objective(
        estimator,
        X,
        y,
        loss=SquaredError(coupled=grouped),
        coding=RealTargets(len(np.atleast_2d(estimator.coef_))),
        weights=RowWeights(weights),
        strength=alpha * (1.0 - l1_ratio),
        l1=alpha * l1_ratio,
        grouped=grouped,
        mean_over="weights",
    )


def chosen(estimator: Any, name: str) -> Any:
    """A hyper-parameter as cross-validation chose it, else as given; a lasso is all L1."""
    given = getattr(estimator, name, 1.0)
    return getattr(estimator, f"{name}_", given)


MULTI_TASK = (MultiTaskElasticNet, MultiTaskElasticNetCV, MultiTaskLassoCV)
