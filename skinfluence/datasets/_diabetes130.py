"""Fetch the hospital readmission data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import datasets as sklearn_datasets
from sklearn.utils import Bunch, check_random_state

from skinfluence.datasets import _descriptions
from skinfluence.datasets._sources import Arrays, Source, obtain, pandas_is_installed

COUNTS = [
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
]
CATEGORIES = [
    "gender",
    "race",
    "age",
    "discharge_disposition_id",
    "max_glu_serum",
    "A1Cresult",
    "metformin",
    "repaglinide",
    "nateglinide",
    "chlorpropamide",
    "glimepiride",
    "acetohexamide",
    "glipizide",
    "glyburide",
    "tolbutamide",
    "pioglitazone",
    "rosiglitazone",
    "acarbose",
    "miglitol",
    "troglitazone",
    "tolazamide",
    "examide",
    "citoglipton",
    "insulin",
    "glyburide-metformin",
    "glipizide-metformin",
    "glimepiride-pioglitazone",
    "metformin-rosiglitazone",
    "metformin-pioglitazone",
    "change",
    "diabetesMed",
]


def fetch_diabetes130(*, download_if_missing: bool = True) -> Bunch:
    """Fetch 101,766 hospital encounters, readmitted within 30 days or not.

    Looks for the file ``diabetes130_readmission.npz`` in the folder that the environment
    variable ``SKINFLUENCE_DATA`` names, then for ``Diabetes130US`` on OpenML, which
    `sklearn.datasets.fetch_openml` downloads once and keeps. From OpenML's table of categories
    the columns and the split are made anew by the steps of Koh & Liang (2017).

    Parameters
    ----------
    download_if_missing : bool, default=True
        Whether to use OpenML where the folder does not have the file.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : ndarray of shape (20000, 127), float64
            The training rows: 8 counts and 119 indicators of 31 categorical columns.
        target : ndarray of shape (20000,), int64
            1 readmitted within 30 days (10,000 rows), 0 not (10,000 rows).
        test_data : ndarray of shape (81766, 127), float64
            All other rows.
        test_target : ndarray of shape (81766,), int64
            The classes of the test rows, 1,357 of them 1.
        train_index, test_index : ndarray of shape (20000,) and (81766,), int64
            The rows' places in the original table.
        feature_names : ndarray of shape (127,), str
            The column names; ``column_level`` for an indicator.
        target_names : ndarray of shape (2,), str
            The names of the classes 0 and 1.
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
    Beware: the indicators are collinear and two columns are constant. Without regularisation
    the Hessian is singular.

    The file holds ``X`` of shape (101766, 127) and ``y`` (101766,), uint8, in the order of the
    original table, ``train_index`` (20000,) and ``test_index`` (81766,), int32, and
    ``feature_names`` (127,), strings.

    Source: B. Strack et al., BioMed Research International, 781670 (2014), UCI Machine Learning
    Repository, https://doi.org/10.24432/C5230J. Licence: CC BY 4.0.

    Examples
    --------
    >>> from skinfluence.datasets import fetch_diabetes130
    >>> diabetes = fetch_diabetes130()  # doctest: +SKIP
    >>> age = list(diabetes.feature_names).index("age_[0-10)")  # doctest: +SKIP
    >>> child = diabetes.data[:, age] == 1  # doctest: +SKIP
    >>> int(child.sum()), int(diabetes.target[child].sum())  # doctest: +SKIP
    (24, 3)
    """
    arrays, origin = obtain(_SOURCE, download_if_missing=download_if_missing)
    train, test = arrays["train_index"], arrays["test_index"]
    return Bunch(
        data=arrays["X"][train].astype(np.float64),
        target=arrays["y"][train].astype(np.int64),
        test_data=arrays["X"][test].astype(np.float64),
        test_target=arrays["y"][test].astype(np.int64),
        train_index=train.astype(np.int64),
        test_index=test.astype(np.int64),
        feature_names=arrays["feature_names"],
        target_names=np.array(["not readmitted", "readmitted"]),
        source=origin,
        DESCR=_descriptions.DIABETES130,
    )


def _download() -> Arrays:
    # Without pandas, fetch_openml refuses columns of free text and codes categories as numbers.
    with_pandas = pandas_is_installed()
    bunch = sklearn_datasets.fetch_openml(
        "Diabetes130US",
        version=1,
        target_column="readmitted",
        as_frame=with_pandas,
        parser="pandas" if with_pandas else "liac-arff",
    )
    X, names = encode({name: column(bunch, name) for name in COUNTS + CATEGORIES})
    readmitted = [str(value).strip("'\" ") for value in np.asarray(bunch.target).tolist()]
    y = np.array([value == "<30" for value in readmitted]).astype(np.uint8)
    train, test = split(y)
    return {"X": X, "y": y, "feature_names": names, "train_index": train, "test_index": test}


def column(bunch: Bunch, name: str) -> list[Any]:
    """Return a column of fetch_openml's table, with None for a missing value."""
    if hasattr(bunch.data, "columns"):
        series = bunch.data[name]
        values, missing = series.astype(object).tolist(), series.isna().tolist()
    else:
        numbers = bunch.data[:, list(bunch.feature_names).index(name)]
        values, missing = numbers.tolist(), np.isnan(numbers).tolist()
    levels = (bunch.get("categories") or {}).get(name)
    if levels is not None:
        values = [None if gone else levels[int(v)] for v, gone in zip(values, missing, strict=True)]
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def encode(columns: dict[str, list[Any]]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.str_]]:
    """Return the counts and one indicator for each level of the categories, with their names.

    The order of the columns and levels is that of the experiment of Koh & Liang (2017).
    """
    blocks = [np.array(columns[name], dtype=np.float64)[:, None] for name in COUNTS]
    names = list(COUNTS)
    for name in CATEGORIES:
        coded = {value: level_name(name, value) for value in set(columns[name])}
        values = np.array([coded[value] for value in columns[name]])
        levels = sorted(set(coded.values()), key=_natural_order)
        if len(levels) == 2:
            del levels[0]
        blocks.append(values[:, None] == np.array(levels))
        names += [f"{name}_{level}" for level in levels]
    X = np.hstack([block.astype(np.uint8) for block in blocks])
    return X, np.array(names)


