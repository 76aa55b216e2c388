"""What is refused says why, and which supported model comes closest."""

from __future__ import annotations

import re
import warnings
from inspect import Parameter, signature

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, QuantileRegressor, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM
from sklearn.utils import all_estimators
from wording import TARGETS, X, Y, raises

from skinfluence import InfluenceExplainer, as_objective
from skinfluence.adapters.refusals import KINDS, REFUSALS

EVERY = dict(all_estimators())
MODELS = {name: kind for t in ("classifier", "regressor") for name, kind in all_estimators(t)}
NAMES = [name for refusal in REFUSALS for name in refusal.names.split()]
# Of estimators that need another inside, the one that all of them take.
INSIDE = LogisticRegression()


def make(kind):
    needed = [
        p.name
        for p in signature(kind).parameters.values()
        if p.default is Parameter.empty and p.kind is Parameter.POSITIONAL_OR_KEYWORD
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated estimators
        return kind(**dict.fromkeys(needed, INSIDE))


def is_supported(name):
    return as_objective.dispatch(EVERY[name]) is not as_objective.dispatch(object)


def closest_models(message):
    """The models that a message names as the closest, in order."""
    words = re.findall(r"\w+", message.split("Closest supported: ")[1])
    return [word for word in words if word in MODELS]


@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_names_a_reason_and_a_supported_model(name):
    if name not in EVERY:
        pytest.skip("not in this scikit-learn")
    with pytest.raises(TypeError) as caught:
        InfluenceExplainer(make(EVERY[name])).fit(X, Y)
    message = str(caught.value)
    start = f"InfluenceExplainer got an unsupported estimator: {name}. "
    assert message.startswith(start)
    reason = message[len(start) : message.index(" Closest supported: ")]
    assert len(reason.split()) > 9
    assert reason.endswith(".")
    assert reason.count(".") == 1
    assert message.endswith(".")
    closest = closest_models(message)
    assert closest
    assert message.split("Closest supported: ")[1].startswith(closest[0])
    assert all(is_supported(model) for model in closest), closest


def test_no_estimator_is_refused_twice_or_in_spite_of_support():
    assert len(NAMES) == len(set(NAMES))
    assert not [name for name in NAMES if name in EVERY and is_supported(name)]


@pytest.mark.parametrize(
    "model, words",
    [
        (KMeans(), "KMeans. It is fitted without targets"),
        (GaussianMixture(), "GaussianMixture. It is fitted without targets"),
        (PCA(), "PCA. A transformer predicts nothing: it goes before a model"),
        (OneClassSVM(), "OneClassSVM. An outlier detector has no targets"),
        (IsolationForest(), "IsolationForest. An outlier detector has no targets"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_predicts_no_targets(model, words):
    with raises(TypeError, words, "Closest supported: ") as caught:
        InfluenceExplainer(model).fit(X, Y)
    assert all(map(is_supported, closest_models(str(caught.value))))


def test_kinds_are_scikit_learns_mixins():
    import sklearn.base

    for kind in KINDS:
        assert all(hasattr(sklearn.base, name) for name in kind.names.split())


@pytest.mark.parametrize(
    "wrap",
    [make_pipeline, lambda model: GridSearchCV(model, {"n_estimators": [2]}, cv=2)],
    ids=["pipeline", "search"],
)
def test_the_model_inside_is_named(wrap):
    model = wrap(RandomForestClassifier(n_estimators=2))
    with raises(TypeError, "estimator: RandomForestClassifier. Its trees", "Closest supported"):
        InfluenceExplainer(model).fit(X, Y)


def test_prefit_models_are_refused_alike():
    model = QuantileRegressor().fit(X, TARGETS)
    with raises(TypeError, "QuantileRegressor. It solves a linear programme", "LinearSVR"):
        InfluenceExplainer(model, prefit=True).fit(X, TARGETS)


def test_estimators_derived_from_refused_ones_are_refused_alike():
    class Bounded(RandomForestClassifier):
        pass

    with raises(TypeError, "got an unsupported estimator: Bounded. Its trees"):
        InfluenceExplainer(Bounded()).fit(X, Y)


def test_others_of_the_same_name_are_not_meant():
    class Perceptron(ClassifierMixin, BaseEstimator):
        pass

    with raises(TypeError, "unsupported estimator: Perceptron. Supported are", "register"):
        InfluenceExplainer(Perceptron()).fit(X, Y)


def test_a_class_in_place_of_an_estimator():
    with raises(TypeError, "got the class LogisticRegression; needed", "LogisticRegression()"):
        InfluenceExplainer(LogisticRegression).fit(X, Y)


# --------------------------------------------------------------------------- what reasons claim
def test_discriminant_analysis_has_the_direction_of_least_squares():
    cancer = load_breast_cancer()
    features = cancer.data[:, :8] / cancer.data[:, :8].std(axis=0)
    ours = RidgeClassifier(alpha=1e-8).fit(features, cancer.target).coef_.ravel()
    theirs = LinearDiscriminantAnalysis().fit(features, cancer.target).coef_.ravel()
    scale = np.linalg.norm(theirs) / np.linalg.norm(ours)
    assert_allclose(scale * ours, theirs, rtol=1e-5)


def test_quantile_regression_meets_as_many_rows_as_it_has_coefficients_and_stays_or_jumps():
    model = QuantileRegressor(alpha=0.1).fit(X, TARGETS)
    residuals = np.abs(TARGETS - model.predict(X))
    n_coefficients = np.count_nonzero(model.coef_) + 1
    assert np.count_nonzero(residuals < 1e-8) == n_coefficients
    moves = []
    for row in range(len(X)):
        kept = np.arange(len(X)) != row
        without = QuantileRegressor(alpha=0.1 * len(X) / (len(X) - 1)).fit(X[kept], TARGETS[kept])
        moves.append(np.abs(without.coef_ - model.coef_).max())
    stay = np.array(moves) < 1e-8
    assert 0 < np.count_nonzero(stay) < len(X)
    assert np.array(moves)[~stay].min() > 1e-3


# ------------------------------------------------------------------------------- nothing else
def needs_nothing(kind):
    parameters = signature(kind).parameters.values()
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return all(p.default is not Parameter.empty for p in parameters if p.kind not in variadic)


def explain_something(name):
    rng = np.random.default_rng(1)
    features = rng.standard_normal((30, 2))
    y = (features[:, 0] + rng.standard_normal(30) > 0).astype(int)
    if name in dict(all_estimators("regressor")):
        y = np.exp(features[:, 0] + 0.3 * rng.standard_normal(30))
    if name.startswith("MultiTask"):
        y = np.column_stack([y, y[::-1]])
    explainer = InfluenceExplainer(make(MODELS[name])).fit(features, y)
    return explainer.influence(features[:2], y[:2])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, kind in MODELS.items() if needs_nothing(kind)])
def test_every_model_of_scikit_learn_is_supported_or_refused_in_words(name):
    if is_supported(name):
        assert np.isfinite(explain_something(name)).all()
        return
    said = rf"^InfluenceExplainer got (an unsupported estimator: )?{name}\W"
    with pytest.raises(TypeError, match=said):
        explain_something(name)
