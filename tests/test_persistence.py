"""Explainers in files keep all that was computed: answers are the same, and no factor is made."""

import tracemalloc
import warnings

import numpy as np
import pytest
from catalogue import named
from rows import make_data
from saving import (
    WAYS,
    answers,
    assert_same,
    by_function,
    by_skops,
    dumped,
    explained,
    make_rows,
    mapped,
    pickled,
    questions,
)
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import ElasticNet, LogisticRegression, PoissonRegressor, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR

from skinfluence import CG, InfluenceExplainer, LiSSA
from skinfluence.operators import HessianOperator
from skinfluence.solvers import auto, cg, cholesky, dual, factorisation, lissa, support

pytestmark = pytest.mark.filterwarnings("ignore:LiSSA's relative residual")

X, Y = make_rows()
WIDE, WIDE_Y = make_rows(30, 200)
NUMBERS = X[:, 0] + 0.3 * np.random.default_rng(1).standard_normal(len(X))


# ------------------------------------------------------------------------------- what is kept
KEPT = {
    "cholesky": lambda: (LogisticRegression(), X, Y, "cholesky"),
    "cholesky, no rank": lambda: (LogisticRegression(C=1e6), X[:, [0, 1, 0]], Y, "cholesky"),
    "dual": lambda: (LogisticRegression(), WIDE, WIDE_Y, "dual"),
    "kernel": lambda: (SVR(C=0.5), X, NUMBERS, "dual"),
    "kernel ridge": lambda: (KernelRidge(kernel="rbf"), X, NUMBERS, "auto"),
    "cg": lambda: (LogisticRegression(), X, Y, "cg"),
    "cg, jacobi": lambda: (LogisticRegression(), X, Y, CG(preconditioner="jacobi")),
    "lissa": lambda: (LogisticRegression(), X, Y, LiSSA(repeats=2, depth=50)),
    "auto": lambda: (LogisticRegression(), X, Y, "auto"),
    "float32": lambda: (LogisticRegression(), X.astype(np.float32), Y, "cholesky"),
    "sparse": lambda: (Ridge(), sparse.csr_matrix(np.maximum(X, 0.0)), NUMBERS, "cholesky"),
}


def refuse(*args, **kwargs):
    raise AssertionError("computed again")


def forbid_factors(monkeypatch):
    """Nothing that a solver does once may be done again."""
    for solver in (auto.Auto, cg.CG, cholesky.Cholesky, dual.Dual, lissa.LiSSA):
        monkeypatch.setattr(solver, "factor", refuse)
    for module, name in [
        (factorisation, "dpotrf"),
        (factorisation, "eigh"),
        (support, "cholesky"),
        (cholesky, "factorise"),
        (cg, "estimate_spectrum"),
        (cg, "SampledHessian"),
        (lissa, "estimate_spectrum"),
    ]:
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(HessianOperator, "dense_blocks", refuse)
    monkeypatch.setattr(np.linalg, "cholesky", refuse)


def test_a_forbidden_factor_is_noticed(monkeypatch):
    forbid_factors(monkeypatch)
    for make in KEPT.values():
        estimator, rows, y, solver = make()
        with pytest.raises(AssertionError, match="computed again"):
            InfluenceExplainer(estimator, solver=solver).fit(rows, y)


def without_refits(explainer, asked):
    """What takes no refit of a row, which has factors of its own."""
    refitted = {"refit", "self, refit"}
    if explainer.objective_.loss.kinked:
        refitted |= {"removal", "self, removal"}
    return {question: ask for question, ask in asked.items() if question not in refitted}


@pytest.mark.parametrize("way", [pickled, mapped, by_skops], ids=by_function)
@pytest.mark.parametrize("name", KEPT)
def test_loading_computes_no_factor(name, way, tmp_path, monkeypatch):
    estimator, rows, y, solver = KEPT[name]()
    explainer = explained(estimator, rows, y, solver=solver)
    asked = without_refits(explainer, questions(rows, y))
    del asked["relative"]  # forms the Hessian when first asked for
    copied = way(explainer, tmp_path)
    expected = answers(explainer, asked)
    forbid_factors(monkeypatch)
    monkeypatch.setattr(type(explainer.estimator_), "fit", refuse)
    assert_same(answers(copied, asked), expected)
    np.testing.assert_equal(dict(copied.report_), dict(explainer.report_))


@pytest.mark.parametrize("name", KEPT)
def test_nor_does_asking_again(name, tmp_path, monkeypatch):
    """What was prepared when first asked for is kept as well: optima of refits, norms."""
    estimator, rows, y, solver = KEPT[name]()
    explainer = explained(estimator, rows, y, solver=solver)
    asked = questions(rows, y)
    answers(explainer, asked)
    copied = mapped(explainer, tmp_path)
    asked = without_refits(explainer, asked)
    expected = answers(explainer, asked)
    forbid_factors(monkeypatch)
    assert_same(answers(copied, asked), expected)


@pytest.mark.parametrize("way", WAYS, ids=by_function)
def test_auto_keeps_what_it_has_changed_to(way, tmp_path, monkeypatch):
    monkeypatch.setattr(auto, "SMALL", 3)
    monkeypatch.setattr(auto, "TYPICAL_ITERATIONS", 1e-2)
    rows, y = make_rows(400, 12)
    explainer = explained(LogisticRegression(), rows, y)
    assert explainer.solver_.name == "cg"
    monkeypatch.setattr(auto, "TYPICAL_ITERATIONS", 100)
    asked = questions(rows, y)
    answers(explainer, asked)
    assert explainer.solver_.name == "cholesky"
    copied = way(explainer, tmp_path)
    expected = answers(explainer, asked)
    forbid_factors(monkeypatch)
    assert copied.solver_.describe() == explainer.solver_.describe()
    assert_same(answers(copied, asked), expected)


