"""The data sets that come with the package."""

from __future__ import annotations

import importlib
import io
from importlib import resources
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from skinfluence.datasets import _descriptions
from skinfluence.datasets._pixels import pixel_names, scaled


@overload
def load_spambase(*, return_X_y: Literal[False] = False, as_frame: bool = False) -> Bunch: ...


@overload
def load_spambase(*, return_X_y: Literal[True], as_frame: bool = False) -> tuple[Any, Any]: ...


def load_spambase(*, return_X_y: bool = False, as_frame: bool = False) -> Bunch | tuple[Any, Any]:
    """Load the Spambase data set (binary classification, dense, 4,601 rows).

    The data come with the package: neither a folder nor a network is needed.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return a pandas DataFrame and Series instead of arrays. Needs pandas.

    Returns
    -------
    :class:`~sklearn.utils.Bunch` or tuple
        The Bunch has the attributes

        data : ndarray of shape (4601, 57), float64, or DataFrame
            Word and character frequencies in percent and lengths of runs of capitals.
        target : ndarray of shape (4601,), int64, or Series
            1 spam (1,813 rows), 0 not spam (2,788 rows).
        frame : DataFrame of shape (4601, 58) or None
            Data and target, with ``as_frame=True`` only.
        feature_names : ndarray of shape (57,), str
            The column names.
        target_names : ndarray of shape (2,), str
            The names of the classes 0 and 1.
        DESCR : str
            A description of the data set.

    Raises
    ------
    ImportError
        If ``as_frame=True`` and pandas is not installed.

    Notes
    -----
    The rows are in the original order, sorted by class: shuffle before splitting.

    Source: M. Hopkins, E. Reeber, G. Forman, J. Suermondt, Hewlett-Packard Labs, UCI Machine
    Learning Repository (1999), https://doi.org/10.24432/C53G6X. Licence: CC BY 4.0.

    Examples
    --------
    >>> from skinfluence.datasets import load_spambase
    >>> spambase = load_spambase()
    >>> spambase.data.shape
    (4601, 57)
    >>> spambase.target_names.tolist()
    ['nonspam', 'spam']
    >>> X, y = load_spambase(return_X_y=True)
    >>> int(y.sum())
    1813
    """
    stored = _read("spambase.npz")
    # A division is correctly rounded, so that these are the numbers the decimals denote.
    data: Any = np.hstack(
        [stored["words"] / 100.0, stored["characters"] / 1000.0, stored["capitals"] / 1000.0]
    )
    target: Any = stored["target"].astype(np.int64)
    frame = None
    if as_frame:
        data, target, frame = _to_frame(data, target, stored["feature_names"])
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=stored["feature_names"],
        target_names=np.array(["nonspam", "spam"]),
        DESCR=_descriptions.SPAMBASE,
    )


@overload
def load_mnist17(*, return_X_y: Literal[False] = False) -> Bunch: ...


@overload
def load_mnist17(
    *, return_X_y: Literal[True]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]: ...


def load_mnist17(
    *, return_X_y: bool = False
) -> Bunch | tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Load 1,500 training and 400 test images of MNIST's digits 1 and 7.

    The data come with the package: neither a folder nor a network is needed. `fetch_mnist`
    fetches all of MNIST.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)``, the training rows, instead of a Bunch. As everywhere in
        scikit-learn this is a pair: the test rows are in the Bunch only.

    Returns
    -------
    :class:`~sklearn.utils.Bunch` or tuple
        The Bunch has the attributes

        data : ndarray of shape (1500, 784), float64
            The grey levels of the training images, 0 (paper) to 1 (ink), row by row.
        target : ndarray of shape (1500,), int64
            The digits, 1 or 7, 750 of each.
        images : ndarray of shape (1500, 28, 28), float64
            A view of `data` as images.
        test_data : ndarray of shape (400, 784), float64
            The grey levels of the test images.
        test_target : ndarray of shape (400,), int64
            The digits of the test images, 200 of each.
        feature_names : ndarray of shape (784,), str
            ``pixel_row_column``, counted from 0.
        target_names : ndarray of shape (2,), str
            The names of the classes, in the order of a fitted classifier's ``classes_``.
        DESCR : str
            A description of the data set.

    Notes
    -----
    The images are the first 750 ones and sevens of MNIST's training images and the first 200 of
    its test images, in MNIST's order, which mixes the digits.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.
    Licence: CC BY-SA 3.0.

    Examples
    --------
    >>> from skinfluence.datasets import load_mnist17
    >>> digits = load_mnist17()
    >>> digits.data.shape, digits.test_data.shape, digits.images.shape
    ((1500, 784), (400, 784), (1500, 28, 28))
    >>> digits.target[:5].tolist()
    [1, 1, 1, 1, 7]
    >>> X, y = load_mnist17(return_X_y=True)
    >>> int((y == 7).sum())
    750
    """
    stored = _read("mnist17.npz")
    data = scaled(stored["x_train"], np.float64)
    target = stored["y_train"].astype(np.int64)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        images=data.reshape(-1, 28, 28),
        test_data=scaled(stored["x_test"], np.float64),
        test_target=stored["y_test"].astype(np.int64),
        feature_names=pixel_names(28, 28),
        target_names=np.array(["1", "7"]),
        DESCR=_descriptions.MNIST17,
    )


def _read(file: str) -> dict[str, npt.NDArray[Any]]:
    stored = (resources.files("skinfluence.datasets") / "data" / file).read_bytes()
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        return dict(arrays)


def _to_frame(
    data: npt.NDArray[np.float64], target: npt.NDArray[np.int64], names: npt.NDArray[np.str_]
) -> tuple[Any, Any, Any]:
    """Return the data as a DataFrame, the target as a Series, and both in one DataFrame."""
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        raise ImportError(
            "load_spambase(as_frame=True) needs pandas, which cannot be imported. Install it "
            "(pip install pandas), or leave as_frame=False to get arrays."
        ) from error
    columns = pandas.DataFrame(data, columns=names.tolist())
    labels = pandas.Series(target, name="target")
    return columns, labels, pandas.concat([columns, labels], axis=1)
