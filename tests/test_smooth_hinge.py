"""SmoothHingeSVC: its optimum against an objective written a second time, and its manners."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.utils.estimator_checks import parametrize_with_checks

from skinfluence import SingularHessianError
from skinfluence.svm import SmoothHingeSVC

# Rounded to whole numbers, and with noise, their matrices are no longer those of a kernel.
NO_KERNELS = {
    "check_estimators_dtypes": "the matrix, rounded, is indefinite",
    "check_positive_only_tag_during_fit": "the matrix is indefinite",
}


@parametrize_with_checks(
    [
        SmoothHingeSVC(),
        SmoothHingeSVC(kernel="rbf", gamma=0.1),
        SmoothHingeSVC(kernel="precomputed"),
    ],
    expected_failed_checks=lambda model: NO_KERNELS if model.kernel == "precomputed" else {},
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


# ---------------------------------------------------------------------------------- data
def blobs(n: int = 120, d: int = 4, n_classes: int = 2, seed: int = 0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    scores = X @ rng.normal(size=(d, n_classes)) + rng.normal(size=(n, n_classes))
    return X, scores.argmax(axis=1)


def expected(kernel: str, X: np.ndarray) -> np.ndarray:
    """K by scikit-learn, with the number that gamma="scale" stands for."""
    parameters = {} if kernel == "linear" else {"gamma": 1.0 / (X.shape[1] * X.var())}
    return pairwise_kernels(X, metric=kernel, **parameters)


def optimum(K: np.ndarray, signs: np.ndarray, weights: np.ndarray, C: float, t: float):
    """L-BFGS on θ with w = Φᵀ θ, of one output; also its value and slope, for anybody's α and b."""

    def value_and_slope(theta: np.ndarray) -> tuple[float, np.ndarray]:
        alpha, intercept = theta[:-1], theta[-1]
        f = K @ alpha
        margin = signs * (f + intercept)
        value = weights @ (t * np.logaddexp(0.0, (1.0 - margin) / t)) + alpha @ f / (2.0 * C)
        pull = -weights * signs * np.exp(-np.logaddexp(0.0, (margin - 1.0) / t))
        return value, np.r_[K @ (pull + alpha / C), pull.sum()]

    start = np.zeros(len(K) + 1)
    options = {"maxiter": 50000, "maxfun": 50000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(value_and_slope, start, jac=True, method="L-BFGS-B", options=options)
    return found, value_and_slope


def outputs(y: np.ndarray) -> np.ndarray:
    n_classes = y.max() + 1
    return np.where(y[:, None] == ([1] if n_classes == 2 else np.arange(n_classes)), 1.0, -1.0)


def columns(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


# ----------------------------------------------------------------------------- the optimum
@pytest.mark.parametrize("t", [1.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_optimum_of_an_objective_written_a_second_time(kernel, n_classes, weighted, t):
    X, y = blobs(50, n_classes=n_classes)
    weights = np.random.default_rng(1).integers(0, 4, len(y)) if weighted else np.ones(len(y))
    model = SmoothHingeSVC(kernel=kernel, C=0.7, temperature=t)
    model.fit(X, y, sample_weight=weights if weighted else None)
    K, values = expected(kernel, X), columns(model.decision_function(X))
    for k, signs in enumerate(outputs(y).T):
        found, value_and_slope = optimum(K, signs, weights, 0.7, t)
        np.testing.assert_allclose(values[:, k], K @ found.x[:-1] + found.x[-1], atol=1e-3)
        if kernel == "linear":
            alpha = np.linalg.lstsq(X.T, model.coef_[k], rcond=None)[0]
        else:
            alpha = model.dual_coef_[k]
        theta = np.r_[alpha, model.intercept_[k]]
        value, slope = value_and_slope(theta)
        assert value <= found.fun + 1e-9
        scale = np.abs(value_and_slope(np.zeros_like(theta))[1]).max()
        assert np.abs(slope).max() <= 1e-7 * scale
        steps = 1e-6 * np.random.default_rng(2).normal(size=(5, len(theta)))
        for step in steps:
            difference = value_and_slope(theta + step)[0] - value_and_slope(theta - step)[0]
            assert abs(difference) <= 1e-10 * value


def test_a_second_fit_with_another_kernel_forgets_the_first():
    X, y = blobs()
    model = SmoothHingeSVC().fit(X, y)
    assert model.gamma_ is None
    model.set_params(kernel="rbf").fit(X, y)
    assert not hasattr(model, "coef_")
    assert model.gamma_ == pytest.approx(1.0 / (X.shape[1] * X.var()))
    model.set_params(kernel="linear").fit(X, y)
    assert not hasattr(model, "dual_coef_")


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_sparse_and_precomputed_are_the_same(kernel, n_classes):
    X, y = blobs(n_classes=n_classes)
    X[np.abs(X) < 0.5] = 0.0
    dense = SmoothHingeSVC(kernel=kernel).fit(X, y)
    thin = SmoothHingeSVC(kernel=kernel).fit(sparse.csr_matrix(X), y)
    values = dense.decision_function(X)
    np.testing.assert_allclose(thin.decision_function(sparse.csc_matrix(X)), values, atol=1e-8)
    if kernel != "linear":
        assert sparse.issparse(thin.X_fit_)
    parameters = {} if kernel == "linear" else {"gamma": dense.gamma_}
    if kernel == "poly":
        parameters |= {"degree": 3, "coef0": 0.0}
    K = pairwise_kernels(X, metric=kernel, **parameters)
    model = SmoothHingeSVC(kernel="precomputed").fit(K, y)
    np.testing.assert_allclose(model.decision_function(K[:7]), values[:7], atol=1e-8)
    model = SmoothHingeSVC(kernel=lambda A, B: pairwise_kernels(A, B, kernel, **parameters))
    np.testing.assert_allclose(model.fit(X, y).decision_function(X), values, atol=1e-8)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0, 1: 0.5}])
def test_weights_are_copies(kernel, class_weight):
    X, y = blobs()
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weights)
    model = SmoothHingeSVC(kernel=kernel, gamma=0.2, class_weight=class_weight)
    weighted = clone(model).fit(X, y, sample_weight=weights)
    copied = clone(model).fit(X[rows], y[rows])
    if class_weight == "balanced" and not np.allclose(weighted.class_weight_, copied.class_weight_):
        pytest.skip("this scikit-learn's balanced class weights count rows whatever their weight")
    np.testing.assert_allclose(
        weighted.decision_function(X), copied.decision_function(X), atol=1e-7
    )


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_class_weights_are_weights(kernel, n_classes):
    X, y = blobs(n_classes=n_classes)
    balanced = SmoothHingeSVC(kernel=kernel, class_weight="balanced").fit(X, y)
    given = len(y) / (n_classes * np.bincount(y))
    np.testing.assert_allclose(balanced.class_weight_, given)
    named = SmoothHingeSVC(kernel=kernel, class_weight=dict(enumerate(given))).fit(X, y)
    weighted = SmoothHingeSVC(kernel=kernel).fit(X, y, sample_weight=given[y])
    for model in (named, weighted):
        np.testing.assert_allclose(
            model.decision_function(X), balanced.decision_function(X), atol=1e-8
        )


