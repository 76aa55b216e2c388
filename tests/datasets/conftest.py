import os
import urllib.error

import pytest
import sklearn.datasets


@pytest.fixture
def no_folder(monkeypatch):
    monkeypatch.delenv("SKINFLUENCE_DATA", raising=False)


@pytest.fixture
def no_network(monkeypatch):
    def fail(*args, **kwargs):
        raise urllib.error.URLError("the network is down")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fail)
    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fail)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Return an empty folder that SKINFLUENCE_DATA names."""
    monkeypatch.setenv("SKINFLUENCE_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def shared_folder(no_network):
    """Return the folder with the real files; nothing is downloaded."""
    path = os.environ.get("SKINFLUENCE_DATA")
    if not path:
        pytest.skip("SKINFLUENCE_DATA does not name the folder with the data sets")
    return path
