"""Columns multiplied with each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, combinations_with_replacement
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.preprocessing import PolynomialFeatures

from ..curvature import Array
from .affine import product
from .dispatch import step_vjp
from .rows import dense


@step_vjp.register(PolynomialFeatures)
def _polynomial(step: Any, X: Any, cotangents: Array) -> Array:
    """Product rule, one factor at a time; a monomial of lower degree has factors 1."""
    rows = dense(X)
    d = rows.shape[1]
    factors = np.array(list(_monomials(step, d)), dtype=np.intp)
    factors = factors.reshape(cotangents.shape[2], -1)
    rows = np.column_stack([rows, np.ones_like(rows[:, :1])])
    result = np.zeros((*cotangents.shape[:2], d + 1), dtype=cotangents.dtype)
    for slot in range(factors.shape[1]):
        others = np.ones((len(rows), len(factors)), dtype=rows.dtype)
        for other in range(factors.shape[1]):
            if other != slot:
                others *= rows[:, factors[:, other]]
        result += product(cotangents * others, _one_hot(factors[:, slot], d + 1))
    return result[:, :, :d]


def _monomials(step: Any, d: int) -> Iterator[tuple[int, ...]]:
    """Columns that each output multiplies, in order; column d is the constant 1."""
    single = isinstance(step.degree, Integral)
    low, high = map(int, (0, step.degree) if single else step.degree)
    choose = combinations if step.interaction_only else combinations_with_replacement
    degrees = chain([0] if step.include_bias else [], range(max(1, low), high + 1))
    for degree in degrees:
        for columns in choose(range(d), degree):
            yield (*columns, *[d] * (max(high, 1) - degree))


def _one_hot(columns: Array, n_columns: int) -> Any:
    shape = len(columns), n_columns
    return sparse.csr_matrix((np.ones(shape[0]), (np.arange(shape[0]), columns)), shape=shape)
