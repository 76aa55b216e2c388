"""What the fetch functions say when they cannot give the data."""

import re
import urllib.error
from functools import partial

import numpy as np
import pytest
import sklearn.datasets

from skinfluence.datasets import (
    fetch_diabetes130,
    fetch_dogfish,
    fetch_enron1,
    fetch_mnist,
    fetch_newsgroups20,
)

FETCHERS = [
    pytest.param(fetch_mnist, "mnist.npz", "fetch_openml('mnist_784', version=1)", id="mnist"),
    pytest.param(
        fetch_diabetes130,
        "diabetes130_readmission.npz",
        "fetch_openml('Diabetes130US', version=1)",
        id="diabetes130",
    ),
    pytest.param(
        fetch_newsgroups20, "newsgroups20_bow.npz", "fetch_20newsgroups", id="newsgroups20"
    ),
    pytest.param(fetch_enron1, "enron1_bow.npz", None, id="enron1"),
    pytest.param(fetch_dogfish, "dogfish_features.npz", None, id="dogfish"),
    pytest.param(
        partial(fetch_dogfish, kind="pixels"), "dogfish_pixels64.npz", None, id="dogfish pixels"
    ),
]
DOWNLOADING = FETCHERS[:3]


def name_of(fetch):
    return getattr(fetch, "func", fetch).__name__


def message(fetch):
    with pytest.raises(OSError, match="found no usable copy") as caught:
        fetch()
    return str(caught.value)


def check_common(text, fetch, file, online):
    assert text.startswith(f"{name_of(fetch)} found no usable copy of its data.\n")
    assert f"set SKINFLUENCE_DATA to a folder that holds '{file}'" in text
    if online is None:
        assert "Download: none: OpenML has no equivalent" in text
        assert "internet" not in text
    else:
        assert f"Download: {online} failed: URLError: <urlopen error the network is down>." in text
        assert "or connect to the internet and call again" in text


@pytest.mark.parametrize("fetch, file, online", FETCHERS)
def test_variable_not_set(fetch, file, online, no_folder, no_network):
    text = message(fetch)
    check_common(text, fetch, file, online)
    assert "Folder: the environment variable SKINFLUENCE_DATA is not set.\n" in text


@pytest.mark.parametrize("fetch, file, online", FETCHERS)
def test_variable_empty(fetch, file, online, monkeypatch, no_network):
    monkeypatch.setenv("SKINFLUENCE_DATA", "")
    assert "Folder: the environment variable SKINFLUENCE_DATA is not set.\n" in message(fetch)


@pytest.mark.parametrize("fetch, file, online", FETCHERS)
def test_folder_missing(fetch, file, online, monkeypatch, tmp_path, no_network):
    missing = str(tmp_path / "nowhere")
    monkeypatch.setenv("SKINFLUENCE_DATA", missing)
    text = message(fetch)
    check_common(text, fetch, file, online)
    assert f"Folder: SKINFLUENCE_DATA names {missing!r}, which is not a folder.\n" in text


@pytest.mark.parametrize("fetch, file, online", FETCHERS)
def test_file_missing(fetch, file, online, folder, no_network):
    text = message(fetch)
    check_common(text, fetch, file, online)
    assert f"SKINFLUENCE_DATA names the folder {str(folder)!r}, which has no {file!r}.\n" in text


@pytest.mark.parametrize("fetch, file, online", FETCHERS)
def test_corrupt_file(fetch, file, online, folder, monkeypatch):
    def fail(*args, **kwargs):
        pytest.fail("a broken file must not lead to a download")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fail)
    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fail)
    (folder / file).write_bytes(b"PK\x03\x04 this is not a zip archive")
    text = message(fetch)
    assert text.startswith(f"{name_of(fetch)} found no usable copy of its data.\n")
    assert f"Folder: {str(folder / file)!r} cannot be used: " in text
    assert "Download: not tried, because the folder has the file.\n" in text
    assert f"replace or remove that '{file}'" in text


@pytest.mark.parametrize("fetch, file, online", FETCHERS)
def test_other_file(fetch, file, online, folder, no_network):
    np.savez(folder / file, something=np.zeros(3))
    assert re.search(r"cannot be used: ValueError: it has no array '\w+'\.", message(fetch))


