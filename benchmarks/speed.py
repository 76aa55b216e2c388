"""Speed against plain expert NumPy and against the matrix products that can't be avoided.

One process, one run: every line gives the ratio of our time (``fit`` of the explainer around the
fitted model, with all its checks, and the question) to that of a direct NumPy version of the same
answer, and to the bare matrix products; and the extra peak memory in units of the input.

(a) binary logistic regression on hospital readmission, n = 20,000, d = 127, 100 test rows
(b) multinomial logistic regression on MNIST, n = 55,000, d = 784, K = 10, 30 test rows
(c) self-influence of all rows of (a), and of 10,000 rows of (b)

Run ``python benchmarks/speed.py [a b c]`` with SKINFLUENCE_DATA naming the data folder.
"""

from __future__ import annotations

import sys
import time
import tracemalloc

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_diabetes130, fetch_mnist

LAMBDA = 0.01


def seconds(function, repeats: int = 1):
    """Smallest time of a few runs, and the last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return min(times), result


def extra_peak(function, allowed: int) -> float:
    """Peak bytes allocated beyond the output, over ``allowed``."""
    tracemalloc.start()
    result = function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (peak - result.nbytes) / allowed


def report(name: str, ours, expert, limit, repeats: int, n_input_bytes: int) -> None:
    t_ours, a = seconds(ours, repeats)
    t_expert, b = seconds(expert, repeats)
    t_limit, _ = seconds(limit, repeats)
    error = np.abs(a - b).max() / np.abs(b).max()
    memory = extra_peak(ours, n_input_bytes)
    print(
        f"{name}: {t_ours / t_expert:.2f} x expert NumPy, {t_ours / t_limit:.2f} x the products "
        f"alone; extra memory {memory:.2f} x the input; largest difference {error:.0e}"
        f"   ({t_ours:.2f} s, {t_expert:.2f} s, {t_limit:.2f} s)",
        flush=True,
    )


# ------------------------------------------------------------------------------- (a) and (c)


def binary_hessian(model, X):
    p = expit(X @ model.coef_[0])
    H = (X * (p * (1 - p))[:, None]).T @ X
    H[np.diag_indices_from(H)] += 1.0 / model.C
    return p, cho_factor(H)


def binary_influence(model, X, y, X_test, y_test):
    p, factor = binary_hessian(model, X)
    residuals = p - y
    test_residuals = expit(X_test @ model.coef_[0]) - y_test
    S = cho_solve(factor, (X_test * test_residuals[:, None]).T)
    return -len(X) * (S.T @ X.T) * residuals


def binary_self_influence(model, X, y):
    p, factor = binary_hessian(model, X)
    return -len(X) * np.einsum("ij,ji->i", X, cho_solve(factor, X.T)) * (p - y) ** 2


def binary() -> None:
    data = fetch_diabetes130()
    scale = np.maximum(data.data.max(axis=0), 1)
    X, y = data.data / scale, data.target
    X_test, y_test = data.test_data[:100] / scale, data.test_target[:100]
    model = LogisticRegression(fit_intercept=False, tol=1e-8, max_iter=5000).fit(X, y)

    def explainer():
        return InfluenceExplainer(model, prefit=True).fit(X, y)

    S = np.ones((X.shape[1], 100))
    report(
        "(a) 100 test rows",
        lambda: explainer().influence(X_test, y_test),
        lambda: binary_influence(model, X, y, X_test, y_test),
        lambda: (X.T @ X, S.T @ X.T),
        7,
        X.nbytes,
    )
    report(
        "(c) all rows of (a)",
        lambda: explainer().self_influence(),
        lambda: binary_self_influence(model, X, y),
        lambda: (X.T @ X, X @ np.ones((X.shape[1], X.shape[1]))),
        7,
        X.nbytes,
    )


# ------------------------------------------------------------------------------- (b) and (c)


class Multinomial:
    """Direct NumPy influence for softmax regression without intercept, all K classes."""

    def __init__(self, model, X, y):
        self.X, self.n = X, len(X)
        self.W = model.coef_
        self.strength = 1.0 / model.C
        self.P = softmax(X @ self.W.T, axis=1)
        self.residuals = self.residual(self.P, y)

    @staticmethod
    def residual(P, y):
        residuals = P.copy()
        residuals[np.arange(len(y)), y] -= 1.0
        return residuals

    def test_gradients(self, X_test, y_test):
        residuals = self.residual(softmax(X_test @ self.W.T, axis=1), y_test)
        return np.einsum("td,tk->dkt", X_test, residuals)

    def hvp(self, V):
        d, k, m = V.shape
        Z = (self.X @ V.reshape(d, k * m)).reshape(self.n, k, m)
        Z -= np.einsum("nk,nkm->nm", self.P, Z)[:, None, :]
        Z *= self.P[:, :, None]
        return (self.X.T @ Z.reshape(self.n, k * m)).reshape(V.shape) + self.strength * V

    def stacked_cg(self, B, tol=1e-8):
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

    def scores(self, S):
        d, k, m = S.shape
        Z = (self.X @ S.reshape(d, k * m)).reshape(self.n, k, m)
        return -self.n * np.einsum("nkm,nk->mn", Z, self.residuals)

    def factor(self):
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

    def self_influence(self, rows):
        factor = self.factor()
        result = np.empty(len(rows))
        for start in range(0, len(rows), 1000):
            chosen = rows[start : start + 1000]
            G = np.einsum("nk,nd->kdn", self.residuals[chosen], self.X[chosen])
            G = G.reshape(-1, len(chosen))
            result[start : start + 1000] = np.einsum("pn,pn->n", G, cho_solve(factor, G))
        return -self.n * result


def multinomial(which: set[str]) -> None:
    mnist = fetch_mnist()
    X, y = mnist.data[:55_000], mnist.target[:55_000]
    n, d = X.shape
    model = LogisticRegression(
        C=1.0 / (n * LAMBDA), fit_intercept=False, tol=1e-7, max_iter=5000
    ).fit(X, y)
    wrong = np.flatnonzero(model.predict(mnist.test_data) != mnist.test_target)[:30]
    X_test, y_test = mnist.test_data[wrong], mnist.test_target[wrong]

    def explainer():
        return InfluenceExplainer(model, prefit=True).fit(X, y)

    def by_cg():
        expert = Multinomial(model, X, y)
        return expert.scores(expert.stacked_cg(expert.test_gradients(X_test, y_test)))

    def by_cholesky():
        expert = Multinomial(model, X, y)
        B = expert.test_gradients(X_test, y_test)
        stacked = B.transpose(1, 0, 2).reshape(-1, B.shape[2])
        S = cho_solve(expert.factor(), stacked).reshape(10, d, -1).transpose(1, 0, 2)
        return expert.scores(np.ascontiguousarray(S))

    directions = np.ones((d, 300))

    def one_product():
        return X.T @ (X @ directions)

    if "b" in which:
        ours = lambda: explainer().influence(X_test, y_test)  # noqa: E731
        report("(b) 30 test rows, expert by CG", ours, by_cg, one_product, 1, X.nbytes)
        report("(b) 30 test rows, expert by Cholesky", ours, by_cholesky, one_product, 1, X.nbytes)
    if "c" in which:
        rows = np.arange(10_000)

        def limit():
            blocks = [X.T @ X for _ in range(45)]
            return blocks[0]

        report(
            "(c) 10,000 rows of (b)",
            lambda: explainer().self_influence(indices=rows),
            lambda: Multinomial(model, X, y).self_influence(rows),
            limit,
            1,
            X.nbytes,
        )


def main() -> None:
    which = set(sys.argv[1:]) or {"a", "b", "c"}
    if which & {"a", "c"}:
        binary()
    if which & {"b", "c"}:
        multinomial(which)


if __name__ == "__main__":
    main()
