"""PyTorch modules as steps: their features, autograd's derivative, and what is said if it fails."""

import doctest
import pickle
from functools import cache

import numpy as np
import pytest
from frozen_networks import TOP, check_attack, check_gradient_by_refits, check_slopes, digits
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from wording import raises

from skinfluence import HiddenActivations, InfluenceExplainer
from skinfluence.transformers import step_vjp

torch = pytest.importorskip("torch", reason="PyTorch, the extra 'torch', is not installed")
pd = pytest.importorskip("pandas")

from skinfluence.torch import TorchFeatures  # noqa: E402

nn = torch.nn
SHAPE = (1, 14, 14)


class Function(nn.Module):
    """A function as a module, with a parameter that it may use."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, rows):
        return self.function(rows)


@cache
def convolutions(activation=nn.Tanh):
    """A small network for images, trained on some digits."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2), activation(), nn.BatchNorm2d(6), nn.Flatten(),
        nn.Linear(216, 12), activation(), nn.Dropout(0.2),
    )  # fmt: skip
    top = nn.Linear(12, 1)
    X, y = digits()[:2]
    rows = torch.tensor(X, dtype=torch.float32).reshape(-1, *SHAPE)
    labels = torch.tensor(y == 7, dtype=torch.float32)[:, None]
    descent = torch.optim.Adam([*network.parameters(), *top.parameters()], lr=0.01)
    for _ in range(40):
        descent.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(top(network(rows)), labels).backward()
        descent.step()
    network.zero_grad(set_to_none=True)
    return network.train()


def images(activation=nn.Tanh, **options):
    return TorchFeatures(convolutions(activation), **{"input_shape": SHAPE, **options})


