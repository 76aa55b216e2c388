"""The hidden layers of scikit-learn's networks as features, with their derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from .curvature import Array
from .frozen import FrozenNetwork
from .predictors.activations import ACTIVATIONS
from .transformers import step_vjp
from .transformers.rows import numbers

WHO = "HiddenActivations"


class HiddenActivations(FrozenNetwork):
    """Activations of a hidden layer of a network that is trained already.

    Before a linear model in a pipeline this is a network of which all but the top layer is frozen,
    the setting of Section 5.2. ``fit`` never trains the network, and clones share it.

    Parameters
    ----------
    network : MLPClassifier or MLPRegressor
        Fitted.
    layer : int, default=-1
        The hidden layer, from 0, or from the last one, -1, backwards.

    Attributes
    ----------
    n_features_in_ : int
        Of the network.
    feature_names_in_ : ndarray of str objects
        Of the network, where it has any.

    Raises
    ------
    TypeError
        In ``fit`` and ``transform``, for anything but such a network.
    sklearn.exceptions.NotFittedError
        For one that is not fitted.
    ValueError
        For a layer that it does not have.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from skinfluence import HiddenActivations, InfluenceExplainer
    >>> from skinfluence.datasets import load_mnist17
    >>> digits = load_mnist17()
    >>> network = MLPClassifier((20, 10), activation="tanh", solver="lbfgs", random_state=0)
    >>> network = network.fit(digits.test_data, digits.test_target)
    >>> model = make_pipeline(HiddenActivations(network), LogisticRegression())
    >>> explainer = InfluenceExplainer(model).fit(digits.data[::15], digits.target[::15])
    >>> test_row = digits.test_data[[268]]
    >>> explainer.perturbation_gradient(test_row, indices=[3]).shape  # of its pixels
    (1, 1, 784)
    """

    _network = "network"

    def __init__(self, network: Any, *, layer: int = -1) -> None:
        self.network = network
        self.layer = layer

    @property
    def n_features_in_(self) -> int:
        """Number of features of the network."""
        return int(self.network.n_features_in_)

    @property
    def feature_names_in_(self) -> Any:
        """Feature names of the network; AttributeError where it has none."""
        return self.network.feature_names_in_

    @property
    def _n_features_out(self) -> int:
        return int(self._layers()[-1][0].shape[1])

    def fit(self, X: Any, y: Any = None) -> HiddenActivations:
        """Check network, layer and rows; nothing is trained.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
        y : None
            Not used.

        Returns
        -------
        self
        """
        self._layers()
        self._rows(X)
        return self

    def transform(self, X: Any) -> Array:
        """What the units of the layer answer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (rows, n_features)

        Returns
        -------
        ndarray of shape (rows, n_units)
        """
        layers, outputs = self._layers(), self._rows(X)
        value = ACTIVATIONS[self.network.activation].value
        for weights, intercept in layers:
            outputs = value(outputs @ weights + intercept)
        return np.asarray(outputs)

    def _rows(self, X: Any) -> Any:
        return validate_data(
            self.network, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32]
        )

    def _layers(self) -> list[tuple[Array, Array]]:
        """Weights (units before, units) and intercepts of the layers up to the chosen one."""
        n_hidden = _n_hidden_layers(self.network)
        layer, whole = self.layer, isinstance(self.layer, (int, np.integer))
        if not whole or isinstance(layer, bool) or not -n_hidden <= layer < n_hidden:
            raise ValueError(
                f"{WHO} got layer={layer!r} of a network with {n_hidden} hidden layers; needed is "
                + (f"a whole number from {-n_hidden} to {n_hidden - 1}." if n_hidden else "one.")
            )
        last = range(n_hidden)[layer] + 1
        network = self.network
        return list(zip(network.coefs_[:last], network.intercepts_[:last], strict=True))


def _n_hidden_layers(network: Any) -> int:
    if getattr(network, "activation", None) not in ACTIVATIONS or not hasattr(network, "fit"):
        raise TypeError(
            f"{WHO} got a network of type {type(network).__name__}; needed is a fitted network of "
            f"scikit-learn (MLP...) with an activation of {sorted(ACTIVATIONS)}. Of a pipeline "
            "pass the last step, of a search its best_estimator_."
        )
    if not hasattr(network, "coefs_"):
        raise NotFittedError(
            f"{WHO} got a network of type {type(network).__name__} that is not fitted; it is held "
            "as it is and never trained here. Call its fit first."
        )
    return len(network.coefs_) - 1


@step_vjp.register(HiddenActivations)
def _backward(step: HiddenActivations, X: Any, cotangents: Array) -> Array:
    """δ_{l−1} = (δ_l ∘ φ'(h_l)) W_lᵀ, from the chosen layer down."""
    activation, layers = ACTIVATIONS[step.network.activation], step._layers()
    slopes, outputs = [], numbers(X)
    for weights, intercept in layers:
        signals = np.asarray(outputs @ weights + intercept)
        outputs = activation.value(signals)
        slopes.append(activation.slope(outputs))
        if step.network.activation == "relu":  # the mean of both sides of the kink
            slopes[-1][signals == 0.0] = 0.5
    for slope, (weights, _) in zip(reversed(slopes), reversed(layers), strict=True):
        cotangents = (cotangents * slope) @ weights.T
    return cotangents
