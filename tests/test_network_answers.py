"""Answers about networks: against really training them on, and what they must not depend on."""

from __future__ import annotations

import pickle
from copy import deepcopy
from functools import cache

import numpy as np
import pytest
from networks import TASKS, Case, losses, needs_weights, quiet, signals
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wording import raises

from skinfluence import CG, InfluenceExplainer, LiSSA, functionals
from skinfluence.attack import TrainingSetAttack

CONVERGED = {"solver": "lbfgs", "tol": 1e-8, "max_iter": 5000, "max_fun": 100_000}
N = 60


@cache
def digits():
    """4 × 4 pixels: 400 rows to train on, and the others."""
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16) / 8.0 - 0.5
    return X[:400], y[:400], X[400:], y[400:]


@cache
def small(task="classes", **settings):
    case = Case(task, hidden=(4, 3))
    X, y = case.data(n=N)
    model = quiet(case.estimator(**{**CONVERGED, "alpha": 1.0, **settings}), X, y)
    return model, X, y


def explained(model, X, y, **options):
    return InfluenceExplainer(model, prefit=True, **{"n_jobs": 1, **options}).fit(X, y)


# -------------------------------------------------------------------------- against training it on
def agreement(found):
    return f"correlation {found.correlation:.3f}, slope {found.slope:.3f}"


@pytest.mark.parametrize("activation, alpha", [("tanh", 6.0), ("logistic", 3.0)])
def test_digits_against_training_on_without_each_row(activation, alpha):
    X, y, X_test, y_test = digits()
    settings = {"activation": activation, "alpha": alpha, "random_state": 0}
    model = MLPClassifier((6,), **settings, **CONVERGED).fit(X, y)
    explainer = explained(model, X, y)
    assert explainer.report_.hessian == "exact"
    wrong = np.flatnonzero(model.predict(X_test) != y_test)[:3]
    found = explainer.verify(X_test[wrong], y_test[wrong], n_rows=50)
    assert found.n_refits == 51
    assert found.correlation >= 0.95, agreement(found)
    assert 0.85 <= found.slope <= 1.2, agreement(found)


def test_digits_with_kinks_in_the_network():
    X, y, X_test, y_test = digits()
    model = MLPClassifier((6,), alpha=2.0, random_state=0, **CONVERGED).fit(X, y)
    wrong = np.flatnonzero(model.predict(X_test) != y_test)[:1]
    found = explained(model, X, y).verify(X_test[wrong], y_test[wrong], n_rows=25)
    assert found.correlation >= 0.9, agreement(found)
    assert 0.4 <= found.slope <= 1.2, agreement(found)


@pytest.mark.parametrize("kind", ["removal", "upweight"])
def test_diabetes_in_a_pipeline_against_training_on(kind):
    X, y = load_diabetes(return_X_y=True)
    network = MLPRegressor(
        hidden_layer_sizes=(3,), activation="tanh", alpha=3.0, random_state=0, **CONVERGED
    )
    y = (y - y.mean()) / y.std()
    model = make_pipeline(StandardScaler(), network).fit(X[:200], y[:200])
    explainer = explained(model, X[:200], y[:200])
    options = {"n_rows": 25, "kind": kind, "preprocessing": "fixed"}
    found = explainer.verify(X[200:203], y[200:203], **options)
    assert found.correlation >= 0.95, agreement(found)
    assert 0.8 <= found.slope <= 1.1, agreement(found)


@pytest.mark.parametrize("task", [task for task in TASKS if task not in ("labels", "numbers")])
def test_every_task_against_training_on(task):
    explainer = explained(*small(task, alpha=3.0))
    found = explainer.verify(*Case(task).data(seed=5, n=4), n_rows=8)
    assert found.correlation >= 0.95, agreement(found)
    assert 0.9 <= found.slope <= 1.1, agreement(found)


