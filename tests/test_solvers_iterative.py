"""What iterative and stochastic solvers promise of their own, and what they say when they fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from catalogue import named
from rows import make_data
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import normalize

from skinfluence import CG, Cholesky, InfluenceExplainer, LiSSA, as_objective
from skinfluence.operators import HessianOperator
from skinfluence.solvers import SolverContext
from skinfluence.solvers.preconditioners import faster_diagonal
from skinfluence.solvers.spectrum import Spectrum, estimate_spectrum

CONTEXT = SolverContext(random_state=0)


@pytest.fixture(scope="module")
def objective():
    return named("LogisticRegression, newton-cholesky, 3 classes")[0].fit().explainer.objective_


@pytest.fixture(scope="module")
def operator(objective) -> HessianOperator:
    return objective.hessian()


@pytest.fixture(scope="module")
def right(operator) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((operator.n_parameters, 4))


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


# ------------------------------------------------------------------------ conjugate gradients
@pytest.mark.parametrize("tol", [1e-2, 1e-5, 1e-10])
@pytest.mark.parametrize("preconditioner", ["sampled-hessian", "jacobi", "none"])
def test_tolerance_is_the_relative_residual(operator, right, tol, preconditioner):
    solver = CG(tol=tol, preconditioner=preconditioner, sample_size=30)
    scales = np.array([1.0, 1e-9, 1e6, 1.0])
    solution = solver.factor(operator, CONTEXT).solve(right * scales)
    residual = np.linalg.norm(right * scales - operator @ solution, axis=0)
    relative = residual / np.linalg.norm(right * scales, axis=0)
    # the tolerance is on all right-hand sides together, each scaled to length 1
    assert np.sqrt((relative**2).mean()) <= 1.001 * tol


def word_counts(seed: int, n: int, d: int, words: int) -> sparse.csr_matrix:
    """By Zipf's law, rows of length 1."""
    rng = np.random.default_rng(seed)
    columns = np.minimum(rng.zipf(1.3, size=n * words) - 1, d - 1)
    ends = np.arange(0, n * words + 1, words)
    return normalize(sparse.csr_matrix((np.ones(n * words), columns, ends), shape=(n, d)))


@pytest.mark.parametrize("text", [True, False], ids=["text", "columns of other scales"])
def test_the_better_diagonal_preconditioner_is_found(text):
    """Of either sort there is data on which the other takes more iterations."""
    if text:
        X, C = word_counts(1, n=600, d=1500, words=40), 100.0
    else:
        X, C = make_data("binary", n=200, d=30).X * np.logspace(-2, 2, 30), 1.0
    rng = np.random.default_rng(1)
    y = 4.0 * X @ rng.standard_normal(X.shape[1]) + rng.logistic(size=X.shape[0]) > 0
    model = LogisticRegression(C=C, tol=1e-6, max_iter=5000).fit(X, y)
    objective = as_objective(model, X, y)
    operator, rows = objective.hessian(), slice(0, 5)
    right = objective.linear_map.take(rows).columns(objective.residuals[rows])
    iterations = {}
    for name in ("jacobi", "none"):
        inverse = CG(preconditioner=name).factor(operator, CONTEXT)
        inverse.solve(right)
        iterations[name] = inverse.n_iter
    better = "none" if text else "jacobi"
    assert min(iterations, key=lambda name: iterations[name]) == better
    for seed in range(3):
        assert faster_diagonal(operator, SolverContext(random_state=seed)) == better


@pytest.mark.parametrize("preconditioner", ["jacobi", "none"])
@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_self_products_have_twice_the_digits(objective, operator, tol, preconditioner):
    """Also where columns are stacked, which spoils the error of each column's own gᵀv."""
    inverse = CG(tol=tol, preconditioner=preconditioner).factor(operator, CONTEXT)
    products = inverse.self_products(objective.linear_map, objective.residuals)
    exact = Cholesky().factor(operator, CONTEXT)
    expected = exact.self_products(objective.linear_map, objective.residuals)
    assert relative_error(products, expected) <= tol


@pytest.mark.parametrize("preconditioner", ["jacobi", "none"])
def test_cg_says_that_it_did_not_converge(operator, right, preconditioner):
    inverse = CG(max_iter=2, preconditioner=preconditioner).factor(operator, CONTEXT)
    with pytest.warns(ConvergenceWarning) as caught:
        solution = inverse.solve(right)
    residual = np.linalg.norm(right - operator @ solution, axis=0) / np.linalg.norm(right, axis=0)
    message = str(caught[0].message)
    assert "CG stopped after 2 iterations" in message
    assert f"the largest relative residual is {residual.max():.1e}, asked was 1.0e-08" in message
    assert "Raise max_iter or tol (solver=CG(max_iter=..., tol=...))" in message
    assert "use solver='cholesky'" in message
    assert "check that it is not singular (add a penalty or damping)" in message


def test_a_better_preconditioner_takes_fewer_iterations():
    case = named("LinearSVC, 3 classes")[0]
    data = make_data(case.data, 400)
    scale = np.array([1.0, 30.0, 1.0, 0.03])
    explainer = InfluenceExplainer(case.estimator).fit(data.X * scale, data.y)
    operator = explainer.objective_.hessian()
    right = np.random.default_rng(0).standard_normal((operator.n_parameters, 5))
    taken = {}
    for name in ("sampled-hessian", "jacobi", "none"):
        inverse = CG(preconditioner=name).factor(operator, CONTEXT)
        inverse.solve(right)
        taken[name] = inverse.n_iter
    assert taken["sampled-hessian"] < taken["jacobi"] < taken["none"]


