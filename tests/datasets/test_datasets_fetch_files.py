"""Files of the right layout that are not the reference copies: fetched with a warning."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from skinfluence.datasets import fetch_diabetes130, fetch_dogfish, fetch_enron1, fetch_mnist

MNIST_COUNTS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}


def enron_arrays(**changes):
    """Return a file's arrays: two words in each e-mail."""
    words = np.sort(np.arange(2 * 5172).reshape(-1, 2) * 7 % 3362, axis=1)
    arrays = {
        "data": np.arange(2 * 5172).astype(np.uint8),
        "indices": words.ravel().astype(np.int32),
        "indptr": 2 * np.arange(5173, dtype=np.int32),
        "shape": np.array([5172, 3362], dtype=np.int64),
        "vocabulary": np.array([f"word{i}" for i in range(3362)]),
        "y": np.repeat([0, 1], [3672, 1500]).astype(np.uint8),
        "n_train": np.array(4137, dtype=np.int64),
    }
    return {**arrays, **changes}


def test_enron1(folder):
    arrays = enron_arrays()
    np.savez(folder / "enron1_bow.npz", **arrays)
    with pytest.warns(UserWarning, match="fetch_enron1: enron1_bow.npz .* values differ"):
        enron = fetch_enron1()
    counts = (arrays["data"], arrays["indices"], arrays["indptr"])
    expected = sp.csr_matrix(counts, shape=(5172, 3362)).toarray()
    for name, rows in (("", slice(4137)), ("test_", slice(4137, None))):
        matrix = enron[f"{name}data"]
        assert sp.isspmatrix_csr(matrix)
        assert matrix.dtype == np.float64
        assert_array_equal(matrix.toarray(), expected[rows])
        assert_array_equal(enron[f"{name}target"], arrays["y"][rows])
        assert enron[f"{name}target"].dtype == np.int64
    assert enron.feature_names[[0, -1]].tolist() == ["word0", "word3361"]
    assert enron.target_names.tolist() == ["ham", "spam"]
    assert enron.source == "enron1_bow.npz (SKINFLUENCE_DATA)"


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"indices": np.full(2 * 5172, 4000, dtype=np.int32)}, "cannot be used: ValueError"),
        ({"indptr": np.zeros(5173, dtype=np.int32)}, "cannot be used: ValueError"),
        ({"shape": np.array([5172, 4000])}, "matrix of shape (5172, 4000) does not fit"),
        ({"n_train": np.array(4000)}, "its 'n_train' is 4000, not 4137"),
    ],
)
def test_enron1_parts_that_do_not_fit(changes, words, folder):
    arrays = enron_arrays(**changes)
    if "indptr" in changes:
        arrays["indptr"][-1] = len(arrays["data"]) + 1
    np.savez(folder / "enron1_bow.npz", **arrays)
    with pytest.raises(OSError, match="found no usable copy") as caught:
        fetch_enron1()
    assert words in str(caught.value)


def test_user_folder_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setenv("SKINFLUENCE_DATA", "~")
    np.savez(folder / "enron1_bow.npz", **enron_arrays())
    with pytest.warns(UserWarning, match="values differ"):
        assert fetch_enron1().data.shape == (4137, 3362)


def test_warning_points_to_the_caller(folder):
    np.savez(folder / "enron1_bow.npz", **enron_arrays())
    with pytest.warns(UserWarning, match="values differ") as caught:
        fetch_enron1()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("dtype", [np.float64, "float32"])
@pytest.mark.parametrize("kind", ["features", "pixels"])
def test_dogfish(kind, dtype, folder):
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n_rows in (("train", 1800), ("test", 600)):
        arrays[f"y_{part}"] = np.tile([0, 1], n_rows // 2).astype(np.uint8)
        arrays[f"id_{part}"] = np.array([f"image{i}" for i in range(n_rows)])
        if kind == "features":
            arrays[f"f_{part}"] = rng.random((n_rows, 1280)).astype(np.float16)
        else:
            arrays[f"x_{part}"] = rng.integers(256, size=(n_rows, 64, 64, 3), dtype=np.uint8)
    file = {"features": "dogfish_features.npz", "pixels": "dogfish_pixels64.npz"}[kind]
    np.savez(folder / file, **arrays)
    with pytest.warns(UserWarning, match=f"fetch_dogfish: {file} .* values differ"):
        dogfish = fetch_dogfish(kind=kind, dtype=dtype)
    n_features = {"features": 1280, "pixels": 12288}[kind]
    assert dogfish.data.shape == (1800, n_features)
    assert dogfish.test_data.shape == (600, n_features)
    assert dogfish.data.dtype == dogfish.test_data.dtype == np.dtype(dtype)
    if kind == "features":
        assert_array_equal(dogfish.data, arrays["f_train"])
        assert dogfish.feature_names[-1] == "feature_1279"
    else:
        assert_array_equal(np.rint(dogfish.data[7] * 255), arrays["x_train"][7].ravel())
        column = dogfish.feature_names.tolist().index("pixel_5_40_green")
        levels = np.rint(dogfish.test_data[:, column] * 255)
        assert_array_equal(levels, arrays["x_test"][:, 5, 40, 1])
    assert dogfish.feature_names.shape == (n_features,)
    assert_array_equal(dogfish.target, arrays["y_train"])
    assert_array_equal(dogfish.image_id, arrays["id_train"])
    assert_array_equal(dogfish.test_image_id, arrays["id_test"])
    assert dogfish.target_names.tolist() == ["dog", "fish"]


def test_mnist(folder):
    arrays = {}
    for part, counts in MNIST_COUNTS.items():
        arrays[f"y_{part}"] = np.repeat(np.arange(10), counts).astype(np.uint8)
        arrays[f"x_{part}"] = np.zeros((sum(counts), 28, 28), dtype=np.uint8)
    arrays["x_train"][:, 3, 4] = np.arange(60000) % 256
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.warns(UserWarning, match="fetch_mnist: mnist.npz .* values differ"):
        mnist = fetch_mnist(dtype=np.float32)
    assert mnist.data.shape == (60000, 784)
    assert mnist.data.dtype == mnist.test_data.dtype == np.float32
    assert_array_equal(np.rint(mnist.data[:, 3 * 28 + 4] * 255), np.arange(60000) % 256)
    assert mnist.data.max() == 1.0
    assert not mnist.test_data.any()
    assert_array_equal(mnist.target, arrays["y_train"])
    assert mnist.target.dtype == mnist.test_target.dtype == np.int64
    assert mnist.target_names.tolist() == list("0123456789")
    assert mnist.feature_names[3 * 28 + 4] == "pixel_3_4"


def test_diabetes130_split_must_share_out_the_rows(folder):
    train, test = np.arange(20000, dtype=np.int32), np.arange(81766, dtype=np.int32)
    arrays = {
        "X": np.zeros((101766, 127), dtype=np.uint8),
        "y": np.repeat([0, 1], [90409, 11357]).astype(np.uint8),
        "feature_names": np.array([f"column{i}" for i in range(127)]),
        "train_index": train,
        "test_index": test,
    }
    np.savez_compressed(folder / "diabetes130_readmission.npz", **arrays)
    with pytest.raises(OSError, match="'test_index' do not share out the rows"):
        fetch_diabetes130()
    np.savez_compressed(
        folder / "diabetes130_readmission.npz", **{**arrays, "test_index": test + 20000}
    )
    with pytest.warns(UserWarning, match="values differ"):
        diabetes = fetch_diabetes130()
    assert diabetes.data.shape == (20000, 127)
    assert diabetes.test_target.sum() == 11357
