"""By how much a class wins: the number whose sign says whether a prediction flips."""

from __future__ import annotations

import numpy as np

from ..curvature import Array
from ..objective import Objective


def margins(objective: Objective, values: Array, codes: Array) -> tuple[Array, Array]:
    """By how much the decision value of each row's class exceeds that of the strongest other.

    Parameters
    ----------
    objective : Objective
        Of a classifier.
    values : ndarray of shape (rows, K)
        Decision values.
    codes : ndarray of int of shape (rows,)
        Each row's class.

    Returns
    -------
    margins : ndarray of shape (rows,)
        With two classes the decision value, signed for the class. NaN for one-vs-one, where
        classes have votes and no decision values.
    weights : ndarray of shape (rows, K)
        Their gradient; for one-vs-one that of the sum of the class's decision values.
    """
    contrasts = objective.predictor.contrasts
    if contrasts is None:
        own = objective.coding.output_weights(codes, values.shape[1])
        if values.shape[1] == 1:
            return np.einsum("ik,ik->i", own, values), own
        if (np.count_nonzero(own, axis=1) > 1).any():
            return np.full(len(values), np.nan), own
        contrasts = np.eye(values.shape[1])
    by_class = values @ contrasts.T
    every = np.arange(len(values))
    winning = by_class[every, codes].copy()
    by_class[every, codes] = -np.inf
    second = by_class.argmax(axis=1)
    return winning - by_class[every, second], contrasts[codes] - contrasts[second]


def predicted_codes(objective: Objective, values: Array) -> Array:
    """Class codes (rows,) that the model predicts at decision values (rows, K)."""
    return objective.coding.elect(objective.predictor.class_values(values))