def test_columns_that_a_sample_misses_do_not_stop_cg():
    """The sampled Hessian is singular there; the whole is not."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    X[:, 3] = 0.0
    X[[7, 100], 3] = 1.0, 2.0
    y = X @ np.arange(4.0) + rng.standard_normal(300)
    for solver in (CG(sample_size=20), CG(sample_size=2)):
        explainer = InfluenceExplainer(LinearRegression(), solver=solver).fit(X, y)
        exact = InfluenceExplainer(LinearRegression(), solver="cholesky").fit(X, y)
        got = explainer.influence(X[:10], y[:10] + 1.0)
        assert relative_error(got, exact.influence(X[:10], y[:10] + 1.0)) <= 1e-6


# --------------------------------------------------------------------------------------- LiSSA
def test_lissa_averages_its_noise_away(operator, right):
    expected = np.linalg.solve(operator.to_dense(), right)
    errors = []
    for repeats in (1, 16):
        inverse = LiSSA(repeats=repeats, depth=500, batch_size=10, tol=1.0).factor(
            operator, CONTEXT
        )
        errors.append(np.linalg.norm(inverse.solve(right) - expected))
    assert errors[1] < 0.5 * errors[0]


def test_lissa_takes_the_solution_itself_as_the_fixed_point(operator, right):
    """With the whole data in every step there is no noise: damping is inside the division."""
    damped = operator.damped(50.0)
    n = operator.n_rows
    expected = np.linalg.solve(damped.to_dense(), right)
    largest = np.linalg.eigvalsh(damped.to_dense())[-1] / n
    inverse = LiSSA(repeats=4, depth=150, batch_size=20 * n, scale=largest).factor(damped, CONTEXT)
    assert relative_error(inverse.solve(right), expected) <= 5e-3


@pytest.mark.parametrize("csr", [False, True])
def test_lissa_does_not_depend_on_jobs(csr):
    data = make_data("three classes")
    data = data.as_csr() if csr else data
    model = LogisticRegression(tol=1e-8).fit(data.X, data.y)
    scores = []
    for n_jobs in (None, 1, 2, 3):
        explainer = InfluenceExplainer(
            model, prefit=True, solver=LiSSA(repeats=5, depth=100), damping=0.1, n_jobs=n_jobs
        ).fit(data.X, data.y)
        scores.append(explainer.influence(data.X_test, data.y_test))
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0], rtol=1e-12)


def test_lissa_follows_random_state(operator, right):
    solver = LiSSA(repeats=2, depth=100, batch_size=5, tol=1.0)
    first = solver.factor(operator, SolverContext(random_state=1)).solve(right)
    again = solver.factor(operator, SolverContext(random_state=1)).solve(right)
    other = solver.factor(operator, SolverContext(random_state=2)).solve(right)
    np.testing.assert_array_equal(first, again)
    assert relative_error(first, other) > 1e-4


@pytest.mark.parametrize("scale", [1e-3, 1e-9])
def test_lissa_does_not_repair_a_scale_that_was_chosen(operator, right, scale):
    inverse = LiSSA(scale=scale, batch_size=5, depth=400).factor(operator, CONTEXT)
    with pytest.raises(np.linalg.LinAlgError) as error:
        inverse.solve(right)
    message = str(error.value)
    assert f"LiSSA diverged with scale={scale:g} and batch_size=5" in message
    least = float(message.split("needs a scale of at least ")[1].split(". Leave")[0])
    largest = np.linalg.eigvalsh(operator.to_dense())[-1] / operator.n_rows
    assert 0.5 * largest < least < 5 * largest
    assert "Leave scale out to have it chosen, or raise scale or batch_size" in message
    repaired = LiSSA(scale=2 * least, batch_size=5, depth=400).factor(operator, CONTEXT)
    assert np.isfinite(repaired.solve(right)).all()


def test_lissa_doubles_a_scale_of_its_own(operator, right, monkeypatch):
    def too_small(operator: HessianOperator, context: SolverContext) -> Spectrum:
        true = estimate_spectrum(operator, context)
        return replace(true, largest=true.largest / 30, row_bound=true.row_bound / 30)

    monkeypatch.setattr("skinfluence.solvers.lissa.estimate_spectrum", too_small)
    operator = operator.damped(20.0)
    inverse = LiSSA(repeats=4, depth=600).factor(operator, CONTEXT)
    chosen = inverse.settings.scale
    solution = inverse.solve(right)
    factor = inverse.settings.scale / chosen
    assert factor >= 8
    assert np.log2(factor) == int(np.log2(factor))
    assert relative_error(solution, np.linalg.solve(operator.to_dense(), right)) <= 0.1


def test_lissa_says_that_its_residual_is_large(operator, right):
    inverse = LiSSA(repeats=1, depth=5, batch_size=1).factor(operator, CONTEXT)
    with pytest.warns(ConvergenceWarning) as caught:
        inverse.solve(right)
    message = str(caught[0].message)
    assert "LiSSA's relative residual is" in message
    assert "above tol=0.1, with repeats=1, depth=5, batch_size=1" in message
    assert "Raise batch_size or repeats (noise) or depth (bias), or use solver='cg'" in message


def test_spectrum_holds_the_largest_eigenvalue(operator):
    spectrum = estimate_spectrum(operator, CONTEXT)
    true = np.linalg.eigvalsh(operator.to_dense())
    assert spectrum.largest == pytest.approx(true[-1], rel=0.02)
    assert spectrum.smallest <= true[0] * (1 + 1e-12)
    assert spectrum.row_bound >= spectrum.largest
    damped = estimate_spectrum(operator.damped(7.0), CONTEXT)
    assert damped.smallest == pytest.approx(spectrum.smallest + 7.0)
