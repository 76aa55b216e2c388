"""How displays come about: from an explainer, or from an estimator by way of one."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ..curvature import Array
from ..dask_graphs import in_memory, is_dask
from ..explainer import InfluenceExplainer
from ..retraining import take_rows

D = TypeVar("D")


class FromEstimator:
    """The door for estimators of displays that are made from an explainer."""

    @classmethod
    def from_estimator(
        cls: type[D], estimator: Any, X: Any, y: Any, *asked: Any, **options: Any
    ) -> D:
        """Display of an estimator and its training rows.

        Parameters
        ----------
        estimator : estimator
            A fitted one is taken as it is, a clone of any other is fitted.
        X, y : array-like
            Training rows, of a fitted estimator those that it was fitted to.
        *asked, **options
            As in ``from_explainer``; among the options also ``sample_weight`` (n,), the weights of
            the training rows.

        Returns
        -------
        display

        Raises
        ------
        TypeError
            For an explainer.
        """
        if isinstance(estimator, InfluenceExplainer):
            raise TypeError(
                f"{cls.__name__}.from_estimator got an InfluenceExplainer; needed is the estimator "
                "that it explains. Use from_explainer."
            )
        weights = options.pop("sample_weight", None)
        explainer = InfluenceExplainer(estimator, prefit=_is_fitted(estimator))
        explainer.fit(X, y, sample_weight=weights)
        maker: Any = cls
        made: D = maker.from_explainer(explainer, *asked, **options)
        return made


def _is_fitted(estimator: Any) -> bool:
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def require_explainer(who: str, explainer: Any) -> None:
    """Refuse what is no fitted explainer.

    Raises
    ------
    TypeError, sklearn.exceptions.NotFittedError
    """
    if not isinstance(explainer, InfluenceExplainer):
        raise TypeError(
            f"{who} got {type(explainer).__name__}; needed is a fitted InfluenceExplainer. For "
            "an estimator and its training rows use from_estimator."
        )
    check_is_fitted(explainer)


def require_count(who: str, name: str, value: Any, least: int = 1) -> int:
    """A whole number of things to show.

    Raises
    ------
    ValueError
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(
            f"{who} got {name}={value!r}; needed is a whole number of at least {least}."
        )
    return int(value)


def one_test_row(who: str, X_test: Any, y_test: Any, test_row: Any) -> tuple[Any, Any]:
    """A test row and its target, each as an array of one.

    Raises
    ------
    IndexError
        For a position outside of the test rows.
    """
    n_tests = X_test.shape[0] if hasattr(X_test, "shape") else len(X_test)
    whole = isinstance(test_row, (int, np.integer)) and not isinstance(test_row, bool)
    if not whole or not 0 <= test_row < n_tests:
        raise IndexError(
            f"{who} got test_row={test_row!r} with {n_tests} test rows; needed is a position from "
            f"0 to {n_tests - 1}."
        )
    chosen = slice(int(test_row), int(test_row) + 1)
    y = None if y_test is None else np.asarray(in_memory(y_test))[chosen]
    return take_rows(in_memory(X_test), chosen), y


def row_titles(explainer: InfluenceExplainer, rows: Array) -> list[str]:
    """What pictures call training rows: their labels in a DataFrame's index, else positions."""
    X = explainer._training_X
    named = hasattr(X, "iloc") and not is_dask(X)
    names = [X.index[row] if named else row for row in rows]
    return [name if isinstance(name, str) else f"row {name}" for name in names]


def labelled_titles(explainer: InfluenceExplainer, rows: Array) -> list[str]:
    """The same, with the label of rows that have one."""
    titles = row_titles(explainer, rows)
    targets = np.asarray(explainer._training_y)
    if targets.ndim > 1 or not explainer.objective_.coding.has_labels:
        return titles
    return [f"{title} (y = {targets[row]})" for title, row in zip(titles, rows, strict=True)]
