"""Random signs that belong to rows: the same however the rows are cut into blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..curvature import Array

ROWS = 1024


def signs(shape: tuple[int, ...], seed: tuple[int, ...]) -> Array:
    """±1, float64."""
    drawn = np.random.default_rng(seed).integers(0, 2, size=shape, dtype=np.int8)
    return 2.0 * drawn - 1.0


class RowSigns:
    """Signs (n, *shape), drawn in runs of rows when these are asked for.

    Parameters
    ----------
    n_rows : int
    shape : tuple of int
        Of one row's.
    seed : tuple of int
    """

    def __init__(self, n_rows: int, shape: tuple[int, ...], seed: tuple[int, ...]) -> None:
        self.n_rows, self.shape, self.seed = n_rows, shape, seed

    def __getitem__(self, rows: Any) -> Array:
        """Of some rows: a slice or positions."""
        positions = np.arange(self.n_rows)[rows]
        if not len(positions):
            return np.empty((0, *self.shape))
        runs, places = np.unique(positions // ROWS, return_inverse=True)
        drawn = np.concatenate(
            [signs((ROWS, *self.shape), (*self.seed, 1, int(run))) for run in runs]
        )
        return drawn[places.reshape(-1) * ROWS + positions % ROWS]
