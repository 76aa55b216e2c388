"""Generalised linear models: statsmodels' diagnostics, and what can't be answered, in words."""

from __future__ import annotations

import numpy as np
import pytest
from asking import same
from diagnosing import assert_columns, names, table, with_constant
from rows import make_data
from sklearn.linear_model import GammaRegressor, PoissonRegressor, Ridge, TweedieRegressor
from wording import raises

from skinfluence import InfluenceExplainer, SingularHessianError

N = 60
COUNTS, POSITIVE = make_data("counts", N), make_data("positive", N)
TIGHT = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 1000}


# ------------------------------------------------------------------------------- diagnostics
@pytest.mark.parametrize("fit_intercept", [True, False], ids=["intercept", "without"])
@pytest.mark.parametrize("weights", [None, COUNTS.sample_weight], ids=["plain", "weighted"])
def test_poisson_as_in_statsmodels(fit_intercept, weights):
    sm = pytest.importorskip("statsmodels.api")
    inputs = with_constant(COUNTS.X) if fit_intercept else COUNTS.X
    given = np.ones(N) if weights is None else weights
    fit = sm.GLM(COUNTS.y, inputs, sm.families.Poisson(), var_weights=given).fit(tol=1e-14)
    influence = fit.get_influence()
    with np.errstate(invalid="ignore"):  # of rows of zeros, without an intercept: 0 / 0
        dffits = np.nan_to_num(influence.d_linpred_scaled)
    expected = {
        "leverage": influence.hat_matrix_diag,
        "cooks_distance": influence.cooks_distance[0],
        "dffits": dffits,
        "studentized_residual": influence.resid_studentized,
        **dict(zip(names(4, fit_intercept), influence.dfbetas.T, strict=True)),
    }
    model = PoissonRegressor(alpha=0.0, fit_intercept=fit_intercept, **TIGHT)
    assert_columns(table(model, COUNTS.X, COUNTS.y, weights), expected, 1e-9)


def test_the_normal_family_as_ridge():
    """(1/Σs) Σ s ½ (y − z)² + ½ alpha ‖w‖² has the optimum of Ridge(alpha Σs)."""
    X, y, weights = POSITIVE.X, POSITIVE.y, POSITIVE.sample_weight
    got = table(TweedieRegressor(power=0, alpha=0.3, **TIGHT), X, y, weights)
    expected = table(Ridge(0.3 * weights.sum(), solver="svd"), X, y, weights)
    assert_columns(got, expected, 1e-10)


@pytest.mark.parametrize("link", ["log", "identity"])
def test_other_families_have_leverage_and_cooks_distance(link):
    model = TweedieRegressor(power=2, link=link, alpha=1.0, **TIGHT)
    explainer = InfluenceExplainer(model).fit(POSITIVE.X, POSITIVE.y)
    assert list(explainer.diagnostics().columns) == ["leverage", "cooks_distance"]
    hessian = explainer.objective_.hessian().to_dense()
    inputs, bent = with_constant(POSITIVE.X), explainer.objective_.curvature.weights[:, 0]
    leverage = bent * np.einsum("ij,jk,ik->i", inputs, np.linalg.inv(hessian), inputs)
    same(explainer.diagnostics()["leverage"], leverage, 1e-10)
    assert explainer.effective_dof() == pytest.approx(leverage.sum())
    with raises(ValueError, "diagnostics got dfbetas=True for", "log-loss, Poisson"):
        explainer.diagnostics(dfbetas=True)


# ----------------------------------------------------------------------------------- domains
@pytest.mark.parametrize(
    "model, data, bad, needed",
    [
        (PoissonRegressor(), COUNTS, -1.0, "of power 1 has no deviance; needed are numbers 0 or"),
        (GammaRegressor(), POSITIVE, 0.0, "of power 2 has no deviance; needed are numbers above 0"),
        (TweedieRegressor(power=1.5), COUNTS, -2.0, "of power 1.5 has no deviance"),
        (TweedieRegressor(power=3), POSITIVE, 0.0, "of power 3 has no deviance"),
    ],
)
def test_targets_without_a_deviance(model, data, bad, needed):
    explainer = InfluenceExplainer(model).fit(data.X, data.y)
    y_test = data.y_test.copy()
    y_test[2] = bad
    with raises(ValueError, f"y_test contains {bad:g} (row 2)", needed):
        explainer.influence(data.X_test, y_test)
    with raises(ValueError, f"y_new contains {bad:g} (row 0)", needed):
        explainer.perturbation_influence(data.X_test, data.y_test, indices=[1], y_new=[bad])
    explainer.influence(data.X_test, y_test, target="prediction")


