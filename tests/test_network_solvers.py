"""Solvers on a network's Hessian, and the step that training on takes whether a row goes or not."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from networks import (
    TASKS,
    Case,
    as_signals,
    bends,
    indicators,
    losses,
    moved,
    parameters,
    problem,
    quiet,
    read_bends,
    signals,
)
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from wording import raises

from skinfluence import CG, Cholesky, InfluenceExplainer, LiSSA, SingularHessianError, as_objective
from skinfluence.solvers import SolverContext

pytestmark = pytest.mark.filterwarnings("ignore::skinfluence.NotStationaryWarning")
N = 60
FEW = [Case("classes", "tanh", (4, 3)), Case("labels", "logistic"), Case("number", "relu", (4, 3))]


def explained(model, X, y, **options):
    return InfluenceExplainer(model, prefit=True, n_jobs=1, **options).fit(X, y)


def on_the_way(case, **options):
    found = problem(case)
    return explained(found.model, found.X, found.y, **options)


def close(got, want, tolerance):
    assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


def dense(explainer):
    """∇²J + damping as a matrix, and the Jacobian of each row, (n, p, K)."""
    matrix = explainer.solver_.operator.dense_blocks()[0]
    J = explainer.objective_.linear_map.jvp(np.eye(len(matrix)))
    return matrix, J.transpose(0, 2, 1)


# ------------------------------------------------------------------------------------- solvers
KINDS = {"exact": {"hessian": "exact", "damping": 0.6}, "gauss-newton": {"hessian": "gauss-newton"}}
SOLVERS = [
    CG(tol=1e-9, preconditioner="none", max_iter=4000),
    CG(tol=1e-9, preconditioner="jacobi", max_iter=4000),
    CG(tol=1e-9, preconditioner="sampled-hessian", sample_size=20),
    CG(tol=1e-9),
]


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", FEW, ids=str)
def test_conjugate_gradients_do_what_a_factor_does(case, kind, solver):
    want = on_the_way(case, solver=Cholesky(), **KINDS[kind])
    got = on_the_way(case, solver=solver, **KINDS[kind])
    assert (want.report_.solver, got.report_.solver) == ("cholesky", "cg")
    assert got.report_.hessian == kind
    assert got.report_.damping == want.report_.damping
    X, y = problem(case).X[:3], problem(case).y[:3]
    for question in ("upweight", "removal"):
        close(got.influence(X, y, kind=question), want.influence(X, y, kind=question), 1e-6)
        close(got.self_influence(kind=question), want.self_influence(kind=question), 1e-6)


@pytest.mark.parametrize("case", FEW, ids=str)
def test_a_factor_is_the_inverse(case):
    explainer = on_the_way(case, solver="cholesky")
    H, J = dense(explainer)
    linear_map, solver = explainer.objective_.linear_map, explainer.solver_
    sides = np.random.default_rng(0).standard_normal((len(H), 4))
    close(solver.solve(sides), np.linalg.solve(H, sides), 1e-9)
    leverage = np.einsum("ipk,pq,iqh->ikh", J, np.linalg.inv(H), J)
    close(solver.leverage(linear_map), leverage, 1e-9)
    r = explainer.objective_.residuals
    close(solver.self_products(linear_map, r), np.einsum("ik,ikh,ih->i", r, leverage, r), 1e-9)


@pytest.mark.parametrize("preconditioner", ["none", "jacobi", "sampled-hessian"])
def test_conjugate_gradients_meet_negative_curvature(preconditioner):
    found = problem(FEW[0])
    operator = found.objective.hessian()
    assert np.linalg.eigvalsh(operator.dense_blocks()[0])[0] < 0
    inverse = CG(preconditioner=preconditioner).factor(operator, SolverContext())
    sides = np.random.default_rng(0).standard_normal((len(found.theta), 3))
    words = ["CG met a direction of negative curvature.", "negative eigenvalues", "damping='auto'"]
    with raises(SingularHessianError, *words, "hessian='gauss-newton'"):
        inverse.solve(sides)


def test_a_factor_meets_negative_curvature():
    found = problem(FEW[0])
    inverse = Cholesky().factor(found.objective.hessian(), SolverContext())
    sides = np.random.default_rng(0).standard_normal((len(found.theta), 3))
    with raises(SingularHessianError, "The Hessian has negative eigenvalues", "damping='auto'"):
        inverse.solve(sides)


@pytest.mark.parametrize("options", [{}, {"hessian": "gauss-newton"}], ids=["exact", "gn"])
def test_lissa_comes_near_by_mini_batches(options):
    found, given = problem(FEW[1]), {"damping": 0.3, **options}
    lissa = LiSSA(repeats=2, batch_size=15, depth=300, tol=0.3)
    want, got, again = (
        on_the_way(FEW[1], solver=each, **given) for each in ("cholesky", lissa, lissa)
    )
    assert (got.report_.solver, got.report_.hessian) == ("lissa", want.report_.hessian)
    X, y = found.X[:3], found.y[:3]
    close(got.influence(X, y), want.influence(X, y), 0.1)
    assert np.array_equal(again.influence(X, y), got.influence(X, y))


def test_the_choice_above_4096_parameters():
    X, y = load_digits(return_X_y=True)
    X, y = X[:60] / 16.0, y[:60]
    model = quiet(MLPClassifier((60,), activation="tanh", max_iter=2, random_state=0), X, y)
    explainer = explained(model, X, y)
    report = explainer.report_
    assert report.p == 64 * 60 + 60 + 60 * 10 + 10
    assert report.solver == "cg"
    assert "a factor of 4,510 x 4,510 costs more" in report.reason
    assert report.damping > 0
    effects = explainer.influence(X[:1], y[:1], indices=[0, 1, 2])
    residual = explainer.objective_.residuals[[0, 1, 2]]
    gradients = explainer.objective_.linear_map.take([0, 1, 2]).columns(residual)
    solved = explainer.solver_.solve(gradients[:, [0]])
    rest = explainer.solver_.operator.matmat(solved) - gradients[:, [0]]
    assert np.linalg.norm(rest) <= 1e-6 * np.linalg.norm(gradients[:, 0])
    close(effects[0], -len(y) * gradients.T @ solved[:, 0], 1e-6)


# --------------------------------------------------------- the step that is taken with or without
OPTIONS = [{"damping": "auto"}, {"hessian": "gauss-newton", "damping": 0.05}]


def steps_with_and_without(case, explainer, row):
    """−(∇²J)⁻¹∇J, and the same where a row's Gauss–Newton part and gradient are left out."""
    found = problem(case)
    H, J = dense(explainer)
    z = signals(found.model, found.X)
    gradient, B = found.objective.gradient(), found.bends()[row]
    step = -np.linalg.solve(H, gradient)
    slopes = found.objective.residuals[row] if case.task != "number" else z[row] - found.y[row]
    own = J[row] @ slopes
    without = -np.linalg.solve(H - J[row] @ B @ J[row].T, gradient - own)
    return J, step, without


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("task", ["number", "numbers"])
def test_removal_is_the_difference_of_two_newton_steps(task, options):
    case = Case(task, "tanh", (4, 3))
    explainer, found = on_the_way(case, **options), problem(case)
    assert explainer.report_.relative_step > 0.3
    tests, rows = slice(0, 5), [0, 7, 29]
    got = explainer.influence(found.X[tests], found.y[tests], kind="removal", indices=rows)
    parameters = explainer.parameter_influence(kind="removal", indices=rows)
    z, y = signals(found.model, found.X), indicators(found.model, found.y)
    for place, row in enumerate(rows):
        J, step, without = steps_with_and_without(case, explainer, row)
        values = [z[tests] + np.einsum("ipk,p->ik", J[tests], each) for each in (step, without)]
        before, after = (losses(task, y[tests], each) for each in values)
        close(got[:, place], after - before, 1e-8)
        change = [
            each[place].ravel() for part in ("coefs", "intercepts") for each in parameters[part]
        ]
        close(np.concatenate(change), without - step, 1e-8)


