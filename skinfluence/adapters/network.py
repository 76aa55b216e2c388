"""Multi-layer perceptrons: MLPClassifier and MLPRegressor.

    Σ_i s_i ℓ(y_i, z_i) + α ½ Σ_l ‖W_l‖²       solver="lbfgs": each step looks at all rows

"sgd" and "adam" see a batch b of n_b rows in each step, and all of the penalty against the mean
over the batch. So over a pass through n rows its strength in the sum is α n · mean_b(1/n_b).
"""

from __future__ import annotations

import warnings
from copy import copy, deepcopy
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.validation import check_is_fitted

from ..blocks import row_blocks
from ..coding import ClassLabels, LabelColumns, RealTargets, TargetCoding
from ..curvature import Array
from ..losses import BinomialLogLoss, HalfSquaredError, Loss, SoftmaxLogLoss, TweedieLoss
from ..network_objective import NetworkObjective
from ..penalties import L2
from ..predictors import NetworkPredictor
from ..responses import Exponential
from ..weighting import RowWeights
from .dispatch import as_objective, refuse, unit_weights
from .fixed import same_hyperparameters, shown_by, with_decision_values

# Of fits that go on, in units of the gradient of the mean loss.
SMALLEST_TOL = 1e-8


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


@refuse.register(MLPClassifier)
@refuse.register(MLPRegressor)
def require_seed(estimator: Any) -> None:
    """Refuse early stopping on rows that nobody can tell.

    Raises
    ------
    ValueError
    """
    seeded = isinstance(estimator.random_state, (int, np.integer))
    if seeded or not estimator.early_stopping or estimator.solver == "lbfgs":
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
    if not estimator.early_stopping or estimator.solver == "lbfgs":
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


class ShowsSignals(MLPClassifier):
    """A classifier that shows what its output activation is applied to."""

    def decision_function(self, X: Any) -> Array:
        """(rows,) or (rows, K)."""
        without_activation = copy(self)
        without_activation.out_activation_ = "identity"
        shown = without_activation.predict_proba(X)
        return np.asarray(shown[:, 1] if self.n_outputs_ == 1 else shown)


class ShowsLabelSignals(ShowsSignals):
    """A classifier of several labels, which predicts these."""

    def predict(self, X: Any) -> Array:
        """(rows, labels)."""
        return self.decision_function(X)


class GoesOn:
    """A network whose ``fit`` goes on from where it is, by ``max_iter`` steps of all rows."""

    def fit(self, X: Any, y: Any, **options: Any) -> Any:
        """Batches of all rows, and no word about being the last."""
        self.set_params(batch_size=X.shape[0])  # type: ignore[attr-defined]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().fit(X, y, **options)  # type: ignore[misc]


class ClassifierThatGoesOn(GoesOn, ShowsSignals):
    """By gradient descent."""


class LabelsThatGoOn(GoesOn, ShowsLabelSignals):
    """By gradient descent."""


class RegressorThatGoesOn(GoesOn, MLPRegressor):
    """By gradient descent."""


@same_hyperparameters.register(MLPClassifier)
@same_hyperparameters.register(MLPRegressor)
def _from_where_it_is(estimator: Any, rows: Any = None) -> Any:
    """A copy whose ``fit`` goes on from the fitted parameters, all rows in each step.

    With "lbfgs" to the optimum. After "sgd" or "adam", which may have ended far from any, as many
    steps of gradient descent as ``max_iter`` says, with or without a row: from there an optimizer
    of second order would go to whatever optimum, another one after the slightest change.

    Raises
    ------
    TypeError
        With early stopping, which would hold other rows out.
    """
    if estimator.early_stopping and estimator.solver != "lbfgs":
        who = "MLPClassifier" if is_classifier(estimator) else "MLPRegressor"
        raise TypeError(
            f"InfluenceExplainer got {who}(early_stopping=True) to refit "
            "without rows: it would hold other rows out for validation each time, which changes "
            "more than a row does. Fit it with early_stopping=False to verify effects."
        )
    if estimator.solver == "lbfgs":
        # A tol that ended the fit would end the next before it begins.
        tol = min(float(estimator.tol), SMALLEST_TOL)
        return deepcopy(estimator).set_params(warm_start=True, tol=tol)
    kind = ClassifierThatGoesOn if is_classifier(estimator) else RegressorThatGoesOn
    kind = LabelsThatGoOn if isinstance(estimator, ShowsLabelSignals) else kind
    going_on = deepcopy(shown_by(kind, estimator)).set_params(
        warm_start=True,
        solver="sgd",
        learning_rate="constant",
        shuffle=False,
        tol=0.0,
        n_iter_no_change=estimator.max_iter,
    )
    if rows is None:
        return going_on
    strength, _ = penalty_strength(estimator, rows.shape[0])
    return going_on.set_params(
        alpha=strength, learning_rate_init=_stable_rate(estimator, rows, strength)
    )


def _stable_rate(estimator: Any, rows: Any, strength: float) -> float:
    """A step length that no curvature of the mean loss is too large for."""
    predictor, total = network_predictor(estimator), strength
    for block in row_blocks(rows.shape[0], 8 * 4 * predictor.n_parameters):
        linear_map = predictor.linearize(rows[block])
        # No more than 1 for a squared error or a log-loss; the predicted counts for Poisson's.
        bends = np.ones(linear_map.n_rows)
        if getattr(estimator, "loss", "") == "poisson":
            bends = np.maximum(1.0, np.exp(linear_map.layers.outputs).max(axis=1))
        total += float(bends @ linear_map.squared_norms())
    return rows.shape[0] / total


@with_decision_values.register(MLPClassifier)
def _before_output_activation(estimator: Any) -> Any:
    several = estimator.n_outputs_ > 1 and estimator.out_activation_ == "logistic"
    return shown_by(ShowsLabelSignals if several else ShowsSignals, estimator)
