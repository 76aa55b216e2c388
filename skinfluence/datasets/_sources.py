"""Where the fetched data sets come from: a folder of the user's or a download."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ENVIRONMENT_VARIABLE = "SKINFLUENCE_DATA"

Arrays = dict[str, npt.NDArray[Any]]
Layout = Mapping[str, tuple[str, tuple["int | None", ...]]]
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Source:
    """One data set: its file, how to recognise it, and its download.

    Parameters
    ----------
    fetcher : str
        Name of the public function, for messages.
    file : str
        Name of the ``.npz`` file in the folder.
    layout : mapping
        For each array of the file its dtype (``"U"``: strings of any length) and its shape
        (None: any length).
    label_counts : mapping
        For an array of class labels the number of rows of each class.
    digest : str
        What `digest` gives for the reference copy of the file.
    online : str
        The download, or why there is none.
    download : callable, optional
        Returns the arrays of `layout`. None where no equivalent is online.
    check : callable, optional
        Raises ValueError for arrays of the right layout that do not fit together.
    """

    fetcher: str
    file: str
    layout: Layout
    label_counts: Mapping[str, tuple[int, ...]]
    digest: str
    online: str
    download: Callable[[], Arrays] | None = None
    check: Callable[[Arrays], object] = field(default=lambda arrays: None)


def obtain(source: Source, *, download_if_missing: bool = True) -> tuple[Arrays, str]:
    """Return the arrays of a data set and, in words, where they are from.

    Raises
    ------
    OSError
        If neither the folder nor the download has the data. The message says what was tried.
    """
    path, looked = _locate(source.file)
    if path is not None:
        arrays, origin = _read_file(source, path), f"{source.file} ({ENVIRONMENT_VARIABLE})"
    else:
        arrays, origin = _download(source, looked, download_if_missing), source.online
    if digest(arrays) != source.digest:
        warnings.warn(
            f"{source.fetcher}: {origin} has the right layout, but its values differ from those "
            "of the reference copy, and so may results.",
            UserWarning,
            stacklevel=3,
        )
    return arrays, origin


def digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of the values of all arrays, taken by order of name."""
    total = hashlib.sha256()
    for _, array in sorted(arrays.items()):
        if array.dtype.kind == "U":
            total.update("\n".join(array.tolist()).encode())
        else:
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def pandas_is_installed() -> bool:
    """Return whether fetch_openml can use pandas, which is faster and reads more columns."""
    return importlib.util.find_spec("pandas") is not None


def _locate(file: str) -> tuple[Path | None, str]:
    """Return the path of the file in the user's folder, or None and why there is none."""
    folder = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if not folder:
        return None, f"the environment variable {ENVIRONMENT_VARIABLE} is not set"
    path = Path(folder).expanduser() / file
    if path.exists():
        return path, ""
    if path.parent.is_dir():
        return None, f"{ENVIRONMENT_VARIABLE} names the folder {folder!r}, which has no {file!r}"
    return None, f"{ENVIRONMENT_VARIABLE} names {folder!r}, which is not a folder"


def _read_file(source: Source, path: Path) -> Arrays:
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if not hasattr(loaded, "files"):
                raise ValueError("it is a single array, not an .npz archive")
            # Only what is asked for: an array of objects would have to be unpickled.
            arrays = {name: loaded[name] for name in source.layout if name in loaded.files}
        _validate(source, arrays)
    except _UNREADABLE as error:
        # A file that the user put there is not silently replaced by a download.
        raise _unavailable(
            source,
            f"{str(path)!r} cannot be used: {_describe(error)}",
            "not tried, because the folder has the file",
            f"replace or remove that {source.file!r}",
        ) from error
    return arrays


def _download(source: Source, looked: str, download_if_missing: bool) -> Arrays:
    advice = f"set {ENVIRONMENT_VARIABLE} to a folder that holds {source.file!r}"
    if source.download is None:
        raise _unavailable(source, looked, f"none: {source.online}", advice)
    if not download_if_missing:
        advice += ", or allow the download"
        raise _unavailable(source, looked, "not tried (download_if_missing=False)", advice)
    try:
        arrays = source.download()
        _validate(source, arrays)
    except Exception as error:
        tried = f"{source.online} failed: {_describe(error)}"
        advice += ", or connect to the internet and call again"
        raise _unavailable(source, looked, tried, advice) from error
    return arrays


def _unavailable(source: Source, folder: str, download: str, advice: str) -> OSError:
    return OSError(
        f"{source.fetcher} found no usable copy of its data.\n"
        f"  Folder: {folder}.\n"
        f"  Download: {download}.\n"
        f"  What to do: {advice}. The docstring of {source.fetcher} describes the file."
    )


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(". ")


def _validate(source: Source, arrays: Arrays) -> None:
    """Raise ValueError unless the arrays look like the data set."""
    for name, (dtype, shape) in source.layout.items():
        if name not in arrays:
            raise ValueError(f"it has no array {name!r}")
        array = arrays[name]
        fits = array.dtype.kind == "U" if dtype == "U" else array.dtype == np.dtype(dtype)
        fits = fits and array.ndim == len(shape)
        if not fits or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
            raise ValueError(
                f"its array {name!r} is {array.dtype} of shape {array.shape}, "
                f"not {dtype} of shape {shape} (None: any)"
            )
    for name, counts in source.label_counts.items():
        found = tuple(np.bincount(arrays[name], minlength=len(counts)).tolist())
        if found != counts:
            raise ValueError(f"the classes in {name!r} have {found} rows, not {counts}")
    source.check(arrays)
