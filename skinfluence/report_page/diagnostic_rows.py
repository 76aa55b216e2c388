"""The statisticians' measures of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..display import DiagnosticsDisplay
from .markup import not_made, number, signed, table
from .pictures import picture
from .subject import Subject, largest_first, retitled, row_heading, row_names, training_labels

# DFBETAS are rows times coefficients.
MOST_DFBETAS_BYTES = 200_000_000
PREFIX = "dfbetas_"
HEADINGS = {
    "leverage": ("leverage", number),
    "studentized_residual": ("studentized residual", signed),
    "cooks_distance": ("Cook's distance", number),
    "dffits": ("DFFITS", signed),
}


def measures(subject: Subject) -> str:
    """The rows with the largest Cook's distance."""
    whole = subject.whole
    found = _diagnostics(whole)
    names = list(found.columns if hasattr(found, "columns") else found.dtype.names)
    rows = largest_first(np.asarray(found["cooks_distance"]), subject.k)
    columns = {
        row_heading(whole): row_names(whole, rows),
        "given": training_labels(whole, rows),
    }
    for name, (heading, write) in HEADINGS.items():
        if name in names:
            columns[heading] = [write(each) for each in np.asarray(found[name])[rows]]
    coefficients = [name for name in names if name.startswith(PREFIX)]
    words = [row_heading(whole), *(["given"] if subject.is_classifier else [])]
    if coefficients:
        columns |= _largest_dfbetas(whole, found, coefficients, rows)
        words.append("of coefficient")
    return table(f"The {len(rows):,} rows with the largest Cook's distance", columns, words=words)


def residual_against_leverage(subject: Subject) -> str:
    """The picture."""
    try:
        made = DiagnosticsDisplay.from_explainer(subject.whole)
    except ValueError as error:
        return not_made(
            "the picture needs residuals with standard errors, which models of several classes "
            f"and some losses have not. The table below has what there is. ({error})"
        )
    made.names = retitled(subject.whole, made.names)
    named = ", ".join(made.names[:3])
    alt = (
        f"Scatter of the studentized residuals of {len(made.leverage):,} rows over their "
        f"leverages, from {number(np.nanmin(made.leverage))} to "
        f"{number(np.nanmax(made.leverage))}. Largest Cook's distances: {named}."
    )
    caption = (
        "Each point is a row; lines join equal Cook's distances. Rows at the right have unusual "
        "features, those at the top and bottom unusual targets; rows beyond the lines do both, and "
        "move the fit."
    )
    return picture(made, alt, caption)


def _diagnostics(whole: Any) -> Any:
    """With DFBETAS where the model has them and there is room."""
    objective = whole.objective_
    single = objective.linear_map.n_outputs == 1 and objective.loss.dispersion is not None
    small = 8 * objective.n_parameters * objective.n_rows <= MOST_DFBETAS_BYTES
    return whole.diagnostics(dfbetas=single and small and not objective.linear_map.implicit)


def _largest_dfbetas(
    whole: Any, found: Any, coefficients: list[str], rows: Any
) -> dict[str, list[str]]:
    values = np.stack([np.asarray(found[name])[rows] for name in coefficients], axis=1)
    best = np.argmax(np.nan_to_num(np.abs(values), nan=-1.0), axis=1)
    names = _coefficient_names(whole, [name[len(PREFIX) :] for name in coefficients])
    return {
        "largest DFBETAS": [signed(values[place, column]) for place, column in enumerate(best)],
        "of coefficient": [names[column] for column in best],
    }


def _coefficient_names(whole: Any, names: list[str]) -> list[str]:
    """With the names that the pipeline gives to columns, where all are in use."""
    try:
        columns = [str(name) for name in whole.model_feature_names_]
    except (AttributeError, ValueError, TypeError):
        return names
    intercept = names[-1:] if len(names) == len(columns) + 1 else []
    return [*columns, *intercept] if len(names) == len(columns) + len(intercept) else names
