"""Scalar properties of a model on given rows, whose dependence on training rows can be asked.

Each is passed to ``InfluenceExplainer.functional_influence`` or ``most_influential_set``, and is
also a plain function of decision values:

>>> from skinfluence import functionals
>>> value, gradient = functionals.accuracy()([2.0, -1.0, 0.5], [1, 0, 0])
>>> round(value, 3), gradient.shape
(0.667, (3,))

Their values are scikit-learn's own metrics. Their gradients are exact, but for metrics that are
step functions (accuracy, the areas under curves, rates of groups), of which a smoothed one is
differentiated: steps become sigmoids as wide as ``temperature`` times the standard deviation of the
decision values.
"""

from .averages import accuracy, brier_score, calibration_error, mean_loss, r2
from .base import Functional, Slope
from .fairness import demographic_parity, equal_opportunity, equalized_odds
from .given import as_functional
from .ranking import average_precision, roc_auc
from .readings import Readings
from .single import coefficient, prediction

__all__ = [
    "Functional",
    "Readings",
    "Slope",
    "accuracy",
    "as_functional",
    "average_precision",
    "brier_score",
    "calibration_error",
    "coefficient",
    "demographic_parity",
    "equal_opportunity",
    "equalized_odds",
    "mean_loss",
    "prediction",
    "r2",
    "roc_auc",
]