# --------------------------------------------------------------------------------------- features
def test_features_are_those_by_hand():
    """Of layers copied from a network of scikit-learn, whose features NumPy has."""
    X, y = digits()[:2]
    network = MLPClassifier((7, 5), activation="tanh", solver="lbfgs", max_iter=500).fit(X, y)
    layers = []
    for weights, intercept in zip(network.coefs_[:2], network.intercepts_[:2], strict=True):
        layer = nn.Linear(*weights.shape, dtype=torch.float64)
        layer.load_state_dict({"weight": torch.tensor(weights.T), "bias": torch.tensor(intercept)})
        layers += [layer, nn.Tanh()]
    step, by_hand = TorchFeatures(nn.Sequential(*layers), batch_size=9), HiddenActivations(network)
    rows = digits()[2]
    assert_allclose(step.fit(rows).transform(rows), by_hand.transform(rows), rtol=1e-12)
    cotangents = np.random.default_rng(0).standard_normal((3, len(rows), 5))
    want = step_vjp(by_hand, rows, cotangents)
    assert_allclose(step_vjp(step, rows, cotangents), want, rtol=1e-10, atol=1e-14)
    around = InfluenceExplainer(make_pipeline(step, TOP)).fit(rows, digits()[3])
    plain = InfluenceExplainer(make_pipeline(by_hand, TOP)).fit(rows, digits()[3])
    test = digits()[4][:3]
    for kind in ("upweight", "removal"):
        want = plain.influence(test, kind=kind)
        assert_allclose(around.influence(test, kind=kind), want, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batches_and_containers_do_not_matter(batch_size):
    X = digits()[2][:30]
    step, want = images(batch_size=batch_size, dtype="float64"), images(dtype="float64")
    for rows in (X, sparse.csr_matrix(X), pd.DataFrame(X), X.tolist()):
        assert_allclose(step.transform(rows), want.transform(X), rtol=1e-10, atol=1e-12)
    cotangents = np.random.default_rng(0).standard_normal((5, len(X), 12))
    slopes = step_vjp(want, X, cotangents)
    for rows in (X, sparse.csr_matrix(X), pd.DataFrame(X)):
        assert_allclose(step_vjp(step, rows, cotangents), slopes, rtol=1e-9, atol=1e-12)
    one = step_vjp(step, X[:1], cotangents[:, :1])
    assert_allclose(one, slopes[:, :1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("module_dtype", [None, "float32", "float64", torch.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_have_the_dtype_of_the_rows(dtype, module_dtype):
    X = digits()[2][:5].astype(dtype)
    step = images(dtype=module_dtype)
    assert step.transform(X).dtype == dtype
    assert_allclose(step.transform(X), images().transform(X), rtol=1e-4, atol=1e-5)
    slopes = step_vjp(step, X, np.ones((2, 5, 12), dtype=dtype))
    assert slopes.dtype == dtype
    assert next(step.module.parameters()).dtype == torch.float32  # another one ran
    assert images().transform((10 * X).astype(int)).dtype == np.float64


def test_outputs_of_any_shape_are_flattened():
    X = digits()[2][:4]
    step = TorchFeatures(nn.Conv2d(1, 2, 3), input_shape=SHAPE).fit(X)
    assert step.transform(X).shape == (4, 2 * 12 * 12)
    assert step.get_feature_names_out()[-1] == "torchfeatures287"
    single = TorchFeatures(Function(lambda rows: rows.sum(dim=1)))
    assert single.transform(X).shape == (4, 1)


# -------------------------------------------------------------------------------------- derivatives
@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.SiLU])
def test_autograd_is_the_derivative(activation):
    step, X = images(activation, dtype="float64", batch_size=4), digits()[2][:10]
    check_slopes(step, X, tolerance=1e-6)
    check_slopes(FrozenEstimator(step.fit(X)), X, tolerance=1e-6)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_gradient_through_scaler_and_network(activation):
    scaler = FrozenEstimator(StandardScaler(with_std=False).fit(digits()[0]))
    check_gradient_by_refits(make_pipeline(scaler, images(activation, dtype="float64"), TOP))


def test_single_precision_is_near_it():
    X, y = digits()[2:4]
    slopes = [
        InfluenceExplainer(make_pipeline(images(dtype=dtype), TOP))
        .fit(X, y)
        .perturbation_gradient(X[:3], y[:3], indices=[1, 2])
        for dtype in (None, "float64")
    ]
    assert_allclose(slopes[0], slopes[1], rtol=1e-3, atol=1e-4 * np.abs(slopes[1]).max())


def test_no_derivative_is_nan():
    step = TorchFeatures(Function(lambda rows: rows.sqrt()))
    got = step_vjp(step, np.array([[0.0, 4.0]]), np.ones((1, 1, 2)))
    assert_array_equal(got, [[[np.nan, 0.25]]])


def test_gradients_are_there_where_they_are_switched_off():
    step, X = images(), digits()[2][:3]
    ones = np.ones((1, 3, 12))
    want = step_vjp(step, X, ones)
    with torch.no_grad():
        assert_array_equal(step_vjp(step, X, ones), want)
    with torch.inference_mode():
        assert_array_equal(step_vjp(step, X, ones), want)


# ----------------------------------------------------------------- the module stays as it is
def test_nothing_is_trained_and_modes_stay():
    X, y = digits()[2:4]
    network = convolutions()
    network[2].eval()
    modes = [part.training for part in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    explainer = InfluenceExplainer(make_pipeline(images(), TOP)).fit(X, y)
    explainer.perturbation_gradient(X[:2], y[:2], indices=[0])
    assert [part.training for part in network.modules()] == modes
    assert modes[0]
    assert not modes[3]
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(each.grad is None for each in network.parameters())
    network.train()
    with raises(ValueError, "does not take"):
        images(input_shape=None).transform(X)
    assert all(part.training for part in network.modules())


def test_gradients_of_parameters_are_left_alone():
    layer = nn.Linear(2, 3)
    layer.requires_grad_(False)
    step, X = TorchFeatures(layer), np.ones((2, 2))
    want = layer.weight.sum(dim=0).numpy()
    assert_allclose(step_vjp(step, X, np.ones((1, 2, 3)))[0], [want, want], rtol=1e-6)
    layer.requires_grad_(True)
    assert_allclose(step_vjp(step, X, np.ones((1, 2, 3)))[0], [want, want], rtol=1e-6)
    assert layer.weight.grad is None


def test_modules_that_write_into_their_input():
    X = np.array([[-1.0, 2.0]])
    step = TorchFeatures(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 1)))
    step.fit(X).transform(X)
    slopes = step_vjp(step, X, np.ones((1, 1, 1)))
    assert_array_equal(X, [[-1.0, 2.0]])
    assert slopes[0, 0, 0] == 0.0
    assert slopes[0, 0, 1] == pytest.approx(step.module[1].weight[0, 1].item())


def test_clones_share_the_module():
    X = digits()[2]
    step = images(batch_size=5).fit(X)
    copied = clone(step)
    assert copied.module is step.module
    assert copied.batch_size == 5
    assert not hasattr(copied, "n_features_in_")
    with raises(NotFittedError, "not fitted yet"):
        copied.get_feature_names_out()
    again = pickle.loads(pickle.dumps(step))
    assert again.module is not step.module
    assert_array_equal(again.transform(X), step.transform(X))
    assert_array_equal(again.get_feature_names_out(), step.get_feature_names_out())
    with raises(ValueError, "got module__p; its network is held", "pass that as module"):
        step.set_params(module__p=1)


def test_names_of_columns():
    frame = pd.DataFrame(digits()[2][:, 60:63], columns=list("abc"))
    step = TorchFeatures(nn.Linear(3, 2)).set_output(transform="pandas").fit(frame)
    assert list(step.transform(frame)) == ["torchfeatures0", "torchfeatures1"]
    assert step.feature_names_in_.tolist() == list("abc")
    explainer = InfluenceExplainer(make_pipeline(step, TOP)).fit(frame, digits()[3])
    assert explainer.model_feature_names_.tolist() == ["torchfeatures0", "torchfeatures1"]
    assert explainer.perturbation_gradient(frame[:1], [1], indices=[2]).shape == (1, 1, 3)


@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn():
    results = check_estimator(TorchFeatures(nn.Tanh()))
    assert sum(each["status"] == "passed" for each in results) > 35


def test_the_example_of_the_docstring():
    """Which is skipped where the documentation is built without PyTorch."""
    source = TorchFeatures.__doc__.replace("# doctest: +SKIP", "")
    example = doctest.DocTestParser().get_doctest(source, {}, "TorchFeatures", None, 0)
    assert len(example.examples) > 8
    assert doctest.DocTestRunner().run(example).failed == 0


# ------------------------------------------------------------------------------------------ attack
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_attack_through_the_network(activation):
    check_attack(make_pipeline(images(activation), TOP))


def test_refits_of_the_pipeline_keep_the_network():
    X, y = digits()[2:4]
    explainer = InfluenceExplainer(make_pipeline(images(), TOP)).fit(X, y)
    verified = explainer.verify(X[:3], y[:3], kind="refit", n_rows=4, preprocessing="refit")
    assert verified.correlation > 0.9999
    assert abs(verified.slope - 1.0) < 1e-3


# ------------------------------------------------------------------------------------------ errors
@pytest.mark.parametrize("wrong", ["network", None, np.tanh, nn.Tanh])
def test_what_is_no_module(wrong):
    with raises(TypeError, "TorchFeatures got a module of type", "needed is a torch.nn.Module"):
        TorchFeatures(wrong).fit(np.ones((2, 2)))


def test_rows_of_another_width():
    X = digits()[2]
    with raises(ValueError, "got rows of 196 features for input_shape=(1, 28, 28)", "784"):
        images(input_shape=(1, 28, 28)).fit(X)
    with raises(ValueError, "got rows of 196 features", "shape (100, 196)", "input_shape says"):
        TorchFeatures(nn.Linear(5, 2)).fit(X)
    with raises(ValueError, "X has 195 features, but TorchFeatures is expecting 196 features"):
        images().fit(X).transform(X[:, 1:])


@pytest.mark.parametrize("wrong", ["images", (1, -14, 14), (1.0, 196), 196, ((1, 2),)])
def test_what_is_no_shape(wrong):
    with raises(ValueError, f"got input_shape={wrong!r}; needed is the shape of one row"):
        images(input_shape=wrong).fit(digits()[2])


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "all", None, True])
def test_what_is_no_size_of_a_batch(wrong):
    with raises(ValueError, f"got batch_size={wrong!r}; needed is a whole number of at least 1"):
        images(batch_size=wrong).fit(digits()[2])


