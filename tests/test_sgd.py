"""SGDClassifier and SGDRegressor at the exact optima of their objectives, by other solvers.

``models_sgd`` has their own refits, which stochastic gradients leave too noisy to tell objectives
apart that differ by little.
"""

from __future__ import annotations

import numpy as np
import pytest
from asking import same
from catalogue import SKLEARN
from gradient_descent import ALPHA, KINKED, SMOOTH, N, Problem, at, optimum
from models_sgd import ADAPTIVE, AVERAGED
from numpy.testing import assert_allclose, assert_array_equal
from rows import SETTINGS, make_data
from scipy import sparse
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import (
    ElasticNet,
    LogisticRegression,
    Perceptron,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wording import raises

from skinfluence import InfluenceExplainer, NotStationaryWarning

ROWS = [0, 7, 21, 40, 106]
NAMED = {setting.name: setting for setting in SETTINGS}
EVERY = [*SMOOTH, *KINKED]
CASES = [
    *[(loss, "binary", name) for loss in EVERY for name in ("plain", "balanced, weighted, csr")],
    *[(loss, "binary", "class weights") for loss in ("log_loss", "hinge")],
    *[
        (loss, "three classes", name)
        for loss in ("log_loss", "hinge", "modified_huber")
        for name in ("class weights", "balanced, weighted, csr")
    ],
    *[
        (loss, "regression", name)
        for loss in EVERY[3:6] + EVERY[7:]
        for name in ("plain", "weighted, csr")
    ],
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss, data, setting", CASES)
def test_exact_optima(loss, data, setting):
    problem = Problem(loss, data, NAMED[setting])
    model = problem.fitted()
    shown = problem.setting.prepare(problem.data)
    weights = problem.setting.weights(shown)
    explainer = InfluenceExplainer(model, prefit=True).fit(shown.X, shown.y, weights)
    # libsvm, which the kinked ones are from, ends where rounding stops it.
    assert explainer.report_.relative_step < (1e-3 if loss in KINKED else 1e-5)
    before = problem.losses(problem.optimum())
    kept = [np.arange(N) != row for row in ROWS]
    actual = np.array([problem.losses(problem.optimum(rows)) - before for rows in kept]).T
    got = explainer.influence(shown.X_test, shown.y_test, kind="refit", indices=ROWS)
    same(got, actual, 1e-3 if loss in KINKED else 1e-7)


def test_a_row_of_weight_0_has_its_share_of_the_penalty():
    """It is one step of n, and takes that along when it goes."""
    data = make_data("binary", N)
    weights = np.where(np.arange(N) == 7, 0.0, data.sample_weight)
    signs = np.where(data.y == 1, 1.0, -1.0)

    def losses(kept):
        theta = optimum("log_loss", data.X[kept], signs[kept], weights[kept])
        z = data.X_test @ theta[:-1] + theta[-1]
        return SMOOTH["log_loss"][0](np.where(data.y_test == 1, 1.0, -1.0), z)

    model = SGDClassifier(loss="log_loss", alpha=ALPHA, max_iter=5, tol=None).fit(data.X, data.y)
    at(model, optimum("log_loss", data.X, signs, weights)[:, None])
    explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y, weights)
    actual = losses(np.arange(N) != 7) - losses(slice(None))
    assert np.abs(actual).max() > 1e-4
    got = explainer.influence(data.X_test, data.y_test, kind="refit", indices=[7])
    same(got[:, 0], actual, 1e-7)


# ------------------------------------------------------------------------------ L1 penalties
L1_RATIO = 0.6
_LOGISTIC = {} if SKLEARN >= (1, 8) else {"penalty": "elasticnet"}


def elastic_net(X, y, weights, alpha):
    """Coefficients and intercept of the squared error with an elastic net."""
    alpha = alpha * len(y) / weights.sum()  # its mean is over weights
    net = ElasticNet(alpha=alpha, l1_ratio=L1_RATIO, tol=1e-14, max_iter=100_000)
    net.fit(X, y, sample_weight=weights)
    return np.append(net.coef_, net.intercept_)


def sparse_logistic(X, y, weights, alpha):
    """The same for the logistic loss."""
    strength = {"C": 1.0 / (alpha * len(y)), "l1_ratio": L1_RATIO, "solver": "saga"}
    model = LogisticRegression(**strength, **_LOGISTIC, tol=1e-12, max_iter=100_000, random_state=0)
    model.fit(X, y, sample_weight=weights)
    return np.append(model.coef_, model.intercept_)


def explain_elastic_net(data, setting, alpha):
    """An explainer, data, and what solves each output of the estimator's problem."""
    problem = Problem("squared_error" if data == "regression" else "log_loss", data, NAMED[setting])
    solve = elastic_net if problem.regression else sparse_logistic
    model = problem.estimator()
    model.set_params(penalty="elasticnet", l1_ratio=L1_RATIO, alpha=alpha)

    def solution(kept=slice(None)):
        X, y = problem.data.X[kept], problem.data.y[kept]
        weights = [problem.weights(y, kept, k) for k in problem.positive]
        targets = [problem.targets(y, k) for k in problem.positive]
        pairs = zip(targets, weights, strict=True)
        return np.column_stack([solve(X, *pair, alpha) for pair in pairs])

    shown = problem.setting.prepare(problem.data)
    at(model.fit(shown.X, shown.y), solution())
    explainer = InfluenceExplainer(model, prefit=True)
    explainer.fit(shown.X, shown.y, problem.setting.weights(shown))
    return explainer, problem, solution


@pytest.mark.filterwarnings("ignore:.*would change the support", "ignore:Maximum number of iter")
@pytest.mark.parametrize(
    "data, setting, alpha",
    [
        ("regression", "plain", 0.25),
        ("regression", "weighted, csr", 0.2),
        ("binary", "balanced, weighted", 0.15),
        ("three classes", "plain, csr", 0.05),
        ("three classes", "class weights", 0.05),
    ],
)
def test_elastic_nets(data, setting, alpha):
    explainer, problem, solution = explain_elastic_net(data, setting, alpha)
    assert explainer.report_.relative_step < 1e-5
    shown, fitted = problem.setting.prepare(problem.data), solution()
    assert not fitted[:-1].all()
    others = [solution(np.arange(N) != row) for row in ROWS]
    stays = np.array([(np.sign(fitted) == np.sign(other))[:-1].all() for other in others])
    assert stays.sum() > 1
    changes = explainer.support_changes(kind="refit", indices=ROWS)
    assert_array_equal(changes, ~stays)
    actual = np.array([problem.losses(other) - problem.losses(fitted) for other in others]).T
    got = explainer.influence(shown.X_test, shown.y_test, kind="refit", indices=ROWS)
    same(got[:, stays], actual[:, stays], 1e-5)
    removal = explainer.influence(shown.X_test, shown.y_test, kind="removal", indices=ROWS)
    assert np.corrcoef(removal[:, stays].ravel(), actual[:, stays].ravel())[0, 1] > 0.999


# ---------------------------------------------------------------------------- probabilities
@pytest.mark.parametrize("data", ["binary", "three classes"])
def test_probabilities_of_the_modified_huber_loss(data):
    problem = Problem("modified_huber", data, NAMED["plain"])
    model = problem.fitted()
    explainer = InfluenceExplainer(model, prefit=True).fit(problem.data.X, problem.data.y)
    left_out = explainer.loo_predict_proba(kind="refit")
    for row in ROWS:
        kept = np.arange(N) != row
        at(model, problem.optimum(kept))
        expected = model.predict_proba(problem.data.X[[row]])[0]
        assert_allclose(left_out[row], expected, atol=1e-6)
    # Also where all classes of three are next to impossible, and so as probable as each other.
    for shift in (0.0, -2.0):
        model.intercept_ = model.intercept_ + shift
        values = model.decision_function(problem.data.X).reshape(N, -1)
        assert shift == 0.0 or (values <= -1.0).all(axis=1).any()
        expected = model.predict_proba(problem.data.X)
        for code in range(problem.n_classes):
            got = explainer.objective_.loss.probability(np.full(N, code), values)
            assert_allclose(got, expected[:, code], atol=1e-15)


# --------------------------------------------------------------------------- what users meet
CANCER = load_breast_cancer()
CANCER_X = StandardScaler().fit_transform(CANCER.data)
# What the guide recommends.
PATIENT = {"learning_rate": "adaptive", "eta0": 0.01, "tol": 1e-7, "n_iter_no_change": 100}
PATIENT |= {"max_iter": 100_000, "alpha": 0.01, "random_state": 0}


@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_error"])
def test_defaults_stop_too_early_and_say_so(loss):
    model = SGDClassifier(loss=loss, random_state=0)
    with pytest.warns(NotStationaryWarning, match="SGDClassifier is not at the optimum"):
        InfluenceExplainer(model).fit(CANCER_X, CANCER.target)


@pytest.mark.filterwarnings("ignore:.*stops before its optimum")
@pytest.mark.parametrize("loss", ["hinge", "log_loss", "modified_huber"])
def test_patient_fits_agree_with_their_own_refits(loss):
    model = make_pipeline(StandardScaler(), SGDClassifier(loss=loss, **PATIENT))
    explainer = InfluenceExplainer(model).fit(CANCER.data[:-50], CANCER.target[:-50])
    assert explainer.report_.relative_step < 0.05
    asked = {"n_rows": 6, "preprocessing": "fixed"}
    for kind, least in (("removal", 0.97), ("refit", 0.995)):
        test = CANCER.data[-50:], CANCER.target[-50:]
        assert explainer.verify(*test, kind=kind, **asked).correlation > least


def test_intercepts_of_sparse_rows_lag_behind():
    data = make_data("binary", N)
    X = sparse.csr_matrix(data.X)
    options = {"loss": "log_loss", "alpha": 0.1}
    dense = SGDClassifier(**AVERAGED | options).fit(data.X, data.y)
    lagging = SGDClassifier(**AVERAGED | options).fit(X, data.y)
    assert abs(lagging.intercept_[0] - dense.intercept_[0]) > 0.1
    with pytest.warns(NotStationaryWarning):
        InfluenceExplainer(lagging, prefit=True).fit(X, data.y)
    arrived = SGDClassifier(**AVERAGED | options | ADAPTIVE).fit(X, data.y)
    explainer = InfluenceExplainer(arrived, prefit=True).fit(X, data.y)
    assert explainer.report_.relative_step < 0.01


def test_models_fitted_in_parts():
    data = make_data("binary", N)
    model = SGDClassifier(loss="log_loss", alpha=0.1, random_state=0)
    for _ in range(300):
        for part in (slice(0, 50), slice(50, None)):
            model.partial_fit(data.X[part], data.y[part], classes=[0, 1])
    explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y)
    assert explainer.report_.relative_step < 0.05


