"""The library's doors are open: what third_party.py brings gets the whole service."""

import inspect
from functools import cache

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from third_party import (
    DenseInverse,
    DenseSolve,
    MovingAverage,
    ProbitClassifier,
    ProbitLoss,
    PseudoHuber,
    PseudoHuberRegressor,
    Squash,
    probit_objective,
    pseudo_huber_objective,
    soft_clip,
    soft_clip_vjp,
    squash_vjp,
)

from skinfluence import Cholesky, InfluenceExplainer, NotStationaryWarning

N, D, N_TEST = 300, 3, 5


def make_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N + N_TEST, D)) * (rng.random((N + N_TEST, D)) < 0.8)
    signal = X @ [1.0, -1.0, 0.5]
    y = signal + rng.standard_t(2, size=len(X))
    return X, y, (signal + rng.standard_normal(len(X)) > 0).astype(int), rng.uniform(0.2, 2, N)


X, TARGETS, LABELS, WEIGHTS = make_rows()
CASES = {
    "regressor": (PseudoHuberRegressor(), TARGETS, PseudoHuber(1.0)),
    "classifier": (ProbitClassifier(), LABELS, ProbitLoss()),
}
X_TEST = X[N:]
REMOVED = np.arange(0, N, 4)


def losses(name, model, y_test):
    """Per-row losses, from the model's predictions alone."""
    if name == "classifier":
        return -np.log(model.predict_proba(X_TEST)[np.arange(N_TEST), y_test])
    return np.sqrt(1.0 + (model.predict(X_TEST) - y_test) ** 2) - 1.0


# -------------------------------------------------------------------- a loss and an estimator
@pytest.mark.parametrize("name", CASES)
def test_loss_against_finite_differences(name):
    _, y, loss = CASES[name]
    y = y[:N, None] if name == "regressor" else 2.0 * y[:N, None] - 1.0
    z, step = np.linspace(-3, 3, N)[:, None], 1e-5
    slope = (loss.value(y, z + step) - loss.value(y, z - step)) / (2 * step)
    np.testing.assert_allclose(loss.residual(y, z)[:, 0], slope, rtol=1e-6, atol=1e-9)
    bend = (loss.residual(y, z + step) - loss.residual(y, z - step)) / (2 * step)
    np.testing.assert_allclose(loss.curvature(y, z).weights, bend, rtol=1e-6, atol=1e-9)


@cache
def refits(name, weighted):
    """Change of every test row's loss, each of some rows removed in turn, (N_TEST, REMOVED)."""
    model, y, _ = CASES[name]
    changes = []
    for left_out in [None, *REMOVED]:
        kept = np.arange(N) != left_out
        weights = WEIGHTS[kept] if weighted else None
        fitted = clone(model).fit(X[:N][kept], y[:N][kept], sample_weight=weights)
        changes.append(losses(name, fitted, y[N:]))
    return (np.array(changes[1:]) - changes[0]).T


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize("solver", [Cholesky(), DenseSolve(), "cg"], ids=repr)
def test_removal_against_real_refits(name, weighted, make, solver):
    model, y, _ = CASES[name]
    explainer = InfluenceExplainer(model, solver=solver)
    explainer.fit(make(X[:N]), y[:N], sample_weight=WEIGHTS if weighted else None)
    assert explainer.report_.relative_step < 1e-6
    change = explainer.influence(make(X_TEST), y[N:], kind="removal")[:, REMOVED]
    refitted = refits(name, weighted)
    assert np.corrcoef(change.ravel(), refitted.ravel())[0, 1] >= 0.999
    slope = np.vdot(change, refitted) / np.vdot(refitted, refitted)
    assert 0.98 <= slope <= 1.02


@pytest.mark.parametrize("name", CASES)
def test_the_whole_service(name):
    model, y, loss = CASES[name]
    explainer = InfluenceExplainer(model).fit(X[:N], y[:N])
    explanation = explainer.explain(X_TEST, y[N:], k=3)
    assert explanation.unit == loss.unit
    assert loss.unit in repr(explanation)
    own = explainer.self_influence(kind="removal")
    all_rows = explainer.influence(X[:N], y[:N], kind="removal")
    np.testing.assert_allclose(own, np.diag(all_rows), rtol=1e-8)
    assert (explainer.self_influence() <= 0).all()
    assert explainer.parameter_influence(indices=[2, 3])["coef"].shape == (2, D)
    wrong = InfluenceExplainer(explainer.estimator_, prefit=True)
    with pytest.warns(NotStationaryWarning, match=f"The fitted {type(model).__name__} is not"):
        wrong.fit(X[:N], y[:N][::-1])


