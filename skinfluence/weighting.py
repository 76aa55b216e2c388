"""Row weights s_i = sample_weight × class_weight, and what they become without a row."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from .curvature import Array

# Newer scikit-learn lets "balanced" count rows by their sample weight in most estimators.
BALANCED_COUNTS_SAMPLE_WEIGHT = (
    "sample_weight" in inspect.signature(compute_class_weight).parameters
)


@dataclass(frozen=True)
class RowWeights:
    """Weights of the training rows in the objective.

    Parameters
    ----------
    sample_weight : ndarray of shape (n,)
        As the user has them, 1 by default; class weights are a subclass's business.
    """

    sample_weight: Array

    @cached_property
    def values(self) -> Array:
        """s, (n, 1), or (n, K) where the outputs weigh rows differently."""
        return self.sample_weight[:, None]

    def by_class(self, rows: Any, class_weights: Array | None) -> Array:
        """What multiplies sample weights: (rows, 1 or K, 1), or (…, m) for m class weights (m, C).

        None stands for the class weights as fitted.
        """
        return np.ones((1, 1, 1))

    def class_weights_without(self, members: Any) -> Array | None:
        """Class weights without each set of rows (m, C); None where they stay as they are.

        Parameters
        ----------
        members : sparse array of shape (n, m)
            1 where a row belongs to a set.
        """
        return None

    def class_weights_with(self, sample_weights: Array) -> Array | None:
        """Class weights with each column of new sample weights (n, m): (m, C), or None."""
        return None

    def class_weights_exchanged(self, rows: Array, codes: Array | None) -> Array | None:
        """Class weights without each row (m, C), or with it in another class; None as above."""
        return None

    def of_rows(
        self, rows: Array, class_weights: Array | None = None, codes: Array | None = None
    ) -> Array:
        """s of some rows, (m, 1) or (m, K): each with class weights (m, C) and a class of its own.

        None stands for those that it has.
        """
        return self.sample_weight[rows][:, None]

    def class_factors(self, rows: Array, codes: Array | None = None) -> Array:
        """What multiplies some rows' sample weights, (m, 1) or (m, K); codes as above."""
        return np.ones((len(rows), 1))

    def relabelled(self, rows: Array, codes: Array) -> RowWeights:
        """Weights with some rows of other classes."""
        return self


@dataclass(frozen=True)
class ClassWeights(RowWeights):
    """Row weights with given class weights.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Class of each row.
    class_weight : ndarray of shape (C,)
    weighted_outputs : ndarray of shape (n, K), optional
        1 where the class weight applies, else 0. liblinear weighs only the rows of class k in the
        k-th of its one-vs-rest problems.
    """

    codes: Array
    class_weight: Array
    weighted_outputs: Array | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""
        return len(self.class_weight)

    def by_class(self, rows: Any, class_weights: Array | None) -> Array:
        """(rows, 1 or K, 1), or (…, m)."""
        chosen = self.class_weight[None, :] if class_weights is None else class_weights
        own = chosen[:, self.codes[rows]].T[:, None, :]
        if self.weighted_outputs is not None:
            own = np.where(self.weighted_outputs[rows][:, :, None] > 0, own, 1.0)
        return np.asarray(own)

    @cached_property
    def values(self) -> Array:
        """s, (n, 1) or (n, K)."""
        return self.with_class_weight(self.class_weight)

    def with_class_weight(self, class_weight: Array) -> Array:
        """s for other class weights."""
        return self.of_rows(np.arange(len(self.codes)), class_weight[None, :])

    def of_rows(
        self, rows: Array, class_weights: Array | None = None, codes: Array | None = None
    ) -> Array:
        """(m, 1) or (m, K)."""
        factors = self._factors(rows, class_weights, codes)
        return np.asarray(self.sample_weight[rows][:, None] * factors)

    def class_factors(self, rows: Array, codes: Array | None = None) -> Array:
        """(m, 1) or (m, K)."""
        return self._factors(rows, None, codes)

    def _factors(self, rows: Array, class_weights: Array | None, codes: Array | None) -> Array:
        codes = self.codes[rows] if codes is None else codes
        chosen = self.class_weight[None, :] if class_weights is None else class_weights
        own = np.broadcast_to(chosen, (len(rows), self.n_classes))[np.arange(len(rows)), codes]
        if self.weighted_outputs is None:
            return own[:, None]
        outputs = np.arange(self.weighted_outputs.shape[1])
        return np.where(codes[:, None] == outputs, own[:, None], 1.0)

    def relabelled(self, rows: Array, codes: Array) -> ClassWeights:
        """Weights with some rows of other classes, by class weights as they are."""
        changed = self.codes.copy()
        changed[rows] = codes
        outputs = self.weighted_outputs
        if outputs is not None:
            outputs = outputs.copy()
            outputs[rows] = codes[:, None] == np.arange(outputs.shape[1])
        return replace(self, codes=changed, weighted_outputs=outputs)