def test_other_devices_and_dtypes():
    with raises(ValueError, "got device='abacus', which PyTorch does not have here", "'cpu'"):
        images(device="abacus").fit(digits()[2])
    for wrong in ("int64", torch.float16, float):
        with raises(ValueError, "got dtype=", "needed is one of ['float32', 'float64'], or None"):
            images(dtype=wrong).fit(digits()[2])


def test_features_that_are_not_finite():
    X = np.array([[1.0, 2.0], [0.0, 1.0], [-1.0, 1.0]])
    step = TorchFeatures(Function(torch.log))
    with raises(ValueError, "got NaN or infinite features", "for 2 of 3 rows", "Scale the rows"):
        step.transform(X)
    with raises(ValueError, "contains NaN"):
        step.transform(np.full((2, 2), np.nan))


@pytest.mark.parametrize(
    "function",
    [
        lambda rows: rows.detach().tanh(),
        lambda rows: rows.argmax(dim=1),
        lambda rows: torch.tensor(np.tanh(rows.detach().numpy())),
        lambda rows: torch.no_grad()(torch.tanh)(rows),
    ],
)
def test_outputs_that_do_not_follow(function):
    X = np.ones((4, 3))
    step = TorchFeatures(Function(function)).fit(X)
    with raises(ValueError, "(Function) whose output does not follow its input", "space='model'"):
        step_vjp(step, X, np.ones((1, *step.transform(X).shape)))


