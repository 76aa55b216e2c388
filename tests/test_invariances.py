"""What must not change an answer: weights for copies, storage, block sizes, order, precision."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from asking import FEW, ROWS, all_same, answers, cheap_kinds, explain, most_unlike, same
from catalogue import CASES, by_name, combinations
from rows import make_data
from scipy import sparse
from sklearn.base import clone

from skinfluence import CG, Cholesky, LiSSA, blocks

PAIRS = combinations(CASES)
DENSE = [(case, setting) for case, setting in PAIRS if not setting.csr]


# ------------------------------------------------------------------------------------- weights
UNBALANCED = [(case, s) for case, s in DENSE if s.name in ("plain", "class weights")]


@pytest.mark.parametrize("case, setting", UNBALANCED, ids=by_name)
def test_integer_weights_are_copies_and_zero_is_absence(case, setting):
    """Influence is relative to the mean over n rows, so the numbers to compare are those / n."""
    n = 90
    data = make_data(case.data, n)
    copies = np.random.default_rng(0).integers(0, 4, size=n)
    index = np.repeat(np.arange(n), copies)
    repeated = data.take(index)
    model = case.plain(case.prepare(setting).fit(data.X, data.y))
    weighted = clone(model).fit(data.X, data.y, sample_weight=copies)
    by_weight = explain(weighted, data.X, data.y, copies)
    by_copies = explain(weighted, repeated.X, repeated.y)
    single = by_weight.influence(data.X_test, data.y_test) / n
    several = by_copies.influence(data.X_test, data.y_test) / len(index)
    same(several, single[:, index])
    same(by_copies.self_influence() / len(index), by_weight.self_influence()[index] / n)
    present = np.flatnonzero(copies)
    by_presence = explain(weighted, data.X[present], data.y[present], copies[present])
    gone = by_weight.influence(data.X_test, data.y_test, kind="removal")
    left = by_presence.influence(data.X_test, data.y_test, kind="removal")
    # Refits, of losses with kinks, end within their tolerance.
    same(left, gone[:, present], 1e-6 if case.has_kink else 1e-9)
    assert np.abs(gone[:, copies == 0]).max() <= (1e-7 * np.abs(gone).max() if case.has_kink else 0)
    if not case.has_kink:  # whose fits are tight to 1e-9 of the dual, not of the weights
        refitted = clone(model).fit(repeated.X, repeated.y)
        again = explain(refitted, repeated.X, repeated.y)
        same(again.influence(data.X_test, data.y_test) / len(index), several, 1e-4)


# ------------------------------------------------------------------------------------- storage
MOST_WEIGHTS = most_unlike(DENSE)[1::2]


@pytest.mark.parametrize("case, setting", MOST_WEIGHTS, ids=by_name)
def test_sparse_is_dense(case, setting):
    fit = case.fit(setting)
    csr = fit.data.as_csr()
    explainer = explain(fit.model, csr.X, csr.y, setting.weights(csr))
    got = answers(explainer, csr)
    expected = answers(fit.explainer, fit.data)
    assert all(isinstance(value, np.ndarray) for value in got.values())
    all_same(got, expected, 1e-8 if case.has_kink else 1e-10)


@pytest.mark.parametrize("layout", ["csc", "coo", "lil"])
def test_other_sparse_layouts(layout):
    case = FEW[4]
    fit = case.fit()
    X, X_test = (sparse.csr_matrix(rows).asformat(layout) for rows in (fit.data.X, fit.data.X_test))
    stored = replace(fit.data, X=X, X_test=X_test)
    got = answers(explain(fit.model, X, fit.data.y), stored)
    all_same(got, answers(fit.explainer, fit.data))


# -------------------------------------------------------------------------------------- blocks
@pytest.fixture
def smallest_blocks(monkeypatch):
    """Every row in a block of its own."""
    for function in (blocks.row_blocks, blocks.rows_per_block):
        monkeypatch.setitem(function.__kwdefaults__, "limit", 1)
    found = set()
    for name, module in list(sys.modules.items()):
        if not name.startswith("skinfluence."):
            continue
        for constant in vars(module).copy():
            if constant.endswith("_BYTES") and not constant.startswith("LARGEST"):
                found.add(constant)
                monkeypatch.setattr(module, constant, 1)
    assert {"BLOCK_BYTES", "GRAM_BLOCK_BYTES", "DIRECTION_BYTES", "LEVERAGE_BLOCK_BYTES"} <= found
    assert list(blocks.row_blocks(2, 1000)) == [slice(0, 1), slice(1, 2)]


# Solver, tolerance, and on what: rows one at a time are slow where they are sparse.
BLOCKED = [("cholesky", Cholesky(), 1e-9, case, False) for case in FEW]
BLOCKED += [("cholesky", Cholesky(), 1e-9, case, True) for case in FEW[::2]]
BLOCKED += [("cg", CG(tol=1e-12), 1e-7, case, False) for case in FEW[::2]]
BLOCKED += [
    ("lissa", LiSSA(repeats=2, depth=20, batch_size=10, tol=np.inf), 1e-9, case, False)
    for case in FEW[1:6:2]
]


@pytest.mark.parametrize(
    "name, solver, tolerance, case, csr",
    BLOCKED,
    ids=[f"{name}, {case.name}{', csr' * csr}" for name, _, _, case, csr in BLOCKED],
)
def test_block_sizes(name, solver, tolerance, case, csr, request):
    data = make_data(case.data, 160).take(np.arange(16))
    data = data.as_csr() if csr else data
    model = clone(case.estimator).set_params(**(case.on_csr if csr else {})).fit(data.X, data.y)
    rows = np.array([7, 0, 15])
    expected = answers(explain(model, data.X, data.y, solver=solver), data, rows)
    request.getfixturevalue("smallest_blocks")
    got = answers(explain(model, data.X, data.y, solver=solver), data, rows)
    all_same(got, expected, tolerance)


@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_test_rows_one_by_one(case):
    fit = case.fit()
    X_test, y_test = fit.data.X_test, fit.data.y_test
    for kind in cheap_kinds(fit.explainer):
        together = fit.explainer.influence(X_test, y_test, kind=kind)
        alone = [
            fit.explainer.influence(X_test[[t]], y_test[[t]], kind=kind)[0]
            for t in range(len(y_test))
        ]
        same(np.array(alone), together, 1e-12)


@pytest.mark.parametrize("case", FEW, ids=by_name)
def test_jobs(case):
    fit = case.fit()
    expected = answers(fit.explainer, fit.data)
    explainer = explain(fit.model, fit.data.X, fit.data.y, n_jobs=2)
    all_same(answers(explainer, fit.data), expected, 1e-12)


@pytest.mark.parametrize("case, setting", combinations(FEW), ids=by_name)
def test_row_order(case, setting):
    fit = case.fit(setting)
    data = fit.data
    order = np.random.default_rng(0).permutation(len(data.y))
    moved = data.take(order)
    explainer = explain(fit.model, moved.X, moved.y, setting.weights(moved))
    for kind in cheap_kinds(fit.explainer):
        got = explainer.influence(data.X_test, data.y_test, kind=kind)
        expected = fit.explainer.influence(data.X_test, data.y_test, kind=kind)
        tolerance = 1e-8 if case.has_kink else 1e-10
        same(got, expected[:, order], tolerance)
        same(explainer.self_influence(kind=kind), fit.explainer.self_influence(kind=kind)[order])
    places = np.argsort(order)[ROWS]
    got = explainer.influence(data.X_test, data.y_test, kind="refit", indices=places)
    expected = fit.explainer.influence(data.X_test, data.y_test, kind="refit", indices=ROWS)
    same(got, expected, 1e-7)


# ------------------------------------------------------------------------- one answer, two ways
@pytest.mark.parametrize("case, setting", PAIRS, ids=by_name)
def test_self_influence_is_the_diagonal(case, setting):
    fit = case.fit(setting)
    for kind in cheap_kinds(fit.explainer):
        every = fit.explainer.influence(fit.data.X, fit.data.y, kind=kind)
        same(fit.explainer.self_influence(kind=kind), np.diag(every), 1e-8)
    assert (fit.explainer.self_influence(kind="upweight") <= 0).all()


@pytest.mark.parametrize("case, setting", combinations(FEW), ids=by_name)
def test_mean_and_indices(case, setting):
    fit = case.fit(setting)
    data, explainer = fit.data, fit.explainer
    mask = np.zeros(len(data.y), dtype=bool)
    mask[ROWS] = True
    for kind in cheap_kinds(fit.explainer):
        every = explainer.influence(data.X_test, data.y_test, kind=kind)
        some = explainer.influence(data.X_test, data.y_test, kind=kind, indices=ROWS)
        same(some, every[:, ROWS], 1e-12)
        masked = explainer.influence(data.X_test, data.y_test, kind=kind, indices=mask)
        same(masked, every[:, mask], 1e-12)
        mean = explainer.influence(data.X_test, data.y_test, kind=kind, reduce="mean")
        same(mean, every.mean(axis=0), 1e-10)
        mean = explainer.influence(data.X_test, data.y_test, kind=kind, reduce="mean", indices=ROWS)
        same(mean, every.mean(axis=0)[ROWS], 1e-10)
        own = explainer.self_influence(kind=kind)
        same(explainer.self_influence(kind=kind, indices=ROWS), own[ROWS], 1e-12)
        whole = explainer.parameter_influence(kind=kind)
        part = explainer.parameter_influence(kind=kind, indices=ROWS)
        for name in whole:
            same(part[name], whole[name][ROWS], 1e-12)
