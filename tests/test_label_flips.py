"""Giving training rows other labels, against estimators that are really refitted."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from catalogue import Fit, by_name, combinations, named
from machines import agreement
from numpy.testing import assert_allclose
from rows import PLAIN
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from wording import TARGETS, X, raises

from skinfluence import InfluenceExplainer
from skinfluence.answers import KINDS

ROWS = np.array([0, 7, 33, 150])
SMOOTH = named(
    "RidgeClassifier",
    "RidgeClassifier, 3 classes",
    "LogisticRegression, newton-cholesky",
    "LogisticRegression, newton-cholesky, 3 classes",
    "LogisticRegression, intercept_scaling",
    "LinearSVC",
    "LinearSVC, 3 classes",
)


def relabelled(data: Any, row: int, label: Any) -> Any:
    y = data.y.copy()
    y[row] = label
    return replace(data, y=y)


def actual_flips(fit: Fit) -> np.ndarray:
    """(n_test, rows, classes) by scikit-learn."""
    classes = fit.model.classes_
    before = fit.losses(fit.refit(fit.data))
    result = np.zeros((len(before), len(ROWS), len(classes)))
    for place, row in enumerate(ROWS):
        for code, label in enumerate(classes):
            if label != fit.data.y[row]:
                result[:, place, code] = fit.losses(fit.refit(relabelled(fit.data, row, label)))
                result[:, place, code] -= before
    return result


@pytest.mark.parametrize("case, setting", combinations(SMOOTH), ids=by_name)
def test_flips_by_refits(case, setting):
    fit = case.fit(setting)
    actual = actual_flips(fit)
    asked = (fit.data.X_test, fit.data.y_test)
    exact = fit.explainer.label_flip_influence(*asked, indices=ROWS, kind="refit")
    assert_allclose(exact, actual, rtol=0.0, atol=2e-5 * np.abs(actual).max())
    newton = fit.explainer.label_flip_influence(*asked, indices=ROWS)
    if case.is_squared:
        assert_allclose(newton, actual, rtol=0.0, atol=2e-5 * np.abs(actual).max())
        return
    changed = fit.data.y[ROWS][:, None] != fit.model.classes_
    correlation, slope = agreement(newton[:, changed], actual[:, changed])
    assert correlation >= (0.97 if case.curvature_jumps else 0.99)
    assert 0.88 <= slope <= 1.12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case, setting", combinations(SMOOTH[:5]), ids=by_name)
def test_flips_are_replacements_of_the_label(case, setting, kind):
    """All at once, or row by row through the other door."""
    fit = case.fit(setting)
    asked = (fit.data.X_test, fit.data.y_test)
    flips = fit.explainer.label_flip_influence(*asked, indices=ROWS, kind=kind)
    assert flips.shape == (len(fit.data.y_test), len(ROWS), len(fit.model.classes_))
    for code, label in enumerate(fit.model.classes_):
        single = fit.explainer.perturbation_influence(
            *asked, indices=ROWS, y_new=np.full(len(ROWS), label), kind=kind
        )
        assert_allclose(flips[:, :, code], single, rtol=0.0, atol=1e-8 * np.abs(flips).max())
        assert (flips[:, fit.data.y[ROWS] == label, code] == 0.0).all()


@pytest.mark.parametrize("kind", ["upweight", "removal"])
@pytest.mark.parametrize("case", SMOOTH[1:4], ids=by_name)
def test_all_rows_and_their_mean(case, kind):
    fit = case.fit(PLAIN)
    asked = (fit.data.X_test, fit.data.y_test)
    every = fit.explainer.label_flip_influence(*asked, kind=kind)
    assert every.shape == (len(fit.data.y_test), len(fit.data.y), len(fit.model.classes_))
    some = fit.explainer.label_flip_influence(*asked, kind=kind, indices=ROWS)
    assert_allclose(some, every[:, ROWS], rtol=1e-9, atol=1e-12)
    mean = fit.explainer.label_flip_influence(*asked, kind=kind, reduce="mean")
    assert_allclose(mean, every.mean(axis=0), rtol=1e-9, atol=1e-12)
    probability = fit.explainer.label_flip_influence(*asked, kind=kind, target="prediction")
    assert probability.shape == every.shape


def test_flips_find_a_wrong_label():
    """The flip that lowers the test loss most is the correction of a label that was made wrong."""
    fit = named("LogisticRegression, newton-cholesky, 3 classes")[0].fit(PLAIN)
    data = fit.data
    sure = np.flatnonzero(fit.model.predict_proba(data.X).max(axis=1) > 0.9)
    row = sure[fit.model.predict(data.X[sure]) == data.y[sure]][0]
    wrong = relabelled(data, row, (data.y[row] + 1) % 3)
    explainer = InfluenceExplainer(fit.model).fit(wrong.X, wrong.y)
    flips = explainer.label_flip_influence(data.X, data.y, reduce="mean")
    assert np.unravel_index(flips.argmin(), flips.shape) == (row, data.y[row])


@pytest.mark.parametrize("kind", ["upweight", "removal"])
def test_the_mean_over_many_test_rows_is_streamed(kind):
    """n_test x n x K is never held: 290 MB here."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6000, 5))
    y = (X @ rng.standard_normal((5, 3)) + rng.gumbel(size=(6000, 3))).argmax(axis=1)
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, y)
    tracemalloc.start()
    explainer.label_flip_influence(X[:2000], y[:2000], kind=kind, reduce="mean")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * 8 * 2000 * 6000 * 3


