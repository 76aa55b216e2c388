"""Images as rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def scaled(pixels: npt.NDArray[np.uint8], dtype: npt.DTypeLike) -> Any:
    """Return the levels 0 ... 255 of each image as a row of numbers 0 ... 1."""
    return np.true_divide(pixels.reshape(len(pixels), -1), 255, dtype=dtype)


def pixel_names(height: int, width: int, colours: tuple[str, ...] = ()) -> npt.NDArray[np.str_]:
    """Return the column names of `scaled` images."""
    places = [f"pixel_{row}_{column}" for row in range(height) for column in range(width)]
    if colours:
        places = [f"{place}_{colour}" for place in places for colour in colours]
    return np.array(places)
