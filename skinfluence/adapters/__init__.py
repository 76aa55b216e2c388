"""The only place that names scikit-learn's estimators."""

from . import kernel, logistic, squared, support_vectors, svm
from .dispatch import as_objective, linear_objective
from .fixed import same_hyperparameters, with_decision_values
from .kernel import kernel_objective
from .wrappers import fit_parameters, refuse_unsupported, resolve, unwrap

__all__ = [
    "as_objective",
    "fit_parameters",
    "kernel",
    "kernel_objective",
    "linear_objective",
    "logistic",
    "refuse_unsupported",
    "resolve",
    "same_hyperparameters",
    "squared",
    "support_vectors",
    "svm",
    "unwrap",
    "with_decision_values",
]
