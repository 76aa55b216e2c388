"""Checks of what an attack is handed."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..answers import Answers
from ..curvature import Array
from ..inputs import check_indices, require_in_memory
from ..replacing import require_features

WHO = "TrainingSetAttack"


def check_explainer(explainer: Any, who: str) -> Any:
    """A fitted explainer of a model that has features.

    Raises
    ------
    TypeError
        For anything else, and for a precomputed kernel.
    ValueError
        For rows that are no table, such as texts.
    sklearn.exceptions.NotFittedError
        Before ``fit``.
    """
    if not isinstance(explainer, Answers):
        raise TypeError(
            f"{who} got an explainer of type {type(explainer).__name__}; needed is a fitted "
            "InfluenceExplainer: InfluenceExplainer(estimator).fit(X, y)."
        )
    check_is_fitted(explainer)
    require_features(explainer.objective_.predictor)
    explainer._require_optimum(
        "an attack",
        "Freeze its hidden layers: the attack goes through them in a pipeline of "
        "HiddenActivations(network) and LogisticRegression().",
    )
    require_in_memory(explainer._training_X, who, "an attack that moves them")
    if np.ndim(explainer._training_X) != 2:
        raise ValueError(
            f"{who} got an explainer whose training rows are no table of numbers (texts?), so that "
            "they have no features to move. Explain the final model alone on transformed rows."
        )
    return explainer


def check_step_size(step_size: Any, n_features: int) -> Array:
    """Steps of each feature, () or (n_features,), float64.

    Raises
    ------
    ValueError
    """
    try:
        steps = np.asarray(step_size, dtype=np.float64)
    except (TypeError, ValueError):
        steps = np.array(np.nan)
    if not np.isfinite(steps).all() or not (steps > 0).all():
        raise ValueError(
            f"{WHO} got step_size={step_size!r}; needed is a finite number above 0, in units of "
            "the features, or one for each feature."
        )
    if steps.shape not in ((), (n_features,)):
        raise ValueError(
            f"{WHO} got step_size of shape {steps.shape}; needed is a number, or one for each of "
            f"the {n_features} features."
        )
    return steps


def check_tol(tol: Any) -> float:
    """A finite number of at least 0.

    Raises
    ------
    ValueError
    """
    number = isinstance(tol, (int, float, np.number)) and not isinstance(tol, bool)
    if not number or not 0.0 <= tol < np.inf:
        raise ValueError(f"{WHO} got tol={tol!r}; needed is a finite number of at least 0.")
    return float(tol)


def require_targets(explainer: Any, y_test: Any, who: str) -> None:
    """Refuse a regressor without targets of the test rows: there is no loss then.

    Raises
    ------
    ValueError
    """
    if y_test is None and not explainer.objective_.coding.is_classification:
        raise ValueError(
            f"{who} got y_test=None for a regressor: at its own prediction its loss, and all that "
            "training rows do to it, is 0. Pass y_test, the true values of the test rows."
        )


def check_count(
    name: str, got: Any, largest: int | None = None, why: str = "", *, who: str = WHO
) -> int:
    """A whole number of at least 1, and at most ``largest``.

    Raises
    ------
    ValueError
    """
    whole = isinstance(got, (int, np.integer)) and not isinstance(got, bool)
    if not whole or got < 1 or (largest is not None and got > largest):
        needed = "of at least 1" if largest is None else f"from 1 to {largest}{why}"
        raise ValueError(f"{who} got {name}={got!r}; needed is a whole number {needed}.")
    return int(got)


def check_rows(rows: Any, weights: Array) -> Array:
    """Positions of the training rows to move, each once.

    Raises
    ------
    IndexError, TypeError
        For positions that are none.
    ValueError
        For no rows, or rows of weight 0.
    """
    chosen = check_indices(rows, len(weights), "rows")
    if chosen is None or not len(chosen):
        raise ValueError(f"{WHO} got rows without any row; needed is at least one position.")
    _, first = np.unique(chosen, return_index=True)
    chosen = chosen[np.sort(first)]
    idle = chosen[(weights[chosen] == 0).all(axis=1)]
    if idle.size:
        raise ValueError(
            f"{WHO} got rows of weight 0: {idle[:5].tolist()}; the model doesn't see them, so "
            "that moving them has no effect. Choose other rows."
        )
    return chosen