@pytest.mark.filterwarnings("ignore::skinfluence.NotStationaryWarning")
def test_several_labels_against_training_on_by_hand():
    case, n = Case("labels", hidden=(4, 3)), 200
    X, y = case.data(n=n)
    model = case.estimator(**CONVERGED | {"alpha": 1.0}).fit(X, y)
    X_test, y_test = case.data(seed=5, n=4)
    explainer = explained(model, X, y)
    found = explainer.verify(X_test, y_test, n_rows=6)
    rows = found.indices

    def loss(kept):
        on = deepcopy(model).set_params(warm_start=True).fit(X[kept], y[kept])
        return losses("labels", y_test, signals(on, X_test))

    before = loss(np.arange(n))
    actual = np.column_stack([loss(np.delete(np.arange(n), row)) - before for row in rows])
    assert_allclose(found.actual, actual, rtol=1e-2, atol=1e-2 * np.abs(actual).max())
    assert found.correlation >= 0.9, f"slope {found.slope:.3f}"
    going = case.estimator(solver="adam", max_iter=100, alpha=1.0)
    assert np.isfinite(
        explained(quiet(going, X, y), X, y).verify(X_test, y_test, n_rows=2).actual
    ).all()


# ----------------------------------------------------------------- moving a row, through all of it
@pytest.mark.filterwarnings("ignore::skinfluence.NotStationaryWarning")
@pytest.mark.parametrize("task", TASKS)
def test_perturbation_gradient_through_the_pipeline(task):
    case = Case(task, hidden=(4, 3))
    X, y = case.data(n=N)
    X = X * np.array([1.0, 10.0, 0.1, 3.0, 1.0]) + 2.0
    network = case.estimator(**CONVERGED | {"alpha": 1.0})
    explainer = InfluenceExplainer(make_pipeline(StandardScaler(), network), n_jobs=1)
    quiet(explainer, X, y)
    rows, move = [3, 41], 1e-5 * X.std(axis=0)
    got = explainer.perturbation_gradient(X[:3], y[:3], indices=rows)
    for feature in range(X.shape[1]):
        step = move * (np.arange(X.shape[1]) == feature)
        up, down = (
            explainer.perturbation_influence(
                X[:3], y[:3], indices=rows, X_new=X[rows] + side * step, kind="upweight"
            )
            for side in (1.0, -1.0)
        )
        slope = (up - down) / (2.0 * move[feature])
        assert_allclose(got[:, :, feature], slope, rtol=0, atol=1e-6 * np.abs(slope).max())


def test_a_row_replaced_by_itself_or_another():
    model, X, y = small()
    explainer = explained(model, X, y)
    for kind in ("removal", "upweight"):
        same = explainer.perturbation_influence(X[:2], y[:2], indices=[4], X_new=X[[4]], kind=kind)
        assert np.abs(same).max() <= 1e-12
    flips = explainer.label_flip_influence(X[:2], y[:2], indices=[4], kind="removal")
    codes = np.searchsorted(model.classes_, y)
    assert not flips[:, 0, codes[4]].any()
    for other in set(range(3)) - {codes[4]}:
        label = model.classes_[[other]]
        one = explainer.perturbation_influence(X[:2], y[:2], indices=[4], y_new=label)
        assert_allclose(flips[:, 0, other], one[:, 0], rtol=1e-9)


# ------------------------------------------------------------------- what answers do not depend on
def asked(explainer, X, y):
    return np.concatenate(
        [
            explainer.influence(X[:3], y[:3]),
            explainer.influence(X[:3], y[:3], kind="removal"),
            explainer.self_influence(kind="removal")[None],
        ]
    )


def close(got, want, tolerance=1e-9):
    assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


def test_order_of_rows_storage_and_jobs():
    model, X, y = small()
    want = asked(explained(model, X, y), X, y)
    order = np.random.default_rng(0).permutation(N)
    moved = explained(model, X[order], y[order])
    close(asked(moved, X, y)[:, np.argsort(order)], want)
    close(asked(explained(model, sparse.csr_matrix(X), y), X, y), want)
    close(asked(explained(model, sparse.csc_matrix(X), y), sparse.csr_matrix(X), y), want)
    for solver in (CG(tol=1e-11), LiSSA(repeats=2, depth=200, tol=100.0)):
        first, second = (explained(model, X, y, n_jobs=k, solver=solver) for k in (1, 2))
        assert_array_equal(first.influence(X[:2], y[:2]), second.influence(X[:2], y[:2]))


