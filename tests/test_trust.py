"""Whether an explainer says when its answers can't be trusted, and is silent otherwise."""

import warnings
from itertools import product

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVC

from skinfluence import CG, Cholesky, InfluenceExplainer, LiSSA, NotStationaryWarning
from skinfluence.datasets import load_mnist17, load_spambase

SKLEARN = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
WORDS = (
    r"(?s)The fitted {name} is not at the optimum of its objective on these data: "
    r"\|\|grad J\|\| = .* of the sampling noise .*has not converged \(lower tol, raise max_iter\)"
    r".*X, y or sample_weight are not those that it was fitted on \(prefit=True\)"
    r".*hyper-parameter was changed since.*Influence values may be wrong"
)
# Where scikit-learn's own warnings are no part of the matter.
no_convergence_warnings = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)


def standardised(rows, y):
    return scale(rows), y


def overlapping():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 5))
    return X, (X[:, 0] - X[:, 1] + rng.logistic(size=300) > 0).astype(int)


DATA = {
    "cancer": lambda: standardised(*load_breast_cancer(return_X_y=True)),
    "spambase": lambda: standardised(*load_spambase(return_X_y=True)),
    "mnist17": lambda: load_mnist17(return_X_y=True),
    "wine": lambda: standardised(*load_wine(return_X_y=True)),
    "diabetes": lambda: load_diabetes(return_X_y=True),
    "regression": lambda: make_regression(200, 10, noise=5.0, random_state=0),
    "three targets": lambda: make_regression(200, 10, n_targets=3, noise=5.0, random_state=0),
    "overlapping": overlapping,
}


def logistic_cv():
    options = {"scoring": "neg_log_loss", "cv": 3, "Cs": [0.01, 1.0]}
    if SKLEARN >= (1, 8):
        options.update(l1_ratios=(0.0,), use_legacy_attributes=False)
    return LogisticRegressionCV(**options)


# ----------------------------------------------------- silent where there is nothing to say
def ordinary_cases():
    classifiers = [
        LogisticRegression(),
        LogisticRegression(class_weight="balanced"),
        RidgeClassifier(),
        LinearSVC(random_state=0),
        LinearSVC(loss="hinge", C=0.01, random_state=0),
    ]
    for data in ("cancer", "spambase", "wine"):
        yield from ((data, model) for model in classifiers)
    for name in ("liblinear", "newton-cg", "newton-cholesky"):
        yield "cancer", LogisticRegression(solver=name, random_state=0)
    yield "overlapping", LogisticRegression(C=np.inf)
    yield "cancer", RidgeClassifierCV()
    yield "cancer", logistic_cv()
    yield "wine", logistic_cv()
    for data in ("diabetes", "regression", "three targets"):
        yield from ((data, model) for model in (LinearRegression(), Ridge(), RidgeCV()))
    for name in ("lsqr", "sparse_cg", "sag", "saga"):
        yield "diabetes", Ridge(solver=name, random_state=0)
    yield "mnist17", LogisticRegression(C=0.01)
    yield "mnist17", RidgeClassifier()
    yield "mnist17", LinearSVC(C=0.01, random_state=0)
    yield "mnist17", LinearSVC(loss="hinge", random_state=0)
    yield "mnist17", LinearSVC(loss="hinge", C=0.01, random_state=0)


@no_convergence_warnings
@pytest.mark.parametrize("data, model", list(ordinary_cases()), ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_no_warning_at_default_tolerances(data, model, weighted):
    X, y = DATA[data]()
    weights = np.random.default_rng(0).uniform(0.5, 1.5, size=len(y)) if weighted else None
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotStationaryWarning)
        explainer = InfluenceExplainer(model).fit(X, y, sample_weight=weights)
    assert 0.0 <= explainer.report_.relative_step <= 0.1


# ------------------------------------------------------------------ said where there is
MODELS = {
    "logistic": LogisticRegression(tol=1e-8, max_iter=1000),
    "liblinear": LogisticRegression(tol=1e-8, solver="liblinear", random_state=0),
    "ridge": Ridge(),
    "least squares": LinearRegression(),
    "ridge classifier": RidgeClassifier(),
    "squared hinge": LinearSVC(tol=1e-8, random_state=0),
    "hinge": LinearSVC(loss="hinge", tol=1e-8, max_iter=100_000, random_state=0),
}
OTHERS = ("nothing", "permuted y", "other X", "fewer rows", "lost weights", "other weights")
OTHERS += ("stronger penalty",)
SOLVERS = {"cholesky": Cholesky(), "cg": CG()}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "name, other",
    [pair for pair in product(MODELS, OTHERS) if pair != ("least squares", "stronger penalty")],
)
def test_prefit_model_of_other_data(name, other, solver):
    X, y = overlapping()
    rng = np.random.default_rng(1)
    weights = np.where(rng.random(len(y)) < 0.5, 0.1, 2.0)
    model = clone(MODELS[name]).fit(X, y, sample_weight=weights)
    explainer = InfluenceExplainer(model, prefit=True, solver=SOLVERS[solver])
    if other == "permuted y":
        y = rng.permutation(y)
    elif other == "other X":
        X = rng.permutation(X)
    elif other == "fewer rows":
        X, y, weights = X[:150], y[:150], weights[:150]
    elif other == "lost weights":
        weights = None
    elif other == "other weights":
        weights = rng.permutation(weights)
    elif other == "stronger penalty":
        model.set_params(**({"alpha": 1e3} if "ridge" in name else {"C": 1e-3}))
    if other == "nothing":
        assert explainer.fit(X, y, sample_weight=weights).report_.relative_step < 0.1
        return
    with pytest.warns(NotStationaryWarning, match=WORDS.format(name=type(model).__name__)) as seen:
        explainer.fit(X, y, sample_weight=weights)
    assert explainer.report_.relative_step > 0.1
    assert seen[0].filename == __file__


