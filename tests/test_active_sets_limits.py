"""Models with an L1 penalty: solvers, containers, verification, attacks, and limits."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from models_active import TIGHT, logistic
from numpy.testing import assert_allclose
from reference import log_loss
from rows import make_data
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_active_sets_questions import MODELS, D, N, explain, fitted, quiet, rel
from wording import raises

from skinfluence import InfluenceExplainer
from skinfluence.attack import TrainingSetAttack


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


# --------------------------------------------------------------------- settings and containers
@quiet
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["cg", "lissa", "dual"])
def test_solvers_agree_or_say_why_not(name, solver):
    _, data, _ = fitted(name)
    expected = explain(name).influence(data.X_test, data.y_test)
    if solver == "dual" and name != "ElasticNet":
        with raises(ValueError, "InfluenceExplainer got solver='dual' for", "solver='cholesky'"):
            explain(name, solver=solver)
        return
    explainer = explain(name, solver=solver)
    got = explainer.influence(data.X_test, data.y_test)
    assert rel(got, expected) < (0.25 if solver == "lissa" else 1e-7)
    if solver == "cg":
        assert (explainer.support_changes() == explain(name).support_changes()).all()


@quiet
def test_containers_and_jobs(name):
    model, data, _ = fitted(name)
    rows = np.array([0, 7, 33])
    asked = {"kind": "refit", "indices": rows}
    expected = explain(name).influence(data.X_test, data.y_test, **asked)
    sparse_rows = data.as_csr()
    explainer = InfluenceExplainer(model, prefit=True).fit(sparse_rows.X, data.y)
    got = explainer.influence(sparse_rows.X_test, data.y_test, **asked)
    assert rel(got, expected) < 1e-9
    moved = explainer.perturbation_gradient(sparse_rows.X_test, data.y_test, indices=rows)
    dense = explain(name).perturbation_gradient(data.X_test, data.y_test, indices=rows)
    assert rel(moved, dense) < 1e-9
    again = pickle.loads(pickle.dumps(explain(name, n_jobs=2)))
    assert (again.influence(data.X_test, data.y_test, **asked) == expected).all()
    singles = data.X.astype(np.float32), data.X_test.astype(np.float32)
    explainer = InfluenceExplainer(model, prefit=True).fit(singles[0], data.y)
    got = explainer.influence(singles[1], data.y_test, kind="removal")
    assert rel(got, explain(name).influence(data.X_test, data.y_test, kind="removal")) < 1e-4


@quiet
def test_a_pipeline_with_named_columns():
    pd = pytest.importorskip("pandas")
    data = make_data("regression", N, D)
    frame = pd.DataFrame(data.X, columns=[f"column {j}" for j in range(D)])
    model = make_pipeline(StandardScaler(), Lasso(0.1, **TIGHT)).fit(frame, data.y)
    explainer = InfluenceExplainer(model, prefit=True).fit(frame, data.y)
    names = explainer.diagnostics(dfbetas=True).columns[4:-1]
    expected = [f"dfbetas_column {j}" for j in np.flatnonzero(model[-1].coef_)]
    if hasattr(model[-1], "feature_names_in_"):
        assert list(names) == expected
    assert len(names) == len(expected)
    test = pd.DataFrame(data.X_test, columns=frame.columns)
    inside = InfluenceExplainer(model[-1], prefit=True).fit(model[0].transform(frame), data.y)
    assert_allclose(
        explainer.influence(test, data.y_test, kind="removal"),
        inside.influence(model[0].transform(test), data.y_test, kind="removal"),
    )


def test_targets_in_a_column():
    _, data, _ = fitted("Lasso")
    model = Lasso(0.1, **TIGHT)
    column = InfluenceExplainer(clone(model)).fit(data.X, data.y[:, None])
    got = column.influence(data.X_test, data.y_test[:, None])
    assert_allclose(got, explain("Lasso").influence(data.X_test, data.y_test), rtol=1e-10)
    assert column.parameter_influence()["coef"].shape == (N, D)


@quiet
@pytest.mark.parametrize(
    "model",
    [
        LassoCV(cv=3, **TIGHT),
        ElasticNetCV(l1_ratio=[0.0, 0.9], alphas=[0.1, 0.3], cv=3, **TIGHT),
        MultiTaskLassoCV(cv=3, **TIGHT),
        MultiTaskElasticNetCV(l1_ratio=[0.5, 0.9], cv=3, **TIGHT),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore:Coordinate descent", "ignore:Objective did not converge")
def test_verification_holds_what_cross_validation_chose(model):
    kind = "multi-output" if type(model).__name__.startswith("MultiTask") else "regression"
    data = make_data(kind, N, D)
    explainer = InfluenceExplainer(model).fit(data.X, data.y)
    stays = np.flatnonzero(~explainer.support_changes())[:4] if explainer.objective_.outside else 4
    rows = {"strategy": stays} if not isinstance(stays, int) else {"n_rows": stays}
    agreement = explainer.verify(data.X_test, data.y_test, kind="refit", **rows)
    assert_allclose(agreement.predicted, agreement.actual, atol=1e-7)


@quiet
@pytest.mark.parametrize("name", ["binary", "3 classes"])
def test_verification_of_classifiers(name):
    _, data, _ = fitted(name)
    explainer = explain(name)
    stays = np.flatnonzero(~explainer.support_changes(kind="refit"))[:4]
    agreement = explainer.verify(data.X_test, data.y_test, kind="refit", strategy=stays)
    assert_allclose(agreement.predicted, agreement.actual, atol=1e-7)


def test_attacks_tell_when_the_support_changes():
    _, data, _ = fitted("binary")
    attack = TrainingSetAttack(explain("binary"), n_iter=8, step_size=4.0)
    with pytest.warns(RuntimeWarning, match=r"At \d re-fits .* would change the support.*confirm"):
        attack.attack(data.X_test[:1], data.y_test[:1])
    small = TrainingSetAttack(explain("binary"), n_iter=2, step_size=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = small.attack(data.X_test[:1], data.y_test[:1])
    other = clone(MODELS["binary"][0]).fit(result.X_attacked(), data.y)
    assert log_loss(other, data.X_test[:1], data.y_test[:1]) == pytest.approx(
        result.loss_history[-1], rel=1e-7
    )


# ------------------------------------------------------------------------------------- limits
def test_nothing_is_active():
    data = make_data("regression", N, D)
    words = ["Lasso has no coefficient that is not 0", "none has any influence", "weaker penalty"]
    with raises(ValueError, *words):
        InfluenceExplainer(Lasso(100.0, fit_intercept=False)).fit(data.X, data.y)
    explainer = InfluenceExplainer(Lasso(100.0)).fit(data.X, data.y)
    # The mean of the targets is all that is left.
    changes = explainer.parameter_influence(kind="removal")
    means = (data.y.sum() - data.y) / (N - 1)
    assert_allclose(changes["intercept"], means - data.y.mean(), atol=1e-13)
    assert not changes["coef"].any()
    assert not explainer.perturbation_gradient(data.X_test, data.y_test, indices=[0]).any()
    assert not explainer.support_changes().any()
    assert list(explainer.diagnostics(dfbetas=True).columns[4:]) == ["dfbetas_intercept"]


@pytest.mark.filterwarnings("ignore:40 (training )?rows:RuntimeWarning")
@pytest.mark.parametrize("alpha", [0.01, 0.5])
def test_more_features_than_rows(alpha):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 120))
    y = 2.0 * X[:, :4].sum(axis=1) + rng.standard_normal(40)
    model = Lasso(alpha, **TIGHT).fit(X, y)
    explainer = InfluenceExplainer(model, prefit=True).fit(X, y)
    leaving = explainer.support_changes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        changes = explainer.parameter_influence(kind="removal")["coef"]
    for row in range(0, 40, 3):
        other = clone(model).fit(*(each[np.arange(40) != row] for each in (X, y)))
        assert leaving[row] == (np.sign(other.coef_) != np.sign(model.coef_)).any()
        if not leaving[row]:
            assert_allclose(model.coef_ + changes[row], other.coef_, atol=1e-10)


def test_constant_and_repeated_columns():
    """A lasso of two equal columns is not unique in its coefficients; its predictions are."""
    data = make_data("regression", N, D)
    X = np.column_stack([data.X, np.full(N, 3.0), data.X[:, 4]])
    explainer = InfluenceExplainer(Lasso(0.1, **TIGHT)).fit(X, data.y)
    alone = InfluenceExplainer(Lasso(0.1, **TIGHT)).fit(data.X, data.y)
    test = np.column_stack([data.X_test, np.full(6, 3.0), data.X_test[:, 4]])
    rows = np.flatnonzero(~explainer.support_changes(kind="refit"))
    assert len(rows) > N // 2
    expected = alone.influence(data.X_test, data.y_test, kind="refit", indices=rows)
    got = explainer.influence(test, data.y_test, kind="refit", indices=rows)
    assert_allclose(got, expected, atol=1e-10)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_loose_fits_raise_no_false_alarm(storage):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 30)) * rng.uniform(0.1, 10.0, size=30)
    y = X @ (rng.standard_normal(30) * (rng.random(30) < 0.3)) + rng.standard_normal(300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (Lasso(0.1), ElasticNet(0.1), logistic(1.0, tol=1e-4, solver="liblinear")):
            target = y if isinstance(model, ElasticNet) else (y > 0).astype(int)
            InfluenceExplainer(model).fit(storage(X), target)