def level_name(name: str, value: Any) -> str:
    """Return a category in the words of the original table."""
    if value is None:
        # The original table has '?' for an unknown race and 'None' for a test that was not made.
        return "None" if name in ("max_glu_serum", "A1Cresult") else "?"
    if name == "discharge_disposition_id":
        return str(int(float(value)))
    return str(value).strip("'\" ")


def _natural_order(level: str) -> tuple[int, str]:
    return (int(level), "") if level.isdigit() else (0, level)


def split(y: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the training and test rows of Koh & Liang (2017), who drew them with seed 2."""
    rng = check_random_state(2)
    classes = [np.flatnonzero(y == 1), np.flatnonzero(y == 0)]
    for rows in classes:
        rng.shuffle(rows)
    train = np.concatenate([rows[:10000] for rows in classes])
    test = np.concatenate([rows[10000:] for rows in classes])
    rng.shuffle(train)
    rng.shuffle(test)
    return train.astype(np.int32), test.astype(np.int32)


def _check(arrays: Arrays) -> None:
    rows = np.sort(np.concatenate([arrays["train_index"], arrays["test_index"]]))
    if not np.array_equal(rows, np.arange(len(arrays["X"]))):
        raise ValueError("its 'train_index' and 'test_index' do not share out the rows")


_SOURCE = Source(
    fetcher="fetch_diabetes130",
    file="diabetes130_readmission.npz",
    layout={
        "X": ("uint8", (101766, 127)),
        "y": ("uint8", (101766,)),
        "feature_names": ("U", (127,)),
        "train_index": ("int32", (20000,)),
        "test_index": ("int32", (81766,)),
    },
    label_counts={"y": (90409, 11357)},
    digest="411d6c36f0cfccc7b8a89f1edf9a30064bd1af1394b5caa09eba426c0b908d0a",
    online="fetch_openml('Diabetes130US', version=1)",
    download=_download,
    check=_check,
)
