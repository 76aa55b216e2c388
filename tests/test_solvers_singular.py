"""Collinear columns without a penalty: ∇²J is singular, and what has an answer gets the exact one.

The same model without the redundant column has the same decision values, and a Hessian that is
not singular: everything but the parameters themselves must agree with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rows import make_data
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression

from skinfluence import CG, Cholesky, InfluenceExplainer, SingularHessianError
from skinfluence.solvers import SolverContext

N = 120
REDUNDANT = {
    "duplicated": lambda X: X[:, [0]],
    "combination": lambda X: X[:, [0]] - 2.0 * X[:, [1]],
    "constant": lambda X: np.full((len(X), 1), 3.0),
    "zero": lambda X: np.zeros((len(X), 1)),
    "two": lambda X: np.column_stack([X[:, 0] + X[:, 1], np.ones(len(X))]),
}
MODELS = {
    "linear": ("regression", LinearRegression(), 1),
    "linear, 3 outputs": ("multi-output", LinearRegression(), 3),
    "logistic": ("binary", LogisticRegression(C=np.inf, tol=1e-9, max_iter=5000), 1),
    "softmax": ("three classes", LogisticRegression(C=np.inf, tol=1e-9, max_iter=5000), 2),
}


def fitted(model: Any, X: Any, y: np.ndarray, **options: Any) -> InfluenceExplainer:
    return InfluenceExplainer(model, **options).fit(X, y)


@pytest.fixture(params=MODELS, ids=str)
def model(request):
    return MODELS[request.param]


@pytest.fixture(params=REDUNDANT, ids=str)
def redundant(request):
    return REDUNDANT[request.param]


@pytest.fixture(params=["dense", "csr"])
def store(request):
    return sparse.csr_matrix if request.param == "csr" else np.asarray


def widened(X: np.ndarray, redundant: Any) -> np.ndarray:
    return np.column_stack([X, redundant(X)])


def same(got: np.ndarray, expected: np.ndarray, rtol: float = 1e-5) -> None:
    assert_allclose(got, expected, rtol=0.0, atol=rtol * np.abs(expected).max())


# ------------------------------------------------------------------------------------- answers
def test_rank_is_reported(model, redundant, store):
    kind, estimator, n_outputs = model
    data = make_data(kind, N)
    X = widened(data.X, redundant)
    explainer = fitted(estimator, store(X), data.y)
    extra = X.shape[1] - data.X.shape[1]
    assert explainer.report_.p == n_outputs * (X.shape[1] + 1)
    assert explainer.report_.rank == explainer.report_.p - n_outputs * extra
    assert np.isfinite(explainer.report_.condition)


def test_training_gradients_are_solved_exactly(model, redundant, store):
    kind, estimator, n_outputs = model
    data = make_data(kind, N)
    objective = fitted(estimator, store(widened(data.X, redundant)), data.y).objective_
    operator = objective.hessian()
    inverse = Cholesky().factor(operator, SolverContext())
    H, gradients = operator.to_dense(), objective.linear_map.columns(objective.residuals)
    pseudo = np.linalg.pinv(H, rcond=1e-10)
    solution = inverse.solve(gradients)
    same(H @ solution, gradients, 1e-9)
    same(solution, pseudo @ gradients, 1e-9)  # the one of least norm
    products = inverse.self_products(objective.linear_map, objective.residuals)
    same(products, np.einsum("pi,pq,qi->i", gradients, pseudo, gradients), 1e-9)
    unit = [objective.linear_map.columns(np.tile(e, (N, 1))) for e in np.eye(n_outputs)]
    U = np.stack(unit, axis=2)
    same(inverse.leverage(objective.linear_map), np.einsum("pik,pq,qil->ikl", U, pseudo, U), 1e-9)


@pytest.mark.parametrize("kind", ["upweight", "removal"])
@pytest.mark.parametrize("solver", [Cholesky(), CG(tol=1e-11)], ids=["cholesky", "cg"])
def test_answers_are_those_without_the_redundant_column(model, redundant, store, solver, kind):
    data_kind, estimator, _ = model
    data = make_data(data_kind, N)
    wide = fitted(estimator, store(widened(data.X, redundant)), data.y, solver=solver)
    narrow = fitted(estimator, data.X, data.y)
    X_test = store(widened(data.X_test, redundant))
    got = wide.influence(X_test, data.y_test, kind=kind)
    same(got, narrow.influence(data.X_test, data.y_test, kind=kind))
    same(wide.self_influence(kind=kind), narrow.self_influence(kind=kind))


# ------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize("kind", ["upweight", "removal"])
def test_test_rows_outside_of_the_range_are_refused(model, redundant, store, kind):
    data_kind, estimator, _ = model
    data = make_data(data_kind, N)
    explainer = fitted(estimator, store(widened(data.X, redundant)), data.y)
    X_test = widened(data.X_test, redundant)
    X_test[1, -1] += 1.0
    with pytest.raises(SingularHessianError) as error:
        explainer.influence(store(X_test), data.y_test, kind=kind)
    message = str(error.value)
    for words in (
        "The Hessian is singular (rank",
        "lie partly outside of its range",
        "these rows differ from the others in a way that the training rows do not determine",
        "Remove such columns, add a penalty to the estimator, or pass damping=1e-6 or larger",
    ):
        assert words in message
    good = store(np.delete(X_test, 1, axis=0))
    assert np.isfinite(explainer.influence(good, np.delete(data.y_test, 1, axis=0))).all()


def test_damping_is_a_way_out(model, redundant):
    data_kind, estimator, _ = model
    data = make_data(data_kind, N)
    X_test = widened(data.X_test, redundant)
    X_test[1, -1] += 1.0
    explainer = fitted(estimator, widened(data.X, redundant), data.y, damping=1e-6)
    assert explainer.report_.rank == explainer.report_.p
    scores = explainer.influence(X_test, data.y_test)
    assert np.isfinite(scores).all()
    narrow = fitted(estimator, data.X, data.y).influence(data.X_test, data.y_test)
    same(np.delete(scores, 1, axis=0), np.delete(narrow, 1, axis=0), 1e-3)


def test_iterative_solver_does_not_answer_either():
    data = make_data("regression", N)
    explainer = fitted(
        LinearRegression(), widened(data.X, REDUNDANT["duplicated"]), data.y, solver="cg"
    )
    X_test = widened(data.X_test, REDUNDANT["duplicated"])
    X_test[1, -1] += 1.0
    with pytest.raises(SingularHessianError, match="CG diverged: the Hessian is singular"):
        explainer.influence(X_test, data.y_test)


# ---------------------------------------------------------------------------- units of features
SCALES = {
    "× 1e-3": np.full(5, 1e-3),
    "× 1e6": np.full(5, 1e6),
    "mixed": 10.0 ** np.array([-6, 6, 0, -3, 3]),
}


@pytest.fixture(params=SCALES, ids=str)
def scale(request):
    return SCALES[request.param]


def moved_to(explainer: InfluenceExplainer, X: np.ndarray, y: np.ndarray, scale: np.ndarray):
    """The same fit on features in other units (refitting would test the estimator instead)."""
    model = explainer.estimator_
    coef = model.coef_
    try:
        model.coef_ = coef / scale
        return InfluenceExplainer(model, prefit=True).fit(X * scale, y)
    finally:
        model.coef_ = coef


@pytest.mark.parametrize("name", ["duplicated", "combination", "constant", "zero"])
def test_singular_stays_singular_in_any_unit(model, name, scale):
    kind, estimator, _ = model
    data = make_data(kind, N)
    X, X_test = (widened(rows, REDUNDANT[name]) for rows in (data.X, data.X_test))
    plain = fitted(estimator, X, data.y)
    moved = moved_to(plain, X, data.y, scale)
    assert moved.report_.rank == plain.report_.rank < plain.report_.p
    assert moved.report_.condition == pytest.approx(plain.report_.condition, rel=1e-3)
    got = moved.influence(X_test * scale, data.y_test)
    same(got, plain.influence(X_test, data.y_test), 1e-8)
    X_test[1, -1] += 1.0
    with pytest.raises(SingularHessianError):
        moved.influence(X_test * scale, data.y_test)


def test_regular_stays_regular_in_any_unit(model, scale):
    kind, estimator, _ = model
    data = make_data(kind, N, d=5)
    plain = fitted(estimator, data.X, data.y)
    moved = moved_to(plain, data.X, data.y, scale)
    assert moved.report_.rank == plain.report_.rank == plain.report_.p
    assert moved.report_.condition == pytest.approx(plain.report_.condition, rel=1e-3)
    # rounding of an n-term sum stands for 0 in ‖∇J‖, and is not scale-free
    assert moved.report_.relative_step < 1e-3
    for kind in ("upweight", "removal"):
        got = moved.influence(data.X_test * scale, data.y_test, kind=kind)
        same(got, plain.influence(data.X_test, data.y_test, kind=kind), 1e-8)
    same(moved.self_influence(), plain.self_influence(), 1e-8)


def test_single_precision_copies_are_seen():
    data = make_data("binary", N)
    X = widened(data.X, REDUNDANT["duplicated"]).astype(np.float32)
    model = LogisticRegression(C=np.inf, tol=1e-6).fit(X.astype(np.float64), data.y)
    explainer = InfluenceExplainer(model, prefit=True).fit(X, data.y)
    assert explainer.report_.rank == explainer.report_.p - 1
    scores = explainer.influence(X[:3], data.y[:3])
    assert scores.dtype == np.float32
    narrow = fitted(LogisticRegression(C=np.inf, tol=1e-9), data.X, data.y)
    same(scores, narrow.influence(data.X[:3], data.y[:3]), 1e-3)
