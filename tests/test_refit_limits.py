"""kind="refit": its tolerance, what it can't reach, and memory."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from functools import partial

import numpy as np
import pytest
from asking import FEW, explain, same
from catalogue import by_name, named
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wording import TARGETS, N, X, Y, raises

from skinfluence import CG, InfluenceExplainer, as_objective, screening
from skinfluence import refits as refits_module
from skinfluence.blocks import BLOCK_BYTES

ROWS = np.arange(0, 200, 10)
TIGHT = {"tol": 1e-12, "max_iter": 10_000}


# ------------------------------------------------------------------------------ the tolerance
@pytest.mark.parametrize("refit_tol", [1e-2, 1e-5, 1e-8, 1e-10])
@pytest.mark.parametrize(
    "case",
    named("LogisticRegression, newton-cholesky", "LogisticRegression, newton-cholesky, 3 classes"),
    ids=by_name,
)
def test_the_tolerance_is_kept(case, refit_tol):
    """‖∇J_c‖ at the end is below refit_tol × ‖∇J_c‖ at the start, in the norm of (∇²J_c)⁻¹."""
    fit = case.fit()
    explainer = explain(fit.model, fit.data.X, fit.data.y, refit_tol=refit_tol)
    changes = explainer.parameter_influence(kind="refit", indices=ROWS)
    shares = []
    for position, row in enumerate(ROWS):
        left, model = fit.data.without(row), copy.copy(fit.model)
        start = as_objective(model, left.X, left.y)
        model.coef_ = model.coef_ + changes["coef"][position]
        model.intercept_ = model.intercept_ + changes["intercept"][position]
        gradients = [start.gradient(), as_objective(model, left.X, left.y).gradient()]
        before, after = (g @ np.linalg.solve(start.hessian().to_dense(), g) for g in gradients)
        shares.append(np.sqrt(after / before))
    assert max(shares) <= refit_tol
    assert max(shares) >= 1e-4 * refit_tol  # and no more work is done than was asked for


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "small", None])
def test_refit_tol(value):
    with raises(ValueError, f"got refit_tol={value!r}", "needed is a finite number above 0"):
        InfluenceExplainer(Ridge(), refit_tol=value).fit(X, TARGETS)


# ----------------------------------------------------------------------------- none is found
def test_what_does_not_converge_says_so(monkeypatch):
    """Two Newton steps are too few from kink to kink."""
    few = partial(screening.newton_minimise, max_steps=2)
    fit = named("LinearSVC, hinge")[0].fit()
    X, y = fit.data.X, fit.data.y
    explainer = explain(fit.model, X, y)
    expected = explainer.influence(X[:2], y[:2], kind="refit", indices=ROWS)
    monkeypatch.setattr(screening, "newton_minimise", few)
    said = (
        r"Refits without \d+ rows did not converge: the worst, \d+, got to a relative gradient of "
        ".* asked was 1.0e-08. Raise refit_tol, .*add a penalty.* raise smoothing"
    )
    with pytest.warns(ConvergenceWarning, match=said):
        got = explainer.influence(X[:2], y[:2], kind="refit", indices=ROWS)
    assert np.abs(got - expected).max() > 1e-6 * np.abs(expected).max()


@pytest.mark.filterwarnings("error")
def test_rounding_is_not_taken_for_lack_of_convergence():
    """Of features far from 0, such as years, gradients are sums of large terms that cancel."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20_000, 5))
    y = rows @ rng.standard_normal(5) + rng.standard_normal(20_000)
    explainer = InfluenceExplainer(Ridge()).fit(2000.0 + rows, y)
    ask = {"target": "prediction", "indices": np.arange(50)}
    got = explainer.influence(2000.0 + rows[:5], kind="refit", **ask)
    same(got, explainer.influence(2000.0 + rows[:5], kind="removal", **ask), 1e-6)


# ------------------------------------------------------------- iteration, singular Hessians, steps
@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_where_no_factor_fits_into_memory(case, monkeypatch):
    """Small problems are refitted by factors, whatever solver the explainer has."""
    fit = case.fit()
    X_test, y_test = fit.data.X_test, fit.data.y_test

    def ask() -> list[np.ndarray]:
        explainer = explain(fit.model, fit.data.X, fit.data.y, solver="cg")
        groups = [np.arange(3), np.arange(60)]
        return [
            explainer.influence(X_test, y_test, kind="refit", indices=ROWS),
            explainer.group_influence(groups, X_test, y_test, kind="refit"),
        ]

    expected = ask()
    monkeypatch.setattr(refits_module, "Auto", CG)
    for got, factored in zip(ask(), expected, strict=True):
        same(got, factored, 1e-8)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("seed", range(4))
def test_collinear_columns(seed, make, solver):
    """∇²J is singular, and a gradient that is all rounding may point where it is 0."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((60, 3))
    y = (rows[:, 0] + rng.logistic(size=60) > 0).astype(int)
    collinear = make(np.column_stack([rows, 2.0 * rows[:, 0], np.ones(60)]))
    model = LogisticRegression(C=np.inf, **TIGHT)
    plain = InfluenceExplainer(model).fit(rows, y)
    explainer = InfluenceExplainer(model, solver=solver).fit(collinear, y)
    got = explainer.influence(collinear[:4], y[:4], kind="refit")
    same(got, plain.influence(rows[:4], y[:4], kind="refit"), 1e-8)


def test_steps_of_a_pipeline_stay_fixed():
    model = LogisticRegression(solver="newton-cholesky", **TIGHT)
    explainer = InfluenceExplainer(make_pipeline(StandardScaler(), model)).fit(X, Y)
    got = explainer.influence(X[:3], Y[:3], kind="refit", indices=[4])
    scaler, model = explainer.estimator_
    kept = np.arange(N) != 4
    without = clone(model).fit(scaler.transform(X)[kept], Y[kept])
    rows, labels = scaler.transform(X[:3]), (np.arange(3), Y[:3])
    actual = [-m.predict_log_proba(rows)[labels] for m in (without, model)]
    same(got[:, 0], actual[0] - actual[1], 3e-9)


# ------------------------------------------------------------------------------ taking long
@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
def test_groups_do_not_take_memory_for_all_rows_at_once(kind, monkeypatch):
    """n × n_groups numbers: 80 MB here, and 8 GB for a million rows in a thousand groups."""
    rng = np.random.default_rng(0)
    rows, groups = rng.standard_normal((40_000, 3)), rng.integers(250, size=40_000)
    explainer = InfluenceExplainer(Ridge()).fit(rows, rows @ [1.0, 2.0, 3.0])
    monkeypatch.setattr(refits_module, "COLUMN_BYTES", BLOCK_BYTES)
    tracemalloc.start()
    try:
        explainer.group_influence(groups, rows[:2], [0.0, 1.0], kind=kind)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * BLOCK_BYTES


def test_silence(capfd):
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, Y)
    explainer.influence(X[:1], kind="refit")
    explainer.loo_score(kind="refit")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("asked_before", [False, True])
def test_pickle(asked_before):
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, Y)
    if asked_before:
        explainer.explain(X[:2], kind="refit", k=2)
    again = pickle.loads(pickle.dumps(explainer))

    def parts(asked: InfluenceExplainer) -> list[np.ndarray]:
        return [asked.influence(X[:3], kind="refit"), asked.loo_decision_function(kind="refit")]

    for copied, own in zip(parts(again), parts(explainer), strict=True):
        np.testing.assert_array_equal(copied, own)
