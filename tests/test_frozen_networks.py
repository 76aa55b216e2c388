"""Models on top of a frozen network, the setting of Section 5.2, without PyTorch."""

import pickle
import sys
import warnings
from functools import cache

import numpy as np
import pytest
from frozen_networks import TOP, check_attack, check_gradient_by_refits, check_slopes, digits
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM, MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from wording import raises

import skinfluence.torch
from skinfluence import HiddenActivations, InfluenceExplainer
from skinfluence.transformers import step_vjp

pd = pytest.importorskip("pandas")
ACTIVATIONS = {
    "identity": lambda h: h,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda h: h * (h > 0),
}


@cache
def network(activation="tanh", *, scaled=False, regressor=False):
    X, y = digits()[:2]
    kind = MLPRegressor if regressor else MLPClassifier
    options = {"solver": "lbfgs", "alpha": 0.1, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = kind(hidden_layer_sizes=(16, 8), activation=activation, max_iter=60, **options)
        return model.fit(scaler().transform(X) if scaled else X, y)


@cache
def scaler():
    return StandardScaler().fit(digits()[0])


# ----------------------------------------------------------------------------- frozen estimators
@pytest.mark.parametrize(
    "fitted", [PCA(5), make_pipeline(StandardScaler(), PCA(5)), BernoulliRBM(5, n_iter=3)], ids=str
)
def test_every_question_of_a_frozen_step(fitted):
    """It answers as the model on top of it does, and refits leave it as it is."""
    X, y, X_test, y_test = digits()[2:]
    features = FrozenEstimator(clone(fitted).fit(digits()[0]))
    explainer = InfluenceExplainer(Pipeline([("features", features), ("model", TOP)])).fit(X, y)
    alone = InfluenceExplainer(TOP).fit(features.transform(X), y)
    tests, labels = X_test[:4], y_test[:4]
    inside = features.transform(tests)
    for kind in ("upweight", "removal", "refit"):
        got = explainer.influence(tests, labels, kind=kind)
        assert_allclose(got, alone.influence(inside, labels, kind=kind), rtol=1e-7, atol=1e-12)
    explained = explainer.explain(tests, labels, k=3)
    assert_array_equal(
        explained.helpful_indices, alone.explain(inside, labels, k=3).helpful_indices
    )
    assert_array_equal(explainer.model_feature_names_, features.get_feature_names_out())
    gradient = explainer.perturbation_gradient(tests, labels, indices=[0, 3])
    at_model = alone.perturbation_gradient(inside, labels, indices=[0, 3])
    assert_allclose(gradient, step_vjp(features.estimator, X[[0, 3]], at_model), rtol=1e-6)
    verified = explainer.verify(tests, labels, kind="refit", n_rows=4, preprocessing="refit")
    assert verified.correlation > 0.9999
    assert abs(verified.slope - 1.0) < 1e-3


def test_a_frozen_pipeline_with_names():
    """Of a DataFrame's columns, to the names of what the last frozen step makes."""
    X, y = digits()[2:4]
    frame = pd.DataFrame(X[:, 60:70], columns=[f"pixel{j}" for j in range(10)])
    steps = make_pipeline(StandardScaler(), PCA(3)).fit(frame)
    explainer = InfluenceExplainer(make_pipeline(FrozenEstimator(steps), TOP)).fit(frame, y)
    assert explainer.model_feature_names_.tolist() == ["pca0", "pca1", "pca2"]
    assert explainer.perturbation_gradient(frame[:2], y[:2], indices=[1]).shape == (2, 1, 10)
    around = InfluenceExplainer(FrozenEstimator(explainer.estimator_)).fit(frame, y)
    assert_allclose(around.self_influence(), explainer.self_influence())


def test_a_frozen_step_without_a_derivative():
    """The transformer inside is named; the model's own space needs none."""
    X, y = digits()[2:4]
    inner = Sorted().fit(X)
    explainer = InfluenceExplainer(make_pipeline(FrozenEstimator(inner), TOP)).fit(X, y)
    with raises(TypeError, "with Sorted, whose derivative it does not know", "step_vjp.register"):
        explainer.perturbation_gradient(X[:1], y[:1], indices=[0])
    inside = explainer.perturbation_gradient(X[:1], y[:1], indices=[0], space="model")
    assert inside.shape == (1, 1, X.shape[1])


class Sorted(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.sort(X, axis=1)


# ---------------------------------------------------------------------------- hidden activations
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, pd.DataFrame], ids=str)
@pytest.mark.parametrize("regressor", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_layers_are_those_of_the_network(activation, regressor, form):
    """By hand, and by the network's own last layer on top of them."""
    X, model = digits()[2], network(activation, regressor=regressor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the network knows no names of columns
        layers = [HiddenActivations(model, layer=layer).transform(form(X)) for layer in (0, 1)]
    hidden = X
    for got, weights, intercept in zip(
        layers, model.coefs_[:2], model.intercepts_[:2], strict=True
    ):
        hidden = ACTIVATIONS[activation](hidden @ weights + intercept)
        assert type(got) is np.ndarray
        assert_allclose(got, hidden, rtol=1e-10, atol=1e-12)
    output = (hidden @ model.coefs_[2] + model.intercepts_[2])[:, 0]
    predicted = model.predict(X) if regressor else model.predict_proba(X)[:, 1]
    assert_allclose(output if regressor else expit(output), predicted, rtol=1e-9)
    for layer, same in ((-1, 1), (-2, 0), (np.int64(1), 1)):
        assert_array_equal(
            HiddenActivations(model, layer=layer).transform(X), layers_of(model, same)
        )


def layers_of(model, layer):
    return HiddenActivations(model, layer=layer).transform(digits()[2])


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_step_is_the_derivative(activation, layer):
    step, X = HiddenActivations(network(activation), layer=layer), digits()[2][:10]
    check_slopes(step, X)
    check_slopes(FrozenEstimator(step), X)
    cotangents = np.random.default_rng(0).standard_normal((2, *step.transform(X).shape))
    want = step_vjp(step, X, cotangents)
    assert_allclose(step_vjp(step, sparse.csr_matrix(X), cotangents), want, rtol=1e-12)
    assert_allclose(step_vjp(step, pd.DataFrame(X), cotangents), want)


def test_the_kink_of_a_rectifier():
    """At 0 the mean of both sides."""
    model = MLPRegressor(hidden_layer_sizes=(2,), max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit([[0.0], [1.0]], [0.0, 1.0])
    model.coefs_[0], model.intercepts_[0] = np.array([[2.0, 3.0]]), np.array([0.0, -3.0])
    X = np.array([[0.0], [0.5], [1.0], [2.0]])
    got = step_vjp(HiddenActivations(model), X, np.ones((1, 4, 2)))
    assert_array_equal(got[0, :, 0], [1.0, 2.0, 2.0 + 1.5, 2.0 + 3.0])


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gradient_through_scaler_and_network(activation):
    step = HiddenActivations(network(activation, scaled=True))
    check_gradient_by_refits(make_pipeline(FrozenEstimator(scaler()), step, TOP))


def test_nothing_of_the_network_is_trained_or_copied():
    X, y = digits()[2:4]
    step = HiddenActivations(network())
    before = pickle.dumps(network())
    explainer = InfluenceExplainer(make_pipeline(step, TOP)).fit(X, y)
    assert explainer.estimator_[0].network is network()
    assert pickle.dumps(network()) == before
    unfitted = step.transform(X)  # fitting does nothing
    assert_array_equal(step.fit(X, y).transform(X), unfitted)
    assert step.n_features_in_ == 196
    assert not hasattr(step, "feature_names_in_")
    names = step.get_feature_names_out()
    assert names.tolist() == [f"hiddenactivations{unit}" for unit in range(8)]
    assert_array_equal(explainer.model_feature_names_, names)
    again = pickle.loads(pickle.dumps(step))
    assert_array_equal(again.transform(X), unfitted)
    copied = clone(step.set_output(transform="pandas"))
    assert copied.network is network()
    assert copied.transform(X).columns.tolist() == names.tolist()
    copied.set_output(transform="default")
    assert step.transform(X).columns.tolist() == names.tolist()
    step.set_output(transform="default")


def test_frames_belong_to_the_network():
    X, y = digits()[:2]
    frame = pd.DataFrame(X[:, 60:63], columns=list("abc"))
    model = MLPClassifier((4,), solver="lbfgs", max_iter=2000, random_state=0).fit(frame, y)
    step = HiddenActivations(model)
    assert step.feature_names_in_.tolist() == list("abc")
    explainer = InfluenceExplainer(make_pipeline(step, TOP)).fit(frame, y)
    assert explainer.perturbation_gradient(frame[:1], y[:1], indices=[2]).shape == (1, 1, 3)
    with raises(ValueError, "feature names should match"):
        step.fit(frame[list("cba")])


def test_layers_can_be_searched():
    X, y = digits()[2:4]
    pipeline = make_pipeline(HiddenActivations(network()), TOP)
    search = GridSearchCV(pipeline, {"hiddenactivations__layer": [0, 1]}, cv=3)
    explainer = InfluenceExplainer(search).fit(X, y)
    assert explainer.objective_.predictor.n_features in (8, 16)
    assert explainer.estimator_.best_estimator_[0].network is network()


def test_single_precision():
    X = digits()[2].astype(np.float32)
    single = MLPClassifier((16, 8), max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        step = HiddenActivations(single.fit(X, digits()[3]))
    assert step.transform(X).dtype == np.float32
    ones = np.ones((1, len(X), 8), dtype=np.float32)
    assert step_vjp(step, X, ones).dtype == np.float32
    assert HiddenActivations(network()).transform(X).dtype == np.float64


def test_regressors_on_top():
    X, y = digits()[2:4]
    explainer = InfluenceExplainer(make_pipeline(HiddenActivations(network()), Ridge())).fit(X, y)
    gradient = explainer.perturbation_gradient(X[:2], y[:2], indices=[1])
    assert gradient.shape == (2, 1, 196)
    verified = explainer.verify(X[:3], y[:3], n_rows=4)
    assert verified.correlation > 0.9999


OTHER_WIDTHS = {
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_transformers_unfitted_stateless",
}


@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn():
    """But for those whose rows have other widths: a frozen network takes its own alone."""
    model = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", max_iter=5, random_state=0)
    X = np.random.default_rng(0).standard_normal((20, 3))
    step = HiddenActivations(model.fit(X, X[:, 0]))
    expected = dict.fromkeys(OTHER_WIDTHS, "the network has 3 features")
    results = check_estimator(step, expected_failed_checks=expected)
    assert sum(each["status"] == "passed" for each in results) > 20
    assert {each["check_name"] for each in results if each["status"] == "xfail"} == OTHER_WIDTHS


# ----------------------------------------------------------------------------------------- attack
@pytest.mark.parametrize("activation", ["tanh", "logistic", "relu"])
def test_attack_through_the_network(activation):
    check_attack(make_pipeline(HiddenActivations(network(activation)), TOP))


def test_attack_through_frozen_steps():
    """Scaled pixels, two layers of the network, and the model on top."""
    steps = make_pipeline(scaler(), HiddenActivations(network("relu", scaled=True)))
    check_attack(Pipeline([("features", FrozenEstimator(steps)), ("model", TOP)]))


# ----------------------------------------------------------------------------------------- errors
def test_what_is_no_network():
    X = digits()[2]
    pipeline = make_pipeline(scaler(), network(scaled=True))
    for wrong in (Ridge().fit(X, X[:, 0]), pipeline, "tanh", None, MLPClassifier):
        with raises(TypeError, "got a network of type", "last step", "best_estimator_"):
            HiddenActivations(wrong).fit(X)
        with raises(TypeError, "HiddenActivations got a network of type"):
            HiddenActivations(wrong).transform(X)


def test_a_network_that_is_not_fitted():
    with raises(NotFittedError, "MLPClassifier that is not fitted", "never trained here"):
        HiddenActivations(MLPClassifier()).fit(digits()[2])


@pytest.mark.parametrize("layer", [2, -3, 1.0, "last", True, None])
def test_a_layer_that_is_not_there(layer):
    with raises(ValueError, f"got layer={layer!r} of a network with 2 hidden", "from -2 to 1"):
        HiddenActivations(network(), layer=layer).fit(digits()[2])


def test_a_network_without_hidden_layers():
    X, y = digits()[:2]
    flat = MLPClassifier((), solver="lbfgs", max_iter=2000).fit(X[:, 60:63], y)
    with raises(ValueError, "got layer=-1 of a network with 0 hidden layers; needed is one."):
        HiddenActivations(flat).fit(X[:, 60:63])


def test_other_rows():
    with raises(ValueError, "X has 3 features, but MLPClassifier is expecting 196 features"):
        HiddenActivations(network()).transform(np.ones((2, 3)))
    with raises(ValueError, "contains NaN"):
        HiddenActivations(network()).transform(np.full((2, 196), np.nan))


def test_parameters_of_the_network():
    step = HiddenActivations(network())
    assert step.get_params() == {"network": network(), "layer": -1}
    with raises(ValueError, "got network__alpha; its network is held as it is", "pass that as"):
        step.set_params(network__alpha=1.0)
    assert step.set_params(layer=0).layer == 0


def test_without_pytorch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    features = skinfluence.torch.TorchFeatures(object())
    with raises(ImportError, "TorchFeatures needs PyTorch", 'pip install "skinfluence[torch]"'):
        features.fit(np.ones((2, 2)))
    with raises(ImportError, "needs PyTorch"):
        features.transform(np.ones((2, 2)))
