"""Platt's calibration of a frozen model: logistic regression on its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ..coding import ClassLabels
from ..curvature import Array
from ..losses import SoftLabelLogLoss
from ..objective import Objective
from ..penalties import L2
from ..predictors import LinearPredictor
from ..weighting import RowWeights
from .active import PINNED
from .dispatch import as_objective, refuse, unit_weights
from .fixed import same_hyperparameters, shown_by, with_decision_values
from .wrappers import fit_parameters, unwrap


@dataclass(frozen=True)
class PlattLabels(ClassLabels):
    """Labels as Platt has them: less than certain, the less so the fewer rows a class has.

    Parameters
    ----------
    positives, negatives : tuple of float
        Weight of each output's rows of either sort.
    """

    positives: tuple[float, ...] = ()
    negatives: tuple[float, ...] = ()

    def encode(self, y: Any, name: str) -> Array:
        """(n, K) numbers between −1 and 1."""
        signs = super().encode(y, name)
        above, below = np.array(self.positives), np.array(self.negatives)
        return np.where(signs > 0, above / (above + 2.0), -below / (below + 2.0))


@dataclass(frozen=True)
class FrozenScores:
    """A frozen model as a transformer, to the scores that are calibrated.

    Parameters
    ----------
    estimator : fitted classifier
    """

    estimator: Any

    def transform(self, X: Any) -> Array:
        """(n, 1) or (n, C)."""
        if hasattr(self.estimator, "decision_function"):
            scores = np.asarray(self.estimator.decision_function(X), dtype=np.float64)
        else:
            scores = np.asarray(self.estimator.predict_proba(X), dtype=np.float64)
            scores = scores[:, 1:] if scores.shape[1] == 2 else scores
        return scores.reshape(len(scores), -1)

    @property
    def linear_map(self) -> Any:
        """The coefficients, of a linear model without steps before it."""
        inside = self.estimator
        while isinstance(inside, FrozenEstimator):
            inside = inside.estimator
        return inside.coef_


class Calibration(ClassifierMixin, BaseEstimator):
    """The calibrators alone, which see scores.

    Parameters
    ----------
    calibrators : list
        One of each output, with P = 1 / (1 + exp(a_ f + b_)).
    classes : ndarray
    """

    def __init__(self, calibrators: list[Any], classes: Array) -> None:
        self.calibrators = calibrators
        self.classes = classes

    @classmethod
    def of(cls, calibrators: list[Any], classes: Array) -> Calibration:
        """That are fitted."""
        calibration = cls(calibrators, classes)
        calibration.calibrators_ = calibrators
        return calibration

    @property
    def classes_(self) -> Array:
        """Of the estimator."""
        return self.classes

    @property
    def n_features_in_(self) -> int:
        """One score for each."""
        return len(self.calibrators)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Calibration:
        """Each by itself, as the estimator does."""
        signs = ClassLabels(self.classes, layout="signs").encode(y, "y")
        self.calibrators_ = [
            clone(each).fit(X[:, k], (signs[:, k] > 0).astype(int), sample_weight)
            for k, each in enumerate(self.calibrators)
        ]
        return self

    def decision_function(self, X: Any) -> Array:
        """−(a f + b), (n, 1) or (n, C)."""
        slopes, intercepts = self.parameters()
        return np.asarray(X * slopes + intercepts)

    def parameters(self) -> tuple[Array, Array]:
        """Slopes and intercepts of the decision values, each (K,)."""
        slopes = [-float(each.a_) for each in self.calibrators_]
        return np.array(slopes), np.array([-float(each.b_) for each in self.calibrators_])


@refuse.register(CalibratedClassifierCV)
def _require_one_model(estimator: Any) -> None:
    if not isinstance(estimator.estimator, FrozenEstimator) and estimator.cv != "prefit":
        raise TypeError(
            "InfluenceExplainer got CalibratedClassifierCV over a model that it fits itself, on "
            "other rows than it calibrates on, so no row has one part in it. Closest supported: "
            "CalibratedClassifierCV(FrozenEstimator(fitted_model), ensemble=False) on rows of its "
            "own, or the model inside alone."
        )
    if estimator.ensemble is True:
        raise TypeError(
            "InfluenceExplainer got CalibratedClassifierCV with ensemble=True, which calibrates "
            "on one fold of the rows after the other and averages. Closest supported: "
            "CalibratedClassifierCV with ensemble=False, which calibrates once on all rows."
        )
    if estimator.method != "sigmoid":
        raise TypeError(
            f"InfluenceExplainer got CalibratedClassifierCV with method={estimator.method!r}: "
            "isotonic steps jump when a row goes, and a temperature is one number for all "
            "classes. Closest supported: CalibratedClassifierCV with method='sigmoid'."
        )


@unwrap.register(CalibratedClassifierCV)
def _calibrated(estimator: Any) -> tuple[list[Any], Any]:
    check_is_fitted(estimator)
    refuse(estimator)
    (fitted,) = estimator.calibrated_classifiers_
    return [FrozenScores(fitted.estimator)], Calibration.of(fitted.calibrators, estimator.classes_)


@same_hyperparameters.register(CalibratedClassifierCV)
def _over_frozen(estimator: Any, rows: Any = None) -> Any:
    (fitted,) = estimator.calibrated_classifiers_
    inside = fitted.estimator
    frozen = inside if isinstance(inside, FrozenEstimator) else FrozenEstimator(inside)
    return clone(estimator).set_params(estimator=frozen)


class ShowsScores(CalibratedClassifierCV):
    """Shows the calibrated scores, which the loss reads."""

    def decision_function(self, X: Any) -> Array:
        """(n, 1) or (n, C)."""
        (scores,), calibration = unwrap(self)
        return np.asarray(calibration.decision_function(scores.transform(X)))


@fit_parameters.register(CalibratedClassifierCV)
def _to_calibrators(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    return {"sample_weight": sample_weight}


@with_decision_values.register(CalibratedClassifierCV)
def _scores(estimator: Any) -> Any:
    return shown_by(ShowsScores, estimator)


@as_objective.register(Calibration)
def _platt(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    k = len(estimator.calibrators_)
    weights = unit_weights(sample_weight, X.shape[0])
    signs = ClassLabels(estimator.classes_, layout="signs").encode(y, "y")
    positives, negatives = weights @ (signs > 0), weights @ (signs < 0)
    coding = PlattLabels(
        estimator.classes_, "signs", positives=tuple(positives), negatives=tuple(negatives)
    )
    # Each output sees its own score alone.
    own = np.vstack([np.eye(k, dtype=bool), np.ones((1, k), dtype=bool)])
    predictor = LinearPredictor((k, k), (k,), 1.0, free=None if k == 1 else own)
    slopes, intercepts = estimator.parameters()
    return Objective(
        loss=SoftLabelLogLoss(),
        predictor=predictor,
        penalty=L2(np.where(own, 0.0, PINNED)),
        theta=predictor.pack(np.diag(slopes), intercepts),
        linear_map=predictor.linearize(X),
        y=coding.encode(y, "y"),
        weights=RowWeights(weights),
        coding=coding,
        held="the frozen model, and Platt's certainty of each class",
    )
