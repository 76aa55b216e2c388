"""The generalised linear models of glum, registered from outside through public doors only."""

import numpy as np
from glum import GeneralizedLinearRegressor

from skinfluence import as_objective
from skinfluence.adapters import linear_objective
from skinfluence.coding import RealTargets
from skinfluence.losses import HalfSquaredError, TweedieLoss
from skinfluence.responses import Exponential
from skinfluence.weighting import RowWeights

POWERS = {"poisson": 1.0, "gamma": 2.0}


@as_objective.register(GeneralizedLinearRegressor)
def glum_objective(estimator, X, y, sample_weight=None, *, smoothing=1e-3):
    """glum minimises (1/Σs) Σ s_i ½ d_i + ½ alpha ‖w‖², if l1_ratio is 0."""
    if estimator.l1_ratio != 0 or estimator.link != "auto":
        raise ValueError("Registered are glum's models with l1_ratio=0 and link='auto'.")
    normal = estimator.family == "normal"
    weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    return linear_objective(
        estimator,
        X,
        y,
        loss=HalfSquaredError() if normal else TweedieLoss(POWERS[estimator.family]),
        coding=RealTargets(1, response=None if normal else Exponential()),
        weights=RowWeights(weights),
        strength=estimator.alpha * weights.sum(),
        mean_over="weights",
    )
