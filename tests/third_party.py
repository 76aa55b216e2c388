"""Someone else's loss, estimators, solver and pipeline steps, through public doors only."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skinfluence import as_objective
from skinfluence.adapters import linear_objective
from skinfluence.coding import ClassLabels, RealTargets
from skinfluence.curvature import DiagonalCurvature
from skinfluence.losses import Loss, MarginLoss
from skinfluence.solvers import InverseHessian, Solver
from skinfluence.transformers import function_vjp, step_vjp
from skinfluence.weighting import RowWeights


# ------------------------------------------------------------------------------------ losses
@dataclass(frozen=True)
class PseudoHuber(Loss):
    """ℓ = δ² (√(1 + ((z − y)/δ)²) − 1)."""

    delta: float
    unit = "pseudo-Huber loss (unit of y, squared)"

    def _root(self, y, decision_values):
        return np.sqrt(1.0 + ((decision_values - y) / self.delta) ** 2)

    def value(self, y, decision_values):
        return (self.delta**2 * (self._root(y, decision_values) - 1.0)).sum(axis=1)

    def residual(self, y, decision_values):
        return (decision_values - y) / self._root(y, decision_values)

    def curvature(self, y, decision_values):
        weights = self._root(y, decision_values) ** -3
        return DiagonalCurvature(weights, decision_values.shape[1])


class ProbitLoss(MarginLoss):
    """ℓ = −log Φ(y z)."""

    unit = "log-loss (nats)"
    has_probabilities = True

    def margin_value(self, margin):
        return -log_ndtr(margin)

    def margin_slope(self, margin):
        return -np.exp(-0.5 * margin**2 - log_ndtr(margin)) / np.sqrt(2.0 * np.pi)

    def margin_curvature(self, margin):
        slope = self.margin_slope(margin)
        return slope * (slope - margin)

    def probability(self, codes, decision_values):
        return ndtr(np.where(codes == 1, 1.0, -1.0) * decision_values[:, 0])

    def probability_gradient(self, codes, decision_values):
        density = np.exp(-0.5 * decision_values**2) / np.sqrt(2.0 * np.pi)
        return np.where(codes == 1, 1.0, -1.0)[:, None] * density


# -------------------------------------------------------------------------------- estimators
class _Linear(BaseEstimator):
    """Minimises Σ s_i ℓ_i + ½ strength ‖w‖² by BFGS and two Newton steps."""

    def _strength(self, weights):
        return self.alpha

    def _minimise(self, loss, X, y, sample_weight):
        weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
        penalty = np.r_[np.full(X.shape[1], self._strength(weights)), 0.0]

        def values(theta):
            return (X @ theta[:-1] + theta[-1])[:, None]

        def slope(theta):
            pull = weights * loss.residual(y, values(theta))[:, 0]
            return np.r_[X.T @ pull, pull.sum()] + penalty * theta

        def objective(theta):
            return weights @ loss.value(y, values(theta)) + 0.5 * penalty @ theta**2

        theta = minimize(objective, np.zeros(X.shape[1] + 1), jac=slope, tol=1e-8).x
        inputs = np.column_stack([X.toarray() if hasattr(X, "toarray") else X, np.ones(len(y))])
        for _ in range(3):
            bend = weights * loss.curvature(y, values(theta)).weights[:, 0]
            hessian = inputs.T @ (bend[:, None] * inputs) + np.diag(penalty)
            theta = theta - np.linalg.solve(hessian, slope(theta))
        self.coef_, self.intercept_ = theta[:-1], theta[-1]
        return self

    def decision_function(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        return X @ self.coef_ + self.intercept_


class PseudoHuberRegressor(RegressorMixin, _Linear):
    def __init__(self, alpha=1.0, delta=1.0):
        self.alpha = alpha
        self.delta = delta

    def fit(self, X, y, sample_weight=None):
        X, y = validate_data(self, X, y, accept_sparse="csr", y_numeric=True)
        return self._minimise(PseudoHuber(self.delta), X, y[:, None], sample_weight)

    def predict(self, X):
        return self.decision_function(X)


class MeanPseudoHuberRegressor(PseudoHuberRegressor):
    """Minimises (1/m) Σ s_i ℓ_i + ½ alpha ‖w‖² with m = Σ s_i or the number of rows."""

    def __init__(self, alpha=0.1, delta=1.0, mean_over="weights"):
        super().__init__(alpha, delta)
        self.mean_over = mean_over

    def _strength(self, weights):
        return self.alpha * (weights.sum() if self.mean_over == "weights" else len(weights))


class ProbitClassifier(ClassifierMixin, _Linear):
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y, sample_weight=None):
        X, y = validate_data(self, X, y, accept_sparse="csr")
        self.classes_, codes = np.unique(y, return_inverse=True)
        return self._minimise(ProbitLoss(), X, 2.0 * codes[:, None] - 1.0, sample_weight)

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]

    def predict_proba(self, X):
        probability = ndtr(self.decision_function(X))
        return np.column_stack([1.0 - probability, probability])


@as_objective.register(PseudoHuberRegressor)
def pseudo_huber_objective(estimator, X, y, sample_weight=None, *, smoothing=1e-3):
    weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    return linear_objective(
        estimator,
        X,
        y,
        loss=PseudoHuber(estimator.delta),
        coding=RealTargets(1),
        weights=RowWeights(weights),
        strength=estimator.alpha,
        constant=1.0,
    )


@as_objective.register(MeanPseudoHuberRegressor)
def mean_pseudo_huber_objective(estimator, X, y, sample_weight=None, *, smoothing=1e-3):
    weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    return linear_objective(
        estimator,
        X,
        y,
        loss=PseudoHuber(estimator.delta),
        coding=RealTargets(1),
        weights=RowWeights(weights),
        strength=estimator._strength(weights),
        constant=1.0,
        mean_over=estimator.mean_over,
    )


@as_objective.register(ProbitClassifier)
def probit_objective(estimator, X, y, sample_weight=None, *, smoothing=1e-3):
    weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    return linear_objective(
        estimator,
        X,
        y,
        loss=ProbitLoss(),
        coding=ClassLabels(estimator.classes_, layout="signs"),
        weights=RowWeights(weights),
        strength=estimator.alpha,
        constant=1.0,
    )


# ------------------------------------------------------------------------------------ solver
@dataclass(frozen=True)
class DenseSolve(Solver):
    """numpy.linalg.solve on the dense Hessian."""

    def factor(self, operator, context):
        return DenseInverse(operator)


class DenseInverse(InverseHessian):
    name = "dense-solve"

    def __init__(self, operator):
        super().__init__(operator)
        self.matrix = operator.to_dense()

    def solve(self, right_hand_sides):
        return np.linalg.solve(self.matrix, right_hand_sides)

    def describe(self):
        return "LU of the dense Hessian"


# ----------------------------------------------------------------------------- pipeline steps
class Squash(TransformerMixin, BaseEstimator):
    """Element-wise tanh of the first columns; the last is dropped."""

    def fit(self, X, y=None):
        validate_data(self, X)
        return self

    def transform(self, X):
        return np.tanh(validate_data(self, X, reset=False)[:, :-1])


@step_vjp.register(Squash)
def squash_vjp(step, X, cotangents):
    slope = 1.0 - np.tanh(np.asarray(X)[:, :-1]) ** 2
    dropped = np.zeros((*cotangents.shape[:2], 1))
    return np.concatenate([cotangents * slope, dropped], axis=2)


class MovingAverage(TransformerMixin, BaseEstimator):
    """Means of neighbouring columns."""

    def __init__(self, window=2):
        self.window = window

    def fit(self, X, y=None):
        validate_data(self, X)
        return self

    def linear_map(self):
        shape = self.n_features_in_ - self.window + 1, self.n_features_in_
        return sparse.diags([1.0 / self.window] * self.window, range(self.window), shape=shape)

    def transform(self, X):
        return validate_data(self, X, reset=False) @ self.linear_map().T


def soft_clip(X, limit=1.0):
    return limit * np.tanh(X / limit)


@function_vjp(soft_clip)
def soft_clip_vjp(X, cotangents, limit=1.0):
    return cotangents * (1.0 - np.tanh(X / limit) ** 2)
