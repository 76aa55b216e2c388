"""Where a network's Hessian is not convex without a row, and what training on goes by."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from networks import Case, needs_weights, parameters, problem, quiet
from numpy.testing import assert_allclose
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler
from test_network_solvers import FEW, OPTIONS, close, dense, on_the_way
from wording import raises

from skinfluence import InfluenceExplainer, as_objective, downdates
from skinfluence.adapters import same_hyperparameters

pytestmark = pytest.mark.filterwarnings("ignore::skinfluence.NotStationaryWarning")
N = 30


def test_rows_of_leverage_above_1_have_no_answer():
    """The exact Hessian, convex with all rows, need not be so without one."""
    case = Case("classes")
    explainer = on_the_way(case, hessian="exact", damping="auto")
    X, y = problem(case).X[:2], problem(case).y[:2]
    H, J = dense(explainer)
    B = problem(case).bends()
    lost = [np.linalg.eigvalsh(H - J[i] @ B[i] @ J[i].T)[0] <= 0 for i in range(N)]
    assert any(lost)
    assert not all(lost)
    words = r"leverage 1 or more .*negative eigenvalue without them.*hessian='gauss-newton'"
    with pytest.warns(RuntimeWarning, match=words):
        effects = explainer.influence(X, y, kind="removal")
    assert np.array_equal(np.isnan(effects).any(axis=0), lost)
    groups = [[row] for row in range(N)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert_allclose(explainer.group_influence(groups, X, y, kind="removal"), effects)
    gauss_newton = on_the_way(case).influence(X, y, kind="removal")
    assert np.isfinite(gauss_newton).all()


def test_groups_by_either_way_are_the_same(monkeypatch):
    case = Case("classes")
    explainer = on_the_way(case, hessian="exact", damping=1.0)
    X, y, groups = problem(case).X[:2], problem(case).y[:2], [[0, 1, 2], [7, 8]]
    by_downdate = explainer.group_influence(groups, X, y, kind="removal")
    monkeypatch.setattr(downdates, "LARGEST_DOWNDATE", 0)
    close(explainer.group_influence(groups, X, y, kind="removal"), by_downdate, 1e-9)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_baseline_never_is_uphill(options):
    for case in FEW:
        explainer = on_the_way(case, **options)
        reference = explainer._removal.objective
        assert reference.value() <= explainer.objective_.value()
        assert 0.0 <= explainer.report_.newton_share <= 1.0


def test_the_dual_is_not_for_networks():
    with raises(ValueError, "got solver='dual' for a network", "solver='cholesky' or 'cg'"):
        on_the_way(Case("number"), solver="dual")


@needs_weights
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_verify_with_weights(solver):
    case = Case("classes")
    X, y = case.data(n=N)
    X[:3] *= 30.0
    weights = np.where(np.arange(N) < 3, 50.0, 1.0)
    model = case.estimator(solver=solver, max_iter=50, activation="identity", alpha=1.0)
    explainer = InfluenceExplainer(model, n_jobs=1)
    found = quiet(explainer, X, y, sample_weight=weights).verify(X[5:7], y[5:7], n_rows=2)
    assert np.isfinite(found.actual).all()


def test_transformed_targets_go_on_too():
    X, y = Case("number").data(n=N)
    network = Case("number").estimator(solver="sgd", max_iter=10, learning_rate_init=0.01)
    model = TransformedTargetRegressor(network, transformer=StandardScaler())
    explainer = quiet(InfluenceExplainer(model, n_jobs=1), X, 5.0 * y)
    fitted = explainer.estimator_.regressor_
    again = same_hyperparameters(explainer.estimator_, X).fit(X, 5.0 * y).regressor_
    plain = same_hyperparameters(fitted, X).fit(X, StandardScaler().fit_transform(y[:, None])[:, 0])
    close(parameters(again), parameters(plain), 1e-9)
    assert np.abs(parameters(again) - parameters(fitted)).max() > 1e-4


def test_partial_fit_holds_nothing_out():
    X, y = Case("number").data(n=N)
    model = Case("number").estimator(random_state=0).partial_fit(X, y)
    model.set_params(early_stopping=True)
    assert (as_objective(model, X, y).weights.values == 1).all()
