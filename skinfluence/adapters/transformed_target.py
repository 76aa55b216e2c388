"""Regression on transformed targets: effects are in the original unit of y."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from ..coding import RealTargets
from ..curvature import Array
from ..losses import Loss, MeasuredLoss
from ..objective import Objective
from .dispatch import as_objective
from .fixed import same_hyperparameters
from .wrappers import fit_parameters, resolve, unwrap

# A target that comes back from there and back again further off than this, relative to all, is
# another number.
GIVEN_BACK = 1e-6


@dataclass(frozen=True, eq=False)
class InverseTransform:
    """h(z): the transformer's inverse of each column by itself.

    Parameters
    ----------
    transformer : fitted transformer
        Of the targets.
    scales : ndarray of shape (K,)
        How far training targets are apart on the scale of the fit.
    """

    transformer: Any
    scales: Array

    @classmethod
    def of(cls, transformer: Any, targets: Array) -> InverseTransform:
        """For training targets (n, K), in the unit of y."""
        fitted = _rows(transformer.transform, targets)
        spread = fitted.std(axis=0)
        return cls(transformer, np.where(spread > 0, spread, np.abs(fitted).max(axis=0) + 1e-300))

    def value(self, decision_values: Array) -> Array:
        """h(z), for z of shape (n, K, …)."""
        return self._columns(self.transformer.inverse_transform, decision_values)

    def slope(self, decision_values: Array) -> Array:
        """h'(z), by central differences.

        Their error is least where rounding, eps · |z| / step, is about (step / scale)².
        """
        scales = self.scales.reshape(-1, *[1] * (decision_values.ndim - 2))
        size = np.maximum(scales, np.abs(decision_values))
        step = np.cbrt(np.finfo(np.float64).eps * size * scales**2)
        above, below = decision_values + step, decision_values - step
        return (self.value(above) - self.value(below)) / (above - below)

    def inverse(self, predicted: Array) -> Array:
        """z of h(z)."""
        return self._columns(self.transformer.transform, predicted)

    def _columns(self, transform: Any, values: Array) -> Array:
        moved = np.moveaxis(values, 1, -1)
        rows = _rows(transform, moved.reshape(-1, values.shape[1]))
        return np.moveaxis(rows.reshape(moved.shape), -1, 1)


def _rows(transform: Any, values: Array) -> Array:
    """Transformed rows, of as many columns.

    Raises
    ------
    ValueError
    """
    rows = np.asarray(transform(values), dtype=np.float64)
    rows = rows.reshape(len(values), -1)
    if rows.shape != values.shape:
        raise ValueError(
            f"TransformedTargetRegressor got a transformation from {values.shape[1]} targets to "
            f"{rows.shape[1]}; supported are transformations of each target by itself."
        )
    return rows


@dataclass(frozen=True)
class TransformedTargets(RealTargets):
    """Targets that are transformed before the fit, and predictions that are transformed back.

    Parameters
    ----------
    keeps_columns : bool
        Whether predictions of one target are a column, as the targets were.
    """

    response: InverseTransform | None = None
    keeps_columns: bool = False

    def encode(self, y: Any, name: str) -> Array:
        """(n, K), on the scale of the fit.

        Raises
        ------
        ValueError
            As for any regressor, and for numbers that the transformation doesn't give back.
        """
        targets = self.given(y, name)
        if self.response is None:
            return targets
        with np.errstate(all="ignore"):
            encoded = self.response.inverse(targets)
            finite = np.where(np.isfinite(encoded), encoded, 0.0)
            off = np.abs(self.response.value(finite) - targets)
        size = np.abs(targets).max(initial=0.0)
        lost = ~(np.isfinite(encoded) & (off <= GIVEN_BACK * size)).all(axis=1)
        if lost.any():
            row = int(lost.argmax())
            raise ValueError(
                f"{name} contains {targets[row].tolist()} (row {row}), which "
                f"{type(self.response.transformer).__name__} makes {encoded[row].tolist()}; needed "
                "are numbers that its inverse gives back. Leave such rows out, or take another "
                "transformation of the targets."
            )
        return encoded

    def measure(self, loss: Loss) -> MeasuredLoss | Loss:
        """In the unit of y."""
        return loss if self.response is None else MeasuredLoss(loss, self.response)


@as_objective.register(TransformedTargetRegressor)
def _transformed_target(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    check_is_fitted(estimator)
    n_outputs = 1 if np.ndim(y) == 1 else np.shape(y)[1]
    given = RealTargets(n_outputs).given(y, "y")
    response = InverseTransform.of(estimator.transformer_, given)
    coding = TransformedTargets(n_outputs, response, keeps_columns=np.ndim(y) == 2)
    targets = coding.encode(y, "y")
    target = targets[:, 0] if np.ndim(y) == 1 else targets
    inner = as_objective(estimator.regressor_, X, target, sample_weight, smoothing=smoothing)
    _require_elementwise(estimator, inner, targets, response)
    stateless = isinstance(estimator.transformer_, FunctionTransformer)
    held = [inner.held, "" if stateless else "the transformation of the targets"]
    return replace(inner, coding=coding, held="; ".join(filter(None, held)))


def _require_elementwise(
    estimator: Any, inner: Objective, targets: Array, response: InverseTransform
) -> None:
    """Refuse what has no prediction of its own for each decision value."""
    model = type(estimator.regressor_).__name__
    shown = getattr(inner.coding, "response", None)
    if shown is not None or inner.linear_map.n_outputs != targets.shape[1]:
        raise ValueError(
            f"{type(estimator).__name__} got {model}, whose predictions are no decision values of "
            "its loss: to transform its targets as well is not supported. Closest: the estimator "
            "without the transformation, or Ridge on transformed targets."
        )
    change = response.value(targets[:1] + np.diag(response.scales)) - response.value(targets[:1])
    if (change != np.diag(np.diag(change))).any():
        raise ValueError(
            f"{type(estimator).__name__} got {type(estimator.transformer_).__name__}, which mixes "
            "the targets; supported are transformations of each target by itself."
        )


@unwrap.register(TransformedTargetRegressor)
def _regressor(estimator: Any) -> tuple[list[Any], Any]:
    check_is_fitted(estimator)
    transformers, model = resolve(estimator.regressor_)
    stateless = isinstance(estimator.transformer or FunctionTransformer(), FunctionTransformer)
    if stateless and model is estimator.regressor_:
        return [], estimator
    inner, fitted = copy(estimator), estimator.transformer_
    inner.regressor_ = model
    if not stateless:
        # Held like all that is fitted before the model, also when the model alone is refitted.
        inner.transformer = FunctionTransformer(
            fitted.transform, fitted.inverse_transform, check_inverse=False
        )
    return transformers, inner


@same_hyperparameters.register(TransformedTargetRegressor)
def _same(estimator: Any, rows: Any = None) -> Any:
    return clone(estimator).set_params(regressor=same_hyperparameters(estimator.regressor_, rows))


@fit_parameters.register(TransformedTargetRegressor)
def _parameters(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    return fit_parameters(estimator.regressor or LinearRegression(), sample_weight)