def test_pickles_and_clones():
    model, X, y = small()
    explainer = explained(model, X, y, hessian="gauss-newton", damping="auto")
    want = asked(explainer, X, y)
    assert_array_equal(asked(pickle.loads(pickle.dumps(explainer)), X, y), want)
    again = clone(explainer).set_params(estimator=model)
    assert (again.hessian, again.damping) == ("gauss-newton", "auto")
    assert_array_equal(asked(again.fit(X, y), X, y), want)
    fitted = InfluenceExplainer(clone(model), n_jobs=1).fit(X, y)
    close(asked(fitted, X, y), asked(explained(model, X, y), X, y))


def test_float32():
    model, X, y = small()
    single = explained(model, X.astype(np.float32), y)
    assert single.influence(X[:3], y[:3]).dtype == np.float32
    close(asked(single, X, y), asked(explained(model, X, y), X, y), 1e-3)


@needs_weights
def test_rows_without_weight():
    case = Case("classes", hidden=(4, 3))
    X, y = case.data(n=N)
    weights = np.where(np.arange(N) % 5 == 0, 0.0, 1.0)
    model = case.estimator(**CONVERGED | {"alpha": 3.0}).fit(X, y, sample_weight=weights)
    explainer = InfluenceExplainer(model, prefit=True, n_jobs=1).fit(X, y, sample_weight=weights)
    kept = weights > 0
    without = explained(model, X[kept], y[kept])
    for kind, scale in (("removal", 1.0), ("upweight", kept.mean())):
        effects = explainer.influence(X[:3], y[:3], kind=kind)
        close(scale * effects[:, kept], without.influence(X[:3], y[:3], kind=kind))
        if kind == "removal":
            assert not effects[:, ~kept].any()


# ------------------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    "ask, words",
    [
        (lambda e, X, y: e.influence(X, y, kind="refit"), ["kind='refit'", "kind='removal'"]),
        (lambda e, X, y: e.reweight(np.ones(N), X, kind="refit"), ["kind='refit'", "verify()"]),
        (lambda e, X, y: e.loo_predict(kind="refit"), ["kind='refit'", "kind='removal'"]),
        (lambda e, X, y: e.diagnostics(), ["diagnostics", "self_influence(kind='removal')"]),
        (lambda e, X, y: e.effective_dof(), ["effective_dof", "normalize='loss'"]),
        (
            lambda e, X, y: e.most_influential_set(functionals.mean_loss(), 2, X=X, y=y),
            ["most_influential_set", "group_influence(kind='removal')"],
        ),
        (
            lambda e, X, y: TrainingSetAttack(e).attack(X, y),
            ["an attack", "HiddenActivations(network) and LogisticRegression()"],
        ),
    ],
    ids=["influence", "reweight", "loo", "diagnostics", "dof", "sets", "attack"],
)
def test_what_needs_an_optimum_is_refused(ask, words):
    model, X, y = small()
    explainer = explained(model, X, y)
    got = f"InfluenceExplainer got {words[0]} for MLPClassifier: a network has no one optimum"
    with raises(TypeError, got, words[1]):
        ask(explainer, X[:2], y[:2])


def test_networks_have_no_coefficients():
    model, X, y = small("number")
    explainer = explained(model, X, y)
    words = ["functionals.coefficient got MLPRegressor, a network", "functionals.prediction"]
    with raises(TypeError, *words):
        explainer.functional_influence(X, y, functionals.coefficient(0))


@pytest.mark.filterwarnings("ignore::skinfluence.NotStationaryWarning")
def test_early_stopping_is_not_verified():
    X, _ = Case("classes").data(n=N)
    y = (X[:, 0] > 0).astype(int)
    settings = {"early_stopping": True, "max_iter": 5, "random_state": 0}
    model = quiet(MLPClassifier((4,), **settings), X, y)
    words = ["InfluenceExplainer got MLPClassifier(early_stopping=True)", "hold other rows out"]
    with raises(TypeError, *words, "early_stopping=False"):
        explained(model, X, y).verify(X[:1], y[:1], n_rows=2)
