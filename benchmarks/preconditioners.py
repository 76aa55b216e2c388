"""How many CG iterations, and how much time, each preconditioner takes.

Five right-hand sides (test-row gradients) solved to 1e-8, building the preconditioner included.
Run ``python benchmarks/preconditioners.py`` with SKINFLUENCE_DATA naming the data folder.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from skinfluence import CG, as_objective
from skinfluence.convexity import convex_quadratic
from skinfluence.datasets import fetch_enron1, fetch_mnist, fetch_newsgroups20, load_spambase
from skinfluence.solvers import SolverContext

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples" / "paper"))

from figure2_right_network import converged, not_converged, tenth_of_mnist

LARGEST_DENSE = 12_000


def compare(name: str, model, X, y, damping=0.0) -> None:
    objective = as_objective(model.fit(X, y), X, y)
    operator = convex_quadratic(objective, "exact", damping, SolverContext()).operator
    rows = slice(0, 5)
    gradients = objective.linear_map.take(rows).columns(objective.residuals[rows])
    print(f"{name}: n = {operator.n_rows}, p = {operator.n_parameters}")
    settings = [CG(preconditioner="none"), CG(preconditioner="jacobi")]
    if operator.block_size <= LARGEST_DENSE:
        sizes = sorted({min(size, operator.n_rows) for size in (1000, 2000, 4000, 8000)})
        settings += [CG(preconditioner="sampled-hessian", sample_size=size) for size in sizes]
    for solver in [*settings, CG()]:
        start = time.perf_counter()
        inverse = solver.factor(operator, SolverContext())
        inverse.solve(gradients)
        seconds = time.perf_counter() - start
        chosen = "auto -> " if solver == CG() else ""
        print(
            f"  {chosen}{inverse.label}: {inverse.n_iter} iterations, {seconds:.2f} s", flush=True
        )


def main() -> None:
    spambase, enron, news, mnist = (
        load_spambase(),
        fetch_enron1(),
        fetch_newsgroups20(),
        fetch_mnist(),
    )
    logistic = LogisticRegression(tol=1e-5, max_iter=5000)
    compare("spambase, raw columns", logistic, spambase.data, spambase.target)
    compare("Enron1, word counts", logistic, enron.data, enron.target)
    two = (news.target == 0) | (news.target == 15)
    compare("20 Newsgroups, two classes, word counts", logistic, news.data[two], news.target[two])
    tfidf = TfidfTransformer(sublinear_tf=True).fit_transform(news.data)
    compare("20 Newsgroups, 20 classes, tf-idf", LogisticRegression(C=10), tfidf, news.target)
    X, y = mnist.data[:55_000], mnist.target[:55_000]
    model = LogisticRegression(C=1.0 / (0.01 * len(X)), fit_intercept=False, max_iter=1000)
    compare("MNIST, ten classes", model, X, y)
    # The networks of examples/paper/figure2_right_network.py, on a tenth of the rows.
    problem = tenth_of_mnist()
    halfway, X, y = not_converged(problem), problem.X, problem.y
    compare("network, not converged", halfway.set_params(warm_start=True, max_iter=1), X, y, "auto")
    compare("network, converged", converged(problem), X, y, 1e-3)


if __name__ == "__main__":
    main()
