"""Which Hessian stands for a network, and with how much damping."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from networks import TASKS, Case, problem, quiet
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from wording import raises

from skinfluence import InfluenceExplainer, SingularHessianError, as_objective, convexity
from skinfluence.convexity import extreme_eigenvalues
from skinfluence.tangent_hessian import TangentHessian

N = 60
far_away = pytest.mark.filterwarnings("ignore::skinfluence.NotStationaryWarning")
# Somewhere on the way there are negative eigenvalues.
ON_THE_WAY = [Case(task, activation) for task in TASKS for activation in ("tanh", "logistic")]
ON_THE_WAY += [Case("classes", "relu", (4, 3)), Case("numbers", "tanh", (4, 3))]


@cache
def converged(alpha=1.0):
    case = Case("classes", hidden=(4, 3))
    X, y = case.data(n=N)
    settings = {"solver": "lbfgs", "tol": 1e-8, "max_iter": 3000, "alpha": alpha}
    return case.estimator(**settings).fit(X, y), X, y


def explained(model, X, y, **options):
    return InfluenceExplainer(model, prefit=True, n_jobs=1, **options).fit(X, y)


def on_the_way(case, **options):
    found = problem(case)
    return explained(found.model, found.X, found.y, **options)


def mean_hessian(objective):
    """H, dense."""
    return objective.hessian().dense_blocks()[0] / objective.n_rows


# --------------------------------------------------------------------------------- which Hessian
@pytest.mark.parametrize("damping", [None, "auto", 0.0, 0.01])
def test_at_an_optimum_it_is_the_exact_one(damping):
    explainer = explained(*converged(), damping=damping)
    report = explainer.report_
    smallest = np.linalg.eigvalsh(mean_hessian(explainer.objective_))[0]
    assert report.hessian == "exact"
    assert report.damping == (damping or 0.0 if damping != "auto" else 0.0)
    assert smallest > 0
    assert 0.9 * smallest <= report.smallest_eigenvalue <= smallest * (1 + 1e-9)
    assert f"{report.smallest_eigenvalue + report.damping:.2g}" in report.hessian_reason
    same = explained(*converged(), damping=damping, hessian="exact")
    _, X, y = converged()
    assert_allclose(same.influence(X[:2], y[:2]), explainer.influence(X[:2], y[:2]))


@far_away
@pytest.mark.parametrize("case", ON_THE_WAY, ids=str)
def test_on_the_way_without_damping_it_is_that_of_gauss_newton(case):
    explainer = on_the_way(case, damping=0.0)
    report, objective = explainer.report_, problem(case).objective
    smallest = np.linalg.eigvalsh(mean_hessian(objective))[0]
    assert smallest < -1e-3
    assert (report.hessian, report.damping) == ("gauss-newton", 0.0)
    assert f"has a negative eigenvalue, {report.smallest_eigenvalue:.2g}" in report.hessian_reason
    assert smallest * 1.02 <= report.smallest_eigenvalue <= smallest * (1 - 1e-9)
    asked = on_the_way(case, damping=0.0, hessian="gauss-newton")
    assert asked.report_.hessian == "gauss-newton"
    assert "as asked for" in asked.report_.hessian_reason
    X, y = problem(case).X, problem(case).y
    assert_allclose(asked.influence(X[:2], y[:2]), explainer.influence(X[:2], y[:2]))


@far_away
@pytest.mark.parametrize("case", ON_THE_WAY[::3], ids=str)
def test_the_exact_one_is_refused_with_a_damping_that_works(case):
    objective = problem(case).objective
    smallest = np.linalg.eigvalsh(mean_hessian(objective))[0]
    words = ["InfluenceExplainer got hessian='exact' and damping=0, but", "negative eigenvalue"]
    advice = ["damping='auto'", "or larger", "hessian='gauss-newton' or 'auto'", "train"]
    with raises(SingularHessianError, *words, *advice) as caught:
        on_the_way(case, hessian="exact", damping=0.0)
    told = float(re.search(r"negative eigenvalue, (-[0-9.e-]+):", str(caught.value)).group(1))
    assert told == pytest.approx(smallest, rel=0.06)
    advised = float(re.search(r"or damping=([0-9.e-]+) or larger", str(caught.value)).group(1))
    assert -smallest <= advised <= -1.15 * smallest
    explainer = on_the_way(case, hessian="exact", damping=advised)
    assert (explainer.report_.hessian, explainer.report_.damping) == ("exact", advised)
    damped = mean_hessian(objective) + advised * np.eye(objective.n_parameters)
    assert np.linalg.eigvalsh(damped)[0] > 0
    with raises(SingularHessianError, f"damping={0.5 * advised:g}, but"):
        on_the_way(case, hessian="exact", damping=0.5 * advised)


# -------------------------------------------------------------------------- damping, if any is due
@far_away
@pytest.mark.filterwarnings("ignore:.* training rows have leverage 1 or more:RuntimeWarning")
@pytest.mark.parametrize("options", [{}, {"damping": "auto"}], ids=str)
@pytest.mark.parametrize("case", ON_THE_WAY, ids=str)
def test_damping_lifts_the_smallest_eigenvalue_above_0(case, options):
    explainer = on_the_way(case, hessian="exact", **options)
    H, damping = mean_hessian(problem(case).objective), explainer.report_.damping
    eigenvalues = np.linalg.eigvalsh(H)
    assert explainer.report_.hessian == "exact"
    assert damping == pytest.approx(1e-3 * eigenvalues[-1] - eigenvalues[0], rel=0.02)
    assert f"damping is {damping:.2g}" in explainer.report_.hessian_reason
    assert np.linalg.eigvalsh(H + damping * np.eye(len(H)))[0] > 0
    assert explainer.solver_.operator.damping == pytest.approx(damping * len(problem(case).y))
    given = on_the_way(case, damping=damping, hessian="exact")
    X, y = problem(case).X, problem(case).y
    for kind in ("upweight", "removal"):
        got = explainer.influence(X[:2], y[:2], kind=kind)
        assert_allclose(given.influence(X[:2], y[:2], kind=kind), got, rtol=1e-9)


@far_away
@pytest.mark.parametrize("options", [{}, {"damping": "auto"}, {"damping": 0.05}], ids=str)
@pytest.mark.parametrize("case", ON_THE_WAY[::2], ids=str)
def test_at_no_minimum_gauss_newton_is_damped_as_the_exact_one_would_need(case, options):
    explainer, objective = on_the_way(case, **options), problem(case).objective
    exact = np.linalg.eigvalsh(mean_hessian(objective))
    report, wanted = explainer.report_, 1e-3 * exact[-1] - exact[0]
    assert report.hessian == "gauss-newton"
    if options.get("damping") == 0.05:
        wanted = 0.05
    else:
        assert "damped as H would need it" in report.hessian_reason
    assert report.damping == pytest.approx(wanted, rel=0.02)
    assert "negative eigenvalue" in report.hessian_reason
    assert exact[0] * 1.02 <= report.smallest_eigenvalue <= exact[0] * (1 - 1e-12)
    plain = on_the_way(case, hessian="gauss-newton", damping=report.damping)
    X, y = problem(case).X, problem(case).y
    for kind in ("upweight", "removal"):
        got = explainer.influence(X[:2], y[:2], kind=kind)
        assert_allclose(plain.influence(X[:2], y[:2], kind=kind), got, rtol=1e-9)


@far_away
@pytest.mark.parametrize("damping, taken", [(0.0, "gauss-newton"), (1e-6, "exact")])
def test_a_hair_below_0_without_damping_is_no_minimum(damping, taken, monkeypatch):
    monkeypatch.setattr(convexity, "extreme_eigenvalues", lambda operator, seed: (-5e-7, 1.0))
    case = Case("number")
    explainer = on_the_way(case, damping=damping)
    assert explainer.report_.hessian == taken
    assert explainer.report_.damping == damping


@pytest.mark.parametrize("seed", range(5))
def test_bounds_of_eigenvalues_are_bounds_whatever_the_start(seed):
    for case in ON_THE_WAY[:4]:
        operator = problem(case).objective.hessian()
        eigenvalues = np.linalg.eigvalsh(operator.dense_blocks()[0])
        smallest, largest = extreme_eigenvalues(operator, seed)
        assert smallest <= eigenvalues[0] * (1 - 1e-12)
        assert smallest >= eigenvalues[0] * 1.02
        assert largest == pytest.approx(eigenvalues[-1], rel=1e-3)


@far_away
def test_bounds_from_products_alone(monkeypatch):
    """As of networks whose Hessian would not fit into memory."""
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier((8,), activation="tanh", max_iter=3, random_state=0)
    quiet(model, X[:200] / 16.0, y[:200])
    operator = as_objective(model, X[:200] / 16.0, y[:200]).hessian()
    eigenvalues = np.linalg.eigvalsh(operator.dense_blocks()[0])
    monkeypatch.setattr(convexity, "SMALL", 10)
    monkeypatch.setattr(TangentHessian, "dense_blocks", None)
    smallest, largest = extreme_eigenvalues(operator, 0)
    assert operator.n_parameters == 610
    assert eigenvalues[0] * 1.02 <= smallest <= eigenvalues[0]
    assert largest == pytest.approx(eigenvalues[-1], rel=1e-6)


@far_away
def test_gauss_newton_is_damped_where_it_is_flat():
    """Every row's gradient with hidden units that never are off leaves their intercepts open."""
    case = Case("number", "identity", (4,))
    found = problem(case)
    explainer = on_the_way(case, hessian="gauss-newton")
    plain = found.objective.hessian().gauss_newton().dense_blocks()[0] / len(found.y)
    eigenvalues = np.linalg.eigvalsh(plain)
    assert (np.abs(eigenvalues[:4]) < 1e-12).all()
    assert explainer.report_.damping == pytest.approx(1e-3 * eigenvalues[-1], rel=0.02)
    sharp = on_the_way(case, hessian="gauss-newton", damping=0.0)
    assert sharp.report_.rank == found.objective.n_parameters - 4
    assert np.isfinite(sharp.influence(found.X[:2], found.y[:2], kind="removal")).all()


