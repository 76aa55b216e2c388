"""Explainers after Ctrl+C: as good as new, wherever it came."""

import inspect
import pickle
import warnings
from functools import wraps
from itertools import product

import numpy as np
import pytest
from saving import explained, make_rows, pickled
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from skinfluence import CG
from skinfluence import explainer as explainer_module
from skinfluence.operators import HessianOperator
from skinfluence.predictors import FeatureMap, KernelMap
from skinfluence.predictors.rows import TrainingRows
from skinfluence.removal import RowRemoval
from skinfluence.scenarios import Scenarios
from skinfluence.solvers.factorisation import CholeskyFactor
from skinfluence.solvers.support import System

X, Y = make_rows()
N = 30  # rows of the first fit, and of the second
# What questions and fits are made of: products, solves, columns of a kernel, and fit's own steps.
BROKEN_OFF = [
    (FeatureMap, "take"),
    (FeatureMap, "jvp"),
    (FeatureMap, "vjp"),
    (FeatureMap, "scores"),
    (KernelMap, "take"),
    (KernelMap, "jvp"),
    (KernelMap, "vjp"),
    (HessianOperator, "_matmat"),
    (CholeskyFactor, "solve"),
    (CholeskyFactor, "half_solve"),
    (System, "half"),
    (System, "_factorise"),
    (TrainingRows, "evaluate"),
    (TrainingRows, "_make_room"),
    (RowRemoval, "_parameter_steps"),
    (Scenarios, "_prepare"),
]
BROKEN_OFF += [
    (explainer_module, name)
    for name, value in vars(explainer_module).items()
    if inspect.isfunction(value) and name != "within_resources"
]


class Interruption:
    """Ctrl+C in one of the calls above: counts them, and raises at one."""

    def __init__(self, at=None):
        self.at, self.n_calls = at, 0

    def instead_of(self, function):
        @wraps(function)
        def counted(*args, **kwargs):
            self.n_calls += 1
            if self.n_calls == self.at:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return counted

    def run(self, ask, explainer):
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in BROKEN_OFF:
                patch.setattr(owner, name, self.instead_of(getattr(owner, name)))
            return ask(explainer)


def interruptions(ask, make, count):
    """Explainers whose question was broken off at so many places, spread over all its calls."""
    whole = Interruption()
    whole.run(ask, make())
    assert whole.n_calls > 3
    for at in np.unique(np.linspace(1, whole.n_calls, count).astype(int)):
        explainer = make()
        with pytest.raises(KeyboardInterrupt):
            Interruption(at).run(ask, explainer)
        yield explainer


ASKED = {
    "influence": lambda e: e.influence(X[:2], Y[:2]),
    "self_influence": lambda e: e.self_influence(kind="removal", indices=[1, 3, 7]),
    "refit": lambda e: e.influence(X[:2], Y[:2], kind="refit", indices=[0, 3]),
    "explain": lambda e: e.explain(X[:2], k=2, kind="removal").effects,
    "relative": lambda e: e.explain(X[:2], k=2, kind="upweight", normalize="theta").effects,
    "verify": lambda e: e.verify(X[:2], Y[:2], n_rows=2).actual,
}
MODELS = {
    "cholesky": (LogisticRegression(), "cholesky"),
    "cg": (LogisticRegression(class_weight="balanced"), CG(tol=1e-12)),
    "kernel": (SVC(C=0.5), "dual"),
}
# CG starts from what it has solved before, also of a question that was broken off.
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


@pytest.mark.parametrize(
    ("name", "question"),
    # A support vector machine explains by a refit of every row, as it answers "refit".
    [pair for pair in product(MODELS, ASKED) if pair != ("kernel", "explain")],
)
def test_an_interrupted_question(name, question, tmp_path):
    estimator, solver = MODELS[name]
    saved = pickle.dumps(explained(estimator, X[:N], Y[:N], solver=solver))
    ask = ASKED[question]

    def make():
        return pickle.loads(saved)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ask(make())
        for explainer in interruptions(ask, make, 3 if name == "kernel" else 8):
            copied = pickled(explainer, tmp_path)
            for each in (explainer, copied):
                np.testing.assert_allclose(ask(each), expected, **CLOSE)


@pytest.mark.parametrize("name", MODELS)
def test_an_interrupted_fit_leaves_nothing_half_done(name, tmp_path):
    """It is as it was, or not fitted; never the one model with the factor of the other."""
    estimator, solver = MODELS[name]
    saved = pickle.dumps(explained(estimator, X[:N], Y[:N], solver=solver))
    ask = ASKED["influence"]
    new = explained(estimator, X[N : 2 * N], Y[N : 2 * N], solver=solver)
    possible = [ask(pickle.loads(saved)), ask(new)]

    def fit(explainer):
        return explainer.fit(X[N : 2 * N], Y[N : 2 * N])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for explainer in interruptions(fit, lambda: pickle.loads(saved), 40):
            for each in (explainer, pickled(explainer, tmp_path)):
                try:
                    got = ask(each)
                except NotFittedError:
                    continue
                assert any(np.allclose(got, answer, **CLOSE) for answer in possible)
            np.testing.assert_allclose(ask(fit(explainer)), possible[1], **CLOSE)
