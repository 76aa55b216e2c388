"""Checks of other features and labels for training rows, and the warning of columns without any."""

from __future__ import annotations

from typing import Any

import numpy as np

from .coding import ClassLabels
from .curvature import Array
from .exceptions import warn_user
from .exchanging import Change
from .inputs import WHO, check_targets, model_rows
from .objective import Objective
from .replacing import require_features

SHOWN = 5


def replacements(
    transformers: list[Any], model: Any, objective: Objective, rows: Array, X_new: Any, y_new: Any
) -> Change:
    """What rows become, in the model's own space.

    Raises
    ------
    ValueError
        For nothing new, another number of rows or features, or labels that the model doesn't know.
    """
    if X_new is None and y_new is None:
        raise ValueError(
            f"{WHO}.perturbation_influence got neither X_new nor y_new; needed is what the rows "
            "become: other features, other labels, or both."
        )
    X = None if X_new is None else _features(transformers, model, objective, rows, X_new)
    classifies = objective.coding.is_classification
    if y_new is None:
        y = objective.y[rows]
        return Change(rows, y, objective.coding.decode(y) if classifies else None, X)
    _require_one_each("y_new", np.asarray(y_new).shape, len(rows))
    targets = check_targets(y_new, len(rows), "y_new")
    y = objective.coding.encode(targets, "y_new")
    return Change(rows, y, objective.coding.codes(targets, "y_new") if classifies else None, X)


def _features(
    transformers: list[Any], model: Any, objective: Objective, rows: Array, X_new: Any
) -> Any:
    require_features(objective.predictor)
    shape = X_new.shape if hasattr(X_new, "shape") else (len(X_new),)
    _require_one_each("X_new", shape, len(rows))
    if not len(rows):
        return objective.linear_map.take(rows).full_X
    return model_rows(transformers, model, X_new).astype(objective.linear_map.dtype, copy=False)


def _require_one_each(name: str, shape: tuple[int, ...], n_rows: int) -> None:
    if shape[:1] != (n_rows,):
        raise ValueError(
            f"{WHO}.perturbation_influence got {name} of shape {shape} for {n_rows} indices; "
            "needed is one row for each index, in their order."
        )


def every_other_class(objective: Objective, rows: Array) -> tuple[Change, Array, Array]:
    """Each row with each of the other labels, with its place in ``rows`` and the label's code.

    Raises
    ------
    TypeError
        For regressors.
    """
    coding = objective.coding
    if not isinstance(coding, ClassLabels):
        got = "a regressor, whose targets are no labels"
        if coding.has_labels:
            got = "several labels of each row, which can change in many ways"
        raise TypeError(
            f"{WHO}.label_flip_influence got {got}. For other targets use "
            "perturbation_influence(..., indices=..., y_new=...)."
        )
    own = coding.decode(objective.y[rows])
    classes = coding.classes
    places, codes = np.nonzero(own[:, None] != np.arange(len(classes)))
    return Change(rows[places], coding.encode(classes[codes], "y"), codes), places, codes


def warn_of_columns(missing: Array, estimator: Any) -> None:
    """Name the columns that hold NaN, given as bool (n_features,)."""
    columns = np.flatnonzero(missing)
    if not len(columns):
        return
    names = getattr(estimator, "feature_names_in_", None)
    named = [f"column {j}" if names is None else str(names[j]) for j in columns[:SHOWN]]
    more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
    warn_user(
        f"perturbation_gradient has no derivative, and so NaN, in {', '.join(named)}{more}: what "
        "is encoded, binned or split into words has none, nor has a step at a point where it "
        "jumps. space='model' gives the gradient with respect to the model's own inputs, which "
        "model_feature_names_ names; perturbation_influence takes any finite change, of "
        "categories too.",
        RuntimeWarning,
    )
