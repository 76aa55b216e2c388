"""What a report is about."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from ..curvature import Array
from .markup import label, not_made


@dataclass
class Subject:
    """Explainers, test rows, and the warnings that were met.

    Parameters
    ----------
    whole : InfluenceExplainer
        Of all rows: suspects, diagnostics.
    tested : InfluenceExplainer
        Of the rows beside the test rows; often the same.
    X_test, y_test : array-like
    by : str
        Criterion of suspects.
    k : int
        Lines of tables.
    """

    whole: Any
    tested: Any
    X_test: Any
    y_test: Any
    by: str
    k: int
    warnings: list[str] = field(default_factory=list)

    @property
    def is_classifier(self) -> bool:
        return bool(is_classifier(self.whole.estimator_))

    @property
    def n_tests(self) -> int:
        return int(self.X_test.shape[0] if hasattr(self.X_test, "shape") else len(self.X_test))

    def attempt(self, make: Callable[[Subject], str]) -> str:
        """A piece of the page, or why it can't be made; warnings are kept."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                piece = make(self)
            except (ValueError, TypeError, ImportError, AttributeError, MemoryError) as error:
                piece = not_made(str(error) or type(error).__name__)
        self.keep_warnings(str(each.message) for each in caught if _for_users(each.category))
        return piece

    def keep_warnings(self, messages: Iterable[str]) -> None:
        """Each once."""
        self.warnings = list(dict.fromkeys([*self.warnings, *messages]))


def _for_users(category: type[Warning]) -> bool:
    """Deprecations are for programmers."""
    return not issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning))


def row_heading(explainer: Any) -> str:
    """What the index of the training rows is called."""
    return str(getattr(getattr(explainer._training_X, "index", None), "name", None) or "row")


def row_names(explainer: Any, positions: Iterable[Any]) -> list[str]:
    """Training rows by their label in a DataFrame's index, else their position."""
    return names_of(explainer._training_X, positions)


def row_titles(explainer: Any, positions: Iterable[Any]) -> list[str]:
    """The same for sentences and pictures: what is no name says what it is."""
    heading = row_heading(explainer)
    return [
        name if _is_name(explainer._training_X, position) else f"{heading} {name}"
        for name, position in zip(row_names(explainer, positions), positions, strict=True)
    ]


def labelled(explainer: Any, positions: Iterable[Any]) -> list[str]:
    """Titles with the labels of classes."""
    titles = row_titles(explainer, positions)
    if not is_classifier(explainer.estimator_):
        return titles
    labels = training_labels(explainer, positions)
    return [f"{title} ({given})" for title, given in zip(titles, labels, strict=True)]


def retitled(explainer: Any, titles: Iterable[str]) -> list[str]:
    """What displays call rows, with the index's own word for them."""
    heading = row_heading(explainer)
    return [re.sub(r"^row (?=-?\d)", f"{heading} ", title) for title in titles]


def _is_name(X: Any, position: Any) -> bool:
    return hasattr(X, "iloc") and isinstance(X.index[position], str)


def names_of(X: Any, positions: Iterable[Any]) -> list[str]:
    """The same of any rows."""
    if hasattr(X, "iloc"):
        return [str(X.index[position]) for position in positions]
    return [str(position) for position in positions]


def training_labels(explainer: Any, positions: Iterable[Any]) -> list[str]:
    """Labels or targets of training rows, as text."""
    y = np.asarray(explainer._training_y)
    return [label(y[position]) for position in positions]


def largest_first(values: Array, k: int) -> Array:
    """Positions of the k largest; NaN are none of them."""
    order = np.argsort(-np.where(np.isnan(values), -np.inf, values), kind="stable")
    return order[~np.isnan(values[order])][:k]
