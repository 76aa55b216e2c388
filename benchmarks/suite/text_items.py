"""Work items about sparse text, where no Hessian is formed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

from skinfluence import CG, InfluenceExplainer

from . import data
from .experts import Softmax
from .items import BLAS, NUMPY, OURS, Ask, Item, Task
from .linear_items import FIRST_ORDER, ours
from .softmax_items import TWO_CLASSES, one_product

N_SIGNS = 800  # of NumPy's sketch: relative error √(2 / 800) = 5 %, at which ours stops too
NO_SPARSE = "takes no sparse rows, and would form a d × d matrix"
NEWS = "logistic regression, 20 Newsgroups, n = 18,846, d = 23,307, sparse"
COMPARED = 'by solver="sketch", compared on 200 rows'
EXACT = "CG, tol=1e-10, 200 rows alone"
SIGNS = "NumPy: 800 random signs, conjugate gradients by Jacobi's preconditioner to 1e-2."


class SignSketch:
    """Self-influence from random signs, for two classes without intercept: (∇²J) = AᵀA."""

    def __init__(self, task: Task) -> None:
        self.X, self.n, self.strength = task.X.tocsr(), len(task.y), 1.0 / task.model.C
        self.z, self.positive = self.X @ task.model.coef_[0], task.y == task.model.classes_[1]
        p = expit(self.z)
        self.residual = p - self.positive
        self.curvature = (p * (1.0 - p))[:, None]
        self.transposed = self.X.T.tocsr()

    def hvp(self, V: np.ndarray) -> np.ndarray:
        return self.transposed @ (self.curvature * (self.X @ V)) + self.strength * V

    def solve(self, B: np.ndarray, tol: float) -> np.ndarray:
        """Stacked conjugate gradients by Jacobi's preconditioner."""
        squares = self.transposed.multiply(self.transposed)
        inverse = 1.0 / (squares @ self.curvature + self.strength)
        V, R = np.zeros_like(B), B.copy()
        Z = inverse * R
        D, rz, goal = Z.copy(), np.einsum("pm,pm->m", R, Z), tol**2 * np.einsum("pm,pm->m", B, B)
        while (np.einsum("pm,pm->m", R, R) > goal).any():
            HD = self.hvp(D)
            step = rz / np.einsum("pm,pm->m", D, HD)
            V += step * D
            R -= step * HD
            Z = inverse * R
            rz, before = np.einsum("pm,pm->m", R, Z), rz
            D = Z + rz / before * D
        return V

    def leverage(self, q: int = N_SIGNS, tol: float = 1e-2) -> np.ndarray:
        """x_iᵀ (∇²J)⁻¹ x_i of all rows."""
        rng = np.random.default_rng(0)
        n, d = self.X.shape
        signs = rng.choice([-1.0, 1.0], size=(n + d, q)) / np.sqrt(q)
        right = self.transposed @ (np.sqrt(self.curvature) * signs[:n])
        right += np.sqrt(self.strength) * signs[n:]
        return ((self.X @ self.solve(right, tol)) ** 2).sum(axis=1)

    def self_influence(self) -> np.ndarray:
        return -self.n * self.leverage() * self.residual**2

    def self_removal(self) -> np.ndarray:
        leverage, signs = self.leverage(), np.where(self.positive, -1.0, 1.0)
        left = 1.0 - self.curvature[:, 0] * leverage
        moved = self.z + leverage * self.residual / left
        return np.logaddexp(0.0, signs * moved) - np.logaddexp(0.0, signs * self.z)


def by_sketch(kind: str) -> Callable[[Task], Ask]:
    """Of all rows; those to be compared are returned."""

    def contender(task: Task) -> Ask:
        def ask() -> np.ndarray:
            explainer = InfluenceExplainer(task.model, prefit=True, solver="sketch")
            return explainer.fit(task.X, task.y).self_influence(kind=kind)[task.rows]

        return ask

    return contender


def exactly(kind: str) -> Callable[[Task], Ask]:
    """Of the rows to be compared alone."""

    def contender(task: Task) -> Ask:
        def ask() -> np.ndarray:
            explainer = InfluenceExplainer(task.model, prefit=True, solver=CG(tol=1e-10))
            return explainer.fit(task.X, task.y).self_influence(kind=kind, indices=task.rows)

        return ask

    return contender


def products(task: Task) -> Ask:
    """One product of the Hessian with 800 directions."""
    X: Any = task.X
    directions, transposed = np.ones((X.shape[1], N_SIGNS)), X.T.tocsr()
    return lambda: transposed @ (X @ directions)


ITEMS = [
    Item(
        "text-influence",
        "softmax regression, 20 Newsgroups, n = 11,314, d = 23,307, K = 20, sparse",
        "influence of all rows on 10 test losses, p = 466,140",
        data.news_groups,
        {
            OURS: ours(lambda e, t: e.influence(t.X_test, t.y_test)),
            NUMPY: lambda task: lambda: Softmax(task).influence(),
            BLAS: one_product,
            "pyinfluence": TWO_CLASSES,
            "pyDVL": NO_SPARSE,
            "torch-influence": NO_SPARSE,
        },
        in_summary=True,
        limit="one product of the Hessian with 10 directions",
        repeats=3,
        remark="NumPy: stacked conjugate gradients without a preconditioner, scipy's sparse rows.",
    ),
    Item(
        "text-self",
        NEWS,
        f"self-influence of all rows {COMPARED}",
        data.news_computers,
        {
            OURS: by_sketch("upweight"),
            NUMPY: lambda task: lambda: SignSketch(task).self_influence()[task.rows],
            BLAS: products,
            EXACT: exactly("upweight"),
            "pyinfluence": NO_SPARSE,
            "pyDVL": NO_SPARSE,
        },
        limit="one product of the Hessian with 800 directions",
        reference=EXACT,
        repeats=2,
        in_summary=True,
        remark=SIGNS,
    ),
    Item(
        "text-removal",
        NEWS,
        f"removal of each row by one Newton step, its own loss, {COMPARED}",
        data.news_computers,
        {
            OURS: by_sketch("removal"),
            NUMPY: lambda task: lambda: SignSketch(task).self_removal()[task.rows],
            BLAS: products,
            EXACT: exactly("removal"),
            "pyinfluence": FIRST_ORDER,
            "pyDVL": FIRST_ORDER,
        },
        limit="one product of the Hessian with 800 directions",
        reference=EXACT,
        repeats=2,
        remark=SIGNS,
    ),
]
