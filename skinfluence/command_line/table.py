"""From a CSV file to rows, columns of either sort, and a target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .models import CLASSIFIERS, MODELS, REGRESSORS

# More different words than that in a column, and more than this share of its rows: names or texts.
MOST_CATEGORIES, MOST_SHARE = 50, 0.5
# Whole numbers with at most so many values are classes.
MOST_CLASSES = 20


class UserError(Exception):
    """What the user can mend, in words."""


@dataclass(frozen=True)
class Table:
    """Training rows of a file.

    Parameters
    ----------
    X : DataFrame
        The columns in use, with the file's line numbers as its index, or the column of names.
    y : Series
    numbers, categories : list of str
    notes : list of str
        What was left out, and why.
    """

    X: Any
    y: Any
    numbers: list[str]
    categories: list[str]
    notes: list[str]


def read_table(path: Path, target: str, names: str | None, left_out: list[str]) -> Table:
    """The rows with a target.

    Raises
    ------
    UserError
    """
    frame = _read(path)
    for column in [target, *([names] if names else []), *left_out]:
        if column not in frame.columns:
            raise UserError(
                f"{path} has no column {column!r}; its columns are: {', '.join(frame.columns)}."
            )
    notes = []
    # The line of the file that a row is in, where no cell has line breaks.
    frame.index = frame[names].astype(str) if names else frame.index + 2
    frame.index.name = names or "line"
    missing = frame[target].isna()
    if missing.any():
        notes.append(f"left out {int(missing.sum())} rows without {target!r}")
        frame = frame[~missing]
    if len(frame) < 2 or frame[target].nunique() < 2:
        raise UserError(
            f"{path} has {len(frame)} rows with {frame[target].nunique()} different values of "
            f"{target!r}; needed are at least 2 of either."
        )
    X = frame.drop(columns=[target, *([names] if names else []), *left_out])
    numbers, categories = _sorted(X, notes)
    if not numbers + categories:
        raise UserError(f"{path} has no columns left to predict {target!r} from.")
    return Table(X[numbers + categories], frame[target], numbers, categories, notes)


def chosen_model(model: str, table: Table) -> str:
    """Its name; "auto" by the target.

    Raises
    ------
    UserError
    """
    number = table.y.dtype.kind in "iuf"
    few = table.y.nunique() <= MOST_CLASSES and (table.y.dtype.kind != "f" or _whole(table.y))
    if model == "auto":
        return "ridge" if number and not few else "logistic"
    if model in REGRESSORS and not number:
        raise UserError(
            f"--model {model} predicts numbers, but {table.y.name!r} has values such as "
            f"{table.y.iloc[0]!r}; use one of: {', '.join(CLASSIFIERS)}."
        )
    if model in CLASSIFIERS and not few:
        raise UserError(
            f"--model {model} predicts classes, but {table.y.name!r} has {table.y.nunique()} "
            f"different values; use one of: {', '.join(REGRESSORS)}."
        )
    return model


def _read(path: Path) -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise UserError(
            "The command line needs pandas; install it with 'pip install skinfluence[pandas]'."
        ) from error
    try:
        frame = pd.read_csv(path)
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as a CSV file: {error}.") from error
    frame.columns = [str(column) for column in frame.columns]
    return frame


def _sorted(X: Any, notes: list[str]) -> tuple[list[str], list[str]]:
    """Columns of numbers and of categories; what is neither is told of."""
    numbers, categories = [], []
    for name in X.columns:
        column, different = X[name], X[name].nunique()
        if different < 2 and not (different == 1 and column.isna().any()):
            notes.append(f"left out {name!r}: it is the same everywhere")
        elif column.dtype.kind in "iufc":
            numbers.append(name)
        elif different > MOST_CATEGORIES and different > MOST_SHARE * len(X):
            notes.append(f"left out {name!r}: {different} different texts in {len(X)} rows")
        else:
            categories.append(name)
    return numbers, categories


def _whole(y: Any) -> bool:
    return bool((y == y.round()).all())


__all__ = ["MODELS", "Table", "UserError", "chosen_model", "read_table"]
