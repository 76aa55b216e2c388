"""Votes of regressors, and the final step of stacked models."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ..coding import RealTargets
from ..curvature import Array
from ..losses import Loss, SquaredError
from ..objective import Objective
from .dispatch import as_objective, refuse, unit_weights
from .fixed import same_hyperparameters, shown_by, with_decision_values
from .stacked import stack
from .wrappers import final_model, fit_parameters, unwrap


@dataclass(frozen=True)
class Vote:
    """Squared error of the mean prediction, which is asked about; no member minimises it.

    Parameters
    ----------
    shares : tuple of float
        Of each member in the mean.
    """

    shares: tuple[float, ...]
    unit = SquaredError().unit

    def value(self, y: Array, decision_values: Array) -> Array:
        """(n,)."""
        return np.asarray((decision_values @ np.array(self.shares) - y[:, 0]) ** 2)

    def residual(self, y: Array, decision_values: Array) -> Array:
        """(n, members)."""
        off = decision_values @ np.array(self.shares) - y[:, 0]
        return 2.0 * off[:, None] * np.array(self.shares)

    def around(self, loss: Loss) -> Vote:
        """Whatever the members minimise."""
        return self


@dataclass(frozen=True)
class VotedTargets(RealTargets):
    """One target for all members, whose mean is the prediction.

    Parameters
    ----------
    shares : tuple of float
    """

    shares: tuple[float, ...] = ()

    def encode(self, y: Any, name: str) -> Array:
        """(n, members)."""
        return np.repeat(self.given(y, name), len(self.shares), axis=1)

    def present(self, values: Array) -> Array:
        """Decision values (n, members, …) → the mean prediction (n, 1, …)."""
        return np.tensordot(values, np.array(self.shares), (1, 0))[:, None]

    def present_vjp(self, values: Array, cotangents: Array) -> Array:
        """(n, members)."""
        return cotangents * np.array(self.shares)

    def measure(self, loss: Loss) -> Vote:
        """Of the mean."""
        return Vote(self.shares)


@as_objective.register(VotingRegressor)
def _vote(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    members = [final_model(estimator, member) for member in estimator.estimators_]
    given = [
        w
        for w, (_, m) in zip(_weights(estimator), estimator.estimators, strict=True)
        if m != "drop"
    ]
    coding = VotedTargets(1, shares=tuple(np.array(given) / np.sum(given)))
    encoded = coding.encode(y, "y")
    parts = [as_objective(m, X, y, sample_weight, smoothing=smoothing) for m in members]
    _require_decision_values(members, parts)
    objective = stack(estimator, parts, X, encoded, coding, unit_weights(sample_weight, X.shape[0]))
    return replace(objective, coding=coding)


def _require_decision_values(members: list[Any], parts: list[Objective]) -> None:
    for member, part in zip(members, parts, strict=True):
        if getattr(part.coding, "response", None) is not None:
            raise ValueError(
                f"VotingRegressor got {type(member).__name__}, whose predictions are no decision "
                "values of its loss: to average them is not supported. Explain its fitted models "
                "(estimators_) one by one: their effects with target='prediction' average to its "
                "own, by its weights."
            )


def _weights(estimator: Any) -> Any:
    return [1.0] * len(estimator.estimators) if estimator.weights is None else estimator.weights


class ShowsMembers(VotingRegressor):
    """Predicts what each member does, which the losses read."""

    def predict(self, X: Any) -> Array:
        """(n, members)."""
        return np.asarray(self.transform(X))


@with_decision_values.register(VotingRegressor)
def _members(estimator: Any) -> Any:
    return shown_by(ShowsMembers, estimator)


@fit_parameters.register(StackingClassifier)
@fit_parameters.register(StackingRegressor)
@fit_parameters.register(VotingRegressor)
def _to_all(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    return {"sample_weight": sample_weight}


@refuse.register(StackingClassifier)
@refuse.register(StackingRegressor)
def _require_prefit(estimator: Any) -> None:
    name = type(estimator).__name__
    if estimator.cv != "prefit":
        raise TypeError(
            f"InfluenceExplainer got {name} with cv={estimator.cv!r}: its final_estimator_ is "
            "fitted on predictions of models without the row that are not kept, so that what it "
            f"has seen can't be made again. Closest supported: {name}(cv='prefit') over "
            "FrozenEstimator(fitted_model), or its final_estimator_ on predictions of your own."
        )


@unwrap.register(StackingClassifier)
@unwrap.register(StackingRegressor)
def _final_step(estimator: Any) -> tuple[list[Any], Any]:
    check_is_fitted(estimator)
    refuse(estimator)
    final = estimator.final_estimator_
    if hasattr(estimator, "classes_"):
        # It was fitted on codes.
        final = copy(final)
        final.classes_ = estimator.classes_
    return [estimator], final


@same_hyperparameters.register(StackingClassifier)
@same_hyperparameters.register(StackingRegressor)
def _over_fitted(estimator: Any, rows: Any = None) -> Any:
    final = same_hyperparameters(estimator.final_estimator_, rows)
    frozen = _replaced(estimator, FrozenEstimator)
    return clone(estimator).set_params(estimators=frozen, final_estimator=final)


@same_hyperparameters.register(VotingRegressor)
def _same_members(estimator: Any, rows: Any = None) -> Any:
    members = _replaced(estimator, lambda fitted: same_hyperparameters(fitted, rows))
    return clone(estimator).set_params(estimators=members)


def _replaced(estimator: Any, of: Callable[[Any], Any]) -> list[tuple[str, Any]]:
    """Something of each fitted member in its place."""
    fitted = iter(estimator.estimators_)
    return [
        (name, member if member == "drop" else of(next(fitted)))
        for name, member in estimator.estimators
    ]
