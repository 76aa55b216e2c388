"""The questions about a row's weight or removal. Signs, n and units as in ``answers``."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .answers import KINDS
from .chunked_answers import ChunkedAnswers, fill
from .curvature import Array
from .explanation import Explanation, TopRows, relative_unit
from .inputs import check_indices, check_k, choose
from .predictors import LinearMap
from .relative import NORMS
from .resources import within_resources
from .results import result_array


class InfluenceAnswers(ChunkedAnswers):
    """What a row's weight, or its removal, does to targets and parameters."""

    @within_resources
    def influence(
        self,
        X_test: Any,
        y_test: Any = None,
        *,
        target: str = "loss",
        kind: str = "upweight",
        indices: Any = None,
        reduce: str | None = None,
        normalize: str | None = None,
        out: Array | None = None,
    ) -> Array:
        """Influence of training rows on test rows (Eq. 2, or the effect of removal).

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
            Rows whose loss or prediction is explained.
        y_test : array-like of shape (n_test,) or (n_test, n_targets), optional
            Labels or targets. None stands for the model's own predicted label: "why did it say
            this?". Regressors need it for ``target="loss"``.
        target : {"loss", "prediction"}, default="loss"
            "loss": the estimator's own per-row loss at y_test: log-loss in nats, squared error
            (y − z)² as in Ridge's objective, hinge, squared hinge; unweighted, unpenalised.
            "prediction": a regressor's predicted value, a classifier's probability of class
            y_test (its decision value where there is no ``predict_proba``).
        kind : {"upweight", "removal", "refit"}, default="upweight"
            See the class's notes for signs, scales and cost.
        indices : array-like of int or bool, optional
            Training rows; all by default.
        reduce : {None, "mean"}, default=None
            "mean" averages over the test rows.
        normalize : {None, "theta", "loss"}, default=None
            Relative influence (RelatIF, [1]_): each row's effect over the size of what it does to
            the whole model, d_i, so that outliers don't top every list. d_i = H⁻¹∇ℓ_i with
            "upweight", and the change of the parameters Δθ_i with "removal" and "refit".
            "theta" divides by ‖d_i‖₂ (of a kernel machine: in its function space, and of its
            intercept); "loss" by (d_iᵀ H d_i)^½ with "upweight" and (Δθ_iᵀ ∇²J Δθ_i)^½ otherwise,
            ∇²J = n H at the fitted parameters, with damping; its unit is that of √J. A relative
            effect by removal is, to first order, −1 times ("loss": −1/√n times) that of
            upweighting, but for penalties against a mean, which a removal changes too. 0 for
            rows that move the parameters by less than their last digit.
        out : ndarray or memmap of the result's shape, optional
            Where the result goes, block by block, and what is returned.

        Returns
        -------
        ndarray of shape (n_test, n_indices), or (n_indices,) with ``reduce="mean"``
            In the dtype of the model's input (float32 or float64). Of training rows in chunks a
            lazy dask array, chunked as they are, and as ``X_test`` is where that is dask's too.

        Raises
        ------
        IndexError, TypeError, ValueError
            For indices, settings and data that don't fit.

        Warns
        -----
        RuntimeWarning
            For rows without which the model is not determined: their effects are NaN.
        ConvergenceWarning
            For refits that don't reach ``refit_tol``.

        References
        ----------
        .. [1] Barshan, Brunet & Dziugaite, "RelatIF: Identifying Explanatory Training Examples
           via Relative Influence", AISTATS 2020.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0, 7.0])
        >>> explainer = InfluenceExplainer(LinearRegression()).fit(X, y)
        >>> explainer.influence([[4.0]], target="prediction", kind="removal").round(2)
        array([[ 1.33,  0.  ,  1.14, -4.  ]])
        """
        check_is_fitted(self)
        choose("kind", kind, KINDS)
        choose("reduce", reduce, (None, "mean"))
        choose("normalize", normalize, NORMS)
        rows = check_indices(indices, self.objective_.n_rows)
        mean = reduce == "mean"
        if self._in_chunks:
            questions = self._questions(X_test, y_test, target)
            lazy = self._lazy_influence(questions, kind, rows, mean=mean, normalize=normalize)
            return lazy if out is None else fill(out, lazy)
        question = self._question(X_test, y_test, target)
        n_rows = self.objective_.n_rows if rows is None else len(rows)
        shape = (n_rows,) if mean else (question.n_rows, n_rows)
        result = result_array(out, shape, self.objective_.linear_map.dtype, "influence")
        if mean:
            result[:] = 0.0
        blocks = self._effects(question, kind, rows, mean=mean, normalize=normalize)
        for tests, positions, values in blocks:
            if mean:
                result[positions] += values.sum(axis=0)
            else:
                result[tests, positions] = values
        return result

    @within_resources
    def self_influence(self, *, kind: str = "upweight", indices: Any = None) -> Array:
        """Influence of each training row on its own loss: the diagonal of ``influence(X, y)``.

        Parameters
        ----------
        kind : {"upweight", "removal", "refit"}, default="upweight"
            "upweight": −∇ℓ_iᵀ H⁻¹ ∇ℓ_i (Section 5.4), never positive. "removal" and "refit": how
            much the row's own loss rises when it is left out, by one Newton step and exactly.
        indices : array-like of int or bool, optional
            Training rows; all by default.

        Returns
        -------
        ndarray of shape (n_indices,)
            In the unit of the loss.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0, 7.0])
        >>> explainer = InfluenceExplainer(LinearRegression()).fit(X, y)
        >>> int(explainer.self_influence().argmin())  # the outlier
        3
        """
        check_is_fitted(self)
        choose("kind", kind, KINDS)
        objective = self.objective_
        rows = self._rows(indices)
        if kind == "upweight":
            linear_map = objective.linear_map.take(rows)
            products = self._self_products(linear_map, rows)
            result = -objective.n_rows * products
        else:
            leave_out = self._leave_out(kind)
            loss, y = leave_out.objective.measured_loss, objective.y[rows]
            before = leave_out.objective.training_values[rows]
            moved = before + leave_out.own_moves(rows)
            with np.errstate(invalid="ignore"):  # rows that leave nothing determined are NaN
                result = loss.value(y, moved) - loss.value(y, before)
        return result.astype(objective.linear_map.dtype)

    def _self_products(self, linear_map: LinearMap, rows: Array) -> Array:
        """∇ℓ_iᵀ (∇²J)⁻¹ ∇ℓ_i, one of the two losses as it is asked about."""
        objective, measured = self.objective_, self.objective_.measured_loss
        residuals = objective.residuals[rows]
        if measured is objective.loss:
            return self.solver_.self_products(linear_map, residuals)
        asked = measured.residual(objective.y[rows], objective.training_values[rows])
        return np.einsum("ik,ikh,ih->i", asked, self.solver_.leverage(linear_map), residuals)

    @within_resources
    def parameter_influence(
        self, *, kind: str = "upweight", indices: Any = None
    ) -> dict[str, Array]:
        """Influence of training rows on the parameters (Eq. 1).

        Parameters
        ----------
        kind : {"upweight", "removal", "refit"}, default="upweight"
            "upweight": −H⁻¹ ∇ℓ_i. "removal" and "refit": the change of the parameters without
            row i, by one Newton step and exactly.
        indices : array-like of int or bool, optional
            Training rows; all by default.

        Returns
        -------
        dict
            ``coef`` and ``intercept``, of shapes ``(n_indices, *coef_.shape)`` and
            ``(n_indices, *intercept_.shape)``, with respect to the final model's inputs.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0, 7.0])
        >>> explainer = InfluenceExplainer(Ridge()).fit(X, y)
        >>> without_last = Ridge().fit(X[:3], y[:3])
        >>> change = explainer.parameter_influence(kind="removal", indices=[3])
        >>> bool(np.allclose(explainer.estimator_.coef_ + change["coef"], without_last.coef_))
        True
        """
        check_is_fitted(self)
        choose("kind", kind, KINDS)
        rows = self._rows(indices)
        if kind != "upweight":
            directions = self._leave_out(kind).parameter_steps(rows)
        else:
            linear_map = self.objective_.linear_map.take(rows)
            gradients = linear_map.columns(self.objective_.residuals[rows])
            directions = -self.objective_.n_rows * self.solver_.solve(gradients)
        return self.objective_.predictor.unpack(directions)

    @within_resources
    def explain(
        self,
        X_test: Any,
        y_test: Any = None,
        *,
        k: int = 10,
        kind: str = "removal",
        normalize: str | None = None,
    ) -> Explanation:
        """The most helpful and most harmful training rows of each test row.

        Effects are on the test row's loss (at y_test, or at the model's own predicted label);
        for a regressor without y_test, on its predicted value. They are streamed: the n_test × n
        matrix is never held.

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
        y_test : array-like of shape (n_test,) or (n_test, n_targets), optional
        k : int, default=10
            Rows of either sort.
        kind : {"removal", "upweight", "refit"}, default="removal"
        normalize : {None, "theta", "loss"}, default=None
            As in ``influence``: rank rows by their effect relative to what they do to the whole
            model.

        Returns
        -------
        Explanation

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skinfluence import InfluenceExplainer
        >>> from skinfluence.datasets import load_mnist17
        >>> digits = load_mnist17()
        >>> explainer = InfluenceExplainer(LogisticRegression(C=0.01, tol=1e-8))
        >>> explainer.fit(digits.data, digits.target).explain(digits.test_data[:1], k=2)
        Explanation of 1 test row: 2 helpful and 2 harmful rows each
        effect: change of the test row's loss, in log-loss (nats), when the row is removed and
        the model refitted; positive = helpful
        test row 0 (explained: 7)
          helpful: row 154 +4.75e-04, row 467 +3.09e-04
          harmful: row 1291 -9.89e-04, row 417 -3.89e-04
        """
        check_is_fitted(self)
        choose("kind", kind, KINDS)
        choose("normalize", normalize, NORMS)
        k = check_k(k, self.objective_.n_rows)
        regressor_alone = y_test is None and not self.objective_.coding.has_labels
        target = "prediction" if regressor_alone else "loss"
        top, unit, labels = self._top_rows(X_test, y_test, target, k, kind, normalize)
        return Explanation.from_top_rows(
            top,
            kind=kind,
            target=target,
            unit=relative_unit(unit, normalize),
            normalize=normalize,
            larger_is_helpful=(kind != "upweight") == (target == "loss"),
            labels=labels,
            training_X=self._training_X,
            training_y=self._training_y,
            test_X=X_test,
        )

    def _top_rows(
        self, X_test: Any, y_test: Any, target: str, k: int, kind: str, normalize: str | None
    ) -> tuple[TopRows, str, Any]:
        """With the unit of the effects, and what the test rows are called."""
        if self._in_chunks:
            questions = self._questions(X_test, y_test, target)
            return self._chunked_top(questions, k, kind, normalize)
        question = self._question(X_test, y_test, target)
        top = TopRows(question.n_rows, k)
        for tests, positions, values in self._effects(question, kind, None, normalize=normalize):
            top.update(tests, positions, values)
        return top, question.target.unit, question.labels
