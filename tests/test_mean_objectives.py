"""Estimators whose penalty stands against a mean of the losses: it shrinks with the rows."""

from functools import cache

import numpy as np
import pytest
from asking import same
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut, cross_val_predict
from third_party import MeanPseudoHuberRegressor, PseudoHuber, PseudoHuberRegressor

from skinfluence import CG, InfluenceExplainer

N, D, N_TEST = 120, 3, 6
FIFTHS = np.arange(N) % 5


def make_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N + N_TEST, D)) * (rng.random((N + N_TEST, D)) < 0.8)
    y = X @ [1.0, -1.0, 0.5] + rng.standard_t(3, size=len(X))
    return X[:N], y[:N], rng.uniform(0.2, 3.0, N), X[N:], y[N:]


X, Y, WEIGHTS, X_TEST, Y_TEST = make_rows()
ALPHA = 0.5
SETTINGS = [(over, weighted) for over in ("weights", "rows") for weighted in (False, True)]
everywhere = pytest.mark.parametrize("over, weighted", SETTINGS)


def fitted(over, rows=slice(None), weights=None):
    model = MeanPseudoHuberRegressor(ALPHA, mean_over=over)
    return model.fit(X[rows], Y[rows], sample_weight=None if weights is None else weights[rows])


@cache
def explained(over, weighted, **options):
    weights = WEIGHTS if weighted else None
    model = fitted(over, weights=weights)
    return InfluenceExplainer(model, prefit=True, **options).fit(X, Y, sample_weight=weights)


def losses(model):
    return PseudoHuber(1.0).value(Y_TEST[:, None], model.predict(X_TEST)[:, None])


@cache
def loss_changes(over, weighted, groups):
    """Of refits without each group, (N_TEST, groups)."""
    weights, groups = WEIGHTS if weighted else None, np.array(groups)
    models = [fitted(over, groups != group, weights) for group in np.unique(groups)]
    before = losses(fitted(over, weights=weights))
    return np.array([losses(model) - before for model in models]).T


def agreement(predicted, actual):
    """Correlation and slope."""
    slope = np.vdot(predicted, actual) / np.vdot(actual, actual)
    return np.corrcoef(predicted.ravel(), actual.ravel())[0, 1], slope


ONE_BY_ONE = tuple(range(N))


# ------------------------------------------------------------------------------ rows, groups
@everywhere
def test_rows(over, weighted):
    explainer = explained(over, weighted)
    assert explainer.report_.relative_step < 1e-6
    actual = loss_changes(over, weighted, ONE_BY_ONE)
    same(explainer.influence(X_TEST, Y_TEST, kind="refit"), actual, 1e-9)
    correlation, slope = agreement(explainer.influence(X_TEST, Y_TEST, kind="removal"), actual)
    assert correlation >= 0.999
    assert abs(slope - 1) <= 0.02


@everywhere
@pytest.mark.parametrize("options", [{"solver": "cg"}, {"n_jobs": 2}])
def test_solvers(over, weighted, options):
    options = {"solver": CG(tol=1e-12)} if "solver" in options else options
    got, expected = explained(over, weighted, **options), explained(over, weighted)
    for kind in ("removal", "refit"):
        one = got.influence(X_TEST, Y_TEST, kind=kind)
        same(one, expected.influence(X_TEST, Y_TEST, kind=kind), 1e-9)
        one = got.group_influence(FIFTHS, X_TEST, Y_TEST, kind=kind)
        same(one, expected.group_influence(FIFTHS, X_TEST, Y_TEST, kind=kind), 1e-9)


@everywhere
def test_sparse(over, weighted):
    weights = WEIGHTS if weighted else None
    explainer = InfluenceExplainer(fitted(over, weights=weights), prefit=True)
    explainer.fit(sparse.csr_matrix(X), Y, sample_weight=weights)
    got = explainer.influence(sparse.csr_matrix(X_TEST), Y_TEST, kind="refit")
    same(got, loss_changes(over, weighted, ONE_BY_ONE), 1e-9)


@everywhere
def test_self_and_parameters(over, weighted):
    explainer = explained(over, weighted)
    for kind in ("removal", "refit"):
        every = explainer.influence(X, Y, kind=kind)
        same(explainer.self_influence(kind=kind), np.diag(every))
    weights = WEIGHTS if weighted else None
    kept = np.arange(N) != 7
    change = explainer.parameter_influence(kind="refit", indices=[7])
    same(change["coef"][0], fitted(over, kept, weights).coef_ - explainer.estimator_.coef_)


