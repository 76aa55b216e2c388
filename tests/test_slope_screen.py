"""Rows that need no check of all slopes: the screen leaves the answer as it is."""

import numpy as np
import pytest
from models_active import logistic
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import Lasso
from sklearn.preprocessing import scale

from skinfluence import InfluenceExplainer, active_set

LASSO = {"tol": 1e-12, "max_iter": 100_000}
MODELS = [
    (Lasso(0.03, **LASSO), load_diabetes),
    (Lasso(0.2, **LASSO), load_diabetes),
    (logistic(1.0, C=0.1, tol=1e-9), load_breast_cancer),
    (logistic(0.5, C=0.2, tol=1e-9), load_wine),
]


@pytest.mark.parametrize("model, load", MODELS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_screen_changes_nothing(model, load, weighted, monkeypatch):
    X, y = load(return_X_y=True)
    X = scale(X)
    weights = np.random.default_rng(0).uniform(0.2, 2.0, len(y)) if weighted else None
    explainer = InfluenceExplainer(model).fit(X, y, sample_weight=weights)
    assert active_set.SlopeScreen.pays(explainer.objective_, len(y))
    asked = []
    checked = active_set.leaves_support

    def counted(objective, reweighting, changes):
        asked.append(changes.shape[1])
        return checked(objective, reweighting, changes)

    monkeypatch.setattr(active_set, "leaves_support", counted)
    screened = explainer.support_changes()
    assert sum(asked) < len(y)
    monkeypatch.setattr(active_set.SlopeScreen, "pays", staticmethod(lambda *_: False))
    np.testing.assert_array_equal(explainer.support_changes(), screened)
    assert sum(asked) >= len(y)
