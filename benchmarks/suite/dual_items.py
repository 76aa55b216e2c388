"""A work item with many times more columns than rows."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.linear_model import RidgeCV

from skinfluence import InfluenceExplainer

from . import data
from .items import BLAS, NUMPY, OURS, Ask, Item, Task
from .linear_items import ours


def squared_errors(explainer: InfluenceExplainer, task: Task) -> np.ndarray:
    return (explainer.loo_predict() - task.y) ** 2


def direct(task: Task) -> Ask:
    """PRESS from the n × n Gram matrix of centred rows."""

    def ask() -> np.ndarray:
        centred = task.X - task.X.mean(axis=0)
        K = centred @ centred.T
        n, alpha = len(K), task.model.alpha
        K[np.diag_indices_from(K)] += alpha
        inverse = cho_solve(cho_factor(K, overwrite_a=True), np.eye(n))
        left = alpha * inverse.diagonal() - 1.0 / n
        residual = alpha * (inverse @ (task.y - task.y.mean()))
        return (residual / left) ** 2

    return ask


def generalised_cross_validation(task: Task) -> Ask:
    """RidgeCV has the squared leave-one-out errors as a by-product."""
    search = RidgeCV(alphas=[task.model.alpha], store_cv_results=True)
    return lambda: search.fit(task.X, task.y).cv_results_[:, 0]


ITEMS = [
    Item(
        "wide-ridge",
        "ridge, dogfish pixels, n = 1,800, d = 12,288",
        "leave-one-out predictions of all rows",
        data.dogfish,
        {
            OURS: ours(squared_errors),
            NUMPY: direct,
            BLAS: lambda task: lambda: task.X @ task.X.T,
            "scikit-learn (RidgeCV)": generalised_cross_validation,
            "pyinfluence": "would form a d × d matrix and its singular values, for hours",
            "pyDVL": "would form a d × d matrix by automatic differentiation, for hours",
        },
        limit="XXᵀ",
    ),
]
