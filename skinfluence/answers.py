"""The questions an explainer answers. Signs, n and units live here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import effects
from .curvature import Array
from .explanation import Explanation, TopRows
from .inputs import check_indices, check_k, choose, model_rows
from .objective import Objective
from .questions import Question, pose_question
from .refits import Refits
from .removal import RowRemoval
from .smoothing import sharp_optimum
from .solvers import InverseHessian, Solver, SolverContext

KINDS = ("upweight", "removal", "refit")


class Answers:
    """What every question needs: a fitted objective, its inverse Hessian, checked input."""

    estimator_: Any
    objective_: Objective
    solver_: InverseHessian
    refit_tol: float
    _fitted: Objective
    _removal: RowRemoval
    _refits: Refits | None
    _solver: Solver
    _solver_context: SolverContext
    _transformers: list[Any]
    _model: Any
    _training_X: Any
    _training_y: Any

    def _question(
        self, X_test: Any, y_test: Any, target: str, objective: Objective | None = None
    ) -> Question:
        rows = model_rows(self._transformers, self._model, X_test)
        if y_test is None and self.objective_.coding.is_classification:
            y_test = self.estimator_.predict(X_test)
        return pose_question(objective or self.objective_, rows, y_test, target)

    def _leave_out(self, kind: str) -> RowRemoval | Refits:
        """What answers how the model changes without a row."""
        return self._removal if self._by_newton(kind) else self._exact()

    def _by_newton(self, kind: str) -> bool:
        """Whether one Newton step answers: across a kink it would not, and refits do."""
        return kind == "removal" and not self.objective_.loss.kinked

    def _exact(self) -> Refits:
        """Refits, from the estimator's own optimum; found when first asked for."""
        if self._refits is None:
            solver, context = self._solver, self._solver_context
            found = self.objective_, self.solver_
            if self.objective_.loss.smoothed:
                found = sharp_optimum(self._fitted, self.objective_, solver, context)
            self._refits = Refits(*found, solver, context, self.refit_tol)
        return self._refits

    def _rows(self, indices: Any, name: str = "indices") -> Array:
        rows = check_indices(indices, self.objective_.n_rows, name)
        return np.arange(self.objective_.n_rows) if rows is None else rows

    def _effects(
        self, question: Question, kind: str, rows: Array | None, *, mean: bool = False
    ) -> Iterator[tuple[slice, Any, Array]]:
        """Blocks of effects in the user's sign and scale: tests, positions, values."""
        if kind != "upweight":
            share = 1.0 / question.n_rows if mean else 1.0
            chosen = np.arange(self.objective_.n_rows) if rows is None else rows
            for tests, positions, change in question.changes(self._leave_out(kind), chosen):
                yield tests, positions, share * change
            return
        for tests, directions in question.directions(self.solver_, mean=mean):
            for positions, values in effects.gradient_products(self.objective_, directions, rows):
                yield tests, positions, -self.objective_.n_rows * values


class InfluenceAnswers(Answers):
    """What a row's weight, or its removal, does to targets and parameters."""

    def influence(
        self,
        X_test: Any,
        y_test: Any = None,
        *,
        target: str = "loss",
        kind: str = "upweight",
        indices: Any = None,
        reduce: str | None = None,
    ) -> Array:
        """Influence of training rows on test rows (Eq. 2, or the effect of removal).

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
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
        indices : array-like of int or boolean mask, optional
            Training rows; all by default.
        reduce : {None, "mean"}, default=None
            "mean" averages over the test rows.

        Returns
        -------
        ndarray of shape (n_test, n_indices), or (n_indices,) with ``reduce="mean"``
            In the dtype of the model's input (float32 or float64).

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
        rows = check_indices(indices, self.objective_.n_rows)
        question = self._question(X_test, y_test, target)
        mean = reduce == "mean"
        n_rows = self.objective_.n_rows if rows is None else len(rows)
        n_results = 1 if mean else question.n_rows
        result = np.zeros((n_results, n_rows), dtype=self.objective_.linear_map.dtype)
        for tests, positions, values in self._effects(question, kind, rows, mean=mean):
            if mean:
                result[0, positions] += values.sum(axis=0)
            else:
                result[tests, positions] = values
        return result[0] if mean else result

    def self_influence(self, *, kind: str = "upweight", indices: Any = None) -> Array:
        """Influence of each training row on its own loss: the diagonal of ``influence(X, y)``.

        Parameters
        ----------
        kind : {"upweight", "removal", "refit"}, default="upweight"
            "upweight": −∇ℓ_iᵀ H⁻¹ ∇ℓ_i (Section 5.4), never positive. "removal" and "refit": how
            much the row's own loss rises when it is left out, by one Newton step and exactly.
        indices : array-like of int or boolean mask, optional

        Returns
        -------
        ndarray of shape (n_indices,)

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
            products = self.solver_.self_products(linear_map, objective.residuals[rows])
            result = -objective.n_rows * products
        else:
            leave_out = self._leave_out(kind)
            loss, y = leave_out.objective.loss, objective.y[rows]
            before = leave_out.objective.training_values[rows]
            moved = before + leave_out.own_moves(rows)
            with np.errstate(invalid="ignore"):  # rows that leave nothing determined are NaN
                result = loss.value(y, moved) - loss.value(y, before)
        return result.astype(objective.linear_map.dtype)

    def parameter_influence(
        self, *, kind: str = "upweight", indices: Any = None
    ) -> dict[str, Array]:
        """Influence of training rows on the parameters (Eq. 1).

        Parameters
        ----------
        kind : {"upweight", "removal", "refit"}, default="upweight"
            "upweight": −H⁻¹ ∇ℓ_i. "removal" and "refit": the change of the parameters without
            row i, by one Newton step and exactly.
        indices : array-like of int or boolean mask, optional

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

    def explain(
        self, X_test: Any, y_test: Any = None, *, k: int = 10, kind: str = "removal"
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
        k = check_k(k, self.objective_.n_rows)
        regressor_alone = y_test is None and not self.objective_.coding.is_classification
        target = "prediction" if regressor_alone else "loss"
        question = self._question(X_test, y_test, target)
        top = TopRows(question.n_rows, k)
        for tests, positions, values in self._effects(question, kind, None):
            top.update(tests, positions, values)
        return Explanation.from_top_rows(
            top,
            kind=kind,
            target=target,
            unit=question.target.unit,
            larger_is_helpful=(kind != "upweight") == (target == "loss"),
            labels=question.labels,
            training_X=self._training_X,
            training_y=self._training_y,
            test_X=X_test,
        )
