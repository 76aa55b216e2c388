"""PyTorch modules as steps of a pipeline, with autograd's derivative. Needs the extra ``torch``."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from .autograd import WHO, running
from .curvature import Array
from .frozen import FrozenNetwork
from .transformers import step_vjp
from .transformers.rows import numbers

__all__ = ["TorchFeatures"]

# Features of a row alone and among others may differ by this share of the largest.
ROUNDING = 1e-3


class TorchFeatures(FrozenNetwork):
    """What a PyTorch module makes of rows, as features for the model after it.

    Before a linear model in a pipeline this is a network of which all but the top layer is frozen,
    the setting of Section 5.2: ``perturbation_gradient`` and the training-set attack differentiate
    through all of it, by autograd. The module is never trained, and clones share it.

    Parameters
    ----------
    module : torch.nn.Module
        Takes a tensor of rows and returns one of as many rows, which are flattened. It runs in
        evaluation mode, and is left in the mode that it was in.
    input_shape : tuple of int, optional
        Of one row as the module takes it, such as (1, 28, 28) for images; None leaves rows flat.
    batch_size : int, default=256
        Rows at a time.
    device : str or torch.device, default="cpu"
        Where the module runs; a copy of it if it lives elsewhere.
    dtype : {None, "float32", "float64"}, default=None
        In what the module runs; a copy of it if it is in another one. None leaves it as it is.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : ndarray of str objects
        For DataFrames.

    Raises
    ------
    ImportError
        In ``fit`` and ``transform``, where PyTorch is missing.
    TypeError
        For what is no module, and outputs that are no tensor.
    ValueError
        For rows that the module does not take, features that aren't finite or that depend on the
        other rows of the batch, and, asked for a gradient, outputs that have none.

    Notes
    -----
    Features have the dtype of X, so that the model after them is fitted in double precision even if
    the network is in single. At a kink, such as 0 for a rectifier, the derivative is autograd's.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skinfluence import InfluenceExplainer
    >>> from skinfluence.datasets import load_mnist17
    >>> from skinfluence.torch import TorchFeatures
    >>> digits = load_mnist17()
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Conv2d(1, 4, kernel_size=5, stride=3), torch.nn.Tanh(), torch.nn.Flatten()
    ... )  # doctest: +SKIP
    >>> features = TorchFeatures(network, input_shape=(1, 28, 28))  # doctest: +SKIP
    >>> model = make_pipeline(features, LogisticRegression())  # doctest: +SKIP
    >>> explainer = InfluenceExplainer(model).fit(
    ...     digits.data[::15], digits.target[::15]
    ... )  # doctest: +SKIP
    >>> explainer.perturbation_gradient(
    ...     digits.test_data[[268]], indices=[3]
    ... ).shape  # doctest: +SKIP
    (1, 1, 784)
    """

    _network = "module"

    def __init__(
        self,
        module: Any,
        *,
        input_shape: tuple[int, ...] | None = None,
        batch_size: int = 256,
        device: Any = "cpu",
        dtype: Any = None,
    ) -> None:
        self.module = module
        self.input_shape = input_shape
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None) -> TorchFeatures:
        """Check the module on one batch of rows; nothing is trained.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
        y : None
            Not used.

        Returns
        -------
        self
        """
        rows = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32])
        together = self._features(rows[: self._size()])
        self._require_own_features(self._features(rows[:1])[0], together[0])
        self._n_features_out = together.shape[1]
        return self

    def transform(self, X: Any) -> Array:
        """The module's output, flattened.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (rows, n_features)

        Returns
        -------
        ndarray of shape (rows, n_outputs)
            Of the dtype of X where that is float32 or float64.
        """
        options = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}
        if not hasattr(self, "n_features_in_"):  # not fitted, as is allowed
            return self._features(check_array(X, **options))
        return self._features(validate_data(self, X, reset=False, **options))

    def _features(self, rows: Any) -> Array:
        with self._running() as module:
            features = np.concatenate(
                [module.features(_dense(rows[block])) for block in self._blocks(rows)]
            )
        wrong = int((~np.isfinite(features)).any(axis=1).sum())
        if wrong:
            raise ValueError(
                f"{WHO} got NaN or infinite features from its module for {wrong} of "
                f"{len(features)} rows; needed are finite ones. Scale the rows as those that the "
                "module was trained on, or leave these out."
            )
        return features

    def _input_gradients(self, X: Any, cotangents: Array) -> Array:
        rows = numbers(X)
        result = np.empty((*cotangents.shape[:2], rows.shape[1]), dtype=cotangents.dtype)
        with self._running() as module:
            for block in self._blocks(rows):
                given = _dense(rows[block]), cotangents[:, block]
                result[:, block] = module.input_gradients(*given, self._size())
        result[~np.isfinite(result)] = np.nan
        return result

    def _running(self) -> Any:
        return running(self.module, self._shape(), self.device, self.dtype)

    def _blocks(self, rows: Any) -> list[slice]:
        size = self._size()
        return [slice(first, first + size) for first in range(0, rows.shape[0], size)]

    def _size(self) -> int:
        size = self.batch_size
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise ValueError(
                f"{WHO} got batch_size={size!r}; needed is a whole number of at least 1."
            )
        return int(size)

    def _shape(self) -> tuple[int, ...] | None:
        if self.input_shape is None:
            return None
        sides = np.asarray(self.input_shape)
        if sides.ndim != 1 or sides.dtype.kind not in "iu" or (sides < 1).any():
            raise ValueError(
                f"{WHO} got input_shape={self.input_shape!r}; needed is the shape of one row, such "
                "as (1, 28, 28), or None."
            )
        return tuple(sides.tolist())

    def _require_own_features(self, alone: Array, together: Array) -> None:
        """A row's features are its own: derivatives are taken row by row."""
        change = float(np.abs(alone - together).max(initial=0.0))
        if change > ROUNDING * float(np.abs(together).max(initial=0.0)):
            raise ValueError(
                f"{WHO} got a module ({type(self.module).__name__}) whose features of a row differ "
                f"by {change:.3g} between two calls, alone and in a batch; needed are features of "
                "each row by itself. Make drop-out follow evaluation mode, and let normalisations "
                "of batches use running statistics."
            )


def _dense(rows: Any) -> Array:
    return np.asarray(rows.toarray() if sparse.issparse(rows) else rows)


@step_vjp.register(TorchFeatures)
def _autograd(step: TorchFeatures, X: Any, cotangents: Array) -> Array:
    return step._input_gradients(X, cotangents)
