"""Shared by the tests of attacks: models, and what a cold fit says."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceExplainer
from skinfluence.datasets import load_mnist17


@cache
def digits(every: int = 15) -> tuple[Any, ...]:
    """A hundred images of 1 and 7: so few that single rows matter."""
    data = load_mnist17()
    return data.data[::every], data.target[::every], data.test_data, data.test_target


@cache
def digits_explainer() -> InfluenceExplainer:
    X, y, *_ = digits()
    return InfluenceExplainer(LogisticRegression(C=1.0, tol=1e-9, max_iter=1000)).fit(X, y)


@cache
def borderline() -> np.ndarray:
    """Test images by their distance to the boundary."""
    return np.argsort(np.abs(digits_explainer().decision_function(digits()[2])))


def values(model: Any, X: Any) -> np.ndarray:
    return model.decision_function(X) if hasattr(model, "decision_function") else model.predict(X)


def cold_fit(explainer: InfluenceExplainer, result: Any) -> tuple[Any, Any]:
    """The final model fitted on the attacked rows, its steps held; and the steps."""
    fitted = explainer.estimator_
    steps = fitted[:-1] if hasattr(fitted, "steps") else None
    X = result.X_attacked()
    X = X if steps is None else steps.transform(X)
    model = fitted if steps is None else fitted[-1]
    y = explainer._training_y
    weights = explainer._sample_weight
    options = {} if weights is None else {"sample_weight": weights}
    return clone(model).fit(X, y, **options), steps


def slope(explainer: InfluenceExplainer, row: int, *test: Any) -> np.ndarray:
    """How moving a training row raises the mean test loss, by the explainer's own gradient."""
    weights = explainer.objective_.weights.values
    gradient = explainer.perturbation_gradient(*test, indices=[row], reduce="mean")[0]
    return weights[row, 0] / len(weights) * gradient
