"""as_objective: from a fitted estimator to the objective it minimises."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..coding import TargetCoding
from ..curvature import Array
from ..losses import Loss
from ..objective import Objective
from ..penalties import L2
from ..predictors import LinearMap, LinearPredictor
from ..weighting import RowWeights
from .active import ActiveSet


@singledispatch
def as_objective(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    """The objective that a fitted estimator minimises, on its training data.

    This is a :func:`functools.singledispatch` function. Support for another estimator is one
    registration: a function with this signature that returns an
    :class:`~skinfluence.objective.Objective`.

    Parameters
    ----------
    estimator : fitted estimator
        The final model itself: pipelines and searches are resolved before.
    X : ndarray or CSR of shape (n, d)
        Training rows as the model sees them, float32 or float64.
    y : array-like of shape (n,) or (n, n_targets)
        Training targets as the user has them.
    sample_weight : ndarray of shape (n,), optional
        Weights of the rows; class weights are the adapter's business.
    smoothing : float, default=1e-3
        Temperature of the smooth hinge, for hinge losses.

    Returns
    -------
    Objective

    Raises
    ------
    TypeError
        For estimators that nobody has registered.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import as_objective
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 3.0])
    >>> objective = as_objective(Ridge().fit(X, y), X, y)
    >>> bool(abs(objective.gradient()).max() < 1e-12)
    True
    """
    refuse(estimator)
    kinds = set(as_objective.registry) - {object}
    # What adapters have made for themselves is nobody's estimator.
    supported = sorted(k.__name__ for k in kinds if not k.__module__.startswith(str(__package__)))
    raise TypeError(
        f"InfluenceExplainer got an unsupported estimator: {type(estimator).__name__}. "
        f"Supported are {', '.join(supported)}, and pipelines, searches and FrozenEstimator "
        "around them. For another model that minimises a sum of smooth losses, register an "
        "adapter with skinfluence.as_objective.register."
    )


@singledispatch
def refuse(estimator: Any) -> None:
    """Say why this very estimator has no objective, where there is more to say than "unsupported".

    Raises
    ------
    TypeError
    """


def linear_objective(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    loss: Loss,
    coding: TargetCoding,
    weights: RowWeights,
    strength: Any,
    l1: Any = 0.0,
    grouped: bool = False,
    columns: Array | None = None,
    constant: float | None = None,
    penalise_intercept: bool = False,
    mean_over: Literal["weights", "rows"] | None = None,
) -> Objective:
    """Objective of an estimator with ``coef_`` and ``intercept_``, and an L2 or L1 penalty.

    Parameters
    ----------
    estimator : fitted estimator
        With ``coef_``, and ``intercept_`` where there is one.
    X : ndarray or CSR of shape (n, d)
        Training rows as the model sees them.
    y : array-like
        Targets as the user has them.
    loss : Loss
        What the estimator sums over its rows.
    coding : TargetCoding
        What makes of the user's targets what the loss reads.
    weights : RowWeights
        Weights of the rows; ``row_weights`` makes them of class weights.
    strength : float, or array of shape (K,) or (d, 1)
        Of Ω = ½ strength ‖w‖² + l1 ‖w‖₁: one for all, one of each output, or of each feature.
    l1 : float or array of shape (K,)
        With an L1 part the objective is that of the active set: coefficients that are 0 and the
        signs of the others are held.
    grouped : bool
        Whether the L1 part is Σ_j ‖w_j‖ instead, over the outputs of each feature.
    columns : ndarray of int of shape (d,), optional
        Features that have parameters; all by default.
    constant : float, optional
        The intercept's input; by default 1 with ``fit_intercept`` and 0 without.
    penalise_intercept : bool
        Whether the intercept is penalised like the coefficients.
    mean_over : {None, "weights", "rows"}
        For an estimator whose penalty stands against a mean of the losses, what it is the mean
        over: Σ s_i, or the number of rows. ``strength`` is then its penalty times that.

    Returns
    -------
    Objective
        At the estimator's parameters.
    """
    check_is_fitted(estimator)
    if constant is None:
        constant = 1.0 if estimator.fit_intercept else 0.0
    asymmetric = not getattr(loss, "symmetric", True)
    n_features = np.shape(estimator.coef_)[-1]
    n_inputs = n_features + bool(constant)
    predictor = LinearPredictor(
        coef_shape=np.shape(estimator.coef_),
        intercept_shape=np.shape(estimator.intercept_),
        constant=constant,
        contrasts=None if asymmetric else getattr(loss, "contrasts", None),
        columns=columns,
        flat=np.arange(n_inputs) >= n_features if asymmetric else None,
    )
    linear_map = predictor.linearize(X)
    objective = Objective(
        loss=loss,
        predictor=predictor,
        penalty=squared_norm(strength, linear_map, penalise_intercept=penalise_intercept),
        theta=predictor.pack(estimator.coef_, estimator.intercept_),
        linear_map=linear_map,
        y=coding.encode(y, "y"),
        weights=weights,
        coding=coding,
        mean_over=mean_over,
    )
    if not np.any(l1):
        return objective
    active = ActiveSet.of(
        predictor,
        estimator,
        l1,
        objective.penalty.strength,
        penalise_intercept=penalise_intercept,
        grouped=grouped,
    )
    return replace(
        objective,
        predictor=active.predictor,
        penalty=active.penalty(objective.penalty.strength),
        theta=active.theta,
        linear_map=active.predictor.linearize(X),
        outside=active.outside,
        held=active.held,
    )


def squared_norm(strength: Any, linear_map: LinearMap, *, penalise_intercept: bool) -> L2:
    """Ω = ½ strength ‖·‖² for one strength, one per output (K,) or one per feature (d, 1)."""
    strengths = np.atleast_1d(np.asarray(strength, dtype=np.float64))
    if strengths.ndim == 2:
        return L2(np.concatenate([strengths, np.zeros((linear_map.n_inputs - len(strengths), 1))]))
    diagonal = np.repeat(strengths[None, :], linear_map.n_inputs, axis=0)
    if linear_map.constant and not penalise_intercept:
        diagonal[-1] = 0.0
    return L2(diagonal)


def unit_weights(sample_weight: Array | None, n_rows: int) -> Array:
    """Sample weights as float64, 1 where there are none."""
    if sample_weight is None:
        return np.ones(n_rows)
    return np.asarray(sample_weight, dtype=np.float64)
