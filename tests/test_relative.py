"""Relative influence: effects over how far a row moves the model, against dense formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rows import make_data
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from skinfluence import InfluenceExplainer

NORMS = ["theta", "loss"]
TIGHT = {"tol": 1e-12, "max_iter": 10_000}


# ------------------------------------------------------------------------ explicit gradients
class Dense:
    """Gradients and Hessian over all parameters, outputs outermost: nothing of the package's."""

    def __init__(self, model, data, weights, damping=0.0):
        rows, self.n = np.asarray(data.X, float), len(data.y)
        self.inputs = np.column_stack([rows, np.ones(self.n)])
        tests = np.column_stack([data.X_test, np.ones(len(data.X_test))])
        self.theta = np.column_stack([np.atleast_2d(model.coef_), np.ravel(model.intercept_)])
        self.weights = np.ones(self.n) if weights is None else weights
        self.model = model
        residuals, curvature = self.bent(self.inputs, data.y)
        self.gradients = self.per_row(self.inputs, residuals)
        self.test_gradients = self.per_row(tests, self.bent(tests, data.y_test)[0])
        k, q = self.theta.shape
        bent = np.einsum("i,ikl,iq,ir->kqlr", self.weights, curvature, self.inputs, self.inputs)
        strength = 2 * model.alpha if isinstance(model, Ridge) else 1 / model.C
        penalty = np.tile(np.r_[np.full(q - 1, strength), 0.0], k)
        self.hessian = bent.reshape(k * q, k * q) + np.diag(penalty + self.n * damping)
        self.inverse = np.linalg.pinv(self.hessian, rcond=1e-10, hermitian=True)

    def per_row(self, inputs, residuals):
        return np.einsum("ik,iq->ikq", residuals, inputs).reshape(len(inputs), -1)

    def bent(self, inputs, y):
        """Residuals (n, K) and curvatures (n, K, K)."""
        z = inputs @ self.theta.T
        if isinstance(self.model, Ridge):
            residuals = -2 * (y.reshape(z.shape) - z)
            return residuals, np.broadcast_to(2 * np.eye(z.shape[1]), (len(z), *2 * z.shape[1:]))
        if z.shape[1] == 1:
            p = expit(z)
            return p - y[:, None], (p * (1 - p))[:, :, None]
        p = softmax(z, axis=1)
        return p - np.eye(z.shape[1])[y], p[:, :, None] * np.eye(z.shape[1]) - p[:, :, None] * p[
            :, None, :
        ]

    def relative(self, norm):
        """As the paper has it, with H = ∇²J/n."""
        moves = self.n * self.gradients @ self.inverse
        whole = -self.test_gradients @ moves.T
        return whole / self.sizes(moves, norm, self.hessian / self.n)

    @staticmethod
    def sizes(moves, norm, hessian):
        squares = moves**2 if norm == "theta" else moves * (moves @ hessian)
        return np.sqrt(squares.sum(axis=1))


MODELS = {
    "binary": (LogisticRegression(C=0.3, **TIGHT), "binary"),
    "multinomial": (LogisticRegression(C=0.3, **TIGHT), "three classes"),
    "ridge, three outputs": (Ridge(alpha=2.0), "multi-output"),
}


@pytest.fixture(params=MODELS)
def case(request):
    model, kind = MODELS[request.param]
    return model, make_data(kind, n=90)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("norm", NORMS)
def test_upweighting_against_dense_formulas(case, norm, weighted):
    model, data = case
    weights = data.sample_weight if weighted else None
    for storage, tolerance in ((np.asarray, 1e-8), (sparse.csr_matrix, 1e-8), (np.float32, 3e-3)):
        rows = storage(data.X)
        explainer = InfluenceExplainer(model).fit(rows, data.y, weights)
        expected = Dense(explainer.estimator_, data, weights).relative(norm)
        found = explainer.influence(storage(data.X_test), data.y_test, normalize=norm)
        assert found.dtype == rows.dtype
        assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("norm", NORMS)
def test_damping_is_part_of_the_hessian(norm):
    data = make_data("binary", n=90)
    explainer = InfluenceExplainer(MODELS["binary"][0], damping=0.1).fit(data.X, data.y)
    dense = Dense(explainer.estimator_, data, None, damping=0.1)
    found = explainer.influence(data.X_test, data.y_test, normalize=norm)
    assert_allclose(found, dense.relative(norm), rtol=1e-7)
    for kind in ("removal", "refit"):
        moves = flat(explainer.parameter_influence(kind=kind))
        sizes = Dense.sizes(moves, norm, dense.hessian)
        whole = explainer.influence(data.X_test, data.y_test, kind=kind)
        found = explainer.influence(data.X_test, data.y_test, kind=kind, normalize=norm)
        assert_allclose(found, whole / sizes, rtol=1e-6)


def flat(change):
    """Parameters of each row, outputs outermost, the intercept after its coefficients."""
    coef = change["coef"].reshape(len(change["coef"]), -1, change["coef"].shape[-1])
    intercept = change["intercept"].reshape(len(coef), -1, 1)
    return np.concatenate([coef, intercept], axis=2).reshape(len(coef), -1)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("kind", ["binary", "three classes"])