@pytest.mark.parametrize("power", [0, -1])
def test_families_that_have_any_target(power):
    model = TweedieRegressor(power=power, link="log", **TIGHT).fit(POSITIVE.X, POSITIVE.y)
    explainer = InfluenceExplainer(model, prefit=True).fit(POSITIVE.X, POSITIVE.y)
    assert np.isfinite(explainer.influence(POSITIVE.X_test, -POSITIVE.y_test)).all()


def identity_link(alpha: float, power: float = 1.0) -> TweedieRegressor:
    return TweedieRegressor(power=power, link="identity", alpha=alpha, **TIGHT)


def test_test_rows_outside_of_the_identity_link():
    explainer = InfluenceExplainer(identity_link(1.0)).fit(POSITIVE.X, POSITIVE.y)
    far = POSITIVE.X_test - 100.0 * explainer.estimator_.coef_
    with raises(ValueError, "got test row 0, with [", "half Poisson deviance is not defined"):
        explainer.influence(far, POSITIVE.y_test)
    assert np.isfinite(explainer.influence(far, target="prediction")).all()


def test_training_rows_outside_of_the_identity_link():
    model = identity_link(1.0).fit(POSITIVE.X, POSITIVE.y)
    X = POSITIVE.X.copy()
    X[7] -= 100.0 * model.coef_
    words = "TweedieRegressor got power=1 with the identity link and predicts -", "training row 7"
    with raises(ValueError, *words, "link='log', or with a larger alpha"):
        InfluenceExplainer(model, prefit=True).fit(X, POSITIVE.y)


# --------------------------------------------------------------------------- negative curvature
def bent() -> TweedieRegressor:
    """At its optimum some rows bend the wrong way, all together don't."""
    return TweedieRegressor(power=0, link="log", alpha=0.1, **TIGHT)


@pytest.mark.parametrize("solver", ["cg", "lissa"])
def test_solvers_with_negative_curvature(solver):
    exact = InfluenceExplainer(bent(), solver="cholesky").fit(POSITIVE.X, POSITIVE.y)
    assert (exact.objective_.curvature.weights < 0).any()
    other = InfluenceExplainer(bent(), solver=solver, random_state=0).fit(POSITIVE.X, POSITIVE.y)
    expected = exact.influence(POSITIVE.X_test, POSITIVE.y_test)
    got = other.influence(POSITIVE.X_test, POSITIVE.y_test)
    assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.99


def test_the_dual_needs_roots_of_the_curvature():
    with raises(ValueError, "solver='dual' for a loss of which some training rows have negative"):
        InfluenceExplainer(bent(), solver="dual").fit(POSITIVE.X, POSITIVE.y)
    convex = PoissonRegressor(**TIGHT)
    dual = InfluenceExplainer(convex, solver="dual").fit(COUNTS.X, COUNTS.y)
    exact = InfluenceExplainer(convex, solver="cholesky").fit(COUNTS.X, COUNTS.y)
    asked = COUNTS.X_test, COUNTS.y_test
    for kind in ("upweight", "removal"):
        same(dual.influence(*asked, kind=kind), exact.influence(*asked, kind=kind), 1e-9)


def test_more_features_than_the_dual_would_want():
    """What is chosen by itself never needs roots that there are not."""
    wide = np.random.default_rng(0).standard_normal((N, 1100)) / 30.0
    y = POSITIVE.y**2  # some rows are far above their means
    model = TweedieRegressor(power=0, link="log", alpha=100.0, tol=1e-10).fit(wide, y)
    explainer = InfluenceExplainer(model, prefit=True).fit(wide, y)
    assert (explainer.objective_.curvature.weights < 0).any()
    assert explainer.report_.solver == "cholesky"


def test_no_minimum_at_all():
    """Where all predictions are far below, the squares of exp(z) − y bend back with z."""
    model = bent().set_params(alpha=1e-6).fit(POSITIVE.X, POSITIVE.y)
    model.coef_, model.intercept_ = model.coef_ * 0.0, -2.0
    explainer = InfluenceExplainer(model, prefit=True).fit(POSITIVE.X, POSITIVE.y)
    with raises(SingularHessianError, "has negative eigenvalues", "are no minimum"):
        explainer.influence(POSITIVE.X_test, POSITIVE.y_test)