@everywhere
def test_groups(over, weighted):
    explainer = explained(over, weighted)
    actual = loss_changes(over, weighted, tuple(FIFTHS))
    same(explainer.group_influence(FIFTHS, X_TEST, Y_TEST, kind="refit"), actual, 1e-9)
    correlation, slope = agreement(explainer.group_influence(FIFTHS, X_TEST, Y_TEST), actual)
    assert correlation >= 0.9998
    assert abs(slope - 1) <= 0.01


@everywhere
def test_what_a_fixed_penalty_would_miss(over, weighted):
    """The sum with the same optimum, whose penalty is then too strong for the rows that stay."""
    model, weights = explained(over, weighted).estimator_, WEIGHTS if weighted else np.ones(N)
    total = PseudoHuberRegressor(model._strength(weights)).fit(X, Y, sample_weight=weights)
    same(total.coef_, model.coef_)
    fixed = InfluenceExplainer(total, prefit=True).fit(X, Y, sample_weight=weights)
    ignored = fixed.group_influence(FIFTHS, X_TEST, Y_TEST, kind="refit")
    actual = loss_changes(over, weighted, tuple(FIFTHS))
    assert agreement(ignored, actual)[0] < 0.97
    assert np.abs(ignored - actual).max() > 0.4 * np.abs(actual).max()


# ---------------------------------------------------------------------------- other weights
@everywhere
def test_reweight(over, weighted):
    rng = np.random.default_rng(1)
    new = rng.uniform(0.0, 2.0, (N, 6))
    new[:20, :2] = 0.0
    new[:, 5] = 2.0 * (WEIGHTS if weighted else 1.0)  # Σ s_i ℓ_i doubles, and Ω with it or not
    explainer = explained(over, weighted)
    before = explainer.predict(X_TEST)[:, None]
    actual = np.array([fitted(over, weights=each).predict(X_TEST) for each in new.T]).T - before
    same(explainer.reweight(new, X_TEST, kind="refit") - before, actual, 3e-9)
    if over == "weights":
        assert np.abs(actual[:, 5]).max() < 1e-9
    correlation, slope = agreement(explainer.reweight(new, X_TEST) - before, actual)
    assert correlation >= 0.998
    assert abs(slope - 1) <= 0.05


# --------------------------------------------------------------------------------- held out
@everywhere
@pytest.mark.parametrize("kind, tolerance", [("refit", 1e-9), ("removal", 0.02)])
def test_leave_one_out(over, weighted, kind, tolerance):
    explainer = explained(over, weighted)
    weights = WEIGHTS if weighted else None
    kept = ~np.eye(N, dtype=bool)
    models = [fitted(over, rows, weights) for rows in kept]
    actual = np.array([model.predict(X[[i]])[0] for i, model in enumerate(models)])
    got = explainer.loo_decision_function(kind=kind)
    before = explainer.predict(X)
    same(got - before, actual - before, tolerance)


@pytest.mark.parametrize("over", ["weights", "rows"])
@pytest.mark.parametrize("cv", [KFold(4), LeaveOneOut(), GroupKFold(3)], ids=repr)
def test_cross_validation(over, cv):
    groups = FIFTHS if isinstance(cv, GroupKFold) else None
    model = MeanPseudoHuberRegressor(ALPHA, mean_over=over)
    actual = cross_val_predict(model, X, Y, cv=cv, groups=groups)
    explainer = InfluenceExplainer(model).fit(X, Y)
    same(explainer.cross_val_decision(cv, groups=groups, kind="refit"), actual, 1e-9)


@pytest.mark.parametrize("over", ["weights", "rows"])
def test_bootstrap_splits(over):
    """A row drawn twice is two rows, also where the mean is over rows."""
    rng = np.random.default_rng(0)
    drawn = [rng.integers(N, size=size) for size in (N, N // 2, 2 * N)]
    splits = [(rows, np.arange(k, N, 3)) for k, rows in enumerate(drawn)]
    model = MeanPseudoHuberRegressor(ALPHA, mean_over=over)
    got = InfluenceExplainer(model).fit(X, Y).cross_val_decision(splits, kind="refit")
    actual = np.empty(N)
    for rows, tested in splits:
        actual[tested] = clone(model).fit(X[rows], Y[rows]).predict(X[tested])
    same(got, actual, 1e-9)