@pytest.mark.parametrize("norm", NORMS)
def test_removal_over_the_size_of_its_own_step(norm, kind, solver, class_weight):
    data = make_data(kind, n=60)
    model = LogisticRegression(C=0.3, class_weight=class_weight, **TIGHT)
    explainer = InfluenceExplainer(model, solver=solver).fit(data.X, data.y)
    balanced = len(data.y) / (len(np.unique(data.y)) * np.bincount(data.y))
    weights = None if class_weight is None else balanced[data.y]
    moves = flat(explainer.parameter_influence(kind="removal"))
    hessian = Dense(explainer.estimator_, data, weights).hessian
    asked = {"kind": "removal"}
    whole = explainer.influence(data.X_test, data.y_test, **asked)
    expected = whole / Dense.sizes(moves, norm, hessian)
    found = explainer.influence(data.X_test, data.y_test, normalize=norm, **asked)
    assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("norm", NORMS)
def test_refits_against_real_refits(case, norm, weighted):
    model, data = case
    weights = data.sample_weight if weighted else None
    explainer = InfluenceExplainer(model).fit(data.X, data.y, weights)
    dense = Dense(explainer.estimator_, data, weights)
    rows = np.arange(0, len(data.y), 9)
    moves = []
    for row in rows:
        left = data.without(row)
        kept = None if weights is None else left.sample_weight
        refitted = type(model)(**model.get_params()).fit(left.X, left.y, sample_weight=kept)
        theta = np.column_stack([np.atleast_2d(refitted.coef_), np.ravel(refitted.intercept_)])
        moves.append((theta - dense.theta).reshape(-1))
    moves = np.array(moves)
    if dense.theta.shape[0] > 1 and not isinstance(model, Ridge):
        # A constant on all intercepts changes no probability: lbfgs leaves it as it comes.
        by_class = moves.reshape(len(rows), *dense.theta.shape)
        moves = (by_class - by_class.mean(axis=1, keepdims=True)).reshape(len(rows), -1)
    whole = explainer.influence(data.X_test, data.y_test, kind="refit", indices=rows)
    expected = whole / Dense.sizes(moves, norm, dense.hessian)
    asked = {"kind": "refit", "indices": rows, "normalize": norm}
    found = explainer.influence(data.X_test, data.y_test, **asked)
    assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("norm", NORMS)
def test_kinds_agree_to_first_order(case, norm):
    """Up to the sign, and √n for the loss; the row's weight cancels."""
    model, data = case
    explainer = InfluenceExplainer(model).fit(data.X, data.y, data.sample_weight)

    def ask(kind):
        asked = {"kind": kind, "normalize": norm}
        return explainer.influence(data.X_test, data.y_test, **asked).ravel()

    scale = 1.0 if norm == "theta" else np.sqrt(len(data.y))
    first = -ask("upweight") / scale
    for kind in ("removal", "refit"):
        found = ask(kind)
        assert np.corrcoef(found, first)[0, 1] > 0.999
        assert abs(np.polyfit(first, found, 1)[0] - 1.0) < 0.03


# ----------------------------------------------------------------------------------- kernels
@pytest.mark.parametrize("norm", NORMS)
def test_kernel_ridge_in_closed_form(norm):
    data, alpha = make_data("regression", n=40), 0.7
    model = KernelRidge(kernel="rbf", gamma=0.2, alpha=alpha)
    explainer = InfluenceExplainer(model).fit(data.X, data.y)
    kernel, n = rbf_kernel(data.X, gamma=0.2), len(data.y)
    residuals = data.y - kernel @ explainer.estimator_.dual_coef_
    test_kernel = rbf_kernel(data.X_test, data.X, gamma=0.2)
    gap = data.y_test - test_kernel @ explainer.estimator_.dual_coef_
    # (∇²J)⁻¹∇ℓ_i = −(K + αI)⁻¹ e_i r_i in coefficients of functions; n of it is H⁻¹∇ℓ_i.
    inverse = np.linalg.inv(kernel + alpha * np.eye(n))
    moves = -n * inverse * residuals
    whole = -(-2 * gap[:, None]) * (test_kernel @ moves)
    bent = moves if norm == "theta" else 2 / n * (kernel @ moves + alpha * moves)
    expected = whole / np.sqrt(np.einsum("ji,jk,ki->i", moves, kernel, bent))
    found = explainer.influence(data.X_test, data.y_test, normalize=norm)
    assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
@pytest.mark.parametrize("norm", NORMS)
def test_a_linear_kernel_has_the_norm_of_its_features(norm, kind):
    data = make_data("regression", n=40)
    asked = {"kind": kind, "normalize": norm}
    models = Ridge(alpha=0.7, fit_intercept=False), KernelRidge(kernel="linear", alpha=0.7)
    explicit, implicit = (
        InfluenceExplainer(model).fit(data.X, data.y).influence(data.X_test, data.y_test, **asked)
        for model in models
    )
    assert_allclose(implicit, explicit, rtol=1e-5, atol=1e-8 * np.abs(explicit).max())


def test_support_vector_machine_by_refits():
    data = make_data("binary", n=40)
    model = SVC(C=2.0, gamma=0.2, tol=1e-8)
    explainer = InfluenceExplainer(model).fit(data.X, data.y)
    kernel = rbf_kernel(data.X, gamma=0.2)
    whole = explainer.influence(data.X_test, data.y_test, kind="removal")
    found = explainer.influence(data.X_test, data.y_test, kind="removal", normalize="theta")
    change = explainer.parameter_influence(kind="removal")
    coef = change["dual_coef"].reshape(len(data.y), -1)
    squares = np.einsum("ij,jk,ik->i", coef, kernel, coef) + change["intercept"].ravel() ** 2
    moved = np.sqrt(squares) > 1e-9
    assert 5 < moved.sum() < 40
    expected = whole[:, moved] / np.sqrt(squares[moved])
    assert_allclose(found[:, moved], expected, rtol=1e-5)
    assert np.isfinite(found).all()
