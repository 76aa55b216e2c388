"""Checks of what users hand over to ``LabelCleaner``."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import get_tags

from .adapters import fit_parameters, is_frozen
from .curvature import Array
from .exceptions import warn_user

WHO = "LabelCleaner"
ACTIONS = ("drop", "relabel", "downweight")
# "test_influence" would need test rows, which no pipeline could hand to fit.
CRITERIA = ("auto", "label_noise", "loo_loss", "loss", "self_influence")


def check_selection(cleaner: Any) -> None:
    """Refuse parameters that don't say which rows to act on.

    Raises
    ------
    ValueError
    """
    by, fraction, threshold = cleaner.by, cleaner.fraction, cleaner.threshold
    if by not in CRITERIA:
        raise ValueError(
            f"{WHO} got by={by!r}; needed is one of {list(CRITERIA)}. By the influence on test "
            "rows rank with InfluenceExplainer.rank_suspects(by='test_influence')."
        )
    automatic = isinstance(fraction, str) and fraction == "auto"
    if not automatic and not _is_number(fraction, 0.0, 1.0):
        raise ValueError(
            f"{WHO} got fraction={fraction!r}; needed is 'auto' or a number from 0 to 1."
        )
    if threshold is not None and not _is_number(threshold):
        raise ValueError(
            f"{WHO} got threshold={threshold!r}; needed is a finite number in units of the score, "
            "or None."
        )
    if threshold is not None and not automatic:
        raise ValueError(
            f"{WHO} got fraction={fraction!r} and threshold={threshold!r}; needed is one of them. "
            "Leave fraction at 'auto' to use the threshold, or threshold at None."
        )
    if threshold is None and automatic and not is_classifier(cleaner):
        raise ValueError(
            f"{WHO} got fraction='auto' for {_name(cleaner)}, which has no labels that could "
            "differ from those suggested. Give a fraction of the rows, or a threshold of the "
            "score."
        )


def check_action(cleaner: Any) -> None:
    """Refuse what the estimator can't do.

    Raises
    ------
    ValueError, TypeError
    """
    action, estimator = cleaner.action, cleaner.estimator
    if action not in ACTIONS:
        raise ValueError(f"{WHO} got action={action!r}; needed is one of {list(ACTIONS)}.")
    steps = getattr(estimator, "steps", [("model", estimator)])
    if is_frozen(steps[-1][1]):
        raise TypeError(
            f"{WHO} got a frozen estimator, which would not change on cleaned rows. Pass the "
            "estimator inside it."
        )
    if action == "drop" and get_tags(estimator).input_tags.pairwise:
        raise ValueError(
            f"{WHO} got action='drop' for {_name(cleaner)} on a precomputed kernel, whose columns "
            "would have to go with the rows, those of test rows too. Use action='relabel', or a "
            "kernel by name."
        )
    if action == "downweight":
        _check_weighting(cleaner)


def _check_weighting(cleaner: Any) -> None:
    if not is_classifier(cleaner):
        raise ValueError(
            f"{WHO} got action='downweight' for {_name(cleaner)}; weights are probabilities of "
            "labels, which a regressor has not. Use action='drop' or 'relabel'."
        )
    try:
        fit_parameters(cleaner.estimator, None)
    except TypeError as error:
        raise TypeError(
            f"{WHO} got action='downweight' for {_name(cleaner)}, whose fit takes no "
            "sample_weight. Use action='drop' or 'relabel'."
        ) from error


def one_column(y: Any) -> Any:
    """Labels as they are, or, with scikit-learn's warning, the column (n,) of shape (n, 1).

    Raises
    ------
    ValueError
        For several columns.
    """
    shape = np.shape(y)
    if len(shape) > 1 and shape[1] != 1:
        raise ValueError(
            f"{WHO} got y of shape {shape}; needed is one column of labels or targets. Clean for "
            "each column by a cleaner of its own, as MultiOutputRegressor or MultiOutputClassifier "
            "around a LabelCleaner does."
        )
    if len(shape) > 1:
        warn_user(
            f"A column-vector y was passed when a 1d array was expected: {WHO} got shape {shape}, "
            "and takes it for y.ravel(). Pass that.",
            DataConversionWarning,
        )
        return np.ravel(y)
    return y


def require_probabilities(cleaner: Any, explainer: Any) -> None:
    """Refuse to weigh by probabilities that the fitted model has not.

    Raises
    ------
    ValueError
    """
    if not (hasattr(explainer, "loo_predict_proba") and explainer.objective_.has_probabilities):
        raise ValueError(
            f"{WHO} got action='downweight' for {_name(cleaner)}, which has no class probabilities "
            "that it is fitted by. Use action='drop' or 'relabel'."
        )


def spare_whole_classes(given: Array, suspect: Array) -> Array:
    """Suspects, but for those of classes that have no other rows.

    Parameters
    ----------
    given : ndarray of shape (n,)
        Labels.
    suspect : ndarray of bool of shape (n,)

    Warns
    -----
    UserWarning
        Where classes are left alone.
    """
    spared = [label for label in np.unique(given) if suspect[given == label].all()]
    if spared:
        warn_user(
            f"{WHO} left class {spared[0]!r} alone: all of its rows "
            f"({np.count_nonzero(given == spared[0])}) are suspect, and without them there would "
            "be no such class. Look at their labels, or leave the class out of X and y.",
            UserWarning,
        )
    return suspect & ~np.isin(given, spared)


def require_all_classes(cleaner: Any, before: Array, after: Array) -> None:
    """Refuse to clean a class away.

    Parameters
    ----------
    before, after : ndarray
        Labels of the rows that count.

    Raises
    ------
    ValueError
    """
    lost = np.setdiff1d(before, after).tolist()
    if lost:
        raise ValueError(
            f"{WHO} got data of which action={cleaner.action!r} would leave nothing of class "
            f"{lost[0]!r}: all of its rows ({np.count_nonzero(before == lost[0])}) are suspect. "
            "Needed is at least one row of each class. Act on fewer rows by a smaller fraction or "
            "a higher threshold, or leave the class out of X and y."
        )


def _is_number(value: Any, least: float = -np.inf, most: float = np.inf) -> bool:
    is_one = isinstance(value, Real) and not isinstance(value, bool)
    return is_one and bool(np.isfinite(value)) and least <= value <= most


def _name(cleaner: Any) -> str:
    return type(cleaner.estimator).__name__