@pytest.mark.parametrize("task", [task for task in TASKS if task != "numbers"])
def test_at_an_optimum_the_step_is_none(task):
    case = Case(task)
    X, y = case.data(n=N)
    model = case.estimator(solver="lbfgs", tol=1e-8, max_iter=3000, alpha=1.0).fit(X, y)
    explainer = explained(model, X, y)
    H, J = dense(explainer)
    values = J[0].T @ np.linalg.solve(H, explainer.objective_.gradient())
    assert np.abs(values).max() < 1e-3
    got = explainer.influence(X[:3], y[:3], kind="removal", indices=[0, 5])
    for place, row in enumerate([0, 5]):
        close(plain_change(explainer, row, X, y, slice(0, 3), task), got[:, place], 1e-2)


def test_removal_tracks_training_on_from_where_it_is():
    """And its constant term, which leaves out what training on does anyway, is better than none."""
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16) / 8.0 - 0.5
    settings = {"activation": "tanh", "alpha": 0.1, "random_state": 0, "learning_rate_init": 0.02}
    model = MLPClassifier((6,), max_iter=60, batch_size=50, **settings)
    quiet(model, X[:300], y[:300]).set_params(max_iter=300)
    explainer = explained(model, X[:300], y[:300], damping=0.1)
    assert explainer.report_.relative_step > 0.3
    tests = np.flatnonzero(model.predict(X[300:]) != y[300:])[:3] + 300
    found = explainer.verify(X[tests], y[tests], n_rows=15)
    without = np.column_stack(
        [plain_change(explainer, row, X, y, tests, "classes") for row in found.indices]
    )
    plain = np.corrcoef(without.ravel(), found.actual.ravel())[0, 1]
    told = f"with it {found.correlation:.4f}, slope {found.slope:.3f}; without it {plain:.4f}"
    assert found.correlation >= 0.98, told
    assert 0.8 <= found.slope <= 1.1, told
    assert found.correlation > plain, told


