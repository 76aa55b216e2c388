"""Least squares: LinearRegression, Ridge, and Ridge on ±1 labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import (
    LinearRegression,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.utils.validation import check_is_fitted

from ..coding import ClassLabels, RealTargets
from ..curvature import Array
from ..losses import SquaredError
from ..objective import Objective
from ..weighting import RowWeights, row_weights
from .dispatch import as_objective, linear_objective, unit_weights


@as_objective.register(LinearRegression)
@as_objective.register(Ridge)
@as_objective.register(RidgeCV)
def _regression(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    refuse_positive(estimator)
    n_outputs = len(np.atleast_2d(estimator.coef_))
    return linear_objective(
        estimator,
        X,
        y,
        loss=SquaredError(),
        coding=RealTargets(n_outputs),
        weights=RowWeights(unit_weights(sample_weight, X.shape[0])),
        strength=_strength(estimator),
    )


@as_objective.register(RidgeClassifier)
@as_objective.register(RidgeClassifierCV)
def _classification(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    refuse_positive(estimator)
    if np.ndim(y) == 2 and np.shape(y)[1] > 1:
        raise ValueError(
            f"{type(estimator).__name__} got multilabel targets of shape {np.shape(y)}; "
            "InfluenceExplainer needs one label per row. Explain one label at a time."
        )
    coding = ClassLabels(estimator.classes_, layout="signs")
    return linear_objective(
        estimator,
        X,
        y,
        loss=SquaredError(unit="squared error of labels coded as ±1"),
        coding=coding,
        weights=row_weights(
            unit_weights(sample_weight, X.shape[0]),
            estimator.class_weight,
            estimator.classes_,
            coding.codes(y, "y"),
            balanced_counts_sample_weight=False,
        ),
        strength=_strength(estimator),
    )


def _strength(estimator: Any) -> Any:
    # Ridge minimises ‖y − Xw‖² + alpha ‖w‖²: Ω = ½ · 2 alpha · ‖w‖².
    if isinstance(estimator, LinearRegression):
        return 0.0
    alpha = getattr(estimator, "alpha_", None)
    return 2.0 * np.asarray(estimator.alpha if alpha is None else alpha, dtype=np.float64)


def refuse_positive(estimator: Any) -> None:
    """Refuse coefficients that are constrained.

    Raises
    ------
    ValueError
    """
    if getattr(estimator, "positive", False):
        raise ValueError(
            f"{type(estimator).__name__} got positive=True: its solution lies on constraints, "
            "where influence functions don't hold. Fit with positive=False."
        )
