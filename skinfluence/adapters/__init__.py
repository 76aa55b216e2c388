"""The only place that names scikit-learn's estimators."""

from . import logistic, squared, svm
from .dispatch import as_objective, linear_objective
from .fixed import same_hyperparameters
from .wrappers import fit_parameters, refuse_unsupported, resolve, unwrap

__all__ = [
    "as_objective",
    "fit_parameters",
    "linear_objective",
    "logistic",
    "refuse_unsupported",
    "resolve",
    "same_hyperparameters",
    "squared",
    "svm",
    "unwrap",
]
