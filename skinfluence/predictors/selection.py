"""Columns of X that a model uses, and the whole rows they are from, which are fetched if asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..curvature import Array
from .storage import some_rows


@dataclass(frozen=True)
class Selection:
    """Some columns of some rows.

    Parameters
    ----------
    columns : ndarray of int
    source : {ndarray, CSR matrix} or Selection
        Where the rows are from.
    rows : slice or ndarray, optional
        Which of them; all by default.
    """

    columns: Array
    source: Any
    rows: Any = None

    def take(self, rows: Any) -> Selection:
        """The same of some of the rows."""
        return Selection(self.columns, self, rows)

    @property
    def n_features(self) -> int:
        """Columns of whole rows."""
        source = self.source
        return int(source.n_features if isinstance(source, Selection) else source.shape[1])

    @property
    def whole(self) -> Any:
        """The rows with all their columns."""
        source = self.source.whole if isinstance(self.source, Selection) else self.source
        return source if self.rows is None else some_rows(source, self.rows)
