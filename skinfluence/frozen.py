"""What transformers around a trained network share: fitting never trains it, clones hold it too."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

FITTED = ("n_features_in_", "feature_names_in_", "_n_features_out")


class FrozenNetwork(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A transformer whose first parameter, named by ``_network``, is a network that stays as it is.

    An explainer, ``verify`` and searches clone all steps; scikit-learn would clone the network to
    one that is not trained. As with ``FrozenEstimator``, its own parameters are not this one's.
    """

    _network: str

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, without those of the network.

        Parameters
        ----------
        deep : bool, default=True
            Not used.

        Returns
        -------
        dict
        """
        return dict(super().get_params(deep=False))

    def set_params(self, **params: Any) -> Any:
        """Set parameters, but for those of the network.

        Parameters
        ----------
        **params

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For parameters of the network, which clones share.
        """
        inner = sorted(name for name in params if "__" in name)
        if inner:
            raise ValueError(
                f"{type(self).__name__} got {', '.join(inner)}; its network is held as it is, and "
                f"shared by clones. Set them on the network before it is trained, and pass that as "
                f"{self._network}."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self) -> Any:
        network = getattr(self, self._network)
        result: Any = deepcopy(self, {id(network): network})
        for name in FITTED:
            result.__dict__.pop(name, None)
        return result

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.sparse = True
        return tags
