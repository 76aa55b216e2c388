"""Fetch the text data sets, as sparse word counts."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn import datasets as sklearn_datasets
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils import Bunch, check_random_state

from skinfluence.datasets import _descriptions
from skinfluence.datasets._sources import Arrays, Layout, Source, obtain


def fetch_enron1() -> Bunch:
    """Fetch word counts of 5,172 e-mails, spam or not.

    Looks for the file ``enron1_bow.npz`` in the folder that the environment variable
    ``SKINFLUENCE_DATA`` names. There is no download: OpenML's ``enron`` is another data set.
    `load_spambase` is a smaller, dense spam data set that comes with the package.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : CSR matrix of shape (4137, 3362), float64
            The word counts of the training e-mails.
        target : ndarray of shape (4137,), int64
            1 spam (1,203 rows), 0 not (2,934 rows).
        test_data : CSR matrix of shape (1035, 3362), float64
            The word counts of the test e-mails.
        test_target : ndarray of shape (1035,), int64
            The classes of the test e-mails, 297 of them 1.
        feature_names : ndarray of shape (3362,), str
            The word that a column counts.
        target_names : ndarray of shape (2,), str
            The names of the classes 0 and 1.
        source : str
            Where the data were found.
        DESCR : str
            A description of the data set.

    Raises
    ------
    OSError
        If the folder does not have the file, or the file is not what it should be.

    Warns
    -----
    UserWarning
        If the file has the right layout but other values than the reference copy.

    Notes
    -----
    The file holds a CSR matrix as ``data``, uint8, ``indices`` and ``indptr``, int32, and
    ``shape``, int64; ``vocabulary``, strings; ``y``, uint8; and ``n_train``, int64: the first
    ``n_train`` rows are for training.

    Source: V. Metsis, I. Androutsopoulos, G. Paliouras, CEAS 2006. Terms: freely distributed
    for research, without an explicit licence. The e-mails are real people's.

    Examples
    --------
    >>> from skinfluence.datasets import fetch_enron1
    >>> enron = fetch_enron1()  # doctest: +SKIP
    >>> enron.data.shape, enron.test_data.shape  # doctest: +SKIP
    ((4137, 3362), (1035, 3362))
    """
    arrays, origin = obtain(_ENRON1)
    return Bunch(
        **_parts(arrays),
        target_names=np.array(["ham", "spam"]),
        source=origin,
        DESCR=_descriptions.ENRON1,
    )


def fetch_newsgroups20(*, download_if_missing: bool = True) -> Bunch:
    """Fetch word counts of 18,846 posts to 20 newsgroups.

    Looks for the file ``newsgroups20_bow.npz`` in the folder that the environment variable
    ``SKINFLUENCE_DATA`` names, then uses `sklearn.datasets.fetch_20newsgroups`, which downloads
    the posts once and keeps them, and counts their words in the same way.

    Parameters
    ----------
    download_if_missing : bool, default=True
        Whether to use `sklearn.datasets.fetch_20newsgroups` where the folder does not have the
        file.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : CSR matrix of shape (11314, n_features), float64
            The word counts of the training posts. The file has 23,307 columns.
        target : ndarray of shape (11314,), int64
            The newsgroup, 0 to 19.
        test_data : CSR matrix of shape (7532, n_features), float64
            The word counts of the test posts.
        test_target : ndarray of shape (7532,), int64
            The newsgroups of the test posts.
        message_id, test_message_id : ndarray of shape (11314,) and (7532,), int64
            The names of the posts' original files.
        feature_names : ndarray of shape (n_features,), str
            The word that a column counts.
        target_names : ndarray of shape (20,), str
            The names of the newsgroups.
        source : str
            Where the data were found.
        DESCR : str
            A description of the data set.

    Raises
    ------
    OSError
        If the data are found nowhere, or the file is not what it should be. The message says
        what was tried.

    Warns
    -----
    UserWarning
        If what was found has the right layout but other values than the reference copy.

    Notes
    -----
    The file holds what that of `fetch_enron1` does, and ``message_id``, int32, and
    ``target_names``, strings.

    Source: K. Lang, NewsWeeder, ICML 1995; J. Rennie's version by date. Licence, as given by
    the UCI Machine Learning Repository: CC BY 4.0.

    Examples
    --------
    >>> from skinfluence.datasets import fetch_newsgroups20
    >>> news = fetch_newsgroups20()  # doctest: +SKIP
    >>> news.data.shape, news.test_data.shape  # doctest: +SKIP
    ((11314, 23307), (7532, 23307))
    """
    arrays, origin = obtain(_NEWSGROUPS20, download_if_missing=download_if_missing)
    return Bunch(
        **_parts(arrays),
        message_id=arrays["message_id"][:11314].astype(np.int64),
        test_message_id=arrays["message_id"][11314:].astype(np.int64),
        target_names=arrays["target_names"],
        source=origin,
        DESCR=_descriptions.NEWSGROUPS20,
    )


def _matrix(arrays: Arrays) -> sp.csr_matrix:
    parts = (arrays["data"].astype(np.float64), arrays["indices"], arrays["indptr"])
    return sp.csr_matrix(parts, shape=tuple(arrays["shape"].tolist()))


def _parts(arrays: Arrays) -> dict[str, Any]:
    matrix, labels = _matrix(arrays), arrays["y"].astype(np.int64)
    n_train = int(arrays["n_train"])
    return {
        "data": matrix[:n_train],
        "target": labels[:n_train],
        "test_data": matrix[n_train:],
        "test_target": labels[n_train:],
        "feature_names": arrays["vocabulary"],
    }


def _check(n_train: int, arrays: Arrays) -> None:
    matrix = _matrix(arrays)
    matrix.check_format(full_check=True)
    if matrix.shape != (len(arrays["y"]), len(arrays["vocabulary"])):
        raise ValueError(f"its matrix of shape {matrix.shape} does not fit its other arrays")
    if int(arrays["n_train"]) != n_train:
        raise ValueError(f"its 'n_train' is {int(arrays['n_train'])}, not {n_train}")


def _layout(n_rows: int, n_words: int | None) -> Layout:
    return {
        "data": ("uint8", (None,)),
        "indices": ("int32", (None,)),
        "indptr": ("int32", (n_rows + 1,)),
        "shape": ("int64", (2,)),
        "vocabulary": ("U", (n_words,)),
        "y": ("uint8", (n_rows,)),
        "n_train": ("int64", ()),
    }


def _download_newsgroups20() -> Arrays:
    remove = ("headers", "footers", "quotes")
    posts = [
        sklearn_datasets.fetch_20newsgroups(subset=subset, remove=remove, shuffle=False)
        for subset in ("train", "test")
    ]
    # One generator for both parts: this gives the rows of the file in the file's order.
    rng = check_random_state(0)
    orders = [_shuffled(part, rng) for part in posts]
    texts = [[part.data[i] for i in order] for part, order in zip(posts, orders, strict=True)]
    counter = CountVectorizer(token_pattern=r"\b[a-z]{2,}\b", stop_words="english", min_df=3)
    counts = sp.vstack([counter.fit_transform(texts[0]), counter.transform(texts[1])]).tocsr()
    counts.sort_indices()
    return {
        "data": np.minimum(counts.data, 255).astype(np.uint8),
        "indices": counts.indices.astype(np.int32),
        "indptr": counts.indptr.astype(np.int32),
        "shape": np.array(counts.shape, dtype=np.int64),
        "vocabulary": counter.get_feature_names_out().astype(np.str_),
        "y": _in_order([part.target for part in posts], orders).astype(np.uint8),
        "n_train": np.array(len(texts[0]), dtype=np.int64),
        "message_id": _in_order([_file_names(part) for part in posts], orders).astype(np.int32),
        "target_names": np.array(posts[0].target_names),
    }


def _file_names(posts: Bunch) -> list[str]:
    return [os.path.basename(path) for path in posts.filenames]


def _shuffled(posts: Bunch, rng: np.random.RandomState) -> list[int]:
    keys = list(zip(np.asarray(posts.target).tolist(), _file_names(posts), strict=True))
    by_name = sorted(range(len(keys)), key=keys.__getitem__)
    rng.shuffle(by_name)
    return by_name


def _in_order(parts: list[Any], orders: list[list[int]]) -> npt.NDArray[Any]:
    pairs = zip(parts, orders, strict=True)
    return np.concatenate([np.asarray(part)[order] for part, order in pairs])


_ENRON1 = Source(
    fetcher="fetch_enron1",
    file="enron1_bow.npz",
    layout=_layout(5172, 3362),
    label_counts={"y": (3672, 1500)},
    digest="dc5e63b1384b138b10c0836f36af6a6ac6ce2704d5c8d5830cd734c3d414332c",
    online="OpenML has no equivalent; skinfluence.datasets.load_spambase needs no download",
    check=partial(_check, 4137),
)

_NEWSGROUPS20 = Source(
    fetcher="fetch_newsgroups20",
    file="newsgroups20_bow.npz",
    # Another version of scikit-learn may have other stop words, and so other columns.
    layout={
        **_layout(18846, None),
        "message_id": ("int32", (18846,)),
        "target_names": ("U", (20,)),
    },
    label_counts={
        "y": (
            799,
            973,
            985,
            982,
            963,
            988,
            975,
            990,
            996,
            994,
            999,
            991,
            984,
            990,
            987,
            997,
            910,
            940,
            775,
            628,
        )
    },
    digest="1fd3255455e66c1f280fb4304d73a37da2fee8496db153296288c76b1b073c74",
    online="fetch_20newsgroups",
    download=_download_newsgroups20,
    check=partial(_check, 11314),
)
