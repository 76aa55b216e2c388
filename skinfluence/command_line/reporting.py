"""``report``: a page on a file's rows and a model of them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

from ..explainer import InfluenceExplainer
from ..report_page import report_page
from .models import preprocessing
from .table import Table, UserError

# One row in so many is a test row, up to so many.
ONE_IN, MOST_TESTS = 5, 1000
SEED = 0


def report_html(data: Path, table: Table, explainer: InfluenceExplainer, by: str, k: int) -> str:
    """The page, with some rows as test rows of the same model fitted to the others.

    Parameters
    ----------
    data : Path
    table : Table
    explainer : InfluenceExplainer
        To be fitted.
    by : str
    k : int

    Raises
    ------
    UserError, ValueError
    """
    if k < 1:
        raise UserError(f"got -k {k}; needed is a whole number of lines from 1.")
    tests = chosen_tests(table.y, of_classes=is_classifier(explainer))
    if not tests.any():
        raise UserError(
            f"{data} has {len(table.y)} rows, too few to take test rows from them; needed are at "
            f"least {ONE_IN} of some class, or with a number."
        )
    with warnings.catch_warnings(record=True) as caught:  # the page tells them
        warnings.simplefilter("always")
        whole = explainer.fit(table.X, table.y)
        rest = clone(explainer).fit(table.X[~tests], table.y[~tests])
    about = {
        "File": data.name,
        "Target": str(table.y.name),
        "Preprocessing": preprocessing(table.numbers, table.categories),
        "Test rows": f"{int(tests.sum()):,} drawn at random, for questions that need some; the "
        f"same model is then fitted to the other {int((~tests).sum()):,}",
    }
    notes = list(dict.fromkeys([*table.notes, *(str(each.message) for each in caught)]))
    return report_page(
        rest,
        table.X[tests],
        table.y[tests],
        whole=whole,
        title=f"{data.name}: {table.y.name}",
        about=about,
        notes=notes,
        by=by,
        k=k,
    )


def chosen_tests(y: Any, *, of_classes: bool) -> Any:
    """A mask of one row in five of each class, or of all, drawn at random but repeatably."""
    drawn = np.random.default_rng(SEED).random(len(y))
    groups = np.unique(y, return_inverse=True)[1] if of_classes else np.zeros(len(y), dtype=int)
    order = np.lexsort((drawn, groups))
    place = np.empty(len(y), dtype=int)
    place[order] = np.arange(len(y)) - np.searchsorted(groups[order], groups[order])
    tests = np.flatnonzero(place % ONE_IN == ONE_IN - 1)
    if len(tests) > MOST_TESTS:
        tests = tests[np.argsort(drawn[tests])[:MOST_TESTS]]
    return np.isin(np.arange(len(y)), tests)


def check_out(out: Path, data: Path) -> None:
    """Refuse before any work what can't be written to.

    Raises
    ------
    UserError
    """
    if out.is_dir():
        raise UserError(f"--out {out} is a directory; needed is the name of a file.")
    if not out.absolute().parent.is_dir():
        raise UserError(f"--out {out}: there is no directory {out.absolute().parent}; make it.")
    if out.exists() and data.exists() and out.samefile(data):
        raise UserError(f"--out {out} is the data themselves; name another file.")
    where = out if out.exists() else out.absolute().parent
    if not os.access(where, os.W_OK):
        raise UserError(f"--out {out} may not be written; choose another place.")
