"""What conjugate gradients gain on many right-hand sides, on 20 Newsgroups (tf-idf, binary).

Side by side against one after the other (``scipy.sparse.linalg.cg``), stopping column by column,
starting from what was solved before, and preconditioners: none, the inverse diagonal, and beside
it a leading subspace (randomised, two power steps). Gradients of 64 test rows, solved to 1e-8.

Run ``python benchmarks/right_hand_sides.py`` with SKINFLUENCE_DATA naming the data folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from skinfluence import CG, as_objective
from skinfluence.datasets import fetch_newsgroups20
from skinfluence.solvers import SolverContext
from skinfluence.solvers.iterations import conjugate_gradients

Array = np.ndarray
N_RIGHT, TOLERANCE = 64, 1e-8


class Counted:
    """Products with the Hessian, and how many columns they had in all."""

    def __init__(self, operator: Any) -> None:
        self.operator, self.columns = operator, 0

    def __call__(self, directions: Array) -> Array:
        self.columns += directions.shape[1]
        return self.operator.matmat(directions)


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def one_by_one(operator: Any, right: Array, inverse_diagonal: Array) -> tuple[int, float]:
    """Products that scipy takes for all columns, and seconds."""
    count = Counted(operator)
    p = len(right)
    hessian = LinearOperator((p, p), matvec=lambda v: count(v.reshape(p, 1))[:, 0])
    jacobi = LinearOperator((p, p), matvec=lambda v: inverse_diagonal * v.reshape(p))
    _, taken = timed(lambda: [cg(hessian, b, rtol=TOLERANCE, M=jacobi) for b in right.T])
    return count.columns, taken


def leading(operator: Any, diagonal: Array, size: int) -> Callable[[Array], Array]:
    """Jacobi, and the exact inverse on the leading directions of what it leaves."""
    scale = 1.0 / np.sqrt(diagonal)[:, None]
    basis = np.random.default_rng(0).standard_normal((len(diagonal), size + 10))
    for _ in range(3):
        basis = scale * operator.matmat(scale * np.linalg.qr(basis)[0])
    basis = np.linalg.qr(basis)[0]
    values, vectors = np.linalg.eigh(basis.T @ (scale * operator.matmat(scale * basis)))
    basis, values = (basis @ vectors)[:, -size:], values[-size:]
    gains = (1.0 / values - 1.0 / values[0])[:, None]

    def precondition(residual: Array) -> Array:
        scaled = scale * residual
        return scale * (scaled / values[0] + basis @ (gains * (basis.T @ scaled)))

    return precondition


def preconditioners(operator: Any, right: Array) -> None:
    diagonal = operator.main_diagonal()

    def jacobi(residual: Array) -> Array:
        return residual / diagonal[:, None]

    tried: list[tuple[str, Callable[[], Callable[[Array], Array]]]] = [
        ("none", lambda: lambda residual: residual),
        ("jacobi", lambda: jacobi),
    ]
    for size in (20, 50, 200):
        tried.append((f"jacobi and {size} leading", lambda k=size: leading(operator, diagonal, k)))
    for name, build in tried:
        precondition, building = timed(build)
        count = Counted(operator)
        found, taken = timed(
            lambda c=count, m=precondition: conjugate_gradients(c, right, m, TOLERANCE, 3000)
        )
        share = count.columns / (found.n_iter * right.shape[1])
        print(
            f"  {name}: {found.n_iter} iterations, {taken:.2f} s, {building:.2f} s to build; "
            f"stopping column by column leaves {share:.2f} of the products",
            flush=True,
        )
    products, taken = one_by_one(operator, right, 1.0 / diagonal)
    print(f"  one after the other (scipy, jacobi): {products} products, {taken:.2f} s", flush=True)


def warm_starts(operator: Any, questions: dict[str, Array]) -> None:
    """Of questions to the same solver, one after the other."""
    inverse = CG(tol=TOLERANCE, preconditioner="jacobi").factor(operator, SolverContext())
    for name, right in questions.items():
        _, taken = timed(lambda b=right: inverse.solve(b))
        print(f"  {name}: {inverse.n_iter} iterations, {taken:.2f} s", flush=True)


def unit_gradients(objective: Any, n_rows: int) -> Array:
    """Of the first rows."""
    rows = slice(0, n_rows)
    gradients = objective.linear_map.take(rows).columns(objective.residuals[rows])
    return gradients / np.linalg.norm(gradients, axis=0)


def main() -> None:
    data = fetch_newsgroups20()
    tfidf = TfidfTransformer(sublinear_tf=True).fit(data.data)
    X, X_test = tfidf.transform(data.data), tfidf.transform(data.test_data)
    y, y_test = (data.target < 10).astype(int), (data.test_target < 10).astype(int)
    for C in (1.0, 10.0, 100.0):
        model = LogisticRegression(C=C, tol=1e-5, max_iter=5000).fit(X, y)
        operator = as_objective(model, X, y).hessian()
        gradients = unit_gradients(as_objective(model, X_test, y_test), 2 * N_RIGHT)
        first, second = gradients[:, :N_RIGHT], gradients[:, N_RIGHT : 2 * N_RIGHT]
        print(f"C = {C:g}: n = {operator.n_rows:,}, p = {operator.n_parameters:,}")
        preconditioners(operator, first)
        warm_starts(
            operator,
            {
                f"first {N_RIGHT} test rows": first,
                "the same again": first,
                f"{N_RIGHT} other test rows": second,
                "half of either": np.concatenate([first[:, ::2], second[:, ::2]], axis=1),
            },
        )


if __name__ == "__main__":
    main()
