"""Explainers after Ctrl+C: as good as new, at whatever line it came."""

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from saving import explained, make_rows, pickled
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

import skinfluence

X, Y = make_rows()
# Rows of the first and of the second fit.
N = 30
PACKAGE = str(Path(skinfluence.__file__).parent)


class Interruption:
    """Ctrl+C at a line of the package: counts lines, and raises at one of them."""

    def __init__(self, at=None):
        self.at, self.n_lines = at, 0

    def __call__(self, frame, event, argument):
        return self.line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def line(self, frame, event, argument):
        if event == "line":
            self.n_lines += 1
            if self.n_lines == self.at:
                raise KeyboardInterrupt
        return self.line

    def run(self, ask, explainer):
        before = sys.gettrace()
        sys.settrace(self)
        try:
            return ask(explainer)
        finally:
            sys.settrace(before)


def interruptions(ask, make, count):
    """Explainers whose question was broken off at so many places, spread over all its lines."""
    whole = Interruption()
    whole.run(ask, make())
    for at in np.linspace(1, whole.n_lines, count).astype(int):
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
    "cg": (LogisticRegression(class_weight="balanced"), "cg"),
    "kernel": (SVC(C=0.5), "dual"),
}


@pytest.mark.parametrize("question", ASKED)
@pytest.mark.parametrize("name", MODELS)
def test_an_interrupted_question(name, question, tmp_path):
    estimator, solver = MODELS[name]
    saved = pickle.dumps(explained(estimator, X[:N], Y[:N], solver=solver))
    ask = ASKED[question]

    def make():
        return pickle.loads(saved)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ask(make())
        for explainer in interruptions(ask, make, 6):
            copied = pickled(explainer, tmp_path)
            for each in (explainer, copied):
                np.testing.assert_allclose(ask(each), expected, rtol=1e-12, atol=1e-15)


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
        for explainer in interruptions(fit, lambda: pickle.loads(saved), 20):
            for each in (explainer, pickled(explainer, tmp_path)):
                try:
                    got = ask(each)
                except NotFittedError:
                    continue
                assert any(np.allclose(got, answer, rtol=1e-12) for answer in possible)
            np.testing.assert_allclose(ask(fit(explainer)), possible[1], rtol=1e-12)