def plain_change(explainer, row, X, y, tests, task):
    """Of test losses by a row's removal, as if the network were at an optimum."""
    (H, J), model = dense(explainer), explainer.estimator_
    B = read_bends(explainer.objective_, bends(task, signals(model, X[[row]])))[0]
    own = J[row] @ explainer.objective_.residuals[row]
    step = np.linalg.solve(H - J[row] @ B @ J[row].T, own)
    z, codes = signals(model, X[tests]), indicators(model, y[tests])
    linear_map = explainer.objective_.predictor.linearize(X[tests])
    moved = z + as_signals(explainer.objective_, linear_map.jvp(step[:, None])[:, :, 0])
    return losses(task, codes, moved) - losses(task, codes, z)


# ------------------------------------------------------------------ what verify compares that with
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_verify_goes_on_by_gradient_descent_on_the_same_objective(solver):
    found, row, n_steps = problem(Case("number")), 3, 20
    model = deepcopy(found.model).set_params(momentum=0.0, batch_size=7, solver=solver)
    explainer = explained(model.set_params(max_iter=n_steps), found.X, found.y)
    tests = found.X[:2], found.y[:2]
    got = explainer.verify(*tests, strategy=[row]).actual[:, 0]
    strength = explainer.objective_.penalty.strength.max()
    squares = explainer.objective_.linear_map.squared_norms()
    rate = len(found.y) / (squares.sum() + strength)
    ends = []
    for kept in (np.arange(len(found.y)), np.delete(np.arange(len(found.y)), row)):
        on = deepcopy(model).set_params(solver="lbfgs", alpha=strength)
        for _ in range(n_steps):
            slope = as_objective(on, found.X[kept], found.y[kept]).gradient() / len(kept)
            on = moved(on, parameters(on) - rate * slope)
        ends.append(losses("number", tests[1][:, None], signals(on, tests[0])))
    close(got, ends[1] - ends[0], 1e-9)


@pytest.mark.skipif("counts" not in TASKS, reason="no Poisson loss in this scikit-learn")
def test_verify_goes_on_with_large_counts():
    X, y = Case("counts").data(n=N)
    y = np.round(20.0 * np.exp(0.5 * X[:, 0]))
    settings = {"max_iter": 200, "learning_rate_init": 0.02}
    explainer = explained(quiet(Case("counts").estimator(**settings), X, y), X, y)
    assert np.isfinite(explainer.verify(X[:2], y[:2], n_rows=2).actual).all()


def test_verify_says_nothing_of_tol_where_that_plays_no_part(recwarn):
    explainer, found = on_the_way(Case("classes")), problem(Case("classes"))
    explainer.verify(found.X[:2], found.y[:2], n_rows=2)
    assert not [each for each in recwarn if "tol=" in str(each.message)]
