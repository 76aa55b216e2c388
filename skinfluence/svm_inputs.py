"""Checks of what users hand over to ``SmoothHingeSVC``."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_array

from .curvature import Array

# Kernels by name: those that have a gamma, and all.
WITH_GAMMA = ("rbf", "poly", "sigmoid")
KERNELS = ("linear", *WITH_GAMMA, "precomputed")


def check_parameters(model: Any) -> None:
    """Refuse parameters that make no sense.

    Raises
    ------
    ValueError
    """
    number = "a finite number"
    kernels = f"one of {list(KERNELS)}, or a function of two sets of rows"
    named_gamma = isinstance(model.gamma, str) and model.gamma in ("scale", "auto")
    needed = {
        "C": (_is_number(model.C) and model.C > 0, f"{number} above 0"),
        "kernel": (callable(model.kernel) or model.kernel in KERNELS, kernels),
        "degree": (_is_number(model.degree, Integral, 0), "a whole number of at least 0"),
        "gamma": (
            named_gamma or _is_number(model.gamma, Real, 0),
            f"'scale', 'auto' or {number} of at least 0",
        ),
        "coef0": (_is_number(model.coef0), number),
        "temperature": (
            _is_number(model.temperature) and model.temperature > 0,
            f"{number} above 0",
        ),
        "tol": (_is_number(model.tol) and model.tol > 0, f"{number} above 0"),
        "max_iter": (_is_number(model.max_iter, Integral, 1), "a whole number of at least 1"),
    }
    for name, (fine, what) in needed.items():
        if not fine:
            got = f"{name}={getattr(model, name)!r}"
            raise ValueError(f"SmoothHingeSVC got {got}; needed is {what}.")


def _is_number(value: Any, kind: type = Real, least: float = -np.inf) -> bool:
    """Of this kind, finite, and at least so much."""
    is_one = isinstance(value, kind) and not isinstance(value, bool)
    return is_one and bool(np.isfinite(value)) and value >= least


def checked_weights(sample_weight: Any, n_rows: int) -> Array:
    """(n,) float64, at least 0; 1 where there are none.

    Raises
    ------
    ValueError
    """
    weights = check_array(
        np.ones(n_rows) if sample_weight is None else sample_weight,
        ensure_2d=False,
        ensure_non_negative=True,
        dtype=np.float64,
        input_name="sample_weight",
    )
    if weights.shape not in ((), (n_rows,)):
        raise ValueError(
            f"SmoothHingeSVC got sample_weight of shape {weights.shape}; needed is one number for "
            f"each of the {n_rows} training rows."
        )
    if not weights.any():
        raise ValueError(
            "SmoothHingeSVC got sample_weight that is 0 for every row. Sample weights must contain "
            "at least one non-zero number."
        )
    return np.full(n_rows, weights)


def require_all_classes(classes: Array, codes: Array, weights: Array) -> None:
    """An output with one sign alone has no optimum: its intercept would go to infinity.

    Parameters
    ----------
    classes : ndarray of shape (C,)
    codes, weights : ndarray of shape (n,)
        Class and weight of each row.

    Raises
    ------
    ValueError
    """
    if len(classes) < 2:
        raise ValueError(
            f"SmoothHingeSVC got rows of one class alone, {classes.tolist()}; needed are at least "
            "2 classes in y."
        )
    lacking = classes[~(np.bincount(codes, weights=weights) > 0)].tolist()
    if lacking:
        raise ValueError(
            f"SmoothHingeSVC got no weight above 0 for rows of the classes {lacking[:5]}, by "
            "sample_weight and class_weight; every class needs some. Leave these rows out."
        )


def require_square(X: Any) -> None:
    """Refuse a precomputed kernel that is not one of all training rows.

    Raises
    ------
    ValueError
    """
    if X.shape[0] != X.shape[1]:
        raise ValueError(
            f"SmoothHingeSVC got kernel='precomputed' and X of shape {X.shape}; needed is the "
            "square matrix of the kernel between all training rows."
        )
