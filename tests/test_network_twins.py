"""A network without hidden layers is a linear model, and answers every question as that does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from networks import HAS_POISSON, D, quiet, targets
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skinfluence import CG, InfluenceExplainer, functionals

N, STRENGTH = 50, 0.7
EXACT = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 200}


def data(task: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    X = rng.standard_normal((N, D))
    signals = X[:, :3] + 0.7 * rng.standard_normal((N, 3))
    return X, targets(task, signals, rng)


@dataclass(frozen=True)
class Twins:
    """A network and the linear model that it is, explained on the same rows.

    Parameters
    ----------
    loss : float
        How many times as large as the network's the linear model's loss is.
    """

    task: str
    network: Any
    linear: Any
    X: np.ndarray
    y: np.ndarray
    loss: float = 1.0

    @property
    def tests(self) -> tuple[np.ndarray, np.ndarray]:
        return self.X[:4], self.y[:4]

    def both(self, question: str, *data: Any, **options: Any) -> tuple[Any, Any]:
        of_network, of_linear = (getattr(e, question) for e in (self.network, self.linear))
        return of_network(*data, **options), of_linear(*data, **options)

    def agree(self, question: str, *data: Any, factor: float = 1.0, **options: Any) -> None:
        of_network, of_linear = self.both(question, *data, **options)
        same(factor * of_network, of_linear)


def same(got: Any, want: Any) -> None:
    assert got.shape == want.shape
    assert np.abs(want).max() > 0
    assert_allclose(got, want, rtol=0.0, atol=1e-8 * np.abs(want).max())


@cache
def twins(task: str, storage: str = "dense", solver: Any = "auto") -> Twins:
    X, y = data(task)
    linear = {
        "classes": LogisticRegression(C=1.0 / STRENGTH, **EXACT),
        "binary": LogisticRegression(C=1.0 / STRENGTH, **EXACT),
        "labels": OneVsRestClassifier(LogisticRegression(C=1.0 / STRENGTH, **EXACT)),
        "number": Ridge(STRENGTH),
        "numbers": Ridge(STRENGTH),
        "counts": PoissonRegressor(alpha=STRENGTH / N, **EXACT),
    }[task].fit(X, y)
    kind = MLPClassifier if is_classifier(linear) else MLPRegressor
    options = {"loss": "poisson"} if task == "counts" else {}
    network = kind(hidden_layer_sizes=(), alpha=STRENGTH, solver="lbfgs", max_iter=1, **options)
    quiet(network, X, y)
    parts = linear.estimators_ if task == "labels" else [linear]
    coefs = np.vstack([np.atleast_2d(each.coef_) for each in parts])
    network.coefs_ = [coefs.T.copy()]
    network.intercepts_ = [np.concatenate([np.ravel(each.intercept_) for each in parts])]
    stored = sparse.csr_matrix(X) if storage == "csr" else X
    explained = [
        InfluenceExplainer(each, prefit=True, solver=solver, n_jobs=1).fit(stored, y)
        for each in (network, linear)
    ]
    return Twins(task, *explained, X, y, 2.0 if task.startswith("number") else 1.0)


TASKS = ("classes", "binary", "labels", "number", "numbers")
LABELLED = ("classes", "binary")
ROWS = [3, 40, 7]
every_task = pytest.mark.parametrize("task", TASKS)
every_kind = pytest.mark.parametrize("kind", ["upweight", "removal"])


@every_task
def test_they_are_the_same_model(task):
    pair = twins(task)
    if is_classifier(pair.linear):
        assert np.array_equal(*pair.both("predict", pair.X))
        pair.agree("predict_proba", pair.X)
    else:
        pair.agree("predict", pair.X)
    assert pair.network.report_.relative_step < 1e-8
    assert pair.network.report_.hessian == "exact"
    assert pair.network.report_.damping == 0


@every_kind
@every_task
def test_influence(task, kind):
    pair = twins(task)
    for normalize, factor in ((None, 1.0), ("theta", 1.0), ("loss", pair.loss**-0.5)):
        options = {"kind": kind, "normalize": normalize}
        pair.agree("influence", *pair.tests, factor=pair.loss * factor, **options)
        if task not in ("labels", "numbers"):  # which of them?
            pair.agree("influence", *pair.tests, target="prediction", factor=factor, **options)
    options = {"kind": kind, "indices": ROWS, "reduce": "mean"}
    pair.agree("influence", pair.X, pair.y, factor=pair.loss, **options)


@every_kind
@every_task
def test_self_influence_and_explanations(task, kind):
    pair = twins(task)
    pair.agree("self_influence", kind=kind, factor=pair.loss)
    found = pair.both("explain", *pair.tests, k=5, kind=kind)
    same(pair.loss * found[0].effects, found[1].effects)
    assert np.array_equal(found[0].indices, found[1].indices)
    assert np.array_equal(found[0].helpful_indices, found[1].helpful_indices)


@every_kind
@every_task
def test_parameter_influence(task, kind):
    of_network, of_linear = twins(task).both("parameter_influence", kind=kind)
    (weights,), (intercepts,) = of_network["coefs"], of_network["intercepts"]
    same(weights.transpose(0, 2, 1), of_linear["coef"].reshape(N, -1, D))
    same(intercepts, of_linear["intercept"].reshape(N, -1))


@every_task
def test_perturbation_gradients(task):
    pair = twins(task)
    pair.agree("perturbation_gradient", *pair.tests, indices=ROWS, factor=pair.loss)


@every_kind
@every_task
def test_other_rows_and_labels(task, kind):
    pair = twins(task)
    new, labels = pair.X[[10, 11, 12]] + 0.3, pair.y[[20, 21, 22]]
    for change in ({"X_new": new}, {"y_new": labels}, {"X_new": new, "y_new": labels}):
        options = {"kind": kind, "indices": ROWS, "factor": pair.loss, **change}
        pair.agree("perturbation_influence", *pair.tests, **options)
    if task in LABELLED:
        pair.agree("label_flip_influence", *pair.tests, kind=kind)


@every_kind
@every_task
def test_groups_and_other_weights(task, kind):
    pair = twins(task)
    groups = [[0, 1, 2], [7], list(range(20, 35))]
    pair.agree("group_influence", groups, *pair.tests, kind=kind, factor=pair.loss)
    weights = np.random.default_rng(0).integers(0, 3, (N, 3)).astype(float)
    pair.agree("reweight", weights, pair.X[:4], kind=kind)


@every_task
def test_held_out_predictions(task):
    pair = twins(task)
    pair.agree("loo_decision_function")
    if is_classifier(pair.linear):
        assert np.array_equal(*pair.both("loo_predict"))
        pair.agree("loo_predict_proba")
    else:
        pair.agree("loo_predict")
    assert pair.network.loo_score() == pytest.approx(pair.linear.loo_score())
    pair.agree("cross_val_decision", KFold(4))


@every_kind
@every_task
def test_functionals(task, kind):
    pair = twins(task)
    pair.agree(
        "functional_influence", pair.X, pair.y, functionals.mean_loss(), kind=kind, factor=pair.loss
    )
    asked = [functionals.accuracy(), functionals.brier_score()] * (task in LABELLED)
    asked += [functionals.roc_auc()] * (task == "binary")
    asked += [functionals.r2()] * (task == "number")
    for functional in asked:
        pair.agree("functional_influence", pair.X, pair.y, functional, kind=kind)


@pytest.mark.skipif(not HAS_POISSON, reason="scikit-learn's networks have no Poisson loss yet")
def test_counts_to_first_order():
    """A removal is another question: the linear model's penalty is set against the mean."""
    pair = twins("counts")
    for target in ("loss", "prediction"):
        pair.agree("influence", *pair.tests, target=target)
    pair.agree("perturbation_gradient", *pair.tests, indices=ROWS)
    pair.agree("self_influence")


@pytest.mark.parametrize("solver", ["cholesky", CG(tol=1e-12)], ids=["cholesky", "cg"])
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("task", ["classes", "labels", "numbers"])
def test_by_every_solver_from_any_storage(task, storage, solver):
    pair, plain = twins(task, storage, solver), twins(task)
    for kind in ("upweight", "removal"):
        pair.agree("influence", *pair.tests, kind=kind, factor=pair.loss)
        got, want = (each.network.influence(*pair.tests, kind=kind) for each in (pair, plain))
        same(got, want)