# --------------------------------------------------------------------------------- manners
def test_float32_columns_pickles_and_clones():
    pd = pytest.importorskip("pandas")
    X, y = blobs(n_classes=3)
    frame = pd.DataFrame(X, columns=list("abcd"))
    labels = np.array(["one", "two", "three"])[y]
    for kernel in ("linear", "rbf"):
        model = SmoothHingeSVC(kernel=kernel, gamma=0.2).fit(frame, labels)
        assert model.feature_names_in_.tolist() == list("abcd")
        assert set(model.predict(frame)) == set(labels)
        assert model.decision_function(frame).shape == (len(y), 3)
        values = model.decision_function(frame)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.decision_function(frame), values)
        assert not hasattr(clone(model), "classes_")
        short = clone(model).fit(X.astype(np.float32), labels)
        np.testing.assert_allclose(short.decision_function(X), values, atol=1e-4)
        with pytest.raises(ValueError, match="feature names"):
            model.predict(frame[list("dcba")])


def test_binary_signs_and_shapes():
    X, y = blobs()
    linear, rbf = SmoothHingeSVC().fit(X, y), SmoothHingeSVC(kernel="rbf").fit(X, y)
    assert linear.coef_.shape == (1, 4)
    assert rbf.dual_coef_.shape == (1, len(y))
    assert linear.intercept_.shape == rbf.intercept_.shape == (1,)
    assert linear.decision_function(X).shape == (len(y),)
    np.testing.assert_array_equal(linear.predict(X), (linear.decision_function(X) > 0).astype(int))
    assert rbf.score(X, y) > 0.7
    assert SmoothHingeSVC(fit_intercept=False).fit(X, y).intercept_ == 0.0


