"""Plain NumPy for kernel machines, of somebody who knows the formulas."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky
from scipy.linalg.lapack import dtrtri
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC

from skinfluence.losses.sigmoid import SHARPENING

TEMPERATURE = 1e-3  # the explainer's default smoothing


def rbf(A: np.ndarray, B: np.ndarray, gamma: float) -> np.ndarray:
    K = A @ B.T
    K *= -2.0
    K += np.einsum("ij,ij->i", A, A)[:, None]
    K += np.einsum("ij,ij->i", B, B)
    K *= -gamma
    return np.exp(np.minimum(K, 0.0, out=K), out=K)


class Ridge:
    """Closed formulas: G = (K + alpha I)⁻¹, c = G y."""

    def __init__(self, model: KernelRidge, X: np.ndarray) -> None:
        self.model, self.X = model, X
        K = rbf(X, X, model.gamma)
        K[np.diag_indices_from(K)] += model.alpha
        self.factor = cholesky(K, lower=True, overwrite_a=True, check_finite=False), True

    def diagonal(self) -> np.ndarray:
        """Of G."""
        inverse, _ = dtrtri(self.factor[0], lower=1)
        return np.einsum("ij,ij->j", inverse, inverse)

    def self_influence(self) -> np.ndarray:
        alpha, c = self.model.alpha, self.model.dual_coef_
        return -len(c) * 0.5 * (1.0 - alpha * self.diagonal()) * (2.0 * alpha * c) ** 2

    def crossed(self, X_test):
        k = rbf(X_test, self.X, self.model.gamma)
        return k @ self.model.dual_coef_, cho_solve(self.factor, k.T, check_finite=False).T

    def influence(self, X_test, y_test) -> np.ndarray:
        alpha, c = self.model.alpha, self.model.dual_coef_
        values, kG = self.crossed(X_test)
        return -len(c) * (values - y_test)[:, None] * kG * (-2.0 * alpha * c)

    def removal(self, X_test, y_test) -> np.ndarray:
        values, kG = self.crossed(X_test)
        errors = (values - y_test)[:, None]
        moves = kG * (-self.model.dual_coef_ / self.diagonal())
        return (2.0 * errors + moves) * moves


class SmoothSVM:
    """Smooth hinge with a kernel: Newton's method over the rows with curvature.

    Rows beyond ``REACH`` of the margin have neither slope nor curvature, and are left out.
    """

    REACH = 1.2

    def __init__(self, model: SVC, X: np.ndarray, y: np.ndarray) -> None:
        self.gamma, self.strength, self.n = float(model.gamma), 1.0 / model.C, len(X)
        signs = np.where(y == model.classes_[1], 1.0, -1.0)
        coef = np.zeros(self.n)
        coef[model.support_] = model.dual_coef_[0]
        support = rbf(X[model.support_], X, self.gamma)
        values = coef[model.support_] @ support + model.intercept_[0]
        self.rows = np.flatnonzero(signs * values < self.REACH)
        self.X, self.s = X[self.rows], signs[self.rows]
        self.K = rbf(self.X, self.X, self.gamma)
        self.steps = 0
        # The hinge model itself is no start for a temperature near 0.
        self.at(TEMPERATURE, *self.newton(coef[self.rows], model.intercept_[0], TEMPERATURE))

    def at(self, t: float, coef: np.ndarray, b: float) -> None:
        """Prepare the formula over the support set."""
        self.t, self.coef, self.b = t, coef, b
        self.z = self.K @ coef + b
        self.r, D = self.derivatives(self.z, t)
        self.S = np.flatnonzero(1e-14 * D.max() < D)
        self.root = np.sqrt(D[self.S])
        self.factor, self.border, self.corner = self.system(self.S, self.root)

    def derivatives(self, z: np.ndarray, t: float):
        p = expit((1.0 - self.s * z) / t)
        return -self.s * p, p * (1.0 - p) / t

    def system(self, S, root):
        """Factor of λ I + D½ K D½, what it makes of the intercept's border, and their product."""
        M = self.K[np.ix_(S, S)] * root * root[:, None]
        M[np.diag_indices_from(M)] += self.strength
        factor = cho_factor(M, lower=True, overwrite_a=True, check_finite=False)
        border = cho_solve(factor, root, check_finite=False)
        return factor, border, root @ border

    def support_block(self) -> np.ndarray:
        """λ I + D½ K D½."""
        block = self.K[np.ix_(self.S, self.S)] * self.root * self.root[:, None]
        block[np.diag_indices_from(block)] += self.strength
        return block

    def newton(self, coef, b, t, without: int | None = None):
        """Coefficients and intercept of the optimum, from given ones."""
        weight = np.ones(len(coef))
        if without is not None:
            weight[without] = 0.0
        z = self.K @ coef + b
        for _ in range(200):
            r, D = self.derivatives(z, t)
            r, D = weight * r, weight * D
            gradient = r + self.strength * coef
            size = max(np.abs(gradient).max(), abs(r.sum()))
            if size < 1e-15 / t:
                break
            self.steps += 1
            # α = −r / λ outside the support set, and there from D (Kα + b − z) + r + λ α = 0.
            S = np.flatnonzero(1e-14 * D.max() < D)
            root = np.sqrt(D[S])
            new = -r / self.strength
            new[S] = 0.0
            factor, border, corner = self.system(S, root)
            right = root * (z[S] - self.K[S] @ new) - r[S] / root
            solved = cho_solve(factor, right, check_finite=False)
            new_b = (root @ solved + new.sum()) / corner
            new[S] = root * (solved - border * new_b)
            change = new - coef
            values = self.K @ change
            pull = self.strength * (z @ change - b * change.sum())
            bend = self.strength * (values @ change)
            values += new_b - b

            def slope(length, z=z, values=values, pull=pull, bend=bend):
                r = weight * self.derivatives(z + length * values, t)[0]
                return r @ values + pull + length * bend

            start, end = slope(0.0), slope(1.0)
            if not start < 0.0:
                break
            length = 1.0 if end <= -0.1 * start else brentq(slope, 0.0, 1.0, rtol=1e-2)
            coef, b = coef + length * change, b + length * (new_b - b)
            z = z + length * values
        return coef, b

    def influence(self, X_test, y_test):
        k = rbf(X_test, self.X, self.gamma)
        r_test = -y_test * expit((1.0 - y_test * (k @ self.coef + self.b)) / self.t)
        used = np.flatnonzero(np.abs(self.r) > 1e-18)
        rows = self.root[:, None] * self.K[np.ix_(self.S, used)]
        tests = (k[:, self.S] * self.root).T
        total = k[:, used] - cho_solve(self.factor, tests, check_finite=False).T @ rows
        total += np.outer(1.0 - self.border @ tests, (1.0 - self.border @ rows) / self.corner)
        result = np.zeros((len(X_test), self.n))
        scale = -self.n / self.strength
        result[:, self.rows[used]] = scale * r_test[:, None] * total * self.r[used]
        return result

    def self_influence(self):
        used = np.flatnonzero(np.abs(self.r) > 1e-18)
        rows = self.root[:, None] * self.K[np.ix_(self.S, used)]
        solved = cho_solve(self.factor, rows, check_finite=False)
        leverage = 1.0 - np.einsum("si,si->i", rows, solved)
        leverage += (1.0 - self.border @ rows) ** 2 / self.corner
        result = np.zeros(self.n)
        result[self.rows[used]] = -self.n / self.strength * self.r[used] ** 2 * leverage
        return result

    def sharpen(self) -> None:
        """Go to the temperature of the exact removals, in a few strides."""
        for t in TEMPERATURE * np.geomspace(1e-1, SHARPENING, 3):
            self.at(t, *self.newton(self.coef, self.b, t))

    def removal(self, X_test, y_test, support):
        self.sharpen()
        self.steps = 0
        k = rbf(X_test, self.X, self.gamma)
        result = np.empty((len(X_test), len(support)))

        def losses(coef, b):
            return self.t * np.logaddexp(0.0, (1.0 - y_test * (k @ coef + b)) / self.t)

        before = losses(self.coef, self.b)
        for column, row in enumerate(np.searchsorted(self.rows, support)):
            result[:, column] = losses(*self.newton(self.coef, self.b, self.t, row)) - before
        return result
