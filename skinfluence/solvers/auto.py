"""The automatic choice of solver."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from ..curvature import Array
from ..operators import HessianOperator
from ..predictors import LinearMap
from ..resources import resources
from .base import TYPICAL_ITERATIONS, InverseHessian, Solver, SolverContext
from .cg import CG
from .cholesky import Cholesky
from .dual import Dual

# Forming, factorising and answering stay within seconds and some 130 MB up to here.
SMALL = 4096
# Up to here the Hessian itself costs next to nothing, and loses fewer digits with a weak penalty.
TINY = 1024


def fits(size: int, n_blocks: int = 1) -> bool:
    """Whether ``max_memory`` holds such factors, and as much for the work on blocks.

    Beside the factor of outputs that a loss couples there may be its inverse.
    """
    copies = 4 if n_blocks == 1 else 2
    return 8 * size**2 * n_blocks * copies < resources().max_memory


@dataclass(frozen=True)
class Choice:
    """What ``Auto`` picks and why.

    Attributes
    ----------
    solver : Solver
        The one picked.
    reason : str
        Which line of the table decided, and by which numbers.
    """

    solver: Solver
    reason: str


@dataclass(frozen=True)
class Auto(Solver):
    """Choose between Cholesky, its dual and CG; never a stochastic solver.

    ======================================================  ===========================
    size of the largest independent block of the Hessian    choice
    ======================================================  ===========================
    factors don't fit into a part of ``max_memory``         CG
    at most 4,096                                           Cholesky
    larger, few right-hand sides                            CG
    larger, many right-hand sides                           Cholesky
    ======================================================  ===========================

    Where all coefficients are penalised and the block is larger than 1,024, the dual system over
    the rows with curvature takes Cholesky's place if it is at most half the size; for kernel
    machines always.

    "Many" is where 20 CG iterations for all right-hand sides cost more operations than forming
    and factorising. It is decided anew at every request, and once the factor exists it answers
    everything.

    Parameters
    ----------
    dense : Cholesky, optional
        Taken where factors are small; with settings of its own or the usual ones.
    dual : Dual, optional
        Taken where a system over the rows is smaller than that over the parameters.
    iterative : CG, optional
        Taken where factors don't fit, or cost more than answering few right-hand sides.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import as_objective
    >>> from skinfluence.solvers import Auto
    >>> X, y = np.eye(3), np.arange(3.0)
    >>> choice = Auto().choose(as_objective(Ridge().fit(X, y), X, y).hessian(), 1)
    >>> choice.solver, choice.reason
    (Cholesky(), 'its largest block, 4 x 4, is small')
    """

    dense: Cholesky = field(default_factory=Cholesky)
    dual: Dual = field(default_factory=Dual)
    iterative: CG = field(default_factory=CG)

    def choose(self, operator: HessianOperator, n_right_hand_sides: int) -> Choice:
        """What would be picked for so many right-hand sides.

        Parameters
        ----------
        operator : HessianOperator
            Whose inverse is wanted.
        n_right_hand_sides : int
            How many columns it will be applied to.

        Returns
        -------
        Choice
        """
        if operator.implicit:
            return Choice(self.dual, "the features of a kernel are implicit")
        direct, size, operations = self._direct(operator)
        shown = f"{size:,} x {size:,}"
        if not fits(size, operator.n_blocks):
            return Choice(self.iterative, f"its dense blocks, {shown}, would not fit into memory")
        if size <= SMALL:
            return Choice(direct, f"its largest block, {shown}, is small")
        iterations = TYPICAL_ITERATIONS * n_right_hand_sides
        if iterations * operator.product_operations() > operations:
            reason = f"for {n_right_hand_sides:,} right-hand sides a factor of {shown} pays"
            return Choice(direct, reason)
        return Choice(self.iterative, f"a factor of {shown} costs more than the products it saves")

    def _direct(self, operator: HessianOperator) -> tuple[Solver, int, float]:
        """The smaller of the two direct solvers, its size and its operations."""
        size = operator.block_size
        if size > TINY and operator.has_dual and 2 * operator.dual_size <= size:
            return self.dual, operator.dual_size, operator.dual_operations()
        return self.dense, size, operator.dense_operations()

    def factor(self, operator: HessianOperator, context: SolverContext) -> AutoInverse:
        """Prepare what one right-hand side asks for."""
        return AutoInverse(operator, self, context)


class AutoInverse(InverseHessian):
    """Hands every request to the solver that suits its number of right-hand sides."""

    def __init__(self, operator: HessianOperator, auto: Auto, context: SolverContext) -> None:
        super().__init__(operator)
        self.auto = auto
        self.context = context
        self.choice = auto.choose(operator, 1)
        self._chosen = self.choice.solver.factor(operator, context)
        self._note()

    def _note(self) -> None:
        self.name = self._chosen.name
        self.condition = self._chosen.condition
        self.rank = self._chosen.rank
        self.least_left = self._chosen.least_left

    def _for(self, n_right_hand_sides: int) -> InverseHessian:
        if not isinstance(self.choice.solver, CG):
            return self._chosen
        choice = self.auto.choose(self.operator, n_right_hand_sides)
        if choice.solver != self.choice.solver:
            self.choice, self._chosen = choice, choice.solver.factor(self.operator, self.context)
            self._note()
            if self.context.verbose:
                sys.stderr.write(f"[skinfluence] {self.name}: {choice.reason}\n")
        return self._chosen

    def solve(self, right_hand_sides: Array) -> Array:
        """(∇²J)⁻¹ B."""
        return self._for(right_hand_sides.shape[1]).solve(right_hand_sides)

    def directions(self, linear_map: LinearMap, cotangents: Array, *, mean: bool = False) -> Any:
        """(∇²J)⁻¹ φ_t ⊗ c_t, or of the mean."""
        needed = 1 if mean else linear_map.n_rows
        return self._for(needed).directions(linear_map, cotangents, mean=mean)

    def expect(self, n_right_hand_sides: int) -> None:
        """Choose for so many."""
        self._for(n_right_hand_sides)

    def estimate(self, right_hand_sides: Array) -> Array:
        """With what there is: a diagnosis is no reason to factorise."""
        return self._chosen.estimate(right_hand_sides)

    def precondition(self, right_hand_sides: Array) -> Array:
        """With what there is."""
        return self._chosen.precondition(right_hand_sides)

    def iterative_operations(self, n_right_hand_sides: int) -> float:
        """What the choice for so many right-hand sides would take."""
        choice = self.auto.choose(self.operator, n_right_hand_sides)
        if not isinstance(choice.solver, CG) or not isinstance(self.choice.solver, CG):
            return 0.0
        return super().iterative_operations(n_right_hand_sides)

    def leverage(self, linear_map: LinearMap) -> Array:
        """M_i, (n, K, K)."""
        needed = linear_map.n_rows * self.operator.n_outputs
        return self._for(needed).leverage(linear_map)

    def left(self, linear_map: LinearMap, curvature: Array, leverage: Array) -> Array:
        """I − C_i M_i, (n, K, K)."""
        return self._chosen.left(linear_map, curvature, leverage)

    def self_products(self, linear_map: LinearMap, residuals: Array) -> Array:
        """g_iᵀ (∇²J)⁻¹ g_i, (n,)."""
        return self._for(linear_map.n_rows).self_products(linear_map, residuals)

    def describe(self) -> str:
        """The choice and its reason."""
        return f"chosen because {self.choice.reason}; {self._chosen.describe()}"
