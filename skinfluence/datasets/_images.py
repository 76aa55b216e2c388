"""Fetch the image data sets."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn import datasets as sklearn_datasets
from sklearn.utils import Bunch

from skinfluence.datasets import _descriptions
from skinfluence.datasets._pixels import pixel_names, scaled
from skinfluence.datasets._sources import Arrays, Source, obtain, pandas_is_installed


def fetch_mnist(*, dtype: npt.DTypeLike = np.float64, download_if_missing: bool = True) -> Bunch:
    """Fetch MNIST: 60,000 training and 10,000 test images of handwritten digits.

    Looks for the file ``mnist.npz`` in the folder that the environment variable
    ``SKINFLUENCE_DATA`` names, then for ``mnist_784`` on OpenML, which
    `sklearn.datasets.fetch_openml` downloads once and keeps.

    Parameters
    ----------
    dtype : dtype, default=numpy.float64
        Of the grey levels: float64 (the training images take 376 MB) or float32 (188 MB).
    download_if_missing : bool, default=True
        Whether to use OpenML where the folder does not have the file.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : ndarray of shape (60000, 784), `dtype`
            The grey levels of the training images, 0 (paper) to 1 (ink), in the original order.
        target : ndarray of shape (60000,), int64
            The digits, 0 to 9.
        test_data : ndarray of shape (10000, 784), `dtype`
            The grey levels of the test images.
        test_target : ndarray of shape (10000,), int64
            The digits of the test images.
        feature_names : ndarray of shape (784,), str
            ``pixel_row_column``, counted from 0.
        target_names : ndarray of shape (10,), str
            The names of the classes.
        source : str
            Where the data were found.
        DESCR : str
            A description of the data set.

    Raises
    ------
    ValueError
        If `dtype` is neither float64 nor float32.
    OSError
        If the data are found nowhere, or the file is not what it should be. The message says
        what was tried.

    Warns
    -----
    UserWarning
        If what was found has the right layout but other values than the original.

    Notes
    -----
    The file holds ``x_train`` of shape (60000, 28, 28), ``y_train`` (60000,), ``x_test``
    (10000, 28, 28) and ``y_test`` (10000,), all uint8.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.
    Licence, as commonly given: CC BY-SA 3.0.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.datasets import fetch_mnist
    >>> mnist = fetch_mnist(dtype=np.float32)  # doctest: +SKIP
    >>> mnist.data.shape, mnist.test_data.shape  # doctest: +SKIP
    ((60000, 784), (10000, 784))
    """
    dtype = _float_type("fetch_mnist", dtype)
    arrays, origin = obtain(_MNIST, download_if_missing=download_if_missing)
    return Bunch(
        data=scaled(arrays["x_train"], dtype),
        target=arrays["y_train"].astype(np.int64),
        test_data=scaled(arrays["x_test"], dtype),
        test_target=arrays["y_test"].astype(np.int64),
        feature_names=pixel_names(28, 28),
        target_names=np.array([str(digit) for digit in range(10)]),
        source=origin,
        DESCR=_descriptions.MNIST,
    )


def fetch_dogfish(
    *, kind: Literal["features", "pixels"] = "features", dtype: npt.DTypeLike = np.float64
) -> Bunch:
    """Fetch photographs of dogs and fish, as network features or as pixels.

    Looks for the file ``dogfish_features.npz`` or ``dogfish_pixels64.npz`` in the folder that
    the environment variable ``SKINFLUENCE_DATA`` names. There is no download.

    Parameters
    ----------
    kind : {"features", "pixels"}, default="features"
        What describes a photograph: 1,280 averaged features of a frozen network, all >= 0, or
        64 x 64 x 3 colour levels from 0 to 1. The rows are in the same order.
    dtype : dtype, default=numpy.float64
        Of the features or pixels: float64 or float32.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : ndarray of shape (1800, 1280) or (1800, 12288), `dtype`
            The training rows.
        target : ndarray of shape (1800,), int64
            1 fish (900 rows), 0 dog (900 rows).
        test_data : ndarray of shape (600, 1280) or (600, 12288), `dtype`
            The test rows.
        test_target : ndarray of shape (600,), int64
            The classes of the test rows, 300 of each.
        image_id, test_image_id : ndarray of shape (1800,) and (600,), str
            ImageNet's names of the photographs.
        feature_names : ndarray of shape (1280,) or (12288,), str
            ``feature_number`` or ``pixel_row_column_colour``, counted from 0.
        target_names : ndarray of shape (2,), str
            The names of the classes 0 and 1.
        source : str
            Where the data were found.
        DESCR : str
            A description of the data set.

    Raises
    ------
    ValueError
        If `kind` or `dtype` is none of the above.
    OSError
        If the folder does not have the file, or the file is not what it should be.

    Warns
    -----
    UserWarning
        If the file has the right layout but other values than the reference copy.

    Notes
    -----
    The files hold ``f_train`` of shape (1800, 1280) and ``f_test`` (600, 1280), float16, or
    ``x_train`` (1800, 64, 64, 3) and ``x_test`` (600, 64, 64, 3), uint8; and ``y_train``
    (1800,) and ``y_test`` (600,), uint8, ``id_train`` and ``id_test``, strings.

    Source: ImageNet (Deng et al. 2009; Russakovsky et al. 2015) by way of Imagenette. Terms:
    non-commercial research and education only. Publish neither the photographs nor figures
    that show them.

    Examples
    --------
    >>> from skinfluence.datasets import fetch_dogfish
    >>> dogfish = fetch_dogfish()  # doctest: +SKIP
    >>> dogfish.data.shape, dogfish.target_names.tolist()  # doctest: +SKIP
    ((1800, 1280), ['dog', 'fish'])
    """
    if kind not in _DOGFISH:
        raise ValueError(f"fetch_dogfish: kind must be 'features' or 'pixels', not {kind!r}.")
    dtype = _float_type("fetch_dogfish", dtype)
    arrays, origin = obtain(_DOGFISH[kind])
    if kind == "features":
        train, test = arrays["f_train"].astype(dtype), arrays["f_test"].astype(dtype)
        names = np.array([f"feature_{i}" for i in range(1280)])
    else:
        train, test = scaled(arrays["x_train"], dtype), scaled(arrays["x_test"], dtype)
        names = pixel_names(64, 64, ("red", "green", "blue"))
    return Bunch(
        data=train,
        target=arrays["y_train"].astype(np.int64),
        test_data=test,
        test_target=arrays["y_test"].astype(np.int64),
        image_id=arrays["id_train"],
        test_image_id=arrays["id_test"],
        feature_names=names,
        target_names=np.array(["dog", "fish"]),
        source=origin,
        DESCR=_descriptions.DOGFISH,
    )


def _float_type(fetcher: str, dtype: npt.DTypeLike) -> np.dtype[Any]:
    if np.dtype(dtype) not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise ValueError(f"{fetcher}: dtype must be float64 or float32, not {np.dtype(dtype)}.")
    return np.dtype(dtype)


def _download_mnist() -> Arrays:
    parser = "pandas" if pandas_is_installed() else "liac-arff"
    bunch = sklearn_datasets.fetch_openml("mnist_784", version=1, as_frame=False, parser=parser)
    pixels = np.asarray(bunch.data).astype(np.uint8).reshape(-1, 28, 28)
    digits = np.asarray(bunch.target).astype(np.uint8)
    return {
        "x_train": pixels[:60000],
        "y_train": digits[:60000],
        "x_test": pixels[60000:],
        "y_test": digits[60000:],
    }


_MNIST = Source(
    fetcher="fetch_mnist",
    file="mnist.npz",
    layout={
        "x_train": ("uint8", (60000, 28, 28)),
        "y_train": ("uint8", (60000,)),
        "x_test": ("uint8", (10000, 28, 28)),
        "y_test": ("uint8", (10000,)),
    },
    label_counts={
        "y_train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        "y_test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    },
    digest="c868f4cc70f1ec2961bd3b26437ea3a5d0e93cba4d95b336c6d475dd9dabb021",
    online="fetch_openml('mnist_784', version=1)",
    download=_download_mnist,
)


def _dogfish_source(file: str, digest: str, **rows: tuple[str, tuple[int, ...]]) -> Source:
    labels = {"y_train": ("uint8", (1800,)), "y_test": ("uint8", (600,))}
    identifiers = {"id_train": ("U", (1800,)), "id_test": ("U", (600,))}
    return Source(
        fetcher="fetch_dogfish",
        file=file,
        layout={**rows, **labels, **identifiers},
        label_counts={"y_train": (900, 900), "y_test": (300, 300)},
        digest=digest,
        online="OpenML has no equivalent",
    )


_DOGFISH = {
    "features": _dogfish_source(
        "dogfish_features.npz",
        "1372b3baef5cb4d981b26100a9f340cc17e29c70cccf8ccc613a85725a6e8794",
        f_train=("float16", (1800, 1280)),
        f_test=("float16", (600, 1280)),
    ),
    "pixels": _dogfish_source(
        "dogfish_pixels64.npz",
        "8de7382792c699a8f53310b6805dd45b0807552f05e35cc42ad15c8917efbd5a",
        x_train=("uint8", (1800, 64, 64, 3)),
        x_test=("uint8", (600, 64, 64, 3)),
    ),
}
