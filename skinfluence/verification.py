"""The question whether to believe the answers, put to the user's own estimator by refitting it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .agreement import Verification
from .answers import KINDS, Answers
from .curvature import Array
from .exceptions import warn_user
from .inputs import WHO, choose, model_rows, require_in_memory
from .questions import Question
from .resolution import stopping_errors, warn_if_unresolved
from .resources import within_resources
from .retraining import LeaveOneOut, as_columns, with_decision_values

STRATEGIES = ("top", "random")
PREPROCESSING = ("refit", "fixed")
# Steps to the optimum, in units of the sampling noise, that are nothing but rounding.
ROUNDING = 1e-9


class VerificationAnswers(Answers):
    """What removing rows really does, beside what it was predicted to do."""

    n_jobs: int | None
    random_state: Any
    report_: Any
    _sample_weight: Array | None

    @within_resources
    def verify(
        self,
        X_test: Any,
        y_test: Any = None,
        *,
        target: str = "loss",
        kind: str = "removal",
        n_rows: int = 20,
        strategy: Any = "top",
        preprocessing: str = "refit",
        n_jobs: int | None = None,
    ) -> Verification:
        """Refit the estimator without each of some rows, and compare with what was predicted.

        A clone of the estimator is really fitted without each row, with the same
        hyper-parameters (what a search chose is held fixed), the same ``sample_weight`` and
        its own ``class_weight``, and once more on all rows. No formula of this package has a
        part in it.

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
            Rows whose loss or prediction is predicted, and measured after each refit.
        y_test : array-like of shape (n_test,) or (n_test, n_targets), optional
            None stands for the model's own predicted label.
        target : {"loss", "prediction"}, default="loss"
            As in :meth:`influence`.
        kind : {"removal", "upweight", "refit"}, default="removal"
            Which prediction to verify. "upweight" predicts −s_i/n times the influence, for fixed
            class weights.
        n_rows : int, default=20
            How many training rows are left out, one at a time.
        strategy : {"top", "random"}, array-like of int or bool, default="top"
            "top": those with the largest predicted effects, summed over the test rows (by
            one Newton step where the kind is "refit", which would refit all rows only to rank
            them, and to first order for losses with a kink).
            "random": drawn with the explainer's ``random_state``. Or the rows themselves;
            ``n_rows`` is then not used.
        preprocessing : {"refit", "fixed"}, default="refit"
            "refit": pipelines are refitted as a whole, as one would without the row. "fixed":
            steps before the model stay as they were fitted, which is what influence functions
            assume. The difference between the two is what that assumption costs.
        n_jobs : int, optional
            Jobs for the refits; None stands for the explainer's own. Results don't depend on it.

        Returns
        -------
        Verification
            Predicted and actual changes, their correlation and slope; ``plot`` draws them.

        Raises
        ------
        IndexError, TypeError, ValueError
            For rows, settings and data that don't fit.

        Warns
        -----
        UserWarning
            Where predicted and actual changes differ, and the estimator's ``tol`` is too loose
            for effects of that size: the difference of two fits that stop early is noise.
        RuntimeWarning
            For rows that are the only one of their class: their actual changes are NaN.

        Notes
        -----
        Estimators that draw random numbers with ``random_state=None`` differ from refit to refit
        by more than the row; give them a seed.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import Ridge
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = load_diabetes(return_X_y=True)
        >>> explainer = InfluenceExplainer(Ridge()).fit(X[:400], y[:400])
        >>> explainer.verify(X[400:], y[400:], n_rows=10)
        Verification of kind='removal' by 11 refits: 10 training rows, 42 test rows
        change of the loss, in squared error (unit of y, squared): correlation 1.0000,
        slope 1.000 (predicted on actual)
        worst: row ... on test row ..., predicted ..., actual ...
        """
        check_is_fitted(self)
        require_in_memory(self._training_X, f"{WHO}.verify", "refits of the estimator itself")
        choose("kind", kind, KINDS)
        choose("preprocessing", preprocessing, PREPROCESSING)
        given = self._check_strategy(strategy, n_rows)
        question = self._question(X_test, y_test, target)
        refits = self._leave_one_out(question, X_test, preprocessing)
        rows = self._chosen_rows(question, kind, strategy, n_rows) if given is None else given
        predicted = self._predicted(question, kind, rows)
        emptied = self._empties_class(rows)
        actual = np.full(predicted.shape, np.nan)
        n_jobs = self.n_jobs if n_jobs is None else n_jobs
        actual[:, ~emptied] = self._actual(question, refits, rows[~emptied], n_jobs)
        result = Verification(
            indices=rows,
            predicted=predicted,
            actual=actual,
            kind=kind,
            target=target,
            unit=question.target.unit,
            n_refits=1 + len(rows) - int(emptied.sum()),
            row_names=_names(self._training_X, rows),
            test_names=_names(X_test, np.arange(question.n_rows)),
        )
        self._warn_if_unresolved(question, result)
        return result

    def _warn_if_unresolved(self, question: Question, result: Verification) -> None:
        # Where training goes on by so many steps, tol has no part in it.
        if self.report_.relative_step > ROUNDING and not self.objective_.linear_map.tangent:
            errors = stopping_errors(self._fitted, self.solver_, question)
            both = result.predicted[result.finite], result.actual[result.finite]
            warn_if_unresolved(self._model, errors, *both)

    # --------------------------------------------------------------------------- which rows
    def _check_strategy(self, strategy: Any, n_rows: Any) -> Array | None:
        """Rows that were given, or None for those that a strategy is to choose."""
        most = self.objective_.n_rows
        if isinstance(strategy, str) or strategy is None:
            if strategy not in STRATEGIES:
                raise ValueError(
                    f"{WHO}.verify got strategy={strategy!r}; needed is one of "
                    f"{list(STRATEGIES)}, or the positions (0 to {most - 1}) of training rows, "
                    "or a boolean mask."
                )
            if not isinstance(n_rows, (int, np.integer)) or not 1 <= n_rows <= most:
                raise ValueError(
                    f"{WHO}.verify got n_rows={n_rows!r} with {most} training rows; needed is a "
                    f"whole number from 1 to {most}. Each row costs one refit."
                )
            return None
        rows = self._rows(strategy)
        if not len(rows):
            raise ValueError(
                f"{WHO}.verify got strategy without any row; needed is at least one position, or "
                "'top' or 'random'."
            )
        return rows

    def _chosen_rows(self, question: Question, kind: str, strategy: str, n_rows: int) -> Array:
        n = self.objective_.n_rows
        if strategy == "random":
            seed = 0 if self.random_state is None else self.random_state
            drawn = check_random_state(seed).choice(n, size=n_rows, replace=False)
            return np.asarray(np.sort(drawn))
        if kind != "upweight":
            kind = "removal" if self._by_newton("removal") else "upweight"
        totals = np.zeros(n)
        for _, positions, values in self._predicted_changes(question, kind, None):
            totals[positions] += np.abs(values).sum(axis=0)
        # Rows whose effect is not determined (NaN) come last.
        return np.argsort(-totals, kind="stable")[:n_rows]

    def _empties_class(self, rows: Array) -> Array:
        """Whether each row is the only one of its class."""
        members = self.objective_.class_members
        alone = (members[rows] & (members.sum(axis=0) == 1)).any(axis=1)
        if alone.any():
            warn_user(
                f"{int(alone.sum())} of the chosen rows are the only ones of their class (for "
                f"example row {rows[alone][0]}): without them the model has one class less, so "
                "their actual changes are NaN.",
                RuntimeWarning,
            )
        return alone

    # -------------------------------------------------------------------- predicted, actual
    def _predicted_changes(
        self, question: Question, kind: str, rows: Array | None
    ) -> Iterator[tuple[slice, Any, Array]]:
        """Blocks of predicted changes by removal: tests, positions, values."""
        scales = self._removal_scales(rows) if kind == "upweight" else None
        for tests, positions, values in self._effects(question, kind, rows):
            yield tests, positions, values if scales is None else values * scales[positions]

    def _predicted(self, question: Question, kind: str, rows: Array) -> Array:
        """(n_test, rows)."""
        result = np.empty((question.n_rows, len(rows)))
        for tests, positions, values in self._predicted_changes(question, kind, rows):
            result[tests, positions] = values
        return result

    def _removal_scales(self, rows: Array | None) -> Array:
        """−s_i/n, (rows,)."""
        weights = self.objective_.weights.values
        weights = weights if rows is None else weights[rows]
        if (weights != weights[:, :1]).any():
            raise ValueError(
                f"{WHO}.verify got kind='upweight' for rows that weigh differently in each "
                f"output of {type(self._model).__name__} (class weights of one-vs-rest problems): "
                "there is no single weight s_i to predict their removal with. Use kind='removal'."
            )
        return np.asarray(-weights[:, 0] / self.objective_.n_rows)

    def _leave_one_out(self, question: Question, X_test: Any, preprocessing: str) -> LeaveOneOut:
        fitted, X = with_decision_values(self.estimator_), self._training_X
        if preprocessing == "fixed":
            fitted = with_decision_values(self._model)
            X = model_rows(self._transformers, self._model, X)
            X_test = question.linear_map.full_X
        method = "decision_function" if self.objective_.coding.is_classification else "predict"
        self._check_method(fitted, method, X_test, question)
        seen = self.objective_.linear_map.full_X
        y, weights = self._training_y, self._sample_weight
        return LeaveOneOut.of(fitted, seen, X, y, weights, X_test, method)

    def _check_method(self, fitted: Any, method: str, X_test: Any, question: Question) -> None:
        """Refuse models whose public method isn't the decision value that the loss reads."""
        expected = self._seen(self._fitted.decision_values(question.linear_map))
        with warnings.catch_warnings():
            # The model's own rows are arrays, also where it was fitted on a DataFrame.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            shown = getattr(fitted, method)(X_test) if hasattr(fitted, method) else None
        values = None if shown is None else self._read(shown)
        precision = np.sqrt(np.finfo(question.linear_map.dtype).eps)
        if (
            values is None
            or values.shape != expected.shape
            or not np.allclose(
                values, expected, rtol=precision, atol=precision * np.abs(expected).max(initial=1.0)
            )
        ):
            raise TypeError(
                f"{WHO}.verify got {type(self._model).__name__}, of which {method} doesn't give "
                "the decision values that its objective's loss reads; verify evaluates refitted "
                "models by them alone. Compare with refits by hand."
            )

    def _read(self, decision_values: Any) -> Array:
        """What scikit-learn's public methods return → the objective's K outputs."""
        values = as_columns(decision_values)
        response = getattr(self.objective_.coding, "response", None)
        if response is not None:
            return np.asarray(response.inverse(values))
        contrasts = self.objective_.predictor.contrasts
        return self._seen(values if contrasts is None else values @ contrasts)

    def _seen(self, values: Array) -> Array:
        """Decision values less what they have in common, where their loss doesn't see that."""
        if getattr(self.objective_.loss, "symmetric", True):
            return values
        return np.asarray(values - values.mean(axis=1, keepdims=True))

    def _actual(
        self, question: Question, refits: LeaveOneOut, rows: Array, n_jobs: int | None
    ) -> Array:
        """(n_test, rows)."""
        models = refits.decision_values(rows, n_jobs)
        target = question.target.under(self.objective_.loss.sharpened())
        with_all, *without = (target.value(self._read(values)) for values in models)
        changes = [target - with_all for target in without]
        return np.array(changes).reshape(len(rows), question.n_rows).T


def _names(X: Any, rows: Array) -> tuple[Any, ...]:
    """Labels of a DataFrame's rows, else their positions."""
    return tuple(X.index[rows] if hasattr(X, "iloc") else rows.tolist())
