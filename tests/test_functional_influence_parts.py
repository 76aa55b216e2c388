"""``functional_influence`` against ``influence``, Newton steps and differences in parameters."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from catalogue import named
from evaluating import (
    MODELS,
    N_TEST,
    ROWS,
    evaluation_rows,
    fit,
    metrics_of,
)
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from third_party import MeanPseudoHuberRegressor

from skinfluence import CG, InfluenceExplainer, functionals
from skinfluence.solvers.cholesky import CholeskyInverse

EVERY = ["Ridge", "Ridge, 3 outputs", "LinearSVC, 3 classes", "LinearSVC, hinge"]
EVERY += ["LogisticRegression, newton-cholesky, 3 classes", "RidgeClassifier, 3 classes"]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("kind", ["upweight", "refit"])
def test_mean_loss_and_prediction_are_influence(name, kind):
    case, _, _, explainer = fit(name, "weighted")
    X, y, _ = evaluation_rows(case.data)
    options = {"kind": kind, "indices": ROWS}
    got = explainer.functional_influence(X, y, "mean_loss", **options)
    expected = explainer.influence(X, y, reduce="mean", **options)
    assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())
    if case.data == "multi-output":
        return
    got = explainer.functional_influence(X, y, functionals.prediction(3), **options)
    expected = explainer.influence(X[3:4], y[3:4], target="prediction", **options)[0]
    assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
@pytest.mark.parametrize("name", [*EVERY, "LogisticRegression, no penalty"])
def test_a_coefficient_is_that_of_parameter_influence(name, kind):
    explainer = fit(name, "weighted")[3]
    options = {"kind": kind, "indices": ROWS}
    every = explainer.parameter_influence(**options)["coef"]
    outputs = range(every.shape[1]) if every.ndim == 3 and every.shape[1] > 1 else [None]
    for output in outputs:
        functional = functionals.coefficient(1, output=output)
        got = explainer.functional_influence(None, None, functional, **options)
        expected = every[:, output or 0, 1] if every.ndim == 3 else every[:, 1]
        assert_allclose(got, expected, rtol=1e-8, atol=1e-12 * np.abs(expected).max())


def kernels_and_means():
    X, y, _ = evaluation_rows("regression")
    data = make_data("regression", 200, n_test=N_TEST)
    kernel = RBF(2.0) + WhiteKernel(0.5)
    gaussian = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True)
    models = [
        KernelRidge(alpha=0.5, kernel="rbf", gamma=0.2),
        gaussian,
        MeanPseudoHuberRegressor(0.5, mean_over="weights"),
        MeanPseudoHuberRegressor(0.5, mean_over="rows"),
    ]
    return [(model, data, X, y) for model in models]


@cache
def explainers():
    """Models of every sort: one or several outputs, scenarios of their own, kernels, CG."""
    found = [(fit(name, s)[3], fit(name, s)[2]) for name, s in MODELS]
    found += [
        (InfluenceExplainer(model).fit(data.X, data.y), data)
        for model, data, _, _ in kernels_and_means()
    ]
    data = make_data("binary", 200, n_test=N_TEST)
    explainer = InfluenceExplainer(LogisticRegression(), solver=CG(tol=1e-12))
    return [*found, (explainer.fit(data.X, data.y), data)]


@pytest.mark.parametrize("number", range(len(MODELS) + 5))
def test_removal_is_the_gradient_times_newton_moves(number):
    explainer, data = explainers()[number]
    rng = np.random.default_rng(0)
    shown = explainer.decision_function if hasattr(explainer, "classes_") else explainer.predict
    weights = rng.standard_normal(np.shape(shown(data.X_test)))

    def linear(values, y):
        return (weights * values).sum(), weights

    got = explainer.functional_influence(data.X_test, None, linear, kind="removal", indices=ROWS)
    linear_map = explainer.objective_.predictor.linearize(data.X_test)
    moves = np.empty((N_TEST, len(ROWS), linear_map.n_outputs))
    for tests, positions, block in explainer._removal.decision_moves(linear_map, ROWS):
        moves[tests, positions] = block
    shown_moves = explainer.objective_.shown(moves.transpose(0, 2, 1))
    expected = np.einsum("nc,ncm->m", weights.reshape(len(weights), -1), shown_moves)
    assert_allclose(got, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("weighted", [False, True])
def test_one_solve_however_many_rows(weighted, monkeypatch):
    """One right-hand side, to first order as by a Newton step, for all rows and all test rows."""
    data = make_data("binary", 200, n_test=N_TEST)
    weights = data.sample_weight if weighted else None
    explainer = InfluenceExplainer(LogisticRegression(), solver="cholesky")
    explainer.fit(data.X, data.y, sample_weight=weights)
    explainer.self_influence(kind="removal")  # the rows' own steps, which every question shares
    solved = []
    solve = CholeskyInverse.solve

    def counted(inverse, right_hand_sides):
        solved.append(right_hand_sides.shape[1])
        return solve(inverse, right_hand_sides)

    monkeypatch.setattr(CholeskyInverse, "solve", counted)
    for kind in ("upweight", "removal"):
        solved.clear()
        effects = explainer.functional_influence(data.X_test, data.y_test, "roc_auc", kind=kind)
        assert effects.shape == (200,)
        assert solved == [1]


def test_gradients_go_through_every_model():
    """What is pulled back to the parameters, against differences of the smoothed metric there."""
    data = make_data("three classes", 200, n_test=N_TEST)
    pairs = SVC(C=0.5, gamma=0.2).fit(data.X, data.y)
    found = [fit(name, setting) for name, setting in MODELS if setting in ("plain", "weighted")]
    cases = [(explainer, metrics_of(case), case.data) for case, _, _, explainer in found]
    three = named("LinearSVC, 3 classes")[0]
    explainer = InfluenceExplainer(pairs, prefit=True).fit(data.X, data.y)
    asked = [f for f in metrics_of(three) if f[0].name in ("accuracy", "demographic_parity")]
    cases.append((explainer, asked, "three classes"))
    for explainer, asked, kind in cases:
        X, y, _ = evaluation_rows(kind)
        objective = explainer.objective_
        move = np.random.default_rng(0).standard_normal((objective.n_parameters, 1))
        move *= 1e-6 / np.abs(move).max()
        for functional, _ in asked:
            if functional.name == "coefficient":
                continue
            measure = explainer._measure(functional, X, y)
            theta = objective.theta.reshape(-1, 1)
            width = functional.width(measure._readings(objective, theta))
            ends = [
                functional.smooth_value(measure._readings(objective, theta + sign * move), width)[0]
                for sign in (1.0, -1.0)
            ]
            got = measure.tangent(objective).along(move)[0]
            assert got == pytest.approx((ends[0] - ends[1]) / 2, rel=2e-4, abs=1e-12), functional
