"""The question what moving rows' features does. Signs and n as in ``answers``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import effects
from .answers import Answers
from .curvature import Array
from .dask_graphs import rows_in_memory
from .inputs import choose
from .perturbation_inputs import warn_of_columns
from .progress import tracked_blocks
from .questions import Question
from .resources import within_resources
from .results import result_array
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
        out: Array | None = None,
    ) -> Array:
        """How moving a training row's features moves the test loss (Eq. 5).

        Moving row i by a small δ changes the loss of test row t by (s_i/n) · gradient · δ, with
        s_i the row's weight in the objective (1 without weights; the sample weight alone of
        one-vs-rest models of liblinear, whose class weights differ by output). What the model took
        from the rows, such as ``gamma="scale"``, stays the number that it was.

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
            Rows whose loss is watched.
        y_test : array-like of shape (n_test,), optional
            None stands for the model's own predicted label.
        indices : array-like of int or bool
            Training rows; None stands for all.
        reduce : {None, "mean"}, default=None
            "mean" averages over the test rows.
        space : {"raw", "model"}, default="raw"
            "raw": with respect to the explainer's own features, back through all steps before the
            model, which are held as they were fitted. "model": to the final model's inputs, which
            ``model_feature_names_`` names.
        out : ndarray or memmap of the result's shape, optional
            Where the result goes, block by block, and what is returned.

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
        mean = reduce == "mean"
        result, missing = out, np.zeros(0, dtype=bool)
        for tests, block, values in self._input_gradients(question, rows, mean, space):
            if result is None or not len(missing):
                shape = (question.n_rows, len(rows), values.shape[2])
                result = result_array(
                    out, shape[1:] if mean else shape, values.dtype, "perturbation_gradient"
                )
                missing = np.zeros(values.shape[2], dtype=bool)
            missing |= np.isnan(values).any(axis=(0, 1))
            result[(block,) if mean else (tests, block)] = values[0] if mean else values
        if space == "raw":
            warn_of_columns(missing, self.estimator_)
        return np.asarray(result) if out is None else out

    def _input_gradients(
        self, question: Question, rows: Array, mean: bool, space: str
    ) -> Iterator[tuple[slice, slice, Array]]:
        """Blocks of test rows and of positions in ``rows``, with their gradients."""
        factors = self.objective_.weights.class_factors(rows)
        # One factor for all outputs belongs to s_i, several have to be in the gradient itself.
        given = factors if factors.shape[1] > 1 else None
        linear_map = self.objective_.linear_map
        per_direction = 8 * (2 * linear_map.n_features + 3 * linear_map.n_outputs)
        for tests, directions in question.directions(self.solver_, mean=mean):
            bytes_per_row = per_direction * directions.shape[1]
            blocks = tracked_blocks(len(rows), bytes_per_row, "gradients, training rows")
            for block in list(blocks) or [slice(0, 0)]:
                some = None if given is None else given[block]
                values = effects.input_gradients(self.objective_, directions, rows[block], some)
                values *= -self.objective_.n_rows
                if space == "raw":
                    raw = rows_in_memory(self._training_X, rows[block])
                    values = pull_back(self._transformers, *raw, values)
                yield tests, block, values