def test_steps_and_verbosity(capsys):
    X, y = blobs()
    model = SmoothHingeSVC(temperature=1e-3, verbose=1).fit(X, y)
    assert f"{model.n_iter_} Newton steps" in capsys.readouterr().err
    with pytest.warns(
        ConvergenceWarning, match="max_iter=4 Newton steps were not enough: raise it"
    ):
        few = SmoothHingeSVC(temperature=1e-3, max_iter=4).fit(X, y)
    assert few.n_iter_ == 4
    assert SmoothHingeSVC(tol=0.1).fit(X, y).n_iter_ < SmoothHingeSVC().fit(X, y).n_iter_


@pytest.mark.parametrize(
    "parameters, needed",
    [
        ({"C": 0}, "C=0; needed is a finite number above 0"),
        ({"C": "1"}, "C='1'; needed is a finite number above 0"),
        ({"temperature": -1.0}, "temperature=-1.0; needed is a finite number above 0"),
        ({"tol": np.nan}, "tol=nan; needed is a finite number above 0"),
        ({"max_iter": 0}, "max_iter=0; needed is a whole number of at least 1"),
        ({"degree": 2.5}, "degree=2.5; needed is a whole number of at least 0"),
        ({"gamma": "big"}, "gamma='big'; needed is 'scale', 'auto' or"),
        ({"coef0": None}, "coef0=None; needed is a finite number"),
        ({"kernel": "laplace"}, r"kernel='laplace'; needed is one of \['linear', "),
    ],
)
def test_parameters_are_checked(parameters, needed):
    with pytest.raises(ValueError, match=f"SmoothHingeSVC got {needed}"):
        SmoothHingeSVC(**parameters).fit(*blobs())


def test_rows_are_checked():
    X, y = blobs()
    for weights, needed in (
        (np.ones(3), "one number for each of the 120 training rows"),
        (np.zeros(len(y)), "0 for every row"),
        (1.0 * (y == 0), r"no weight above 0 for rows of the classes \[1\]"),
        (-np.ones(len(y)), "Negative values in data passed to .?sample_weight"),
    ):
        with pytest.raises(ValueError, match=needed):
            SmoothHingeSVC().fit(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match="rows of one class alone"):
        SmoothHingeSVC().fit(X, np.zeros(len(y)))
    with pytest.raises(ValueError, match="the square matrix of the kernel"):
        SmoothHingeSVC(kernel="precomputed").fit(X, y)
    with pytest.raises(SingularHessianError, match="kernel has negative eigenvalues"):
        SmoothHingeSVC(kernel="sigmoid").fit(X, y)


@pytest.mark.parametrize("C", np.geomspace(0.03, 3.0, 7))
@pytest.mark.parametrize("t", [1e-1, 1e-3])
def test_an_indefinite_kernel_is_never_taken_for_converged(C, t):
    X, y = blobs(200, 20)
    model = SmoothHingeSVC(kernel="sigmoid", C=C, temperature=t)
    try:
        model.fit(X, y)
    except SingularHessianError:
        return
    signs, margin = 2.0 * y - 1.0, (2.0 * y - 1.0) * model.decision_function(X)
    multipliers = C * signs * np.exp(-np.logaddexp(0.0, (margin - 1.0) / t))
    np.testing.assert_allclose(model.dual_coef_[0], multipliers, atol=1e-4 * C)


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly"])
@pytest.mark.parametrize("C", [1e-3, 1e-2, 100.0])
@pytest.mark.parametrize("n", [60, 61])
def test_an_intercept_that_hardly_any_row_determines(kernel, C, n):
    X, y = blobs(n)
    for t in (1e-1, 1e-2, 1e-3, 1e-4):
        model = SmoothHingeSVC(kernel=kernel, C=C, temperature=t).fit(X, y)
        signs, margin = 2.0 * y - 1.0, (2.0 * y - 1.0) * model.decision_function(X)
        pull = signs * np.exp(-np.logaddexp(0.0, (margin - 1.0) / t))
        assert abs(pull.sum()) <= 1e-5
