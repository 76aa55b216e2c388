"""Progress: every long operation tells of itself, to its end, and again after Ctrl+C."""

import re
import sys
import warnings

import numpy as np
import pytest
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC, LinearSVC
from telling import at_once, ends, without_tqdm

from skinfluence import CG, InfluenceExplainer, LiSSA, Sketch, blocks
from skinfluence import refits as refits_module
from skinfluence.attack import TrainingSetAttack, vulnerability
from skinfluence.functionals import brier_score, coefficient
from skinfluence.predictors import LinearMap
from skinfluence.resources import told
from skinfluence.solvers import lissa, sketched_columns

N = 40
GROUPS = np.arange(N) % 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 3))
Y = (X[:, 0] + RNG.logistic(size=N) > 0).astype(int)
T = X @ [1.0, -1.0, 0.0] + RNG.standard_normal(N)


@pytest.fixture
def small_parts(monkeypatch):
    """Every row in a block of its own, and nothing too short to be told of."""
    for function in (blocks.row_blocks, blocks.rows_per_block, LinearMap.map_rows):
        monkeypatch.setitem(function.__kwdefaults__, "limit", 1)
    for name, module in list(sys.modules.items()):
        if name.startswith("skinfluence."):
            for constant in vars(module).copy():
                if constant.endswith("_BYTES") and not constant.startswith("LARGEST"):
                    monkeypatch.setattr(module, constant, 1)
    monkeypatch.setattr(refits_module, "MOST_COLUMNS", 7)
    monkeypatch.setattr(sketched_columns, "FEWEST", 2 * sketched_columns.BATCH)
    at_once(monkeypatch)


@pytest.fixture
def no_tqdm(monkeypatch):
    without_tqdm(monkeypatch)


def explainer(model, y=Y, **options):
    return InfluenceExplainer(model, **options).fit(X, y)


def attack(fitted):
    TrainingSetAttack(fitted, n_iter=3, verbose=fitted.verbose).attack(X[:2], Y[:2])


def gradients(fitted, tests):
    fitted.perturbation_gradient(tests, Y[: len(tests)], indices=[0, 3, 5])


def flips(fitted, kind):
    fitted.label_flip_influence(X[:1], [0], kind=kind)


def functional(fitted, kind):
    fitted.functional_influence(X, Y, brier_score(), kind=kind)


MODELS = {
    "logistic": lambda **o: explainer(LogisticRegression(), **o),
    "balanced": lambda **o: explainer(LogisticRegression(class_weight="balanced"), **o),
    "several": lambda **o: explainer(LogisticRegression(), y=np.arange(N) % 3, **o),
    "ridge": lambda **o: explainer(Ridge(), T, **o),
    "lasso": lambda **o: explainer(Lasso(alpha=0.1), T, **o),
    "network": lambda **o: explainer(MLPClassifier(3, max_iter=30, random_state=0), **o),
    "hinge": lambda **o: explainer(LinearSVC(loss="hinge", max_iter=100_000), **o),
    "kernel": lambda **o: explainer(SVC(C=0.5), **o),
    "cg": lambda **o: explainer(LogisticRegression(), solver=CG(preconditioner="jacobi"), **o),
    "lissa": lambda **o: explainer(
        LogisticRegression(), solver=LiSSA(repeats=4, depth=5 * lissa.CHECK_EVERY, tol=1e9), **o
    ),
    "sketch": lambda **o: explainer(
        LogisticRegression(C=np.inf),
        solver=Sketch(rtol=0.9, iterative=CG(preconditioner="jacobi")),
        **o,
    ),
}
# What is asked of a fitted model, or nothing where it is the fit itself; and what is told of.
LONG = [
    ("logistic", None, "Hessian, rows"),
    ("several", None, "Hessian, rows"),
    ("network", None, "Hessian, columns"),
    ("network", None, "Lanczos, steps"),
    ("cg", None, "Lanczos, steps"),
    ("hinge", None, "Newton's method, steps"),
    ("logistic", lambda e: e.influence(X[:4], Y[:4]), "influence, test rows"),
    ("logistic", lambda e: e.influence(X[:1], Y[:1]), "scores, training rows"),
    ("kernel", lambda e: e.influence(X[:3], Y[:3]), "influence, test rows"),
    ("logistic", lambda e: e.explain(X[:1], Y[:1], k=2), "scores, training rows"),
    ("cg", lambda e: e.parameter_influence(), "conjugate gradients, right-hand sides"),
    ("lissa", lambda e: e.parameter_influence(indices=[1, 2]), "LiSSA, right-hand sides"),
    ("lissa", lambda e: e.influence(X[:1], Y[:1]), "LiSSA, steps of all chains"),
    ("logistic", lambda e: e.self_influence(), "leverages, rows"),
    ("several", lambda e: e.self_influence(), "self-influence, rows"),
    ("network", lambda e: e.self_influence(), "self-influence, rows"),
    ("kernel", lambda e: e.self_influence(), "self-influence, rows"),
    ("cg", lambda e: e.self_influence(), "self-influence, rows"),
    ("lissa", lambda e: e.self_influence(indices=[1, 2]), "self-influence, rows"),
    ("sketch", lambda e: e.self_influence(), "sketched columns"),
    ("sketch", lambda e: e.self_influence(), "self-influence, rows"),
    ("logistic", lambda e: e.loo_score(), "Newton steps, rows"),
    ("balanced", lambda e: e.loo_score(), "Newton steps, rows"),
    ("lasso", lambda e: e.support_changes(), "support, rows"),
    ("ridge", lambda e: e.loo_predict(kind="refit"), "refit without rows"),
    ("hinge", lambda e: e.self_influence(kind="refit", indices=[3]), "Newton's method, steps"),
    ("logistic", lambda e: e.influence(X[:1], normalize="theta"), "sizes of moves, rows"),
    ("logistic", lambda e: gradients(e, X[:1]), "gradients, training rows"),
    ("logistic", lambda e: gradients(e, X[:3]), "influence, test rows"),
    ("several", lambda e: flips(e, "removal"), "Newton steps, rows"),
    ("several", lambda e: flips(e, "upweight"), "scores, exchanged rows"),
    ("logistic", lambda e: e.group_influence(GROUPS, X[:1]), "Newton steps, groups"),
    ("logistic", lambda e: e.group_influence(GROUPS, X[:1], kind="refit"), "refit without groups"),
    ("logistic", lambda e: e.reweight(1.0 + X**2, X), "Newton steps, sets of weights"),
    (
        "logistic",
        lambda e: e.reweight(1.0 + X**2, X, kind="upweight"),
        "first order, sets of weights",
    ),
    ("logistic", lambda e: e.cross_val_decision(4), "Newton steps, splits"),
    ("ridge", lambda e: e.diagnostics(), "diagnostics, rows"),
    ("logistic", lambda e: functional(e, "upweight"), "scores, training rows"),
    ("logistic", lambda e: functional(e, "removal"), "Newton steps, rows"),
    ("logistic", lambda e: functional(e, "refit"), "refit without rows"),
    ("ridge", lambda e: e.most_influential_set(coefficient(2), 4), "influential set, steps"),
    ("logistic", lambda e: e.verify(X[:2], Y[:2], n_rows=3), "refits of the estimator"),
    ("logistic", lambda e: vulnerability(e, X[:3], Y[:3], k=2), "vulnerability, test rows"),
    ("logistic", lambda e: vulnerability(e, X[:1], k=2), "sizes of gradients, training rows"),
    ("logistic", lambda e: attack(e), "training-set attack, steps"),
    ("logistic", lambda e: attack(e), "first steps, training rows"),
]


