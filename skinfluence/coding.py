"""What the user's targets become inside: signs, class codes, or plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from sklearn.utils import check_array, column_or_1d

from .curvature import Array
from .responses import Response


class TargetCoding(Protocol):
    """User's y → what the loss reads."""

    is_classification: ClassVar[bool]
    has_labels: ClassVar[bool]

    def encode(self, y: Any, name: str) -> Array: ...
    def codes(self, y: Any, name: str) -> Array: ...
    def decode(self, encoded: Array) -> Array: ...
    def label(self, code: int) -> Any: ...
    def output_weights(self, codes: Array, n_outputs: int) -> Array: ...
    def present(self, values: Array) -> Array: ...
    def present_vjp(self, values: Array, cotangents: Array) -> Array: ...
    def elect(self, values: Array) -> Array: ...


@dataclass(frozen=True)
class ClassLabels:
    """Labels of a classifier.

    Parameters
    ----------
    classes : ndarray of shape (C,)
        The estimator's ``classes_``.
    layout : {"signs", "codes", "pairs"}
        What the loss wants: signs ±1, one column for two classes and one per class (one-vs-rest)
        for more; the class codes 0 … C − 1; or one column per pair of classes (one-vs-one), +1
        for the first of the two, −1 for the second and 0 for the others.
    presented_by_class : bool
        Whether the estimator makes one decision value per class of those of pairs.
    break_ties : bool
        Whether its predictions go by these, rather than to the first class with the most votes.
    second_positive : bool
        Whether it is the second class of each pair that has +1.
    """

    classes: Array
    layout: Literal["signs", "codes", "pairs"]
    presented_by_class: bool = False
    break_ties: bool = False
    second_positive: bool = False
    is_classification: ClassVar[bool] = True
    has_labels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise ValueError(
                "InfluenceExplainer got a classifier fitted on one class alone, "
                f"{self.classes.tolist()}; it needs at least 2 classes in y."
            )

    def codes(self, y: Any, name: str) -> Array:
        """Positions of the labels in ``classes``, (n,).

        Raises
        ------
        ValueError
            For labels that the model has not been fitted on.
        """
        labels = column_or_1d(np.asarray(y))
        if labels.dtype.kind == "f" and np.isnan(labels).any():
            raise ValueError(f"{name} contains NaN; every row needs a label.")
        codes = self._positions(labels)
        unseen = list(dict.fromkeys(labels[codes < 0].tolist()))
        if unseen:
            raise ValueError(
                f"{name} contains labels that the model was not fitted on: {unseen[:5]}. "
                f"It knows {self.classes.tolist()[:20]}. Drop these rows or map the labels."
            )
        return codes

    def _positions(self, labels: Array) -> Array:
        """Position of each label in ``classes``, −1 for labels that are not there."""
        numeric = labels.dtype.kind in "biuf" and self.classes.dtype.kind in "biuf"
        if numeric and (self.classes[:-1] < self.classes[1:]).all():
            nearest = np.searchsorted(self.classes, labels).clip(max=len(self.classes) - 1)
            return np.where(self.classes[nearest] == labels, nearest, -1)
        # Objects of mixed types can't be sorted.
        position = {label: k for k, label in enumerate(self.classes.tolist())}
        return np.array([position.get(label, -1) for label in labels.tolist()], dtype=np.intp)

    def label(self, code: int) -> Any:
        """The user's label of a class code."""
        return self.classes[code : code + 1].tolist()[0]

    def decode(self, encoded: Array) -> Array:
        """Class codes (n,) of what ``encode`` made."""
        if self.layout == "codes":
            return encoded
        if self.layout == "pairs":
            return np.asarray((encoded @ self.pairs.T).argmax(axis=1))
        if len(self.classes) == 2:
            return (encoded[:, 0] > 0).astype(np.intp)
        return encoded.argmax(axis=1)

    @cached_property
    def pairs(self) -> Array:
        """Signs of each class in each pair, (C, C (C − 1) / 2), in scikit-learn's order."""
        first, second = np.triu_indices(len(self.classes), k=1)
        signs = np.zeros((len(self.classes), len(first)))
        signs[first, np.arange(len(first))] = 1.0
        signs[second, np.arange(len(first))] = -1.0
        return -signs if self.second_positive else signs

    def output_weights(self, codes: Array, n_outputs: int) -> Array:
        """Weights (n, K) of the decision values in that of each row's class."""
        if self.layout == "pairs":
            return np.asarray(self.pairs[codes])
        if n_outputs == 1:
            return np.where(codes[:, None] == 1, 1.0, -1.0)
        return np.eye(n_outputs)[codes]

    def present(self, values: Array) -> Array:
        """Decision values (n, K, …) as the estimator shows them."""
        return self._by_class(values) if self.presented_by_class else values

    def present_vjp(self, values: Array, cotangents: Array) -> Array:
        """Gradient (n, K) of Σ_c cotangent_c · shown value_c; votes have none."""
        if not self.presented_by_class:
            return cotangents
        total = values @ self.pairs.T
        return np.asarray((cotangents / (3.0 * (np.abs(total) + 1.0) ** 2)) @ self.pairs)

    def elect(self, values: Array) -> Array:
        """Class codes (n,) of decision values (n, K), as the estimator predicts."""
        if self.layout == "pairs":
            chosen = self._by_class(values) if self.break_ties else self._votes(values)
            return np.asarray(chosen.argmax(axis=1))
        if values.shape[1] == 1:
            return (values[:, 0] > 0).astype(np.intp)
        return np.asarray(values.argmax(axis=1))

    def _votes(self, values: Array) -> Array:
        """Pairs that each class wins, (n, C, …)."""
        # A decision value of 0 is a vote for the first.
        second = values > 0 if self.second_positive else values < 0
        won = np.where(second == self.second_positive, 1.0, -1.0)
        pairs = self.pairs.T
        return (
            np.moveaxis(np.tensordot(won, pairs, (1, 0)), -1, 1) / 2 + (len(self.classes) - 1) / 2
        )

    def _by_class(self, values: Array) -> Array:
        """Votes, and by less than one vote the sum of the decision values, as scikit-learn does."""
        total = np.moveaxis(np.tensordot(values, self.pairs.T, (1, 0)), -1, 1)
        return self._votes(values) + total / (3.0 * (np.abs(total) + 1.0))

    def encode(self, y: Any, name: str) -> Array:
        """(n,) codes, or (n, 1), (n, C) or (n, C (C − 1) / 2) signs."""
        codes = self.codes(y, name)
        if self.layout == "codes":
            return codes
        if self.layout == "pairs":
            return np.asarray(self.pairs[codes])
        positive = np.array([1]) if len(self.classes) == 2 else np.arange(len(self.classes))
        return np.where(codes[:, None] == positive, 1.0, -1.0)


