"""What ``functional_influence`` says to those whose functional doesn't fit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC, LinearSVC
from wording import TARGETS, X, Y, raises

from skinfluence import InfluenceExplainer, functionals

LOGISTIC = InfluenceExplainer(LogisticRegression()).fit(X, Y)
RIDGE = InfluenceExplainer(Ridge()).fit(X, TARGETS)
THREE = InfluenceExplainer(LogisticRegression()).fit(X, np.digitize(TARGETS, [-1.0, 2.0]))
GROUPS = X[:, 1] > 0


def ask(functional, explainer=LOGISTIC, X=X, y=Y, **options):
    return explainer.functional_influence(X, y, functional, **options)


def returning(*pair):
    def metric(values, y):
        return pair if len(pair) != 1 else pair[0]

    return metric


def test_what_is_no_functional():
    with raises(TypeError, "a functional of type int", "skinfluence.functionals", "callable"):
        ask(3)
    with raises(ValueError, "functional='f1'", "known are", "'accuracy'", "(value, gradient)"):
        ask("f1")
    for given in ("demographic_parity", functionals.demographic_parity):
        with raises(TypeError, "functional=demographic_parity, which needs settings", "sensitive"):
            ask(given)
    with raises(ValueError, "kind='loo'", "upweight"):
        ask("accuracy", kind="loo")
    with raises(IndexError, "indices outside of the training rows: [40]"):
        ask("accuracy", indices=40)


@pytest.mark.parametrize("kind", ["upweight", "removal", "refit"])
def test_a_callable_that_returns_nonsense_is_named(kind):
    zeros = np.zeros(len(Y))
    with raises(ValueError, "The functional 'metric' returned nan as its value", "finite number"):
        ask(returning(np.nan, zeros), kind=kind)
    with raises(ValueError, "The functional 'metric' returned inf as its value"):
        ask(returning(np.inf, zeros), kind=kind)
    with raises(TypeError, "The functional 'metric' returned float", "a pair (value, gradient"):
        ask(returning(1.0), kind=kind)
    with raises(TypeError, "'metric' returned a value of shape (40,)", "a single number"):
        ask(returning(zeros, zeros), kind=kind)
    with raises(TypeError, "'metric' returned a value of shape () and type <U1", "single number"):
        ask(returning("a", zeros), kind=kind)


@pytest.mark.parametrize("kind", ["upweight", "removal"])
def test_a_gradient_of_nonsense_is_named(kind):
    with raises(ValueError, "'metric' returned a gradient of shape (40, 1)", "shape (40,)"):
        ask(returning(1.0, np.zeros((40, 1))), kind=kind)
    with raises(ValueError, "'metric' returned a gradient of shape () and type object"):
        ask(returning(1.0, None), kind=kind)
    with raises(ValueError, "'metric' returned a gradient of shape (40,)", "shape (40, 3)"):
        ask(returning(1.0, np.zeros(40)), explainer=THREE, kind=kind)
    with raises(ValueError, "'metric' returned a gradient with 40 NaN or infinite entries"):
        ask(returning(1.0, np.full(40, np.nan)), kind=kind)


def test_a_callable_without_a_name_is_called_by_its_type():
    class Metric:
        def __call__(self, values, y):
            return np.nan, values

    with raises(ValueError, "The functional 'Metric' returned nan"):
        ask(Metric())


def test_rows_that_do_not_fit():
    with raises(ValueError, "X=None for the functional 'accuracy'", "Only a coefficient"):
        ask("accuracy", X=None)
    with raises(ValueError, "y=None for the functional 'roc_auc'", "labels or targets"):
        ask("roc_auc", y=None)
    with raises(ValueError, "got y of shape (3,) for 40 rows"):
        ask("accuracy", y=[0, 1, 1])
    with raises(ValueError, "y contains labels that the model was not fitted on: [7]"):
        ask("accuracy", y=np.full(40, 7))
    with raises(ValueError, "functionals.roc_auc got y without rows of class 1"):
        ask("roc_auc", y=np.zeros(40, dtype=int))
    with raises(
        ValueError, "functionals.demographic_parity got sensitive of shape (40,)", "3 rows"
    ):
        ask(functionals.demographic_parity(GROUPS), X=X[:3], y=None)
    with raises(IndexError, "functionals.prediction got row=40 with 40 rows"):
        ask(functionals.prediction(40))


def test_models_that_do_not_fit():
    for name in ("accuracy", "roc_auc", "average_precision", "brier_score", "calibration_error"):
        with raises(TypeError, f"functionals.{name} got a regressor", "predicted classes"):
            ask(name, explainer=RIDGE, y=TARGETS)
    with raises(TypeError, "functionals.demographic_parity got a regressor"):
        ask(functionals.demographic_parity(GROUPS), explainer=RIDGE, y=None)
    with raises(TypeError, "functionals.r2 got a classifier", "accuracy"):
        ask("r2")
    linear = InfluenceExplainer(LinearSVC()).fit(X, Y)
    for name in ("brier_score", "calibration_error"):
        with raises(TypeError, f"functionals.{name} reads class probabilities", "LinearSVC"):
            ask(name, explainer=linear)
    y = np.digitize(TARGETS, [-1.0, 2.0])
    with raises(ValueError, "functionals.equalized_odds got a model of 3 classes", "positive="):
        ask(functionals.equalized_odds(GROUPS), explainer=THREE, y=y)
    pairs = InfluenceExplainer(SVC(decision_function_shape="ovo")).fit(X, y)
    with raises(ValueError, "functionals.average_precision", "pairs of classes", "'ovr'"):
        ask("average_precision", explainer=pairs, y=y)
    several = InfluenceExplainer(Ridge()).fit(X, np.column_stack([TARGETS, TARGETS**2]))
    with raises(ValueError, "functionals.prediction got output=None", "2 outputs", "0 to 1"):
        ask("prediction", explainer=several, y=None)


def test_coefficients_that_there_are_not():
    def coefficient(feature, output=None, explainer=LOGISTIC):
        return ask(functionals.coefficient(feature, output), explainer=explainer, X=None, y=None)

    with raises(ValueError, "functionals.coefficient got feature='age'", "'x0'", "a position"):
        coefficient("age")
    with raises(IndexError, "functionals.coefficient got feature=3", "from 0 to 2"):
        coefficient(3)
    with raises(TypeError, "functionals.coefficient got feature=1.5", "(0 to 2)"):
        coefficient(1.5)
    with raises(ValueError, "functionals.coefficient got output=None", "3 rows", "[0, 1, 2]"):
        coefficient(0, explainer=THREE)
    with raises(ValueError, "functionals.coefficient got output=5", "1 rows"):
        coefficient(0, output=5)
    kernel = InfluenceExplainer(KernelRidge(kernel="rbf")).fit(X, TARGETS)
    with raises(TypeError, "functionals.coefficient got KernelRidge, a kernel machine"):
        coefficient(0, explainer=kernel)


def test_a_metric_that_is_not_finite_is_named():
    class ratio(functionals.Functional):
        needs_y = False

        def value(self, readings):
            return np.full(readings.shown.shape[2], np.nan)

        def slope(self, readings):
            return functionals.Slope("shown", readings.shown[:, :, 0])

    with raises(ValueError, "The functional 'ratio' is nan on the 40 rows", "finite number"):
        ask(ratio(), kind="refit")