@pytest.mark.parametrize("fetch, file, online", FETCHERS)
def test_folder_in_place_of_the_file(fetch, file, online, folder, no_network):
    (folder / file).mkdir()
    assert "cannot be used: " in message(fetch)


@pytest.mark.parametrize("fetch, file, online", DOWNLOADING)
def test_download_not_allowed(fetch, file, online, no_folder, monkeypatch):
    def fail(*args, **kwargs):
        pytest.fail("download_if_missing=False must not download")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fail)
    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fail)
    text = message(partial(fetch, download_if_missing=False))
    assert "Download: not tried (download_if_missing=False).\n" in text
    assert f"set SKINFLUENCE_DATA to a folder that holds '{file}', or allow the download" in text


@pytest.mark.parametrize("fetch, file, online", DOWNLOADING)
def test_cause_is_kept(fetch, file, online, no_folder, no_network):
    with pytest.raises(OSError, match="found no usable copy") as caught:
        fetch()
    assert isinstance(caught.value.__cause__, urllib.error.URLError)


def test_download_of_something_else(no_folder, monkeypatch):
    other = sklearn.utils.Bunch(data=np.zeros((100, 784)), target=np.array(["1"] * 100))
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *args, **kwargs: other)
    text = message(fetch_mnist)
    assert "Download: fetch_openml('mnist_784', version=1) failed: ValueError: its array" in text


def save_mnist(folder, **changes):
    arrays = {
        "x_train": np.zeros((60000, 28, 28), dtype=np.uint8),
        "y_train": np.zeros(60000, dtype=np.uint8),
        "x_test": np.zeros((10000, 28, 28), dtype=np.uint8),
        "y_test": np.zeros(10000, dtype=np.uint8),
    }
    arrays.update(changes)
    np.savez_compressed(folder / "mnist.npz", **arrays)


def test_wrong_shape(folder, no_network):
    save_mnist(folder, x_train=np.zeros((50, 28, 28), dtype=np.uint8))
    expected = "its array 'x_train' is uint8 of shape (50, 28, 28), not uint8 of shape (60000, 28"
    assert expected in message(fetch_mnist)


def test_wrong_dimension(folder, no_network):
    save_mnist(folder, y_train=np.zeros((60000, 1), dtype=np.uint8))
    assert "its array 'y_train' is uint8 of shape (60000, 1)" in message(fetch_mnist)


def test_wrong_dtype(folder, no_network):
    save_mnist(folder, y_test=np.zeros(10000))
    assert "its array 'y_test' is float64 of shape (10000,), not uint8" in message(fetch_mnist)


def test_wrong_labels(folder, no_network):
    save_mnist(folder)
    assert "the classes in 'y_train' have (60000, 0, 0, 0" in message(fetch_mnist)


def test_pickled_objects_are_not_loaded(folder, no_network):
    save_mnist(folder, y_train=np.array([object()] * 3))
    assert "allow_pickle=False" in message(fetch_mnist)


def test_single_array_file(folder, no_network):
    with (folder / "mnist.npz").open("wb") as stream:
        np.save(stream, np.zeros(3))
    assert "it is a single array, not an .npz archive" in message(fetch_mnist)


@pytest.mark.parametrize("keep", [0, 100, 4000])
def test_truncated_file(keep, folder, no_network):
    save_mnist(folder)
    path = folder / "mnist.npz"
    path.write_bytes(path.read_bytes()[:keep])
    assert "cannot be used: " in message(fetch_mnist)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, "float16", complex])
def test_dtype_is_checked_first(dtype, no_folder, no_network):
    with pytest.raises(ValueError, match="fetch_mnist: dtype must be float64 or float32, not"):
        fetch_mnist(dtype=dtype)
    with pytest.raises(ValueError, match="fetch_dogfish: dtype must be float64 or float32, not"):
        fetch_dogfish(dtype=dtype)


def test_kind_is_checked_first(no_folder):
    with pytest.raises(ValueError, match="kind must be 'features' or 'pixels', not 'cats'"):
        fetch_dogfish(kind="cats")
