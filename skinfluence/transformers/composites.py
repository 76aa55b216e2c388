"""Steps made of steps: pipelines, unions, and transformers of some columns."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline

from ..curvature import Array
from .chain import through, through_all
from .dispatch import step_vjp
from .rows import transformed, width


@step_vjp.register(FrozenEstimator)
def _frozen(step: Any, X: Any, cotangents: Array) -> Array:
    return through(step.estimator, X, cotangents)


@step_vjp.register(Pipeline)
def _pipeline(step: Any, X: Any, cotangents: Array) -> Array:
    steps = [inner for _, inner in step.steps if not _is(inner, "passthrough", None)]
    return through_all(steps, X, cotangents)


@step_vjp.register(FeatureUnion)
def _union(step: Any, X: Any, cotangents: Array) -> Array:
    result = np.zeros((*cotangents.shape[:2], width(X)), dtype=cotangents.dtype)
    weights = step.transformer_weights or {}
    start = 0
    for name, inner in step.transformer_list:
        if _is(inner, "drop"):
            continue
        kept = _is(inner, "passthrough")
        stop = start + width(X if kept else transformed(inner, X))
        part = cotangents[:, :, start:stop] * weights.get(name, 1.0)
        result += part if kept else through(inner, X, part)
        start = stop
    return result


@step_vjp.register(ColumnTransformer)
def _column_transformer(step: Any, X: Any, cotangents: Array) -> Array:
    if isinstance(X, (list, tuple)):
        X = np.asarray(X, dtype=object)
    result = np.zeros((*cotangents.shape[:2], width(X)), dtype=cotangents.dtype)
    weights = step.transformer_weights or {}
    for name, inner, positions in _parts(step, X):
        outputs = _outputs(step, name)
        if _is(inner, "drop") or outputs.start == outputs.stop:
            continue
        part = cotangents[:, :, outputs] * weights.get(name, 1.0)
        if not _is(inner, "passthrough"):
            part = through(inner, _columns(X, positions), part)
        # A column may be there twice, so not all at once.
        for slot, position in enumerate(np.atleast_1d(positions)):
            result[:, :, position] += part[:, :, slot]
    return result


def _outputs(step: Any, name: str) -> slice:
    # Not there if no transformer got any columns.
    return getattr(step, "output_indices_", {}).get(name, slice(0, 0))


def _is(step: Any, *words: str | None) -> bool:
    return (step is None or isinstance(step, str)) and step in words


def _parts(step: Any, X: Any) -> Iterator[tuple[str, Any, Any]]:
    """(name, transformer, positions in X) of each; one position, no list, for a single column."""
    names = list(getattr(step, "feature_names_in_", []))
    given = list(X.columns) if hasattr(X, "columns") else names
    left = set(range(step.n_features_in_))
    for number, (name, inner, columns) in enumerate(step.transformers_):
        if number == len(step.transformers):  # the remainder
            positions = np.array(sorted(left), dtype=np.intp)
        else:
            positions = _positions(columns, names, step.n_features_in_)
            left -= set(np.atleast_1d(positions).tolist())
        if names and given != names:  # a DataFrame's columns count by name
            order = np.array([given.index(column) if column in given else -1 for column in names])
            positions = order[positions]
        yield name, inner, positions


def _positions(columns: Any, names: list[str], n_columns: int) -> Any:
    """What ``ColumnTransformer`` takes for columns, as positions from 0."""
    everything = np.arange(n_columns)
    if isinstance(columns, str):
        return names.index(columns)
    if isinstance(columns, slice):
        return everything[_by_position(columns, names)]
    if isinstance(columns, Integral):
        return everything[columns]
    chosen = np.asarray(list(columns))
    if chosen.dtype.kind in "OUT":
        chosen = np.array([names.index(column) for column in chosen.tolist()], dtype=np.intp)
    return everything[chosen] if chosen.size else everything[:0]


def _by_position(columns: slice, names: list[str]) -> slice:
    """A slice of names, which has both ends, as one of positions."""
    start, stop = columns.start, columns.stop
    if isinstance(start, str):
        start = names.index(start)
    if isinstance(stop, str):
        stop = names.index(stop) + 1
    return slice(start, stop, columns.step)


def _columns(X: Any, positions: Any) -> Any:
    if hasattr(X, "iloc"):
        return X.iloc[:, positions]
    if sparse.issparse(X):
        return X.tocsr()[:, np.atleast_1d(positions)]
    return np.asarray(X)[:, positions]
