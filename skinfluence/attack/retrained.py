"""The explained model, re-fitted after every move of some of its training rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from ..chord import ColumnBlock, find_optima
from ..curvature import Array
from ..exceptions import warn_user
from ..minimise import newton_direction
from ..objective import Objective
from ..predictors import LinearMap
from ..replacing import with_rows
from ..reweighting import unchanged
from ..screening import screened_minimise
from ..smoothing import anneal, sampling_noise
from ..solvers import Auto

# Of the gradient after a re-fit, in units of the rows' sampling noise, and what is warned of.
TOLERANCE = 1e-9
TOO_FAR = 1e-4
# Newton steps over all temperatures, where a loss with kinks has to be smoothed more at first.
MOST_STEPS = 500
# Of θ itself, whose last digits keep gradients from getting any smaller.
ROUNDING = 1e-15
# Of directions, of which signs and the size are asked for.
ACCURACY = 1e-6
# With so few parameters a new factor is cheaper than iterating with the old one.
FEW = 300


class Retrained:
    """A model whose training rows move; its steps before the model stay as they were fitted.

    Parameters
    ----------
    explainer : InfluenceExplainer
        Fitted.

    Attributes
    ----------
    objective : Objective
        Of the rows where they are now, at its optimum.
    """

    def __init__(self, explainer: Any) -> None:
        fitted: Objective = explainer.objective_
        self._inverse = explainer.solver_
        self._context = explainer._solver_context
        self._damping = explainer.report_.damping * fitted.n_rows
        self._noise = sampling_noise(fitted, self._inverse, self._context.random_state)
        self._target = TOLERANCE * self._noise + self._rounding(fitted)
        self._X: Array | None = None
        self._missed: list[float] = []
        self._left_support = 0
        found = self._refit(fitted)
        self.objective = fitted if found is None else found
        # Before anything moves the explainer's own inverse answers.
        self._inverse_is_here = True

    def move(self, rows: Array, X: Any) -> bool:
        """Replace rows by others, as the model sees them, and re-fit; False without an optimum."""
        found = self._refit(self._with_rows(rows, X))
        if found is None:
            return False
        self.objective, self._inverse_is_here = found, False
        return True

    def linearize(self, X: Any) -> LinearMap:
        """The map of other rows."""
        return self.objective.predictor.linearize(X)

    def decision_values(self, X: Any) -> Array:
        """Of other rows as the model sees them, (rows, K)."""
        return self.objective.decision_values(self.linearize(X))

    def direction(self, X: Any, cotangents: Array) -> Any:
        """(∇²J)⁻¹ times the mean over rows of φ_t ⊗ c_t, (p, 1), at the model as it is now."""
        linear_map = self.linearize(X)
        operator = self.objective.hessian().damped(self._damping)
        few = operator.implicit or operator.n_parameters <= FEW
        if few and not self._inverse_is_here:
            self._inverse, self._inverse_is_here = Auto().factor(operator, self._context), True
        if self._inverse_is_here:
            return self._inverse.directions(linear_map, cotangents, mean=True)
        scaled = cotangents[:, :, None] / len(cotangents)
        gradient = linear_map.as_float64().vjp(scaled)
        return -newton_direction(operator, gradient, self._inverse, ACCURACY)

    def warn(self) -> None:
        """Of re-fits that didn't get to their optimum, or whose optimum has another support."""
        if self._left_support:
            warn_user(
                f"At {self._left_support} re-fits of the attacked model its rows would change the "
                "support: a coefficient would become 0, or no longer be 0, or change its sign. "
                "Losses and decision values are those of the model whose support and signs are "
                "held as fitted; confirm() fits the estimator itself.",
                RuntimeWarning,
            )
        if self._missed:
            warn_user(
                f"{len(self._missed)} re-fits of the attacked model did not converge: the worst "
                f"got to a gradient of {max(self._missed):.1e} of the sampling noise, asked was "
                f"{TOLERANCE:.0e}. Lower step_size, add a penalty to the estimator, or raise "
                "smoothing for a hinge loss.",
                ConvergenceWarning,
            )

    def _with_rows(self, rows: Array, X: Any) -> Objective:
        """Kernels and sparse rows by a copy; one copy in all of dense features."""
        objective = self.objective
        full_X = objective.linear_map.full_X
        if objective.linear_map.implicit or not isinstance(full_X, np.ndarray):
            return with_rows(objective, rows, X)
        if self._X is None:
            self._X = full_X.copy()
        self._X[rows] = X.toarray() if sparse.issparse(X) else X
        return replace(objective, linear_map=self.linearize(self._X))

    def _refit(self, objective: Objective) -> Objective | None:
        """From the parameters that it has to its optimum; None where there is none."""
        find = self._from_kink_to_kink if objective.loss.kinked else self._by_chords
        theta, reached = find(objective)
        if not np.isfinite(theta).all():
            return None
        if self._too_far(reached):
            self._missed.append(reached / self._noise)
        return replace(objective, theta=theta.reshape(objective.theta.shape))

    def _by_chords(self, objective: Objective) -> tuple[Array, float]:
        """Parameters, and the gradient there in the norm of the inverse Hessian."""
        block = ColumnBlock(
            unchanged(objective),
            np.array([True]),
            lambda _, gradients: self._inverse.estimate(gradients),
            lambda _: self._inverse,
        )
        optima = find_optima(block, 0.0, self._target)
        self._left_support += int(optima.leaves_support[0])
        return objective.theta.reshape(-1, 1) + optima.changes, float(optima.reached[0])

    def _from_kink_to_kink(self, objective: Objective) -> tuple[Array, float]:
        """The same for a smoothed loss, of which Newton's method finds the optimum from nearby."""
        start = objective.theta.reshape(-1, 1)
        minimum = screened_minimise(unchanged(objective), start, self._inverse, self._target)
        if not self._too_far(minimum.reached) or not hasattr(objective.loss, "temperature"):
            return minimum.theta, minimum.reached
        annealed = anneal(objective, TOLERANCE, MOST_STEPS)
        return annealed.objective.theta, annealed.share * self._noise

    def _too_far(self, reached: float) -> bool:
        return not reached <= TOO_FAR * self._noise + self._target

    def _rounding(self, objective: Objective) -> float:
        """What gradients can't get below, in the norm of the inverse Hessian."""
        theta = objective.theta.reshape(-1, 1)
        signs = np.random.default_rng(self._context.random_state).choice([-1.0, 1.0], theta.shape)
        bent = self._inverse.operator.matmat(signs * theta)
        squared = float(objective.linear_map.inner(bent, signs * theta)[0])
        return ROUNDING * float(np.sqrt(abs(squared)))
