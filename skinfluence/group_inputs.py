"""Checks of groups of rows and of new weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from .curvature import Array
from .inputs import WHO, check_indices
from .objective import Objective


def check_groups(groups: Any, objective: Objective) -> list[Array]:
    """Rows of each group, ascending.

    Parameters
    ----------
    groups : array-like of shape (n,), list of index arrays, or boolean array of shape (n, n_groups)
        Labels per row make a group of each label, in sorted order.
    objective : Objective

    Raises
    ------
    IndexError, TypeError, ValueError
        For groups that are empty, all rows or a whole class, and for what isn't groups.
    """
    n_rows = objective.n_rows
    sets = _listed(groups, n_rows) if _is_list_of_arrays(groups) else _columns(groups, n_rows)
    if not sets:
        raise ValueError(f"{WHO} got no groups; needed is at least one.")
    for number, rows in enumerate(sets):
        if not len(rows):
            raise ValueError(f"{WHO} got groups[{number}] without any row; leave empty groups out.")
        if len(rows) == n_rows:
            raise ValueError(
                f"{WHO} got groups[{number}] with all {n_rows} training rows; without them there "
                "is nothing to fit. A group needs rows that stay."
            )
    refuse_whole_classes(sets, "groups[{}]", objective)
    return sets


def check_new_weights(sample_weight: Any, objective: Objective) -> tuple[Array, bool]:
    """New sample weights (n, B), and whether they came as a single set (n,).

    Raises
    ------
    ValueError
        For another length, NaN, negative weights, or columns that leave nothing to fit.
    """
    n_rows = objective.n_rows
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim not in (1, 2) or len(weights) != n_rows or not weights.size:
        raise ValueError(
            f"{WHO}.reweight got sample_weight of shape {weights.shape}; needed is one weight for "
            f"each of the {n_rows} training rows, ({n_rows},) or ({n_rows}, n_sets)."
        )
    alone = weights.ndim == 1
    weights = weights.reshape(n_rows, -1)
    if not np.isfinite(weights).all():
        raise ValueError(
            f"{WHO}.reweight got sample_weight with {int((~np.isfinite(weights)).sum())} NaN or "
            "infinite weights; weights have to be finite. Use 0 to leave a row out."
        )
    if (weights < 0).any():
        raise ValueError(
            f"{WHO}.reweight got {int((weights < 0).sum())} negative sample weights; a weighted "
            "sum of losses needs weights of at least 0. Use 0 to leave a row out."
        )
    empty = np.flatnonzero(~weights.any(axis=0))
    if len(empty):
        raise ValueError(
            f"{WHO}.reweight got sample_weight that is 0 for every row (sets {empty[:5].tolist()}"
            "); there is nothing to fit. Each set needs rows of positive weight."
        )
    lost = _lost_class(weights, objective)
    if lost is not None:
        raise ValueError(
            f"{WHO}.reweight got sample_weight that leaves class {lost[1]!r} without any weight "
            f"in set {lost[0]}; the model without it is another one. Give a row of each class "
            "some weight."
        )
    return weights, alone


def refuse_whole_classes(sets: list[Array], name: str, objective: Objective) -> None:
    """Refuse to leave out all rows of a class.

    Parameters
    ----------
    sets : list of ndarray
        Rows to leave out.
    name : str
        What the user calls a set, with ``{}`` for its number.
    objective : Objective

    Raises
    ------
    ValueError
    """
    present = objective.class_members & (objective.weights.sample_weight > 0)[:, None]
    totals = present.sum(axis=0)
    for number, rows in enumerate(sets):
        gone = present[rows].sum(axis=0)
        lost = np.flatnonzero((gone == totals) & (totals > 0))
        if len(lost):
            label = objective.coding.label(int(lost[0]))
            raise ValueError(
                f"{WHO} got {name.format(number)} with every row of class {label!r}; the model "
                "without them is another one. Keep a row of each class."
            )


def _lost_class(weights: Array, objective: Objective) -> tuple[int, Any] | None:
    """First column (n, B) that leaves a class without weight, and the class."""
    before = objective.weights.sample_weight > 0
    for code, members in enumerate(objective.class_members.T):
        lost = np.flatnonzero(~weights[members].any(axis=0))
        if members[before].any() and len(lost):
            return int(lost[0]), objective.coding.label(code)
    return None


def _is_list_of_arrays(groups: Any) -> bool:
    return isinstance(groups, (list, tuple)) and any(np.ndim(each) > 0 for each in groups)


def _listed(groups: Any, n_rows: int) -> list[Array]:
    sets = []
    for number, each in enumerate(groups):
        rows = check_indices(each, n_rows, name=f"groups[{number}]")
        rows = np.empty(0, dtype=np.intp) if rows is None else rows
        unique = np.unique(rows)
        if len(unique) < len(rows):
            raise ValueError(
                f"{WHO} got groups[{number}] with {len(rows) - len(unique)} rows listed more than "
                "once; a row can be removed once only."
            )
        sets.append(unique)
    return sets


def _columns(groups: Any, n_rows: int) -> list[Array]:
    if sparse.issparse(groups) and groups.dtype == bool and groups.shape[0] == n_rows:
        by_column = sparse.csc_matrix(groups)
        by_column.eliminate_zeros()
        by_column.sort_indices()
        return np.split(by_column.indices.astype(np.intp), by_column.indptr[1:-1])
    dense = groups if sparse.issparse(groups) else np.asarray(groups)
    if dense.dtype == bool and dense.shape[:1] == (n_rows,) and dense.ndim == 2:
        return [np.flatnonzero(column) for column in dense.T]
    if sparse.issparse(dense) or dense.dtype == bool or dense.shape != (n_rows,):
        raise ValueError(
            f"{WHO} got groups of type {dense.dtype} and shape {dense.shape}; needed is a label "
            f"for each of the {n_rows} training rows, a list of index arrays, or a boolean array "
            f"of shape ({n_rows}, n_groups): mask[:, None] for one group."
        )
    missing = [label for label in dense.tolist() if _is_missing(label)]
    if missing:
        raise ValueError(
            f"{WHO} got groups with {len(missing)} missing labels; every row needs one. Pass a "
            "list of index arrays to leave rows out of all groups."
        )
    try:
        labels, codes = np.unique(dense, return_inverse=True)
    except TypeError as error:
        raise TypeError(
            f"{WHO} got groups with labels of several types, which have no order; needed are "
            "labels that sort. Convert them, for example with map(str, groups)."
        ) from error
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes, minlength=len(labels)))[:-1])


def _is_missing(label: Any) -> bool:
    # pandas' NA refuses to be compared.
    return label is None or type(label).__name__ == "NAType" or bool(label != label)
