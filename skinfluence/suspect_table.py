"""The table that ``rank_suspects`` returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from .curvature import Array


def order_of(scores: Array) -> Array:
    """Positions, the largest score first, ties by position; NaN last."""
    return np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")


def ranks(scores: Array) -> Array:
    """1 for the largest score."""
    result = np.empty(len(scores), dtype=np.intp)
    result[order_of(scores)] = np.arange(1, len(scores) + 1)
    return result


def suspect_table(columns: dict[str, Array], order: Array, training_X: Any) -> Any:
    """A DataFrame where pandas is installed, else a structured array, in that order.

    ``row`` and ``position`` come first.
    """
    chosen = {name: values[order] for name, values in columns.items()}
    try:
        import pandas as pd
    except ImportError:
        chosen = {"row": order, "position": order, **chosen}
        table = np.empty(len(order), dtype=[(name, each.dtype) for name, each in chosen.items()])
        for name, values in chosen.items():
            table[name] = values
        return table
    rows = training_X.index[order] if isinstance(training_X, pd.DataFrame) else order
    return pd.DataFrame({"row": np.asarray(rows), "position": order, **chosen})
