"""Plain NumPy of somebody who knows the formulas: no checks, one model, one question each."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, softmax

from .items import Task


class BinaryLogistic:
    """Logistic regression of two classes, with a factorised Hessian."""

    def __init__(self, task: Task) -> None:
        self.task, model = task, task.model
        self.classes, self.n = model.classes_, len(task.y)
        self.A = self.with_ones(task.X)
        self.theta = model.coef_[0]
        pull = np.full(self.A.shape[1], 1.0 / model.C)
        if model.fit_intercept:
            self.theta, pull[-1] = np.append(self.theta, model.intercept_), 0.0
        self.z = self.A @ self.theta
        p = expit(self.z)
        self.residual, self.curvature = p - (task.y == self.classes[1]), p * (1.0 - p)
        H = (self.A * self.curvature[:, None]).T @ self.A
        H[np.diag_indices_from(H)] += pull
        self.factor = cho_factor(H, overwrite_a=True, check_finite=False)

    def with_ones(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([X, np.ones(len(X))]) if self.task.model.fit_intercept else X

    def test_residuals(self) -> tuple[np.ndarray, np.ndarray]:
        z = self.with_ones(self.task.X_test) @ self.theta
        return z, expit(z) - (self.task.y_test == self.classes[1])

    def solve(self, columns: np.ndarray) -> np.ndarray:
        return cho_solve(self.factor, columns, check_finite=False)

    def leverage(self) -> np.ndarray:
        return np.einsum("ij,ji->i", self.A, self.solve(self.A.T))

    def influence(self) -> np.ndarray:
        _, residuals = self.test_residuals()
        S = self.solve((self.with_ones(self.task.X_test) * residuals[:, None]).T)
        scores = S.T @ self.A.T
        scores *= -self.n * self.residual
        return scores

    def self_influence(self) -> np.ndarray:
        return -self.n * self.leverage() * self.residual**2

    def steps(self, leverage: np.ndarray) -> np.ndarray:
        """How far each row's removal moves along (∇²J)⁻¹ a_i."""
        return self.residual / (1.0 - self.curvature * leverage)

    def self_removal(self) -> np.ndarray:
        leverage = self.leverage()
        signs = np.where(self.task.y == self.classes[1], -1.0, 1.0)
        moved = self.z + leverage * self.steps(leverage)
        return np.logaddexp(0.0, signs * moved) - np.logaddexp(0.0, signs * self.z)

    def removal(self) -> np.ndarray:
        z, _ = self.test_residuals()
        signs = np.where(self.task.y_test == self.classes[1], -1.0, 1.0)[:, None]
        moves = self.with_ones(self.task.X_test) @ self.solve(self.A.T)
        moves *= self.steps(self.leverage())
        moves += z[:, None]
        return np.logaddexp(0.0, signs * moves) - np.logaddexp(0.0, signs * z[:, None])

    def parameter_removal(self) -> np.ndarray:
        solved = self.solve(self.A.T).T
        leverage = np.einsum("ij,ij->i", self.A, solved)
        return solved * self.steps(leverage)[:, None]

    def cooks_distance(self) -> np.ndarray:
        """Of a model without a penalty."""
        h = self.curvature * self.leverage()
        return self.residual**2 / self.curvature * h / (1.0 - h) ** 2 / h.sum()

    def perturbation_gradient(self) -> np.ndarray:
        """Without an intercept: Eq. 5 for all pairs of a test and a training row."""
        _, residuals = self.test_residuals()
        S = self.solve((self.task.X_test * residuals[:, None]).T).T
        along = (S @ self.A.T) * self.curvature
        gradient = along[:, :, None] * self.theta
        gradient += self.residual[:, None] * S[:, None, :]
        gradient *= -self.n
        return gradient


class Softmax:
    """Softmax regression without intercept, all K classes; rows dense or sparse."""

    def __init__(self, task: Task) -> None:
        self.task, self.X, self.n = task, task.X, len(task.y)
        self.W = task.model.coef_
        self.strength = 1.0 / task.model.C
        self.P = softmax(self.X @ self.W.T, axis=1)
        self.residuals = self.residual(self.P, task.y)

    @staticmethod
    def residual(P: np.ndarray, y: np.ndarray) -> np.ndarray:
        residuals = P.copy()
        residuals[np.arange(len(y)), y] -= 1.0
        return residuals

    def test_gradients(self) -> np.ndarray:
        X_test: Any = self.task.X_test
        residuals = self.residual(softmax(X_test @ self.W.T, axis=1), self.task.y_test)
        dense = X_test if isinstance(X_test, np.ndarray) else X_test.toarray()
        return np.einsum("td,tk->dkt", dense, residuals)

    def hvp(self, V: np.ndarray) -> np.ndarray:
        d, k, m = V.shape
        Z = (self.X @ V.reshape(d, k * m)).reshape(self.n, k, m)
        Z -= np.einsum("nk,nkm->nm", self.P, Z)[:, None, :]
        Z *= self.P[:, :, None]
        return (self.X.T @ Z.reshape(self.n, k * m)).reshape(V.shape) + self.strength * V

    def stacked_cg(self, B: np.ndarray, tol: float = 1e-8) -> np.ndarray:
        scale = np.linalg.norm(B.reshape(-1, B.shape[2]), axis=0)
        R = B / scale
        V, D = np.zeros_like(R), R.copy()
        rr, goal = np.vdot(R, R), (tol**2) * B.shape[2]
        while rr > goal:
            HD = self.hvp(D)
            step = rr / np.vdot(D, HD)
            V += step * D
            R -= step * HD
            rr, before = np.vdot(R, R), rr
            D = R + rr / before * D
        return V * scale

    def influence(self) -> np.ndarray:
        S = self.stacked_cg(self.test_gradients())
        d, k, m = S.shape
        Z = (self.X @ S.reshape(d, k * m)).reshape(self.n, k, m)
        return -self.n * np.einsum("nkm,nk->mn", Z, self.residuals)

    def factor(self) -> tuple[np.ndarray, bool]:
        d, k = self.X.shape[1], self.P.shape[1]
        H = np.empty((k, d, k, d))
        for i in range(k):
            for j in range(i, k):
                w = self.P[:, i] * ((i == j) - self.P[:, j])
                H[i, :, j, :] = (self.X * w[:, None]).T @ self.X
                H[j, :, i, :] = H[i, :, j, :]
        H = H.reshape(k * d, k * d)
        H[np.diag_indices_from(H)] += self.strength
        return cho_factor(H, overwrite_a=True, check_finite=False)

    def self_influence(self, block: int = 1000) -> np.ndarray:
        factor = self.factor()
        result = np.empty(self.n)
        for start in range(0, self.n, block):
            part = slice(start, start + block)
            G = np.einsum("nk,nd->kdn", self.residuals[part], self.X[part])
            G = G.reshape(-1, G.shape[2])
            result[part] = np.einsum("pn,pn->n", G, cho_solve(factor, G, check_finite=False))
        return -self.n * result