def run(name, ask, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = MODELS[name](**options)
        if ask is not None:
            ask(fitted)


@pytest.mark.parametrize(("name", "ask", "what"), LONG)
def test_long_operations_are_told_of(name, ask, what, small_parts, no_tqdm, capsys):
    run(name, ask, verbose=1)
    said = capsys.readouterr()
    bars = ends(said.err)
    assert what in {bar[0] for bar in bars}
    # Whatever is shown is shown to its end.
    assert [bar for bar in bars if bar[1] != bar[2]] == []
    assert len(bars) == said.err.count("[skinfluence]")
    assert not said.out


@pytest.mark.parametrize(("name", "ask"), [(name, ask) for name, ask, _ in LONG[::3]])
def test_nothing_is_told_unasked(name, ask, small_parts, capsys):
    run(name, ask)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "ask", "what"), LONG[::4])
def test_bars_by_tqdm(name, ask, what, small_parts, capsys):
    pytest.importorskip("tqdm")
    run(name, ask, verbose=1)
    shown = capsys.readouterr().err
    assert f"{what}: 100%" in shown
    for line in shown.split("\n")[:-1]:
        done, total = re.findall(r"(\d+)/(\d+) \[", line)[-1]
        assert done == total
        # Time taken, time left and rate.
        assert re.search(r"\[\d\d:\d\d<(\d\d:\d\d|\?), .*(it/s|s/it)", line)


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("logistic", lambda e: e.influence(X[:1], Y[:1])),
        ("ridge", lambda e: e.loo_predict(kind="refit")),
        ("ridge", lambda e: e.influence(X[:1], T[:1], kind="refit", indices=[1, 2])),
        ("lissa", lambda e: e.influence(X[:1], Y[:1])),
    ],
)
def test_jobs_are_told_of_alike(name, ask, small_parts, no_tqdm, capsys):
    run(name, ask, verbose=1, n_jobs=1)
    alone = ends(capsys.readouterr().err)
    run(name, ask, verbose=1, n_jobs=2)
    assert ends(capsys.readouterr().err) == alone


# --------------------------------------------------------------------------------- interrupted
@pytest.mark.parametrize("by_tqdm", [True, False])
def test_an_interrupted_bar_is_closed_and_later_ones_show(by_tqdm, small_parts, request, capsys):
    if by_tqdm:
        pytest.importorskip("tqdm")
    else:
        request.getfixturevalue("no_tqdm")
    fitted = explainer(Ridge(), T, verbose=1)
    capsys.readouterr()

    def interrupted(self, block):
        if getattr(block, "start", None) == 5:
            raise KeyboardInterrupt
        return take(self, block)

    owner = type(fitted.objective_.linear_map)
    take = owner.take
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, "take", interrupted)
        with pytest.raises(KeyboardInterrupt) as kept:  # with its traceback, and all its frames
            fitted.self_influence()
    assert told.get() is None
    before = capsys.readouterr().err
    assert before.endswith("\n")
    assert f"5{'/' if by_tqdm else ' of '}{N}" in before
    fitted.self_influence()
    assert "leverages, rows" in capsys.readouterr().err
    assert kept.value is not None
