"""Predictions for training rows by models that have not seen them, without refitting."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .coding import LabelColumns
from .curvature import Array
from .delegation import estimator_has
from .group_inputs import refuse_whole_classes
from .held_out_predictions import HeldOutPredictions, require_finite
from .inputs import WHO, choose
from .resources import within_resources
from .reweighted import ReweightingAnswers
from .reweighting import RowsLeftOut

# Held-out predictions ask for a step that looks at the row's own curvature.
HELD_OUT_KINDS = ("removal", "refit")


class HeldOutAnswers(ReweightingAnswers):
    """Leave-one-out and cross-validation from a single fit."""

    @within_resources
    def loo_decision_function(self, *, kind: str = "removal") -> Array:
        """Decision value of every training row by the model fitted without it.

        Parameters
        ----------
        kind : {"removal", "refit"}, default="removal"
            By one Newton step (exact for squared loss), or exactly.

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
            As the estimator's ``decision_function``, or a regressor's ``predict``. The values of
            multinomial models sum to zero over the classes.

        Warns
        -----
        RuntimeWarning
            Where the model is not determined without a row: its values are NaN.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0, 7.0])
        >>> InfluenceExplainer(LinearRegression()).fit(X, y).loo_decision_function()[3].round(6)
        np.float64(3.0)
        """
        return self._as_estimator(self._loo_values(kind)).astype(self.objective_.linear_map.dtype)

    @available_if(estimator_has("predict_proba"))
    @within_resources
    def loo_predict_proba(self, *, kind: str = "removal") -> Any:
        """Class probabilities of every training row by the model fitted without it.

        Parameters
        ----------
        kind : {"removal", "refit"}, default="removal"
            As in ``loo_decision_function``.

        Returns
        -------
        ndarray of shape (n, n_classes), or a list of one for each of several labels
            As the estimator's ``predict_proba``: columns in the order of ``classes_``.

        Raises
        ------
        ValueError
            For models that fit probabilities afterwards, such as ``SVC(probability=True)``.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = InfluenceExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> explainer.loo_predict_proba().shape
        (150, 3)
        """
        check_is_fitted(self)
        if not self.objective_.has_probabilities:
            raise ValueError(
                f"{WHO}.loo_predict_proba got {type(self._model).__name__}, whose probabilities "
                "are no part of the objective that it minimises: they are fitted afterwards. Use "
                "loo_decision_function."
            )
        values, objective = self._loo_values(kind), self.objective_
        loss, dtype = objective.loss, objective.linear_map.dtype
        classes = self.estimator_.classes_
        if isinstance(objective.coding, LabelColumns):
            second = loss.positive(values).astype(dtype)  # type: ignore[attr-defined]
            several = isinstance(classes, list)
            return [np.column_stack([1.0 - p, p]) for p in second.T] if several else second
        columns = [
            loss.probability(np.full(len(values), code), values) for code in range(len(classes))
        ]
        return np.column_stack(columns).astype(dtype)

    @within_resources
    def loo_predict(self, *, kind: str = "removal") -> Array:
        """Prediction for every training row by the model fitted without it.

        Parameters
        ----------
        kind : {"removal", "refit"}, default="removal"
            As in ``loo_decision_function``.

        Returns
        -------
        ndarray of shape (n,) or (n, n_targets)
            Labels of a classifier, values of a regressor.

        Raises
        ------
        ValueError
            For a classifier with rows without which the model is not determined.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = InfluenceExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> int((explainer.loo_predict() != y).sum())
        5
        """
        check_is_fitted(self)
        objective = self.objective_
        if not objective.coding.is_classification:
            shown = self.loo_decision_function(kind=kind)
            coding = objective.coding
            return coding.labels(shown) if isinstance(coding, LabelColumns) else shown
        values = self._loo_values(kind)
        require_finite(values, "predicted label")
        codes = objective.coding.elect(objective.predictor.class_values(values))
        return np.asarray(self.estimator_.classes_)[codes]

    @within_resources
    def loo_score(self, scoring: Any = None, *, kind: str = "removal") -> float:
        """Leave-one-out score: every training row predicted by the model fitted without it.

        Parameters
        ----------
        scoring : str, callable or None, default=None
            As in scikit-learn: a scorer's name, or ``scorer(estimator, X, y)``. None stands for
            accuracy, or R² of a regressor.
        kind : {"removal", "refit"}, default="removal"
            As in ``loo_decision_function``.

        Returns
        -------
        float
            As the scorer has it: greater is better.

        Raises
        ------
        ValueError
            Where the model is not determined without some row, or the scorer asks for what the
            estimator doesn't have.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = InfluenceExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> round(explainer.loo_score("neg_log_loss"), 3)
        -0.13
        """
        check_is_fitted(self)
        choose("kind", kind, HELD_OUT_KINDS)
        predictions = HeldOutPredictions(self, kind)
        if scoring is None:
            scoring = "accuracy" if is_classifier(self.estimator_) else "r2"
        if not (isinstance(scoring, str) or callable(scoring)):
            raise ValueError(
                f"{WHO}.loo_score got scoring={scoring!r}; needed is the name of a single scorer, "
                "a callable, or None."
            )
        scorer = check_scoring(predictions, scoring=scoring)
        try:
            return float(scorer(predictions, self._training_X, self._training_y))
        except AttributeError as error:
            raise ValueError(
                f"{WHO}.loo_score got scoring={scoring!r}, which asks for what "
                f"{type(self._model).__name__} doesn't have: {error} Take a scorer of "
                "predictions or decision values."
            ) from error

    @within_resources
    def cross_val_decision(
        self, cv: Any = None, *, groups: Any = None, kind: str = "removal"
    ) -> Array:
        """Decision values of held-out rows in cross-validation, from a single fit.

        Each split's model is the fitted one with the rows outside of its training part removed.
        Hyper-parameters, and pipeline steps before the model, stay as they are fitted on all rows.

        Parameters
        ----------
        cv : int, splitter or iterable of splits, optional
            As in ``cross_val_predict``, and splitters that test rows never or more than once.
        groups : array-like of shape (n,), optional
            For the splitter.
        kind : {"upweight", "removal", "refit"}, default="removal"
            As in ``reweight``. One Newton step over a fifth of the rows is an approximation;
            "refit" is exact.

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
            As ``loo_decision_function``. The mean over the splits that test a row; NaN for rows
            that none tests.

        Raises
        ------
        ValueError
            For splits whose training part lacks a class.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.linear_model import RidgeClassifier
        >>> from sklearn.model_selection import cross_val_predict
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> explainer = InfluenceExplainer(RidgeClassifier()).fit(X, y)
        >>> refitted = cross_val_predict(RidgeClassifier(), X, y, method="decision_function")
        >>> bool(abs(explainer.cross_val_decision() - refitted).max() < 1e-8)
        True
        """
        check_is_fitted(self)
        choose("kind", kind, ("upweight", *HELD_OUT_KINDS))
        splitter = check_cv(cv, self._training_y, classifier=is_classifier(self.estimator_))
        X, y = self._training_X, self._training_y
        objective = self.objective_
        reweighting, tests = self._splits(splitter.split(X, y, groups))
        total = np.zeros_like(objective.shown(objective.training_values))
        counts = np.zeros((objective.n_rows, 1))
        base = self._base(kind)
        theta = base.theta.reshape(-1, 1)
        for columns, changes in self._moves(kind, reweighting, "splits"):
            for column, change in zip(columns.tolist(), changes.T, strict=True):
                tested = tests[column]
                linear_map = objective.linear_map.take(tested).as_float64()
                values = linear_map.values(theta + change[:, None])[:, :, 0]
                # As it is shown: the mean of predictions is no function of mean decision values.
                total[tested] += objective.shown(values)
                counts[tested] += 1.0
        with np.errstate(invalid="ignore"):
            shown = total / counts
        return self._in_its_shape(shown).astype(objective.linear_map.dtype)

    def _splits(self, splits: Iterable[tuple[Any, Any]]) -> tuple[RowsLeftOut, list[Array]]:
        """What each split's training part leaves out or has several times, and its test rows."""
        objective = self.objective_
        name = "cv, whose splits have rows"
        # Of leave-one-out, the training parts together would be n × n.
        left_out: list[Array] = []
        tests: list[Array] = []
        changes: list[Array] = []
        for train, test in splits:
            drawn = self._rows(train, name)
            change = 1 - np.bincount(drawn, minlength=objective.n_rows)
            changed = np.flatnonzero(change)
            left_out.append(np.flatnonzero(change == 1))
            changes.append(np.stack([changed, change[changed]]))
            tests.append(self._rows(test, name))
        refuse_whole_classes(left_out, "cv, whose split {} leaves out a part", objective)
        return RowsLeftOut.copies(objective, changes), tests

    def _loo_values(self, kind: str) -> Array:
        """(n, K)."""
        check_is_fitted(self)
        choose("kind", kind, HELD_OUT_KINDS)
        leave_out = self._leave_out(kind)
        rows = np.arange(self.objective_.n_rows)
        return leave_out.objective.training_values + leave_out.own_moves(rows)
