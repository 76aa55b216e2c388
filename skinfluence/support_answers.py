"""The question whose removal changes the support of a model with an L1 penalty."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.utils.validation import check_is_fitted

from .active_set import rows_leaving_support
from .answers import Answers
from .curvature import Array
from .inputs import WHO, choose
from .resources import within_resources

SUPPORT_KINDS = ("removal", "refit")


class SupportAnswers(Answers):
    """Of the active set."""

    @within_resources
    def support_changes(self, *, kind: str = "removal", indices: Any = None) -> Array:
        """Whose removal would change which coefficients are 0, or the sign of one.

        Effects of an L1-penalised model hold its support and signs as fitted. They are those of
        the estimator refitted without the row, unless this is True: then a coefficient would
        become 0 or change its sign, or one that is 0 would no longer be.

        Parameters
        ----------
        kind : {"removal", "refit"}, default="removal"
            By the parameters after one Newton step, or exactly: the conditions of optimality are
            checked at these, for every coefficient.
        indices : array-like of int or bool, optional
            Training rows; all by default.

        Returns
        -------
        ndarray of bool of shape (n_indices,)
            True also for rows without which the model with this support is not determined.

        Raises
        ------
        ValueError
            For a model without an L1 penalty.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import Lasso
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = load_diabetes(return_X_y=True)
        >>> explainer = InfluenceExplainer(Lasso(alpha=0.3)).fit(X, y)
        >>> int(explainer.support_changes().sum())
        28
        """
        check_is_fitted(self)
        choose("kind", kind, SUPPORT_KINDS)
        if self.objective_.outside is None:
            raise ValueError(
                f"{WHO}.support_changes got {type(self._model).__name__}, which is fitted without "
                "an L1 penalty: none of its coefficients is held at 0. It is for Lasso, "
                "ElasticNet, and penalties with an L1 part."
            )
        leave_out = self._leave_out(kind)
        rows = self._rows(indices)
        with warnings.catch_warnings():  # of what is asked for
            warnings.filterwarnings("ignore", message=".*would change the support")
            return rows_leaving_support(leave_out.objective, rows, leave_out.parameter_steps)
