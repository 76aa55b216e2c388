"""Multi-layer perceptrons: MLPClassifier and MLPRegressor.

    Σ_i s_i ℓ(y_i, z_i) + α ½ Σ_l ‖W_l‖²       solver="lbfgs": each step looks at all rows

"sgd" and "adam" see a batch b of n_b rows in each step, and all of the penalty against the mean
over the batch. So over a pass through n rows its strength in the sum is α n · mean_b(1/n_b).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.validation import check_is_fitted

from ..coding import ClassLabels, LabelColumns, RealTargets, TargetCoding
from ..curvature import Array
from ..losses import BinomialLogLoss, HalfSquaredError, Loss, SoftmaxLogLoss, TweedieLoss
from ..network_objective import NetworkObjective
from ..penalties import L2
from ..predictors import NetworkPredictor
from ..responses import Exponential
from ..weighting import RowWeights
from .dispatch import as_objective, refuse, unit_weights


@as_objective.register(MLPClassifier)
def _classifier(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> NetworkObjective:
    check_is_fitted(estimator)
    n_outputs, classes = estimator.n_outputs_, estimator.classes_
    if estimator.out_activation_ == "softmax":
        coding: TargetCoding = ClassLabels(classes, layout="codes")
        loss: Loss = SoftmaxLogLoss(len(classes))
    elif n_outputs == 1:
        coding, loss = ClassLabels(classes, layout="signs"), BinomialLogLoss()
    else:
        coding, loss = LabelColumns.of([np.array([0, 1])] * n_outputs), BinomialLogLoss()
    return network_objective(estimator, X, y, sample_weight, loss=loss, coding=coding)


@as_objective.register(MLPRegressor)
def _regressor(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> NetworkObjective:
    check_is_fitted(estimator)
    # From scikit-learn 1.7 on there is a choice.
    poisson = getattr(estimator, "loss", "squared_error") == "poisson"
    return network_objective(
        estimator,
        X,
        y,
        sample_weight,
        loss=TweedieLoss(1.0) if poisson else HalfSquaredError(),
        coding=RealTargets(estimator.n_outputs_, Exponential() if poisson else None),
    )


def network_objective(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Array | None,
    *,
    loss: Loss,
    coding: TargetCoding,
) -> NetworkObjective:
    """Objective of an estimator with ``coefs_`` and ``intercepts_``, at these."""
    encoded = coding.encode(y, "y")
    weights = unit_weights(sample_weight, X.shape[0])
    held_out = validation_rows(estimator, X, y, encoded)
    weights = np.where(np.isin(np.arange(len(weights)), held_out), 0.0, weights)
    strength, n_batches = penalty_strength(estimator, X.shape[0] - len(held_out))
    flat, contrasts = None, getattr(loss, "contrasts", None)
    if contrasts is not None:
        flat = np.full(len(estimator.coefs_[-1]) + 1, strength == 0)
        flat[-1] = True
    predictor = network_predictor(estimator, flat, contrasts)
    held = []
    if len(held_out):
        held.append(f"the {len(held_out)} rows that early_stopping keeps for validation")
    if n_batches > 1:
        held.append(f"the penalty's strength in a pass of {n_batches} batches, {strength:.3g}")
    return NetworkObjective(
        loss=loss,
        predictor=predictor,
        penalty=L2(np.where(predictor.is_weight, strength, 0.0)),
        theta=predictor.theta,
        linear_map=predictor.linearize(X),
        y=encoded,
        weights=RowWeights(weights),
        coding=coding,
        held=" and ".join(held),
    )


def network_predictor(
    estimator: Any, flat: Array | None = None, contrasts: Array | None = None
) -> NetworkPredictor:
    """At the fitted parameters."""
    coefs, intercepts = tuple(estimator.coefs_), tuple(estimator.intercepts_)
    return NetworkPredictor(coefs, intercepts, estimator.activation, flat, contrasts)


def penalty_strength(estimator: Any, n_rows: int) -> tuple[float, int]:
    """α in the sum convention, and how many batches a pass through the rows has."""
    if estimator.solver == "lbfgs":
        return float(estimator.alpha), 1
    size = 200 if estimator.batch_size == "auto" else int(estimator.batch_size)
    batches = gen_batches(n_rows, min(size, n_rows))
    sizes = np.array([batch.stop - batch.start for batch in batches])
    return float(estimator.alpha * n_rows * (1.0 / sizes).mean()), len(sizes)


def holds_out(estimator: Any) -> bool:
    """Whether rows were, or will be, kept for validation; those of partial_fit never are."""
    score = getattr(estimator, "best_validation_score_", np.nan)
    return bool(estimator.early_stopping) and estimator.solver != "lbfgs" and score is not None


@refuse.register(MLPClassifier)
@refuse.register(MLPRegressor)
def require_seed(estimator: Any) -> None:
    """Refuse early stopping on rows that nobody can tell.

    Raises
    ------
    ValueError
    """
    if isinstance(estimator.random_state, (int, np.integer)) or not holds_out(estimator):
        return
    raise ValueError(
        f"{type(estimator).__name__} got early_stopping=True and random_state="
        f"{estimator.random_state!r}: it holds {estimator.validation_fraction:.0%} of the rows "
        "out, and without a seed nobody can tell which, so rows without influence can't be told "
        "from the others. Fit it with random_state=0, or another whole number, or with "
        "early_stopping=False."
    )


def validation_rows(estimator: Any, X: Any, y: Any, encoded: Array) -> Array:
    """The rows that early stopping held out, drawn again.

    Raises
    ------
    ValueError
        Where they can't be told, being drawn without a seed or from other rows.
    """
    if not holds_out(estimator):
        return np.empty(0, dtype=np.intp)
    require_seed(estimator)
    who, share = type(estimator).__name__, estimator.validation_fraction
    stratify = encoded if is_classifier(estimator) and estimator.n_outputs_ == 1 else None
    n_parameters = sum(each.size for each in (*estimator.coefs_, *estimator.intercepts_))
    # A fit that goes on from weights that are there draws none.
    found = []
    for drawn_before in (n_parameters, 0) if estimator.warm_start else (n_parameters,):
        generator = check_random_state(estimator.random_state)
        generator.uniform(size=drawn_before)
        _, rows = train_test_split(
            np.arange(X.shape[0]), random_state=generator, test_size=share, stratify=stratify
        )
        with warnings.catch_warnings():
            # The model's own rows are arrays, also where it was fitted on a DataFrame.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            score = estimator.score(X[rows], np.asarray(y)[rows])
        if np.isclose(score, estimator.best_validation_score_, rtol=1e-6):
            found.append(np.sort(rows))
    if len(found) == 1:
        return np.asarray(found[0])
    if found:
        raise ValueError(
            f"{who} got early_stopping=True and warm_start=True: whether its fit drew weights or "
            "went on from some decides which rows it held out, and on either its score is "
            f"{estimator.best_validation_score_:.4f}. Fit with warm_start=False."
        )
    raise ValueError(
        f"{who} got early_stopping=True, and on the rows that it would have held out of these X "
        f"and y its score is {score:.4f} instead of its best_validation_score_, "
        f"{estimator.best_validation_score_:.4f}. They are not the X and y, in the order, that it "
        "was fitted on, or it was fitted with sample_weight. Pass those, or fit with "
        "early_stopping=False."
    )
