"""Affine steps by their matrix, which is checked on the rows at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from ..curvature import Array
from .rows import dense, take, transformed, width

CHECKED = 16  # rows at most


def affine_vjp(step: Any, declared: Any, X: Any, cotangents: Array) -> Array:
    """Cotangents times the matrix that a step declares as its ``linear_map``.

    The tests vouch for scikit-learn's own steps; subclasses and others are looked at here.

    Raises
    ------
    ValueError
        If it has another shape, isn't what ``transform`` does, or has no transpose.
    """
    name = type(step).__name__
    matrix = declared if _is_matrix(declared) else np.asarray(declared)
    _check_shape(name, matrix, (cotangents.shape[2], width(X)))
    if not type(step).__module__.startswith("sklearn."):
        _check_differences(step, matrix, X)
    try:
        return product(cotangents, matrix)
    except (NotImplementedError, TypeError) as error:
        if not isinstance(matrix, LinearOperator):
            raise
        raise ValueError(
            f"perturbation_gradient got from {name} a linear_map without its transpose; needed is "
            "a LinearOperator with rmatvec or rmatmat, or an array."
        ) from error


def product(cotangents: Array, matrix: Any) -> Array:
    """``cotangents @ matrix``, dense, for any kind of matrix."""
    flat = cotangents.reshape(-1, cotangents.shape[-1])
    if isinstance(matrix, LinearOperator):
        result = matrix.rmatmat(flat.T).T
    else:
        result = flat @ matrix
    return np.asarray(result).reshape(*cotangents.shape[:-1], matrix.shape[1])


def _is_matrix(declared: Any) -> bool:
    return isinstance(declared, LinearOperator) or sparse.issparse(declared)


def _check_shape(name: str, matrix: Any, needed: tuple[int, int]) -> None:
    if matrix.shape != needed:
        raise ValueError(
            f"perturbation_gradient got from {name} a linear_map of shape {matrix.shape}; needed "
            f"is {needed}, (outputs, inputs) of {name}.transform. Transpose or correct it."
        )


def _check_differences(step: Any, matrix: Any, X: Any) -> None:
    """Rows differ, and move, as the matrix says."""
    if isinstance(X, (list, tuple)):
        X = dense(X)
    chosen = np.unique(np.linspace(0, X.shape[0] - 1, CHECKED).astype(int))
    given = take(X, chosen)
    moved = given * 1.125 if sparse.issparse(given) else given * 1.125 + 0.125
    rows, outputs = (
        np.concatenate(blocks)
        for blocks in (
            (dense(given), dense(moved)),
            (dense(transformed(step, given)), dense(transformed(step, moved))),
        )
    )
    present = np.isfinite(rows).all(axis=1)
    rows, outputs = rows[present], outputs[present]
    if len(rows) < 2:
        return
    wrong = np.abs(np.diff(outputs, axis=0) - (matrix @ np.diff(rows, axis=0).T).T)
    eps = max(np.finfo(block.dtype).eps for block in (rows, outputs))
    rounding = np.sqrt(eps) * (_size(matrix, rows) + np.abs(outputs).max(axis=0))
    if not (wrong <= rounding).all():
        raise _not_its_map(type(step).__name__, wrong.max())


def _size(matrix: Any, rows: Array) -> Any:
    """How large the terms of ``matrix @ row`` are."""
    if isinstance(matrix, LinearOperator):
        return np.abs(matrix @ rows.T).max(initial=0.0)
    return abs(matrix) @ np.abs(rows).max(axis=0)


def _not_its_map(name: str, wrong: float) -> ValueError:
    return ValueError(
        f"perturbation_gradient got from {name} a linear_map A that isn't the map of its "
        f"transform: for two rows, transform(x1) − transform(x2) differs from A @ (x1 − x2) by "
        f"{wrong:.3g}. Needed is transform(X) = X @ A.T + constant for all rows. Correct A; for a "
        "step that isn't affine, register its derivative with "
        "skinfluence.transformers.step_vjp.register."
    )
