"""``functional_influence`` against metrics of really refitted models."""

from __future__ import annotations

import numpy as np
import pytest
from evaluating import (
    MODELS,
    N_TEST,
    ROWS,
    brier_score,
    evaluation_rows,
    fit,
    mean_loss,
    metrics_of,
    r2,
    roc_auc,
)
from numpy.testing import assert_allclose
from rows import make_data
from scipy.special import expit
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceExplainer, functionals


@pytest.mark.parametrize("name, setting", MODELS)
def test_refit_is_the_metric_of_really_refitted_models(name, setting):
    case, setting, data, explainer = fit(name, setting)
    _, y, group = evaluation_rows(case.data)
    X_test = data.X_test
    plain = case.plain(explainer.estimator_)
    models = [setting.fit(clone(plain), data.without(row)) for row in ROWS]
    for functional, metric in metrics_of(case):
        got = explainer.functional_influence(X_test, y, functional, kind="refit", indices=ROWS)
        before = metric(explainer.estimator_, X_test, y, group)
        expected = np.array([metric(model, X_test, y, group) - before for model in models])
        # What liblinear's own tolerance leaves in differences of two fits.
        assert_allclose(got, expected, rtol=0, atol=1e-7, err_msg=functional.name)


SMOOTH = [
    ("LogisticRegression, newton-cholesky", "plain", functionals.brier_score(), brier_score),
    ("LogisticRegression, newton-cholesky", "balanced", functionals.brier_score(), brier_score),
    ("LogisticRegression, newton-cholesky, 3 classes", "plain", "brier_score", brier_score),
    ("LogisticRegression, newton-cholesky", "plain", functionals.roc_auc(), roc_auc),
    ("Ridge", "plain", functionals.r2(), r2),
    ("Ridge, 3 outputs", "weighted", functionals.r2(), r2),
    ("LinearSVC", "plain", "mean_loss", None),
    ("RidgeClassifier, 3 classes", "balanced", "mean_loss", None),
]


@pytest.mark.parametrize("name, setting, functional, metric", SMOOTH)
def test_removal_and_upweight_follow_real_refits(name, setting, functional, metric):
    case, setting, data, explainer = fit(name, setting)
    metric = metric or mean_loss(case)
    X, y, group = evaluation_rows(case.data)
    rows = np.arange(0, 200, 5)
    plain = case.plain(explainer.estimator_)
    refitted = (setting.fit(clone(plain), data.without(row)) for row in rows)
    before = metric(explainer.estimator_, X, y, group)
    actual = np.array([metric(model, X, y, group) - before for model in refitted])
    removal = explainer.functional_influence(X, y, functional, kind="removal", indices=rows)
    stepped = functional if isinstance(functional, str) else functional.name
    least, widest = (0.85, 0.25) if stepped == "roc_auc" else (0.99, 0.06)
    assert np.corrcoef(removal, actual)[0, 1] > least
    assert abs(np.vdot(removal, actual) / np.vdot(actual, actual) - 1) < widest
    if setting.class_weight is None:
        upweight = explainer.functional_influence(X, y, functional, indices=rows)
        predicted = -explainer.objective_.weights.values[rows, 0] / 200 * upweight
        assert np.corrcoef(predicted, actual)[0, 1] > least - 0.05
        assert abs(np.vdot(predicted, actual) / np.vdot(actual, actual) - 1) < widest + 0.1


# ------------------------------------------------------------------------- pipelines, callables
def negative_log_likelihood(values, y):
    """A user's own: binary log-loss of decision values, mean."""
    signs = 2.0 * np.asarray(y) - 1
    return np.logaddexp(0, -signs * values).mean(), -signs * expit(-signs * values) / len(signs)


@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
def test_a_callable_of_the_user(kind):
    explainer = fit("LogisticRegression, newton-cholesky", "weighted")[3]
    X, y, _ = evaluation_rows("binary")
    options = {"kind": kind, "indices": ROWS}
    got = explainer.functional_influence(X, y.tolist(), negative_log_likelihood, **options)
    expected = explainer.functional_influence(X, y, functionals.mean_loss, **options)
    assert_allclose(got, expected, rtol=1e-9)


def test_what_a_callable_is_given():
    """Decision values as the estimator shows them, y as it was passed; for refits, row by row."""
    _, _, data, explainer = fit("LogisticRegression, newton-cholesky, 3 classes")
    X, y, _ = evaluation_rows("three classes")
    seen, labels = [], y.tolist()

    def first(values, y):
        assert y is labels
        seen.append(values)
        return values[0, 0], None

    got = explainer.functional_influence(X, labels, first, kind="refit", indices=ROWS)
    assert len(seen) == 1 + len(ROWS)
    assert_allclose(seen[0], explainer.decision_function(X), rtol=1e-7, atol=1e-9)
    without = clone(explainer.estimator_).fit(*[np.delete(a, 7, 0) for a in (data.X, data.y)])
    assert_allclose(seen[1], without.decision_function(X), rtol=0, atol=1e-7)
    assert_allclose(got[0], seen[1][0, 0] - seen[0][0, 0])


