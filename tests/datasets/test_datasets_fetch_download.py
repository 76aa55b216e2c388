"""What is made of a download: fetch_openml and fetch_20newsgroups are replaced by fakes."""

import csv
import gzip
import os
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.datasets
from numpy.testing import assert_array_equal
from sklearn.utils import Bunch

from skinfluence.datasets import fetch_diabetes130, fetch_mnist, fetch_newsgroups20

MNIST_COUNTS = (
    [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
)
COUNTS = [
    *("time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications"),
    *("number_outpatient", "number_emergency", "number_inpatient", "number_diagnoses"),
]
DOSES = ("Down", "No", "Steady", "Up")
# The columns by their kind: neither in the order of the table nor in that of the indicators.
LEVELS = {
    **dict.fromkeys(
        [
            *("metformin", "repaglinide", "nateglinide", "chlorpropamide", "glimepiride"),
            *("glipizide", "glyburide", "pioglitazone", "rosiglitazone", "acarbose", "miglitol"),
            *("insulin", "glyburide-metformin"),
        ],
        DOSES,
    ),
    **dict.fromkeys(
        [
            *("acetohexamide", "tolbutamide", "troglitazone", "glipizide-metformin"),
            *("glimepiride-pioglitazone", "metformin-rosiglitazone", "metformin-pioglitazone"),
        ],
        ("No", "Steady"),
    ),
    "tolazamide": ["No", "Steady", "Up"],
    **dict.fromkeys(["examide", "citoglipton"], ("No",)),
    "change": ["Ch", "No"],
    "diabetesMed": ["No", "Yes"],
    "race": ["?", "AfricanAmerican", "Asian", "Caucasian", "Hispanic", "Other"],
    "gender": ["Female", "Male", "Unknown/Invalid"],
    "age": [f"[{10 * i}-{10 * i + 10})" for i in range(10)],
    "discharge_disposition_id": [str(i) for i in range(1, 29) if i not in (21, 26)],
    "max_glu_serum": [">200", ">300", "None", "Norm"],
    "A1Cresult": [">7", ">8", "None", "Norm"],
}


@pytest.fixture
def openml(monkeypatch, no_folder):
    """Return a function that sets the answer of fetch_openml, and a list of the calls."""
    calls = []

    def answer_with(answer):
        def fetch_openml(*args, **kwargs):
            calls.append((args, kwargs))
            return answer(**kwargs) if callable(answer) else answer

        monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)

    return answer_with, calls


@pytest.fixture(params=["with pandas", "without pandas"])
def pandas_or_not(request, monkeypatch):
    if request.param == "with pandas":
        return pytest.importorskip("pandas")
    monkeypatch.setitem(sys.modules, "pandas", None)
    return None


def test_mnist(openml, pandas_or_not):
    answer_with, calls = openml
    pixels = np.zeros((70000, 784), dtype=np.uint8)
    pixels[:, 5] = np.arange(70000) % 251
    digits = np.concatenate([np.repeat(np.arange(10), counts) for counts in MNIST_COUNTS])
    answer_with(Bunch(data=pixels, target=digits.astype(str).astype(object)))
    with pytest.warns(UserWarning, match=r"fetch_mnist: fetch_openml\('mnist_784'.* differ"):
        mnist = fetch_mnist(dtype="float32")
    parser = "pandas" if pandas_or_not else "liac-arff"
    assert calls == [(("mnist_784",), {"version": 1, "as_frame": False, "parser": parser})]
    assert mnist.source == "fetch_openml('mnist_784', version=1)"
    both = np.concatenate([mnist.data[:, 5], mnist.test_data[:, 5]])
    assert both.dtype == np.float32
    assert_array_equal(np.rint(both * 255), np.arange(70000) % 251)
    assert mnist.data.shape == (60000, 784)
    assert_array_equal(np.concatenate([mnist.target, mnist.test_target]), digits)
    assert mnist.target.dtype == np.int64


