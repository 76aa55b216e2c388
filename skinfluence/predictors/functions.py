"""Functions of rows that are no training rows, as a kernel machine's directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..curvature import Array
from .base import LinearMap


@dataclass(frozen=True)
class Functions:
    """Directions that other rows than the training rows have a part in.

    Parameters
    ----------
    coordinates : ndarray of shape (p, m)
        Of the training rows and the constant.
    others : LinearMap
        The other rows.
    coefficients : ndarray of shape (n_others, K, m)
    """

    coordinates: Array
    others: LinearMap
    coefficients: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """(p, m)."""
        return self.coordinates.shape

    def __getitem__(self, key: tuple[slice, Any]) -> Functions:
        """Some of the directions, ``directions[:, columns]``."""
        columns = key[1]
        return Functions(
            self.coordinates[:, columns], self.others, self.coefficients[:, :, columns]
        )
