"""The only place that names scikit-learn's estimators."""

from . import (
    bayesian,
    calibrated,
    ensembles,
    glm,
    going_on,
    huber,
    kernel,
    lasso,
    logistic,
    network,
    refusals,
    several,
    sgd,
    squared,
    support_vectors,
    svm,
    transformed_target,
)
from .dispatch import as_objective, linear_objective
from .fixed import same_hyperparameters, with_decision_values
from .kernel import kernel_objective
from .wrappers import fit_parameters, is_frozen, refuse_unsupported, resolve, unwrap

__all__ = [
    "as_objective",
    "bayesian",
    "calibrated",
    "ensembles",
    "fit_parameters",
    "glm",
    "going_on",
    "huber",
    "is_frozen",
    "kernel",
    "kernel_objective",
    "lasso",
    "linear_objective",
    "logistic",
    "network",
    "refusals",
    "refuse_unsupported",
    "resolve",
    "same_hyperparameters",
    "several",
    "sgd",
    "squared",
    "support_vectors",
    "svm",
    "transformed_target",
    "unwrap",
    "with_decision_values",
]
