"""How far each row moves the model: what relative influence divides by.

"theta"   ‖d_i‖₂; of a kernel machine, in the inner product of its functions
"loss"    (d_iᵀ A d_i)^½ with A the Hessian; half of its square is what J rises by on the way

with d_i = H⁻¹∇ℓ_i and A = H = ∇²J/n for weights, and d_i = Δθ_i and A = ∇²J for removals, all with
the explainer's damping (Barshan, Brunet & Dziugaite 2020, "RelatIF"). The two differ by the factors
s_i/n and s_i/√n, to first order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .curvature import Array
from .exceptions import warn_user
from .exchanges import Exchanges
from .objective import Objective
from .persistence import FilledInTime
from .predictors import LinearMap
from .progress import tracked_blocks
from .refits import Refits
from .removal import MANY_OPERATIONS, RowRemoval
from .solvers import InverseHessian
from .solvers.auto import fits

NORMS = (None, "theta", "loss")
COLUMN_BYTES = 1 << 27


class MoveNorms(FilledInTime):
    """Norms of the moves by all training rows, each measured when it is first asked for.

    Parameters
    ----------
    objective : Objective
    inverse : InverseHessian
        Of its Hessian.
    norm : {"theta", "loss"}
    """

    _noted = ("_upweighted", "_removed")

    def __init__(self, objective: Objective, inverse: InverseHessian, norm: str) -> None:
        self.objective, self.inverse, self.norm = objective, inverse, norm
        self._upweighted = np.full(objective.n_rows, -1.0)
        self._removed = np.full(objective.n_rows, -1.0)
        self._dense: Array | None = None
        # A move by less than the last digit of θ is none.
        self._smallest = np.finfo(np.float64).eps * self.of(objective.theta.reshape(-1, 1))[0]

    def of(self, changes: Array) -> Array:
        """Norms of changes of the parameters (p, m): (m,)."""
        if self.norm == "theta":
            changes = self.objective.linear_map.shown(changes)
        bent = changes if self.norm == "theta" else self._bend(changes)
        squares = self.objective.linear_map.inner(bent, changes)
        with np.errstate(invalid="ignore"):  # rows that leave nothing determined are NaN
            return np.asarray(np.sqrt(np.maximum(squares, 0.0)))

    def upweighted(self, rows: Array) -> Array:
        """‖H⁻¹∇ℓ_i‖ of training rows, (rows,)."""
        return self._complete(self._upweighted, rows, self._measure_upweighted)

    def removed(self, rows: Array, removal: RowRemoval) -> Array:
        """‖Δθ_i‖ by one Newton step, (rows,)."""
        return self._complete(
            self._removed, rows, lambda missing: self._measure_removed(missing, removal)
        )

    def share(self, effects: Array, norms: Array) -> Array:
        """Effects (tests, rows) over norms (rows,); 0 of rows that move nothing."""
        divisors = self.divisors(norms)
        return np.where(divisors == np.inf, 0.0, effects / divisors)

    def divisors(self, norms: Array) -> Array:
        """The same norms, infinite where a row moves nothing."""
        return np.where(norms <= self._smallest, np.inf, norms)

    @staticmethod
    def _complete(known: Array, rows: Array, measure: Callable[[Array], Array]) -> Array:
        missing = np.unique(rows[known[rows] < 0])
        if len(missing):
            known[missing] = measure(missing)
        return known[rows]

    def _measure_upweighted(self, rows: Array) -> Array:
        objective, n = self.objective, self.objective.n_rows
        self._warn_if_slow(len(rows))
        linear_map, residuals = objective.linear_map.take(rows), objective.residuals[rows]
        if self.norm == "loss":
            products = self.inverse.self_products(linear_map, residuals)
            return np.asarray(np.sqrt(n * np.maximum(products, 0.0)))
        self.inverse.expect(len(rows))
        result = np.empty(len(rows))
        for block in self._blocks(len(rows)):
            gradients = linear_map.take(block).columns(residuals[block])
            result[block] = n * self.of(self.inverse.solve(gradients))
        return result

    def _measure_removed(self, rows: Array, removal: RowRemoval) -> Array:
        steps = removal.steps(rows)
        groups = removal.scenarios.groups(Exchanges(self.objective, rows))
        alone = all(scenario.shift is None for _, scenario in groups)
        if self.norm == "loss" and alone:
            # Δθ_i = (∇²J)⁻¹ U_i w_i, and U_iᵀ Δθ_i is the move of the row's own decision values.
            squares = np.einsum("ik,ik->i", steps, removal.own_moves(rows))
            with np.errstate(invalid="ignore"):
                return np.asarray(np.sqrt(np.maximum(squares, 0.0)))
        result = np.empty(len(rows))
        for block in self._blocks(len(rows)):
            result[block] = self.of(removal.parameter_steps(rows[block]))
        return result

    def _bend(self, changes: Array) -> Array:
        """A Δθ: by its dense blocks where a solver has formed them anyway."""
        operator = self.inverse.operator
        factored = not self.inverse.iterative_operations(1)
        size = operator.block_size
        pays = changes.shape[1] > 1 and size <= operator.n_rows and fits(size, operator.n_blocks)
        if operator.implicit or not (factored and pays):
            return np.asarray(operator.matmat(changes))
        if self._dense is None:
            self._dense = operator.dense_blocks()
        return operator.from_blocks(np.matmul(self._dense, operator.to_blocks(changes)))

    def _blocks(self, n_rows: int) -> Iterator[slice]:
        bytes_per_row = 8 * 4 * self.objective.n_parameters
        return tracked_blocks(n_rows, bytes_per_row, "sizes of moves, rows", limit=COLUMN_BYTES)

    def _warn_if_slow(self, n_rows: int) -> None:
        if self.inverse.iterative_operations(n_rows) > MANY_OPERATIONS:
            warn_user(
                f"normalize='{self.norm}' of {n_rows:,} rows needs as many iterative solves with "
                f"{self.objective.n_parameters:,} parameters, which may take hours. Ask for fewer "
                "rows with indices=, or use solver='cholesky' where the Hessian fits into memory.",
                UserWarning,
            )


class MeasuredRefits:
    """Refits whose changes of the parameters are measured on their way to test rows.

    Parameters
    ----------
    refits : Refits
    norms : MoveNorms
    n_rows : int
        How many will be asked for.

    Attributes
    ----------
    sizes : ndarray of shape (n_rows,)
        ‖Δθ_i‖ of the rows that have been by.
    """

    def __init__(self, refits: Refits, norms: MoveNorms, n_rows: int) -> None:
        self.refits, self.norms = refits, norms
        self.sizes = np.full(n_rows, np.nan)

    @property
    def objective(self) -> Objective:
        """At the optimum that refits start from."""
        return self.refits.objective

    def decision_moves(
        self, test_map: LinearMap, rows: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Changes of test decision values by each row's removal, as of ``Refits``."""
        yield from self.refits.decision_moves_by(self._measured(rows), test_map)

    def _measured(self, rows: Array) -> Iterator[tuple[Array, Array]]:
        for positions, changes in self.refits.without_rows(rows):
            self.sizes[positions] = self.norms.of(changes)
            yield positions, changes
