"""Checks of what users hand over: each error says what was got, what is needed, what to do."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from .chunked_rows import ChunkedRows
from .curvature import Array
from .dask_graphs import in_memory, is_dask
from .made_rows import MadeRows

WHO = "InfluenceExplainer"


def choose(name: str, got: Any, allowed: tuple[Any, ...]) -> Any:
    """One of a few settings.

    Raises
    ------
    ValueError
    """
    if got not in allowed:
        raise ValueError(f"{WHO} got {name}={got!r}; needed is one of {list(allowed)}.")
    return got


def model_rows(transformers: list[Any], model: Any, X: Any) -> Any:
    """Rows as the final model sees them: float32 or float64, dense or CSR.

    Checked as scikit-learn does in ``predict``: NaN, number of features, column names. What dask
    has is computed.
    """
    X = in_memory(X)
    for transformer in transformers:
        X = transformer.transform(X)
    return validate_data(model, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])


def training_rows(transformers: list[Any], model: Any, X: Any) -> Any:
    """The same of training rows, which stay where they are: in dask's chunks, or in a file.

    What steps make of a memory map is made block by block, whenever it is asked for; but for kernel
    machines, networks and models of several, which need all rows at once.
    """
    if is_dask(X):
        return ChunkedRows.of(X, partial(model_rows, transformers, model))
    linear = hasattr(model, "coef_") and not hasattr(model, "dual_coef_")
    if transformers and linear and _is_memory_map(X):
        return MadeRows.by(partial(model_rows, transformers, model), X)
    return model_rows(transformers, model, X)


def _is_memory_map(X: Any) -> bool:
    while isinstance(X, np.ndarray) and not isinstance(X, np.memmap):
        X = X.base
    return isinstance(X, np.memmap)


def require_fitted(estimator: Any, X: Any, *, fitted: bool) -> None:
    """Refuse to fit an estimator to what dask has.

    Raises
    ------
    ValueError
    """
    if is_dask(X) and not fitted:
        raise ValueError(
            f"{WHO} got X as a dask collection ({type(X).__name__}) for an estimator that it would "
            f"have to fit first, {type(estimator).__name__}; scikit-learn fits to rows in memory. "
            "Needed is an estimator that has been fitted to the same rows: fit it by partial_fit "
            "over chunks, by dask-ml, or to X.compute() where that fits into memory, and pass "
            "prefit=True."
        )


def require_in_memory(X: Any, who: str, what: str) -> None:
    """Refuse training rows that dask has.

    Raises
    ------
    TypeError
    """
    if is_dask(X):
        raise TypeError(
            f"{who} got an explainer of a dask collection ({type(X).__name__}); needed are rows "
            f"in memory, for {what}. Fit an explainer to X.compute(), or to a sample of the "
            "rows."
        )


def check_sample_weight(sample_weight: Any, n_rows: int | None = None) -> Array | None:
    """(n,) non-negative float64, or None; without ``n_rows`` the length is not checked.

    Raises
    ------
    ValueError
        For another length, NaN, negative weights, or nothing but zeros.
    """
    if sample_weight is None:
        return None
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.ndim == 0:
        weights = np.full(n_rows or 1, float(weights))
    if n_rows is not None and weights.shape != (n_rows,):
        raise ValueError(
            f"{WHO} got sample_weight of shape {weights.shape}; needed is one weight for each of "
            f"the {n_rows} training rows."
        )
    if (weights < 0).any():
        raise ValueError(
            f"{WHO} got {int((weights < 0).sum())} negative sample weights; a weighted sum of "
            "losses needs weights of at least 0. Leave such rows out or set their weight to 0."
        )
    if not weights.any():
        raise ValueError(
            f"{WHO} got sample_weight that is 0 for every row. Sample weights must contain at "
            "least one non-zero number."
        )
    return np.asarray(weights)


def check_targets(y: Any, n_rows: int, name: str) -> Array:
    """Targets of the right length as an array; None is refused.

    Raises
    ------
    ValueError
    """
    if y is None:
        raise ValueError(
            f"{WHO} got {name}=None; requires y to be passed, but the target y is None."
        )
    if sparse.issparse(y):
        raise TypeError(
            f"{WHO} got {name} as a sparse matrix; needed is an array. Pass {name}.toarray()."
        )
    targets = np.asarray(y)
    if targets.shape[:1] != (n_rows,):
        raise ValueError(
            f"{WHO} got {name} of shape {targets.shape} for {n_rows} rows; needed is one target "
            "a row."
        )
    return targets


def check_indices(indices: Any, n_rows: int, name: str = "indices") -> Array | None:
    """Positions of training rows; None stands for all.

    Parameters
    ----------
    indices : None, int, array-like of int, or boolean mask of length n
    n_rows : int
    name : str
        What the user calls them.

    Raises
    ------
    IndexError
        For positions outside of the training rows.
    TypeError
        For anything that isn't a position.
    """
    if indices is None:
        return None
    chosen = np.atleast_1d(np.asarray(indices))
    if chosen.dtype == bool:
        if chosen.shape != (n_rows,):
            raise IndexError(
                f"{WHO} got a boolean mask of shape {chosen.shape} as {name}; needed is one "
                f"value for each of the {n_rows} training rows."
            )
        return np.flatnonzero(chosen)
    if chosen.ndim != 1 or (chosen.dtype.kind not in "iu" and chosen.size):
        raise TypeError(
            f"{WHO} got {name} of type {chosen.dtype} and shape {chosen.shape}; needed are the "
            f"positions (0 to {n_rows - 1}) of training rows, or a boolean mask. For labels of a "
            "DataFrame's index use df.index.get_indexer(labels)."
        )
    outside = chosen[(chosen < 0) | (chosen >= n_rows)]
    if outside.size:
        raise IndexError(
            f"{WHO} got {name} outside of the training rows: {outside[:5].tolist()}; positions "
            f"run from 0 to {n_rows - 1}."
        )
    return chosen.astype(np.intp)


def check_k(k: Any, n_rows: int) -> int:
    """How many rows of either sort an explanation keeps.

    Raises
    ------
    ValueError
        For anything but a whole number of at least 1 with two lists that don't overlap.
    """
    if not isinstance(k, (int, np.integer)) or not 1 <= k <= n_rows // 2:
        raise ValueError(
            f"{WHO}.explain got k={k!r} with {n_rows} training rows; needed is a whole number "
            f"from 1 to {n_rows // 2}, so that the two lists don't overlap."
        )
    return int(k)