@no_convergence_warnings
@pytest.mark.parametrize("max_iter", [1, 2, 3])
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        LogisticRegression(solver="liblinear", random_state=0),
        LogisticRegression(solver="newton-cg"),
        LogisticRegression(solver="saga", random_state=0),
        LinearSVC(random_state=0),
        LinearSVC(loss="hinge", random_state=0),
    ],
    ids=repr,
)
def test_fit_that_has_not_converged(model, max_iter):
    X, y = DATA["cancer"]()
    model = clone(model).set_params(max_iter=max_iter)
    with pytest.warns(NotStationaryWarning, match=WORDS.format(name=type(model).__name__)):
        InfluenceExplainer(model).fit(X, y)


def test_class_weight_changed_since():
    X, y = overlapping()
    model = LogisticRegression(tol=1e-8).fit(X, y).set_params(class_weight={0: 1.0, 1: 5.0})
    with pytest.warns(NotStationaryWarning, match="hyper-parameter was changed"):
        InfluenceExplainer(model, prefit=True).fit(X, y)


# ------------------------------------------------------------------------------------- report
@pytest.mark.parametrize("solver", ["auto", "cholesky", "cg", "lissa"])
def test_report(solver):
    X, y = overlapping()
    report = InfluenceExplainer(LogisticRegression(), solver=solver, damping=0.01).fit(X, y).report_
    promised = "n p solver reason gradient_norm relative_step condition rank damping seconds"
    assert set(promised.split(" ")) <= set(report)
    assert (report.n, report.p, report["n"], report.damping) == (300, 6, 300, 0.01)
    assert report.solver == report["solver"] == {"auto": "cholesky"}.get(solver, solver)
    assert report.gradient_norm >= 0
    assert 0 < report.seconds < 60
    assert report.rank == (6 if solver in ("auto", "cholesky") else None)
    words = {"auto": "chosen because", "cg": "preconditioner", "lissa": "repeats"}
    assert words.get(solver, "dense factorisation") in report.reason


@pytest.mark.parametrize("solver", ["auto", "cholesky", "cg", "lissa"])
def test_report_estimates_the_condition(solver):
    X, y = overlapping()
    X = X @ np.diag([1.0, 1.0, 3.0, 1.0, 1.0]) @ (np.eye(5) + 0.5)
    explainer = InfluenceExplainer(LogisticRegression(), solver=solver).fit(X, y)
    hessian = explainer.solver_.operator.to_dense()
    if solver in ("auto", "cholesky"):
        scale = np.sqrt(np.diag(hessian))
        hessian = hessian / scale / scale[:, None]
    exact = np.linalg.cond(hessian)
    assert exact > 10
    assert exact / 6 < explainer.report_.condition < 6 * exact


def test_report_measures_the_gradient():
    X, y = overlapping()
    model = LogisticRegression(C=0.5, tol=1e-3).fit(X, y)
    explainer = InfluenceExplainer(model, prefit=True).fit(X, y)
    error = model.predict_proba(X)[:, 1] - y
    gradient = np.r_[X.T @ error + model.coef_[0] / 0.5, error.sum()]
    np.testing.assert_allclose(explainer.report_.gradient_norm, np.linalg.norm(gradient), rtol=1e-6)


# ------------------------------------------------------------------ warnings of the solvers
@pytest.mark.parametrize(
    "ask",
    [
        lambda explainer, X: explainer.influence(X[:3], kind="removal"),
        lambda explainer, X: explainer.influence(X[:3]),
        lambda explainer, X: explainer.explain(X[:3], k=2),
        lambda explainer, X: explainer.parameter_influence(indices=[0]),
    ],
    ids=["removal", "upweight", "explain", "parameters"],
)
@pytest.mark.parametrize(
    "solver, words",
    [
        (CG(tol=1e-12, max_iter=1, preconditioner="none"), r"CG stopped after 1 .*Raise max_iter"),
        (LiSSA(depth=2, repeats=1), r"LiSSA's relative residual is .*Raise batch_size or repeats"),
    ],
    ids=repr,
)
def test_warnings_point_at_the_user(solver, words, ask):
    X, y = overlapping()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = InfluenceExplainer(LogisticRegression(), solver=solver).fit(X, y)
    with pytest.warns(ConvergenceWarning, match=words) as seen:
        ask(explainer, X)
    assert {warning.filename for warning in seen} == {__file__}