def encounters(n_rows=101766):
    """Return columns of strings and numbers like those of the original table, and the target."""
    rows = np.arange(n_rows)
    columns = {name: (rows * 7 + k) % (10 + k) for k, name in enumerate(COUNTS)}
    for k, (name, levels) in enumerate(LEVELS.items()):
        columns[name] = np.array(levels, dtype=object)[(rows // (1 + k % 5)) % len(levels)]
    readmitted = np.where(rows % 3, "NO", ">30").astype(object)
    readmitted[np.linspace(0, n_rows - 1, 11357).astype(int)] = "<30"
    return columns, readmitted


def as_openml(columns, readmitted, pandas):
    """Return a table as fetch_openml does: a frame, or numbers that stand for categories.

    Nothing is sure about how OpenML codes what is missing or whether it quotes: do both.
    """
    missing = {"race": "?", "A1Cresult": "None"}

    def answer(*, as_frame, **kwargs):
        assert as_frame == (pandas is not None)
        if pandas:
            frame = pandas.DataFrame(columns)
            for name in LEVELS:
                if name == "discharge_disposition_id":
                    frame[name] = frame[name].astype(int)
                else:
                    known = frame[name] != missing.get(name)
                    frame[name] = frame[name].where(known).astype("category")
            return Bunch(data=frame, target=pandas.Series(readmitted, dtype="category"))
        arrays, categories = [], {}
        for name, values in columns.items():
            if name in COUNTS or name == "discharge_disposition_id":
                arrays.append(np.array(values, dtype=np.float64))
                continue
            # OpenML's order of the categories need not be alphabetic.
            levels = sorted(set(values) - {missing.get(name)}, reverse=True)
            code = {level: float(i) for i, level in enumerate(levels)}
            categories[name] = [f"'{level}'" for level in levels] if name == "age" else levels
            arrays.append(np.array([code.get(value, np.nan) for value in values]))
        data, names = np.column_stack(arrays), list(columns)
        return Bunch(data=data, feature_names=names, categories=categories, target=readmitted)

    return answer


def test_diabetes130(openml, pandas_or_not):
    answer_with, calls = openml
    columns, readmitted = encounters()
    answer_with(as_openml(columns, readmitted, pandas_or_not))
    with pytest.warns(UserWarning, match="fetch_openml.'Diabetes130US'.* differ"):
        diabetes = fetch_diabetes130()
    ((args, kwargs),) = calls
    assert args == ("Diabetes130US",)
    assert kwargs["target_column"] == "readmitted"
    assert kwargs["parser"] == ("pandas" if pandas_or_not else "liac-arff")
    assert diabetes.data.shape == (20000, 127)
    assert diabetes.data.dtype == diabetes.test_data.dtype == np.float64
    assert np.bincount(diabetes.target).tolist() == [10000, 10000]
    for part, target in (("train", diabetes.target), ("test", diabetes.test_target)):
        assert_array_equal(target, readmitted[diabetes[f"{part}_index"]] == "<30")
    shared_out = np.sort(np.concatenate([diabetes.train_index, diabetes.test_index]))
    assert_array_equal(shared_out, np.arange(101766))
    assert diabetes.feature_names[:11].tolist() == [
        *COUNTS,
        *("gender_Female", "gender_Male", "gender_Unknown/Invalid"),
    ]
    for k, name in enumerate(diabetes.feature_names.tolist()):
        if name in COUNTS:
            expected = columns[name]
        else:
            column = max((c for c in LEVELS if name.startswith(f"{c}_")), key=len)
            expected = columns[column] == name[len(column) + 1 :]
        assert_array_equal(diabetes.data[:, k], expected[diabetes.train_index], err_msg=name)


def test_diabetes130_order_of_the_levels(openml, pandas_or_not):
    answer_with, _ = openml
    answer_with(as_openml(*encounters(), pandas_or_not))
    with pytest.warns(UserWarning, match="differ"):
        names = fetch_diabetes130().feature_names.tolist()
    numbers = [int(name.rsplit("_", 1)[1]) for name in names if name.startswith("discharge")]
    assert numbers == [i for i in range(1, 29) if i not in (21, 26)]
    assert names[11:13] == ["race_?", "race_AfricanAmerican"]
    # One indicator where there are two levels, for the second of them.
    assert {"change_No", "examide_No"} < set(names)
    assert "change_Ch" not in names


def test_diabetes130_with_another_column(openml, pandas_or_not):
    answer_with, _ = openml
    columns, readmitted = encounters()
    columns["examide"] = columns["insulin"]
    answer_with(as_openml(columns, readmitted, pandas_or_not))
    with pytest.raises(OSError, match=r"its array 'X' is uint8 of shape \(101766, 130\)"):
        fetch_diabetes130()


TRAIN = [480, 584, 591, 590, 578, 593, 585, 594, 598, 597]
TRAIN += [600, 595, 591, 594, 593, 599, 546, 564, 465, 377]
TEST = [319, 389, 394, 392, 385, 395, 390, 396, 398, 397]
TEST += [399, 396, 393, 396, 394, 398, 364, 376, 310, 251]


def letters(number):
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def posts(counts, text):
    """Return posts as fetch_20newsgroups does, in an order that is not that of their names."""
    target = np.repeat(np.arange(20), counts)
    rows = np.random.default_rng(1).permutation(len(target))
    return Bunch(
        data=[text(i) for i in rows],
        target=target[rows],
        filenames=np.array([os.path.join("some", "group", str(i)) for i in rows]),
        target_names=[f"group.{letters(i)}" for i in range(20)],
    )


@pytest.fixture
def newsgroups(monkeypatch, no_folder):
    def fetch_20newsgroups(*, subset, remove, shuffle):
        assert set(remove) == {"headers", "footers", "quotes"}
        assert not shuffle
        return parts[subset]

    def text(i):
        if i % 100 == 17:
            return ""
        apple = "Apple " * (300 if i == 20 else i % 3)
        return f"{apple} the a x1y q{letters(i % 10)} rare{letters(i)} {'twice' * (i in (3, 4))}"

    parts = {"train": posts(TRAIN, text), "test": posts(TEST, text)}
    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch_20newsgroups)


def test_newsgroups20(newsgroups):
    with pytest.warns(UserWarning, match="fetch_20newsgroups has the right layout.* differ"):
        news = fetch_newsgroups20()
    assert news.source == "fetch_20newsgroups"
    # Stop words, words of one letter, with digits, or in fewer than three posts are left out.
    expected = ["apple", *sorted(f"q{letters(i)}" for i in range(10))]
    assert news.feature_names.tolist() == expected
    assert news.target_names[:2].tolist() == ["group.a", "group.b"]
    rng = np.random.RandomState(0)
    for name, counts in (("", TRAIN), ("test_", TEST)):
        matrix, rows = news[f"{name}data"], news[f"{name}message_id"]
        assert sp.isspmatrix_csr(matrix)
        assert matrix.dtype == np.float64
        labels = np.repeat(np.arange(20), counts)
        order = sorted(range(len(labels)), key=lambda i: (labels[i], str(i)))
        rng.shuffle(order)
        assert rows.tolist() == order
        assert_array_equal(news[f"{name}target"], labels[rows])
        apple = np.where(rows == 20, 255, np.where(rows % 100 == 17, 0, rows % 3))
        assert_array_equal(matrix[:, 0].toarray().ravel(), apple)
        empty = np.diff(matrix.indptr) == 0
        assert_array_equal(empty, rows % 100 == 17)


@pytest.mark.shared_data
def test_newsgroups20_order_is_that_of_the_file(shared_folder, monkeypatch):
    stored = fetch_newsgroups20()

    def fetch_20newsgroups(*, subset, **kwargs):
        prefix = {"train": "", "test": "test_"}[subset]
        rows = np.random.default_rng(2).permutation(len(stored[f"{prefix}target"]))
        return Bunch(
            data=["word"] * len(rows),
            target=stored[f"{prefix}target"][rows],
            filenames=stored[f"{prefix}message_id"][rows].astype(str),
            target_names=stored.target_names.tolist(),
        )

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch_20newsgroups)
    monkeypatch.delenv("SKINFLUENCE_DATA")
    with pytest.warns(UserWarning, match="differ"):
        news = fetch_newsgroups20()
    for name in ("target", "message_id", "test_target", "test_message_id", "target_names"):
        assert_array_equal(news[name], stored[name])


@pytest.mark.shared_data
def test_diabetes130_from_the_raw_table_is_the_file(
    shared_folder, openml, pandas_or_not, monkeypatch
):
    monkeypatch.setenv("SKINFLUENCE_DATA", shared_folder)
    stored = fetch_diabetes130()
    with gzip.open(os.path.join(shared_folder, "diabetes130.csv.gz"), "rt", newline="") as stream:
        header, *rows = csv.reader(stream)
    table = dict(zip(header, np.array(rows, dtype=object).T, strict=True))
    columns = {name: table[name].astype(int) for name in COUNTS}
    columns.update({name: table[name] for name in header if name in LEVELS})
    openml[0](as_openml(columns, table["readmitted"], pandas_or_not))
    monkeypatch.delenv("SKINFLUENCE_DATA")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # none: the values are the reference copy's
        diabetes = fetch_diabetes130()
    assert diabetes.source.startswith("fetch_openml")
    for name in set(stored) - {"source", "DESCR"}:
        assert_array_equal(diabetes[name], stored[name], err_msg=name)
