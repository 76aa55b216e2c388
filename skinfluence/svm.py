"""The support vector machine with a smooth hinge, as a model of its own.

    J = Σ_i s_i Σ_k ℓ(y_ik z_ik) + 1/(2C) Σ_k ‖w_k‖²,   ℓ(m) = t log(1 + exp((1 − m)/t))

It is trained on the very loss that influence is asked of, so answers are exact: no kink is smoothed
over afterwards. The objective of training is the one that its adapter below builds.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from . import svm_inputs as checks
from .adapters import as_objective, linear_objective, same_hyperparameters
from .adapters.dispatch import unit_weights
from .adapters.kernel import kernel_objective, require_rows
from .adapters.support_vectors import gamma_of, support_kernel
from .coding import ClassLabels
from .curvature import Array
from .exceptions import warn_user
from .losses import SmoothHinge
from .objective import Objective
from .predictors import KernelPredictor, TrainingRows
from .smoothing import anneal
from .weighting import row_weights

# What rounding may leave at low temperatures; nothing to warn of.
ROUNDING = 1e-6


class SmoothHingeSVC(ClassifierMixin, BaseEstimator):
    """Support vector machine on a smooth hinge loss, trained exactly.

    Minimises Σ_i s_i Σ_k ℓ(y_ik z_ik) + 1/(2C) Σ_k ‖w_k‖² with ℓ(m) = t log(1 + exp((1 − m)/t)),
    the smooth hinge of Koh & Liang's Section 4.3, for signs y_ik = ±1: one output z for two
    classes, one-vs-rest for more. The intercept is not penalised. As t → 0 decision values approach
    the hinge's, at a distance of the order of t.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the penalty's strength.
    kernel : {"linear", "rbf", "poly", "sigmoid", "precomputed"} or callable, default="linear"
        As in ``SVC``; it has to be positive semi-definite on the training rows. ``"linear"`` has
        coefficients of features, dense or sparse.
    degree : int, default=3
        Of the polynomial kernel.
    gamma : {"scale", "auto"} or float, default="scale"
        Of rbf, poly and sigmoid, with the meaning it has in ``SVC``.
    coef0 : float, default=0.0
        Of poly and sigmoid.
    temperature : float, default=0.1
        Width t of the bend, in units of the margin: the slope goes from 0.9 to 0.1 within ±2.2 t. A
        tenth moves decision values from the hinge's by a few tenths at most, and is wide enough for
        one row's removal to move few others over the bend: first order holds. 1e-3 is the hinge.
    fit_intercept : bool, default=True
        Whether there is an intercept.
    class_weight : dict or "balanced", default=None
        Weights of classes, which multiply those of rows.
    tol : float, default=1e-8
        Of the gradient in the norm of the inverse Hessian, relative to what resampling the rows
        would make of it.
    max_iter : int, default=100
        Newton steps, of all temperatures on the way to the lowest together.
    verbose : int, default=0
        Above 0, tell on standard error what was reached at each temperature.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    coef_ : ndarray of shape (K, d)
        Linear kernel only; K is 1 for two classes, else their number.
    dual_coef_ : ndarray of shape (K, n)
        Other kernels only: z = Σ_j dual_coef_j k(x, x_j) + intercept.
    X_fit_ : {ndarray, CSR matrix} of shape (n, d)
        Other kernels only: the training rows, or their kernel matrix if that is precomputed.
    intercept_ : ndarray of shape (K,)
    gamma_ : float or None
        The number that ``gamma`` stands for; None for a kernel without it.
    class_weight_ : ndarray of shape (C,)
    n_iter_ : int
        Newton steps taken.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (d,)
        Where column names are strings.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from skinfluence import InfluenceExplainer
    >>> from skinfluence.svm import SmoothHingeSVC
    >>> X, y = make_classification(random_state=0)
    >>> model = SmoothHingeSVC(kernel="rbf", temperature=1e-2).fit(X[:-1], y[:-1])
    >>> explainer = InfluenceExplainer(model, prefit=True).fit(X[:-1], y[:-1])
    >>> explainer.influence(X[-1:], y[-1:]).shape
    (1, 99)
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        kernel: Any = "linear",
        degree: int = 3,
        gamma: Any = "scale",
        coef0: float = 0.0,
        temperature: float = 1e-1,
        fit_intercept: bool = True,
        class_weight: Any = None,
        tol: float = 1e-8,
        max_iter: int = 100,
        verbose: int = 0,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.temperature = temperature
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SmoothHingeSVC:
        """Find the optimum by Newton's method, at ever lower temperatures.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, d)
            Training rows; with ``kernel="precomputed"`` their kernel matrix (n, n).
        y : array-like of shape (n,)
            Labels.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows, at least 0.

        Returns
        -------
        SmoothHingeSVC
            Itself.

        Raises
        ------
        ValueError
            For parameters, labels or weights that it can't do with.
        SingularHessianError
            For a kernel that is not positive semi-definite.

        Warns
        -----
        ConvergenceWarning
            Where ``max_iter`` steps were not enough.
        """
        checks.check_parameters(self)
        X, y = validate_data(self, X, y, **self._accepted())
        check_classification_targets(y)
        weights = checks.checked_weights(sample_weight, len(y))
        self.classes_, codes = np.unique(y, return_inverse=True)
        checks.require_all_classes(self.classes_, codes, weights)
        self._start(X)
        objective = as_objective(self, X, y, weights)
        checks.require_all_classes(self.classes_, codes, objective.weights.values[:, 0])
        ones = np.ones(len(self.classes_))
        self.class_weight_ = getattr(objective.weights, "class_weight", ones)
        found = anneal(objective, self.tol, self.max_iter)
        self.n_iter_ = found.n_steps
        self._report(found.share)
        self._keep(found.objective)
        return self

    def decision_function(self, X: Any) -> Array:
        """Decision values: (n,) for two classes, above 0 for ``classes_[1]``; else (n, C).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, d)
            With ``kernel="precomputed"`` the kernel (n, n_fit) with the training rows.

        Returns
        -------
        ndarray of shape (n,) or (n, C)
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, **self._accepted())
        if hasattr(self, "coef_"):
            values = np.asarray(X @ self.coef_.T) + self.intercept_
        else:
            training = TrainingRows(self.X_fit_, self._kernel)
            predictor = KernelPredictor(training, self.intercept_.shape)
            theta = predictor.pack(self.dual_coef_.T, self.intercept_)
            values = predictor.linearize(X).as_float64().jvp(theta.reshape(-1, 1))[:, :, 0]
        return values[:, 0] if values.shape[1] == 1 else values

    def predict(self, X: Any) -> Array:
        """Predict the class of the greatest decision value.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, d)

        Returns
        -------
        ndarray of shape (n,)
        """
        values = self.decision_function(X)
        codes = (values > 0).astype(np.intp) if values.ndim == 1 else values.argmax(axis=1)
        return np.asarray(self.classes_[codes])

    def _accepted(self) -> dict[str, Any]:
        thin = False if self.kernel == "precomputed" else "csr"
        return {"accept_sparse": thin, "dtype": [np.float64, np.float32]}

    def _start(self, X: Any) -> None:
        """Parameters of 0, from which the adapter builds the objective."""
        for name in ("coef_", "dual_coef_", "X_fit_"):  # of an earlier fit with another kernel
            self.__dict__.pop(name, None)
        if self.kernel == "precomputed":
            checks.require_square(X)
        k = 1 if len(self.classes_) == 2 else len(self.classes_)
        self.intercept_ = np.zeros(k)
        self.gamma_ = gamma_of(self.gamma, X) if self.kernel in checks.WITH_GAMMA else None
        if self.kernel == "linear":
            self.coef_ = np.zeros((k, X.shape[1]))
            return
        self.X_fit_, self.dual_coef_ = X, np.zeros((k, X.shape[0]))
        self._kernel = support_kernel(self, X)

    def _keep(self, objective: Objective) -> None:
        """Take the parameters out of θ."""
        parts = objective.predictor.unpack(objective.theta.reshape(-1, 1))
        for name, values in parts.items():
            found = values[0].T if name == "dual_coef" else values
            setattr(self, f"{name}_", found.reshape(getattr(self, f"{name}_").shape))

    def _report(self, share: float) -> None:
        """What was reached, to standard error; a warning where that is not enough."""
        reached = f"the gradient is {share:.1e} of the sampling noise"
        if self.verbose:
            sys.stderr.write(f"[SmoothHingeSVC] {self.n_iter_} Newton steps: {reached}\n")
        if share <= max(self.tol, ROUNDING):
            return
        exhausted = self.n_iter_ >= self.max_iter
        cause = f"max_iter={self.max_iter} Newton steps were not enough: raise it, or"
        warn_user(
            f"SmoothHingeSVC did not reach its optimum: {reached}, asked was tol={self.tol:.0e}. "
            f"{cause if exhausted else 'Rounding left no way down:'} ask for a stronger penalty "
            "(a smaller C) or a higher temperature.",
            ConvergenceWarning,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.input_tags.sparse = self.kernel != "precomputed"
        return tags


# --------------------------------------------------------------------------------- influence
@as_objective.register(SmoothHingeSVC)
def _objective(
    estimator: Any, X: Any, y: Any, sample_weight: Array | None = None, *, smoothing: float = 1e-3
) -> Objective:
    # ``smoothing`` plays no part: the temperature is the model's own.
    check_is_fitted(estimator)
    coding = ClassLabels(estimator.classes_, layout="signs")
    classes, codes = estimator.classes_, coding.codes(y, "y")
    given = unit_weights(sample_weight, X.shape[0])
    terms: dict[str, Any] = {
        "loss": SmoothHinge(estimator.temperature, smoothed=False),
        "coding": coding,
        "weights": row_weights(given, estimator.class_weight, classes, codes),
        "strength": 1.0 / estimator.C,
    }
    if hasattr(estimator, "coef_"):
        return linear_objective(estimator, X, y, **terms)
    if X is not estimator.X_fit_:
        require_rows(estimator, estimator.X_fit_, X)
    k = len(estimator.dual_coef_)
    return kernel_objective(
        TrainingRows(X, estimator._kernel),
        y,
        coef=estimator.dual_coef_.T,
        intercept=estimator.intercept_ if estimator.fit_intercept else None,
        output_shape=() if k == 1 else (k,),
        **terms,
    )


@same_hyperparameters.register(SmoothHingeSVC)
def _same(estimator: Any, rows: Any = None) -> Any:
    model = clone(estimator)
    return model if estimator.gamma_ is None else model.set_params(gamma=estimator.gamma_)
