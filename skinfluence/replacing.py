"""The objective on training data of which some rows are other rows, or have other targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .curvature import Array
from .objective import Objective
from .penalties import L2
from .predictors import KernelPredictor, LinearMap, Predictor, TrainingRows, replace_rows
from .weighting import RowWeights


def with_rows(
    objective: Objective, rows: Array, X: Any | None = None, y: Array | None = None
) -> Objective:
    """Replace training rows; all rows keep their sample weights, and θ is what it was.

    The coefficients of a kernel machine then belong to the new rows.

    Parameters
    ----------
    objective : Objective
    rows : ndarray of int of shape (m,)
    X : {ndarray, CSR matrix} of shape (m, d), optional
        What they become, as the model sees them; None leaves the features.
    y : ndarray of shape (m,) or (m, K), optional
        Their targets as the loss reads them; None leaves them.

    Returns
    -------
    Objective

    Raises
    ------
    TypeError
        For features of a precomputed kernel, which has none.
    """
    predictor, linear_map = objective.predictor, objective.linear_map
    if X is not None:
        predictor, linear_map = _mapped(predictor, replace_rows(linear_map.full_X, rows, X))
    targets, weights = objective.y, objective.weights
    if y is not None:
        targets = targets.copy()
        targets[rows] = y
        if objective.coding.is_classification:
            weights = weights.relabelled(rows, objective.coding.decode(y))
    return replace(
        objective,
        predictor=predictor,
        linear_map=linear_map,
        y=targets,
        weights=weights,
        penalty=_penalty(objective, weights),
    )


def _mapped(predictor: Predictor, X: Any) -> tuple[Predictor, LinearMap]:
    if not isinstance(predictor, KernelPredictor):
        return predictor, predictor.linearize(X)
    require_features(predictor)
    moved = replace(predictor, training=TrainingRows(X, predictor.training.kernel))
    return moved, moved.linearize_training()


def require_features(predictor: Predictor) -> None:
    """Refuse a precomputed kernel, whose rows have no features that could be others.

    Raises
    ------
    TypeError
    """
    if isinstance(predictor, KernelPredictor) and predictor.training.precomputed:
        raise TypeError(
            "InfluenceExplainer got new features for a model with kernel='precomputed', which has "
            "no features. Fit it with the kernel's name (rbf, poly, linear or sigmoid) or with a "
            "function on the features themselves, or change labels alone (y_new)."
        )


def _penalty(objective: Objective, weights: RowWeights) -> L2:
    """Ω, which follows the weights where the estimator's objective is a weighted mean."""
    if objective.mean_over != "weights" or weights is objective.weights:
        return objective.penalty
    before, after = objective.weights.values.mean(axis=1), weights.values.mean(axis=1)
    return objective.penalty.scaled(float(after.sum() / before.sum()))
