"""The questions about moving a row's features. Signs and n as in ``answers``."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from . import effects
from .answers import Answers
from .curvature import Array
from .inputs import choose
from .transformers import pull_back


class PerturbationAnswers(Answers):
    """What moving a training row does to test losses."""

    def perturbation_gradient(
        self, X_test: Any, y_test: Any = None, *, indices: Any, reduce: str | None = None
    ) -> Array:
        """How moving a training row's features moves the test loss (Eq. 5).

        Moving row i by a small δ changes the loss of test row t by (s_i/n) · gradient · δ, with
        s_i the row's weight in the objective (1 without weights).

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
        y_test : array-like of shape (n_test,), optional
            None stands for the model's own predicted label.
        indices : array-like of int or boolean mask
            Training rows.
        reduce : {None, "mean"}, default=None
            "mean" averages over the test rows.

        Returns
        -------
        ndarray of shape (n_test, n_indices, n_features), or (n_indices, n_features)
            Of the explainer's own features: through the steps before the model.

        Raises
        ------
        TypeError
            For steps whose derivative is not known.
        IndexError, ValueError
            For indices and data that don't fit; for a regressor without y_test.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0, 7.0])
        >>> explainer = InfluenceExplainer(Ridge()).fit(X, y)
        >>> explainer.perturbation_gradient([[4.0]], [8.0], indices=[0, 3]).shape
        (1, 2, 1)
        """
        check_is_fitted(self)
        choose("reduce", reduce, (None, "mean"))
        rows = self._rows(indices)
        question = self._question(X_test, y_test, "loss")
        directions = self.solver_.directions(
            question.linear_map, question.gradients(), mean=reduce == "mean"
        )
        gradients = effects.input_gradients(self.objective_, directions, rows)
        gradients *= -self.objective_.n_rows
        result = pull_back(self._transformers, self._training_X, rows, gradients)
        return result[0] if reduce == "mean" else result
