"""After an attack the model is the one that a cold fit on the moved rows finds, for every model."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from attacking import cold_fit, slope, values
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from skinfluence import CG, InfluenceExplainer
from skinfluence.attack import LInfBall, TrainingSetAttack

N = 80


def logistic(**settings: Any) -> LogisticRegression:
    return LogisticRegression(solver="newton-cholesky", tol=1e-13, max_iter=1000, **settings)


@dataclass(frozen=True)
class Model:
    """One estimator, what it is fitted on, and how near to its optimum scikit-learn gets."""

    estimator: Any
    data: str = "binary"
    precision: float = 1e-6
    settings: dict[str, Any] = field(default_factory=dict)
    weighted: bool = False
    target: str = "loss"

    def __str__(self) -> str:
        steps = getattr(self.estimator, "steps", [("", self.estimator)])
        names = "-".join(type(step).__name__ for _, step in steps)
        return f"{names}-{self.data}" + ("-weighted" if self.weighted else "")


TIGHT = {"tol": 1e-12, "max_iter": 100_000, "random_state": 0}
BALANCED = {"class_weight": "balanced"}
MODELS = [
    Model(Ridge(1.0), "regression"),
    Model(Ridge(1.0), "multi-output"),
    Model(Ridge(1.0, fit_intercept=False), "regression", weighted=True),
    Model(RidgeClassifier(1.0), "three classes"),
    Model(logistic(C=10.0)),
    Model(logistic(C=10.0), weighted=True),
    Model(logistic(C=10.0, **BALANCED), "three classes"),
    Model(logistic(C=10.0), "three classes", settings={"damping": 1e-3}),
    Model(logistic(C=10.0), settings={"solver": CG()}),
    Model(logistic(C=np.inf)),
    Model(LinearSVC(C=1.0, **TIGHT), precision=1e-5, target="decision"),
    Model(LinearSVC(C=1.0, **TIGHT, **BALANCED), "three classes", 1e-5, target="decision"),
    Model(KernelRidge(alpha=0.1, kernel="rbf", gamma=0.2), "regression"),
    Model(GaussianProcessRegressor(RBF(2.0), alpha=0.1, optimizer=None), "regression"),
    # losses with kinks are smoothed by so much, and followed from smooth to sharp if need be
    Model(SVC(gamma=0.2, tol=1e-10), precision=3e-3, settings={"smoothing": 1e-4}),
    Model(SVC(gamma=0.2, tol=1e-10), "three classes", 1e-2),
    Model(LinearSVC(C=0.05, loss="hinge", **TIGHT), precision=1e-4, settings={"smoothing": 1e-5}),
    Model(make_pipeline(StandardScaler(), logistic(C=10.0))),
    Model(make_pipeline(StandardScaler(), PCA(3), Ridge(1.0)), "regression"),
    Model(make_pipeline(PCA(3, whiten=True), logistic()), "three classes", weighted=True),
]


def fitted(model: Model) -> tuple[Any, Any]:
    data = make_data(model.data, N)
    explainer = InfluenceExplainer(clone(model.estimator), **model.settings)
    weights = data.sample_weight if model.weighted else None
    return data, explainer.fit(data.X, data.y, sample_weight=weights)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_the_model_is_that_of_a_cold_fit(model):
    data, explainer = fitted(model)
    attack = TrainingSetAttack(
        explainer, n_rows=3, step_size=0.1, n_iter=6, project=LInfBall(0.9), target=model.target
    )
    result = attack.attack(data.X_test, data.y_test)
    cold, steps = cold_fit(explainer, result)
    X_test = data.X_test if steps is None else steps.transform(data.X_test)
    assert result.n_iter >= 2
    if model.data == "regression":
        expected = cold.predict(X_test)
        got = result.predictions_after
        assert_allclose(result.decision_history[-1], got)
        losses = (expected - data.y_test) ** 2
        assert_allclose(result.loss_history[-1], losses, rtol=1e-5, atol=1e-9)
        assert np.isnan(result.probability_history).all()
        assert not result.flipped.any()
    elif hasattr(cold, "predict_proba"):
        expected = cold.predict_proba(X_test)[np.arange(len(data.y_test)), data.y_test]
        got = result.probability_history[-1]
        assert_allclose(-np.log(expected), result.loss_history[-1], rtol=1e-5)
    elif model.data == "binary":
        expected = np.where(data.y_test == 1, 1, -1) * cold.decision_function(X_test)
        got = result.decision_history[-1]
    elif model.data == "multi-output":
        expected, got = cold.predict(X_test), result.predictions_after
    else:
        got, expected = result.predictions_after, cold.predict(X_test)
    scale = np.abs(values(cold, X_test)).max()
    assert_allclose(got, expected, rtol=0, atol=model.precision * scale)
    if model.data in ("binary", "three classes"):
        assert (result.predictions_after == cold.predict(X_test)).all()
        assert (result.predictions_before == explainer.predict(data.X_test)).all()
    risen = result.loss_history.mean(axis=1)
    assert model.target == "decision" or risen[-1] > risen[0]


# With damping the gradient is that of another Hessian.
SMOOTH = [model for model in MODELS if model.precision <= 1e-6 and "damping" not in model.settings]


@pytest.mark.parametrize("model", SMOOTH, ids=str)
def test_the_first_step_promises_what_refits_say(model):
    """A small step, by which the mean loss really rises as predicted."""
    data, explainer = fitted(model)
    attack = TrainingSetAttack(explainer, rows=[11], step_size=1e-5, n_iter=1)
    result = attack.attack(data.X_test, data.y_test)
    expected = 1e-5 * np.abs(slope(explainer, 11, data.X_test, data.y_test)).sum()
    rise = np.diff(result.loss_history.mean(axis=1))[0]
    assert_allclose(rise, expected, rtol=1e-3)


def test_margins_decide():
    """Of three classes, the decision history is negative just where another one is predicted."""
    model = Model(logistic(C=10.0), "three classes")
    data, explainer = fitted(model)
    result = TrainingSetAttack(explainer, n_rows=5, step_size=0.5, n_iter=5).attack(data.X_test)
    shown = explainer.decision_function(data.X_test)
    first, second = np.sort(shown, axis=1)[:, [-1, -2]].T
    assert_allclose(result.decision_history[0], first - second, rtol=1e-8)
    assert ((result.decision_history[-1] < 0) == result.flipped).all()


def test_decision_target_lowers_what_a_flat_loss_would_not():
    data, explainer = fitted(Model(LinearSVC(C=1.0, **TIGHT), target="decision"))
    sure = np.argsort(-np.abs(explainer.decision_function(data.X)))[:2]
    attack = TrainingSetAttack(explainer, step_size=0.05, n_iter=5, target="decision")
    result = attack.attack(data.X[sure])
    assert result.decision_history[-1].mean() < result.decision_history[0].mean()
    assert np.isnan(result.probability_history).all()


def test_an_attack_that_leaves_no_optimum_stops():
    """Without a penalty, when classes become separable."""
    X = np.array([[-3.0], [-2.0], [-1.0], [0.4], [0.2], [1.0], [2.0], [3.0]])
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    explainer = InfluenceExplainer(logistic(C=np.inf)).fit(X, y)
    attack = TrainingSetAttack(explainer, rows=[3], step_size=0.3, project=lambda Z, Z0: Z0 - 0.3)
    result = attack.attack([[1.5]], [1])
    assert result.stopped == "no optimum"
    assert result.n_iter == 0
    assert_allclose(result.X_after, result.X_before)
