"""kind="refit" where nothing is determined: NaN, with words, and only there."""

from __future__ import annotations

import numpy as np
import pytest
from asking import explain, same
from scipy.optimize import linprog
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from wording import TARGETS, N, X, Y, raises

from skinfluence import InfluenceExplainer, SingularHessianError

TIGHT = {"tol": 1e-12, "max_iter": 10_000}


def columns(coef: np.ndarray) -> np.ndarray:
    """Training rows last, as in the others."""
    return np.moveaxis(coef, 0, -1).reshape(np.prod(coef.shape[1:]), len(coef))


ASKED = {
    "influence": lambda e, **o: e.influence(X[:2], target="prediction", kind="refit", **o),
    "self": lambda e, **o: e.self_influence(kind="refit", **o)[None],
    "coef": lambda e, **o: columns(e.parameter_influence(kind="refit", **o)["coef"]),
}


def words(*parts: str) -> str:
    return "(?s)" + ".*".join(parts)


# ------------------------------------------------------------------------------- no optimum
@pytest.mark.parametrize("asked", ASKED)
def test_a_row_that_alone_determines_a_coefficient(asked):
    rows = X.copy()
    rows[:, 2] = np.arange(N) == 5
    explainer = InfluenceExplainer(LinearRegression()).fit(rows, TARGETS)
    said = words(
        r"1 rows can't be left out \(for example \[5\]\)", "not determined", "refit", "NaN",
        "Add a penalty", "leave them out of the request",
    )  # fmt: skip
    with pytest.warns(RuntimeWarning, match=said):
        got = ASKED[asked](explainer)
    assert (np.isnan(got).any(axis=0) == (np.arange(N) == 5)).all()
    others = np.delete(np.arange(N), 5)
    same(ASKED[asked](explainer, indices=others), got[:, others], 1e-12)


@pytest.mark.parametrize(
    "model", [LogisticRegression(), RidgeClassifier(), LogisticRegression(class_weight="balanced")]
)
@pytest.mark.parametrize("asked", ASKED)
def test_the_last_row_of_a_class(asked, model):
    """Without it scikit-learn fits another model, or none."""
    y = Y.copy()
    y[[3, 9]] = 2
    weights = np.where(np.arange(N) == 9, 0.0, 1.0)  # so row 9 doesn't count
    explainer = InfluenceExplainer(model).fit(X, y, sample_weight=weights)
    with pytest.warns(RuntimeWarning, match=words(r"1 rows .*\[3\]", "a class has no rows", "NaN")):
        got = ASKED[asked](explainer)
    assert (np.isnan(got).any(axis=0) == (np.arange(N) == 3)).all()
    if model.class_weight is None:  # older scikit-learn balances by rows without weight, too
        assert np.abs(got[:, 9]).max() <= 1e-12 * np.nanmax(np.abs(got))


OVERLAP = np.r_[np.linspace(-3, -1, 10), np.linspace(1, 3, 10)][:, None]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_row_that_alone_keeps_classes_from_being_separable(n_classes):
    """Without it coefficients grow for ever; any finite effect would be where a solver stopped."""
    y = (OVERLAP[:, 0] > 0).astype(int)
    y[0] = 1
    if n_classes == 3:  # two of which overlap whether or not row 0 is there
        y[15:] = 2
        y[[12, 16]] = 2, 1
    explainer = InfluenceExplainer(LogisticRegression(C=np.inf, **TIGHT)).fit(OVERLAP, y)
    said = words("1 rows can't be left out", r"\[0\]", "separated without a penalty", "NaN")
    with pytest.warns(RuntimeWarning, match=said):
        got = explainer.influence(OVERLAP[:2], y[:2], kind="refit")
    assert (np.isnan(got) == (np.arange(20) == 0)).all()


def separable(X: np.ndarray, y: np.ndarray, n_classes: int) -> bool:
    """Whether some W has (w_yᵢ − w_k)·xᵢ ≥ 0 for all rows and classes, and not always 0."""
    inputs, margins = np.column_stack([X, np.ones(len(X))]), []
    for row, own in zip(inputs, y, strict=True):
        for other in set(range(n_classes)) - {own}:
            margin = np.zeros((n_classes, inputs.shape[1]))
            margin[own], margin[other] = row, -row
            margins.append(margin.reshape(-1))
    A = np.array(margins)
    zero = np.zeros(len(A))
    best = linprog(-A.sum(axis=0), A_ub=-A, b_ub=zero, bounds=(-1, 1), method="highs")
    return bool(best.fun < -1e-7)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("refit_tol", [1e-8, 1e-3])
@pytest.mark.parametrize(
    "seed, n_classes", [(1, 2), (2, 2), (23, 2), (2, 3), (3, 3), (9, 3), (13, 3), (29, 3)]
)
def test_what_has_no_optimum_is_known_exactly(seed, n_classes, refit_tol):
    """Without a penalty and with few rows, by linear programming; whatever the tolerance."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((20 + 10 * (n_classes - 1), 3))
    values = 2.0 * rows @ rng.standard_normal((3, n_classes))
    y = (values + rng.gumbel(size=values.shape)).argmax(axis=1)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", **TIGHT).fit(rows, y)
    explainer = explain(model, rows, y, refit_tol=refit_tol)
    lost = np.isnan(explainer.parameter_influence(kind="refit")["coef"]).any(axis=(1, 2))
    kept = ~np.eye(len(y), dtype=bool)
    assert lost.tolist() == [separable(rows[k], y[k], n_classes) for k in kept]


@pytest.mark.filterwarnings("ignore::skinfluence.NotStationaryWarning")
def test_classes_that_are_separable_from_the_start():
    """Damping lets them be explained to first order, but there is no optimum to start from."""
    y = (OVERLAP[:, 0] > 0).astype(int)
    model = LogisticRegression(C=np.inf, **TIGHT)
    explainer = InfluenceExplainer(model, damping=1e-2).fit(OVERLAP, y)
    with raises(SingularHessianError, "separable", "Add a penalty"):
        explainer.influence(OVERLAP[:2], y[:2], kind="refit")


def test_a_group_that_alone_determines_a_coefficient():
    """Also where the fitted parameters are a little off the optimum."""
    rows = np.column_stack([X, np.arange(N) < 6])
    explainer = InfluenceExplainer(LogisticRegression(C=np.inf, **TIGHT)).fit(rows, Y)
    with pytest.warns(RuntimeWarning, match=words("1 groups can't be left out", "NaN")):
        got = explainer.group_influence([np.arange(6), np.arange(6, 9)], rows[:2], kind="refit")
    assert np.isnan(got[:, 0]).all()
    assert np.isfinite(got[:, 1]).all()


@pytest.mark.parametrize("asked", ASKED)
def test_no_rows(asked):
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, Y)
    assert ASKED[asked](explainer, indices=[]).shape[1] == 0
