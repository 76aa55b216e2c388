"""What an attack refuses, in words."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC
from wording import TARGETS, D, N, X, Y, raises

from skinfluence import InfluenceExplainer
from skinfluence.attack import Immutable, L2Ball, LInfBall, TrainingSetAttack, vulnerability

EXPLAINER = InfluenceExplainer(LogisticRegression()).fit(X, Y)


def attack(X_test=X[:2], y_test=None, explainer=EXPLAINER, **settings):
    return TrainingSetAttack(explainer, **settings).attack(X_test, y_test)


@pytest.mark.parametrize("asks", [attack, lambda **given: vulnerability(given["explainer"], X)])
def test_explainers(asks):
    with raises(TypeError, "LogisticRegression", "needed is a fitted InfluenceExplainer"):
        asks(explainer=LogisticRegression())
    with pytest.raises(NotFittedError, match="not fitted"):
        asks(explainer=InfluenceExplainer(LogisticRegression()))
    precomputed = InfluenceExplainer(SVC(kernel="precomputed")).fit(X @ X.T, Y)
    with raises(TypeError, "kernel='precomputed'", "no features"):
        asks(explainer=precomputed)


def test_texts():
    texts, y = ["a b", "b c", "c a a", "a c"], [0, 1, 0, 1]
    model = make_pipeline(CountVectorizer(token_pattern="."), LogisticRegression())
    explainer = InfluenceExplainer(model).fit(texts, y)
    with raises(ValueError, "TrainingSetAttack", "no table of numbers", "transformed rows"):
        attack(texts[:1], explainer=explainer)
    with raises(ValueError, "vulnerability", "no table of numbers"):
        vulnerability(explainer, texts[:1])


@pytest.mark.parametrize("n_rows", [0, N + 1, 1.5, True, None])
def test_n_rows(n_rows):
    words = f"n_rows={n_rows!r}", f"whole number from 1 to {N}, the number of training rows"
    with raises(ValueError, "TrainingSetAttack got", *words):
        attack(n_rows=n_rows)


def test_n_rows_with_a_weight():
    weights = np.where(np.arange(N) < 10, 1.0, 0.0)
    y = np.arange(N) % 2
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, y, sample_weight=weights)
    with raises(ValueError, "n_rows=11", "only 10 training rows have a weight above 0"):
        attack(explainer=explainer, n_rows=11)
    with raises(ValueError, "rows of weight 0: [20]", "no effect"):
        attack(explainer=explainer, rows=[3, 20])


def test_rows():
    with raises(IndexError, "rows outside of the training rows", f"[{N}]"):
        attack(rows=[0, N])
    with raises(TypeError, "rows of type", "positions"):
        attack(rows=["a"])
    with raises(ValueError, "rows without any row"):
        attack(rows=[])


@pytest.mark.parametrize("step_size", [0, -0.1, np.nan, np.inf, "big", None, [1.0, 0.0, 1.0]])
def test_step_size(step_size):
    with raises(ValueError, "TrainingSetAttack got step_size", "finite number above 0"):
        attack(step_size=step_size)


def test_step_sizes_of_features():
    with raises(ValueError, "step_size of shape (2,)", f"the {D} features"):
        attack(step_size=[0.1, 0.1])


@pytest.mark.parametrize("n_iter", [0, -1, 2.0])
def test_n_iter(n_iter):
    with raises(ValueError, f"n_iter={n_iter!r}", "at least 1"):
        attack(n_iter=n_iter)


def test_target():
    with raises(ValueError, "target='margin'", "['loss', 'decision']"):
        attack(target="margin")
    explainer = InfluenceExplainer(Ridge()).fit(X, TARGETS)
    with raises(ValueError, "target='decision' for a regressor", "target='loss'"):
        attack(X[:1], TARGETS[:1], explainer=explainer, target="decision")


def test_test_rows():
    with raises(ValueError, "expecting 3 features"):
        attack(X[:2, :2])
    with raises(ValueError, "labels that the model was not fitted on", "[7]"):
        attack(y_test=[7, 0])
    with raises(ValueError, "y_test of shape (1,)", "2 rows"):
        attack(y_test=[1])
    with raises(ValueError, "y_test=None for a regressor"):
        attack(explainer=InfluenceExplainer(Ridge()).fit(X, TARGETS))


def test_a_flat_loss():
    model = LinearSVC(C=100.0, max_iter=100_000)
    explainer = InfluenceExplainer(model, solver="cholesky")
    explainer.fit(X, (X[:, 0] > 0).astype(int))
    sure = X[np.argsort(-np.abs(X[:, 0]))[:1]]
    with raises(ValueError, "squared hinge loss", "is flat", "target='decision'"):
        attack(sure, explainer=explainer)
    assert attack(sure, explainer=explainer, target="decision", n_iter=2).n_iter == 2


# ------------------------------------------------------------------------------------ projections
def nothing_left(Z, Z0):
    return np.where(Z > 0, np.nan, Z)


def test_projections():
    with raises(ValueError, "entries that are NaN or infinite", "nothing_left", "finite"):
        attack(project=nothing_left)
    with raises(ValueError, "1 of 3 entries", "<lambda>"):
        attack(project=lambda Z, Z0: Z * [1.0, np.inf, 1.0], rows=[0])
    with raises(ValueError, "rows of shape (3,)", "<lambda>", "(1, 3)"):
        attack(project=lambda Z, Z0: Z[0], rows=[0])
    with raises(TypeError, "project with 0.3", "LInfBall(0.1)"):
        attack(project=0.3)
    with raises(TypeError, "project with None"):
        attack(project=[LInfBall(0.1), None])
    with raises(ValueError, "column names ['age']", "not a DataFrame"):
        attack(project=Immutable(["age"]))


def test_a_projection_without_room():
    with raises(ValueError, "leaves every training row where it is", "larger radius"):
        attack(project=LInfBall(0.0))
    assert attack(project=LInfBall(0.0), rows=[0]).stopped == "fixed point"


# ----------------------------------------------------------------------------------- vulnerability
def test_vulnerability():
    with raises(ValueError, "vulnerability got norm='l3'", "['l2', 'l1', 'linf']"):
        vulnerability(EXPLAINER, X, norm="l3")
    with raises(ValueError, "vulnerability got k=41", "from 1 to 40, the number of training rows"):
        vulnerability(EXPLAINER, X, k=41)
    with raises(ValueError, "y_test=None for a regressor"):
        vulnerability(InfluenceExplainer(Ridge()).fit(X, TARGETS), X)


def test_confirm():
    with raises(ValueError, "AttackResult.confirm got preprocessing='none'", "['refit', 'fixed']"):
        attack(n_iter=1).confirm(preprocessing="none")


@pytest.mark.parametrize("tol", ["x", -1.0, np.nan, None, True])
def test_tol(tol):
    with raises(ValueError, f"TrainingSetAttack got tol={tol!r}", "finite number of at least 0"):
        attack(tol=tol)


@pytest.mark.parametrize("radius", ["x", -1.0, [1.0, 2.0], np.nan])
def test_radius_of_a_ball(radius):
    with raises(ValueError, f"L2Ball got radius={radius!r}; needed is a number of at least 0."):
        L2Ball(radius)


def test_regressors_without_targets():
    explainer = InfluenceExplainer(Ridge()).fit(X, TARGETS)
    words = "y_test=None for a regressor", "Pass y_test"
    with raises(ValueError, "TrainingSetAttack got", *words):
        attack(explainer=explainer)
    with raises(ValueError, "vulnerability got", *words):
        vulnerability(explainer, X[:2])