# ---------------------------------------------------------------------------------- families
FAMILIES = {
    case.name: (case.estimator, case.data)
    for case in named(
        "LinearRegression, 3 outputs",
        "Ridge, 3 alphas",
        "RidgeClassifier, 3 classes",
        "LogisticRegression, lbfgs, 3 classes",
        "LogisticRegression, no penalty",
        "LinearSVC, 3 classes",
        "LinearSVC, hinge",
        "LinearSVR",
    )
}
FAMILIES |= {
    "balanced": (LogisticRegression(class_weight="balanced"), "binary"),
    "elastic net": (ElasticNet(alpha=0.1), "regression"),
    "poisson": (PoissonRegressor(), "counts"),
    "gaussian process": (GaussianProcessRegressor(alpha=0.5, optimizer=None), "regression"),
    "support vectors": (SVC(), "binary"),
    "network": (MLPClassifier((3,), alpha=1.0, max_iter=20, random_state=0), "three classes"),
    "pipeline": (
        make_pipeline(PolynomialFeatures(2), StandardScaler(), LogisticRegression()),
        "binary",
    ),
}


@pytest.mark.parametrize("way", [mapped, by_skops], ids=by_function)
@pytest.mark.parametrize("name", FAMILIES)
def test_families(name, way, tmp_path):
    estimator, kind = FAMILIES[name]
    data = make_data(kind, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = InfluenceExplainer(estimator).fit(data.X, data.y)
        asked = questions(data.X, data.y, refits=name != "network")
        new = way(explainer, tmp_path)
        expected = answers(explainer, asked)
        assert_same(answers(new, asked), expected)
        # What has been asked is kept in ways of its own.
        way(explainer, tmp_path)


def test_data_frames(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame, labels = pandas.DataFrame(X, columns=list("abcd")), pandas.Series(Y)
    explainer = explained(make_pipeline(StandardScaler(), LogisticRegression()), frame, labels)
    expected = explainer.explain(frame[:2], k=2).to_frame()
    for way in (pickled, dumped, mapped):
        pandas.testing.assert_frame_equal(
            way(explainer, tmp_path).explain(frame[:2], k=2).to_frame(), expected
        )


def test_before_it_is_fitted(tmp_path):
    for way in WAYS[:3]:
        copied = way(InfluenceExplainer(Ridge(3.0), solver=CG(tol=1e-3)), tmp_path)
        assert copied.get_params()["estimator__alpha"] == 3.0
        assert copied.solver == CG(tol=1e-3)
        with pytest.raises(NotFittedError):
            copied.self_influence()


# ---------------------------------------------------------------------------------- memory maps
def held_arrays(value, seen):
    """Every array that is reached from an object."""
    if id(value) in seen:
        return
    seen[id(value)] = value
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from held_arrays(part, seen)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from held_arrays(part, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        yield from held_arrays(vars(value), seen)


def peak_of(ask, explainer):
    tracemalloc.start()
    try:
        ask(explainer)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LARGE = {
    "cholesky": (LogisticRegression(C=0.01), (300, 1000), 999, 1001),
    "dual": (LogisticRegression(C=0.01), (700, 1500), 699, 701),
    "kernel": (KernelRidge(kernel="rbf", gamma=0.05), (800, 10), 799, 801),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_memory_map_is_not_copied(name, tmp_path):
    estimator, shape, at_least, at_most = LARGE[name]
    rows, y = make_rows(*shape)
    explainer = explained(estimator, rows, y, solver="dual" if name == "kernel" else name)
    test = {"X_test": rows[:2], "y_test": y[:2]}
    asked = [
        lambda e: e.influence(**test),
        lambda e: e.influence(**test, kind="removal", indices=[0, 3]),
        lambda e: e.perturbation_gradient(**test, indices=[0, 3]),
    ]
    for ask in asked:
        ask(explainer)
    copied = mapped(explainer, tmp_path)
    before = (tmp_path / "explainer.joblib").read_bytes()
    arrays = list(held_arrays(copied, {}))
    large = [array for array in arrays if array.nbytes > 1 << 18]
    assert all(isinstance(array, np.memmap) and not array.flags.writeable for array in large)
    assert isinstance(copied._training_X, np.memmap)
    factor = max(large, key=lambda array: array.nbytes if len(set(array.shape)) == 1 else 0)
    assert at_least <= len(factor) <= at_most
    for ask in asked:
        np.testing.assert_array_equal(ask(copied), ask(explainer))
        # Blocks of rows and answers take their share, the same as without a map.
        peak = peak_of(ask, copied)
        assert peak < 0.25 * factor.nbytes
    assert (tmp_path / "explainer.joblib").read_bytes() == before


def test_rows_are_written_once(tmp_path):
    rows, y = make_rows(2000, 20)
    explainer = explained(Ridge(), rows, y.astype(float))
    for copied in (mapped(explainer, tmp_path), pickled(explainer, tmp_path)):
        assert copied._training_X is copied.objective_.linear_map.X
    size = (tmp_path / "explainer.joblib").stat().st_size
    assert rows.nbytes < size < 1.5 * rows.nbytes + 8 * 30 * len(rows)
