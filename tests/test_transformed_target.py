"""Transformed targets: effects in the original unit of y, words, and what is held."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from asking import same
from models_several import transformation_held
from numpy.testing import assert_allclose, assert_array_equal
from rows import make_data
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import HuberRegressor, LinearRegression, PoissonRegressor, Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, StandardScaler
from sklearn.svm import SVR
from wording import raises

from skinfluence import InfluenceExplainer

N = 80
ROWS = [3, 50, 7]
DATA, SEVERAL = make_data("positive", N), make_data("multi-output", N)
LOG = {"func": np.log, "inverse_func": np.exp}
RIDGE = TransformedTargetRegressor(Ridge(tol=1e-13), **LOG)
POWER = TransformedTargetRegressor(Ridge(tol=1e-13), transformer=PowerTransformer())


def explained(model: Any, data: Any = DATA, **options: Any) -> InfluenceExplainer:
    return InfluenceExplainer(model, **options).fit(data.X, data.y)


def changes(model: Any, number: Any, data: Any = DATA) -> np.ndarray:
    """Of a number of a refitted model, by leaving out each of ``ROWS``."""
    before, actual = number(clone(model).fit(data.X, data.y)), []
    for row in ROWS:
        left = data.without(row)
        actual.append(number(clone(model).fit(left.X, left.y)) - before)
    return np.array(actual).T


# ------------------------------------------------------------------------------ the unit of y
@pytest.mark.parametrize("preprocessing", ["refit", "fixed"])
@pytest.mark.parametrize("target", ["loss", "prediction"])
@pytest.mark.parametrize(
    "regressor",
    [
        Ridge(tol=1e-13),
        LinearRegression(),
        RidgeCV([0.1, 1.0, 10.0]),
        make_pipeline(StandardScaler(), Ridge(tol=1e-13)),
        SVR(C=1.0, tol=1e-10),
    ],
    ids=lambda model: type(model).__name__,
)
def test_verify(regressor, target, preprocessing):
    """Of a search what it chose is held, and of gamma="scale" the number that it was."""
    if hasattr(regressor, "steps") and preprocessing == "refit":
        pytest.skip("its scaler follows the rows")
    tolerance = 1e-4 if isinstance(regressor, SVR) else 1e-8
    verified = explained(TransformedTargetRegressor(regressor, **LOG)).verify(
        DATA.X_test,
        DATA.y_test,
        kind="refit",
        strategy=ROWS,
        target=target,
        preprocessing=preprocessing,
    )
    same(verified.predicted, verified.actual, tolerance)


@pytest.mark.parametrize("model", [POWER, MultiOutputRegressor(Ridge())], ids=["power", "several"])
def test_a_fitted_transformation_is_held(model):
    """As steps before a model are: with "fixed" also in refits."""
    if isinstance(model, MultiOutputRegressor):
        model = TransformedTargetRegressor(model, transformer=PowerTransformer())
    data = SEVERAL if isinstance(model.regressor, MultiOutputRegressor) else DATA
    explainer = explained(model, data)
    assert explainer.report_.held == "the transformation of the targets"
    asked = {"kind": "refit", "strategy": "random", "n_rows": 15}
    held = explainer.verify(data.X_test, data.y_test, preprocessing="fixed", **asked)
    same(held.predicted, held.actual, 1e-8)
    refitted = explainer.verify(data.X_test, data.y_test, **asked)
    assert np.abs(refitted.predicted - refitted.actual).max() > 1e-5
    assert refitted.correlation > 0.9
    assert explained(RIDGE).report_.held == ""


def test_predictions_are_asked_about_in_the_unit_of_y():
    explainer = explained(RIDGE)
    actual = changes(RIDGE, lambda model: model.predict(DATA.X_test))
    got = explainer.influence(DATA.X_test, target="prediction", kind="refit", indices=ROWS)
    same(got, actual, 1e-9)
    held_out = cross_val_predict(clone(RIDGE), DATA.X, DATA.y, cv=LeaveOneOut())
    assert_allclose(explainer.loo_predict(), held_out, rtol=1e-9)
    assert explainer.loo_score() == pytest.approx(r2_score(DATA.y, held_out))
    told = [repr(explainer.explain(DATA.X_test, y, k=1)) for y in (DATA.y_test, None)]
    assert "squared error (unit of y, squared)" in told[0]
    assert "change of the predicted value, in unit of y" in told[1]
    for kind in ("upweight", "removal", "refit"):
        own = explainer.influence(DATA.X[ROWS], DATA.y[ROWS], kind=kind, indices=ROWS)
        same(explainer.self_influence(kind=kind, indices=ROWS), np.diag(own), 1e-9)


def test_functionals_are_of_predictions_and_targets_in_the_unit_of_y():
    explainer, given = explained(RIDGE), (DATA.X_test, DATA.y_test)
    for functional, number in (
        ("r2", lambda model: r2_score(DATA.y_test, model.predict(DATA.X_test))),
        ("mean_loss", lambda model: ((DATA.y_test - model.predict(DATA.X_test)) ** 2).mean()),
    ):
        asked = {"functional": functional, "indices": ROWS}
        actual = changes(RIDGE, number)
        same(explainer.functional_influence(*given, kind="refit", **asked), actual, 1e-8)
        first = -explainer.functional_influence(*given, kind="upweight", **asked) / N
        assert np.abs(first - actual).max() < 0.4 * np.abs(actual).max()
    loss = explainer.influence(*given, reduce="mean", indices=ROWS)
    same(explainer.functional_influence(*given, "mean_loss", indices=ROWS), loss, 1e-9)


@pytest.mark.parametrize(
    "model", [RIDGE, clone(RIDGE).set_params(regressor=make_pipeline(StandardScaler(), Ridge()))]
)
def test_perturbation_gradient(model):
    """Through the transformation of the targets and steps inside, which are held."""
    gradient = explained(model).perturbation_gradient(DATA.X_test, DATA.y_test, indices=[3])
    fitted, ends = clone(model).fit(DATA.X, DATA.y).regressor_, []
    steps, ridge = fitted[:-1] if hasattr(fitted, "steps") else None, Ridge(tol=1e-13)
    seen = (lambda X: X) if steps is None else steps.transform
    for step in (1e-5, -1e-5):
        X = DATA.X.copy()
        X[3, 1] += step
        predicted = np.exp(clone(ridge).fit(seen(X), np.log(DATA.y)).predict(seen(DATA.X_test)))
        ends.append((predicted - DATA.y_test) ** 2)
    assert_allclose(gradient[:, 0, 1], N * (ends[0] - ends[1]) / 2e-5, rtol=1e-4)


def test_other_targets_are_in_the_unit_of_y():
    y = DATA.y.copy()
    y[3] = 9.0
    after = clone(RIDGE).fit(DATA.X, y).predict(DATA.X_test)
    before = clone(RIDGE).fit(DATA.X, DATA.y).predict(DATA.X_test)
    got = explained(RIDGE).perturbation_influence(
        DATA.X_test, indices=[3], y_new=[9.0], target="prediction"
    )
    same(got[:, 0], after - before, 1e-9)


def test_reweighting_is_in_the_unit_of_y():
    weights = DATA.sample_weight
    refitted = clone(RIDGE).fit(DATA.X, DATA.y, sample_weight=weights).predict(DATA.X_test)
    same(explained(RIDGE).reweight(weights, DATA.X_test), refitted, 1e-9)
    column = InfluenceExplainer(RIDGE).fit(DATA.X, DATA.y[:, None])
    got = column.reweight(weights, DATA.X_test)
    assert got.shape == column.predict(DATA.X_test).shape
    same(got.ravel(), refitted, 1e-9)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_slopes_of_any_unit(scale):
    """1 / y of targets of any size, whose slope is taken by differences."""
    reciprocal = {"func": np.reciprocal, "inverse_func": np.reciprocal}
    y, asked = scale * (1.0 + DATA.y), scale * (1.0 + DATA.y_test)
    model = TransformedTargetRegressor(LinearRegression(), **reciprocal, check_inverse=False)
    explainer = InfluenceExplainer(model).fit(DATA.X, y)
    got = explainer.influence(DATA.X_test, asked, target="prediction", indices=ROWS)
    unit = InfluenceExplainer(LinearRegression()).fit(DATA.X, 1.0 / y)
    z = unit.predict(DATA.X_test)
    on_fit = unit.influence(DATA.X_test, target="prediction", indices=ROWS)
    same(got, on_fit * (-1.0 / z**2)[:, None], 1e-6)


# ------------------------------------------------------------------------------------- weights
def test_sample_weights():
    explainer = InfluenceExplainer(RIDGE).fit(DATA.X, DATA.y, DATA.sample_weight)
    verified = explainer.verify(DATA.X_test, DATA.y_test, kind="refit", strategy=ROWS)
    same(verified.predicted, verified.actual, 1e-8)
    inside = clone(RIDGE).set_params(regressor=make_pipeline(StandardScaler(), Ridge()))
    explainer = InfluenceExplainer(inside).fit(DATA.X, DATA.y, DATA.sample_weight)
    assert explainer.report_.relative_step < 1e-6
    with config_context(enable_metadata_routing=True):
        routed = clone(RIDGE).set_params(regressor=Ridge().set_fit_request(sample_weight=True))
        explainer = InfluenceExplainer(routed).fit(DATA.X, DATA.y, DATA.sample_weight)
        verified = explainer.verify(DATA.X_test, DATA.y_test, kind="refit", strategy=ROWS)
        same(verified.predicted, verified.actual, 1e-8)


def test_pickles_frames_and_single_precision():
    pd = pytest.importorskip("pandas")
    frame, test = (pd.DataFrame(X, columns=list("abcd")) for X in (DATA.X, DATA.X_test))
    expected = explained(POWER).influence(DATA.X_test, DATA.y_test, kind="removal")
    explainer = InfluenceExplainer(POWER).fit(frame, pd.Series(DATA.y, index=frame.index))
    for each in (
        explainer,
        pickle.loads(pickle.dumps(explainer)),
        clone(explainer).fit(frame, DATA.y),
    ):
        same(each.influence(test, DATA.y_test, kind="removal"), expected)
    asked = {"strategy": ROWS, "kind": "refit", "preprocessing": "fixed"}
    verified = explainer.verify(test, DATA.y_test, **asked)
    same(verified.predicted, verified.actual, 1e-8)
    single = InfluenceExplainer(POWER).fit(DATA.X.astype(np.float32), DATA.y)
    got = single.influence(DATA.X_test.astype(np.float32), DATA.y_test, kind="removal")
    assert got.dtype == np.float32
    same(got, expected, 1e-4)


# ------------------------------------------------------------------------------------- refused
@pytest.mark.parametrize("regressor", [PoissonRegressor(), HuberRegressor(), RIDGE])
def test_predictions_that_are_no_decision_values(regressor):
    who = f"TransformedTargetRegressor got {type(regressor).__name__}"
    with raises(ValueError, who, "Closest: the estimator without the transformation"):
        explained(TransformedTargetRegressor(regressor, func=np.sqrt, inverse_func=np.square))


def test_what_is_inside_is_refused_before_it_is_fitted():
    with raises(TypeError, "unsupported estimator: RandomForestRegressor", "Closest supported"):
        InfluenceExplainer(TransformedTargetRegressor(RandomForestRegressor())).fit(None, None)


class Differences(TransformerMixin, BaseEstimator):
    """Mixes the first target into the others, but not the other way round."""

    def __init__(self, reverse: bool = False) -> None:
        self.reverse = reverse

    def fit(self, y: Any, X: Any = None) -> Differences:
        return self

    def transform(self, y: Any) -> Any:
        return y @ self.matrix

    def inverse_transform(self, y: Any) -> Any:
        return y @ np.linalg.inv(self.matrix)

    @property
    def matrix(self) -> np.ndarray:
        mixing = np.eye(3) + 0.5 * np.eye(3, k=1)
        return mixing.T if self.reverse else mixing


@pytest.mark.parametrize(
    "transformer", [PCA(), Differences(), Differences(reverse=True)], ids=["PCA", "up", "down"]
)
def test_transformations_that_mix_targets(transformer):
    with raises(ValueError, f"{type(transformer).__name__}, which mixes the targets", "by itself"):
        explained(TransformedTargetRegressor(Ridge(), transformer=transformer), SEVERAL)


def test_transformations_to_another_number_of_targets():
    def circle(y):
        return np.hstack([np.sin(y), np.cos(y)])

    def angle(z):
        return np.arctan2(z[:, :1], z[:, 1:])

    model = TransformedTargetRegressor(
        LinearRegression(), func=circle, inverse_func=angle, check_inverse=False
    )
    with raises(ValueError, "a transformation from 1 targets to 2", "by itself"):
        explained(model)


def test_targets_that_the_transformation_does_not_give_back():
    """Their loss would be that of another number: QuantileTransformer clips."""
    model = TransformedTargetRegressor(Ridge(), transformer=QuantileTransformer(n_quantiles=N))
    explainer = explained(model)
    inside = np.clip(DATA.y_test, DATA.y.min(), DATA.y.max())
    verified = explainer.verify(
        DATA.X_test, inside, strategy=ROWS, kind="refit", preprocessing="fixed"
    )
    same(verified.predicted, verified.actual, 1e-8)
    beyond = inside.copy()
    beyond[2] = 1e3
    with raises(ValueError, "y_test contains [1000.0] (row 2), which QuantileTransformer makes"):
        explainer.influence(DATA.X_test, beyond)
    with raises(ValueError, "y_new contains [0.0] (row 0)", "its inverse gives back"):
        explained(RIDGE).perturbation_influence(DATA.X_test, DATA.y_test, indices=[3], y_new=[0.0])


def test_models_that_transform_each_target_inside_another():
    for model, y in ((POWER, SEVERAL.y), (RIDGE, np.exp(0.3 * SEVERAL.y))):
        with raises(ValueError, "MultiOutputRegressor got models that transform each", "around it"):
            InfluenceExplainer(MultiOutputRegressor(model)).fit(SEVERAL.X, y)
    one = InfluenceExplainer(MultiOutputRegressor(POWER)).fit(SEVERAL.X, SEVERAL.y[:, :1])
    alone = InfluenceExplainer(POWER).fit(SEVERAL.X, SEVERAL.y[:, 0])
    asked = SEVERAL.y_test[:, 0]
    same(one.influence(SEVERAL.X_test, asked[:, None]), alone.influence(SEVERAL.X_test, asked))


def test_diagnostics_are_of_the_fit_to_transformed_targets():
    ours = explained(RIDGE).diagnostics()
    logs = InfluenceExplainer(Ridge(tol=1e-13)).fit(DATA.X, np.log(DATA.y)).diagnostics()
    for name in logs.columns:
        assert_allclose(ours[name], logs[name], rtol=1e-9)


def test_a_held_transformation_refits_like_one_that_is_not_fitted():
    fitted = clone(POWER).fit(DATA.X, DATA.y)
    got = InfluenceExplainer(fitted, prefit=True).fit(DATA.X, DATA.y)
    effects = got.influence(DATA.X_test, DATA.y_test, kind="refit", indices=ROWS)
    held = transformation_held(fitted)
    same(effects, changes(held, lambda m: (m.predict(DATA.X_test) - DATA.y_test) ** 2), 1e-8)
    assert_array_equal(got.predict(DATA.X_test), fitted.predict(DATA.X_test))
