"""FunctionTransformer: element-wise functions by a table, others by registration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.preprocessing import FunctionTransformer

from ..curvature import Array
from .dispatch import step_vjp
from .rows import dense

Vjp = Callable[..., Array]

SLOPES: dict[Any, Callable[[Array], Any]] = {
    np.positive: np.ones_like,
    np.negative: lambda x: -np.ones_like(x),
    np.absolute: np.sign,
    np.fabs: np.sign,
    np.sign: lambda x: np.where(x == 0.0, np.nan, 0.0),
    np.reciprocal: lambda x: -1.0 / x**2,
    np.square: lambda x: 2.0 * x,
    np.sqrt: lambda x: 0.5 / np.sqrt(x),
    np.cbrt: lambda x: 1.0 / (3.0 * np.cbrt(x) ** 2),
    np.exp: np.exp,
    np.exp2: lambda x: np.log(2.0) * np.exp2(x),
    np.expm1: np.exp,
    np.log: lambda x: 1.0 / np.where(x > 0.0, x, np.nan),
    np.log2: lambda x: 1.0 / (np.log(2.0) * np.where(x > 0.0, x, np.nan)),
    np.log10: lambda x: 1.0 / (np.log(10.0) * np.where(x > 0.0, x, np.nan)),
    np.log1p: lambda x: 1.0 / np.where(x > -1.0, 1.0 + x, np.nan),
    np.sin: np.cos,
    np.cos: lambda x: -np.sin(x),
    np.tan: lambda x: 1.0 + np.tan(x) ** 2,
    np.arcsin: lambda x: 1.0 / np.sqrt(1.0 - x**2),
    np.arccos: lambda x: -1.0 / np.sqrt(1.0 - x**2),
    np.arctan: lambda x: 1.0 / (1.0 + x**2),
    np.sinh: np.cosh,
    np.cosh: np.sinh,
    np.tanh: lambda x: 1.0 / np.cosh(x) ** 2,
    np.arcsinh: lambda x: 1.0 / np.sqrt(1.0 + x**2),
    np.arccosh: lambda x: 1.0 / np.sqrt(np.where(x > 1.0, x**2 - 1.0, np.nan)),
    np.arctanh: lambda x: 1.0 / np.where(np.abs(x) < 1.0, 1.0 - x**2, np.nan),
    np.deg2rad: lambda x: np.full_like(x, np.pi / 180.0),
    np.radians: lambda x: np.full_like(x, np.pi / 180.0),
    np.rad2deg: lambda x: np.full_like(x, 180.0 / np.pi),
    np.degrees: lambda x: np.full_like(x, 180.0 / np.pi),
    expit: lambda x: expit(x) * expit(-x),
    logit: lambda x: 1.0 / np.where((x > 0.0) & (x < 1.0), x * (1.0 - x), np.nan),
}

_registered: dict[Any, Vjp] = {}


def function_vjp(func: Callable[..., Any]) -> Callable[[Vjp], Vjp]:
    """Register the derivative of a function that ``FunctionTransformer`` applies.

    Parameters
    ----------
    func : callable
        The transformer's ``func``.

    Returns
    -------
    decorator
        Of ``vjp(X, cotangents, **kw_args)``, which maps cotangents of shape (m, rows, d_out) to
        (m, rows, d_in), NaN where there is no derivative. X and ``kw_args`` are what ``func`` gets.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skinfluence.transformers import function_vjp, step_vjp
    >>> def softplus(X, beta=1.0):
    ...     return np.log1p(np.exp(beta * X)) / beta
    >>> @function_vjp(softplus)
    ... def softplus_vjp(X, cotangents, beta=1.0):
    ...     return cotangents / (1.0 + np.exp(-beta * X))
    >>> step = FunctionTransformer(softplus, kw_args={"beta": 2.0})
    >>> step_vjp(step, np.zeros((1, 1)), np.ones((1, 1, 1)))
    array([[[0.5]]])
    """

    def register(vjp: Vjp) -> Vjp:
        _registered[func] = vjp
        return vjp

    return register


@step_vjp.register(FunctionTransformer)
def _function(step: Any, X: Any, cotangents: Array) -> Array:
    func, options = _unwrap(step.func, dict(step.kw_args or {}))
    if func is None:
        return cotangents
    vjp = _lookup(_registered, func)
    if vjp is not None:
        return vjp(X, cotangents, **options)
    slopes = _lookup(SLOPES, func)
    if slopes is None or options:
        raise _unknown(func, options)
    return cotangents * _finite(slopes, dense(X))


def _unwrap(func: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    while isinstance(func, partial) and not func.args:
        func, options = func.func, {**func.keywords, **options}
    return func, options


def _lookup(table: dict[Any, Any], func: Any) -> Any:
    try:
        return table.get(func)
    except TypeError:  # a callable object that has no hash
        return None


def _finite(slopes: Callable[[Array], Any], x: Array) -> Array:
    """NaN for infinite slopes; a missing entry, which stays missing, has 0."""
    with np.errstate(all="ignore"):
        values = np.asarray(slopes(x))
    return np.where(np.isnan(x), 0.0, np.where(np.isfinite(values), values, np.nan))


def _unknown(func: Any, options: dict[str, Any]) -> TypeError:
    name = getattr(func, "__name__", repr(func))
    words = f", kw_args={options!r}" if options else ""
    known = sorted({function.__name__ for function in (*SLOPES, *_registered)})
    return TypeError(
        f"perturbation_gradient got a pipeline with FunctionTransformer(func={name}{words}), whose "
        f"derivative it does not know. It knows {', '.join(known)}, without kw_args where they "
        f"aren't registered. Register that of {name} with "
        "skinfluence.transformers.function_vjp, or ask with space='model' for the gradient with "
        "respect to the model's own inputs, which needs no derivative of any step."
    )