def test_single_precision_stays_single():
    fit = named("LogisticRegression, newton-cholesky, 3 classes")[0].fit(PLAIN)
    single = fit.data.X.astype(np.float32)
    explainer = InfluenceExplainer(fit.model, prefit=True).fit(single, fit.data.y)
    for kind in KINDS:
        options = {"indices": ROWS, "kind": kind}
        got = explainer.label_flip_influence(single[:5], fit.data.y[:5], **options)
        expected = fit.explainer.label_flip_influence(fit.data.X[:5], fit.data.y[:5], **options)
        assert got.dtype == np.float32
        assert_allclose(got, expected, rtol=0.0, atol=1e-3 * np.abs(expected).max())


def test_support_vector_machines():
    """One-vs-one, three classes: refits of the hinge model itself, label by label."""
    data = named("LogisticRegression, newton-cholesky, 3 classes")[0].fit(PLAIN).data
    model = SVC(C=0.3, gamma=0.3, tol=1e-10).fit(data.X, data.y)
    explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y)
    got = explainer.label_flip_influence(
        data.X_test, data.y_test, indices=ROWS[:2], target="prediction"
    )

    def prediction(model: Any) -> np.ndarray:
        """Sum of the decision values of a class's pairs, as the explainer has it."""
        pairs = SVC(**{**model.get_params(), "decision_function_shape": "ovo"})
        values = pairs.fit(*training).decision_function(data.X_test)
        signs = np.array([[1, 1, 0], [-1, 0, 1], [0, -1, -1]])
        return (values * signs[data.y_test]).sum(axis=1)

    training = (data.X, data.y)
    before = prediction(model)
    for place, row in enumerate(ROWS[:2]):
        for label in range(3):
            changed = relabelled(data, row, label)
            training = (changed.X, changed.y)
            actual = prediction(model) - before
            assert_allclose(got[:, place, label], actual, rtol=0.0, atol=1e-4)


def test_regressors_have_no_labels():
    explainer = InfluenceExplainer(named("Ridge")[0].estimator).fit(X, TARGETS)
    with raises(
        TypeError, "label_flip_influence got a regressor", "perturbation_influence", "y_new"
    ):
        explainer.label_flip_influence(X, TARGETS)