def test_outputs_of_parameters_alone_do_not_follow():
    class Constant(nn.Linear):
        def forward(self, rows):
            return self.weight.sum() * torch.ones_like(rows)

    with raises(ValueError, "(Constant) whose output does not follow its input"):
        step_vjp(TorchFeatures(Constant(3, 1)), np.ones((4, 3)), np.ones((1, 4, 3)))


def test_outputs_that_are_no_features():
    X = np.ones((4, 3))
    with raises(TypeError, "(Function) that returns tuple; needed is one tensor", "picks"):
        TorchFeatures(Function(lambda rows: (rows, rows))).fit(X)
    with raises(ValueError, "returns a tensor of shape () for 4 rows", "row as first axis"):
        TorchFeatures(Function(torch.sum)).fit(X)
    with raises(ValueError, "returns a tensor of shape (3, 4) for 4 rows"):
        TorchFeatures(Function(torch.t)).fit(X)


@pytest.mark.parametrize(
    "module",
    [
        Function(lambda rows: nn.functional.dropout(rows)),
        Function(lambda rows: rows - rows.mean(dim=0)),
    ],
)
def test_features_that_depend_on_other_rows(module):
    X = np.random.default_rng(0).standard_normal((20, 3))
    words = "whose features of a row differ by", "alone and in a batch", "running statistics"
    with raises(ValueError, *words):
        TorchFeatures(module).fit(X)
    with raises(ValueError, "BatchNorm1d", "does not take", "(1, 3): Expected more than 1 value"):
        TorchFeatures(nn.BatchNorm1d(3, track_running_stats=False)).fit(X)
