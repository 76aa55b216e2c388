"""Replacing rows of kernel machines, hinge models and means, against real refits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from machines import GAMMA, as_gram, labelled_rows, off, smooth_rows, values
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from third_party import MeanPseudoHuberRegressor
from wording import raises

from skinfluence import InfluenceExplainer
from skinfluence.svm import SmoothHingeSVC

N = 120
ROWS = np.array([4, 4, 30, 61])


def new_features(data: Any) -> np.ndarray:
    return -0.7 * data.X[ROWS] + np.random.default_rng(1).normal(size=data.X[ROWS].shape)


def new_labels(data: Any) -> np.ndarray:
    if data.y.dtype.kind == "f":
        return data.y[ROWS] + np.array([1.0, -2.0, 0.5, 3.0]).reshape(-1, *[1] * (data.y.ndim - 1))
    known = np.unique(data.y)
    return known[(np.searchsorted(known, data.y[ROWS]) + 1) % len(known)]


def changed(data: Any, place: int, X_new: Any, y_new: Any) -> Any:
    X, y = data.X.copy(), data.y.copy()
    if X_new is not None:
        X[ROWS[place]] = X_new[place]
    if y_new is not None:
        y[ROWS[place]] = y_new[place]
    return replace(data, X=X, y=y)


def actual_changes(model: Any, data: Any, X_new: Any, y_new: Any) -> np.ndarray:
    """Of decision values, (n_test, rows, outputs)."""
    before = values(model, data.X_test).reshape(len(data.y_test), -1)
    after = []
    for place in range(len(ROWS)):
        other = changed(data, place, X_new, y_new)
        again = clone(model).fit(other.X, other.y)
        after.append(values(again, data.X_test).reshape(len(data.y_test), -1) - before)
    return np.stack(after, axis=1)


REGRESSORS = [
    ("KernelRidge", KernelRidge(alpha=0.1, kernel="rbf", gamma=GAMMA)),
    ("KernelRidge, poly", KernelRidge(alpha=1.0, kernel="poly", degree=2, gamma=GAMMA)),
    ("GPR", GaussianProcessRegressor(RBF(2.0), alpha=0.1, optimizer=None)),
    ("GPR, y", GaussianProcessRegressor(RBF(2.0), alpha=0.05, optimizer=None, normalize_y=True)),
    ("SVR", SVR(C=0.3, gamma=GAMMA, epsilon=0.2, tol=1e-11)),
    ("mean", MeanPseudoHuberRegressor(mean_over="weights", alpha=0.05)),
]


@pytest.mark.parametrize("what", ["features", "targets", "both"])
@pytest.mark.parametrize("kind", ["removal", "refit"])
@pytest.mark.parametrize("model", [c[1] for c in REGRESSORS], ids=[c[0] for c in REGRESSORS])
def test_regressors(model, kind, what):
    data = smooth_rows(N)
    X_new = new_features(data) if what != "targets" else None
    y_new = new_labels(data) if what != "features" else None
    model = clone(model).fit(data.X, data.y)
    explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y)
    got = explainer.perturbation_influence(
        data.X_test, indices=ROWS, X_new=X_new, y_new=y_new, target="prediction", kind=kind
    )
    actual = actual_changes(model, data, X_new, y_new)[:, :, 0]
    newton = kind == "removal" and isinstance(model, MeanPseudoHuberRegressor)
    assert off(got, actual) <= (0.05 if newton else 3e-4 if isinstance(model, SVR) else 1e-6)


CLASSIFIERS = [
    ("SVC", SVC(C=0.3, gamma=GAMMA, tol=1e-11)),
    ("SVC, linear", SVC(C=0.05, kernel="linear", tol=1e-11)),
    ("SmoothHingeSVC", SmoothHingeSVC(C=0.3, gamma=GAMMA, temperature=0.1, tol=1e-10)),
    ("LinearSVC", LinearSVC(loss="hinge", C=0.05, tol=1e-11, max_iter=2_000_000)),
]


@pytest.mark.parametrize("what", ["features", "labels", "both"])
@pytest.mark.parametrize("model", [c[1] for c in CLASSIFIERS], ids=[c[0] for c in CLASSIFIERS])
def test_hinges(model, what):
    """The exact refit of the hinge model itself."""
    data = labelled_rows(N, 2)
    X_new = new_features(data) if what != "labels" else None
    y_new = new_labels(data) if what != "features" else None
    model = clone(model).fit(data.X, data.y)
    explainer = InfluenceExplainer(model, prefit=True).fit(data.X, data.y)
    got = explainer.perturbation_influence(
        data.X_test, np.full(len(data.y_test), model.classes_[1]), indices=ROWS, X_new=X_new,
        y_new=y_new, target="prediction",
    )  # fmt: skip
    actual = actual_changes(model, data, X_new, y_new)[:, :, 0]
    assert off(got, actual) <= 1e-3


@pytest.mark.parametrize("what", ["features", "targets", "both"])
def test_first_order_of_kernels(what):
    """The exact change of a replacement that is a hundred-thousandth of the way there."""
    data, model = smooth_rows(N), REGRESSORS[0][1]
    share = 1e-5
    X_new = data.X[ROWS] + share * new_features(data) if what != "targets" else None
    y_new = data.y[ROWS] + share * new_labels(data) if what != "features" else None
    explainer = InfluenceExplainer(model).fit(data.X, data.y)
    asked = {"indices": ROWS, "X_new": X_new, "y_new": y_new, "target": "prediction"}
    first = explainer.perturbation_influence(data.X_test, kind="upweight", **asked) / N
    assert off(first, explainer.perturbation_influence(data.X_test, **asked)) <= 1e-3


def test_sparse_rows():
    data = labelled_rows(N, 2)
    model, X_new = SVC(C=0.3, gamma=GAMMA, tol=1e-11), new_features(data)
    dense = InfluenceExplainer(model).fit(data.X, data.y)
    csr = InfluenceExplainer(model).fit(sparse.csr_matrix(data.X), data.y)
    expected = dense.perturbation_influence(data.X_test, indices=ROWS, X_new=X_new)
    for rows in (X_new, sparse.csr_matrix(X_new)):
        got = csr.perturbation_influence(data.X_test, indices=ROWS, X_new=rows)
        assert off(got, expected) <= 1e-5


def test_labels_of_a_precomputed_kernel():
    data = labelled_rows(N, 2)
    y_new = new_labels(data)
    plain = InfluenceExplainer(SVC(C=0.3, gamma=GAMMA, tol=1e-11)).fit(data.X, data.y)
    expected = plain.perturbation_influence(data.X_test, indices=ROWS, y_new=y_new)
    known = as_gram(data)
    explainer = InfluenceExplainer(SVC(C=0.3, kernel="precomputed", tol=1e-11))
    explainer.fit(known.X, known.y)
    got = explainer.perturbation_influence(known.X_test, indices=ROWS, y_new=y_new)
    assert off(got, expected) <= 1e-5
    for kind in ("upweight", "removal", "refit"):
        with raises(TypeError, "new features", "kernel='precomputed'", "y_new"):
            explainer.perturbation_influence(
                known.X_test, indices=ROWS, X_new=known.X[ROWS], kind=kind
            )


def test_categories_through_a_pipeline():
    """A row of another category, by refits of the model with the steps as they were fitted."""
    pandas = pytest.importorskip("pandas")
    from sklearn.compose import make_column_transformer
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"size": rng.normal(size=90), "colour": rng.choice(list("rgb"), 90)})
    y = np.where(frame["size"] + (frame["colour"] == "r") + rng.normal(size=90) > 0.5, "yes", "no")
    steps = make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(), ["colour"]))
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    explainer = InfluenceExplainer(make_pipeline(steps, model)).fit(frame, y)
    other = frame.iloc[[5, 6]].assign(colour=["g", "r"])
    got = explainer.perturbation_influence(
        frame, y, indices=[5, 6], X_new=other, y_new=["no", "yes"], kind="refit"
    )
    fitted = explainer.estimator_
    before = -fitted.predict_log_proba(frame)
    for place, row in enumerate((5, 6)):
        X_changed, y_changed = frame.copy(), y.copy()
        X_changed.iloc[row] = other.iloc[place]
        y_changed[row] = ["no", "yes"][place]
        again = make_pipeline(FrozenEstimator(fitted[0]), clone(model)).fit(X_changed, y_changed)
        change = -again.predict_log_proba(frame) - before
        expected = change[np.arange(90), (y == "yes").astype(int)]
        assert_allclose(got[:, place], expected, rtol=0.0, atol=1e-8)
