"""Support vector machines with kernels: SVC, one-vs-one for more than two classes, and SVR."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.gaussian_process.kernels import Kernel as GPKernel
from sklearn.svm import SVC, SVR, NuSVC, NuSVR
from sklearn.utils.validation import check_is_fitted

from ..coding import ClassLabels, RealTargets
from ..curvature import Array
from ..kernels import GaussianProcessKernel, GramFunction, Kernel, PairwiseKernel
from ..losses import SmoothEpsilonInsensitive, SmoothHinge
from ..objective import Objective
from ..predictors import TrainingRows
from ..weighting import RowWeights, row_weights
from .dispatch import as_objective, refuse, unit_weights
from .kernel import dense, kernel_objective, refuse_other_rows, same_values
from .svm import spread


@as_objective.register(SVC)
def _svc(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    training, support = _support_training(estimator, X, sample_weight)
    n_classes = len(estimator.classes_)
    coding = ClassLabels(
        estimator.classes_,
        layout="signs" if n_classes == 2 else "pairs",
        presented_by_class=n_classes > 2 and estimator.decision_function_shape == "ovr",
        break_ties=estimator.break_ties,
    )
    codes = coding.codes(y, "y")
    return kernel_objective(
        training,
        y,
        coef=_pair_coefficients(estimator, support, coding, codes),
        intercept=estimator.intercept_,
        output_shape=() if n_classes == 2 else (coding.pairs.shape[1],),
        loss=SmoothHinge(smoothing),
        coding=coding,
        weights=row_weights(
            unit_weights(sample_weight, X.shape[0]),
            estimator.class_weight,
            estimator.classes_,
            codes,
            balanced_counts_sample_weight=False,
        ),
        strength=1.0 / estimator.C,
    )


@as_objective.register(SVR)
def _svr(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    training, support = _support_training(estimator, X, sample_weight)
    coding = RealTargets(1)
    weights = unit_weights(sample_weight, X.shape[0])
    temperature = smoothing * spread(coding.encode(y, "y")[:, 0], weights)
    coef = np.zeros((training.n_rows, 1))
    coef[support] = dense(estimator.dual_coef_).T
    return kernel_objective(
        training,
        y,
        coef=coef,
        intercept=estimator.intercept_,
        output_shape=(),
        loss=SmoothEpsilonInsensitive(estimator.epsilon, temperature),
        coding=coding,
        weights=RowWeights(weights),
        strength=1.0 / estimator.C,
    )


@refuse.register(NuSVC)
@refuse.register(NuSVR)
def _nu(estimator: Any) -> None:
    known = "SVC(C=...)" if isinstance(estimator, NuSVC) else "SVR(C=..., epsilon=...)"
    raise TypeError(
        f"InfluenceExplainer got {type(estimator).__name__}: nu fixes a share of the rows instead "
        "of the weight of the penalty, so the margin is a parameter that moves when a row goes, "
        "and scikit-learn does not keep it; there is no objective to remove a row from. Fit "
        f"{known} instead: for every nu it has the same solutions."
    )


def _support_training(
    estimator: Any, X: Any, sample_weight: Array | None
) -> tuple[TrainingRows, Array]:
    """The training rows, and which of them are the support vectors."""
    check_is_fitted(estimator)
    n_fitted = estimator.shape_fit_[0]
    if X.shape[0] != n_fitted:
        refuse_other_rows(estimator, X, n_fitted)
    # libsvm leaves rows of weight 0 out, and numbers the others.
    present = np.flatnonzero(unit_weights(sample_weight, n_fitted) > 0)
    if len(present) < n_fitted and (
        estimator.kernel == "precomputed" or callable(estimator.kernel)
    ):
        raise ValueError(
            f"InfluenceExplainer got {type(estimator).__name__} with a precomputed or callable "
            f"kernel and {n_fitted - len(present)} sample weights of 0, with which scikit-learn's "
            "own predictions take other rows for its support vectors. Leave these rows out instead."
        )
    same = estimator.support_.max(initial=-1) < len(present)
    support = present[estimator.support_] if same else present
    if same and estimator.kernel != "precomputed" and not callable(estimator.kernel):
        same = same_values(estimator.support_vectors_, X[support])
    if not same:
        refuse_other_rows(estimator, X, n_fitted)
    return TrainingRows(X, support_kernel(estimator, X)), support


def support_kernel(estimator: Any, X: Any) -> Kernel | None:
    """The kernel by scikit-learn's name of it, or a Gram function; None if it is precomputed."""
    kernel = estimator.kernel
    if kernel == "precomputed":
        return None
    if isinstance(kernel, GPKernel):
        return GaussianProcessKernel(kernel)
    if callable(kernel):
        return GramFunction(kernel)
    return PairwiseKernel(
        kernel,
        {
            "gamma": gamma_of(estimator.gamma, X),
            "degree": estimator.degree,
            "coef0": estimator.coef0,
        },
    )


def gamma_of(gamma: Any, X: Any) -> float:
    """The number that scikit-learn's support vector machines make of ``gamma``."""
    if gamma == "auto":
        return 1.0 / X.shape[1]
    if gamma != "scale":
        return float(gamma)
    X = X.astype(np.float64)
    if sparse.issparse(X):
        variance = float(X.multiply(X).mean() - X.mean() ** 2)
    else:
        variance = float(X.var())
    return 1.0 / (X.shape[1] * variance) if variance != 0 else 1.0


def _pair_coefficients(estimator: Any, support: Array, coding: ClassLabels, codes: Array) -> Array:
    """libsvm's ``dual_coef_`` → one column per pair of classes, (n, K).

    Its row for a support vector of class c is the other class of the pair, with c itself left out.
    """
    dual = dense(estimator.dual_coef_)
    if len(coding.classes) == 2:
        coef = np.zeros((len(codes), 1))
        coef[support] = dual.T
        return coef
    coef = np.zeros((len(codes), coding.pairs.shape[1]))
    own = np.repeat(np.arange(len(coding.classes)), estimator.n_support_)
    for pair, (first, second) in enumerate(
        zip(*np.triu_indices(len(coding.classes), 1), strict=True)
    ):
        for mine, other in ((first, second), (second, first)):
            members = own == mine
            coef[support[members], pair] = dual[other - (other > mine), members]
    return coef