def test_pipelines_and_names():
    pd = pytest.importorskip("pandas")
    data = make_data("binary", 120, n_test=N_TEST)
    X = pd.DataFrame(data.X, columns=["a", "b", "c", "d"])
    scaled = make_column_transformer(
        (StandardScaler(), ["a", "b"]), remainder="passthrough", verbose_feature_names_out=False
    )
    model = make_pipeline(scaled, LogisticRegression(tol=1e-10))
    explainer = InfluenceExplainer(model).fit(X, data.y)
    X_test = pd.DataFrame(data.X_test, columns=X.columns)
    inner = InfluenceExplainer(LogisticRegression(tol=1e-10)).fit(scaled.fit_transform(X), data.y)
    for functional in ("mean_loss", "accuracy", functionals.roc_auc()):
        got = explainer.functional_influence(X_test, data.y_test, functional, kind="removal")
        expected = inner.functional_influence(
            scaled.transform(X_test), data.y_test, functional, kind="removal"
        )
        assert_allclose(got, expected, rtol=1e-9)
    got = explainer.functional_influence(None, None, functionals.coefficient("c"))
    assert_allclose(got, explainer.parameter_influence()["coef"][:, 0, 2])


def test_steps_that_change_nothing_are_exactly_0():
    """Sums in floating point would otherwise differ in the last digit."""
    _, _, _, explainer = fit("LogisticRegression, newton-cholesky")
    X, y, group = evaluation_rows("binary")
    for functional in ("accuracy", functionals.equal_opportunity(group)):
        effects = explainer.functional_influence(X, y, functional, kind="refit")
        assert (effects == 0).any()
        assert np.abs(effects[effects != 0]).min() > 1e-3


def test_predicted_label_and_no_y():
    _, _, _, explainer = fit("LogisticRegression, newton-cholesky, 3 classes")
    X, _, group = evaluation_rows("three classes")
    own = explainer.predict(X)
    got = explainer.functional_influence(X, None, "prediction")
    assert_allclose(got, explainer.functional_influence(X, own, "prediction"))
    parity = functionals.demographic_parity(group, positive=2)
    assert explainer.functional_influence(X, None, parity).shape == (200,)


def evaluation_rows_that_leave_nothing_determined_are_nan():
    X = np.column_stack([np.arange(8.0), np.eye(8)[:, 3]])
    y = np.array([0.0, 1.0, 2.5, 9.0, 4.0, 4.5, 6.5, 7.0])
    explainer = InfluenceExplainer(LinearRegression()).fit(X, y)
    for kind in ("removal", "refit"):
        with pytest.warns(RuntimeWarning, match="determined"):
            effects = explainer.functional_influence(X, y, "r2", kind=kind)
        assert np.isnan(effects).tolist() == [row == 3 for row in range(8)]


def test_results_do_not_depend_on_blocks(monkeypatch):
    explainer = fit("LogisticRegression, newton-cholesky, 3 classes")[3]
    X, y, _ = evaluation_rows("three classes")
    asked = [functionals.roc_auc(), functionals.accuracy(), functionals.calibration_error()]
    kinds = ("removal", "refit")

    def answers():
        options = [{"kind": kind, "indices": ROWS} for kind in kinds]
        return [explainer.functional_influence(X, y, f, **o) for f in asked for o in options]

    expected = answers()
    monkeypatch.setattr("skinfluence.measuring.VALUE_BYTES", 1)
    monkeypatch.setattr("skinfluence.functionals.ranking.row_blocks", one_by_one)
    for got, value in zip(answers(), expected, strict=True):
        assert_allclose(got, value, rtol=1e-12, atol=1e-15)


def one_by_one(n_rows, bytes_per_row):
    return (slice(row, row + 1) for row in range(n_rows))


def test_float32_comes_back_as_float32():
    data = make_data("regression", 200, n_test=N_TEST)
    explainer = InfluenceExplainer(Ridge()).fit(data.X.astype(np.float32), data.y)
    single = explainer.functional_influence(data.X_test.astype(np.float32), data.y_test, "r2")
    assert single.dtype == np.float32
    double = InfluenceExplainer(Ridge()).fit(data.X, data.y)
    expected = double.functional_influence(data.X_test, data.y_test, "r2")
    assert_allclose(single, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
