"""Kernel machines: what they share, kernel ridge regression and Gaussian processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.utils.validation import check_is_fitted

from ..coding import RealTargets, TargetCoding
from ..curvature import Array
from ..kernels import GaussianProcessKernel, Kernel, PairwiseKernel
from ..losses import Loss, SquaredError
from ..objective import Objective
from ..predictors import KernelPredictor, TrainingRows
from ..weighting import RowWeights
from .dispatch import as_objective, squared_norm, unit_weights


def kernel_objective(
    training: TrainingRows,
    y: Any,
    *,
    coef: Array,
    intercept: Array | None,
    output_shape: tuple[int, ...],
    loss: Loss,
    coding: TargetCoding,
    weights: RowWeights,
    strength: Any,
    centred: bool = False,
) -> Objective:
    """Objective of an estimator whose decision values are Σ_j coef_j k(x, x_j) + intercept.

    Parameters
    ----------
    training : TrainingRows
        The rows that decision values are sums over, with their kernel.
    y : array-like
        Targets as the user has them.
    coef : ndarray of shape (n, K)
        Of the training rows' kernels, 0 for rows that are no support vectors.
    intercept : ndarray of shape (K,), or None without one
        Never penalised.
    output_shape : tuple of int
        () for one output, else (K,).
    loss : Loss
        What the estimator sums over its rows.
    coding : TargetCoding
        What makes of the user's targets what the loss reads.
    weights : RowWeights
        Weights of the rows; ``row_weights`` makes them of class weights.
    strength : float or array of shape (K,)
        Of Ω = ½ strength ‖f‖², the squared norm of the kernel's Hilbert space.
    centred : bool
        Whether the intercept is the mean of the targets, rather than fitted.

    Returns
    -------
    Objective
        At the estimator's parameters.
    """
    constant = 0.0 if intercept is None else 1.0
    predictor = KernelPredictor(training, output_shape, constant, fixed_constant=centred)
    linear_map = predictor.linearize_training()
    return Objective(
        loss=loss,
        predictor=predictor,
        penalty=squared_norm(strength, linear_map, penalise_intercept=False),
        theta=predictor.pack(coef, np.zeros(1) if intercept is None else intercept),
        linear_map=linear_map,
        y=coding.encode(y, "y"),
        weights=weights,
        coding=coding,
        centred=centred,
    )


@as_objective.register(KernelRidge)
def _kernel_ridge(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    require_rows(estimator, estimator.X_fit_, X)
    kernel: Kernel | None = None
    if estimator.kernel != "precomputed":
        if callable(estimator.kernel):
            parameters = dict(estimator.kernel_params or {})
        else:
            names = ("gamma", "degree", "coef0")
            parameters = {name: getattr(estimator, name) for name in names}
        kernel = PairwiseKernel(estimator.kernel, parameters)
    return _least_squares(
        TrainingRows(X, kernel),
        y,
        estimator.dual_coef_,
        RowWeights(unit_weights(sample_weight, X.shape[0])),
        2.0 * np.atleast_1d(np.asarray(estimator.alpha, dtype=np.float64)),
    )


@as_objective.register(GaussianProcessRegressor)
def _gaussian_process(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator, "X_train_")
    require_rows(estimator, estimator.X_train_, X)
    kernel = GaussianProcessKernel(estimator.kernel_)
    # White noise in the kernel and alpha are one thing here: the variance of a row's noise. Rows
    # weigh by its inverse, which leaves the penalty at the mean noise.
    noise = estimator.kernel_.diag(X) - kernel.diagonal(X) + estimator.alpha
    if not (noise > 0).all():
        raise ValueError(
            f"InfluenceExplainer got a GaussianProcessRegressor with {int((noise <= 0).sum())} "
            "rows without any noise (alpha=0 and no WhiteKernel): it interpolates them, and what "
            "it does without one rests on rounding. Fit it with alpha > 0 for all rows."
        )
    level = float(np.mean(noise))
    targets = np.asarray(y, dtype=np.float64)
    mean, scale = None, np.ones(1)
    if estimator.normalize_y:
        # Targets over their deviation, and noise and kernel in units of its square: it cancels.
        mean, scale = np.atleast_1d(targets.mean(axis=0)), np.atleast_1d(targets.std(axis=0))
        scale = np.where(scale > 10 * np.finfo(np.float64).eps, scale, 1.0)
    coef = estimator.alpha_ * (scale if estimator.alpha_.ndim == 2 else scale[0])
    coef = coef[:, 0] if coef.shape[1:] == (1,) else coef  # as scikit-learn predicts
    weights = RowWeights(level / noise)
    return _least_squares(TrainingRows(X, kernel), y, coef, weights, 2.0 * level, mean)


def _least_squares(
    training: TrainingRows,
    y: Any,
    coef: Array,
    weights: RowWeights,
    strength: Any,
    mean: Array | None = None,
) -> Objective:
    if not np.all(np.asarray(strength) > 0):
        raise ValueError(
            "InfluenceExplainer got a kernel regression without a penalty (alpha=0): it "
            "interpolates the training rows, and what it does without one of them rests on "
            "rounding. Fit it with alpha > 0."
        )
    columns = coef.reshape(training.n_rows, -1)
    return kernel_objective(
        training,
        y,
        coef=columns,
        intercept=mean,
        output_shape=coef.shape[1:],
        loss=SquaredError(),
        coding=RealTargets(columns.shape[1]),
        weights=weights,
        strength=strength,
        centred=mean is not None,
    )


def require_rows(estimator: Any, fitted: Any, X: Any) -> None:
    """Refuse rows that the estimator has not been fitted on: it keeps its own."""
    if fitted.shape != X.shape or not same_values(fitted, X):
        refuse_other_rows(estimator, X, fitted.shape[0])


def refuse_other_rows(estimator: Any, X: Any, n_fitted: int) -> None:
    """Say that a kernel machine belongs to its own rows.

    Raises
    ------
    ValueError
    """
    raise ValueError(
        f"InfluenceExplainer got a fitted {type(estimator).__name__} and X of {X.shape[0]} rows "
        f"that are not the {n_fitted} it was fitted on: a kernel machine's coefficients belong to "
        "its own training rows. Hand over those rows, in their order, or fit again with "
        "prefit=False."
    )


def dense(X: Any) -> Array:
    """Rows as an ndarray; of few rows, or for comparison."""
    return np.asarray(X.toarray() if sparse.issparse(X) else X)


def same_values(fitted: Any, X: Any) -> bool:
    """Whether two sets of rows of one shape are the same, but for single precision."""
    if not (sparse.issparse(fitted) and sparse.issparse(X)):
        return bool(np.allclose(dense(fitted), dense(X), rtol=1e-5, atol=1e-8))
    excess = abs(fitted - X) - 1e-5 * abs(X)
    return bool(excess.max() <= 1e-8)