def test_probability_of_a_third_party_classifier():
    explainer = InfluenceExplainer(ProbitClassifier()).fit(X[:N], LABELS[:N])
    change = explainer.influence(X_TEST, LABELS[N:], target="prediction", kind="removal")
    kept = np.arange(N) != 7
    refitted = ProbitClassifier().fit(X[:N][kept], LABELS[:N][kept])
    rows = np.arange(N_TEST), LABELS[N:]
    expected = refitted.predict_proba(X_TEST)[rows] - explainer.predict_proba(X_TEST)[rows]
    np.testing.assert_allclose(change[:, 7], expected, rtol=0.02, atol=1e-6)


def test_third_party_estimators_in_wrappers():
    grid = GridSearchCV(PseudoHuberRegressor(), {"alpha": [0.5, 2.0]}, cv=3)
    explainer = InfluenceExplainer(make_pipeline(StandardScaler(), grid)).fit(X, TARGETS)
    best = PseudoHuberRegressor(**explainer.estimator_[-1].best_params_)
    rows = StandardScaler().fit_transform(X)
    expected = InfluenceExplainer(best).fit(rows, TARGETS).influence(rows[:3], TARGETS[:3])
    np.testing.assert_allclose(explainer.influence(X[:3], TARGETS[:3]), expected, rtol=1e-6)


# ------------------------------------------------------------------------------------ a solver
@pytest.mark.parametrize("model", [LogisticRegression(), Ridge()], ids=repr)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_third_party_solver(model, n_classes):
    y = LABELS + (X[:, 0] > 1) * (n_classes - 2)
    explainer = InfluenceExplainer(model, solver=DenseSolve(), damping=0.01).fit(X, y)
    assert isinstance(explainer.solver_, DenseInverse)
    assert explainer.report_.solver == "dense-solve"
    assert explainer.report_.reason == "LU of the dense Hessian"
    assert np.isnan(explainer.report_.condition)
    exact = InfluenceExplainer(model, solver="cholesky", damping=0.01).fit(X, y)
    for kind in ("upweight", "removal"):
        np.testing.assert_allclose(
            explainer.influence(X, y, kind=kind), exact.influence(X, y, kind=kind), atol=1e-9
        )
        np.testing.assert_allclose(
            explainer.self_influence(kind=kind), exact.self_influence(kind=kind), atol=1e-9
        )


# -------------------------------------------------------------------------------------- a step
STEPS = [Squash(), MovingAverage(), FunctionTransformer(soft_clip, kw_args={"limit": 2.0})]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_third_party_step_against_finite_differences(step):
    y, y_test = TARGETS[:N], TARGETS[N:]
    rows = X[:N] + 0.1
    pipeline = make_pipeline(StandardScaler(), clone(step), PseudoHuberRegressor()).fit(rows, y)
    explainer = InfluenceExplainer(pipeline, prefit=True).fit(rows, y)
    chosen, move = [0, 11], 1e-4
    found = explainer.perturbation_gradient(X_TEST, y_test, indices=chosen) / N
    assert found.shape == (N_TEST, 2, D)
    expected = np.empty_like(found)
    before = pipeline[:-1]  # the steps before the model are fixed
    for position, i in enumerate(chosen):
        for feature in range(D):
            sides = []
            for sign in (1, -1):
                moved = rows.copy()
                moved[i, feature] += sign * move
                model = clone(pipeline[-1]).fit(before.transform(moved), y)
                difference = model.predict(before.transform(X_TEST)) - y_test
                sides.append(np.sqrt(1.0 + difference**2) - 1.0)
            expected[:, position, feature] = (sides[0] - sides[1]) / (2 * move)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * abs(expected).max())
    assert (found[:, :, -1] == 0).all() == isinstance(step, Squash)


def test_supported_names_include_third_parties():
    with pytest.raises(TypeError, match=r"(?s)Supported are .*ProbitClassifier.*PseudoHuber"):
        InfluenceExplainer(InfluenceExplainer(Ridge())).fit(X, TARGETS)


@pytest.mark.parametrize(
    "parts, lines",
    [
        ([PseudoHuber], 25),
        ([ProbitLoss], 25),
        ([pseudo_huber_objective], 15),
        ([probit_objective], 15),
        ([DenseSolve, DenseInverse], 60),
        ([squash_vjp], 10),
        ([soft_clip_vjp], 10),
        ([MovingAverage.linear_map], 10),
    ],
)
def test_what_an_addition_costs(parts, lines):
    assert sum(len(inspect.getsource(part).splitlines()) for part in parts) <= lines
