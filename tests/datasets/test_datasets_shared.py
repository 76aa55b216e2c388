"""The fetch functions on the real files."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from skinfluence.datasets import (
    fetch_diabetes130,
    fetch_dogfish,
    fetch_enron1,
    fetch_mnist,
    fetch_newsgroups20,
    load_mnist17,
)

pytestmark = pytest.mark.shared_data


@pytest.fixture(autouse=True)
def reference_copies(shared_folder):
    """Fail at a warning: the files' values are checked against their checksums."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def check_sparse(bunch, n_train, n_test, n_features):
    for matrix, n_rows in ((bunch.data, n_train), (bunch.test_data, n_test)):
        assert sp.isspmatrix_csr(matrix)
        assert matrix.shape == (n_rows, n_features)
        assert matrix.dtype == np.float64
        assert matrix.has_sorted_indices
        assert matrix.data.min() >= 1.0
        assert matrix.data.max() <= 255.0
    assert bunch.target.shape == (n_train,)
    assert bunch.test_target.shape == (n_test,)
    assert bunch.feature_names.shape == (n_features,)


def test_mnist():
    mnist = fetch_mnist(dtype=np.float32)
    assert mnist.source == "mnist.npz (SKINFLUENCE_DATA)"
    assert mnist.data.shape == (60000, 784)
    assert mnist.test_data.shape == (10000, 784)
    assert mnist.data.dtype == np.float32
    assert mnist.data.max() == 1.0
    assert np.isin(mnist.target, [1, 7]).sum() == 13007
    assert np.isin(mnist.test_target, [1, 7]).sum() == 2163
    # The embedded digits are the first of these.
    few = load_mnist17()
    for name, count in (("", 750), ("test_", 200)):
        target = mnist[f"{name}target"]
        rows = np.sort(np.concatenate([np.flatnonzero(target == d)[:count] for d in (1, 7)]))
        assert_array_equal(few[f"{name}target"], target[rows])
        assert_array_equal(few[f"{name}data"].astype(np.float32), mnist[f"{name}data"][rows])


def test_diabetes130():
    diabetes = fetch_diabetes130()
    assert diabetes.data.shape == (20000, 127)
    assert diabetes.test_data.shape == (81766, 127)
    assert np.bincount(diabetes.target).tolist() == [10000, 10000]
    assert np.bincount(diabetes.test_target).tolist() == [80409, 1357]
    child = diabetes.feature_names.tolist().index("age_[0-10)")
    assert diabetes.target[diabetes.data[:, child] == 1].sum() == 3
    assert (diabetes.data[:, child] == 1).sum() == 24
    assert (diabetes.test_data[:, child] == 1).sum() == 137
    assert not diabetes.test_target[diabetes.test_data[:, child] == 1].any()


def test_enron1():
    enron = fetch_enron1()
    check_sparse(enron, 4137, 1035, 3362)
    assert np.bincount(enron.target).tolist() == [2934, 1203]
    assert np.bincount(enron.test_target).tolist() == [738, 297]
    assert enron.target_names.tolist() == ["ham", "spam"]


@pytest.mark.parametrize("kind, n_features", [("features", 1280), ("pixels", 12288)])
def test_dogfish(kind, n_features):
    dogfish = fetch_dogfish(kind=kind)
    assert dogfish.data.shape == (1800, n_features)
    assert dogfish.test_data.shape == (600, n_features)
    assert dogfish.data.dtype == np.float64
    assert dogfish.data.min() >= 0.0
    assert np.bincount(dogfish.target).tolist() == [900, 900]
    assert np.bincount(dogfish.test_target).tolist() == [300, 300]
    fish = np.char.startswith(dogfish.image_id, "n01440764")
    assert not dogfish.target[np.char.startswith(dogfish.image_id, "n02102040")].any()
    assert dogfish.target[fish].all()


def test_dogfish_rows_are_the_same_photographs():
    features, pixels = fetch_dogfish(), fetch_dogfish(kind="pixels", dtype="float32")
    for name in ("image_id", "test_image_id", "target", "test_target"):
        assert_array_equal(features[name], pixels[name])
    assert pixels.data.max() == 1.0


def test_newsgroups20():
    news = fetch_newsgroups20()
    check_sparse(news, 11314, 7532, 23307)
    assert news.data.nnz + news.test_data.nnz == 1014646
    empty = [np.diff(matrix.indptr) == 0 for matrix in (news.data, news.test_data)]
    assert np.concatenate(empty).sum() == 567
    assert news.target_names.shape == (20,)
    assert np.bincount(news.target).min() == 377
    assert np.bincount(news.target).max() == 600
    assert news.message_id.shape == (11314,)
    assert news.test_message_id.shape == (7532,)
