"""solver="sketch": what it estimates, how well, and what it says of that."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from skinfluence import CG, InfluenceExplainer, Sketch
from skinfluence.solvers.signs import ROWS, RowSigns
from skinfluence.solvers.sketched_columns import Columns, sketched

RNG = np.random.default_rng(0)
N, D = 400, 60
COUNTS = RNG.poisson(0.3, size=(N, D)) * RNG.uniform(0.5, 2.0, D)
CLASSES = (COUNTS @ RNG.standard_normal((D, 3)) + 2 * RNG.standard_normal((N, 3))).argmax(axis=1)
NUMBERS = COUNTS @ RNG.standard_normal((D, 2)) + RNG.standard_normal((N, 2))
WEIGHTS = RNG.integers(1, 4, N).astype(float)

MODELS = {
    "logistic": (LogisticRegression(C=1.0, tol=1e-8), CLASSES == 0),
    "no intercept": (LogisticRegression(C=1.0, tol=1e-8, fit_intercept=False), CLASSES == 0),
    "softmax": (LogisticRegression(C=1.0, tol=1e-8, max_iter=1000), CLASSES),
    "one against rest": (OneVsRestClassifier(LogisticRegression(tol=1e-8)), CLASSES),
    "ridge": (Ridge(1.0), NUMBERS[:, 0]),
    "two targets": (Ridge(1.0), NUMBERS),
    "two strengths": (Ridge(np.array([1.0, 30.0])), NUMBERS),
    "poisson": (PoissonRegressor(alpha=0.01, tol=1e-8, max_iter=1000), CLASSES),
}


def explain(name="logistic", X=COUNTS, weights=None, solver=None, **options):
    model, y = MODELS[name]
    solver = Sketch(**{"rtol": 0.05} | options.pop("sketch", {})) if solver is None else solver
    explainer = InfluenceExplainer(model, solver=solver, **options)
    return explainer.fit(X, y, sample_weight=weights)


def relative_error(got, exact):
    return np.sqrt(np.mean((got / exact - 1) ** 2))


# ------------------------------------------------------------------------------ what it estimates
@pytest.mark.parametrize(
    "name, weights",
    [(name, None) for name in MODELS] + [(name, WEIGHTS) for name in ("logistic", "softmax")],
)
def test_leverages_and_self_influence_are_those_of_a_factor(name, weights):
    explainer = explain(name, weights=weights)
    exact = explain(name, weights=weights, solver="cholesky")
    assert explainer.report_.solver == "sketch"
    assert 0.02 < explainer.report_.leverage_error <= 0.05
    linear_map = exact.objective_.linear_map
    got, want = (each.solver_.leverage(linear_map) for each in (explainer, exact))
    assert_allclose(got, got.transpose(0, 2, 1), rtol=1e-12)
    traces = [np.einsum("nkk->n", each) for each in (got, want)]
    assert relative_error(*traces) < 0.1
    error = np.linalg.norm(got - want, axis=(1, 2)) / np.linalg.norm(want, axis=(1, 2))
    assert np.sqrt(np.mean(error**2)) < 0.15
    asked = np.abs(exact.objective_.residuals).max(axis=1) > 1e-3
    pairs = [each.self_influence()[asked] for each in (explainer, exact)]
    assert relative_error(*pairs) < 0.1
    assert np.polyfit(pairs[1], pairs[0], 1)[0] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", ["logistic", "softmax"])
def test_removal_of_all_rows(name):
    pairs = [
        each.self_influence(kind="removal")
        for each in (explain(name), explain(name, solver="cholesky"))
    ]
    assert np.corrcoef(*pairs)[0, 1] > 0.99
    assert np.polyfit(pairs[1], pairs[0], 1)[0] == pytest.approx(1.0, abs=0.1)


def test_removal_is_that_of_a_model_fitted_without_the_row():
    model, y = MODELS["logistic"]
    explainer = explain(sketch={"rtol": 0.02})
    rows = np.argsort(-explainer.self_influence(kind="removal"))[:8]
    predicted = explainer.loo_decision_function()[rows]
    refitted = [
        model.fit(np.delete(COUNTS, i, axis=0), np.delete(y, i)).decision_function(COUNTS[[i]])[0]
        for i in rows
    ]
    before = explainer.estimator_.decision_function(COUNTS[rows])
    assert np.corrcoef(predicted - before, refitted - before)[0, 1] > 0.98
    slope = np.polyfit(refitted - before, predicted - before, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.2)


def test_test_rows_are_answered_by_conjugate_gradients():
    explainer, exact = explain(sketch={"iterative": CG(tol=1e-11)}), explain(solver="cholesky")
    got, want = (each.influence(COUNTS[:5], CLASSES[:5] == 0) for each in (explainer, exact))
    assert_allclose(got, want, atol=1e-8 * np.abs(want).max())


@pytest.mark.parametrize("name", ["logistic", "softmax"])
def test_the_estimate_has_no_bias_and_its_error_is_the_estimated_one(name):
    exact = explain(name, solver="cholesky").self_influence()
    kept = np.abs(exact) > 1e-3 * np.abs(exact).max()
    drawn = [explain(name, random_state=seed) for seed in range(12)]
    shares = np.array([each.self_influence()[kept] / exact[kept] for each in drawn])
    seen = np.sqrt(np.mean((shares - 1) ** 2, axis=1))
    estimated = [each.report_.leverage_error for each in drawn]
    assert 0.8 < np.mean(seen) / np.mean(estimated) < 1.3
    assert np.mean(shares) == pytest.approx(1.0, abs=0.01)


def test_a_smaller_rtol_takes_more_columns():
    coarse, fine = (explain(sketch={"rtol": rtol}) for rtol in (0.1, 0.03))
    counts = [each.solver_.columns.n_columns for each in (coarse, fine)]
    assert counts[1] > 4 * counts[0]
    assert fine.report_.leverage_error <= 0.03 < coarse.report_.leverage_error <= 0.1
    assert f"{counts[1]} sketched columns, estimated relative error" in fine.report_.reason
    assert explain(solver="cholesky").report_.leverage_error == 0.0


def test_the_control_variate_takes_most_of_the_error_away():
    """The more of it, the closer the Hessian is to its diagonal."""
    X = sparse.random(N, 300, density=0.02, format="csr", random_state=0)
    explainer = explain(X=X)
    exact = explain(X=X, solver="cholesky").solver_.leverage(explainer.objective_.linear_map)
    exact = exact[:, 0, 0]
    columns = explainer.solver_.columns
    values = [explainer.objective_.linear_map.jvp(solved)[:, 0] for solved, _ in columns.batches]
    plain = np.mean(np.concatenate(values, axis=1) ** 2, axis=1)
    controlled = columns.leverage(explainer.objective_.linear_map)[:, 0, 0]
    assert relative_error(plain, exact) > 3 * relative_error(controlled, exact)


# ------------------------------------------------------------------------------------- invariances
@pytest.mark.parametrize("name", ["logistic", "softmax"])
def test_storage_blocks_and_jobs_make_no_difference(name, monkeypatch):
    first = explain(name)
    answers = [first.self_influence(), first.self_influence(kind="removal")]
    others = {
        "csr": explain(name, X=sparse.csr_matrix(COUNTS)),
        "jobs": explain(name, X=sparse.csr_matrix(COUNTS), n_jobs=2),
        "again": pickle.loads(pickle.dumps(first)),
    }
    monkeypatch.setattr("skinfluence.predictors.base.rows_per_block", lambda *_, **__: 37)
    others["blocks"] = explain(name)
    for other in others.values():
        got = [other.self_influence(), other.self_influence(kind="removal")]
        assert_allclose(got, answers, rtol=1e-5, atol=1e-12)


def test_float32():
    single = explain(X=COUNTS.astype(np.float32), sketch={"iterative": CG(tol=1e-5)})
    assert single.self_influence().dtype == np.float32
    assert_allclose(single.self_influence(), explain().self_influence(), rtol=0.02)


def test_answers_are_repeatable_and_follow_the_seed():
    first, again, other = (explain(random_state=seed).self_influence() for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_rows_take_their_signs_along():
    rows = RowSigns(3 * ROWS + 5, (2, 3), (0, 7))
    whole = rows[:]
    assert whole.shape == (3 * ROWS + 5, 2, 3)
    assert set(np.unique(whole)) == {-1.0, 1.0}
    assert abs(whole.mean()) < 0.02
    for some in (slice(1000, 1100), slice(5, 6), np.array([3000, 2, 2, 1024]), slice(0, 0)):
        assert (rows[some] == whole[some]).all()


@pytest.mark.parametrize("name", MODELS)
def test_right_hand_sides_have_the_hessian_as_covariance(name):
    """Over all sign vectors: AᵀG for G = I gives A, and AᵀA = ∇²J."""
    operator = explain(name, solver="cholesky").objective_.hessian()
    width, k = operator.curvature.root_width, operator.n_outputs
    unit = np.broadcast_to(np.eye(width), (operator.n_rows, width, width))
    roots = operator.curvature.root_matmul(unit)
    assert roots.shape == (operator.n_rows, k, width)
    squares = roots @ roots.transpose(0, 2, 1)
    dense = operator.curvature.to_dense()
    assert_allclose(squares, dense, atol=1e-12 * np.abs(dense).max())
    drawn = np.concatenate([sketched(operator, (seed, 1)) for seed in range(150)], axis=1)
    covariance, hessian = drawn @ drawn.T / drawn.shape[1], operator.to_dense()
    noise = np.sqrt(2.0 / drawn.shape[1]) * np.linalg.norm(np.diag(hessian))
    assert np.linalg.norm(covariance - hessian) < 3 * np.sqrt(len(hessian)) * noise


# ------------------------------------------------------------------------------------------- limits
def test_few_rows_go_by_the_dual_which_is_exact():
    X, y = RNG.standard_normal((40, 3000)), RNG.standard_normal(40)
    explainer = InfluenceExplainer(Ridge(10.0), solver="sketch").fit(X, y)
    assert explainer.report_.solver == "dual"
    assert explainer.report_.leverage_error == 0.0
    exact = InfluenceExplainer(Ridge(10.0), solver="cholesky").fit(X, y)
    for kind in ("upweight", "removal"):
        want = exact.self_influence(kind=kind)
        assert_allclose(explainer.self_influence(kind=kind), want, rtol=1e-8)


@pytest.mark.parametrize("limit", ["columns", "memory"])
def test_too_few_columns_are_told(limit, monkeypatch):
    options = {"rtol": 0.01, "max_columns": 64 if limit == "columns" else 10_000}
    if limit == "memory":
        bytes_of_columns = 4 * 2 * 4 * (D + 1) * 64
        monkeypatch.setattr(InfluenceExplainer, "_check_parameters", lambda self: None)
        monkeypatch.setattr("skinfluence.explainer.bytes_of", lambda given: bytes_of_columns)
    with pytest.warns(ConvergenceWarning, match="Sketch stopped at 64 columns") as caught:
        explainer = explain(sketch=options)
    words = [str(w.message) for w in caught if "Sketch" in str(w.message)]
    assert len(words) == 1
    error = explainer.report_.leverage_error
    assert f"estimated relative error of {error:.2g}; asked was rtol=0.01" in words[0]
    assert "Raise max_columns or the explainer's max_memory, or accept a larger rtol." in words[0]
    assert error > 0.01


@pytest.mark.parametrize("options", [{"rtol": 0.0}, {"rtol": 1.0}, {"max_columns": 8}])
def test_settings_that_make_no_sense(options):
    with pytest.raises(ValueError, match="needed are a relative error between 0 and 1"):
        Sketch(**options)


def test_hessians_that_are_no_sum_of_squares():
    network = MLPClassifier((3,), max_iter=20, random_state=0)
    explainer = InfluenceExplainer(network, solver="sketch")
    with pytest.raises(ValueError, match=r"solver='sketch' for a network, .* Use solver='cg'\."):
        explainer.fit(COUNTS, CLASSES)
    with pytest.raises(ValueError, match="solver='sketch' for a kernel machine"):
        InfluenceExplainer(SVC(), solver="sketch").fit(COUNTS, CLASSES == 0)


def test_rows_that_nothing_is_known_of_have_no_leverage():
    X = np.vstack([COUNTS, np.zeros((1, D))])
    model = LogisticRegression(fit_intercept=False).fit(X, np.append(CLASSES == 0, True))
    explainer = InfluenceExplainer(model, prefit=True, solver="sketch")
    explainer.fit(X, np.append(CLASSES == 0, True))
    assert explainer.self_influence()[-1] == 0.0
    assert explainer.self_influence(kind="removal")[-1] == 0.0


def test_columns_are_found_once(monkeypatch):
    explainer = explain()
    monkeypatch.setattr(Columns, "found", None)
    explainer.self_influence()
    explainer.self_influence(kind="removal")
    explainer.loo_decision_function()
