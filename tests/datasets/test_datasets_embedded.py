import csv
import gzip
import hashlib
import os
import sys
from importlib import resources

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skinfluence.datasets import embed, load_mnist17, load_spambase

# SHA-256 of the bytes of each array, computed from the original files.
SPAM_DATA = "a02ed147661c156879befcaa251d70ad4ac3a12220d0445433c884acdd8c36b1"
SPAM_TARGET = "30335120dbb65677aaf7499bfa97f2300be6591faec91df4fe0e34a5b04ecc76"
MNIST_DATA = "2be80b09439903bbc9657282a56e04b6512a5b5a1766eb1f6fee2ba42c9d45d9"
MNIST_TARGET = "713c756b8696c63c737bf7c9a6599894c996758350bd415d51139843a6a21aad"
MNIST_TEST_DATA = "e9cc2c1d857e397b0d253d6a0d47076140695814c5c3ed4348bc3c1ce9a00833"
MNIST_TEST_TARGET = "1712b0b4fab3fe4c91fad6c7bb4b2a320df1fe4a9909378124b4cd9e71b65bcf"


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_spambase_is_the_original():
    spambase = load_spambase()
    assert spambase.data.shape == (4601, 57)
    assert spambase.data.dtype == np.float64
    assert spambase.target.dtype == np.int64
    assert sha256(spambase.data) == SPAM_DATA
    assert sha256(spambase.target) == SPAM_TARGET


def test_spambase_labels():
    spambase = load_spambase()
    assert np.bincount(spambase.target).tolist() == [2788, 1813]
    assert spambase.target_names[spambase.target[0]] == "spam"
    # Sorted by class, spam first.
    assert np.flatnonzero(np.diff(spambase.target)).tolist() == [1812]


def test_spambase_bunch():
    spambase = load_spambase()
    assert set(spambase) == {"data", "target", "frame", "feature_names", "target_names", "DESCR"}
    assert spambase.frame is None
    assert spambase.feature_names.shape == (57,)
    assert spambase.feature_names[[0, 26, 56]].tolist() == ["make", "george", "capitalTotal"]
    assert spambase.target_names.tolist() == ["nonspam", "spam"]
    assert "CC BY 4.0" in spambase.DESCR


def test_spambase_return_X_y():
    X, y = load_spambase(return_X_y=True)
    assert_array_equal(X, load_spambase().data)
    assert_array_equal(y, load_spambase().target)


def test_loads_share_no_memory():
    first = load_spambase()
    first.data[:] = 0.0
    first.target[:] = 0
    assert sha256(load_spambase().data) == SPAM_DATA
    digits = load_mnist17()
    digits.data[:] = 0.0
    assert load_mnist17().data.any()


def test_spambase_as_frame():
    pandas = pytest.importorskip("pandas")
    spambase = load_spambase(as_frame=True)
    plain = load_spambase()
    assert isinstance(spambase.data, pandas.DataFrame)
    assert isinstance(spambase.target, pandas.Series)
    assert spambase.data.columns.tolist() == plain.feature_names.tolist()
    assert (spambase.data.dtypes == np.float64).all()
    assert spambase.target.dtype == np.int64
    assert spambase.target.name == "target"
    assert_array_equal(spambase.data.to_numpy(), plain.data)
    assert_array_equal(spambase.target.to_numpy(), plain.target)
    assert spambase.frame.columns.tolist() == [*plain.feature_names.tolist(), "target"]
    assert_array_equal(spambase.frame["target"].to_numpy(), plain.target)


def test_spambase_as_frame_return_X_y():
    pandas = pytest.importorskip("pandas")
    X, y = load_spambase(as_frame=True, return_X_y=True)
    assert isinstance(X, pandas.DataFrame)
    assert isinstance(y, pandas.Series)


def test_spambase_as_frame_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"as_frame=True\) needs pandas.*pip install pandas"):
        load_spambase(as_frame=True)
    assert load_spambase().data.shape == (4601, 57)


def test_mnist17_is_the_original():
    digits = load_mnist17()
    assert digits.data.shape == (1500, 784)
    assert digits.test_data.shape == (400, 784)
    assert digits.images.shape == (1500, 28, 28)
    for name in ("data", "test_data", "images"):
        assert digits[name].dtype == np.float64
        assert digits[name].min() == 0.0
        assert digits[name].max() == 1.0
    for name in ("target", "test_target"):
        assert digits[name].dtype == np.int64
    assert sha256(digits.data) == MNIST_DATA
    assert sha256(digits.target) == MNIST_TARGET
    assert sha256(digits.test_data) == MNIST_TEST_DATA
    assert sha256(digits.test_target) == MNIST_TEST_TARGET


