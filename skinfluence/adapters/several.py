"""One model for each class, pair of classes, or target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.utils.validation import check_is_fitted, validate_data

from ..coding import ClassLabels, LabelColumns, RealTargets, TargetCoding
from ..curvature import Array
from ..losses import MarginLoss
from ..objective import Objective
from .dispatch import as_objective, unit_weights
from .fixed import same_hyperparameters, shown_by, with_decision_values
from .stacked import stack
from .wrappers import final_model


@as_objective.register(OneVsRestClassifier)
def _one_vs_rest(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    for k, fitted in enumerate(estimator.estimators_):
        if type(fitted) is not type(estimator.estimator):
            raise ValueError(
                f"OneVsRestClassifier got a constant label in column {k} (of "
                f"{len(estimator.estimators_)}), for which it fits no model. Leave the column out "
                "and fit again, or explain its other models (estimators_) one by one."
            )
    if estimator.multilabel_:
        binary = [np.arange(2)] * len(estimator.estimators_)
        return _each(estimator, X, y, LabelColumns.of(binary), sample_weight, smoothing)
    coding = ClassLabels(estimator.classes_, layout="signs")
    return _each(estimator, X, y, coding, sample_weight, smoothing)


@as_objective.register(OneVsOneClassifier)
def _one_vs_one(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    if len(estimator.classes_) == 2:
        raise ValueError(
            "OneVsOneClassifier got two classes, for which it is the estimator inside it. Fit and "
            "explain that."
        )
    coding = ClassLabels(
        estimator.classes_,
        layout="pairs",
        presented_by_class=True,
        break_ties=True,
        second_positive=True,
    )
    return _each(estimator, X, y, coding, sample_weight, smoothing)


@as_objective.register(MultiOutputRegressor)
def _targets(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    coding = RealTargets(len(estimator.estimators_))
    encoded, weights = coding.encode(y, "y"), unit_weights(sample_weight, X.shape[0])
    parts = _parts(estimator, X, encoded, weights, smoothing)
    own = parts[0].coding
    if any(part.coding != own for part in parts):
        raise ValueError(
            "MultiOutputRegressor got models that transform each target, or its prediction, in a "
            "way of its own, which is not supported. Put the transformation around it: "
            "TransformedTargetRegressor(MultiOutputRegressor(model), ...); or explain its fitted "
            "models (estimators_) one by one."
        )
    # What a model asks of its targets, and makes of decision values, it asks of each column.
    shared = replace(cast(RealTargets, own), n_outputs=coding.n_outputs)
    return stack(estimator, parts, X, shared.encode(y, "y"), shared, weights)


@as_objective.register(MultiOutputClassifier)
def _labels(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    return _each(estimator, X, y, LabelColumns.of(estimator.classes_), sample_weight, smoothing)


def _each(
    estimator: Any,
    X: Any,
    y: Any,
    coding: TargetCoding,
    sample_weight: Array | None,
    smoothing: float,
) -> Objective:
    """An objective of each class, pair or label, as one."""
    encoded, weights = coding.encode(y, "y"), unit_weights(sample_weight, X.shape[0])
    pairs = getattr(coding, "layout", None) == "pairs"
    parts = _parts(estimator, X, encoded, weights, smoothing, pairs=pairs)
    return stack(estimator, parts, X, encoded, coding, weights)


def _parts(
    estimator: Any, X: Any, encoded: Array, weights: Array, smoothing: float, *, pairs: bool = False
) -> list[Objective]:
    """An objective of each model, on the targets that it was fitted on."""
    parts = []
    for fitted, column in zip(estimator.estimators_, encoded.T, strict=True):
        model, target, own_weights = final_model(estimator, fitted), column, weights
        if is_classifier(model):
            target = model.classes_[(column > 0).astype(int)]
        if pairs:
            own_weights = np.where(column == 0, 0.0, weights)
        parts.append(as_objective(model, X, target, own_weights, smoothing=smoothing))
        if pairs:
            _require_pairs(estimator, parts[-1])
    return parts


def _require_pairs(estimator: Any, part: Objective) -> None:
    if not isinstance(part.loss, MarginLoss) or part.mean_over is not None:
        raise ValueError(
            f"{type(estimator).__name__} got models for pairs of classes whose loss or penalty "
            "depends on rows of other classes here; supported inside it are logistic regression "
            "and linear support vector machines."
        )


@same_hyperparameters.register(OneVsRestClassifier)
@same_hyperparameters.register(OneVsOneClassifier)
@same_hyperparameters.register(MultiOutputRegressor)
@same_hyperparameters.register(MultiOutputClassifier)
def _same(estimator: Any, rows: Any = None) -> Any:
    models = [same_hyperparameters(fitted, rows) for fitted in estimator.estimators_]
    if any(_settings(model) != _settings(models[0]) for model in models):
        raise ValueError(
            f"{type(estimator).__name__} got models of which a search chose the hyper-parameters "
            "of each by itself, and it fits all of them with the same: so it can't be refitted "
            "with those held. Compare with refits by hand, or search around the "
            f"{type(estimator).__name__}."
        )
    return clone(estimator).set_params(estimator=models[0])


def _settings(model: Any) -> dict[str, str]:
    """All parameters; a generator's state is none."""
    given = model.get_params().items()
    return {name: repr(value) for name, value in given if not name.endswith("random_state")}


class ShowsPairs(OneVsOneClassifier):
    """Shows the decision value of each pair, which the losses read."""

    def decision_function(self, X: Any) -> Array:
        """(n, pairs), positive for the second class."""
        # Its models have seen arrays, whatever it was given itself.
        rows = validate_data(self, X, accept_sparse=True, reset=False)
        return np.column_stack([model.decision_function(rows) for model in self.estimators_])


class ShowsDecisions(MultiOutputClassifier):
    """Predicts the decision value of each label, which the losses read."""

    def predict(self, X: Any) -> Array:
        """(n, labels)."""
        return np.column_stack([model.decision_function(X) for model in self.estimators_])


class ShowsLabelDecisions(OneVsRestClassifier):
    """The same for a matrix of label indicators."""

    def predict(self, X: Any) -> Array:
        """(n, labels)."""
        return np.asarray(self.decision_function(X))


@with_decision_values.register(MultiOutputClassifier)
def _decisions(estimator: Any) -> Any:
    return shown_by(ShowsDecisions, estimator)


@with_decision_values.register(OneVsOneClassifier)
def _pair_decisions(estimator: Any) -> Any:
    return shown_by(ShowsPairs, estimator)


@with_decision_values.register(OneVsRestClassifier)
def _label_decisions(estimator: Any) -> Any:
    return shown_by(ShowsLabelDecisions, estimator) if estimator.multilabel_ else estimator
