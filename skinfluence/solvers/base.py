"""What a solver and its result look like.

A solver is a small frozen dataclass of settings; ``factor`` does once what doesn't need right-hand
sides, and returns an ``InverseHessian``. It sees the operator alone: no loss, no estimator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..blocks import row_blocks
from ..curvature import Array
from ..operators import HessianOperator
from ..predictors import LinearMap
from ..progress import tracked_blocks
from ..resources import resources

LEVERAGE_BLOCK_BYTES = 1 << 27
# What progress is told of.
LEVERAGES, SELF_INFLUENCE = "leverages, rows", "self-influence, rows"
# What preconditioned CG typically takes to 1e-8.
TYPICAL_ITERATIONS = 20


@dataclass(frozen=True)
class SolverContext:
    """What the user's explainer hands every solver.

    Parameters
    ----------
    random_state : int
        Seed of everything random.
    n_jobs : int or None
        As in joblib.
    verbose : int
    """

    random_state: int = 0
    n_jobs: int | None = None
    verbose: int = 0


def leverage_blocks(n_rows: int, bytes_per_row: int, what: str) -> Iterator[slice]:
    """Blocks of rows for what needs a column for each of them."""
    return tracked_blocks(n_rows, bytes_per_row, what, limit=LEVERAGE_BLOCK_BYTES)


class Solver(ABC):
    """Settings of a way to apply (∇²J)⁻¹."""

    @abstractmethod
    def factor(self, operator: HessianOperator, context: SolverContext) -> InverseHessian:
        """Do what doesn't need right-hand sides.

        Parameters
        ----------
        operator : HessianOperator
        context : SolverContext
        """


def require_memory(size: int, n_matrices: int, solver: str, instead: str) -> None:
    """Refuse factors that ``max_memory`` has no room for."""
    # Forming, inverting and answering take one more for a while.
    needed, allowed = 8 * size**2 * (n_matrices + 1), resources().max_memory
    if needed > allowed:
        raise ValueError(
            f"InfluenceExplainer got solver='{solver}', whose factors ({n_matrices} of {size:,} x "
            f"{size:,}), and room for one more, take {needed / 1e9:.3g} GB, with max_memory of "
            f"{allowed / 1e9:.3g} GB. Raise max_memory, or use {instead}."
        )


def require_features(operator: HessianOperator, solver: str) -> None:
    """Refuse implicit features."""
    if operator.implicit:
        raise ValueError(
            f"InfluenceExplainer got solver='{solver}' for a kernel machine, whose features are "
            "implicit: there is no Hessian over its coefficients to form or multiply with. "
            "Needed is solver='auto' or 'dual', a system over the rows with curvature."
        )


class InverseHessian(ABC):
    """(∇²J)⁻¹, ready to be applied.

    Parameters
    ----------
    operator : HessianOperator
        What is inverted.

    Attributes
    ----------
    name : str
        How the report names what is applied.
    condition : float
        Estimate of the condition number; NaN where none is known.
    rank : int or None
        Numerical rank of ∇²J where the solver sees it.
    """

    name: str = "custom"
    condition: float = float("nan")
    rank: int | None = None
    # A row whose removal leaves less than this share of curvature in its own direction has leverage
    # 1: without it the model is not determined.
    least_left: float = 1e-10

    def __init__(self, operator: HessianOperator) -> None:
        self.operator = operator

    @property
    def relative_error(self) -> float:
        """Estimated, of leverages and self-influence, where they are estimates; else 0."""
        return 0.0

    @abstractmethod
    def solve(self, right_hand_sides: Array) -> Array:
        """(∇²J)⁻¹ B, of the shape of B.

        Parameters
        ----------
        right_hand_sides : ndarray of shape (p, m)
            B.
        """

    def solve_many(self, right_hand_sides: Array) -> Array:
        """The same for the gradients of many training rows, block after block.

        Parameters
        ----------
        right_hand_sides : ndarray of shape (p, m)

        Returns
        -------
        ndarray of shape (p, m)
        """
        return self.solve(right_hand_sides)

    def directions(self, linear_map: LinearMap, cotangents: Array, *, mean: bool = False) -> Any:
        """(∇²J)⁻¹ φ_t ⊗ c_t for rows that need not be training rows, or of the mean over them.

        Parameters
        ----------
        linear_map : LinearMap
            Of the rows.
        cotangents : ndarray of shape (rows, K)
        mean : bool, default=False

        Returns
        -------
        ndarray of shape (p, rows) or (p, 1)
            Or, of implicit features, what the training rows' map takes in its place.
        """
        if not mean:
            return self.solve(linear_map.columns(cotangents))
        total = np.zeros((linear_map.n_parameters, 1))
        scaled = cotangents[:, :, None] / len(cotangents)
        for rows in row_blocks(linear_map.n_rows, 8 * linear_map.stored_inputs):
            total += linear_map.take(rows).vjp(scaled[rows])
        return self.solve(total)

    def expect(self, n_right_hand_sides: int) -> None:
        """Do now what pays for so many right-hand sides to come, before jobs share the result.

        Parameters
        ----------
        n_right_hand_sides : int
        """
        return

    def estimate(self, right_hand_sides: Array) -> Array:
        """(∇²J)⁻¹ B to about one digit, for diagnostics: as cheap as the solver can.

        Parameters
        ----------
        right_hand_sides : ndarray of shape (p, m)

        Returns
        -------
        ndarray of shape (p, m)
        """
        return self.solve(right_hand_sides)

    def precondition(self, right_hand_sides: Array) -> Array:
        """A linear and symmetric approximation of ``solve``, for iterations on a nearby Hessian.

        Parameters
        ----------
        right_hand_sides : ndarray of shape (p, m)

        Returns
        -------
        ndarray of shape (p, m)
        """
        return self.solve(right_hand_sides)

    def iterative_operations(self, n_right_hand_sides: int) -> float:
        """Floating-point operations of so many solves by iteration; 0 with a factor at hand.

        Parameters
        ----------
        n_right_hand_sides : int

        Returns
        -------
        float
        """
        iterations = TYPICAL_ITERATIONS * n_right_hand_sides
        return iterations * self.operator.product_operations()

    def leverage(self, linear_map: LinearMap) -> Array:
        """M_i = U_iᵀ (∇²J)⁻¹ U_i with U_i = φ_i ⊗ I_K.

        Parameters
        ----------
        linear_map : LinearMap

        Returns
        -------
        ndarray of shape (n, K, K)
        """
        k = self.operator.n_outputs
        result = np.empty((linear_map.n_rows, k, k))
        bytes_per_row = 8 * 4 * k * self.operator.n_parameters
        for rows in leverage_blocks(linear_map.n_rows, bytes_per_row, LEVERAGES):
            block = linear_map.take(rows)
            seeds = [block.columns(np.tile(unit, (block.n_rows, 1))) for unit in np.eye(k)]
            solved = self.solve_many(np.concatenate(seeds, axis=1))
            of_units = np.split(solved, k, axis=1)
            result[rows] = np.stack([block.own_values(each) for each in of_units], axis=2)
        return result

    def left(self, linear_map: LinearMap, curvature: Array, leverage: Array) -> Array:
        """I − C_i M_i, what is left without each row, for C_i as in ∇²J.

        Parameters
        ----------
        linear_map : LinearMap
        curvature, leverage : ndarray of shape (n, K, K)

        Returns
        -------
        ndarray of shape (n, K, K)
        """
        return np.eye(self.operator.n_outputs) - curvature @ leverage

    def leaves_enough(self, left: Array) -> Array:
        """Whether matrices I − C M leave the model determined.

        Parameters
        ----------
        left : ndarray of shape (..., K, K)

        Returns
        -------
        ndarray of bool of shape (...)
        """
        if left.shape[-1] == 1:
            smallest = left[..., 0, 0] if self.operator.bends_back else np.abs(left[..., 0, 0])
        elif self.operator.bends_back:
            # Leverages may be above 1, of which a singular value wouldn't tell the sign.
            smallest = np.linalg.eigvals(left).real.min(axis=-1)
        else:
            smallest = np.linalg.svd(left, compute_uv=False)[..., -1]
        return np.asarray(smallest >= self.least_left)

    def self_products(self, linear_map: LinearMap, residuals: Array) -> Array:
        """g_iᵀ (∇²J)⁻¹ g_i with g_i = φ_i ⊗ r_i.

        Parameters
        ----------
        linear_map : LinearMap
        residuals : ndarray of shape (n, K)

        Returns
        -------
        ndarray of shape (n,)
        """
        result = np.empty(linear_map.n_rows)
        bytes_per_row = 8 * 4 * self.operator.n_parameters
        for rows in leverage_blocks(linear_map.n_rows, bytes_per_row, SELF_INFLUENCE):
            gradients = linear_map.take(rows).columns(residuals[rows])
            result[rows] = np.einsum("pi,pi->i", gradients, self.solve_many(gradients))
        return result

    def describe(self) -> str:
        """What was chosen and found, for the report.

        Returns
        -------
        str
        """
        return ""
