"""as_objective: from a fitted estimator to the objective it minimises."""

from __future__ import annotations

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
    supported = sorted(kind.__name__ for kind in as_objective.registry if kind is not object)
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
    constant: float | None = None,
    penalise_intercept: bool = False,
    mean_over: Literal["weights", "rows"] | None = None,
) -> Objective:
    """Objective of an estimator with ``coef_`` and ``intercept_`` and an L2 penalty.

    Parameters
    ----------
    strength : float or array of shape (K,)
        Of Ω = ½ strength ‖w‖².
    constant : float, optional
        The intercept's input; by default 1 with ``fit_intercept`` and 0 without.
    penalise_intercept : bool
        Whether the intercept is penalised like the coefficients.
    mean_over : {None, "weights", "rows"}
        For an estimator whose penalty stands against a mean of the losses, what it is the mean
        over: Σ s_i, or the number of rows. ``strength`` is then its penalty times that.
    """
    check_is_fitted(estimator)
    if constant is None:
        constant = 1.0 if estimator.fit_intercept else 0.0
    predictor = LinearPredictor(
        coef_shape=np.shape(estimator.coef_),
        intercept_shape=np.shape(estimator.intercept_),
        constant=constant,
        contrasts=getattr(loss, "contrasts", None),
    )
    linear_map = predictor.linearize(X)
    return Objective(
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


def squared_norm(strength: Any, linear_map: LinearMap, *, penalise_intercept: bool) -> L2:
    """Ω = ½ strength ‖·‖² for one strength, or one per output (K,)."""
    strengths = np.atleast_1d(np.asarray(strength, dtype=np.float64))
    diagonal = np.repeat(strengths[None, :], linear_map.n_inputs, axis=0)
    if linear_map.constant and not penalise_intercept:
        diagonal[-1] = 0.0
    return L2(diagonal)


def unit_weights(sample_weight: Array | None, n_rows: int) -> Array:
    """Sample weights as float64, 1 where there are none."""
    if sample_weight is None:
        return np.ones(n_rows)
    return np.asarray(sample_weight, dtype=np.float64)
