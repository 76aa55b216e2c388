"""Kernels against scikit-learn's matrices, their derivatives against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows import make_data
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import kernels as gp
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS, pairwise_kernels
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from skinfluence import InfluenceExplainer
from skinfluence.kernels import (
    GaussianProcessKernel,
    GramFunction,
    Kernel,
    PairwiseKernel,
    gaussian_process_vjp,
)
from skinfluence.transformers import step_vjp

D = 4
SCALES = np.array([0.7, 1.5, 3.0, 1.0])


def make_rows(dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    """Rows to move and rows that stay, some the same and some entries 0."""
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((7, D)), rng.standard_normal((40, D))
    A[:, 2] *= A[:, 2] > 0
    B[:, 0] *= B[:, 0] > 0
    B[3:5] = A[1:3]
    return A.astype(dtype), B.astype(dtype)


def stored(csr: bool, *arrays: np.ndarray) -> tuple[Any, ...]:
    return tuple(sparse.csr_matrix(array) if csr else array for array in arrays)


def slopes(kernel: Any, A: np.ndarray, B: Any, store: Any = np.asarray) -> np.ndarray:
    """dk(a, b)/da by central differences: (n_a, n_b, d)."""
    columns, step = [], 1e-5
    for j in range(A.shape[1]):
        move = step * np.eye(A.shape[1])[j]
        columns.append((kernel(store(A + move), B) - kernel(store(A - move), B)) / (2 * step))
    return np.stack(columns, axis=-1)


# ------------------------------------------------------------------------------- those with names
DEFAULTS: list[tuple[str, dict[str, Any]]] = [
    (metric, {}) for metric in PAIRWISE_KERNEL_FUNCTIONS if "chi2" not in metric
]
NAMED = [
    *DEFAULTS,
    ("rbf", {"gamma": 0.3, "degree": 3, "coef0": 1}),
    ("rbf", {"gamma": None, "degree": None, "coef0": None}),
    ("poly", {"gamma": 0.5, "degree": 2, "coef0": 0.0}),
    ("polynomial", {"gamma": None, "degree": 1, "coef0": -0.5}),
    ("poly", {"gamma": np.float64(0.1), "degree": 4, "coef0": np.float64(0.4)}),
    ("poly", {"gamma": 0.01, "degree": 2.5, "coef0": 2.0}),
    ("laplacian", {"gamma": 0.2}),
    ("sigmoid", {"gamma": 0.2, "coef0": -0.5}),
    ("sigmoid", {"gamma": None, "coef0": 0.3}),
]
SMOOTH = [case for case in NAMED if case[0] not in ("laplacian", "cosine")]


def expected(metric: Any, parameters: dict[str, Any], A: Any, B: Any) -> np.ndarray:
    given = {key: value for key, value in parameters.items() if value is not None}
    return pairwise_kernels(A, B, metric=metric, filter_params=True, **given)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("metric, parameters", NAMED)
def test_named_kernel_is_that_of_scikit_learn(metric, parameters, csr):
    A, B = stored(csr, *make_rows())
    kernel = PairwiseKernel(metric, parameters)
    assert isinstance(kernel, Kernel)
    assert_array_equal(kernel(A, B), expected(metric, parameters, A, B))
    assert_allclose(kernel.diagonal(B), np.diag(kernel(B, B)), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("metric", ["chi2", "additive_chi2"])
def test_kernels_of_histograms(metric):
    A, B = map(np.abs, make_rows())
    kernel = PairwiseKernel(metric, {"gamma": 0.5})
    assert_array_equal(kernel(A, B), expected(metric, {"gamma": 0.5}, A, B))
    assert_allclose(kernel.diagonal(B), np.diag(kernel(B, B)), rtol=1e-13)


def test_cosine_of_an_empty_row():
    A = np.array([[0.0, 0.0], [1.0, 2.0]])
    kernel = PairwiseKernel("cosine")
    assert_allclose(kernel.diagonal(A), np.diag(kernel(A, A)), rtol=1e-13)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("metric, parameters", SMOOTH)
def test_derivative_of_named_kernel(metric, parameters, csr):
    rows = make_rows()
    A, B = stored(csr, *rows)
    kernel = PairwiseKernel(metric, parameters)
    weights = np.random.default_rng(1).standard_normal((2, len(rows[0]), len(rows[1])))
    got = kernel.input_vjp(A, B, weights)
    by_steps = np.einsum("mab,abd->mad", weights, slopes(kernel, *rows))
    assert type(got) is np.ndarray
    assert_allclose(got, by_steps, rtol=1e-7, atol=1e-7)
    assert_allclose(kernel.input_vjp(A, B, weights[1]), got[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("metric, parameters", SMOOTH)
def test_derivative_where_both_are_the_same_rows(metric, parameters):
    """The second argument stays where it is."""
    A, _ = make_rows()
    kernel = PairwiseKernel(metric, parameters)
    got = kernel.input_vjp(A, A, np.eye(len(A)))
    by_steps = np.einsum("aad->ad", slopes(kernel, A, A.copy()))
    assert_allclose(got, by_steps, rtol=1e-7, atol=1e-7)
    if metric == "rbf":
        assert_allclose(got, 0.0, atol=1e-13)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("metric, parameters", SMOOTH)
def test_single_precision_stays_single(metric, parameters, csr):
    rows = make_rows(np.float32)
    A, B = stored(csr, *rows)
    kernel = PairwiseKernel(metric, parameters)
    weights = np.ones((len(rows[0]), len(rows[1])), dtype=np.float32)
    assert kernel(A, B).dtype == np.float32
    got = kernel.input_vjp(A, B, weights)
    assert got.dtype == np.float32
    exact = kernel.input_vjp(*(array.astype(np.float64) for array in (*rows, weights)))
    assert_allclose(got, exact, rtol=0.0, atol=1e-5 * np.abs(exact).max())
    diagonal = kernel.diagonal(B)
    assert diagonal.dtype == np.float64
    assert_allclose(diagonal, np.diag(kernel(B, B)), rtol=1e-5)


def test_features_far_from_zero():
    """Where Σ w b − Σ w a loses ten digits to cancellation."""
    A, B = make_rows()
    weights = np.ones((len(A), len(B)))
    kernel = GaussianProcessKernel(gp.RBF(1.3))
    near, far = kernel.input_vjp(A, B, weights), kernel.input_vjp(A + 1e6, B + 1e6, weights)
    assert_allclose(far, near, rtol=0.0, atol=1e-8 * np.abs(near).max())


@pytest.mark.parametrize("metric", ["rbf", "poly", "linear", "sigmoid"])
def test_whole_numbers(metric):
    A, B = (np.rint(3 * array).astype(int) for array in make_rows())
    kernel, weights = PairwiseKernel(metric, {"gamma": 0.05}), np.ones((len(A), len(B)))
    assert kernel(A, B).dtype == np.float64
    exact = kernel.input_vjp(A.astype(float), B.astype(float), weights)
    assert_allclose(kernel.input_vjp(A, B, weights), exact, rtol=1e-12, atol=1e-15)
    assert_allclose(kernel.diagonal(A), np.diag(kernel(A, A)), rtol=1e-13)


# ------------------------------------------------------------------------------------- functions
def triangular(a: Any, b: Any, width: float = 3.0) -> float:
    return max(0.0, 1.0 - np.abs(a - b).sum() / width)


def gram(A: Any, B: Any) -> Any:
    return (A @ B.T) ** 2


@pytest.mark.parametrize("csr", [False, True])
def test_function_of_two_rows(csr):
    A, B = stored(csr, *make_rows())
    calls = []

    def counted(a, b, width=3.0):
        calls.append(1)
        return triangular(a, b, width)

    kernel = PairwiseKernel(counted, {"width": 5.0})
    assert_allclose(kernel(A, B), pairwise_kernels(A, B, metric=triangular, width=5.0))
    calls.clear()
    assert_allclose(kernel.diagonal(B), np.ones(B.shape[0]))
    assert len(calls) == B.shape[0]


@pytest.mark.parametrize("csr", [False, True])
def test_function_of_two_sets_of_rows(csr):
    rows = make_rows()
    A, B = stored(csr, *rows)
    function = gram if not csr else lambda A, B: (A @ B.T).power(2)
    kernel = GramFunction(function)
    assert_allclose(kernel(A, B), gram(*rows), rtol=1e-13)
    assert type(kernel(A, B)) is np.ndarray
    assert_allclose(kernel.diagonal(B), np.diag(kernel(B, B)), rtol=1e-13)


# ----------------------------------------------------------------------------- Gaussian processes
SILENT = gp.ConstantKernel(0.5) * gp.RBF(SCALES)
SUM = SILENT + gp.WhiteKernel(0.3)
WITH_DERIVATIVE = [
    gp.RBF(1.3),
    gp.RBF(SCALES),
    gp.ConstantKernel(2),
    gp.WhiteKernel(0.3),
    gp.DotProduct(0.8),
    gp.Matern(1.4, nu=1.5),
    gp.Matern(SCALES, nu=1.5),
    gp.Matern(SCALES, nu=2.5),
    gp.Matern(1.4, nu=np.inf),
    gp.RationalQuadratic(1.2, 0.7),
    gp.DotProduct(0.8) ** 3,
    SUM,
    SUM * gp.DotProduct(0.2) + gp.Matern(2.0, nu=2.5),
    (gp.RBF(2.0) + gp.WhiteKernel(0.1)) ** 2,
]
WITHOUT = [gp.Matern(1.0, nu=0.5), gp.Matern(1.0, nu=0.8), gp.ExpSineSquared()]


def test_every_registered_kernel_is_here():
    def parts(kernel):
        yield type(kernel)
        for name in ("k1", "k2", "kernel"):
            yield from parts(getattr(kernel, name)) if hasattr(kernel, name) else ()

    seen = {kind for kernel in WITH_DERIVATIVE for kind in parts(kernel)}
    assert seen == set(gaussian_process_vjp.registry) - {object}


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("part", [*WITH_DERIVATIVE, *WITHOUT], ids=str)
def test_gaussian_process_kernel_is_that_of_scikit_learn(part, scale, csr):
    rows = make_rows()
    A, B = stored(csr, *rows)
    kernel = GaussianProcessKernel(part, scale)
    assert_allclose(kernel(A, B), scale * part(*rows), rtol=1e-13)
    assert kernel(A, B).dtype == np.float64
    assert_allclose(kernel.diagonal(B), np.diag(kernel(B, B)), rtol=1e-12)


@pytest.mark.parametrize("wrap", [GaussianProcessKernel, PairwiseKernel])
@pytest.mark.parametrize(
    "noisy, quiet",
    [
        (SUM, SILENT),
        (SUM * gp.DotProduct(), SILENT * gp.DotProduct()),
        (SUM**2, SILENT**2),
        (gp.WhiteKernel() * gp.RBF(), gp.ConstantKernel(0.0)),
    ],
    ids=str,
)
def test_no_white_noise(noisy, quiet, wrap):
    """Also where a row meets itself, and where noise multiplies other kernels."""
    _, B = make_rows()
    kernel = wrap(noisy)
    assert np.all(np.diag(noisy(B)) > np.diag(quiet(B)) + 1e-3)
    assert_allclose(kernel(B, B), quiet(B), rtol=1e-12, atol=1e-14)
    assert_allclose(kernel.diagonal(B), np.diag(quiet(B)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("part", WITH_DERIVATIVE, ids=str)
def test_derivative_of_gaussian_process_kernel(part, csr):
    rows = make_rows()
    A, B = stored(csr, *rows)
    kernel = GaussianProcessKernel(part, 1.7)
    weights = np.random.default_rng(1).standard_normal((2, len(rows[0]), len(rows[1])))
    got = kernel.input_vjp(A, B, weights)
    by_steps = np.einsum("mab,abd->mad", weights, slopes(kernel, *rows))
    assert_allclose(got, by_steps, rtol=1e-7, atol=1e-7)
    assert_allclose(kernel.input_vjp(A, B, weights[1]), got[1], rtol=1e-12, atol=1e-13)
    by_metric = PairwiseKernel(part).input_vjp(A, B, weights)
    assert_allclose(1.7 * by_metric, got, rtol=1e-12, atol=1e-13)
    same = kernel.input_vjp(rows[0], rows[0], np.eye(len(rows[0])))
    by_steps = np.einsum("aad->ad", slopes(kernel, rows[0], rows[0].copy()))
    assert_allclose(same, by_steps, rtol=1e-7, atol=1e-7)


# ---------------------------------------------------------------------------------- no derivative
@pytest.mark.parametrize(
    "kernel, name",
    [
        (PairwiseKernel("laplacian", {"gamma": 1.0}), "laplacian"),
        (PairwiseKernel("precomputed"), "precomputed"),
        (PairwiseKernel(triangular, {"gamma": "its own"}), "triangular"),
        (GramFunction(gram), "gram"),
        *((GaussianProcessKernel(part + gp.WhiteKernel()), str(part)) for part in WITHOUT),
    ],
)
def test_unknown_derivatives_are_refused_in_words(kernel, name):
    A, B = make_rows()
    with pytest.raises(TypeError, match="does not know") as caught:
        kernel.input_vjp(A, B, np.ones((len(A), len(B))))
    text = str(caught.value)
    who = getattr(kernel, "kernel", None)
    given = f"perturbation_gradient got the kernel {repr(who.k1) if who else name}"
    assert given in text.replace("'", "")
    for word in ("rbf, poly, linear and sigmoid", "DotProduct", "RBF", "WhiteKernel", "register"):
        assert word in text


# ------------------------------------------------------------------------------ steps of pipelines
def decay(a, b, gamma):
    return np.exp(-gamma * np.sum((a - b) ** 2))


STEPS = [
    Nystroem(n_components=10, random_state=0),
    Nystroem("rbf", gamma=0.3, n_components=10, random_state=0),
    Nystroem("rbf", kernel_params={"gamma": 0.4}, n_components=10, random_state=0),
    Nystroem("rbf", gamma=0.1, kernel_params={"gamma": 9.0}, n_components=10, random_state=0),
    Nystroem("poly", n_components=10, random_state=0),
    Nystroem("polynomial", degree=2, coef0=0.5, gamma=0.2, n_components=10, random_state=0),
    Nystroem("sigmoid", n_components=10, random_state=0),
    Nystroem("sigmoid", gamma=0.1, coef0=-0.2, n_components=10, random_state=0),
    Nystroem("linear", n_components=4, random_state=0),
    RBFSampler(n_components=20, random_state=0),
    RBFSampler(gamma="scale", n_components=20, random_state=0),
]
DENSE = Nystroem(gp.Matern(1.5, nu=2.5), n_components=10, random_state=0)


@pytest.mark.parametrize(
    "step, csr",
    [*((step, False) for step in [*STEPS, DENSE]), *((step, True) for step in STEPS)],
    ids=str,
)
def test_step_is_the_derivative_of_transform(step, csr):
    A, B = make_rows()
    fitted = step.fit(*stored(csr, B))
    (rows,) = stored(csr, A)

    def transform(moved, _):
        return fitted.transform(*stored(csr, moved))

    by_steps = slopes(transform, A, None)
    cotangents = np.random.default_rng(2).standard_normal((3, len(A), by_steps.shape[1]))
    got = step_vjp(fitted, rows, cotangents)
    want = np.einsum("mrk,rkd->mrd", cotangents, by_steps)
    assert type(got) is np.ndarray
    assert_allclose(got, want, rtol=0.0, atol=1e-7 * np.abs(want).max())


def test_step_does_not_write_into_its_parameters():
    A, B = make_rows()
    step = Nystroem(n_components=10, random_state=0, kernel_params={"gamma": 0.4}).fit(B)
    step.set_params(gamma=0.2)
    step_vjp(step, A, np.ones((1, len(A), 10)))
    assert step.kernel_params == {"gamma": 0.4}


@pytest.mark.parametrize("kernel", ["laplacian", decay])
def test_steps_with_other_kernels_are_refused(kernel):
    A, B = make_rows()
    step = Nystroem(kernel, n_components=10, random_state=0, kernel_params={"gamma": 1.0}).fit(B)
    with pytest.raises(TypeError, match=r"got the kernel '?(laplacian|decay)'?, whose derivative"):
        step_vjp(step, A, np.ones((1, len(A), 10)))


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize(
    "step", [Nystroem(n_components=30, random_state=0), RBFSampler(n_components=30, random_state=0)]
)
def test_gradient_is_the_change_by_refits(step, csr):
    """In raw features; refits keep the steps as they are."""
    data = make_data("binary", 200)
    X, X_test = 3.0 * data.X + 1.0, 3.0 * data.X_test + 1.0
    last = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12)
    pipeline = make_pipeline(MaxAbsScaler() if csr else StandardScaler(), step, last)
    rows = np.array([0, 57, 120])
    explainer = InfluenceExplainer(pipeline).fit(*stored(csr, X), data.y)
    got = explainer.perturbation_gradient(*stored(csr, X_test), data.y_test, indices=rows)
    assert got.shape == (len(X_test), len(rows), X.shape[1])
    frozen = FrozenEstimator(pipeline.fit(X, data.y)[:-1])

    def losses(moved):
        model = make_pipeline(frozen, last).fit(moved, data.y)
        own = model.classes_ == data.y_test[:, None]
        return -np.log(model.predict_proba(X_test)[own])

    size = 1e-4
    for position, row in enumerate(rows):
        for j in range(X.shape[1]):
            move = np.zeros_like(X)
            move[row, j] = size
            change = (losses(X + move) - losses(X - move)) / (2 * size)
            predicted = got[:, position, j] / len(X)
            scale = np.abs(got[:, position]).max() / len(X)
            assert_allclose(predicted, change, rtol=0.0, atol=1e-3 * scale)