@far_away
@pytest.mark.parametrize("activation", ["identity", "relu"])
def test_classes_with_units_that_never_are_off(activation):
    """What is flat but for a common shift of all classes moves no row's loss."""
    case = Case("classes", activation, (4,))
    X, y = case.data(n=N)
    model = quiet(case.estimator(solver="lbfgs", max_iter=20, alpha=1.0), X + 1.0, y)
    X = np.abs(X)
    model.coefs_ = [np.abs(each) for each in model.coefs_]
    model.intercepts_ = [np.abs(each) for each in model.intercepts_]
    sharp, damped = (
        explained(model, X, y, hessian="gauss-newton", damping=each) for each in (0.0, 1e-9)
    )
    assert sharp.report_.rank == sharp.report_.p - 4
    for kind in ("upweight", "removal"):
        got, want = (each.influence(X[:3], y[:3], kind=kind) for each in (sharp, damped))
        assert_allclose(got, want, rtol=1e-4)


# ----------------------------------------------------------------------- models that are convex
CONVEX = [
    (LogisticRegression(C=2.0), "classes"),
    (Ridge(0.5), "numbers"),
    (Ridge(0.5), "number"),
    (KernelRidge(alpha=0.5, kernel="rbf"), "number"),
    (SVC(kernel="rbf"), "binary"),
]


