"""dask collections as far as they are used here: chunks of whole rows, tasks, sums in trees.

dask is imported when there is a collection of it. Where there is a cluster, its client is dask's
scheduler, and all of this runs there; otherwise in dask's threads.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[Any]
# How many results are combined at a time.
FAN_IN = 8
# Bytes that each task may have for itself.
SMALL = 100_000
# Numbers per row travel with the graph, which is no accident that a warning would have to find.
NO_WARNING = {"distributed.admin.large-graph-warning-threshold": "1TiB"}


def is_dask(collection: Any) -> bool:
    """Whether it is a dask array, DataFrame or Series."""
    graph = getattr(collection, "__dask_graph__", None)
    return callable(graph) and hasattr(collection, "compute")


def in_memory(data: Any) -> Any:
    """A dask collection computed, and everything else as it is."""
    return computed([data])[0] if is_dask(data) else data


def computed(values: Sequence[Any]) -> list[Any]:
    """Results of delayed values or collections, by the cluster where there is one."""
    from dask import config
    from dask.base import compute

    # Of a package that is not loaded yet, its own defaults would be lost with the setting.
    with config.set(NO_WARNING if "distributed" in sys.modules else {}):
        return list(compute(*values))


class Sent:
    """What goes to workers as it is: dask looks into containers, and not in here."""

    def __init__(self, value: Any) -> None:
        self.value = value


def for_all(value: Any) -> Any:
    """What many tasks need: in each of them where it is small, else one node of the graph.

    A node is computed by one worker and fetched by the others, which takes longer than to have it,
    and is one thing more that is lost with a worker.
    """
    from cloudpickle import dumps  # which dask needs
    from dask.delayed import delayed

    return Sent(value) if len(dumps(value)) < SMALL else delayed(Sent(value))


def calls(
    function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], name: str
) -> list[Any]:
    """Delayed calls of one function, which dask knows as one group by their common name."""
    from dask.delayed import delayed

    call, group = delayed(function), f"{name}-{uuid4().hex}"
    return [call(*each, dask_key_name=(group, i)) for i, each in enumerate(arguments)]


def tree(combine: Callable[[list[Any]], Any], values: list[Any], name: str) -> Any:
    """Combine delayed values where they are, a few at a time, in their order."""
    while len(values) > 1:
        groups = [values[i : i + FAN_IN] for i in range(0, len(values), FAN_IN)]
        values = calls(combine, [(group,) for group in groups], name)
    return values[0]


def add_up(parts: list[Array]) -> Array:
    """Their sum."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def chunks_of_rows(X: Any) -> list[Any]:
    """Delayed chunks of whole rows.

    Raises
    ------
    ValueError
        For what has no rows and columns.
    """
    if getattr(X, "ndim", None) != 2:
        raise ValueError(
            f"InfluenceExplainer got X as a dask {type(X).__name__} of {getattr(X, 'ndim', 'no')} "
            "dimensions; needed is a dask array of shape (n, n_features), or a dask DataFrame."
        )
    if hasattr(X, "rechunk"):
        X = X.rechunk({1: -1}) if len(X.chunks[1]) > 1 else X
        return list(X.to_delayed().ravel())
    return list(X.to_delayed())


def chunks_in_memory(X: Any) -> Iterator[Any]:
    """Chunks of whole rows, one at a time; those without rows are left out."""
    for chunk in chunks_of_rows(X):
        rows = computed([chunk])[0]
        if rows.shape[0]:
            yield rows


def rows_in_memory(X: Any, rows: Array) -> tuple[Any, Array]:
    """Data that hold some rows, and where they are: of a dask collection these rows alone."""
    if not is_dask(X):
        return X, rows
    chunks = chunks_of_rows(X)
    bounds = np.concatenate([[0], np.cumsum(computed(calls(len, [(c,) for c in chunks], "len")))])
    unique, places = np.unique(rows, return_inverse=True)
    owners = np.searchsorted(bounds, unique, side="right") - 1
    asked = [
        (chunks[owner], Sent(unique[owners == owner] - bounds[owner]))
        for owner in np.unique(owners)
    ]
    return stacked(computed(calls(some_of_chunk, asked, "rows"))), places


def some_of_chunk(chunk: Any, chosen: Sent) -> Any:
    """Some rows of an array, CSR matrix or DataFrame."""
    return chunk.iloc[chosen.value] if hasattr(chunk, "iloc") else chunk[chosen.value]


def stacked(parts: list[Any]) -> Any:
    """One below the other, in their own container."""
    if hasattr(parts[0], "iloc"):
        import pandas as pd

        return pd.concat(parts)
    if sparse.issparse(parts[0]):
        return sparse.vstack(parts, format="csr")
    return np.concatenate(parts)
