"""Models of one output each, fitted on the same rows, as one model of several outputs."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..coding import ClassLabels, TargetCoding
from ..curvature import Array
from ..losses import Loss, PerOutput
from ..objective import Objective, Outside
from ..penalties import L2, SignedL1
from ..predictors import FeatureMap, LinearPredictor
from ..weighting import ClassWeights, OutputWeights, RowWeights
from .active import PINNED


def stack(
    estimator: Any,
    parts: list[Objective],
    X: Any,
    y: Array,
    coding: TargetCoding,
    sample_weight: Array,
) -> Objective:
    """Σ_k J_k, for an objective of each output.

    Parameters
    ----------
    estimator : estimator
        That has the models, for messages.
    parts : list of Objective
        Of one output each, on the same rows with the same weights.
    X : ndarray or CSR of shape (n, d)
    y : ndarray of shape (n, K)
        Targets as the losses read them.
    coding : TargetCoding
        From the estimator's own targets to that.
    sample_weight : ndarray of shape (n,)

    Raises
    ------
    ValueError
        For parts that are no linear model of one output, differ in what their penalty stands
        against, or weigh rows by class in a way that isn't supported.
    """
    _require_alike(estimator, parts, coding)
    constant = max(_whole(part).constant for part in parts)
    shape = X.shape[1] + bool(constant), len(parts)
    inside = np.zeros(shape, dtype=bool)
    theta, strength, slope, bounds = (np.zeros(shape) for _ in range(4))
    for k, part in enumerate(parts):
        used = _inputs(part, shape[0])
        inside[used, k] = True
        theta[used, k] = part.theta[:, 0]
        strength[used, k] = part.penalty.strength[:, 0]
        if isinstance(part.penalty, SignedL1):
            slope[used, k] = part.penalty.slope[:, 0]
        if part.outside is not None:
            bounds[: len(part.outside.bounds), k] = part.outside.bounds[:, 0]
    rows = np.flatnonzero(inside.any(axis=1))
    free = inside[rows]
    whole = LinearPredictor((len(parts), X.shape[1]), (len(parts),), constant)
    predictor = LinearPredictor(
        whole.coef_shape,
        whole.intercept_shape,
        constant,
        columns=None if len(rows) == shape[0] else rows[rows < X.shape[1]],
        free=None if free.all() else free,
    )
    strength = np.where(free, strength[rows], PINNED)
    losses = tuple(part.loss for part in parts)
    same = all(_alike(loss, losses[0]) for loss in losses)
    # A coordinate without a bound is outside for other reasons, and nothing can bring it in.
    known = inside | (bounds == 0)
    return Objective(
        loss=losses[0] if same else PerOutput(losses),
        predictor=predictor,
        penalty=SignedL1(strength, slope[rows]) if bounds.any() else L2(strength),
        theta=np.where(free, theta[rows], 0.0),
        linear_map=predictor.linearize(X),
        y=y,
        weights=_weights(parts, y, coding, sample_weight),
        coding=coding,
        mean_over=parts[0].mean_over,
        outside=Outside(whole, known, np.sign(theta), bounds) if bounds.any() else None,
        held="; ".join(dict.fromkeys(part.held for part in parts if part.held)),
    )


def _weights(
    parts: list[Objective], y: Array, coding: TargetCoding, sample_weight: Array
) -> RowWeights:
    """By class, where the models have class weights, of their own two classes."""
    if all(type(part.weights) is RowWeights for part in parts):
        return RowWeights(sample_weight)
    labels = cast(ClassLabels, coding)
    signs = labels.encode(labels.classes, "classes")
    own = np.array([getattr(part.weights, "class_weight", (1.0, 1.0)) for part in parts])
    factors = np.where(signs == 0, 1.0, np.where(signs > 0, own[:, 1], own[:, 0]))
    return OutputWeights(sample_weight, labels.decode(y), factors)


def _alike(one: Loss, other: Loss) -> bool:
    return type(one) is type(other) and vars(one) == vars(other)


def _whole(part: Objective) -> Any:
    return part.predictor if part.outside is None else part.outside.predictor


def _inputs(part: Objective, n_inputs: int) -> Array:
    """Where a part's inputs are among all."""
    columns, n_features = part.predictor.columns, part.predictor.n_features  # type: ignore[union-attr]
    used = np.arange(n_features) if columns is None else columns
    return np.concatenate([used, np.arange(n_inputs - bool(part.predictor.constant), n_inputs)])


def _require_alike(estimator: Any, parts: list[Objective], coding: TargetCoding) -> None:
    who = type(estimator).__name__
    for part in parts:
        if not isinstance(part.linear_map, FeatureMap) or part.linear_map.n_outputs != 1:
            raise ValueError(
                f"{who} got models that are not linear with one output each; supported inside it "
                "are linear models. Explain its fitted models (estimators_) one by one."
            )
        given = (RowWeights, ClassWeights) if isinstance(coding, ClassLabels) else (RowWeights,)
        if type(part.weights) not in given:
            more = " Given weights, a dict, are supported." if len(given) > 1 else ""
            raise ValueError(
                f"{who} got models with class_weight, which weigh rows differently in each of "
                f"them, and differently without a row or with another label.{more} Fit it with "
                "class_weight=None inside; or explain its fitted models (estimators_) one by one."
            )
    scales = {(part.mean_over, _whole(part).constant > 0) for part in parts}
    constants = {_whole(part).constant for part in parts} - {0.0}
    if len({mean_over for mean_over, _ in scales}) > 1 or len(constants) > 1:
        raise ValueError(
            f"{who} got models whose penalties stand against different things, or whose "
            "intercepts are scaled differently. Explain its fitted models (estimators_) one by one."
        )