def test_mnist17_levels_are_256ths():
    levels = load_mnist17().data * 255
    assert_array_equal(np.rint(levels) / 255, load_mnist17().data)


def test_mnist17_labels():
    digits = load_mnist17()
    for target, count in ((digits.target, 750), (digits.test_target, 200)):
        assert np.unique(target, return_counts=True)[0].tolist() == [1, 7]
        assert np.unique(target, return_counts=True)[1].tolist() == [count, count]
        # Mixed: neither digit fills the first half.
        assert 0.3 < np.mean(target[: len(target) // 2] == 1) < 0.7


def test_mnist17_bunch():
    digits = load_mnist17()
    assert set(digits) == {
        *("data", "target", "images", "test_data", "test_target"),
        *("feature_names", "target_names", "DESCR"),
    }
    assert np.shares_memory(digits.images, digits.data)
    assert_array_equal(digits.images[3].ravel(), digits.data[3])
    assert digits.feature_names[[0, 1, 28, 783]].tolist() == [
        *("pixel_0_0", "pixel_0_1", "pixel_1_0", "pixel_27_27"),
    ]
    assert digits.target_names.tolist() == ["1", "7"]
    assert "CC BY-SA 3.0" in digits.DESCR


def test_mnist17_return_X_y():
    X, y = load_mnist17(return_X_y=True)
    assert_array_equal(X, load_mnist17().data)
    assert_array_equal(y, load_mnist17().target)


def test_embedded_files():
    folder = resources.files("skinfluence.datasets") / "data"
    files = {item.name: item.read_bytes() for item in folder.iterdir()}
    assert set(files) == {"ATTRIBUTION.md", "README.md", "mnist17.npz", "spambase.npz"}
    assert sum(map(len, files.values())) < 600_000
    attribution = files["ATTRIBUTION.md"].decode()
    assert "CC BY 4.0" in attribution
    assert "CC BY-SA 3.0" in attribution


def test_embed_spambase_refuses_to_round(tmp_path):
    with gzip.open(tmp_path / "spambase.csv.gz", "wt", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*(f"column{i}" for i in range(57)), "type"])
        writer.writerow([0.125, *([0.0] * 56), "spam"])
    with pytest.raises(ValueError, match="not whole multiples of 1/100"):
        embed.embed_spambase(tmp_path / "spambase.csv.gz", tmp_path / "spambase.npz")


def test_embed_mnist17_takes_the_first_of_each_digit(tmp_path):
    labels = np.tile(np.arange(10, dtype=np.uint8), 800)
    images = np.zeros((8000, 28, 28), dtype=np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(8000) % 256, np.arange(8000) // 256
    original = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(tmp_path / "mnist.npz", **original)
    embed.embed_mnist17(tmp_path / "mnist.npz", tmp_path / "mnist17.npz")
    with np.load(tmp_path / "mnist17.npz", allow_pickle=False) as stored:
        for part, count in (("train", 750), ("test", 200)):
            rows = stored[f"x_{part}"][:, 0, 0] + 256 * stored[f"x_{part}"][:, 0, 1].astype(int)
            expected = np.sort([10 * i + digit for i in range(count) for digit in (1, 7)])
            assert_array_equal(rows, expected)
            assert_array_equal(stored[f"y_{part}"], labels[expected])


@pytest.mark.shared_data
def test_spambase_equals_the_csv_file(shared_folder):
    with gzip.open(os.path.join(shared_folder, "spambase.csv.gz"), "rt", newline="") as stream:
        header, *rows = csv.reader(stream)
    spambase = load_spambase()
    assert_array_equal(spambase.data, [[float(text) for text in row[:57]] for row in rows])
    assert spambase.target_names[spambase.target].tolist() == [row[57] for row in rows]
    assert spambase.feature_names.tolist() == header[:57]


@pytest.mark.shared_data
def test_embedding_again_gives_the_embedded_arrays(shared_folder, tmp_path):
    embed.main([shared_folder, "--output", str(tmp_path)])
    for file in ("spambase.npz", "mnist17.npz"):
        with np.load(tmp_path / file) as new, np.load(embed.DATA / file) as old:
            assert set(new.files) == set(old.files)
            for name in new.files:
                assert new[name].dtype == old[name].dtype
                assert_array_equal(new[name], old[name])
