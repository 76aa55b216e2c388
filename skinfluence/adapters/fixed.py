"""The estimator to refit: the user's own, with every hyper-parameter held where it ended up."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.pipeline import Pipeline

# The cross-validated ridges solve exactly; on sparse rows Ridge iterates down to its tol.
EXACT = 1e-12


@singledispatch
def same_hyperparameters(estimator: Any) -> Any:
    """Unfitted clone of a fitted estimator, without any search.

    What chose hyper-parameters by cross-validation becomes the estimator that has them, and what
    was frozen can be fitted again. Anything with a ``best_estimator_`` counts as a search.

    Parameters
    ----------
    estimator : fitted estimator

    Returns
    -------
    estimator
        Not fitted.
    """
    if hasattr(estimator, "best_estimator_"):
        return same_hyperparameters(estimator.best_estimator_)
    return clone(estimator)


@same_hyperparameters.register(FrozenEstimator)
def _frozen(estimator: Any) -> Any:
    return same_hyperparameters(estimator.estimator)


@same_hyperparameters.register(Pipeline)
def _pipeline(estimator: Any) -> Any:
    name, model = estimator.steps[-1]
    return clone(estimator).set_params(**{name: same_hyperparameters(model)})


@same_hyperparameters.register(RidgeCV)
def _ridge(estimator: Any) -> Any:
    return _shared(Ridge(alpha=estimator.alpha_, tol=EXACT), estimator)


@same_hyperparameters.register(RidgeClassifierCV)
def _ridge_classifier(estimator: Any) -> Any:
    return _shared(RidgeClassifier(alpha=estimator.alpha_, tol=EXACT), estimator)


@same_hyperparameters.register(LogisticRegressionCV)
def _logistic(estimator: Any) -> Any:
    # One value each: what chose another for every class has no objective, and is refused before.
    options = {"C": float(np.ravel(estimator.C_)[0])}
    l1_ratio = np.ravel(estimator.l1_ratio_)[0]
    if l1_ratio is not None:
        options["l1_ratio"] = float(l1_ratio)
    return _shared(LogisticRegression(**options), estimator)


def _shared(model: Any, searched: Any) -> Any:
    """Give a model all parameters that it shares with the estimator that searched for others."""
    known = model.get_params()
    given = searched.get_params(deep=False)
    # n_jobs is no hyper-parameter, and not every version's plain estimator wants it.
    model.set_params(**{name: given[name] for name in given if name in known and name != "n_jobs"})
    if get_config()["enable_metadata_routing"]:
        # A request belongs to its estimator, and does not come along with the parameters.
        model.set_fit_request(sample_weight=True)
    return model
