"""The two doors, ``step_vjp`` and ``linear_map``, and what is said of steps that have neither."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from scipy.sparse.linalg import LinearOperator

from ..curvature import Array
from .affine import affine_vjp


@singledispatch
def step_vjp(step: Any, X: Any, cotangents: Array) -> Array:
    """Pull cotangents on a step's output back to its input.

    Of a step that nobody has registered, the declared ``linear_map`` is taken.

    Parameters
    ----------
    step : fitted transformer
        By its class the registered function is chosen.
    X : array-like of shape (rows, d_in)
        What the step's ``transform`` takes; texts have d_in = 1.
    cotangents : ndarray of shape (m, rows, d_out)
        On what ``transform`` returns.

    Returns
    -------
    ndarray of shape (m, rows, d_in)
        NaN where the step has no derivative.

    Raises
    ------
    TypeError
        For steps whose derivative is not known.
    ValueError
        For a declared ``linear_map`` that isn't the step's.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skinfluence.transformers import step_vjp
    >>> X = np.array([[0.0], [4.0]])
    >>> step_vjp(StandardScaler().fit(X), X, np.ones((1, 2, 1)))
    array([[[0.5],
            [0.5]]])
    """
    return affine_vjp(step, linear_map(step), X, cotangents)


@singledispatch
def linear_map(step: Any) -> Any:
    """Matrix A of an affine step: ``transform(X)`` is ``X @ A.T`` plus a constant row.

    By default what the fitted step declares, as an attribute or a method without arguments that
    is named ``linear_map``. For another author's class, register a function.

    Parameters
    ----------
    step : fitted transformer
        By its class the registered function is chosen.

    Returns
    -------
    {ndarray, sparse matrix, LinearOperator} of shape (d_out, d_in)

    Raises
    ------
    TypeError
        For steps that declare none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator, TransformerMixin
    >>> from skinfluence.transformers import step_vjp
    >>> class Differences(TransformerMixin, BaseEstimator):
    ...     def fit(self, X, y=None):
    ...         self.linear_map = np.diff(np.eye(X.shape[1]), axis=0)
    ...         return self
    ...
    ...     def transform(self, X):
    ...         return np.diff(X, axis=1)
    >>> X = np.array([[1.0, 2.0, 4.0], [0.0, 1.0, 0.0]])
    >>> step_vjp(Differences().fit(X), X, np.ones((1, 2, 2)))
    array([[[-1.,  0.,  1.],
            [-1.,  0.,  1.]]])
    """
    declared = getattr(step, "linear_map", None)
    if declared is None:
        raise _unknown(step)
    if callable(declared) and not isinstance(declared, LinearOperator):
        return declared()
    return declared


def _unknown(step: Any) -> TypeError:
    kinds = {*step_vjp.registry, *linear_map.registry} - {object}
    return TypeError(
        f"perturbation_gradient got a pipeline with {type(step).__name__}, whose derivative it "
        f"does not know. It knows {', '.join(sorted(kind.__name__ for kind in kinds))}. Register "
        "another with skinfluence.transformers.step_vjp.register; declare linear_map on the step "
        "if it is affine; or ask with space='model' for the gradient with respect to the model's "
        "own inputs, which needs no derivative of any step."
    )
