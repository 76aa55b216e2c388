"""Networks that are trained on: what ``verify`` compares a network's effects with."""

from __future__ import annotations

import warnings
from copy import copy, deepcopy
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from ..blocks import row_blocks
from ..curvature import Array
from .fixed import same_hyperparameters, shown_by, with_decision_values
from .network import holds_out, network_predictor, penalty_strength

# Of fits that go on, in units of the gradient of the mean loss.
SMALLEST_TOL = 1e-8
FRESH_STARTS = 4


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


@with_decision_values.register(MLPClassifier)
def _before_output_activation(estimator: Any) -> Any:
    several = estimator.n_outputs_ > 1 and estimator.out_activation_ == "logistic"
    return shown_by(ShowsLabelSignals if several else ShowsSignals, estimator)


class GoesOn:
    """A network whose ``fit`` goes on from where it is; so do clones of it.

    By "sgd" it goes ``max_iter`` steps of all rows.
    """

    def __sklearn_clone__(self) -> Any:
        return deepcopy(self)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Batches of all rows, and no word about being the last."""
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        if self.solver == "lbfgs":  # type: ignore[attr-defined]
            # Whatever tol is, it stops at a relative fall of 2e-9: a row's effect may be less.
            for _ in range(FRESH_STARTS):
                super().fit(X, y, **options)  # type: ignore[misc]
                if self.n_iter_ <= 1:  # type: ignore[attr-defined]
                    break
            return self
        # A row of large weight may be as steep as no mean of all rows is.
        rate = self._rates[bool(options)]  # type: ignore[attr-defined]
        self.set_params(batch_size=X.shape[0], learning_rate_init=rate)  # type: ignore[attr-defined]
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
    Without rows that are known, no step is known to be small enough: it is then trained anew.

    Raises
    ------
    TypeError
        With early stopping, which would hold other rows out.
    """
    if rows is None:
        return clone(estimator)
    if holds_out(estimator):
        who = "MLPClassifier" if is_classifier(estimator) else "MLPRegressor"
        raise TypeError(
            f"InfluenceExplainer got {who}(early_stopping=True) to refit "
            "without rows: it would hold other rows out for validation each time, which changes "
            "more than a row does. Fit it with early_stopping=False to verify effects."
        )
    kind = ClassifierThatGoesOn if is_classifier(estimator) else RegressorThatGoesOn
    kind = LabelsThatGoOn if isinstance(estimator, ShowsLabelSignals) else kind
    going_on = deepcopy(shown_by(kind, estimator)).set_params(warm_start=True)
    if estimator.solver == "lbfgs":
        # A tol that ended the fit would end the next before it begins.
        return going_on.set_params(tol=min(float(estimator.tol), SMALLEST_TOL))
    strength, _ = penalty_strength(estimator, rows.shape[0])
    going_on._rates = _stable_rates(estimator, rows, strength)
    return going_on.set_params(
        solver="sgd",
        learning_rate="constant",
        shuffle=False,
        tol=0.0,
        n_iter_no_change=estimator.max_iter,
        alpha=strength,
    )


def _stable_rates(estimator: Any, rows: Any, strength: float) -> tuple[float, float]:
    """Steps that no curvature of the mean loss is too large for, nor of any weighted mean."""
    predictor = network_predictor(estimator)
    bends = np.empty(rows.shape[0])
    for block in row_blocks(rows.shape[0], 8 * 4 * predictor.n_parameters):
        linear_map = predictor.linearize(rows[block])
        bends[block] = linear_map.squared_norms()
        # No more than 1 in z for a squared error or a log-loss; the predicted count for Poisson's.
        if getattr(estimator, "loss", "") == "poisson":
            bends[block] *= np.maximum(1.0, np.exp(linear_map.layers.outputs).max(axis=1))
    penalty = strength / len(bends)
    return 1.0 / float(bends.mean() + penalty), 1.0 / float(bends.max() + penalty)
