"""The words of every error about a kernel machine, its rows, its kernel and its solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from machines import gram
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR, NuSVC, NuSVR
from wording import NAN_X, TARGETS, N, X, Y, raises

from skinfluence import InfluenceExplainer, NotStationaryWarning, SingularHessianError


def process(alpha: Any = 0.1) -> GaussianProcessRegressor:
    return GaussianProcessRegressor(RBF(), alpha=alpha, optimizer=None)


MODELS = [SVC(), SVR(), KernelRidge(0.1, kernel="rbf"), process()]
PREFIT = [model.fit(X, Y) for model in MODELS]


def by_type(model: Any) -> str:
    return type(model).__name__


# ------------------------------------------------------------------------------------ other rows
OTHERS = [X + 0.1, X[::-1].copy(), X[:30], np.vstack([X, X[:2]])]


@pytest.mark.parametrize("rows", OTHERS, ids=["moved", "permuted", "fewer", "more"])
@pytest.mark.parametrize("model", PREFIT, ids=by_type)
def test_rows_of_another_fit(model, rows):
    n = len(rows)
    words = [f"fitted {by_type(model)} and X of {n} rows", f"not the {N} it was fitted on"]
    with raises(ValueError, *words, "its own training rows", "prefit=False"):
        InfluenceExplainer(model, prefit=True).fit(rows, np.resize(Y, n))


@pytest.mark.parametrize("rows", OTHERS[2:], ids=["fewer", "more"])
def test_precomputed_rows_of_another_fit(rows):
    for model in (SVC(kernel="precomputed"), KernelRidge(0.1, kernel="precomputed")):
        model.fit(gram(X, X), Y)
        with raises(ValueError, f"X of {len(rows)} rows", f"not the {N} it was fitted on"):
            InfluenceExplainer(model, prefit=True).fit(gram(rows, X), np.resize(Y, len(rows)))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", PREFIT, ids=by_type)
def test_targets_of_another_fit(model):
    with pytest.warns(NotStationaryWarning, match="not at the optimum.*X, y or sample_weight"):
        InfluenceExplainer(model, prefit=True).fit(X, 1 - Y)


# ------------------------------------------------------------------------------------------ data
@pytest.mark.parametrize("model", MODELS, ids=by_type)
def test_data(model):
    with raises(ValueError, "NaN"):
        InfluenceExplainer(model).fit(NAN_X, Y)
    explainer = InfluenceExplainer(model).fit(X, Y)
    with raises(ValueError, "Input X contains NaN"):
        explainer.influence(NAN_X, Y)
    with raises(ValueError, "X has 2 features", f"{by_type(model)} is expecting 3 features"):
        explainer.influence(X[:, :2], Y)
    with raises(ValueError, "y_test of shape (1,) for 2 rows"):
        explainer.influence(X[:2], Y[:1])
    with raises(IndexError, "from 0 to 39"):
        explainer.influence(X[:1], Y[:1], indices=[N])
    with raises(NotFittedError, "not fitted yet"):
        InfluenceExplainer(model).influence(X, Y)
    with raises(NotFittedError, by_type(model), "not fitted yet"):
        InfluenceExplainer(type(model)(), prefit=True).fit(X, Y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels(n_classes):
    y = np.digitize(X[:, 0], [0.0] if n_classes == 2 else [-0.5, 0.5])
    model = SVC().fit(X, y)
    known = list(range(n_classes))
    with raises(ValueError, "y contains labels", "not fitted on: [7]", f"knows {known}"):
        InfluenceExplainer(model, prefit=True).fit(X, np.where(y == 1, 7, y))
    explainer = InfluenceExplainer(model, prefit=True).fit(X, y)
    with raises(ValueError, "y_test contains labels", "not fitted on: [5]"):
        explainer.influence(X[:1], [5])


# --------------------------------------------------------------------------- models and settings
@pytest.mark.parametrize("prefit", [False, True])
@pytest.mark.parametrize("model, known", [(NuSVC(), "SVC(C=...)"), (NuSVR(), "SVR(C=..., epsil")])
def test_nu(model, known, prefit):
    if prefit:
        model.fit(X, Y)
    with raises(TypeError, f"got {by_type(model)}", "nu fixes a share", f"Fit {known}"):
        InfluenceExplainer(model, prefit=prefit).fit(X, Y)


@pytest.mark.parametrize("solver", ["cholesky", "cg", "lissa"])
@pytest.mark.parametrize("model", MODELS, ids=by_type)
def test_solvers_that_need_features(model, solver):
    with raises(ValueError, f"solver='{solver}' for a kernel machine", "'auto' or 'dual'"):
        InfluenceExplainer(model, solver=solver).fit(X, Y)


def indefinite(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    return np.tanh(A @ B.T - 1.0)


@pytest.mark.parametrize(
    "model",
    [
        SVC(kernel="sigmoid", gamma=1.0, coef0=-1.0),
        SVR(kernel="sigmoid", gamma=1.0, coef0=-1.0, epsilon=0.01),
        KernelRidge(0.1, kernel="sigmoid", gamma=1.0, coef0=-1.0),
        SVC(kernel=indefinite),
        SVC(kernel="precomputed"),
        KernelRidge(0.1, kernel="precomputed"),
    ],
    ids=lambda model: f"{type(model).__name__}, {getattr(model.kernel, '__name__', model.kernel)}",
)
@pytest.mark.filterwarnings("ignore:Singular matrix")
def test_indefinite_kernels(model):
    rows = indefinite(X, X) if model.kernel == "precomputed" else X
    words = ["not positive definite", "negative eigenvalues", "no minimum", "rbf", "penalty"]
    with raises(SingularHessianError, *words):
        InfluenceExplainer(model).fit(rows, TARGETS if isinstance(model, SVR) else Y)


@pytest.mark.parametrize("alpha", [0.0, np.array([0.0, 1.0])])
def test_ridge_without_a_penalty(alpha):
    y = np.column_stack([TARGETS, TARGETS]) if np.ndim(alpha) else TARGETS
    model = KernelRidge(alpha, kernel="rbf", gamma=1.0)
    with raises(ValueError, "without a penalty (alpha=0)", "interpolates", "alpha > 0"):
        InfluenceExplainer(model).fit(X, y)


@pytest.mark.parametrize("alpha", [0.0, np.r_[0.0, np.full(N - 1, 0.1)]], ids=["all", "one row"])
def test_process_without_noise(alpha):
    """Of one row alone, too: its weight is infinite."""
    model = process(0.1).fit(X, TARGETS)
    model.alpha = alpha
    model = model.fit(X, TARGETS) if np.ndim(alpha) else model
    with raises(ValueError, "alpha"):
        InfluenceExplainer(model, prefit=True).fit(X, TARGETS)


def test_process_takes_no_weights():
    with raises(TypeError, "sample_weight", "GaussianProcessRegressor.fit takes none", "Leave"):
        InfluenceExplainer(process()).fit(X, TARGETS, sample_weight=np.ones(N))


@pytest.mark.filterwarnings("ignore:Solver terminated early")
@pytest.mark.parametrize("model", [SVC(max_iter=1), SVR(max_iter=1)], ids=by_type)
def test_stopped_early(model):
    with pytest.warns(NotStationaryWarning, match="has not converged"):
        InfluenceExplainer(model).fit(X, Y if isinstance(model, SVC) else TARGETS)


# -------------------------------------------------------------------------------------- questions
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_probabilities_fitted_afterwards():
    explainer = InfluenceExplainer(SVC(probability=True, random_state=0)).fit(X, Y)
    with raises(ValueError, "loo_predict_proba got SVC", "afterwards", "loo_decision_function"):
        explainer.loo_predict_proba()
    assert not hasattr(InfluenceExplainer(SVC()).fit(X, Y), "loo_predict_proba")


def test_coefficients_of_features():
    for model in (KernelRidge(0.1, kernel="rbf"), process()):
        explainer = InfluenceExplainer(model).fit(X, TARGETS)
        with raises(ValueError, "dfbetas=True for SquaredError of a kernel"):
            explainer.diagnostics(dfbetas=True)


def test_regressors_need_targets():
    for model in (SVR(), KernelRidge(0.1), process()):
        explainer = InfluenceExplainer(model).fit(X, TARGETS)
        with raises(ValueError, "y_test=None for a regressor", "target='prediction'"):
            explainer.influence(X)


@pytest.mark.parametrize("model", [KernelRidge(0.1, kernel="rbf"), process(), SVR()], ids=by_type)
def test_targets_of_0(model):
    """Without any coefficient, no influence."""
    explainer = InfluenceExplainer(model).fit(X, np.zeros(N))
    for kind in ("upweight", "removal"):
        assert not explainer.influence(X[:2], [0.0, 1.0], kind=kind).any()


def test_no_warning_of_a_good_fit(recwarn):
    for model in MODELS:
        InfluenceExplainer(model).fit(X, Y).influence(X[:2], Y[:2])
    assert not [w for w in recwarn if issubclass(w.category, (ConvergenceWarning, RuntimeWarning))]
