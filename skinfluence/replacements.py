"""The questions about other rows, or labels, in place of some. Signs and n as in ``answers``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import effects
from .answers import KINDS, Answers
from .curvature import Array
from .exchanging import Change, exact_exchange, newton_exchange
from .inputs import choose
from .perturbation_inputs import every_other_class, replacements
from .questions import Changes, Question
from .resources import resources, within_resources
from .results import result_array

Effects = Iterator[tuple[slice, Array, Array]]

# Of what is held for each column of exchanges: steps, weights, targets.
NUMBERS_PER_OUTPUT, MEMORY_SHARE = 12, 4


class ReplacementAnswers(Answers):
    """What other features, or other labels, of training rows do to test rows."""

    @within_resources
    def perturbation_influence(
        self,
        X_test: Any,
        y_test: Any = None,
        *,
        indices: Any,
        X_new: Any = None,
        y_new: Any = None,
        target: str = "loss",
        kind: str = "removal",
        reduce: str | None = None,
        out: Array | None = None,
    ) -> Array:
        """Influence of replacing training rows by any others: features, labels or both (Eq. 3).

        Each row is replaced alone; all others stay. Changes may be as large as one likes, and of
        any sort that the estimator takes, such as another category. Steps before the model, and
        what it took from the rows itself, such as ``gamma="scale"``, are held as they were fitted.

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
            Rows whose loss or prediction is watched.
        y_test : array-like of shape (n_test,) or (n_test, n_targets), optional
            None stands for the model's own predicted label. Regressors need it for
            ``target="loss"``.
        indices : array-like of int or bool
            The training rows to replace, in the order of X_new and y_new. They may repeat.
        X_new : array-like of shape (n_indices, n_features), optional
            What they become. None leaves the features.
        y_new : array-like of shape (n_indices,) or (n_indices, n_targets), optional
            Their labels or targets. None leaves them. Labels that the model knows.
        target : {"loss", "prediction"}, default="loss"
            As in :meth:`InfluenceExplainer.influence`.
        kind : {"removal", "upweight", "refit"}, default="removal"
            "upweight": the paper's number, −∇ℓ_tᵀ H⁻¹ (∇ℓ(z_δ) − ∇ℓ(z_i)). Positive = moving
            weight from the row to its replacement raises the target; for a loss, negative =
            helpful. To first order, replacing row i changes the target by s_i/n times it (s_i
            as in ``perturbation_gradient``; NaN for another class of a row whose own has no
            weight). "removal": the change of the target when the row is removed, the other put in
            its place, and the model refitted, by one Newton step with the curvature of both rows
            exchanged; positive = replacing the row raises the target. Exact for squared loss, too
            far for rows of great leverage otherwise. For losses with kinks the same as "refit".
            "refit": that change exactly.
        reduce : {None, "mean"}, default=None
            "mean" averages over the test rows.
        out : ndarray or memmap of the result's shape, optional
            Where the result goes, block by block, and what is returned.

        Returns
        -------
        ndarray of shape (n_test, n_indices), or (n_indices,) with ``reduce="mean"``
            In the unit of the target. The new row has the sample weight of the old one, and the
            class weight of its own label.

        Raises
        ------
        IndexError, TypeError, ValueError
            For indices outside of the training rows, X_new or y_new that don't fit, labels that
            the model does not know, and a precomputed kernel with X_new.

        Warns
        -----
        RuntimeWarning
            For rows without which the model is not determined: their effects are NaN.
        ConvergenceWarning
            For refits that don't reach ``refit_tol``.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0, 7.0])
        >>> explainer = InfluenceExplainer(LinearRegression()).fit(X, y)
        >>> change = explainer.perturbation_influence(
        ...     [[4.0]], indices=[3], y_new=[3.0], target="prediction"
        ... )
        >>> bool(np.isclose(explainer.predict([[4.0]]) + change, 4.0))
        True
        """
        check_is_fitted(self)
        rows = self._rows(indices)
        data = self._transformers, self._model, self.objective_
        change = replacements(*data, rows, X_new, y_new)
        n_tests, found = self._exchanged(change, X_test, y_test, target, kind, reduce)
        shape = (n_tests, len(rows))[reduce == "mean" :]
        dtype = self.objective_.linear_map.dtype
        result = result_array(out, shape, dtype, "perturbation_influence")
        result[...] = 0.0
        every = result[None] if reduce == "mean" else result
        for tests, columns, values in found:
            every[tests, columns] += values
        return result

    @within_resources
    def label_flip_influence(
        self,
        X_test: Any,
        y_test: Any = None,
        *,
        target: str = "loss",
        kind: str = "removal",
        indices: Any = None,
        reduce: str | None = None,
        out: Array | None = None,
    ) -> Array:
        """Influence of giving each training row each of the other labels.

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
            Rows whose loss or prediction is watched.
        y_test : array-like of shape (n_test,), optional
            None stands for the model's own predicted label.
        target : {"loss", "prediction"}, default="loss"
            As in :meth:`InfluenceExplainer.influence`.
        kind : {"removal", "upweight", "refit"}, default="removal"
            As in ``perturbation_influence``: "removal" and "refit" are the change of the target
            when the label changes and the model is refitted, by one Newton step and exactly;
            positive = the flip raises it. Flips that lower the loss of rows with known labels
            are likely corrections.
        indices : array-like of int or bool, optional
            Training rows; all by default.
        reduce : {None, "mean"}, default=None
            "mean" averages over the test rows; the n_test × n × n_classes array is then never
            held.
        out : ndarray or memmap of the result's shape, optional
            As in ``perturbation_influence``.

        Returns
        -------
        ndarray of shape (n_test, n_indices, n_classes), or (n_indices, n_classes)
            Classes in the order of ``classes_``; 0 at the label that a row has.

        Raises
        ------
        TypeError
            For regressors.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = InfluenceExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> explainer.label_flip_influence(X[:2], y[:2]).shape
        (2, 150, 3)
        """
        check_is_fitted(self)
        rows = self._rows(indices)
        change, places, codes = every_other_class(self.objective_, rows)
        n_tests, found = self._exchanged(change, X_test, y_test, target, kind, reduce)
        every = (n_tests, len(rows), len(self.estimator_.classes_))
        dtype = self.objective_.linear_map.dtype
        result = result_array(out, every[reduce == "mean" :], dtype, "label_flip_influence")
        result[...] = 0.0
        by_test = result[None] if reduce == "mean" else result
        for tests, columns, values in found:
            by_test[tests, places[columns], codes[columns]] += values
        return result

    def _exchanged(
        self, change: Change, X_test: Any, y_test: Any, target: str, kind: str, reduce: str | None
    ) -> tuple[int, Effects]:
        """Number of results, and blocks of their effects: tests, columns, values."""
        choose("kind", kind, KINDS)
        choose("reduce", reduce, (None, "mean"))
        mean = reduce == "mean"
        question = self._question(X_test, y_test, target)
        if kind == "upweight":
            found = self._first_order(question, change, mean)
            return 1 if mean else question.n_rows, found
        found = self._changes(change, kind, X_test, y_test, target)
        if not mean:
            return question.n_rows, found
        return 1, (
            (slice(0, 1), columns, values.sum(axis=0, keepdims=True) / question.n_rows)
            for _, columns, values in found
        )

    def _changes(self, change: Change, kind: str, X_test: Any, y_test: Any, target: str) -> Effects:
        """By a step or by refits, of as many columns at a time as there is memory for."""
        n_outputs, every = self.objective_.linear_map.n_outputs, np.arange(len(change.rows))
        width = resources().max_memory // MEMORY_SHARE // (8 * NUMBERS_PER_OUTPUT * n_outputs)
        for first in range(0, len(every), width):
            some = change.take(every[first : first + width])
            exchange: Changes
            if self._by_newton(kind):
                exchange = newton_exchange(self._removal.scenarios, some)
            else:
                exchange = exact_exchange(self._exact(), some)
            question = self._question(X_test, y_test, target, exchange.objective)
            for tests, columns, values in question.changes(exchange, np.arange(len(some.rows))):
                yield tests, first + columns, values

    def _first_order(self, question: Question, change: Change, mean: bool) -> Effects:
        exchanges = change.on(self.objective_)
        for tests, directions in question.directions(self.solver_, mean=mean):
            for columns, products in effects.exchange_products(exchanges, directions):
                yield tests, columns, -self.objective_.n_rows * products
