"""Work items about the classical diagnostics, where statsmodels answers too."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from . import data
from .experts import BinaryLogistic
from .items import BLAS, NUMPY, OURS, Ask, Item, Task
from .linear_items import expert, hessian_and_leverage, ours

LOGISTIC = "logistic regression without a penalty, spambase, n = 4,601, d = 57"
LIMIT = "XᵀX, and X times a d × d matrix"
LOOP = "statsmodels fits again without each row."


def with_ones(X: np.ndarray) -> np.ndarray:
    return np.column_stack([X, np.ones(len(X))])


def parameters(explainer: Any, task: Task) -> np.ndarray:
    found = explainer.parameter_influence(kind="removal")
    return np.concatenate([found["coef"].reshape(len(task.y), -1), found["intercept"]], axis=1)


def dfbetas(explainer: Any, task: Task) -> np.ndarray:
    table = explainer.diagnostics(dfbetas=True)
    names = table.dtype.names if isinstance(table, np.ndarray) else table.columns
    return np.column_stack([table[name] for name in names if name.startswith("dfbetas_")])


def direct_dfbetas(task: Task) -> Ask:
    """Closed forms of least squares."""

    def ask() -> np.ndarray:
        A = with_ones(task.X)
        theta = np.append(task.model.coef_, task.model.intercept_)
        inverse = cho_solve(cho_factor(A.T @ A), np.eye(len(theta)))
        residual, solved = task.y - A @ theta, A @ inverse
        left = 1.0 - np.einsum("ij,ij->i", A, solved)
        freedom = len(A) - len(theta)
        deleted = (residual @ residual - residual**2 / left) / (freedom - 1)
        solved *= (residual / left / np.sqrt(deleted))[:, None]
        solved /= np.sqrt(inverse.diagonal())
        return solved

    return ask


def fitted_glm(task: Task) -> Any:
    import statsmodels.api as sm

    target = (task.y == task.model.classes_[1]).astype(float)
    return sm.GLM(target, with_ones(task.X), family=sm.families.Binomial()).fit(tol=1e-12)


def statsmodels_parameters(task: Task) -> Ask:
    """The change with the row, so the sign is opposite to that of leaving it out."""
    fitted = fitted_glm(task)
    return lambda: -np.asarray(fitted.get_influence(observed=True).d_params)


def statsmodels_cooks_distance(task: Task) -> Ask:
    fitted = fitted_glm(task)
    return lambda: fitted.get_influence(observed=True).cooks_distance[0]


def statsmodels_dfbetas(task: Task) -> Ask:
    import statsmodels.api as sm

    fitted = sm.OLS(task.y, with_ones(task.X)).fit()
    return lambda: np.asarray(fitted.get_influence().dfbetas)


ITEMS = [
    Item(
        "logistic-parameters",
        LOGISTIC,
        "change of the coefficients without each row, by one Newton step",
        data.spambase_plain_logistic,
        {
            OURS: ours(parameters),
            NUMPY: expert(BinaryLogistic.parameter_removal),
            BLAS: hessian_and_leverage,
            "statsmodels": statsmodels_parameters,
        },
        limit=LIMIT,
    ),
    Item(
        "logistic-diagnostics",
        LOGISTIC,
        "Cook's distance of all rows; ours is a whole table",
        data.spambase_plain_logistic,
        {
            OURS: ours(lambda e, t: np.asarray(e.diagnostics()["cooks_distance"])),
            NUMPY: expert(BinaryLogistic.cooks_distance),
            BLAS: hessian_and_leverage,
            "statsmodels": statsmodels_cooks_distance,
        },
        limit=LIMIT,
    ),
    Item(
        "least-squares-dfbetas",
        "least squares, spambase, n = 2,000, d = 57",
        "DFBETAS of all rows; ours is a whole table",
        data.spambase_least_squares,
        {
            OURS: ours(dfbetas),
            NUMPY: direct_dfbetas,
            BLAS: hessian_and_leverage,
            "statsmodels": statsmodels_dfbetas,
        },
        in_summary=True,
        limit=LIMIT,
        remark=LOOP,
    ),
]
