"""Displays of what flipping labels does."""

import numpy as np
import pytest
from displaying import check_drawn, words
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.linear_model import LogisticRegression, Ridge

from skinfluence import InfluenceExplainer
from skinfluence.display import (
    LabelFlipMatrixDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def no_window():
    matplotlib.use("Agg")
    yield
    pyplot.close("all")


@pytest.mark.parametrize("kind", ["removal", "upweight"])
def test_flips_by_class(kind):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    model = LogisticRegression(max_iter=1000)
    explainer = InfluenceExplainer(model).fit(X, names[y])
    rows = np.arange(0, 150, 3)
    options = {"kind": kind, "indices": rows}
    tests = X[::10], names[y[::10]]
    display = LabelFlipMatrixDisplay.from_explainer(explainer, *tests, **options)
    flips = explainer.label_flip_influence(*tests, **options).mean(axis=0)
    for given in range(3):
        for other in range(3):
            expected = np.nan if given == other else flips[y[rows] == given, other].mean()
            np.testing.assert_allclose(display.effects[given, other], expected, rtol=1e-8)
    ax = check_drawn(display)
    power = int(np.floor(np.log10(np.nanmax(np.abs(display.effects)))))
    cells = {text.get_position()[::-1]: text.get_text() for text in ax.texts}
    assert len(cells) == 6
    for cell, text in cells.items():
        assert text == f"{display.effects[cell] / 10.0**power:+.2f}"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(names)
    assert ax.get_ylabel() == "given label"
    assert ax.get_xlabel() == "label that it is flipped to"
    assert "positive = the flip raises it" in words(ax)


def test_a_class_without_rows_has_no_flips():
    X, y = load_iris(return_X_y=True)
    explainer = InfluenceExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    display = LabelFlipMatrixDisplay.from_explainer(explainer, X, y, indices=np.arange(100))
    assert np.isnan(display.effects[2]).all()
    assert np.isfinite(display.effects[:2]).sum() == 4


def test_many_classes_are_not_all_named():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 30
    X = np.eye(30)[y] + 0.3 * rng.normal(size=(300, 30))
    labels = np.array([f"kind {label}" for label in y])
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, labels)
    options = {"kind": "upweight", "indices": np.arange(60)}
    display = LabelFlipMatrixDisplay.from_explainer(explainer, X[:5], **options)
    ax = check_drawn(display)
    assert not ax.texts
    assert len(ax.get_yticklabels()) == 15


def test_ten_classes_have_room_for_numbers_and_names():
    X, y = load_digits(return_X_y=True)
    explainer = InfluenceExplainer(LogisticRegression(C=0.01)).fit(X[:300], y[:300])
    display = LabelFlipMatrixDisplay.from_explainer(explainer, X[300:320], kind="upweight")
    assert len(check_drawn(display).texts) == 90


def test_regressors_have_no_flips():
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(TypeError, match="got a regressor, whose targets are no labels"):
        LabelFlipMatrixDisplay.from_estimator(Ridge(), X, y, X, y)
