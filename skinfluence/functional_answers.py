"""The question what rows do to a metric of the model, or to one of its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .answers import KINDS, Answers
from .coding import ClassLabels
from .curvature import Array
from .functional_readings import Truth
from .functionals import Functional, as_functional, coefficient, prediction
from .inputs import WHO, check_indices, check_targets, choose, model_rows
from .measuring import (
    Measure,
    OfParameters,
    OfRows,
    exact_changes,
    first_order_products,
    newton_changes,
)
from .resources import within_resources


class FunctionalAnswers(Answers):
    """What a row's weight, or its removal, does to scalar properties of the model."""

    model_feature_names_: Any

    @within_resources
    def functional_influence(
        self, X: Any, y: Any, functional: Any, *, kind: str = "upweight", indices: Any = None
    ) -> Array:
        """Influence of training rows on a scalar property of the model on a given data set.

        Accuracy, ROC AUC, a fairness gap, a coefficient: how each training row moves it. The
        property's gradient with respect to the decision values is pulled back to the parameters
        and solved for once, however many rows it is evaluated on.

        Parameters
        ----------
        X : array-like of shape (n_test, n_features) or None
            Rows that it is evaluated on; None for a coefficient.
        y : array-like of shape (n_test,) or (n_test, n_targets), or None
            Their labels or targets; None where the functional needs none.
        functional : functional, str or callable
            One of ``skinfluence.functionals``, such as ``functionals.accuracy()`` or its name if
            it needs no settings; or any ``f(decision_values, y) -> (value, gradient)``, which
            gets decision values of shape (n_test,) or (n_test, C) as ``decision_function`` (of a
            regressor ``predict``) shows them, and y as it is passed here. The gradient has their
            shape; for ``kind="refit"``, which doesn't look at it, it may be None.
        kind : {"upweight", "removal", "refit"}, default="upweight"
            "upweight": −n ∇Fᵀ (∇²J)⁻¹ ∇ℓ_i, the derivative of F with respect to the row's weight
            in the mean risk, in the scale of ``influence``. Positive = more weight raises F.
            "removal": change of F when the row is removed, its gradient times the change of the
            decision values by one Newton step. "refit": the change of F itself, at the exact
            leave-one-out decision values.
        indices : array-like of int or bool, optional
            Training rows; all by default.

        Returns
        -------
        ndarray of shape (n_indices,)
            In units of F. "removal" and "refit": positive = F is larger without the row.

        Raises
        ------
        IndexError, TypeError, ValueError
            For indices, settings and data that don't fit, metrics that the rows leave undefined,
            and functionals that return NaN or another shape.

        Warns
        -----
        RuntimeWarning
            For rows without which the model is not determined: their effects are NaN.

        Notes
        -----
        Accuracy, rates and areas under curves are step functions. "upweight" and "removal" take
        the gradient of smoothed ones, "refit" the metric itself, which most single rows don't
        change at all. For losses with kinks "removal" is the same as "refit".

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.preprocessing import scale
        >>> from skinfluence import InfluenceExplainer, functionals
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> X = scale(X)
        >>> explainer = InfluenceExplainer(LogisticRegression()).fit(X[:400], y[:400])
        >>> effects = explainer.functional_influence(X[400:], y[400:], "roc_auc", kind="removal")
        >>> effects.shape, int(effects.argmax())  # the AUC is best without this row
        ((400,), 297)
        >>> size = explainer.functional_influence(None, None, functionals.coefficient(0))
        >>> size.shape
        (400,)
        """
        check_is_fitted(self)
        choose("kind", kind, KINDS)
        rows = check_indices(indices, self.objective_.n_rows)
        measure = self._measure(as_functional(functional), X, y)
        if kind == "upweight":
            tangent = measure.tangent(self.objective_)
            products = first_order_products(self.objective_, self.solver_, tangent, rows)
            result = -self.objective_.n_rows * products
        else:
            chosen = np.arange(self.objective_.n_rows) if rows is None else rows
            if self._by_newton(kind):
                tangent = measure.tangent(self._removal.objective)
                result = newton_changes(self._removal, tangent, chosen)
            else:
                result = exact_changes(self._exact(), measure, chosen)
        return np.asarray(result.astype(self.objective_.linear_map.dtype))

    def _measure(self, functional: Functional, X: Any, y: Any) -> Measure:
        """A functional on given rows."""
        if isinstance(functional, coefficient):
            return self._coefficient(functional)
        if X is None:
            raise ValueError(
                f"{WHO} got X=None for the functional {functional.name!r}; needed are the rows "
                "that it is evaluated on. Only a coefficient needs none."
            )
        linear_map = self.objective_.predictor.linearize(
            model_rows(self._transformers, self._model, X)
        )
        if y is not None:
            check_targets(y, linear_map.n_rows, "y")
        elif functional.needs_y:
            raise ValueError(
                f"{WHO} got y=None for the functional {functional.name!r}; needed are the labels "
                "or targets of the rows that it is evaluated on."
            )
        elif isinstance(functional, prediction) and self.objective_.coding.is_classification:
            y = self.estimator_.predict(X)
        truth = Truth(self.objective_, y, type(self._model).__name__)
        return OfRows(functional, linear_map, truth)

    def _coefficient(self, functional: coefficient) -> OfParameters:
        objective = self.objective_
        if objective.linear_map.implicit:
            raise TypeError(
                f"functionals.coefficient got {type(self._model).__name__}, a kernel machine, "
                "which has a coefficient for each training row instead of each feature. Use "
                "functionals.prediction."
            )
        if objective.linear_map.tangent:
            raise TypeError(
                f"functionals.coefficient got {type(self._model).__name__}, a network, none of "
                "whose weights is the coefficient of a feature. Use functionals.prediction."
            )
        predictor = objective.predictor
        names = self.model_feature_names_ if isinstance(functional.feature, str) else ()
        position = functional.position(names, predictor.n_features)
        shape = predictor.coef_shape
        coding = objective.coding
        by_class = isinstance(coding, ClassLabels) and coding.layout != "pairs"
        labels = coding.classes.tolist() if by_class else []  # type: ignore[attr-defined]
        row = functional.row(labels, shape[0] if len(shape) == 2 else 1)
        return OfParameters.of_coefficient(objective, position, row)
