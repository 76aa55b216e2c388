"""The question which training labels, or targets, are probably wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import check_is_fitted

from .coding import LabelColumns
from .curvature import Array
from .dask_graphs import is_dask
from .held_out import HeldOutAnswers
from .held_out_predictions import require_finite
from .inputs import WHO, choose
from .label_noise import pooled_probabilities, transition_matrix, true_label_probabilities
from .resources import within_resources
from .retraining import fit_parameters, same_hyperparameters
from .row_influence import InfluenceAnswers
from .suspect_table import order_of, ranks, suspect_table

ALWAYS = ("loo_loss", "loss", "self_influence")
CRITERIA = ("label_noise", *ALWAYS, "test_influence")
# Further rounds find no more (docs/guide/suspects.rst).
ROUNDS = 3
LEAST_WEIGHT = 1e-6


class SuspectAnswers(InfluenceAnswers, HeldOutAnswers):
    """Which labels to look at first."""

    _sample_weight: Array | None

    @within_resources
    def rank_suspects(
        self, *, by: str = "auto", k: int | None = None, X_test: Any = None, y_test: Any = None
    ) -> Any:
        """Training rows whose label or target is probably wrong, most suspect first.

        Parameters
        ----------
        by : str, default="auto"
            What the score is:

            - "label_noise": the probability that the label is wrong, given the class probabilities
              of a model that has not seen the row and how often labels of each class are
              taken for another (Northcutt et al. 2021). Three times the estimator is fitted again
              with each row weighted by the probability that its label is right, and asked
              for leave-one-out probabilities. Log-odds are averaged with those of the model as it
              is, half with and half without the row. Of classifiers with probabilities.
            - "loo_loss": the row's loss by the model without it (one Newton step).
            - "loss": the row's loss by the model as it is fitted.
            - "self_influence": how much the row's weight lowers its own loss (−1 times
              ``self_influence()``, so positive).
            - "test_influence": the mean influence of the row's weight on the loss of the test rows:
              positive = harmful.
            - "auto": "label_noise" for classifiers with probabilities that take ``sample_weight``
              (and rows that are no dask collection), else "loo_loss".
        k : int, optional
            How many rows to list; all by default.
        X_test, y_test : array-like, optional
            Test rows and their labels, for "test_influence".

        Returns
        -------
        DataFrame, most suspect first
            A numpy structured array where pandas is not installed. Columns:

            - ``row``: the label in the training DataFrame's index, else the position;
              ``position``.
            - ``given_label``, ``suggested_label``: as it is, and the most probable by a model that
              has not seen the row (the same where the given one is). ``given_target`` and
              ``suggested_target`` of a regressor.
            - ``given_probability``, ``suggested_probability``: of either by that model; by
              "label_noise", with the label that was given and the fit to it taken into account
              too. Where the estimator has probabilities.
            - ``score``, in the units of the criterion (a probability; nats or squared units of y).
            - ``rank_loo_loss``, ``rank_loss``, ``rank_self_influence``: by the other criteria, from
              1.

        Raises
        ------
        ValueError
            For criteria that the model has not, test rows that are missing or not asked for, and
            several columns of y.
        TypeError
            By "label_noise", for an estimator whose ``fit`` takes no ``sample_weight``.

        Notes
        -----
        Which criterion finds most is measured in the user guide, on data sets with labels
        flipped at random, from one class to the next, and near the boundary.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skinfluence import InfluenceExplainer
        >>> from skinfluence.datasets import load_mnist17
        >>> digits = load_mnist17()
        >>> flipped = np.random.default_rng(0).choice(1500, 75, replace=False)
        >>> y = digits.target.copy()
        >>> y[flipped] = 8 - y[flipped]
        >>> explainer = InfluenceExplainer(LogisticRegression(C=0.1)).fit(digits.data, y)
        >>> suspects = explainer.rank_suspects(k=75)
        >>> np.isin(suspects["row"], flipped).sum()
        np.int64(69)
        """
        check_is_fitted(self)
        by = self._criterion(by, X_test)
        self._check_suspects(k)
        others = [name for name in ALWAYS if name != by]
        columns, scores = self._scored(by, X_test, y_test)
        # 1 − p has no digits where p is next to nothing; those that are left order the rows.
        order = order_of(-columns["given_probability"] if by == "label_noise" else scores)
        columns["score"] = scores
        for name in others:
            columns[f"rank_{name}"] = ranks(self._suspect_scores(name))
        return suspect_table(columns, order[:k], self._training_X)

    def _criterion(self, by: str, X_test: Any) -> str:
        choose("by", by, ("auto", *CRITERIA))
        probable = is_classifier(self.estimator_) and hasattr(self, "loo_predict_proba")
        probable = probable and self.objective_.has_probabilities
        if by == "auto":
            by = "label_noise" if probable and self._can_be_weighted() else "loo_loss"
        if by == "label_noise" and not probable:
            raise ValueError(
                f"{WHO}.rank_suspects got by='label_noise' for {type(self._model).__name__}, which "
                "has no class probabilities that it is fitted by. Use by='loo_loss'."
            )
        if (by == "test_influence") != (X_test is not None):
            rows = "no X_test" if X_test is None else "X_test"
            raise ValueError(
                f"{WHO}.rank_suspects got by={by!r} and {rows}; test rows are needed by "
                "'test_influence', and by nothing else."
            )
        return by

    def _can_be_weighted(self) -> bool:
        """Whether the estimator can be fitted here, with weights."""
        try:
            fit_parameters(self.estimator_, None)
        except TypeError:
            return False
        return not is_dask(self._training_X)

    def _check_suspects(self, k: int | None) -> None:
        columns = np.ndim(self._training_y)
        several = isinstance(self.objective_.coding, LabelColumns)
        if several or (columns > 1 and np.shape(self._training_y)[1] > 1):
            raise ValueError(
                f"{WHO}.rank_suspects got a model of several columns of y; needed is one. Fit an "
                "explainer for each column."
            )
        if k is not None and (isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1):
            raise ValueError(
                f"{WHO}.rank_suspects got k={k!r}; needed is a whole number of rows, or None for "
                "all."
            )

    def _scored(self, by: str, X_test: Any, y_test: Any) -> tuple[dict[str, Array], Array]:
        """Columns about labels, and the criterion, for all rows."""
        given = np.asarray(self._training_y).reshape(-1)
        if by == "label_noise":
            probabilities = self._true_labels(given)
            own = probabilities[np.arange(len(given)), self._codes(given)]
            return self._label_columns(given, probabilities), 1.0 - own
        if by == "test_influence":
            scores = self.influence(X_test, y_test, reduce="mean")
        else:
            scores = self._suspect_scores(by)
        if not is_classifier(self.estimator_):
            shown = np.asarray(self.loo_decision_function()).reshape(-1)
            return {"given_target": given, "suggested_target": shown}, scores
        if hasattr(self, "loo_predict_proba") and self.objective_.has_probabilities:
            return self._label_columns(given, self.loo_predict_proba()), scores
        return {"given_label": given, "suggested_label": self.loo_predict()}, scores

    def _label_columns(self, given: Array, probabilities: Array) -> dict[str, Array]:
        best = probabilities.argmax(axis=1)
        rows = np.arange(len(given))
        return {
            "given_label": given,
            "suggested_label": np.asarray(self.estimator_.classes_)[best],
            "given_probability": probabilities[rows, self._codes(given)],
            "suggested_probability": probabilities[rows, best],
        }

    def _codes(self, given: Array) -> Array:
        return np.searchsorted(np.asarray(self.estimator_.classes_), given)

    def _suspect_scores(self, by: str) -> Array:
        """By a criterion that needs nothing but the fitted model."""
        if by == "self_influence":
            return -self.self_influence()
        leave_out = self._leave_out("removal")
        objective = leave_out.objective
        values = objective.training_values
        if by == "loo_loss":
            values = values + leave_out.own_moves(np.arange(objective.n_rows))
        with np.errstate(invalid="ignore"):  # rows without which nothing is determined are NaN
            return np.asarray(objective.measured_loss.value(objective.y, values))

    def _true_labels(self, given: Array) -> Array:
        """P(true class | x, given label), (n, K), by a model that is fitted to likely labels."""
        codes = self._codes(given)
        rows = np.arange(len(codes))
        probabilities = np.asarray(self.loo_predict_proba(), dtype=np.float64)
        require_finite(probabilities, "probability")
        fitted = np.asarray(self.estimator_.predict_proba(self._training_X), dtype=np.float64)
        as_it_is = 0.5 * (fitted + probabilities)
        model = same_hyperparameters(self.estimator_)
        for _ in range(ROUNDS):
            transition = transition_matrix(probabilities, codes)
            right = true_label_probabilities(probabilities, codes, transition)[rows, codes]
            weights = np.maximum(right, LEAST_WEIGHT)
            if self._sample_weight is not None:
                weights = weights * self._sample_weight
            refitted = clone(self).set_params(estimator=model, prefit=False)
            refitted.fit(self._training_X, self._training_y, sample_weight=weights)
            unseen = np.asarray(refitted.loo_predict_proba(), dtype=np.float64)
            # A row may be what alone determines a network with these weights.
            probabilities = np.where(np.isfinite(unseen), unseen, probabilities)
        transition = transition_matrix(probabilities, codes)
        doubting = true_label_probabilities(probabilities, codes, transition)
        # Alone it errs where the model is weak, or bent; the model of all labels errs elsewhere.
        return pooled_probabilities(doubting, as_it_is)
