"""Every solver × objectives of every kind, against dense linear algebra.

A new solver is one row of ``SOLVERS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from catalogue import by_name, named
from numpy.testing import assert_allclose
from rows import PLAIN, SETTINGS, make_data
from sklearn.linear_model import LogisticRegression

from skinfluence import CG, Cholesky, InfluenceExplainer, LiSSA
from skinfluence.operators import HessianOperator
from skinfluence.solvers import Auto, Solver, SolverContext

CONTEXT = SolverContext(random_state=0)


@dataclass(frozen=True)
class Row:
    """A solver and how closely it solves, relative to the largest entry."""

    name: str
    solver: Solver
    accuracy: float


SOLVERS = [
    Row("cholesky", Cholesky(), 1e-12),
    Row("auto", Auto(), 1e-12),
    Row("cg", CG(tol=1e-12), 1e-9),
    Row("cg, small sample", CG(tol=1e-12, sample_size=20), 1e-9),
    Row("cg, jacobi", CG(tol=1e-12, preconditioner="jacobi"), 1e-9),
    Row("cg, none", CG(tol=1e-12, preconditioner="none"), 1e-9),
    Row("lissa", LiSSA(repeats=5, depth=1000), 0.1),
]
CASES = named(
    "Ridge, 3 outputs",
    "Ridge, 3 alphas",
    "LogisticRegression, newton-cholesky",
    "LogisticRegression, newton-cholesky, 3 classes",
    "LogisticRegression, no intercept, 3 classes",
    "LinearSVC, 3 classes",
    "LinearSVC, hinge",
)
KINDS = [
    (case, setting)
    for case in CASES
    for setting in (PLAIN, SETTINGS[9])  # dense; balanced and weighted, on CSR
    if case.is_classifier or setting.class_weight is None
]
# A stochastic solver takes its time, the more so on small sparse batches.
PAIRS = [
    (case, setting, row)
    for case, setting in KINDS
    for row in SOLVERS
    if row.name != "lissa" or (case in CASES[1:4] and not setting.csr)
]


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.fixture(params=PAIRS, ids=lambda pair: ", ".join(part.name for part in pair))
def pair(request):
    case, setting, row = request.param
    return case.fit(setting), row


# ------------------------------------------------------------------------------------ answers
@pytest.mark.parametrize("damping", [0.0, 20.0])
def test_solve_is_the_dense_solution(pair, damping):
    fit, row = pair
    operator = fit.explainer.objective_.hessian().damped(damping)
    right = np.random.default_rng(0).standard_normal((operator.n_parameters, 4))
    right[:, 2] = 0.0
    inverse = row.solver.factor(operator, CONTEXT)
    solution = inverse.solve(right)
    expected = np.linalg.solve(operator.to_dense(), right)
    assert relative_error(solution, expected) <= row.accuracy
    assert not solution[:, 2].any()
    assert relative_error(inverse.estimate(right), expected) <= 0.5
    assert inverse.describe()


def test_leverage_and_self_products_are_the_dense_formulas(pair):
    fit, row = pair
    objective = fit.explainer.objective_
    rows = np.arange(0, objective.n_rows, 25)
    linear_map, residuals = objective.linear_map.take(rows), objective.residuals[rows]
    H = objective.hessian().to_dense()
    k = linear_map.n_outputs
    unit = [linear_map.columns(np.tile(seed, (len(rows), 1))) for seed in np.eye(k)]
    U = np.stack(unit, axis=2)  # (p, rows, K)
    expected = np.einsum("pik,pq,qil->ikl", U, np.linalg.inv(H), U)
    inverse = row.solver.factor(objective.hessian(), CONTEXT)
    leverage = inverse.leverage(linear_map)
    assert leverage.shape == (len(rows), k, k)
    assert relative_error(leverage, expected) <= row.accuracy
    products = inverse.self_products(linear_map, residuals)
    by_row = np.einsum("ik,ikl,il->i", residuals, expected, residuals)
    assert relative_error(products, by_row) <= max(row.accuracy, 1e-9)


@pytest.mark.parametrize("damping", [0.0, 0.05])
def test_damping_means_the_same_to_all(pair, damping):
    """``damping`` is added to the diagonal of H = ∇²J / n, so n·damping to that of ∇²J."""
    fit, row = pair
    data, setting = fit.data, fit.setting
    explainer = InfluenceExplainer(fit.model, prefit=True, solver=row.solver, damping=damping)
    explainer.fit(data.X, data.y, sample_weight=setting.weights(data))
    objective = explainer.objective_
    H = objective.hessian().to_dense() / objective.n_rows
    H += damping * np.eye(len(H))
    test_map = objective.predictor.linearize(data.X_test)
    y_test = objective.coding.encode(data.y_test, "y_test")
    values = objective.decision_values(test_map)
    test_gradients = test_map.columns(objective.loss.residual(y_test, values))
    gradients = objective.linear_map.columns(objective.residuals)
    expected = -test_gradients.T @ np.linalg.solve(H, gradients)
    got = explainer.influence(data.X_test, data.y_test)
    assert relative_error(got, expected) <= row.accuracy
    assert explainer.report_.damping == damping
    own = explainer.self_influence(indices=np.arange(20))
    expected = -np.einsum("pi,pi->i", gradients, np.linalg.solve(H, gradients))[:20]
    assert relative_error(own, expected) <= max(row.accuracy, 1e-9)


def test_removal_is_the_same_from_all(pair):
    fit, row = pair
    data, setting = fit.data, fit.setting
    rows = np.arange(0, 200, 20)
    options: dict[str, Any] = {"kind": "removal", "indices": rows}
    explainer = InfluenceExplainer(fit.model, prefit=True, solver=row.solver)
    explainer.fit(data.X, data.y, sample_weight=setting.weights(data))
    got = explainer.influence(data.X_test, data.y_test, **options)
    expected = fit.explainer.influence(data.X_test, data.y_test, **options)
    assert relative_error(got, expected) <= max(10 * row.accuracy, 1e-9)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("row", SOLVERS, ids=by_name)
def test_single_precision_rows(row, csr):
    """The large products are in float32, factorisations in float64."""
    case = named("LogisticRegression, newton-cholesky, 3 classes")[0]
    data, model = case.fit().data, case.fit().model
    data = data.as_csr() if csr else data
    solver = CG(preconditioner=row.solver.preconditioner) if "cg" in row.name else row.solver
    explainer = InfluenceExplainer(model, prefit=True, solver=solver)
    explainer.fit(data.X.astype(np.float32), data.y)
    X_test = data.X_test.astype(np.float32)
    for kind in ("upweight", "removal"):
        got = explainer.influence(X_test, data.y_test, kind=kind)
        assert got.dtype == np.float32
        expected = case.fit().explainer.influence(case.fit().data.X_test, data.y_test, kind=kind)
        assert relative_error(got, expected) <= max(row.accuracy, 1e-4)


# ------------------------------------------------------------------------------------- report
@pytest.mark.parametrize("case, setting", KINDS, ids=by_name)
def test_rank_and_condition_are_reported(case, setting):
    operator = case.fit(setting).explainer.objective_.hessian()
    inverse = Cholesky().factor(operator, CONTEXT)
    H = operator.to_dense()
    scale = 1 / np.sqrt(np.diag(H))
    true = np.linalg.cond(scale[:, None] * H * scale, 1)
    assert inverse.rank == operator.n_parameters
    # LAPACK's estimate is of the largest independent block, in the 1-norm, from below.
    assert 0.2 * true <= inverse.condition <= 1.01 * true


# ------------------------------------------------------------------------------- auto's choice
@dataclass
class Shape:
    """As much of an operator as the choice looks at."""

    block_size: int
    n_blocks: int = 1
    product: float = 1e9
    dense: float = 1e12
    implicit: bool = False
    has_dual: bool = False

    def product_operations(self) -> float:
        return self.product

    def dense_operations(self) -> float:
        return self.dense


@pytest.mark.parametrize(
    "shape, n_right_hand_sides, solver, reason",
    [
        (Shape(1), 1, Cholesky, "its largest block, 1 x 1, is small"),
        (Shape(4096, n_blocks=10), 10**6, Cholesky, "its largest block, 4,096 x 4,096, is small"),
        (Shape(4097), 1, CG, "a factor of 4,097 x 4,097 costs more than the products it saves"),
        (Shape(4097), 50, CG, "costs more than the products it saves"),
        (Shape(4097), 51, Cholesky, "for 51 right-hand sides a factor of 4,097 x 4,097 pays"),
        (Shape(11_000), 10**9, Cholesky, "for 1,000,000,000 right-hand sides"),
        (Shape(12_000), 10**9, CG, "12,000 x 12,000, would not fit into memory"),
        (Shape(5_000, n_blocks=10), 10**9, CG, "would not fit into memory"),
    ],
)
def test_choice_follows_its_table(shape, n_right_hand_sides, solver, reason):
    choice = Auto().choose(shape, n_right_hand_sides)
    assert isinstance(choice.solver, solver)
    assert reason in choice.reason


def test_choice_is_made_anew_until_there_is_a_factor(monkeypatch):
    monkeypatch.setattr("skinfluence.solvers.auto.SMALL", 0)
    monkeypatch.setattr("skinfluence.solvers.auto.TYPICAL_ITERATIONS", 1)
    data = make_data("three classes", 400)
    explainer = InfluenceExplainer(LogisticRegression(tol=1e-10)).fit(data.X, data.y)
    assert explainer.solver_.describe().startswith("chosen because a factor of 10 x 10 costs")
    one = explainer.influence(data.X_test[:1], data.y_test[:1])
    assert "tolerance" in explainer.solver_.describe()
    many = explainer.self_influence()
    assert "right-hand sides a factor of 10 x 10 pays" in explainer.solver_.describe()
    exact = InfluenceExplainer(explainer.estimator_, prefit=True, solver="cholesky")
    exact.fit(data.X, data.y)
    assert_allclose(many, exact.self_influence(), rtol=1e-10)
    expected = exact.influence(data.X_test[:1], data.y_test[:1])
    assert_allclose(one, expected, atol=1e-7 * np.abs(expected).max())
    again = explainer.influence(data.X_test[:1], data.y_test[:1])
    assert_allclose(again, expected, rtol=1e-9, atol=1e-14)
    assert "pays" in explainer.solver_.describe()


def test_largest_dense_blocks_are_counted_over_all_outputs():
    operator = named("Ridge, 3 alphas")[0].fit().explainer.objective_.hessian()
    assert isinstance(operator, HessianOperator)
    assert (operator.n_blocks, operator.block_size) == (3, 5)
