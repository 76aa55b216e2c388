"""Speed of kernel machines against plain expert NumPy and against the factorisation alone.

(a) KernelRidge(rbf), n = 2,000, d = 50: self-influence of all rows, and influence of all rows on
    100 test rows, to first order and by removal. The expert forms K once, factorises K + alpha I
    once and uses the closed formulas. The limit is the kernel's matrix product and one Cholesky of
    n x n. Both answers are compared; they must agree to 1e-8.
(b) SVC(rbf), MNIST 3 vs. 8, the first 5,000 rows (without SKINFLUENCE_DATA: synthetic rows): the
    same questions to first order, and the exact removal of all support vectors. The expert finds
    the same smooth optimum by Newton's method on the rows that have a part in it, with K among
    them formed once, and uses the formula over the support set; for the removals it does Newton's
    method anew for each row, from the optimum with all of them. The limit is the kernel of those
    rows and one Cholesky of the support block for each of these Newton steps. And the
    removals against refitting SVC without each support vector: the time of 20 random refits, scaled
    up to all of them, which is an extrapolation. Once as SVC is, which computes its kernel anew in
    each refit, and once on the kernel of all rows formed once, as somebody would who refits often.

Ratios of one run mean something, seconds don't. Times are of the processor, with one BLAS thread,
so that they don't depend on what else the machine does (with more threads they add up). "With fit"
has ``InfluenceExplainer.fit`` around the fitted model in our time, and the factorisation in the
expert's; "question" is what comes after.

Run ``python benchmarks/kernel_speed.py [a b]``; a quarter of an hour of one core, nearly all of it
exact removals in (b).
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from agreement import agreement
from scipy.linalg import cho_factor, cho_solve, cholesky
from scipy.linalg.lapack import dtrtri
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_mnist
from skinfluence.losses.sigmoid import SHARPENING

TEMPERATURE = 1e-3  # the explainer's default smoothing
CLOSE = 1e-8


def best(prepare, ask, repeats: int):
    """Smallest times of preparing and of asking, the smallest sum, and the last answer."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        prepared = prepare()
        middle = time.process_time()
        answer = ask(prepared)
        times.append((middle - start, time.process_time() - middle))
    first, second = np.array(times).T
    return (first + second).min(), second.min(), answer


def report(name: str, ours, expert, limit, repeats: int):
    """Ratios for a question; each side is (prepare, ask). Our time with fit, and our answer."""
    ours_all, ours_asked, a = best(*ours, repeats)
    expert_all, expert_asked, b = best(*expert, repeats)
    limit_all, _, _ = best(lambda: None, lambda _: limit(), repeats)
    error = np.abs(a - b).max() / np.abs(b).max()
    print(
        f"  {name}\n    with fit: {ours_all / expert_all:6.2f} x expert, "
        f"{ours_all / limit_all:6.2f} x limit;   question: {ours_asked / expert_asked:6.2f} x "
        f"expert, {ours_asked / limit_all:6.2f} x limit;   expert {expert_all / limit_all:.2f} x "
        f"limit\n    largest difference {error:.0e}{'' if error <= CLOSE else '  NOT THE SAME'}"
        f"   (ours {ours_all:.3f} s, {ours_asked:.3f} s; expert {expert_all:.3f} s, "
        f"{expert_asked:.3f} s; limit {limit_all:.3f} s)",
        flush=True,
    )
    return ours_all, a


def rbf(A: np.ndarray, B: np.ndarray, gamma: float) -> np.ndarray:
    K = A @ B.T
    K *= -2.0
    K += np.einsum("ij,ij->i", A, A)[:, None]
    K += np.einsum("ij,ij->i", B, B)
    K *= -gamma
    return np.exp(np.minimum(K, 0.0, out=K), out=K)


# --------------------------------------------------------------------------- (a) KernelRidge


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


def kernel_ridge(repeats: int) -> None:
    n, d = 2000, 50
    X, y = make_friedman1(n + 100, n_features=d, noise=1.0, random_state=0)
    X, y = (X - 0.5) * np.sqrt(12.0), (y - y.mean()) / y.std()
    X_test, y_test, X, y = X[n:], y[n:], X[:n], y[:n]
    model = KernelRidge(kernel="rbf", alpha=0.3, gamma=1.0 / d).fit(X, y)
    print(f"(a) KernelRidge(rbf), n = {n}, d = {d}")
    K = rbf(X, X, model.gamma) + model.alpha * np.eye(n)

    def limit():
        return X @ X.T, cholesky(K, lower=True, check_finite=False)

    def ours():
        return InfluenceExplainer(model, prefit=True).fit(X, y)

    def expert():
        return Ridge(model, X)

    questions = {
        "self-influence of all rows": (lambda e: e.self_influence(), lambda e: e.self_influence()),
        "influence on 100 test rows, upweight": (
            lambda e: e.influence(X_test, y_test),
            lambda e: e.influence(X_test, y_test),
        ),
        "influence on 100 test rows, removal": (
            lambda e: e.influence(X_test, y_test, kind="removal"),
            lambda e: e.removal(X_test, y_test),
        ),
    }
    for name, (ask_us, ask_expert) in questions.items():
        report(name, (ours, ask_us), (expert, ask_expert), limit, repeats)


