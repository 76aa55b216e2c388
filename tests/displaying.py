"""Rows, explainers and checks that the tests of displays share."""

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceExplainer
from skinfluence.datasets import load_mnist17

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")


@cache
def cancer():
    """Standardised features, labels of which every tenth is wrong, and the right ones."""
    X, y = load_breast_cancer(return_X_y=True)
    given = y.copy()
    given[::10] = 1 - given[::10]
    return StandardScaler().fit_transform(X), given, y


@cache
def explainer_of_cancer():
    return InfluenceExplainer(LogisticRegression()).fit(*cancer()[:2])


@cache
def many():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 5))
    right = (X[:, 0] + rng.logistic(size=10_000) > 0).astype(int)
    given = right.copy()
    given[:700] = 1 - given[:700]
    return X, given, right


@cache
def explainer_of_many():
    return InfluenceExplainer(LogisticRegression()).fit(*many()[:2])


@cache
def digits():
    return load_mnist17()


@cache
def explainer_of_digits():
    return InfluenceExplainer(LogisticRegression(C=0.01)).fit(digits().data, digits().target)


def check_drawn(display, **options):
    """It draws itself with and without axes, and its words can be read."""
    from test_display import check_readable

    assert display.ax_ is display.figure_ is None
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14.0, 6.0))
    assert display.plot(ax=right, **options) is display
    assert (display.ax_, display.figure_) == (right, figure)
    assert not left.has_data()
    assert display.plot(**options) is display
    assert display.ax_ is not right
    check_readable(display.figure_)
    return display.ax_


def words(ax):
    return " ".join(text.get_text() for text in ax.figure.findobj(matplotlib.text.Text))