def test_units():
    data = make_data("binary", N)
    model = SGDClassifier(loss="squared_error", **AVERAGED | {"alpha": 0.1})
    explainer = InfluenceExplainer(model).fit(data.X, data.y)
    assert explainer.objective_.loss.unit == "half squared error of labels coded as ±1"


# ------------------------------------------------------------------------------- refused
REFUSED = [
    ({"loss": "perceptron"}, ["loss='perceptron'", "no minimum", 'loss="hinge"', "LinearSVC"]),
    ({"early_stopping": True}, ["early_stopping=True", "holds 10% of the rows out"]),
    ({"penalty": "l1"}, ["loss='hinge' with an L1 penalty alone", "linear programme", "'l2'"]),
    (
        {"penalty": "l1", "average": True, "loss": "log_loss"},
        ["average=True and penalty='l1'", "average=False"],
    ),
    ({"penalty": "elasticnet", "average": 10}, ["average=10 and penalty='elasticnet'"]),
]
if SKLEARN >= (1, 8):
    REFUSED.append(({"learning_rate": "pa1", "eta0": 1.0}, ["learning_rate='pa1'", "no objective"]))


@pytest.mark.parametrize("options, words", REFUSED)
def test_refused(options, words):
    data = make_data("binary", N)
    with raises(ValueError, "SGDClassifier got", *words):
        InfluenceExplainer(SGDClassifier(**options)).fit(data.X, data.y)


def test_refused_regressors():
    data = make_data("regression", N)
    with raises(ValueError, "SGDRegressor got early_stopping=True", "holds 25%", "=False"):
        model = SGDRegressor(early_stopping=True, validation_fraction=0.25)
        InfluenceExplainer(model).fit(data.X, data.y)


def test_the_perceptron_is_refused():
    data = make_data("binary", N)
    with raises(TypeError, "got Perceptron", "no minimum", "updates stopped", "LinearSVC"):
        InfluenceExplainer(Perceptron()).fit(data.X, data.y)
