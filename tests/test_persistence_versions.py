"""Explainers that other versions saved: a warning, or an error that says what to do."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import sklearn
from saving import explained, make_rows
from sklearn.linear_model import LogisticRegression

import skinfluence
from skinfluence import InfluenceExplainer, persistence
from skinfluence.exceptions import VersionMismatchWarning

X, Y = make_rows()


def resaved(monkeypatch, **versions):
    """As other versions would have saved it."""
    explainer = explained(LogisticRegression(), X, Y)
    installed = persistence.installed_versions()
    with monkeypatch.context() as patch:
        saved = {**installed, **{n.replace("_", "-"): v for n, v in versions.items()}}
        patch.setattr(persistence, "installed_versions", lambda: saved)
        return pickle.dumps(explainer)


@pytest.mark.parametrize("package", ["skinfluence", "scikit-learn"])
def test_another_version_warns(package, monkeypatch):
    saved = resaved(monkeypatch, **{package.replace("-", "_"): "0.0.7"})
    with pytest.warns(VersionMismatchWarning) as caught:
        copied = pickle.loads(saved)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    now = persistence.installed_versions()
    words = str(caught[0].message)
    start = f"InfluenceExplainer was saved with {package} 0.0.7 and is loaded with {package} "
    assert words.startswith(f"{start}{now[package]}: its answers may differ, or fail. Fit it again")
    assert f"{package}==0.0.7" in words
    assert f"numpy=={now['numpy']} scipy=={now['scipy']})." in words
    assert caught[0].message.saved == {**now, package: "0.0.7"}
    assert caught[0].message.installed == now
    assert str(pickle.loads(pickle.dumps(caught[0].message))) == words
    assert issubclass(VersionMismatchWarning, UserWarning)
    explainer = explained(LogisticRegression(), X, Y)
    np.testing.assert_array_equal(copied.self_influence(), explainer.self_influence())


def test_both_versions_at_once(monkeypatch):
    saved = resaved(monkeypatch, skinfluence="9.8", scikit_learn="9.9")
    with pytest.warns(
        VersionMismatchWarning, match=r"skinfluence 9\.8 and scikit-learn 9\.9 and is"
    ):
        pickle.loads(saved)


def test_what_is_no_mismatch(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(resaved(monkeypatch, numpy="1.0", scipy="1.0"))
        copy.deepcopy(pickle.loads(resaved(monkeypatch)))


def test_installed_versions():
    found = persistence.installed_versions()
    assert found["skinfluence"] == skinfluence.__version__
    assert found["scikit-learn"] == sklearn.__version__
    assert found["numpy"] == np.__version__
    assert list(found) == ["skinfluence", "scikit-learn", "numpy", "scipy"]


def test_a_format_of_another_time_is_refused(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(persistence, "STATE_FORMAT", 2)
        saved = resaved(monkeypatch, skinfluence="9.9")
    words = (
        "got an explainer that skinfluence 9.9 saved, in format 2; skinfluence "
        rf"{skinfluence.__version__} reads format 1. Install that version \(pip install "
        r"skinfluence==9.9\), or fit the explainer again and save that."
    )
    with pytest.raises(ValueError, match=words):
        pickle.loads(saved)


def test_versions_are_checked_before_anything_else_is_loaded(monkeypatch):
    """Else what has moved since would be all that is heard of."""
    saved = resaved(monkeypatch, skinfluence="9.9")
    monkeypatch.delattr("skinfluence.objective.Objective")
    with (
        pytest.warns(VersionMismatchWarning, match=r"skinfluence 9\.9"),
        pytest.raises(AttributeError, match="Objective"),
    ):
        pickle.loads(saved)


def test_a_state_without_versions_is_refused():
    explainer = explained(LogisticRegression(), X, Y)
    state = explainer.__getstate__()
    assert next(iter(state)) == persistence.RECORD
    del state[persistence.RECORD]
    with pytest.raises(ValueError, match=r"without a record of the versions .* Fit the explainer"):
        InfluenceExplainer(LogisticRegression()).__setstate__(state)
