"""The estimator to refit: the user's own, with every hyper-parameter held where it ended up."""

from __future__ import annotations

from copy import copy
from functools import singledispatch
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, SVR
from sklearn.utils.validation import has_fit_parameter

from .support_vectors import gamma_of

# The cross-validated ridges solve exactly; on sparse rows Ridge iterates down to its tol.
EXACT = 1e-12


@singledispatch
def same_hyperparameters(estimator: Any, rows: Any = None) -> Any:
    """Unfitted clone of a fitted estimator, without any search.

    What chose hyper-parameters by cross-validation becomes the estimator that has them, what was
    frozen can be fitted again, and what was taken from the rows, such as ``gamma="scale"``, becomes
    the number that it was. Anything with a ``best_estimator_`` counts as a search.

    Parameters
    ----------
    estimator : fitted estimator
    rows : ndarray or CSR, optional
        Its training rows as the final model sees them; without them what follows the rows goes on
        to follow them.

    Returns
    -------
    estimator
        Not fitted.
    """
    if hasattr(estimator, "best_estimator_"):
        return same_hyperparameters(estimator.best_estimator_, rows)
    return clone(estimator)


@same_hyperparameters.register(FrozenEstimator)
def _frozen(estimator: Any, rows: Any = None) -> Any:
    return same_hyperparameters(estimator.estimator, rows)


@same_hyperparameters.register(Pipeline)
def _pipeline(estimator: Any, rows: Any = None) -> Any:
    name, model = estimator.steps[-1]
    return clone(estimator).set_params(**{name: same_hyperparameters(model, rows)})


@same_hyperparameters.register(RidgeCV)
def _ridge(estimator: Any, rows: Any = None) -> Any:
    return _shared(Ridge(alpha=estimator.alpha_, tol=EXACT), estimator)


@same_hyperparameters.register(RidgeClassifierCV)
def _ridge_classifier(estimator: Any, rows: Any = None) -> Any:
    return _shared(RidgeClassifier(alpha=estimator.alpha_, tol=EXACT), estimator)


@same_hyperparameters.register(LassoCV)
def _lasso(estimator: Any, rows: Any = None) -> Any:
    return _without_search(Lasso(), estimator)


@same_hyperparameters.register(ElasticNetCV)
def _elastic_net(estimator: Any, rows: Any = None) -> Any:
    return _without_search(ElasticNet(), estimator).set_params(l1_ratio=float(estimator.l1_ratio_))


@same_hyperparameters.register(MultiTaskLassoCV)
def _multi_task_lasso(estimator: Any, rows: Any = None) -> Any:
    return _without_search(MultiTaskLasso(), estimator)


@same_hyperparameters.register(MultiTaskElasticNetCV)
def _multi_task_elastic_net(estimator: Any, rows: Any = None) -> Any:
    shared = _without_search(MultiTaskElasticNet(), estimator)
    return shared.set_params(l1_ratio=float(estimator.l1_ratio_))


@same_hyperparameters.register(BayesianRidge)
def _bayesian_ridge(estimator: Any, rows: Any = None) -> Any:
    # Its own tol and max_iter are of the search for the precisions.
    alpha = float(estimator.lambda_ / estimator.alpha_)
    return _shared(Ridge(), estimator).set_params(alpha=alpha, tol=EXACT, max_iter=None)


@same_hyperparameters.register(LogisticRegressionCV)
def _logistic(estimator: Any, rows: Any = None) -> Any:
    # One value each: what chose another for every class has no objective, and is refused before.
    options = {"C": float(np.ravel(estimator.C_)[0])}
    l1_ratio = np.ravel(estimator.l1_ratio_)[0]
    if l1_ratio is not None:
        options["l1_ratio"] = float(l1_ratio)
    return _shared(LogisticRegression(**options), estimator)


@same_hyperparameters.register(SVC)
@same_hyperparameters.register(SVR)
def _support_vectors(estimator: Any, rows: Any = None) -> Any:
    unfitted = clone(estimator)
    return unfitted if rows is None else unfitted.set_params(gamma=gamma_of(estimator.gamma, rows))


@same_hyperparameters.register(GaussianProcessRegressor)
def _gaussian_process(estimator: Any, rows: Any = None) -> Any:
    return clone(estimator).set_params(kernel=estimator.kernel_, optimizer=None)


def _without_search(model: Any, searched: Any) -> Any:
    _shared(model, searched)
    if "precompute" in model.get_params():
        model.set_params(precompute=False)  # it may be "auto", or a Gram matrix of other rows
    return model.set_params(alpha=float(searched.alpha_))


def _shared(model: Any, searched: Any) -> Any:
    """Give a model all parameters that it shares with the estimator that searched for others."""
    known = model.get_params()
    given = searched.get_params(deep=False)
    # n_jobs is no hyper-parameter, and not every version's plain estimator wants it.
    model.set_params(**{name: given[name] for name in given if name in known and name != "n_jobs"})
    if get_config()["enable_metadata_routing"] and has_fit_parameter(model, "sample_weight"):
        # A request belongs to its estimator, and does not come along with the parameters.
        model.set_fit_request(sample_weight=True)
    return model


@singledispatch
def with_decision_values(estimator: Any) -> Any:
    """A fitted estimator whose public method shows the decision values that its loss reads.

    Parameters
    ----------
    estimator : fitted estimator

    Returns
    -------
    fitted estimator
        Itself, or a copy with other settings of what it shows.
    """
    if hasattr(estimator, "best_estimator_"):
        return with_decision_values(estimator.best_estimator_)
    return estimator


@with_decision_values.register(FrozenEstimator)
def _inside(estimator: Any) -> Any:
    return with_decision_values(estimator.estimator)


@with_decision_values.register(Pipeline)
def _last_step(estimator: Any) -> Any:
    name, model = estimator.steps[-1]
    shown = copy(estimator)
    shown.steps = [*estimator.steps[:-1], (name, with_decision_values(model))]
    return shown


@with_decision_values.register(SVC)
def _pairs(estimator: Any) -> Any:
    return copy(estimator).set_params(decision_function_shape="ovo", break_ties=False)


def shown_by(kind: type, estimator: Any) -> Any:
    """A fitted estimator as one of a class that inherits from its own and shows something else."""
    shown = kind(**estimator.get_params(deep=False))
    shown.__dict__.update(vars(estimator))
    return shown
