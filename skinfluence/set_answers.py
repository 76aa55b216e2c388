"""The question which few rows decide the sign of a number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags

from .curvature import Array
from .functional_answers import FunctionalAnswers
from .functionals import Functional, as_functional, coefficient, equalized_odds, prediction
from .influential_sets import InfluentialSet, Search, find_set
from .inputs import WHO
from .resources import within_resources
from .retraining import LeaveOneOut, take_columns, take_rows


class SetAnswers(FunctionalAnswers):
    """Which few rows decide a conclusion."""

    _sample_weight: Array | None

    @within_resources
    def most_influential_set(
        self, functional: Any, k: int, *, X: Any = None, y: Any = None
    ) -> InfluentialSet:
        """The smallest set of rows found whose removal flips the sign of a number of the model.

        A coefficient, a gap between groups, or any functional: rows are removed one after the
        other, each time the one that moves it furthest towards 0 and past it, by a Newton step
        at the optimum without those that are gone already. Once the sign has changed there, rows
        that aren't needed go back, and the estimator is fitted again without the others: what it
        says counts.

        Parameters
        ----------
        functional : functional, str or callable
            As in :meth:`functional_influence`; with a sign.
        k : int
            How many rows may go. Each costs a factorisation of the Hessian and a refit.
        X : array-like of shape (n_test, n_features), optional
            Rows that the functional is evaluated on; none for a coefficient.
        y : array-like of shape (n_test,) or (n_test, n_targets), optional
            Their labels or targets, where the functional reads them.

        Returns
        -------
        InfluentialSet
            The rows, the number before and after, and whether its sign has changed (past 0, not
            just to it). If no set of up to k rows does that, the one that comes nearest.

        Raises
        ------
        TypeError, ValueError
            For a number that is 0 to begin with, k out of range, and as in
            :meth:`functional_influence`.

        Notes
        -----
        Greedy: there may be a smaller set, of rows that do little until others are gone. No set
        takes all rows of a class. Pipelines are refitted as a whole; hyper-parameters are held.
        A coefficient under an L1 penalty often ends at 0 instead of past it, which is no flip.
        In a pipeline a coefficient is that of the feature of its name; one whose feature a step
        drops is 0, and components may turn or swap.
        Metrics that are step functions go by smoothed ones for which row is next: the search is
        done with steps of 1, 5, 10 and 25 times the functional's ``temperature``, and the smallest
        set is kept.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from skinfluence import InfluenceExplainer, functionals
        >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [9.0]])
        >>> y = np.array([3.0, 2.0, 1.0, 0.0, 9.0])
        >>> explainer = InfluenceExplainer(LinearRegression()).fit(X, y)
        >>> explainer.most_influential_set(functionals.coefficient(0), k=2)
        InfluentialSet: without 1 row coefficient(feature=0) changes its sign
        0.8 before, -1 refitted without
        rows: 4
        """
        self._require_optimum(
            "most_influential_set",
            "Ask group_influence(kind='removal') for the sets of rows that you have in mind.",
        )
        n = self.objective_.n_rows
        if not isinstance(k, (int, np.integer)) or isinstance(k, bool) or not 1 <= k < n:
            raise ValueError(
                f"{WHO}.most_influential_set got k={k!r} with {n} training rows; needed is a "
                f"whole number from 1 to {n - 1}."
            )
        asked = self._with_a_sign(as_functional(functional))
        if y is None and isinstance(asked, prediction) and self.objective_.coding.is_classification:
            # The class that is predicted now, not the one that each refit would predict.
            y = self.estimator_.predict(X)
        measure = self._measure(asked, X, y)
        before = measure.at(self._fitted)
        if before == 0.0:
            raise ValueError(
                f"{WHO}.most_influential_set got {asked.name}, which is exactly 0 for the fitted "
                "model: it has no sign to flip."
            )
        smoothed = self.objective_ if self.objective_.loss.smoothed else None
        sign = float(np.sign(before))
        searches = [Search(self._exact(), smoothed, each, sign) for each in measure.widened()]

        def refitted(rows: list[int]) -> float:
            return self._number_without(asked, rows, X, y)

        rows, value = find_set(searches, int(k), refitted)
        return InfluentialSet(
            rows=np.array(rows, dtype=np.intp),
            row_names=self._row_names(rows),
            functional=asked.description,
            value_before=before,
            values=searches[0].path(rows),
            refitted=value,
            flipped=bool(value * before < 0),
            k=int(k),
        )

    def _with_a_sign(self, asked: Functional) -> Functional:
        """Refuse what is never negative, and a sign that changes by another number's turn."""
        likely = self.objective_.coding.is_classification and self.objective_.has_probabilities
        if not asked.signed or (isinstance(asked, prediction) and likely):
            raise ValueError(
                f"{WHO}.most_influential_set got {asked.name}, which is never negative: it has no "
                "sign to flip. Pass a gap, a coefficient, or a function of your own that returns "
                "a difference, such as the metric less a threshold, and its gradient."
            )
        if isinstance(asked, equalized_odds):
            raise ValueError(
                f"{WHO}.most_influential_set got equalized_odds, the larger of two gaps: its sign "
                "changes when the other one becomes larger. Ask for one of them, such as "
                "equal_opportunity(sensitive)."
            )
        return asked

    def _number_without(self, functional: Any, rows: list[int], X: Any, y: Any) -> float:
        """Of the estimator, really fitted again without some rows."""
        seen = self.objective_.linear_map.full_X
        refits = LeaveOneOut.of(
            self.estimator_, seen, self._training_X, self._training_y, None, None, "predict"
        )
        kept = np.delete(np.arange(self.objective_.n_rows), rows)
        weights = None if self._sample_weight is None else self._sample_weight[kept]
        training = take_rows(refits.X, kept)
        if get_tags(refits.estimator).input_tags.pairwise:
            training = take_columns(training, kept)
            X = None if X is None else take_columns(X, kept)
        again = clone(self).set_params(estimator=refits.estimator, prefit=False)
        again.fit(training, take_rows(refits.y, kept), sample_weight=weights)
        if isinstance(functional, coefficient) and self._transformers:
            # Steps that choose features may choose others: then its position is another's, and
            # what is dropped has no coefficient.
            names = self.model_feature_names_
            name = str(names[functional.position(names, len(names))])
            if name not in again.model_feature_names_:
                return 0.0
            functional = replace(functional, feature=name)
        return float(again._measure(functional, X, y).at(again._fitted))

    def _row_names(self, rows: list[int]) -> tuple[Any, ...]:
        X = self._training_X
        return tuple(X.index[rows] if hasattr(X, "iloc") else rows)
