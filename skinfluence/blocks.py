"""Row blocks that bound working memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .resources import resources

# A block's working arrays stay near this size: large enough for matrix products to run at full
# speed, small enough that the element-wise passes between them find the block in cache.
BLOCK_BYTES = 1 << 24


def row_blocks(n_rows: int, bytes_per_row: int, *, limit: int = BLOCK_BYTES) -> Iterator[slice]:
    """Slices that cover ``range(n_rows)``, each with about ``limit`` bytes of working memory.

    Or less, where ``max_memory`` asks for it.
    """
    size = rows_per_block(bytes_per_row, limit=limit)
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def rows_per_block(bytes_per_row: int, *, limit: int = BLOCK_BYTES) -> int:
    """How many rows of that many bytes fit; at least one."""
    return max(1, bounded(limit) // max(1, bytes_per_row))


def bounded(limit: int) -> int:
    """So many bytes, or what ``max_memory`` leaves for a block."""
    return min(limit, resources().block_bytes)


def as_slice(rows: Any) -> Any:
    """A run of rows as a slice, which copies nothing."""
    if len(rows) and 0 <= rows[0] == rows[-1] - len(rows) + 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