@dataclass(frozen=True)
class RealTargets:
    """Targets of a regressor.

    Parameters
    ----------
    n_outputs : int
        Number of columns.
    response : Response, optional
        From decision values to predicted values, where they are not the same.
    """

    n_outputs: int
    response: Response | None = None
    is_classification: ClassVar[bool] = False
    has_labels: ClassVar[bool] = False

    def codes(self, y: Any, name: str) -> Array:
        """A regressor has no classes."""
        raise TypeError("A regressor's targets have no class codes.")

    def decode(self, encoded: Array) -> Array:
        """A regressor has no classes."""
        raise TypeError("A regressor's targets have no class codes.")

    def output_weights(self, codes: Array, n_outputs: int) -> Array:
        """A regressor has no classes."""
        raise TypeError("A regressor's targets have no class codes.")

    def present(self, values: Array) -> Array:
        """Decision values (n, K, …) as the estimator predicts."""
        return values if self.response is None else self.response.value(values)

    def present_vjp(self, values: Array, cotangents: Array) -> Array:
        """Gradient (n, K) of Σ_k cotangent_k · predicted value_k."""
        return cotangents if self.response is None else cotangents * self.response.slope(values)

    def elect(self, values: Array) -> Array:
        """A regressor has no classes."""
        raise TypeError("A regressor's targets have no class codes.")

    def label(self, code: int) -> Any:
        """A regressor has no classes."""
        raise TypeError("A regressor's targets have no class codes.")

    def encode(self, y: Any, name: str) -> Array:
        """(n, K), as the loss reads them: as given."""
        return self.given(y, name)

    def given(self, y: Any, name: str) -> Array:
        """(n, K), float64, in the user's unit.

        Raises
        ------
        ValueError
            For NaN, infinities, text, or another number of columns.
        """
        targets = check_array(
            y, ensure_2d=False, dtype=np.float64, input_name=name, ensure_min_samples=0
        )
        targets = targets.reshape(len(targets), -1)
        if targets.shape[1] != self.n_outputs:
            raise ValueError(
                f"{name} has {targets.shape[1]} columns, but the model was fitted on "
                f"{self.n_outputs}."
            )
        return np.asarray(targets)


@dataclass(frozen=True)
class LabelColumns(RealTargets):
    """Several labels of each row, two classes each: ±1 a column, as targets without classes.

    Parameters
    ----------
    classes : sequence of ndarray of shape (2,)
        Of each column.
    """

    classes: Any = ()
    has_labels: ClassVar[bool] = True

    @classmethod
    def of(cls, classes: Any) -> LabelColumns:
        """For the classes of each column.

        Raises
        ------
        ValueError
            For columns of one class, or of more than two.
        """
        for k, each in enumerate(classes):
            if len(each) != 2:
                raise ValueError(
                    f"InfluenceExplainer got {len(each)} classes in column {k} of several labels "
                    "per row; needed are 2 in each. Explain that column's model (estimators_) "
                    "alone."
                )
        return cls(len(classes), classes=tuple(np.asarray(each) for each in classes))

    def encode(self, y: Any, name: str) -> Array:
        """(n, K) signs.

        Raises
        ------
        ValueError
            For labels that the model has not been fitted on, or another number of columns.
        """
        labels = np.asarray(y)
        if labels.ndim != 2 or labels.shape[1] != self.n_outputs:
            raise ValueError(
                f"{name} has shape {labels.shape}, but the model was fitted on {self.n_outputs} "
                f"labels per row; needed is (rows, {self.n_outputs})."
            )
        columns = enumerate(ClassLabels(each, "signs") for each in self.classes)
        encoded = [each.encode(labels[:, k], f"{name}[:, {k}]") for k, each in columns]
        return np.concatenate(encoded, axis=1)

    def label(self, code: int) -> Any:
        """Of the first classes of all columns, then the second ones."""
        second, k = divmod(code, self.n_outputs)
        return f"{self.classes[k][second]} of column {k}"

    def labels(self, values: Array) -> Array:
        """The user's labels of decision values, (n, K)."""
        signs = (values > 0).astype(int).T
        return np.column_stack([each[k] for each, k in zip(self.classes, signs, strict=True)])