# ------------------------------------------------------------------------------------ (b) SVC


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


def images():
    """MNIST 3 vs. 8, or synthetic rows: training rows, test rows and their labels."""
    if os.environ.get("SKINFLUENCE_DATA"):
        mnist = fetch_mnist()
        chosen, tested = np.isin(mnist.target, (3, 8)), np.isin(mnist.test_target, (3, 8))
        X, y = mnist.data[chosen][:5000], mnist.target[chosen][:5000]
        X_test, y_test = mnist.test_data[tested][:100], mnist.test_target[tested][:100]
        return "MNIST 3 vs. 8", X, y, X_test, y_test
    X, y = make_classification(5100, 50, n_informative=10, class_sep=1.5, random_state=0)
    return "synthetic rows", X[:5000], y[:5000], X[5000:], y[5000:]


def support_vectors(repeats: int, n_refits: int, n_left_out: int | None) -> None:
    name, X, y, X_test, y_test = images()
    gamma = 1.0 / (X.shape[1] * X.var())  # gamma="scale", but the same without a row
    model = SVC(kernel="rbf", gamma=gamma, tol=1e-6).fit(X, y)
    signs = np.where(y_test == model.classes_[1], 1.0, -1.0)
    latest = [SmoothSVM(model, X, y)]
    support = np.sort(model.support_)
    if n_left_out is not None:
        support = np.sort(np.random.default_rng(0).permutation(support)[:n_left_out])
    print(
        f"(b) SVC(rbf), {name}, n = {len(X)}, d = {X.shape[1]}, {len(model.support_)} support "
        f"vectors, {len(latest[-1].S)} rows with curvature at smoothing {TEMPERATURE:g}"
    )

    def limit(n_factors: int = 1):
        block, rows = latest[-1].support_block(), latest[-1].X
        kernel = rows @ rows.T
        return kernel, [cholesky(block, lower=True, check_finite=False) for _ in range(n_factors)]

    def ours():
        return InfluenceExplainer(model, prefit=True).fit(X, y)

    def expert():
        latest[:] = [SmoothSVM(model, X, y)]
        return latest[-1]

    report(
        "self-influence of all rows",
        (ours, lambda e: e.self_influence()),
        (expert, lambda e: e.self_influence()),
        limit,
        repeats,
    )
    report(
        "influence on 100 test rows, upweight",
        (ours, lambda e: e.influence(X_test, y_test)),
        (expert, lambda e: e.influence(X_test, signs)),
        limit,
        repeats,
    )
    spent, effects = report(
        f"exact removal of {len(support)} support vectors, effect on 100 test rows",
        (ours, lambda e: e.influence(X_test, y_test, kind="removal", indices=support)),
        (expert, lambda e: e.removal(X_test, signs, support)),
        lambda: limit(latest[-1].steps),
        1,
    )
    print(
        f"    the expert takes {latest[-1].steps / len(support):.1f} Newton steps for each, with "
        f"{len(latest[-1].S)} rows with curvature at the start"
    )

    def hinge(values):
        return np.maximum(0.0, 1.0 - signs * values)

    def refit(row: int, tol: float):
        kept = np.arange(len(X)) != row
        return hinge(
            clone(model).set_params(tol=tol).fit(X[kept], y[kept]).decision_function(X_test)
        )

    K, K_test = rbf(X, X, gamma), rbf(X_test, X, gamma)
    by_kernel = clone(model).set_params(kernel="precomputed")

    def refit_kernel(row: int, tol: float):
        # Rows of weight 0 upset SVC's support_ with a precomputed kernel; this is as good as 0.
        weights = np.where(np.arange(len(X)) != row, 1.0, 1e-10)
        return hinge(by_kernel.set_params(tol=tol).fit(K, y, weights).decision_function(K_test))

    rng = np.random.default_rng(1)
    columns = rng.choice(len(support), min(n_refits, len(support)), replace=False)
    before = hinge(model.decision_function(X_test))
    print(f"  {len(columns)} random support vectors really left out, time for all extrapolated")
    for words, again in (("", refit), ("on the kernel formed once, ", refit_kernel)):
        for tol in (model.tol, 1e-3):
            start = time.process_time()
            after = np.transpose([again(row, tol) for row in support[columns]])
            scaled = (time.process_time() - start) / len(columns) * len(support)
            actual, found = after - before[:, None], effects[:, columns]
            print(
                f"    SVC {words}tol={tol:g}: removal takes {spent / scaled:.2f} x as long; "
                f"{agreement(found, actual)}; largest error {np.abs(found - actual).max():.0e} of "
                f"{np.abs(actual).max():.0e}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("which", nargs="*", default=["a", "b"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--refits", type=int, default=20)
    parser.add_argument("--left-out", type=int, help="support vectors left out; default all")
    parser.add_argument("--blas-threads", type=int, default=1)
    options = parser.parse_args()
    with threadpool_limits(options.blas_threads, user_api="blas"):
        if "a" in options.which:
            kernel_ridge(options.repeats)
        if "b" in options.which:
            support_vectors(options.repeats, options.refits, options.left_out)


if __name__ == "__main__":
    main()
