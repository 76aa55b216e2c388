"""Shared by the numerical tests: every supported estimator, fitted as tightly as it can be.

A new estimator is one row of ``CASES``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import sklearn
from reference import (
    epsilon_insensitive,
    hinge,
    log_loss,
    log_loss_one_vs_rest,
    squared_epsilon_insensitive,
    squared_error,
    squared_error_of_signs,
    squared_hinge,
)
from rows import CLASS_WEIGHT, PLAIN, SETTINGS, Data, Setting, few_on_csr, make_data
from sklearn.base import clone
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.svm import LinearSVC, LinearSVR

from skinfluence import InfluenceExplainer, as_objective

SKLEARN = tuple(int(part) for part in sklearn.__version__.split(".")[:2])


@dataclass(frozen=True)
class Case:
    """One estimator.

    Parameters
    ----------
    name : str
    estimator : estimator
    data : str
        Kind of data.
    loss : callable
        Per row, of a fitted model: what ``target="loss"`` means for it.
    on_csr : dict
        Settings of the estimator that sparse X needs.
    plain : callable, optional
        From a fitted estimator that chose its hyper-parameters to one that has them.
    """

    name: str
    estimator: Any
    data: str
    loss: Callable[[Any, Any, np.ndarray], np.ndarray]
    on_csr: dict[str, Any] = field(default_factory=dict)
    plain: Callable[[Any], Any] = clone

    @property
    def is_classifier(self) -> bool:
        return self.data in ("binary", "three classes")

    @property
    def is_squared(self) -> bool:
        return self.loss in (squared_error, squared_error_of_signs)

    @property
    def has_kink(self) -> bool:
        """Its loss, for which a smooth one stands in."""
        return self.loss in (hinge, epsilon_insensitive)

    @property
    def curvature_jumps(self) -> bool:
        """For every row that crosses the margin, or the edge of the tube."""
        return self.loss in (squared_hinge, squared_epsilon_insensitive)

    @property
    def one_vs_rest(self) -> bool:
        return self.data == "three classes" and self.loss not in (log_loss, squared_error_of_signs)

    def prepare(self, setting: Setting) -> Any:
        """The estimator, not yet fitted."""
        estimator = clone(self.estimator)
        if setting.csr:
            estimator.set_params(**self.on_csr)
        if setting.class_weight == "given":
            classes = range(2 if self.data == "binary" else 3)
            estimator.set_params(class_weight={k: CLASS_WEIGHT[k] for k in classes})
        elif setting.class_weight is not None:
            estimator.set_params(class_weight=setting.class_weight)
        return estimator

    def fit(self, setting: Setting = PLAIN, n: int = 200) -> Fit:
        return _fit(CASES.index(self), SETTINGS.index(setting), n)


@dataclass(frozen=True)
class Fit:
    """An estimator fitted on data, and its explainer. They are shared: don't change them."""

    case: Case
    setting: Setting
    data: Data
    model: Any
    explainer: InfluenceExplainer

    @property
    def objective(self) -> Any:
        """What the estimator minimises, at its own parameters."""
        weights = self.setting.weights(self.data)
        return as_objective(self.model, self.data.X, self.data.y, weights)

    def refit(self, data: Data) -> Any:
        """The model fitted on other data with the same hyper-parameters."""
        model = self.case.plain(self.model)
        if self.setting.csr and self.case.plain is _same_alpha:
            model.set_params(**_CG)
        return self.setting.fit(model, data)

    def losses(self, model: Any) -> np.ndarray:
        """Of the test rows."""
        return self.case.loss(model, self.data.X_test, self.data.y_test)


@cache
def _fit(case_index: int, setting_index: int, n: int) -> Fit:
    case, setting = CASES[case_index], SETTINGS[setting_index]
    data = setting.prepare(make_data(case.data, n))
    model = setting.fit(case.prepare(setting), data)
    explainer = InfluenceExplainer(model, prefit=True)
    explainer.fit(data.X, data.y, sample_weight=setting.weights(data))
    return Fit(case, setting, data, model, explainer)


def _settings(case: Case) -> list[Setting]:
    if any(solver in case.name for solver in ("newton-cg", "sag")):  # to the optimum of lbfgs
        return [PLAIN, SETTINGS[4], SETTINGS[9]]
    return few_on_csr(s for s in SETTINGS if case.is_classifier or s.class_weight is None)


def combinations(cases: Iterable[Case]) -> list[tuple[Case, Setting]]:
    """Every case with the settings that apply to it."""
    return [(case, setting) for case in cases for setting in _settings(case)]


def by_name(value: Any) -> str:
    """Test ids."""
    return str(value.name)


def named(*names: str) -> list[Case]:
    """Some of the cases."""
    known = {case.name: case for case in CASES}
    return [known[name] for name in names]


def _logistic(solver: str = "lbfgs", **parameters: Any) -> LogisticRegression:
    tol = {"lbfgs": 1e-10, "sag": 1e-13, "saga": 1e-13}.get(solver, 1e-12)
    return LogisticRegression(solver=solver, tol=tol, max_iter=50_000, random_state=0, **parameters)


def _logistic_cv() -> LogisticRegressionCV:
    known = inspect.signature(LogisticRegressionCV).parameters
    options: dict[str, Any] = {"scoring": "neg_log_loss"}
    if "use_legacy_attributes" in known:  # defaults that change say so
        options |= {"use_legacy_attributes": False, "l1_ratios": (0.0,)}
    return LogisticRegressionCV(Cs=(0.5,), cv=2, tol=1e-10, max_iter=1000, **options)


