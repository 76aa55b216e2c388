"""Regression diagnostics of the training rows: leverage, Cook's distance, DFFITS, DFBETAS.

At its optimum the model is a weighted ridge regression on working responses; none is refitted:

    C_i = s_i B_i,   e_i = −B_i⁻¹ r_i,   A = ∇²J = ΦᵀCΦ + D,   D = ∇²Ω + damping,
    M_i = U_iᵀA⁻¹U_i,   N_i = U_iᵀA⁻¹(ΦᵀCΦ)A⁻¹U_i = M_i − U_iᵀA⁻¹DA⁻¹U_i,   U_i = φ_i ⊗ I_K,
    w_i = (I − C_i M_i)⁻¹ s_i r_i

σ² N_i is the variance of a row's fitted values, and A⁻¹U_i w_i moves the parameters without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .answers import Answers
from .curvature import Array
from .diagnostic_table import as_table, coefficient_names
from .exceptions import warn_user
from .inputs import WHO
from .objective import Objective
from .progress import tracked_blocks
from .resources import within_resources
from .row_downdates import RowDowndates
from .solvers import InverseHessian
from .solvers.base import LEVERAGE_BLOCK_BYTES

# Less than this share of the terms that it is a difference of is taken for rounding.
LEAST_LEFT = 1e-10
INSTEAD = "Use self_influence(kind='removal') or influence(..., normalize='loss')."
DFBETAS_NEED = (
    "needed are coefficients of features, one output and a loss with standard errors (squared "
    "error, log-loss, Poisson). Leave dfbetas out, or ask parameter_influence(kind='removal')."
)
LEVERAGE_ONE = (
    "have leverage 1: without them the model is not determined, so their diagnostics but for the "
    "leverage are NaN. Add a penalty to the estimator or pass damping."
)
UNRESOLVED = (
    "leave no residual variance or degrees of freedom without them, but for rounding, so what is "
    "studentized is NaN. Use more rows, or a stronger penalty where the fit all but interpolates."
)


class DiagnosticAnswers(Answers):
    """The classical measures of how the fit depends on each training row."""

    @within_resources
    def diagnostics(self, *, dfbetas: bool = False) -> Any:
        """Leverage, Cook's distance, DFFITS and studentized residuals of all training rows.

        Parameters
        ----------
        dfbetas : bool, default=False
            Whether to add a column for each coefficient, but for those held at 0.

        Returns
        -------
        DataFrame of n rows, with the index of a training DataFrame
            A numpy structured array where pandas is not installed. Columns:

            - ``leverage``: h_i, the diagonal of the hat matrix H; for several outputs summed.
            - ``cooks_distance``, t_i² g_i / (σ² tr H): the squared change of all fitted decision
              values without the row, weighted as in the fit, over σ² and the degrees of freedom.
            - ``dffits``, h_i t_i / (σ_(i) √g_i): the row's own fitted value minus that without the
              row, over its standard error.
            - ``studentized_residual``, ẽ_i / (σ_(i) √(1 − 2 h_i + g_i)): the residual over its
              own standard deviation (external).
            - ``dfbetas_<feature>`` (x0, x1 ... without names) and ``dfbetas_intercept``,
              (β_j − β_j(i)) / (σ_(i) √(A⁻¹ΦᵀCΦA⁻¹)_jj): the coefficient minus that without the row
              (``parameter_influence`` has the opposite sign), over its standard error.

            Several outputs, margin losses and deviances but Poisson's, whose curvature says no
            standard errors, have the first two alone, with σ = 1 but for the squared error.
            ``attrs["effective_dof"]`` is :meth:`effective_dof`, tr H.

        Raises
        ------
        ValueError
            For ``dfbetas`` of several outputs or of margin losses.

        Warns
        -----
        RuntimeWarning
            For NaN: where rows have leverage 1, or leave no residual variance without them.

        Notes
        -----
        C holds the rows' weights times the loss's curvature, D the penalty's, A = ΦᵀCΦ + D,
        H = C^½ΦA⁻¹ΦᵀC^½, ẽ = C^½ (working residuals), t_i = ẽ_i / (1 − h_i), g_i = (H²)_ii, which
        is h_i without a penalty. For the squared error σ² = ‖ẽ‖² / (n − tr H) over the n rows of
        weight above 0, and σ_(i) is that of a refit without the row, exactly. For log-losses and
        Poisson both are 1, residuals Pearson's, and the fit without the row is one Newton step. The
        penalty and the weights of ``class_weight="balanced"`` are held as they are.

        Without a penalty they are statsmodels' numbers for OLS, for OLS on rows times √weight (its
        influence of a WLS leaves weights out) and for a GLM with ``var_weights``, where dffits are
        ``d_linpred_scaled``. With ``freq_weights`` it takes the residual of one copy of the row.

        References
        ----------
        Cook (1977); Belsley, Kuh & Welsch (1980); Pregibon (1981); Walker & Birch (1988).

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 3.0, 7.0])
        >>> table = InfluenceExplainer(LinearRegression()).fit(X, y).diagnostics()
        >>> table["cooks_distance"].round(2).tolist()
        [1.66, 0.1, 0.22, 2.16]
        """
        self._require_optimum("diagnostics", INSTEAD)
        objective = self.objective_
        loss, n_outputs = objective.loss, objective.linear_map.n_outputs
        single = n_outputs == 1 and loss.dispersion is not None
        if dfbetas and not (single and not objective.linear_map.implicit):
            by = "a kernel" if objective.linear_map.implicit else f"{n_outputs} output(s)"
            got = f"{type(loss).__name__} of {by}"
            raise ValueError(f"{WHO}.diagnostics got dfbetas=True for {got}; {DFBETAS_NEED}")
        changes = np.empty((objective.n_parameters, objective.n_rows)) if dfbetas else None
        measures, variances = _measure(objective, self.solver_, changes)
        _warn(np.isnan(measures.left), LEVERAGE_ONE)
        effective_dof = float(measures.leverage.sum())
        distances = _ratio(measures.moves, effective_dof * _variance(objective, measures))
        columns = {"leverage": measures.leverage, "cooks_distance": distances}
        if single:
            deleted = np.sqrt(_deleted_variances(objective, self.solver_, measures))
            columns |= _studentized_columns(measures, deleted)
            if changes is not None:
                names = coefficient_names(self._model, objective)
                for name, change, spread in zip(names, changes, np.sqrt(variances), strict=True):
                    columns[f"dfbetas_{name}"] = _ratio(change, deleted * spread)
        return as_table(columns, self._training_X, effective_dof)

    @within_resources
    def effective_dof(self) -> float:
        """Effective degrees of freedom tr H, the sum of leverages: p, or less with a penalty.

        Returns
        -------
        float

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from skinfluence import InfluenceExplainer
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0, 7.0])
        >>> round(InfluenceExplainer(Ridge(alpha=5.0)).fit(X, y).effective_dof(), 6)
        1.5
        """
        self._require_optimum("effective_dof", INSTEAD)
        return float(_measure(self.objective_, self.solver_)[0].leverage.sum())


@dataclass(frozen=True)
class RowMeasures:
    """What one pass over the training rows gathers.

    (n,): ``leverage`` h_i = tr C_i M_i, ``left`` 1 − h_i and ``moves`` w_iᵀN_i w_i, both NaN with
    leverage 1, and of a single output ``squares`` g_i = C_i N_i. (n, K): ``curvature``, the
    diagonals of C_i, and ``residuals`` ẽ_i of losses that are sums over outputs.
    """

    leverage: Array
    left: Array
    moves: Array
    squares: Array
    curvature: Array
    residuals: Array


def _measure(
    objective: Objective, inverse: InverseHessian, changes: Array | None = None
) -> tuple[RowMeasures, Array]:
    """One pass over the rows; −A⁻¹U_i w_i goes into ``changes`` (p, n).

    For these it returns the variances of the parameters over σ², the diagonal of A⁻¹ΦᵀCΦA⁻¹.
    """
    n, k, p = objective.n_rows, objective.linear_map.n_outputs, objective.n_parameters
    result = RowMeasures(*np.empty((4, n)), *np.empty((2, n, k)))
    parameter_variances = np.zeros(p)
    for rows, directions, variances, downdates in _blocks(objective, inverse):
        right = objective.weights.values[rows] * objective.residuals[rows]
        fine = downdates.determined()
        steps = np.full(right.shape, np.nan)
        steps[fine] = downdates.take(fine).steps(right[fine])
        result.leverage[rows] = np.einsum("ikl,ilk->i", downdates.curvature, downdates.leverage)
        result.left[rows] = np.where(fine, 1.0 - result.leverage[rows], np.nan)
        result.moves[rows] = np.einsum("ik,ikl,il->i", steps, variances, steps)
        result.curvature[rows] = np.einsum("ikk->ik", downdates.curvature)
        result.squares[rows] = result.curvature[rows, 0] * variances[:, 0, 0]
        result.residuals[rows] = _ratio(-right, np.sqrt(np.maximum(result.curvature[rows], 0.0)))
        if changes is not None:
            changes[:, rows] = -directions * steps[:, 0]
            parameter_variances += directions**2 @ result.curvature[rows, 0]
    # Rounding of N_i, where nearly all of M_i is the penalty's.
    for lowest in (result.moves, result.squares):
        np.maximum(lowest, 0.0, out=lowest)
    return result, parameter_variances


def _blocks(
    objective: Objective, inverse: InverseHessian
) -> Iterator[tuple[slice, Array, Array, RowDowndates]]:
    """Blocks of rows, A⁻¹U_i of the first output (q, rows), N_i, and M_i with C_i."""
    linear_map, curvature = objective.linear_map, objective.curvature
    k, q, penalty = linear_map.n_outputs, linear_map.n_inputs, inverse.operator.penalty_product
    # A sum over outputs keeps them apart: one right-hand side then carries all K.
    units = np.ones((1, k)) if curvature.separable else np.eye(k)
    bytes_per_row = 48 * len(units) * k * q
    blocks = tracked_blocks(
        linear_map.n_rows, bytes_per_row, "diagnostics, rows", limit=LEVERAGE_BLOCK_BYTES
    )
    for rows in blocks:
        block = linear_map.take(rows)
        seeds = np.hstack([block.columns(np.tile(unit, (block.n_rows, 1))) for unit in units])
        solved = np.split(inverse.solve_many(seeds), len(units), axis=1)
        if curvature.separable:
            apart = (each.reshape(q, -1) for each in (penalty(solved[0]), solved[0]))
            lost = linear_map.with_outputs(1).inner(*apart).reshape(k, -1).T
            leverage = block.own_values(solved[0])[:, :, None] * np.eye(k)
            variances = leverage - lost[:, :, None] * np.eye(k)
        else:
            leverage = np.stack([block.own_values(each) for each in solved], axis=2)
            lost = np.array([[linear_map.inner(penalty(a), b) for b in solved] for a in solved])
            variances = leverage - lost.transpose(2, 0, 1)
        downdates = RowDowndates.of_rows(inverse, block, leverage, curvature.take(rows).to_dense())
        yield rows, solved[0].reshape(q, k, -1)[:, 0], variances, downdates


def _variance(objective: Objective, measures: RowMeasures) -> float:
    """σ²."""
    if objective.loss.dispersion != "estimated":
        return 1.0
    freedom = np.count_nonzero(measures.curvature) - measures.leverage.sum()
    return float(_ratio((measures.residuals**2).sum(), freedom))


def _deleted_variances(objective: Objective, inverse: InverseHessian, rows: RowMeasures) -> Array:
    """σ²_(i) without each row, (n,).

    RSS_(i) = RSS + 2 t_i u_i + t_i² (g_i − 1),   u = Hẽ,   tr H_(i) = tr H − (h_i − g_i)/(1 − h_i)
    """
    if objective.loss.dispersion != "estimated":
        return np.ones(objective.n_rows)
    # ΦᵀCe = ∇Ω at the optimum; what rounding leaves of the sum may lie outside of A's range.
    fitted = inverse.solve(objective.penalty.gradient(objective.theta))
    smoothed = objective.linear_map.jvp(fitted)[:, 0, 0].astype(np.float64)
    weights, residuals = rows.curvature[:, 0], rows.residuals[:, 0]
    t, total = residuals / rows.left, (residuals**2).sum()
    squares = total + 2.0 * t * np.sqrt(weights) * smoothed + t**2 * (rows.squares - 1.0)
    freedom = np.count_nonzero(weights) - (weights > 0) - rows.leverage.sum()
    freedom += (rows.leverage - rows.squares) / rows.left
    known = (squares > LEAST_LEFT * (total + t**2)) & (freedom > LEAST_LEFT * len(t))
    return np.where(known, squares / np.where(known, freedom, 1.0), np.nan)


def _studentized_columns(rows: RowMeasures, deleted: Array) -> dict[str, Array]:
    residuals, h, g = rows.residuals[:, 0], rows.leverage, rows.squares
    spread = 1.0 - 2.0 * h + g
    spread = np.where(spread > LEAST_LEFT, spread, np.nan)
    studentized = _ratio(residuals, deleted * np.sqrt(spread))
    _warn(np.isnan(studentized) & ~np.isnan(rows.left), UNRESOLVED)
    dffits = _ratio(h * residuals / rows.left, deleted * np.sqrt(g))
    return {"dffits": dffits, "studentized_residual": studentized}


def _ratio(numerator: Array, denominator: Array | float) -> Array:
    """0 where the numerator is, as for rows of weight 0; NaN where the denominator is."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.asarray(numerator / denominator)
    return np.where((numerator == 0) & ~np.isnan(denominator), 0.0, ratio)


def _warn(concerned: Array, what: str) -> None:
    if rows := np.flatnonzero(concerned).tolist():
        warn_user(f"{len(rows)} training rows (for example {rows[:5]}) {what}", RuntimeWarning)
