"""What functionals read of a model: its answers on some rows, beside the truth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, softmax

from ..curvature import Array

if TYPE_CHECKING:
    from .base import Slope


class Readings(ABC):
    """A model's answers for n rows and m sets of parameters.

    Parameters
    ----------
    y : array-like
        Of the rows, as the user gave it.
    name : str
        Of the functional that reads, for errors.
    """

    def __init__(self, y: Any, name: str) -> None:
        self.y = y
        self.name = name

    # ----------------------------------------------------------------------------------- truth
    @property
    @abstractmethod
    def is_classification(self) -> bool:
        """Whether the rows have classes."""

    @property
    @abstractmethod
    def classes(self) -> Array:
        """Labels in the order of codes."""

    @property
    @abstractmethod
    def codes(self) -> Array:
        """Class of each row, (n,)."""

    @property
    @abstractmethod
    def targets(self) -> Array:
        """Targets of a regressor, (n, C)."""

    # --------------------------------------------------------------------------------- answers
    @property
    @abstractmethod
    def shown(self) -> Array:
        """Decision values or predictions as the estimator shows them, (n, C, m)."""

    @property
    def shown_by_class(self) -> bool:
        """Whether these have a column for each class, or one for two classes."""
        return True

    @property
    @abstractmethod
    def scores(self) -> Array:
        """What the predicted class goes by, (n, C, m), or (n, 1, m) for two classes."""

    @property
    @abstractmethod
    def predicted(self) -> Array:
        """Codes of predicted classes, (n, m)."""

    @property
    @abstractmethod
    def probabilities(self) -> Array:
        """Of all classes, (n, C, m)."""

    @property
    def has_probabilities(self) -> bool:
        """Whether classes have any."""
        return True

    @property
    @abstractmethod
    def losses(self) -> Array:
        """The estimator's own, (n, m)."""

    @abstractmethod
    def pull(self, slope: Slope) -> Array:
        """Derivatives by decision values from those by some readings."""

    @property
    def n_rows(self) -> int:
        """How many rows, n."""
        return len(self.shown)

    # ------------------------------------------------------------------------------------ words
    def require_one_label(self) -> None:
        """Refuse several labels of each row; decision values alone don't tell.

        Raises
        ------
        TypeError
        """
        return

    def require_classes(self) -> None:
        """Refuse regressors.

        Raises
        ------
        TypeError
        """
        if not self.is_classification:
            raise TypeError(
                f"functionals.{self.name} got a regressor; it reads predicted classes. Use "
                "mean_loss, r2, prediction, coefficient or a callable of your own."
            )

    def require_targets(self) -> None:
        """Refuse classifiers.

        Raises
        ------
        TypeError
        """
        if self.is_classification:
            raise TypeError(
                f"functionals.{self.name} got a classifier; it compares predicted values with "
                "numbers. Use mean_loss, accuracy, roc_auc, brier_score or another of classes."
            )

    def code_of(self, label: Any, setting: str) -> int:
        """Code of one label.

        Raises
        ------
        ValueError
        """
        known = self.classes.tolist()
        if label not in known:
            raise ValueError(
                f"functionals.{self.name} got {setting}={label!r}; needed is one of the classes "
                f"{known[:20]}."
            )
        return known.index(label)


class DecisionReadings(Readings):
    """Of decision values without a model, m = 1.

    Parameters
    ----------
    decision_values : array-like of shape (n,) or (n, C)
    y : array-like
    classes : array-like, optional
    name : str
    """

    def __init__(self, decision_values: Any, y: Any, classes: Any, *, name: str) -> None:
        super().__init__(np.asarray(y), name)
        values = np.asarray(decision_values, dtype=np.float64)
        self._values = values if values.ndim == 2 else values.reshape(-1, 1)
        self._classes = classes
        if len(self.y) != len(values):
            raise ValueError(
                f"functionals.{name} got {len(values)} decision values and y of length "
                f"{len(self.y)}; needed is one of each for every row."
            )

    @property
    def is_classification(self) -> bool:
        """What the functional takes it for."""
        return True

    def require_targets(self) -> None:
        """Numbers are taken as they come."""

    @cached_property
    def classes(self) -> Array:
        """Given, or those of y."""
        found = np.unique(self.y) if self._classes is None else np.asarray(self._classes)
        needed = max(2, self._values.shape[1])
        if len(found) != needed:
            raise ValueError(
                f"functionals.{self.name} got {len(found)} classes, {found.tolist()[:20]}, for "
                f"decision values of {needed}. Pass classes=, the labels in their order."
            )
        return found

    @cached_property
    def codes(self) -> Array:
        """(n,)."""
        same = self.y[:, None] == self.classes
        if not same.any(axis=1).all():
            raise ValueError(f"functionals.{self.name} got labels in y that are not in classes.")
        return np.asarray(same.argmax(axis=1))

    @property
    def targets(self) -> Array:
        """(n, C)."""
        targets = np.asarray(self.y, dtype=np.float64)
        return targets if targets.ndim == 2 else targets.reshape(-1, 1)

    @property
    def shown(self) -> Array:
        """(n, C, 1)."""
        return self._values[:, :, None]

    scores = shown

    @property
    def predicted(self) -> Array:
        """(n, 1)."""
        if self._values.shape[1] == 1:
            return (self._values > 0).astype(np.intp)
        return self._values.argmax(axis=1)[:, None]

    @property
    def probabilities(self) -> Array:
        """(n, C, 1), by the sigmoid or the softmax."""
        if self._values.shape[1] == 1:
            positive = expit(self._values)
            return np.stack([1.0 - positive, positive], axis=1)
        return np.asarray(softmax(self._values, axis=1)[:, :, None])

    @property
    def losses(self) -> Array:
        """Unknown without a model."""
        raise TypeError(
            f"functionals.{self.name} reads the loss of a model, and decision values don't tell "
            "which that is. Pass it to InfluenceExplainer.functional_influence."
        )

    def pull(self, slope: Slope) -> Array:
        """(n, C)."""
        if slope.of != "probabilities":
            return slope.values
        chances = self.probabilities[:, :, 0]
        mean = (chances * slope.values).sum(axis=1, keepdims=True)
        by_class = chances * (slope.values - mean)
        return by_class[:, 1:] if self._values.shape[1] == 1 else by_class
