"""Generalised linear models: every family, power and link of scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from models import Model
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor

TIGHT = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
# Where rows bend the wrong way scikit-learn's Newton solver gives up, or is slow.
BENT = {"solver": "lbfgs", "tol": 1e-12, "max_iter": 10_000}


def half_deviance(power: float) -> Callable[[Any, Any, np.ndarray], np.ndarray]:
    """Jørgensen's formulas, which ``test_glm`` compares with scikit-learn's metric."""

    def loss(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
        mean = model.predict(X)
        if power == 0:
            return 0.5 * (y - mean) ** 2
        if power == 1:
            return np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / mean), 0.0) - y + mean
        if power == 2:
            return np.log(mean) - np.log(y) + y / mean - 1.0
        own = y ** (2 - power) / (1 - power) / (2 - power)
        return own - y * mean ** (1 - power) / (1 - power) + mean ** (2 - power) / (2 - power)

    return loss


def tweedie(power: float, link: str, data: str, **options: Any) -> Model:
    """One of scikit-learn's; the penalty keeps predictions by the identity link above 0."""
    identity = link == "identity" or (link == "auto" and power <= 0)
    settings = {"alpha": 1.0 if identity else 0.1, **TIGHT, **options.pop("settings", {})}
    estimator = TweedieRegressor(power=power, link=link, **settings)
    name = f"TweedieRegressor, power {power:g}, {link}"
    return Model(name, estimator, data, half_deviance(power), **MANY, **options)


# As in practice: more rows, so that one of them is no large part of what determines a parameter.
MANY = {"n": 400}
poisson, gamma = partial(PoissonRegressor, **TIGHT), partial(GammaRegressor, **TIGHT)
MODELS = [
    Model(name, estimator, data, half_deviance(power), **MANY)
    for name, estimator, data, power in [
        ("PoissonRegressor", poisson(alpha=0.1), "counts", 1.0),
        ("PoissonRegressor, no penalty", poisson(alpha=0.0), "counts", 1.0),
        ("PoissonRegressor, no intercept", poisson(fit_intercept=False), "counts", 1.0),
        ("GammaRegressor", gamma(alpha=0.1), "positive", 2.0),
        ("GammaRegressor, no penalty", gamma(alpha=0.0), "positive", 2.0),
    ]
]
MODELS += [
    tweedie(0.0, "auto", "regression"),
    tweedie(0.0, "log", "positive", follows=0.999),
    tweedie(0.5, "log", "counts"),
    tweedie(1.0, "auto", "counts"),
    tweedie(1.0, "identity", "positive"),
    tweedie(1.5, "auto", "counts"),
    tweedie(1.5, "identity", "positive"),
    tweedie(2.0, "log", "positive"),
    tweedie(2.0, "identity", "positive"),
    tweedie(3.0, "auto", "positive"),
    tweedie(3.0, "identity", "positive", settings=BENT, exact=1e-5),
    tweedie(-1.0, "auto", "positive"),
    tweedie(-1.0, "log", "positive", follows=0.98, slope=0.2),
]
