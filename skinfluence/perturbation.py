"""The question what moving rows' features does. Signs and n as in ``answers``."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from . import effects
from .answers import Answers
from .curvature import Array
from .inputs import choose
from .perturbation_inputs import warn_of_columns
from .resources import within_resources
from .transformers import feature_names_after, pull_back

SPACES = ("raw", "model")


class PerturbationAnswers(Answers):
    """What moving a training row does to test losses."""

    @property
    def model_feature_names_(self) -> Array:
        """Names of the final model's inputs, (d,): the last axis with ``space="model"``."""
        check_is_fitted(self)
        given = getattr(self.estimator_, "feature_names_in_", None)
        n_features = self.objective_.predictor.n_features
        return feature_names_after(self._transformers, given, n_features)

    @within_resources
    def perturbation_gradient(
        self,
        X_test: Any,
        y_test: Any = None,
        *,
        indices: Any,
        reduce: str | None = None,
        space: str = "raw",
    ) -> Array:
        """How moving a training row's features moves the test loss (Eq. 5).

        Moving row i by a small δ changes the loss of test row t by (s_i/n) · gradient · δ, with
        s_i the row's weight in the objective (1 without weights; the sample weight alone of
        one-vs-rest models of liblinear, whose class weights differ by output). What the model took
        from the rows, such as ``gamma="scale"``, stays the number that it was.

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
        y_test : array-like of shape (n_test,), optional
            None stands for the model's own predicted label.
        indices : array-like of int or boolean mask
            Training rows; None stands for all.
        reduce : {None, "mean"}, default=None
            "mean" averages over the test rows.
        space : {"raw", "model"}, default="raw"
            "raw": with respect to the explainer's own features, back through all steps before the
            model, which are held as they were fitted. "model": to the final model's inputs, which
            ``model_feature_names_`` names.

        Returns
        -------
        ndarray of shape (n_test, n_indices, n_features), or (n_indices, n_features)
            NaN where there is no derivative: for columns that are encoded, binned or split into
            words, and at points where a step jumps.

        Raises
        ------
        TypeError
            For steps whose derivative is not known.
        IndexError, ValueError
            For indices and data that don't fit; for a regressor without y_test.

        Warns
        -----
        RuntimeWarning
            Of columns with NaN.

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
        choose("space", space, SPACES)
        rows = self._rows(indices)
        question = self._question(X_test, y_test, "loss")
        directions = self.solver_.directions(
            question.linear_map, question.gradients(), mean=reduce == "mean"
        )
        factors = self.objective_.weights.class_factors(rows)
        # One factor for all outputs belongs to s_i, several have to be in the gradient itself.
        given = factors if factors.shape[1] > 1 else None
        result = effects.input_gradients(self.objective_, directions, rows, given)
        result *= -self.objective_.n_rows
        if space == "raw":
            result = pull_back(self._transformers, self._training_X, rows, result)
            warn_of_columns(result, self.estimator_)
        return result[0] if reduce == "mean" else result
