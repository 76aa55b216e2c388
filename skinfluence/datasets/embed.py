"""Write the embedded data files anew from the original files.

Run ``python -m skinfluence.datasets.embed FOLDER``, where FOLDER holds ``spambase.csv.gz`` and
``mnist.npz``. ``data/README.md`` describes the files.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

DATA = Path(__file__).parent / "data"
DIGITS = (1, 7)
ROWS_PER_DIGIT = {"train": 750, "test": 200}


def embed_spambase(original: Path, target: Path) -> None:
    """Store the decimals of Spambase's CSV file as whole numbers."""
    with gzip.open(original, "rt", encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    values = np.array([row[:-1] for row in rows], dtype=np.float64)
    np.savez_compressed(
        target,
        words=_whole(values[:, :48], 100, np.uint16),
        characters=_whole(values[:, 48:54], 1000, np.uint16),
        capitals=_whole(values[:, 54:], 1000, np.int32),
        target=np.array([row[-1] == "spam" for row in rows]).astype(np.uint8),
        feature_names=np.array(header[:-1]),
    )


def embed_mnist17(original: Path, target: Path) -> None:
    """Store the first ones and sevens of both parts of MNIST."""
    parts = {}
    with np.load(original, allow_pickle=False) as mnist:
        for part, n_rows in ROWS_PER_DIGIT.items():
            labels = mnist[f"y_{part}"]
            first = [np.flatnonzero(labels == digit)[:n_rows] for digit in DIGITS]
            rows = np.sort(np.concatenate(first))
            parts[f"x_{part}"], parts[f"y_{part}"] = mnist[f"x_{part}"][rows], labels[rows]
    np.savez_compressed(target, **parts)


def _whole(values: npt.NDArray[np.float64], scale: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    whole = np.rint(values * scale).astype(dtype)
    if not np.array_equal(whole / float(scale), values):
        raise ValueError(f"the values are not whole multiples of 1/{scale}")
    return whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m skinfluence.datasets.embed")
    parser.add_argument("folder", type=Path, help="holds spambase.csv.gz and mnist.npz")
    parser.add_argument("--output", type=Path, default=DATA, help="default: the package's folder")
    options = parser.parse_args(arguments)
    embed_spambase(options.folder / "spambase.csv.gz", options.output / "spambase.npz")
    embed_mnist17(options.folder / "mnist.npz", options.output / "mnist17.npz")


if __name__ == "__main__":
    main()
