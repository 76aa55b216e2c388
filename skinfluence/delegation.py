"""What the explainer leaves to the estimator it explains."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted


def estimator_has(name: str) -> Callable[[Any], bool]:
    """Whether the explained estimator has a method, for ``available_if``."""

    def check(explainer: Any) -> bool:
        getattr(getattr(explainer, "estimator_", explainer.estimator), name)
        return True

    return check


class DelegatesPrediction:
    """Prediction and fitted attributes of ``estimator_``."""

    estimator: Any
    estimator_: Any

    @available_if(estimator_has("predict"))
    def predict(self, X: Any) -> Any:
        """``estimator_.predict(X)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Rows as the estimator takes them.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets)
            Labels of a classifier, predicted values of a regressor.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """``estimator_.predict_proba(X)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Rows as the estimator takes them.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Probabilities of the classes in the order of ``classes_``.
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """``estimator_.decision_function(X)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Rows as the estimator takes them.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
            One column, above 0 for ``classes_[1]``, where there are two classes.
        """
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    @available_if(estimator_has("score"))
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """``estimator_.score(X, y)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Rows as the estimator takes them.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Their labels or targets.
        sample_weight : array-like of shape (n_rows,), optional
            Weights of the rows in the score.

        Returns
        -------
        float
            Accuracy of a classifier, R² of a regressor, as the estimator has it.
        """
        check_is_fitted(self)
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(self.estimator_.score(X, y, **options))

    @property
    def classes_(self) -> Any:
        """Class labels of ``estimator_``; AttributeError for regressors."""
        return self._fitted_attribute("classes_")

    @property
    def n_features_in_(self) -> int:
        """Number of features of ``estimator_``."""
        return int(self._fitted_attribute("n_features_in_"))

    @property
    def feature_names_in_(self) -> Any:
        """Feature names of ``estimator_``; AttributeError where it has none."""
        return self._fitted_attribute("feature_names_in_")

    def _fitted_attribute(self, name: str) -> Any:
        if "estimator_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {name} before it is fitted.")
        return getattr(self.estimator_, name)

    def __sklearn_tags__(self) -> Any:
        """Tags of the estimator inside: an explainer of a classifier is a classifier."""
        tags = deepcopy(get_tags(self.estimator))
        tags.requires_fit = True  # also of what predicts without, such as a Gaussian process
        return tags
