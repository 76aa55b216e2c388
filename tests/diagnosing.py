"""Shared by the tests of regression diagnostics: small data, tables as dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.testing import assert_allclose
from rows import make_data
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from skinfluence import InfluenceExplainer

N = 40
COLUMNS = ["leverage", "cooks_distance", "dffits", "studentized_residual"]
REGRESSION, BINARY = make_data("regression", N), make_data("binary", N)
MULTI_OUTPUT, THREE_CLASSES = make_data("multi-output", N), make_data("three classes", N)
WEIGHTS = REGRESSION.sample_weight
logistic = partial(LogisticRegression, solver="newton-cholesky", tol=1e-14, max_iter=1000)


def table(model: Any, X: Any, y: Any, sample_weight: Any = None, **options: Any) -> dict:
    """Columns of ``diagnostics`` by name, with DFBETAS where there are any."""
    explainer = InfluenceExplainer(model, **options).fit(X, y, sample_weight)
    loss, k = explainer.objective_.loss, explainer.objective_.linear_map.n_outputs
    found = explainer.diagnostics(dfbetas=k == 1 and loss.dispersion is not None)
    names = found.dtype.names if isinstance(found, np.ndarray) else found.columns
    columns = {name: np.asarray(found[name]) for name in names}
    assert explainer.effective_dof() == columns["leverage"].sum()
    return columns


def assert_columns(got: dict, expected: dict, rtol: float, rows: Any = slice(None)) -> None:
    """Relative to the largest entry of each column."""
    assert set(expected) == set(got)
    for name, values in expected.items():
        scale = np.abs(values).max()
        assert_allclose(got[name][rows], values, rtol=0.0, atol=rtol * scale, err_msg=name)


def names(n_features: int, fit_intercept: bool) -> list[str]:
    features = [f"dfbetas_x{j}" for j in range(n_features)]
    return [*features, "dfbetas_intercept"] if fit_intercept else features


def with_constant(X: Any, constant: float = 1.0) -> np.ndarray:
    dense = X.toarray() if sparse.issparse(X) else X
    return np.hstack([dense, np.full((len(dense), 1), constant)])


@dataclass(frozen=True)
class Smoother:
    """A linear model that can be fitted to any responses: what the definitions speak of.

    ``fit`` makes parameters (q, m) of rows and their responses (rows, m).
    """

    inputs: np.ndarray
    response: np.ndarray
    weights: np.ndarray
    fit: Callable[[np.ndarray, np.ndarray], np.ndarray]
    estimated: bool

    def by_refits(self) -> list[np.ndarray]:
        """All columns by their definitions, leaving out row after row."""
        n, y, w = len(self.weights), self.response, self.weights
        every = np.arange(n)
        operator = self.operator(every)
        smoother = self.inputs @ operator
        parameters = self.fit(every, y[:, None])[:, 0]
        fitted, dof = self.inputs @ parameters, np.trace(smoother)
        variance = w @ (y - fitted) ** 2 / (n - dof) if self.estimated else 1.0
        fitted_sd = np.sqrt((smoother**2 / w).sum(axis=1))
        residual_sd = np.sqrt(((np.eye(n) - smoother) ** 2 / w).sum(axis=1))
        parameter_sd = np.sqrt((operator**2 / w).sum(axis=1))
        columns = []
        for i in range(n):
            keep = every != i
            without = self.fit(every[keep], y[keep, None])[:, 0]
            moved, deviation = self.inputs @ without, 1.0
            if self.estimated:
                left = y[keep] - moved[keep]
                without_dof = np.trace(self.inputs[keep] @ self.operator(every[keep]))
                deviation = np.sqrt(w[keep] @ left**2 / (n - 1 - without_dof))
            columns.append(
                [
                    smoother[i, i],
                    w @ (fitted - moved) ** 2 / (dof * variance),
                    (fitted - moved)[i] / (deviation * fitted_sd[i]),
                    (y - fitted)[i] / (deviation * residual_sd[i]),
                    *(parameters - without) / (deviation * parameter_sd),
                ]
            )
        return list(np.array(columns).T)

    def operator(self, rows: np.ndarray) -> np.ndarray:
        """From responses to parameters, (q, rows): fits to unit responses."""
        n = len(rows)
        return self.fit(rows, np.eye(n)) - self.fit(rows, np.zeros((n, 1)))


def ridge_smoother(
    X: Any, y: Any, weights: Any, alpha: float, fit_intercept: bool, *, estimated: bool
) -> Smoother:
    """By scikit-learn's own Ridge, also for its hat matrix: a fit to unit responses."""
    dense = X.toarray() if sparse.issparse(X) else X
    weights = np.ones(len(y)) if weights is None else weights

    def fit(rows: np.ndarray, responses: np.ndarray) -> np.ndarray:
        model = Ridge(alpha, fit_intercept=fit_intercept, solver="svd")
        model.fit(dense[rows], responses, sample_weight=weights[rows])
        coef = np.atleast_2d(model.coef_).T
        if not fit_intercept:
            return coef
        return np.vstack([coef, np.broadcast_to(model.intercept_, coef.shape[1])])

    inputs = with_constant(dense) if fit_intercept else dense
    return Smoother(inputs, y, weights, fit, estimated)
