"""Stochastic gradient descent: SGDClassifier and SGDRegressor.

    (1/n) Σ_i s_i ℓ(y_i, z_i) + α ((1 − ρ) ½ ‖w‖² + ρ ‖w‖₁),   the intercept left out of both norms

Each row is one step with its share α of the penalty, whatever its weight: a mean over rows.
Averaged weights tend to the same optimum as the last ones.
"""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.utils.validation import check_is_fitted

from ..coding import ClassLabels, RealTargets
from ..curvature import Array
from ..losses import (
    BinomialLogLoss,
    HalfSquaredError,
    Huber,
    Loss,
    ModifiedHuber,
    SmoothEpsilonInsensitive,
    SmoothHinge,
    SquaredEpsilonInsensitive,
    SquaredHinge,
)
from ..objective import Objective
from ..weighting import RowWeights, row_weights
from .dispatch import as_objective, linear_objective, refuse, unit_weights
from .liblinear import weighted_outputs
from .svm import spread

# Losses of straight lines alone.
POLYHEDRAL = ("hinge", "epsilon_insensitive")
OF_LABELS = "half squared error of labels coded as ±1"
NO_PERCEPTRON = (
    "the perceptron loss max(0, -m) has no minimum that moves with the rows: it is least where all "
    "coefficients are 0, and without a penalty at every plane that separates the classes. What was "
    "fitted is where the updates stopped. The nearest models with an optimum are "
    'SGDClassifier(loss="hinge") and LinearSVC(loss="hinge").'
)


@as_objective.register(SGDClassifier)
def _classifier(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    _require_optimum(estimator)
    coding = ClassLabels(estimator.classes_, layout="signs")
    codes = coding.codes(y, "y")
    return linear_objective(
        estimator,
        X,
        y,
        loss=_loss(estimator, smoothing, HalfSquaredError(OF_LABELS)),
        coding=coding,
        weights=row_weights(
            unit_weights(sample_weight, X.shape[0]),
            estimator.class_weight,
            estimator.classes_,
            codes,
            balanced_counts_sample_weight=False,
            weighted_outputs=weighted_outputs(codes, estimator.classes_),
        ),
        mean_over="rows",
        **_penalty(estimator, X.shape[0]),
    )


@as_objective.register(SGDRegressor)
def _regressor(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    _require_optimum(estimator)
    coding = RealTargets(1)
    weights = unit_weights(sample_weight, X.shape[0])
    temperature = smoothing * spread(coding.encode(y, "y")[:, 0], weights)
    return linear_objective(
        estimator,
        X,
        y,
        loss=_loss(estimator, temperature, HalfSquaredError()),
        coding=coding,
        weights=RowWeights(weights),
        mean_over="rows",
        **_penalty(estimator, X.shape[0]),
    )


@refuse.register(Perceptron)
def _perceptron(estimator: Any) -> None:
    raise TypeError(f"InfluenceExplainer got Perceptron: {NO_PERCEPTRON}")


def _loss(estimator: Any, temperature: float, squared_error: Loss) -> Loss:
    """The regressors' losses serve classifiers too, for labels coded as ±1."""
    losses: dict[str, Loss] = {
        "log_loss": BinomialLogLoss(),
        "hinge": SmoothHinge(temperature),
        "squared_hinge": SquaredHinge(),
        "modified_huber": ModifiedHuber(),
        "squared_error": squared_error,
        "huber": Huber(estimator.epsilon),
        "epsilon_insensitive": SmoothEpsilonInsensitive(estimator.epsilon, temperature),
        "squared_epsilon_insensitive": SquaredEpsilonInsensitive(estimator.epsilon),
    }
    return losses[estimator.loss]


def _penalty(estimator: Any, n_rows: int) -> dict[str, Any]:
    """Both strengths in the sum convention; ``l1`` where there is an L1 part."""
    if estimator.penalty is None:
        return {"strength": 0.0}
    l1_share = _l1_share(estimator)
    total = float(estimator.alpha) * n_rows
    if l1_share * total == 0:
        return {"strength": total}
    return {"strength": (1.0 - l1_share) * total, "l1": l1_share * total}


def _l1_share(estimator: Any) -> float:
    """ρ."""
    shares = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": estimator.l1_ratio}
    return float(shares[estimator.penalty])


def _require_optimum(estimator: Any) -> None:
    """Refuse settings whose fit tends to no optimum of all rows."""
    name = type(estimator).__name__
    if estimator.loss == "perceptron":
        raise ValueError(f"{name} got loss='perceptron': {NO_PERCEPTRON}")
    if estimator.learning_rate in ("pa1", "pa2"):
        raise ValueError(
            f"{name} got learning_rate={estimator.learning_rate!r}: passive-aggressive updates "
            "minimise no objective on all rows, but go as far for each row as it takes, and the "
            "last rows have the last word. Fit with learning_rate='optimal' or 'adaptive'."
        )
    if estimator.early_stopping:
        raise ValueError(
            f"{name} got early_stopping=True: it holds {estimator.validation_fraction:.0%} of the "
            "rows out, and which is not kept, so rows without any influence can't be told from the "
            "others, and it stops before the optimum. Fit with early_stopping=False."
        )
    if estimator.loss in POLYHEDRAL and estimator.alpha > 0 and _l1_share(estimator) == 1:
        raise ValueError(
            f"{name} got loss={estimator.loss!r} with an L1 penalty alone: a linear programme, "
            "whose solution lies in a corner of rows and features and jumps to another when a row "
            "goes. Fit with penalty='elasticnet' or 'l2', or with a smooth loss."
        )
    if estimator.average and estimator.alpha > 0 and _l1_share(estimator) > 0:
        raise ValueError(
            f"{name} got average={estimator.average!r} and penalty={estimator.penalty!r}: averages "
            "of coefficients are next to never exactly 0, so which of them the L1 penalty "
            "switched off is not to be seen. Fit with average=False or penalty='l2'."
        )
