"""Where results go: new arrays, or those that the user gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from .curvature import Array
from .inputs import WHO


def result_array(out: Any, shape: tuple[int, ...], dtype: Any, what: str) -> Array:
    """``out`` as it is, or a new array, where it is None.

    Parameters
    ----------
    out : ndarray or None
    shape : tuple of int
    dtype : dtype
    what : str
        The method that it is the result of.

    Raises
    ------
    TypeError, ValueError
    """
    if out is None:
        return np.empty(shape, dtype=dtype)
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f":
        got = f"dtype {out.dtype}" if isinstance(out, np.ndarray) else f"type {type(out).__name__}"
        raise TypeError(
            f"{WHO}.{what} got out of {got}; needed is an array or memmap of floats, such as "
            f"numpy.lib.format.open_memmap(path, 'w+', dtype='{np.dtype(dtype)}', shape={shape})."
        )
    if out.shape != shape:
        raise ValueError(
            f"{WHO}.{what} got out of shape {out.shape}; needed is {shape}, that of the result."
        )
    if not out.flags.writeable:
        raise ValueError(
            f"{WHO}.{what} got out that can't be written to; open a memmap with mode 'w+' or 'r+'."
        )
    return out
