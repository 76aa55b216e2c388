"""Confirmation: the user's own estimator, really fitted on the attacked training rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..curvature import Array
from ..retraining import LeaveOneOut
from .victims import seen_by_model
from .words import and_more, count, row_title

PREPROCESSING = ("refit", "fixed")
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Confirmation:
    """What an estimator fitted on the attacked rows predicts, beside the one that was explained.

    Attributes
    ----------
    flipped : ndarray of bool of shape (n_test,)
        Whether the prediction has changed; False for regressors.
    predictions_before, predictions_after : ndarray of shape (n_test,)
    probabilities_before, probabilities_after : ndarray of shape (n_test,)
        Of the label that the attack led away from; NaN without ``predict_proba``.
    preprocessing : {"refit", "fixed"}
        What became of the steps before the model.
    estimator : estimator
        The one fitted on the attacked rows: as a whole, or its final model alone.
    test_names : tuple
        Labels of the test rows in the DataFrame's index, else their positions.
    """

    flipped: Array
    predictions_before: Array
    predictions_after: Array
    probabilities_before: Array
    probabilities_after: Array
    preprocessing: str
    estimator: Any = field(repr=False)
    test_names: tuple[Any, ...] = field(repr=False)

    def __repr__(self) -> str:
        n_tests = len(self.flipped)
        lines = [
            f"Confirmation by a cold fit, preprocessing={self.preprocessing!r}: "
            f"{int(self.flipped.sum())} of {count(n_tests, 'test row')} flipped"
        ]
        for test in range(min(n_tests, SHOWN)):
            before, after = self.predictions_before[test], self.predictions_after[test]
            chances = self.probabilities_before[test], self.probabilities_after[test]
            text = f"test {row_title(self.test_names[test])}: predicted {before} -> {after}"
            if np.isfinite(chances).all():
                text += f", probability {chances[0]:.3f} -> {chances[1]:.3f}"
            lines.append(text)
        return "\n".join(lines + and_more(n_tests - SHOWN, "test row"))


def confirm(
    explainer: Any,
    X: Any,
    X_test: Any,
    labels: Any,
    test_names: tuple[Any, ...],
    preprocessing: str,
) -> Confirmation:
    """Fit with the explained estimator's hyper-parameters on other training rows X.

    Raises
    ------
    ValueError
        For an unknown ``preprocessing``.
    """
    if preprocessing not in PREPROCESSING:
        raise ValueError(
            f"AttackResult.confirm got preprocessing={preprocessing!r}; needed is one of "
            f"{list(PREPROCESSING)}."
        )
    fitted, seen = explainer.estimator_, None
    if preprocessing == "fixed":
        fitted, seen = explainer._model, explainer.objective_.linear_map.full_X
        X, X_test = (seen_by_model(explainer, rows) for rows in (X, X_test))
    estimator = _fitted_anew(explainer, fitted, X, seen)
    classifies = explainer.objective_.coding.is_classification
    before, after = fitted.predict(X_test), estimator.predict(X_test)
    return Confirmation(
        flipped=np.asarray(before != after) if classifies else np.zeros(len(before), dtype=bool),
        predictions_before=before,
        predictions_after=after,
        probabilities_before=_probabilities(fitted, X_test, labels),
        probabilities_after=_probabilities(estimator, X_test, labels),
        preprocessing=preprocessing,
        estimator=estimator,
        test_names=test_names,
    )


def _fitted_anew(explainer: Any, fitted: Any, X: Any, seen: Any) -> Any:
    """What a model took from its rows, such as a kernel's width, is held where they are given."""
    y, weights = explainer._training_y, explainer._sample_weight
    unfitted = LeaveOneOut.of(fitted, seen, X, y, weights, None, "predict").estimator
    return type(explainer)(unfitted)._fitted_estimator(X, y, weights)


def _probabilities(estimator: Any, X: Any, labels: Any) -> Array:
    """Of each row's label, NaN without ``predict_proba``."""
    if not hasattr(estimator, "predict_proba") or np.ndim(labels) > 1:
        return np.full(len(labels), np.nan)
    classes = list(estimator.classes_)
    columns = [classes.index(label) for label in labels]
    return np.asarray(estimator.predict_proba(X))[np.arange(len(columns)), columns]
