"""Relative influence: what it is good for, rows that move nothing, solvers, caches and words."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.svm import LinearSVC
from wording import TARGETS, X, Y, raises

from skinfluence import InfluenceExplainer, relative

NORMS = ["theta", "loss"]
TIGHT = {"tol": 1e-12, "max_iter": 10_000}


# --------------------------------------------------------------------- rows that move nothing
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
def test_rows_without_any_effect_are_0(kind, norm):
    machine = LinearSVC(loss="hinge", C=1.0, tol=1e-8, max_iter=1_000_000)
    far = np.r_[X, [[40.0, 0.0, 0.0]]]
    explainer = InfluenceExplainer(machine).fit(far, np.r_[Y, 1])
    found = explainer.influence(X[:3], Y[:3], kind=kind, normalize=norm)
    assert (found[:, -1] == 0).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["removal", "refit"])
def test_rows_of_weight_0_are_0(kind, norm):
    weights = np.r_[np.zeros(3), np.ones(len(X) - 3)]
    explainer = InfluenceExplainer(Ridge()).fit(X, TARGETS, weights)
    found = explainer.influence(X[:4], TARGETS[:4], kind=kind, normalize=norm)
    assert (found[:, :3] == 0).all()
    assert (found[:, 3:] != 0).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["removal", "refit"])
def test_rows_that_leave_nothing_determined_stay_nan(kind, norm):
    alone = np.zeros((len(X), 1))
    alone[7] = 1.0
    explainer = InfluenceExplainer(LinearRegression()).fit(np.hstack([X, alone]), TARGETS)
    tests = np.hstack([X, alone])[:2]
    with pytest.warns(RuntimeWarning):
        found = explainer.influence(tests, TARGETS[:2], kind=kind, normalize=norm)
    assert np.isnan(found[:, 7]).all()
    assert np.isfinite(np.delete(found, 7, axis=1)).all()


# --------------------------------------------------------------------------- what it is good for
def with_an_outlier():
    """Two clouds, and a row far out on the wrong side."""
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], 60)
    rows = rng.standard_normal((120, 3)) + np.where(y[:, None] == 1, 1.0, -1.0)
    tests = rng.standard_normal((20, 3)) + np.repeat([[1.0], [-1.0]], 10, axis=0)
    return np.r_[rows, [[9.0, 6.0, 8.0]]], np.r_[y, 0], tests, np.repeat([1, 0], 10)


@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
@pytest.mark.parametrize("norm", NORMS)
def test_an_outlier_tops_every_plain_list_and_no_relative_one(kind, norm):
    rows, y, tests, y_test = with_an_outlier()
    outlier = len(y) - 1
    explainer = InfluenceExplainer(LogisticRegression(**TIGHT)).fit(rows, y)
    plain = explainer.explain(tests, y_test, k=3, kind=kind)
    relative_lists = explainer.explain(tests, y_test, k=3, kind=kind, normalize=norm)
    assert (plain.indices[:, 0] == outlier).all()
    tops = relative_lists.indices[:, 0]
    assert np.mean(tops == outlier) <= 0.1
    # Explanations differ from one test row to the next.
    assert len(np.unique(tops)) >= 5


# ------------------------------------------------------------------------------- the machinery
@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
@pytest.mark.parametrize("norm", NORMS)
def test_blocks_rows_and_means_change_nothing(kind, norm, monkeypatch):
    data = make_data("three classes", n=60)
    explainer = InfluenceExplainer(LogisticRegression(C=0.3, **TIGHT)).fit(data.X, data.y)
    asked = {"kind": kind, "normalize": norm}
    monkeypatch.setattr(relative, "COLUMN_BYTES", 1)
    some = explainer.influence(data.X_test, data.y_test, indices=[50, 3, 50], **asked)
    monkeypatch.undo()
    whole = explainer.influence(data.X_test, data.y_test, **asked)
    assert_allclose(some, whole[:, [50, 3, 50]], rtol=1e-6)
    mean = explainer.influence(data.X_test, data.y_test, reduce="mean", **asked)
    assert_allclose(mean, whole.mean(axis=0), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("kind", ["upweight", "removal"])
@pytest.mark.parametrize("norm", NORMS)
def test_solvers_agree(kind, norm):
    data = make_data("binary", n=30, d=50)
    found = [
        InfluenceExplainer(LogisticRegression(C=0.3, **TIGHT), solver=solver)
        .fit(data.X, data.y)
        .influence(data.X_test, data.y_test, kind=kind, normalize=norm)
        for solver in ("cholesky", "dual", "cg")
    ]
    for other in found[1:]:
        assert_allclose(other, found[0], atol=1e-5 * np.abs(found[0]).max())


def test_norms_are_measured_once_and_not_after_another_fit(monkeypatch):
    explainer = InfluenceExplainer(Ridge()).fit(X, TARGETS)
    measured = []
    measure = relative.MoveNorms._measure_upweighted
    monkeypatch.setattr(
        relative.MoveNorms,
        "_measure_upweighted",
        lambda self, rows: measured.extend(rows.tolist()) or measure(self, rows),
    )
    asked = {"kind": "upweight", "normalize": "theta"}
    explainer.influence(X[:2], TARGETS[:2], indices=[4, 5], **asked)
    explainer.influence(X[:2], TARGETS[:2], **asked)
    explainer.explain(X[:2], TARGETS[:2], **asked)
    assert sorted(measured) == list(range(len(X)))
    again = explainer.fit(X[::-1], 2 * TARGETS).influence(X[:2], TARGETS[:2], **asked)
    fresh = InfluenceExplainer(Ridge()).fit(X[::-1], 2 * TARGETS)
    assert_allclose(again, fresh.influence(X[:2], TARGETS[:2], **asked), rtol=1e-12)


# ------------------------------------------------------------------------------------- words
@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
@pytest.mark.parametrize("norm, per", [("theta", "‖Δθ‖"), ("loss", "(Δθᵀ ∇²J Δθ)^½")])
def test_an_explanation_says_that_it_is_relative(kind, norm, per):
    explainer = InfluenceExplainer(LogisticRegression(**TIGHT)).fit(X, Y)
    explanation = explainer.explain(X[:2], Y[:2], k=4, kind=kind, normalize=norm)
    assert explanation.normalize == norm
    assert explanation.unit == f"log-loss (nats) per unit of {per}"
    text = repr(explanation)
    assert f"log-loss (nats) per unit of {per}" in text
    assert "relative to how far that moves the model; " in text
    effects = explainer.influence(X[:2], Y[:2], kind=kind, normalize=norm)
    found = np.take_along_axis(effects, explanation.indices, axis=1)
    assert_allclose(explanation.effects, found, rtol=1e-6)
    sign = -1 if kind == "upweight" else 1
    assert (explanation.helpful_indices[:, 0] == (sign * effects).argmax(axis=1)).all()
    plain = explainer.explain(X[:2], Y[:2], k=4, kind=kind)
    assert plain.normalize is None
    assert "relative" not in repr(plain)


def test_unknown_norms():
    explainer = InfluenceExplainer(Ridge()).fit(X, TARGETS)
    for ask in (explainer.influence, explainer.explain):
        words = "got normalize='l2'; needed is one of [None, 'theta', 'loss']"
        with raises(ValueError, "InfluenceExplainer", words):
            ask(X[:1], TARGETS[:1], normalize="l2")


def test_many_iterative_solves_are_announced(monkeypatch):
    explainer = InfluenceExplainer(Ridge(), solver="cg").fit(X, TARGETS)
    monkeypatch.setattr(relative, "MANY_OPERATIONS", 0)
    words = r"(?s)normalize='theta' of 40 rows.*4 parameters.*hours.*indices=.*solver='cholesky'"
    with pytest.warns(UserWarning, match=words):
        explainer.influence(X[:1], TARGETS[:1], normalize="theta")
