"""Through a row of steps, last to first; NaN on the way goes where it belongs, and no further."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..curvature import Array
from .dispatch import step_vjp
from .rows import take, transformed, width


def pull_back(transformers: list[Any], X: Any, rows: Array, cotangents: Array) -> Array:
    """From the model's inputs back through all steps to the raw features of some rows.

    Parameters
    ----------
    transformers : list of fitted transformers
        The steps before the model, first to last.
    X : array-like, CSR matrix, DataFrame, or list or Series of texts, of n rows
        Input of the first step.
    rows : ndarray of int
        Positions in X.
    cotangents : ndarray of shape (m, len(rows), d_out)
        On the model's inputs.

    Returns
    -------
    ndarray of shape (m, len(rows), d_in)
        Of the dtype of the cotangents; NaN where there is no derivative.

    Raises
    ------
    TypeError
        For steps whose derivative is not known.
    ValueError
        For a declared ``linear_map`` that isn't the step's.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import MinMaxScaler, StandardScaler
    >>> from skinfluence.transformers import pull_back
    >>> X = np.array([[0.0], [4.0]])
    >>> steps = [StandardScaler().fit(X), MinMaxScaler().fit([[-1.0], [1.0]])]
    >>> pull_back(steps, X, np.array([1]), np.ones((1, 1, 1)))
    array([[[0.25]]])
    """
    if not transformers:
        return cotangents
    if not len(rows):
        return np.zeros((len(cotangents), 0, width(X)), dtype=cotangents.dtype)
    result = through_all(transformers, take(X, rows), cotangents)
    return result.astype(cotangents.dtype, copy=False)


def through_all(steps: Sequence[Any], X: Any, cotangents: Array) -> Array:
    """``step_vjp`` of steps one after the other."""
    inputs = [X][: len(steps)]
    for step in steps[:-1]:
        inputs.append(transformed(step, inputs[-1]))
    for step, given in zip(reversed(steps), reversed(inputs), strict=True):
        cotangents = through(step, given, cotangents)
    return cotangents


def through(step: Any, X: Any, cotangents: Array) -> Array:
    """``step_vjp``, with a NaN in just those inputs on which an output with a NaN depends.

    Which these are is asked of the step: cotangents drawn at random where there is NaN, and 0
    elsewhere, come out other than 0.
    """
    unknown = np.isnan(cotangents)
    if not unknown.any():
        return step_vjp(step, X, cotangents)
    result = step_vjp(step, X, np.where(unknown, 0.0, cotangents))
    if (unknown == unknown[:1]).all():
        unknown = unknown[:1]
    drawn = np.random.default_rng(0).standard_normal(unknown.shape)
    marks = step_vjp(step, X, np.where(unknown, drawn, 0.0).astype(cotangents.dtype))
    return np.where(marks == 0.0, result, np.nan).astype(result.dtype, copy=False)


def feature_names_after(transformers: Sequence[Any], names: Any, n_features_out: int) -> Array:
    """The names of the columns that steps hand to the model.

    Parameters
    ----------
    transformers : list of fitted transformers
        The steps before the model, first to last.
    names : array-like of str, optional
        Of the first step's input.
    n_features_out : int
        How many columns the model gets.

    Returns
    -------
    ndarray of str objects, of shape (n_features_out,)
        Or x0, x1, … where a step has no ``get_feature_names_out``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import PolynomialFeatures
    >>> from skinfluence.transformers import feature_names_after
    >>> steps = [PolynomialFeatures(include_bias=False).fit(np.ones((2, 2)))]
    >>> feature_names_after(steps, ["a", "b"], 5)
    array(['a', 'b', 'a^2', 'a b', 'b^2'], dtype=object)
    """
    for step in transformers:
        try:
            names = step.get_feature_names_out(names)
        except (AttributeError, TypeError, ValueError):
            names = None
    if names is None or len(names) != n_features_out:
        names = [f"x{column}" for column in range(n_features_out)]
    return np.asarray(names, dtype=object)
