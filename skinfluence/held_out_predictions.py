"""Leave-one-out predictions in the shape that scikit-learn's scorers ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from .curvature import Array
from .inputs import WHO


class HeldOutPredictions(BaseEstimator):
    """An "estimator" that answers scorers with leave-one-out predictions of the training rows.

    Parameters
    ----------
    explainer : InfluenceExplainer
        Fitted.
    kind : {"removal", "refit"}
    """

    def __init__(self, explainer: Any, kind: str) -> None:
        self.explainer = explainer
        self.kind = kind

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.explainer)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> Any:
        """Of the estimator."""
        return self.explainer.estimator_.classes_

    def fit(self, X: Any, y: Any) -> HeldOutPredictions:
        """Do nothing: scikit-learn asks for the method."""
        return self

    def predict(self, X: Any) -> Array:
        predictions = self.explainer.loo_predict(kind=self.kind)
        if not self.explainer.objective_.coding.is_classification:
            require_finite(predictions, "prediction")
        return predictions

    @available_if(lambda self: hasattr(self.explainer, "loo_predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        probabilities = self.explainer.loo_predict_proba(kind=self.kind)
        several = isinstance(probabilities, list)
        require_finite(np.hstack(probabilities) if several else probabilities, "probability")
        return probabilities

    @available_if(lambda self: hasattr(self.explainer.estimator_, "decision_function"))
    def decision_function(self, X: Any) -> Array:
        values = self.explainer.loo_decision_function(kind=self.kind)
        require_finite(values, "decision value")
        return values


def require_finite(values: Array, what: str) -> None:
    """Refuse predictions that are NaN where labels or scores would hide it.

    Raises
    ------
    ValueError
    """
    lost = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if len(lost):
        raise ValueError(
            f"{WHO}: {len(lost)} training rows have no leave-one-out {what} (for example "
            f"{lost[:5].tolist()}), because the model is not determined without them. Add a "
            "penalty to the estimator, or use loo_decision_function, where they are NaN."
        )
