"""What a registration of under 20 lines brings to another library's models: the whole service."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
import pytest
from asking import same
from models_glm import half_deviance
from rows import Data, make_data
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceExplainer, NotStationaryWarning

glum = pytest.importorskip("glum")
from third_party_glm import POWERS, glum_objective  # noqa: E402

N = 200
REMOVED = np.arange(0, N, 5)
DATA = {
    "normal": make_data("regression", N),
    "poisson": make_data("counts", N),
    "gamma": make_data("positive", N),
}
every_family = pytest.mark.parametrize("family", DATA)
STORAGE = pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])


def glm(family: str, alpha: float = 0.1, **options: Any) -> Any:
    settings = {"l1_ratio": 0, "gradient_tol": 1e-11, "max_iter": 1000, **options}
    return glum.GeneralizedLinearRegressor(family=family, alpha=alpha, **settings)


def losses(family: str, model: Any, data: Data) -> np.ndarray:
    return half_deviance(POWERS.get(family, 0.0))(model, data.X_test, data.y_test)


@cache
def refits(family: str, weighted: bool) -> np.ndarray:
    """Change of every test row's loss, each of some training rows removed in turn."""
    data = DATA[family]
    changes = []
    for left in [data, *(data.without(row) for row in REMOVED)]:
        fitted = glm(family).fit(left.X, left.y, left.sample_weight if weighted else None)
        changes.append(losses(family, fitted, data))
    return (np.array(changes[1:]) - changes[0]).T


def explained(
    family: str, model: Any = None, weighted: bool = False, make: Any = np.asarray
) -> Any:
    data = DATA[family]
    weights = data.sample_weight if weighted else None
    return InfluenceExplainer(model or glm(family)).fit(make(data.X), data.y, weights)


def agree(predicted: np.ndarray, actual: np.ndarray) -> None:
    assert np.corrcoef(predicted.ravel(), actual.ravel())[0, 1] >= 0.999
    assert abs(np.vdot(predicted, actual) / np.vdot(actual, actual) - 1.0) <= 0.03


def test_the_registration_is_short():
    assert len(inspect.getsource(glum_objective).splitlines()) < 20


@every_family
@WEIGHTED
@STORAGE
def test_against_real_refits(family, weighted, make):
    explainer = explained(family, weighted=weighted, make=make)
    assert explainer.report_.relative_step < 1e-6
    asked = make(DATA[family].X_test), DATA[family].y_test
    actual = refits(family, weighted)
    agree(explainer.influence(*asked, kind="removal", indices=REMOVED), actual)
    same(explainer.influence(*asked, kind="refit", indices=REMOVED), actual, 1e-6)


@every_family
def test_the_whole_service(family):
    explainer, data = explained(family), DATA[family]
    explanation = explainer.explain(data.X_test)
    assert explanation.unit == "unit of y"
    verified = explainer.verify(data.X_test, data.y_test, kind="refit", n_rows=5)
    same(verified.predicted, verified.actual, 1e-6)
    cv = KFold(4)
    refitted = cross_val_predict(glm(family), data.X, data.y, cv=cv)
    same(explainer.cross_val_decision(cv, kind="refit"), refitted, 1e-8)
    assert explainer.effective_dof() < 5
    with pytest.warns(NotStationaryWarning, match="The fitted GeneralizedLinearRegressor is not"):
        InfluenceExplainer(explainer.estimator_, prefit=True).fit(data.X, data.y[::-1])


@every_family
@WEIGHTED
def test_in_a_pipeline(family, weighted):
    model, data = make_pipeline(StandardScaler(), glm(family)), DATA[family]
    explainer = explained(family, model, weighted)
    rows = explainer.self_influence().argsort()[:10]
    scaler, actual = explainer.estimator_[0], []
    before = losses(family, explainer.estimator_, data)
    for row in rows:
        left = data.without(row)
        weights = left.sample_weight if weighted else None
        refitted = glm(family).fit(scaler.transform(left.X), left.y, weights)
        after = half_deviance(POWERS.get(family, 0.0))
        actual.append(after(refitted, scaler.transform(data.X_test), data.y_test) - before)
    actual = np.array(actual).T
    asked = {"indices": rows}
    exact = explainer.influence(data.X_test, data.y_test, kind="refit", **asked)
    same(exact, actual, 1e-6)
    agree(explainer.influence(data.X_test, data.y_test, kind="removal", **asked), actual)


def test_in_a_search():
    data = DATA["poisson"]
    search = GridSearchCV(glm("poisson"), {"alpha": [0.01, 0.1, 1.0]}, cv=3).fit(data.X, data.y)
    best = clone(search.best_estimator_)
    got = explained("poisson", search).influence(data.X_test, data.y_test)
    same(got, explained("poisson", best).influence(data.X_test, data.y_test))


def test_what_is_not_registered():
    with pytest.raises(ValueError, match="l1_ratio=0"):
        explained("poisson", glm("poisson", l1_ratio=0.5))
