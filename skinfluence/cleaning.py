"""LabelCleaner: the meta-estimator that finds suspect labels, acts on them, and fits again.

A leaf: it asks an explainer which rows to look at, and knows no formula.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier

from . import cleaning_inputs as checks
from .adapters import fit_parameters
from .curvature import Array
from .delegation import DelegatesPrediction
from .explainer import InfluenceExplainer
from .inputs import check_sample_weight
from .retraining import take_rows

# What is handed on to the explainer.
SETTINGS = (
    "solver", "damping", "hessian", "smoothing", "max_memory", "n_jobs", "random_state", "verbose",
)  # fmt: skip


class LabelCleaner(DelegatesPrediction, MetaEstimatorMixin, BaseEstimator):
    """Fit, find the rows whose label or target is probably wrong, act on them, and fit again.

    Parameters
    ----------
    estimator : estimator
        What ``InfluenceExplainer`` supports: a model, a pipeline that ends in one, or a search.
        Clones of it are fitted.
    action : {"drop", "relabel", "downweight"}, default="drop"
        What becomes of suspects: they go; they get the suggested label, or a regressor's suggested
        target; or their weight is multiplied by the probability of their given label
        (classifiers with probabilities alone).
    fraction : "auto" or float, default="auto"
        Share of the rows that are acted on, the most suspect ones, rounded to whole rows. "auto" of
        a classifier: the rows whose suggested label is not the given one; a class of which all rows
        are suspect is left alone, with a UserWarning. A regressor needs a fraction or a threshold.
    threshold : float, optional
        Act on the rows whose score is above it, instead of on a fraction: by "label_noise" a
        probability, else in units of the criterion.
    by : {"auto", "label_noise", "loo_loss", "loss", "self_influence"}, default="auto"
        What rows are ranked by, as in ``InfluenceExplainer.rank_suspects``.
    solver : str or object, default="auto"
        Of the ``InfluenceExplainer`` that ranks them, like all parameters below.
    damping : float, "auto" or None, default=None
    hessian : {"auto", "exact", "gauss-newton"}, default="auto"
    smoothing : float, default=1e-3
    max_memory : int or str, default="4GB"
    n_jobs : int, optional
    random_state : int, RandomState or None, default=None
    verbose : int, default=0

    Attributes
    ----------
    estimator_ : estimator
        Fitted to the cleaned rows; ``predict``, ``score`` and the like are its own.
    suspects_ : DataFrame
        The rows that were acted on, most suspect first, in the columns of ``rank_suspects``; a
        numpy structured array where pandas is not installed.
    classes_ : ndarray of shape (n_classes,)
        Of a classifier; the same as before cleaning.

    Notes
    -----
    Rows that the model can't fit look like wrong labels to it. Where it is too simple for the
    data, look at ``suspects_`` before you believe it, and compare scores on labels that
    you trust.

    A row of weight 2 is not the same as two copies of it: each copy is judged by a model that has
    seen the other.

    The use of influence to find mislabelled rows is Section 5.4 of Koh & Liang (ICML 2017);
    "label_noise" is after Northcutt, Jiang & Chuang (JAIR 2021).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence.cleaning import LabelCleaner
    >>> from skinfluence.datasets import load_mnist17
    >>> digits = load_mnist17()
    >>> flipped = np.random.default_rng(0).choice(1500, 225, replace=False)
    >>> y = digits.target.copy()
    >>> y[flipped] = 8 - y[flipped]
    >>> model = LogisticRegression(C=0.1)
    >>> noisy = model.fit(digits.data, y).score(digits.test_data, digits.test_target)
    >>> cleaner = LabelCleaner(model).fit(digits.data, y)
    >>> cleaner.score(digits.test_data, digits.test_target) > noisy
    True
    >>> bool(np.isin(cleaner.suspects_["row"], flipped).mean() > 0.95)
    True
    """

    estimator_: Any
    suspects_: Any

    def __init__(
        self,
        estimator: Any,
        *,
        action: str = "drop",
        fraction: float | str = "auto",
        threshold: float | None = None,
        by: str = "auto",
        solver: Any = "auto",
        damping: float | str | None = None,
        hessian: str = "auto",
        smoothing: float = 1e-3,
        max_memory: int | str = "4GB",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.action = action
        self.fraction = fraction
        self.threshold = threshold
        self.by = by
        self.solver = solver
        self.damping = damping
        self.hessian = hessian
        self.smoothing = smoothing
        self.max_memory = max_memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LabelCleaner:
        """Rank the rows, clean them, and fit the estimator to what that leaves.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n, n_features)
            Training rows.
        y : array-like of shape (n,)
            Labels or targets.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows, in both fits; "downweight" multiplies them.

        Returns
        -------
        LabelCleaner
            Itself.

        Raises
        ------
        ValueError
            For parameters that make no sense or don't go together, and where cleaning would leave
            nothing of a class.
        TypeError
            For estimators that ``InfluenceExplainer`` doesn't support, or that can't do what the
            action needs.
        """
        self._fit_to_clean(X, y, sample_weight)
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Fit, and return the cleaned rows: for pipelines of imbalanced-learn.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n, n_features)
            Training rows.
        y : array-like of shape (n,)
            Labels or targets.

        Returns
        -------
        X, y
            In the containers that they came in; a DataFrame and a Series keep their index.

        Raises
        ------
        ValueError
            As ``fit``, and for ``action="downweight"``, which cleans weights and not rows.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skinfluence.cleaning import LabelCleaner
        >>> X, y = np.arange(20.0)[:, None], np.repeat([0, 1], 10)
        >>> y[2] = 1
        >>> X_clean, y_clean = LabelCleaner(LogisticRegression()).fit_resample(X, y)
        >>> len(y_clean), 2.0 in X_clean
        (19, False)
        """
        if self.action == "downweight":
            raise ValueError(
                "LabelCleaner.fit_resample got action='downweight', which changes the weights of "
                "rows, and rows are all that it could return. Use fit, or action='drop' or "
                "'relabel'."
            )
        return self._fit_to_clean(X, y, None)

    def __sklearn_tags__(self) -> Any:
        """Tags of the estimator inside, but for several columns of y."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = False
        return tags

    def _fit_to_clean(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        checks.check_selection(self)
        checks.check_action(self)
        X, y = _indexable(X), _indexable(y)
        column = checks.one_column(y)
        settings = {name: getattr(self, name) for name in SETTINGS}
        explainer = InfluenceExplainer(self.estimator, **settings).fit(X, column, sample_weight)
        if self.action == "downweight":
            checks.require_probabilities(self, explainer)
        suspects = self._suspects(explainer.rank_suspects(by=self.by)).copy()
        weights = check_sample_weight(sample_weight, len(explainer.objective_.y))
        clean_X, clean_y, clean_weights = self._cleaned(X, y, weights, suspects)
        if is_classifier(self):
            before, after = _labels(y, weights), _labels(clean_y, clean_weights)
            checks.require_all_classes(self, before, after)
        options = {}
        if clean_weights is not None:
            options = fit_parameters(self.estimator, clean_weights)
        column = clean_y if np.ndim(clean_y) == 1 else np.ravel(clean_y)
        estimator = clone(self.estimator).fit(clean_X, column, **options)
        # All at once: an interrupted fit leaves what was there.
        self.__dict__.update(estimator_=estimator, suspects_=suspects)
        return clean_X, clean_y

    def _suspects(self, table: Any) -> Any:
        """Those of all ranked rows that are acted on."""
        scores = np.asarray(table["score"])
        if self.threshold is not None:
            return table[scores > self.threshold]
        if self.fraction == "auto":
            given, suggested = np.asarray(table["given_label"]), table["suggested_label"]
            return table[checks.spare_whole_classes(given, given != np.asarray(suggested))]
        # Rows without which nothing is determined have no score, and are last.
        finite = int(np.count_nonzero(~np.isnan(scores)))
        return table[: min(round(float(self.fraction) * len(scores)), finite)]

    def _cleaned(
        self, X: Any, y: Any, weights: Array | None, suspects: Any
    ) -> tuple[Any, Any, Array | None]:
        n_rows = np.shape(y)[0]
        positions = np.asarray(suspects["position"])
        if self.action == "drop":
            kept = np.delete(np.arange(n_rows), positions)
            left = None if weights is None else weights[kept]
            return _rows_of(X, kept), take_rows(y, kept), left
        if self.action == "relabel":
            name = "suggested_label" if is_classifier(self) else "suggested_target"
            return X, _with_targets(y, positions, np.asarray(suspects[name])), weights
        lowered = np.ones(n_rows) if weights is None else weights.copy()
        lowered[positions] *= np.asarray(suspects["given_probability"])
        return X, y, lowered


def _indexable(data: Any) -> Any:
    """An array of what can only be made one; all else as it is."""
    can_become_one = hasattr(data, "__array__") and not hasattr(data, "shape")
    return np.asarray(data) if can_become_one else data


def _labels(y: Any, weights: Array | None) -> Array:
    """Of the rows that count."""
    labels = np.asarray(y).reshape(-1)
    return labels if weights is None else labels[weights > 0]


def _rows_of(X: Any, rows: Array) -> Any:
    """Some rows, in the container and sparse format of all."""
    if sparse.issparse(X):
        return X.tocsr()[rows].asformat(X.format)
    return take_rows(X, rows)


def _with_targets(y: Any, positions: Array, targets: Array) -> Any:
    """A copy of y, in its own container, with other labels or targets at some positions."""
    given = np.asarray(y)
    whole = given.dtype.kind in "iub" and targets.dtype.kind == "f"
    dtype = np.dtype(np.float64) if whole else given.dtype
    targets = targets.astype(dtype)
    if hasattr(y, "iloc"):
        changed = y.astype(dtype) if whole else y.copy()
        changed.iloc[positions if y.ndim == 1 else (positions, 0)] = targets
        return changed
    changed = np.array(given, dtype=dtype, order="C")
    changed.reshape(-1)[positions] = targets
    return changed.tolist() if isinstance(y, list) else changed
