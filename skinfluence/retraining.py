"""Leave-one-out retraining: the user's own estimator, really fitted again without a row.

What predictions of this package are measured against, so it shares no formula with them: of a
refitted model nothing but scikit-learn's ``decision_function`` or ``predict`` is read.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import get_tags
from sklearn.utils.parallel import Parallel, delayed

from .adapters import fit_parameters as fit_parameters
from .adapters import same_hyperparameters as same_hyperparameters
from .adapters import with_decision_values as with_decision_values
from .curvature import Array
from .exceptions import warn_user
from .progress import Advance, progress


@dataclass(frozen=True)
class Caught:
    """A warning of one refit, as it can travel between processes."""

    category: type[Warning]
    message: str
    place: tuple[str, int]


@dataclass(frozen=True)
class LeaveOneOut:
    """A fit that can be repeated without any one row.

    Parameters
    ----------
    estimator : estimator
        With the hyper-parameters to fit with; a copy is fitted each time.
    X, y
        Training rows in the user's own containers.
    sample_weight : ndarray of shape (n,), optional
    X_test
        Where the refitted models are evaluated.
    method : {"decision_function", "predict"}
    """

    estimator: Any
    X: Any
    y: Any
    sample_weight: Array | None
    X_test: Any
    method: str

    @classmethod
    def of(cls, fitted: Any, seen: Any, X: Any, *data: Any) -> LeaveOneOut:
        """Of a fitted estimator, with the hyper-parameters that it ended up with.

        ``seen`` are the training rows as its final model sees them.
        """
        # Of the sparse formats CSR is the one to take rows from.
        rows = X.tocsr() if sparse.issparse(X) else X
        return cls(same_hyperparameters(fitted, seen), rows, *data)

    def decision_values(self, rows: Array, n_jobs: int | None) -> list[Array]:
        """Of the test rows, each (n_test, outputs): fitted on all rows, then without each row."""
        asked = [None, *rows.tolist()]
        with progress(len(asked), "refits of the estimator") as advance:
            done = TellingParallel(advance, n_jobs=n_jobs)(
                delayed(self._refit)(row) for row in asked
            )
        _warn_once((caught for _, caught in done), len(done))
        return [values for values, _ in done]

    def _refit(self, row: int | None) -> tuple[Array, list[Caught]]:
        every = np.arange(len(self.y))
        kept = every if row is None else np.delete(every, row)
        # Not a clone: a network that is to go on from where it is keeps that.
        model = deepcopy(self.estimator)
        options = {}
        if self.sample_weight is not None:
            options = fit_parameters(model, self.sample_weight[kept])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            X, X_test = take_rows(self.X, kept), self.X_test
            if get_tags(model).input_tags.pairwise:
                X, X_test = take_columns(X, kept), take_columns(X_test, kept)
            model.fit(X, take_rows(self.y, kept), **options)
            values = as_columns(getattr(model, self.method)(X_test))
        return values, [Caught(w.category, str(w.message), (w.filename, w.lineno)) for w in caught]


class TellingParallel(Parallel):
    """Jobs that are told of as they end."""

    def __init__(self, advance: Advance, n_jobs: int | None) -> None:
        super().__init__(n_jobs=n_jobs)
        self._advance, self._n_told = advance, 0

    def print_progress(self) -> None:
        """Called by joblib whenever jobs have ended, from a thread of its own."""
        n_ended = self.n_completed_tasks
        self._advance(n_ended - self._n_told)
        self._n_told = n_ended


def as_columns(decision_values: Any) -> Array:
    """(rows,) or (rows, outputs) → (rows, outputs), float64."""
    values = np.asarray(decision_values, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values


def take_rows(data: Any, rows: Array | slice) -> Any:
    """Some rows of a DataFrame, Series, sparse matrix, array or list, as the same kind."""
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    if hasattr(data, "shape"):
        return data[rows]
    return data[rows] if isinstance(rows, slice) else [data[row] for row in rows]


def take_columns(data: Any, columns: Array) -> Any:
    """Some columns of a precomputed kernel, a DataFrame or an array."""
    return data.iloc[:, columns] if hasattr(data, "iloc") else np.asarray(data)[:, columns]


def _warn_once(caught_by_refit: Iterable[list[Caught]], n_refits: int) -> None:
    """Repeat every warning once; the same place of the code counts as the same warning."""
    first: dict[Any, Caught] = {}
    counts: Counter[Any] = Counter()
    for caught in caught_by_refit:
        keyed = {(warning.category, warning.place): warning for warning in caught}
        counts.update(keyed.keys())
        first = keyed | first
    for key, warning in first.items():
        warn_user(
            f"{counts[key]} of {n_refits} refits gave this warning: {warning.message}",
            warning.category,
        )
