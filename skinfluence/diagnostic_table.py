"""The table that ``diagnostics`` returns, and its columns' names."""

from __future__ import annotations

from typing import Any

import numpy as np

from .curvature import Array
from .objective import Objective


def coefficient_names(model: Any, objective: Objective) -> list[str]:
    """Of the features in use, and of the intercept."""
    unnamed = [f"x{j}" for j in range(objective.predictor.n_features)]
    names = [str(name) for name in getattr(model, "feature_names_in_", unnamed)]
    used = getattr(objective.predictor, "columns", None)
    names = names if used is None else [names[j] for j in used]
    intercept = "intercept" + "_" * ("intercept" in names)  # a feature may have that name
    return [*names, intercept] if objective.predictor.constant else names


def as_table(columns: dict[str, Array], training_X: Any, effective_dof: float) -> Any:
    """A DataFrame where pandas is installed, else a structured array."""
    try:
        import pandas as pd
    except ImportError:
        table = np.empty(len(columns["leverage"]), dtype=[(name, float) for name in columns])
        for name, values in columns.items():
            table[name] = values
        return table
    index = training_X.index if isinstance(training_X, pd.DataFrame) else None
    frame = pd.DataFrame(columns, index=index)
    frame.attrs["effective_dof"] = effective_dof
    return frame