@dataclass(frozen=True)
class OutputWeights(RowWeights):
    """Row weights with given class weights of each output: of a model for each, by itself.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Class of each row.
    factors : ndarray of shape (C, K)
        Of each class's rows in each output.
    """

    codes: Array
    factors: Array

    @cached_property
    def values(self) -> Array:
        """s, (n, K)."""
        return self.of_rows(np.arange(len(self.codes)))

    def by_class(self, rows: Any, class_weights: Array | None) -> Array:
        """(rows, K, 1)."""
        return np.asarray(self.factors[self.codes[rows]][:, :, None])

    def of_rows(
        self, rows: Array, class_weights: Array | None = None, codes: Array | None = None
    ) -> Array:
        """(m, K)."""
        return np.asarray(self.sample_weight[rows][:, None] * self.class_factors(rows, codes))

    def class_factors(self, rows: Array, codes: Array | None = None) -> Array:
        """(m, K)."""
        return np.asarray(self.factors[self.codes[rows] if codes is None else codes])

    def relabelled(self, rows: Array, codes: Array) -> OutputWeights:
        """Weights with some rows of other classes."""
        changed = self.codes.copy()
        changed[rows] = codes
        return replace(self, codes=changed)


@dataclass(frozen=True)
class BalancedWeights(ClassWeights):
    """Row weights with ``class_weight="balanced"``: they change when a row goes.

    Parameters
    ----------
    counts : ndarray of shape (n,)
        What each row counts in its class: 1, or its sample weight.
    """

    counts: Array | None = None

    def count(self, rows: Array) -> Array:
        """What some rows count."""
        return np.ones(len(rows)) if self.counts is None else self.counts[rows]

    @cached_property
    def class_totals(self) -> Array:
        """Counted rows per class, (C,)."""
        return np.bincount(
            self.codes, weights=self.count(np.arange(len(self.codes))), minlength=self.n_classes
        )

    def class_weights_without(self, members: Any) -> Array:
        """Class weights without each set of rows, (m, C)."""
        counts = members.multiply(self.count(np.arange(len(self.codes)))[:, None])
        of_class = self.codes[:, None] == np.arange(self.n_classes)
        return self.class_weights_less(np.asarray(counts.T @ of_class))

    def class_weights_less(self, removed: Array) -> Array:
        """Class weights without so much of each class's count (m, C): (m, C)."""
        return self._balanced(self.class_totals - removed)

    def class_weights_with(self, sample_weights: Array) -> Array | None:
        """Class weights with each column of new sample weights, (m, C)."""
        if self.counts is None:
            return None
        of_class = self.codes[:, None] == np.arange(self.n_classes)
        return self._balanced(sample_weights.T @ of_class)

    def relabelled(self, rows: Array, codes: Array) -> BalancedWeights:
        """Weights with some rows of other classes, and class weights as their counts make them."""
        changed = cast(BalancedWeights, super().relabelled(rows, codes))
        return replace(changed, class_weight=self._balanced(changed.class_totals[None, :])[0])

    def class_weights_exchanged(self, rows: Array, codes: Array | None) -> Array:
        """(m, C)."""
        classes = np.arange(self.n_classes)
        moved = (self.codes[rows][:, None] == classes).astype(np.float64)
        if codes is not None:
            moved -= codes[:, None] == classes
        return self.class_weights_less(self.count(rows)[:, None] * moved)

    def _balanced(self, totals: Array) -> Array:
        """scikit-learn's rule for counted rows per class, (m, C)."""
        present = totals > 1e-12 * self.class_totals
        balanced = totals.sum(axis=1, keepdims=True) / (
            present.sum(axis=1, keepdims=True) * np.where(present, totals, 1.0)
        )
        return np.asarray(np.where(present, balanced, self.class_weight))


def row_weights(
    sample_weight: Array,
    class_weight: Any,
    classes: Array,
    codes: Array,
    *,
    balanced_counts_sample_weight: bool = BALANCED_COUNTS_SAMPLE_WEIGHT,
    weighted_outputs: Array | None = None,
) -> RowWeights:
    """Row weights of a classifier, by scikit-learn's own rule for ``class_weight``.

    Parameters
    ----------
    sample_weight : ndarray of shape (n,)
        Weights of the rows as the user has them.
    class_weight : dict, "balanced" or None
        The estimator's parameter.
    classes : ndarray of shape (C,)
        The estimator's ``classes_``.
    codes : ndarray of int of shape (n,)
        Class of each row, as a position in ``classes``.
    balanced_counts_sample_weight : bool
        Whether "balanced" sums sample weights, rather than counting rows; by default as the
        installed scikit-learn does.
    weighted_outputs : ndarray of shape (n, K), optional
        1 where a row's class weight applies, else 0; everywhere by default.

    Returns
    -------
    RowWeights
        Or a subclass that knows how class weights follow the rows.
    """
    if class_weight is None:
        return RowWeights(sample_weight)
    if not isinstance(class_weight, str):
        weights = compute_class_weight(class_weight, classes=classes, y=classes[codes])
        return ClassWeights(sample_weight, codes, weights, weighted_outputs)
    counts = sample_weight if balanced_counts_sample_weight else None
    options = {"sample_weight": sample_weight} if balanced_counts_sample_weight else {}
    weights = compute_class_weight(class_weight, classes=classes, y=classes[codes], **options)
    return BalancedWeights(sample_weight, codes, weights, weighted_outputs, counts)