@pytest.mark.parametrize("model, task", CONVEX, ids=lambda value: str(value).split("(")[0])
def test_convex_models_take_every_setting(model, task):
    X, y = Case(task).data(n=N)
    explainers = [
        InfluenceExplainer(model, n_jobs=1, hessian=hessian, damping=damping).fit(X, y)
        for hessian in ("auto", "exact", "gauss-newton")
        for damping in (None, 0.0, "auto")
    ]
    first = explainers[0]
    for each in explainers:
        assert each.report_.damping == 0.0
        assert each.report_.hessian == ("gauss-newton" if "gauss" in each.hessian else "exact")
        assert "linear in the parameters" in each.report_.hessian_reason
        got = each.influence(X[:2], y[:2], target="prediction" if task == "number" else "loss")
        want = first.influence(X[:2], y[:2], target="prediction" if task == "number" else "loss")
        assert np.array_equal(got, want)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_linear_model_of_copied_columns_is_damped(copies):
    X, y = Case("number").data(n=N)
    X = np.hstack([X] * copies)
    explainer = InfluenceExplainer(Ridge(1e-12), damping="auto", n_jobs=1).fit(X, y)
    H = explainer.objective_.hessian().to_dense() / N
    eigenvalues = np.linalg.eigvalsh(H)
    if copies == 1:
        assert explainer.report_.damping == 0.0
        assert explainer.report_.smallest_eigenvalue == pytest.approx(eigenvalues[0], rel=0.02)
    else:
        assert explainer.report_.damping == pytest.approx(1e-3 * eigenvalues[-1], rel=0.02)


# --------------------------------------------------------------------------------------- words
@pytest.mark.parametrize("hessian", ["newton", None, 1])
def test_unknown_hessians(hessian):
    words = ["got hessian=", "'auto', 'exact', 'gauss-newton'"]
    with raises(ValueError, *words):
        explained(*converged(), hessian=hessian)


@pytest.mark.parametrize("damping", ["much", -1.0, np.nan, np.inf, [0.1]], ids=str)
def test_unknown_dampings(damping):
    with raises(ValueError, f"InfluenceExplainer got damping={damping!r}; needed is", "'auto'"):
        explained(*converged(), damping=damping)


@far_away
def test_without_a_penalty_separable_classes_need_damping():
    X, _ = Case("binary").data(n=N)
    y = X[:, 0] > 0
    model = quiet(Case("binary").estimator(solver="lbfgs", alpha=0.0, max_iter=100), X, y)
    with raises(SingularHessianError, "classes are perfectly separable", "pass damping"):
        explained(model, X, y, damping=0.0)
    assert explained(model, X, y).report_.damping > 0