def _svc(loss: str = "squared_hinge", **parameters: Any) -> LinearSVC:
    tol = 1e-12 if loss == "squared_hinge" else 1e-9
    return LinearSVC(loss=loss, tol=tol, max_iter=2_000_000, random_state=0, **parameters)


def _svr(loss: str = "squared_epsilon_insensitive", **parameters: Any) -> LinearSVR:
    # The primal solver stops at 1e-6 of the gradient, whatever its tol.
    tight = {"dual": True, "tol": 1e-10, "max_iter": 2_000_000, "random_state": 0}
    return LinearSVR(loss=loss, epsilon=0.3, **tight, **parameters)


def _same_alpha(model: Any) -> Any:
    if isinstance(model, RidgeCV):
        return Ridge(model.alpha_, solver="svd")
    return RidgeClassifier(model.alpha_, solver="svd", class_weight=model.class_weight)


def _same_C(model: Any) -> Any:
    return _logistic(C=float(np.ravel(model.C_)[0]), class_weight=model.class_weight)


_CG: dict[str, Any] = {"solver": "sparse_cg", "tol": 1e-15, "max_iter": 10_000}
_LSQR = {"tol": 1e-15} if "tol" in inspect.signature(LinearRegression).parameters else {}
_ALPHAS = (0.3, 3.0, 30.0)
_PER_TARGET = np.array([0.5, 5.0, 50.0])


def _ridge(alpha: Any = 2.0, **parameters: Any) -> Ridge:
    return Ridge(alpha, **{"solver": "svd", **parameters})


CASES: list[Case] = [
    Case(name, estimator, data, squared_error, _LSQR if "Linear" in name else _CG)
    for name, estimator, data in [
        ("LinearRegression", LinearRegression(), "regression"),
        ("LinearRegression, 3 outputs", LinearRegression(), "multi-output"),
        ("Ridge", _ridge(), "regression"),
        ("Ridge, cholesky", _ridge(solver="cholesky"), "regression"),
        ("Ridge, no intercept", _ridge(fit_intercept=False), "regression"),
        ("Ridge, 3 outputs", _ridge(), "multi-output"),
        ("Ridge, 3 alphas", _ridge(_PER_TARGET), "multi-output"),
    ]
]
CASES += [
    Case(name, estimator, data, squared_error, plain=_same_alpha)
    for name, estimator, data in [
        ("RidgeCV", RidgeCV(_ALPHAS), "regression"),
        ("RidgeCV, 3 alphas", RidgeCV(_ALPHAS, alpha_per_target=True), "multi-output"),
    ]
]
CASES += [
    Case("RidgeClassifier", RidgeClassifier(2.0), "binary", squared_error_of_signs, _CG),
    Case(
        "RidgeClassifier, 3 classes",
        RidgeClassifier(2.0),
        "three classes",
        squared_error_of_signs,
        _CG,
    ),
    Case(
        "RidgeClassifierCV",
        RidgeClassifierCV(_ALPHAS),
        "three classes",
        squared_error_of_signs,
        plain=_same_alpha,
    ),
]
CASES += [
    Case(f"LogisticRegression, {solver}{suffix}", _logistic(solver), data, log_loss)
    for data, suffix, solvers in [
        ("binary", "", ("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")),
        ("three classes", ", 3 classes", ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")),
    ]
    for solver in solvers
]
CASES += [
    Case(f"LogisticRegression, {what}{suffix}", estimator, data, log_loss)
    for data, suffix in [("binary", ""), ("three classes", ", 3 classes")]
    for what, estimator in [
        ("no penalty", _logistic(C=np.inf)),
        ("no intercept", _logistic("newton-cholesky", fit_intercept=False)),
    ]
]
CASES += [
    Case(
        "LogisticRegression, intercept_scaling",
        _logistic("liblinear", intercept_scaling=3.0, C=0.3),
        "binary",
        log_loss,
    ),
    Case("LogisticRegressionCV", _logistic_cv(), "binary", log_loss, plain=_same_C),
    Case("LogisticRegressionCV, 3 classes", _logistic_cv(), "three classes", log_loss, {}, _same_C),
    Case("LinearSVC", _svc(), "binary", squared_hinge),
    Case("LinearSVC, 3 classes", _svc(), "three classes", squared_hinge),
    Case("LinearSVC, intercept_scaling", _svc(intercept_scaling=3.0), "binary", squared_hinge),
    Case("LinearSVC, hinge", _svc("hinge", C=0.05), "binary", hinge),
]
CASES += [
    Case(name, estimator, "regression", squared_epsilon_insensitive)
    for name, estimator in [
        ("LinearSVR, squared", _svr()),
        ("LinearSVR, squared, intercept_scaling", _svr(intercept_scaling=3.0, C=0.02)),
        ("LinearSVR, squared, no intercept", _svr(fit_intercept=False, C=0.1)),
    ]
]
CASES.append(
    Case("LinearSVR", _svr("epsilon_insensitive", C=0.05), "regression", epsilon_insensitive)
)
if SKLEARN < (1, 8):
    CASES += [
        Case("LogisticRegression, penalty=None", _logistic(penalty=None), "binary", log_loss),
        Case(
            "LogisticRegression, liblinear, 3 classes",
            _logistic("liblinear"),
            "three classes",
            log_loss_one_vs_rest,
        ),
    ]
# Those whose loss is smooth enough for refits to be compared row by row.
SMOOTH_CASES = [case for case in CASES if not case.has_kink]
