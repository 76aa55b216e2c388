"""The questions about groups of rows and about any new weights. Signs and n as in ``answers``."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .answers import KINDS, Answers
from .blocks import row_blocks
from .curvature import Array
from .group_inputs import check_groups, check_new_weights
from .inputs import choose, model_rows
from .moves import Moves, exact_moves, first_order_moves, newton_moves
from .objective import Objective
from .predictors import LinearMap
from .questions import Question, evaluate
from .resources import within_resources
from .reweighting import NewWeights, Reweighting, RowsLeftOut


class ReweightingAnswers(Answers):
    """What happens when groups of rows go, or rows get other weights."""

    @within_resources
    def group_influence(
        self,
        groups: Any,
        X_test: Any,
        y_test: Any = None,
        *,
        target: str = "loss",
        kind: str = "removal",
    ) -> Array:
        """Influence of groups of training rows on test rows.

        Parameters
        ----------
        groups : array-like of shape (n,), list of index arrays, or bool array (n, n_groups)
            A label per training row makes a group of each label, in sorted order. Index arrays
            and boolean columns may overlap and leave rows out.
        X_test : array-like of shape (n_test, n_features)
            Rows whose loss or prediction is watched.
        y_test : array-like of shape (n_test,) or (n_test, n_targets), optional
            None stands for the model's own predicted label.
        target : {"loss", "prediction"}, default="loss"
            As in ``influence``.
        kind : {"upweight", "removal", "refit"}, default="removal"
            "upweight": the sum of the rows' influences (Eq. 2). "removal": change of the target
            when the whole group is removed and the model refitted, by one Newton step with the
            group's own Hessian taken out, (∇²J − ∇²J_G)⁻¹, and the target evaluated there.
            "refit": that change exactly.

        Returns
        -------
        ndarray of shape (n_test, n_groups)
            Signs and units as in ``influence``.

        Raises
        ------
        IndexError, TypeError, ValueError
            For groups that are empty, all rows, or every row of a class.

        Warns
        -----
        RuntimeWarning
            Where the model is not determined without a group: its effects are NaN.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.linear_model import RidgeClassifier
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> explainer = InfluenceExplainer(RidgeClassifier()).fit(X, y)
        >>> hospitals = X[:, 0] // 5
        >>> explainer.group_influence(hospitals, X[:2]).shape
        (2, 5)
        """
        check_is_fitted(self)
        choose("kind", kind, KINDS)
        sets = check_groups(groups, self.objective_)
        question = self._question(X_test, y_test, target)
        reweighting = RowsLeftOut.sets(self.objective_, sets)
        result = np.empty((question.n_rows, len(sets)))
        if kind == "upweight":
            result[:] = self._summed_influence(question, reweighting)
        else:
            base = self._leave_out(kind).objective
            for columns, changes in self._moves(kind, reweighting, "groups"):
                result[:, columns] = _target_changes(question, base, changes)
        return result.astype(self.objective_.linear_map.dtype)

    @within_resources
    def reweight(self, sample_weight: Any, X_test: Any, *, kind: str = "removal") -> Array:
        """Decision values as they would be with other sample weights.

        Leave-one-out, k-fold, the bootstrap and the jackknife are all this, with weights 0, 1, 2…

        Parameters
        ----------
        sample_weight : array-like of shape (n,) or (n, B)
            New weights, or B sets of them, in place of those that ``fit`` had; class weights come
            on top, as the estimator makes them from the new weights. 0 leaves a row out.
        X_test : array-like of shape (n_test, n_features)
            Rows whose decision values are asked for.
        kind : {"upweight", "removal", "refit"}, default="removal"
            "upweight": to first order in the weights (infinitesimal jackknife). "removal": one
            Newton step with the Hessian of the new weights. "refit": exactly.

        Returns
        -------
        ndarray of shape (n_test[, n_outputs]), or (n_test[, n_outputs], B) for B sets
            As the estimator's ``decision_function``, or a regressor's ``predict``. The values of
            multinomial models sum to zero over the classes.

        Raises
        ------
        ValueError
            For weights that are negative, NaN, of another length, or 0 for all rows (of a class).

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0, 7.0])
        >>> explainer = InfluenceExplainer(LinearRegression()).fit(X, y)
        >>> explainer.reweight([1, 1, 1, 0], [[4.0]]).round(6)
        array([4.])
        """
        check_is_fitted(self)
        choose("kind", kind, KINDS)
        weights, alone = check_new_weights(sample_weight, self.objective_)
        rows = model_rows(self._transformers, self._model, X_test)
        linear_map = self.objective_.predictor.linearize(rows)
        n_outputs = linear_map.n_outputs
        values = np.empty((linear_map.n_rows, n_outputs, weights.shape[1]))
        reweighting = NewWeights(self.objective_, weights)
        base = self._base(kind)
        for columns, changes in self._moves(kind, reweighting, "sets of weights"):
            values[:, :, columns] = _moved_values(linear_map, base, changes)
        result = self._as_estimator(values).astype(linear_map.dtype)
        return result[..., 0] if alone else result

    def _base(self, kind: str) -> Objective:
        return self.objective_ if kind == "upweight" else self._leave_out(kind).objective

    def _moves(self, kind: str, reweighting: Reweighting, what: str) -> Moves:
        """Columns of a reweighting and their changes of the parameters."""
        if kind == "upweight":
            return first_order_moves(self._removal, reweighting, what)
        if self._by_newton(kind):
            return newton_moves(self._removal, reweighting, what)
        return exact_moves(self._exact(), reweighting, what)

    def _as_estimator(self, values: Array) -> Array:
        """Decision values (rows, K, …) as the estimator shows them."""
        return self._in_its_shape(self.objective_.shown(values))

    def _in_its_shape(self, shown: Array) -> Array:
        """What is shown (rows, C, …) in the shape that the estimator gives it."""
        predictor, coding = self.objective_.predictor, self.objective_.coding
        merged = shown.shape[1] < self.objective_.linear_map.n_outputs
        flat = len(predictor.coef_shape) == 1 and not getattr(coding, "keeps_columns", False)
        one_column = coding.is_classification or merged or flat
        return shown[:, 0] if shown.shape[1] == 1 and one_column else shown

    def _summed_influence(self, question: Question, reweighting: RowsLeftOut) -> Array:
        result = np.zeros((question.n_rows, reweighting.n_columns))
        for tests, positions, values in self._effects(question, "upweight", None):
            result[tests] += (reweighting.members[positions].T @ values.T).T
        return result


def _moved_values(linear_map: LinearMap, base: Objective, changes: Array) -> Array:
    """Decision values at θ + Δθ for columns Δθ (p, m): (rows, K, m), float64."""
    theta = base.theta.reshape(-1, 1) + changes
    m, k = changes.shape[1], linear_map.n_outputs
    values = np.empty((linear_map.n_rows, k, m))
    for rows in row_blocks(linear_map.n_rows, 8 * (linear_map.stored_inputs + k * m)):
        values[rows] = linear_map.take(rows).as_float64().values(theta)
    return values


def _target_changes(question: Question, base: Objective, changes: Array) -> Array:
    """Change of each target at θ + Δθ, (n_test, m)."""
    result = np.empty((question.n_rows, changes.shape[1]))
    asked = question.target.under(base.loss)
    bytes_per_row = 8 * 3 * question.linear_map.n_outputs * changes.shape[1]
    for tests in row_blocks(question.n_rows, bytes_per_row):
        block, target = question.linear_map.take(tests), asked.take(tests)
        before = target.value(_moved_values(block, base, np.zeros((len(changes), 1)))[:, :, 0])
        after = _moved_values(block, base, changes).transpose(0, 2, 1)
        result[tests] = evaluate(target, after) - before[:, None]
    return result
