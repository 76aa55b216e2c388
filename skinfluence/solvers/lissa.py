"""LiSSA: stochastic estimation of (∇²J)⁻¹ b from mini-batches (Agarwal et al. 2016).

    v ← v + (b − (A_batch + Ω'' + damping) v) / scale

is the paper's recursion written for the unscaled solution, with the penalty and the damping
inside the division. It is stochastic gradient descent on ½ vᵀAv − bᵀv, so scale and batch size
follow from what that needs (Klochkov & Liu 2024): the batch large enough that its noise adds no
more to the step's bound than the largest eigenvalue does, R²/batch ≤ λ_max, and
scale = λ_max + R²/batch. Each chain returns the average over its second half, which keeps the
bias of the iterate and averages its noise away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..curvature import Array
from ..exceptions import warn_user
from ..jobs import in_jobs, number_of_jobs
from ..operators import HessianOperator
from ..progress import Advance, progress, tracked_blocks
from .base import InverseHessian, Solver, SolverContext, require_features
from .cg import CG
from .spectrum import Spectrum, estimate_spectrum

CHECK_EVERY = 100
CHAIN_BYTES = 1 << 27
LONGEST_DEPTH = 20_000
# Depth in units of scale / smallest eigenvalue: the first half forgets the start, the second
# averages.
TIME_CONSTANTS = 16.0


@dataclass(frozen=True)
class LiSSA(Solver):
    """Stochastic estimation of inverse-Hessian products (Koh & Liang, Section 3).

    Parameters
    ----------
    repeats : int, default=10
        Independent chains, averaged (the paper's r).
    depth : int, optional
        Steps of each chain (the paper's t); by default what the smallest eigenvalue needs, at
        most 20,000.
    batch_size : int, optional
        Rows per step; by default R² / λ_max, with R² the mean size of one row's Hessian.
    scale : float, optional
        Divisor, in units of the Hessian of the mean risk; by default λ_max + R² / batch_size. A
        scale that makes the chain diverge is doubled, unless you chose it.
    tol : float, default=0.1
        Relative residual above which a ConvergenceWarning is given.

    Examples
    --------
    >>> from skinfluence import LiSSA
    >>> LiSSA(repeats=10, depth=5000, batch_size=1)
    LiSSA(repeats=10, depth=5000, batch_size=1, scale=None, tol=0.1)
    """

    repeats: int = 10
    depth: int | None = None
    batch_size: int | None = None
    scale: float | None = None
    tol: float = 0.1

    def factor(self, operator: HessianOperator, context: SolverContext) -> LiSSAInverse:
        """Choose scale, batch size and depth."""
        require_features(operator, "lissa")
        spectrum = estimate_spectrum(operator, context)
        return LiSSAInverse(operator, self._complete(operator, spectrum), spectrum, context, self)

    def _complete(self, operator: HessianOperator, spectrum: Spectrum) -> LiSSA:
        batch = self.batch_size or spectrum.batch_size(operator.n_rows)
        step_bound = spectrum.largest + spectrum.row_bound / batch
        scale = step_bound / operator.n_rows if self.scale is None else self.scale
        time_constant = scale * operator.n_rows / max(spectrum.smallest, 1e-300)
        depth = self.depth or int(min(LONGEST_DEPTH, np.ceil(TIME_CONSTANTS * time_constant)))
        return replace(self, batch_size=batch, scale=scale, depth=max(depth, 2))


class Divergence(FloatingPointError):
    """A chain has left the ball that holds the solution."""


class LiSSAInverse(InverseHessian):
    """(∇²J)⁻¹ by averaging stochastic chains."""

    name = "lissa"

    def __init__(
        self,
        operator: HessianOperator,
        settings: LiSSA,
        spectrum: Spectrum,
        context: SolverContext,
        given: LiSSA,
    ) -> None:
        super().__init__(operator)
        self.settings = settings
        self.spectrum = spectrum
        self.condition = spectrum.condition
        self.context = context
        self.scale_was_given = given.scale is not None

    def solve(self, right_hand_sides: Array) -> Array:
        """(∇²J)⁻¹ B, estimated; ConvergenceWarning where the residual stays large."""
        right_hand_sides = np.asarray(right_hand_sides, dtype=np.float64)
        result = np.zeros_like(right_hand_sides)
        bytes_per_column = 8 * 6 * self.operator.n_parameters * self.settings.repeats
        n, what = right_hand_sides.shape[1], "LiSSA, right-hand sides"
        for columns in tracked_blocks(n, bytes_per_column, what, limit=CHAIN_BYTES):
            result[:, columns] = self._solve_without_divergence(right_hand_sides[:, columns])
        self._check(right_hand_sides, result)
        return result

    def estimate(self, right_hand_sides: Array) -> Array:
        """Without noise, by a few unpreconditioned CG iterations."""
        return (
            CG(preconditioner="none").factor(self.operator, self.context).estimate(right_hand_sides)
        )

    def _solve_without_divergence(self, right_hand_sides: Array) -> Array:
        for _ in range(8):
            try:
                return self._mean_of_chains(right_hand_sides)
            except Divergence:
                if self.scale_was_given:
                    break
                self.settings = replace(self.settings, scale=2.0 * (self.settings.scale or 1.0))
        raise np.linalg.LinAlgError(
            f"LiSSA diverged with scale={self.settings.scale:.3g} and "
            f"batch_size={self.settings.batch_size}; a batch of that size needs a scale of at "
            f"least {self._step_bound() / 2:.3g}. Leave scale out to have it chosen, or raise "
            "scale or batch_size."
        )

    def _step_bound(self) -> float:
        bound = self.spectrum.largest + self.spectrum.row_bound / (self.settings.batch_size or 1)
        return bound / self.operator.n_rows

    def _mean_of_chains(self, right_hand_sides: Array) -> Array:
        # Seeds belong to chains, not to jobs: the result is the same for every n_jobs.
        seeds = np.random.SeedSequence(self.context.random_state).spawn(self.settings.repeats)
        n_jobs = min(number_of_jobs(), self.settings.repeats)
        groups = np.array_split(np.arange(self.settings.repeats), n_jobs)
        known = self.operator, right_hand_sides, self.settings
        depth = self.settings.depth or 2
        n_steps, parts = self.settings.repeats * depth, len(range(0, depth, CHECK_EVERY))
        with progress(n_steps, "LiSSA, steps of all chains", parts=parts) as advance:
            work = ((*known, [seeds[i] for i in group], self.spectrum, advance) for group in groups)
            chains = list(in_jobs(run_chains, work))
        return np.asarray(np.concatenate(chains).mean(axis=0))

    def _check(self, right_hand_sides: Array, solution: Array) -> None:
        norms = np.linalg.norm(right_hand_sides, axis=0)
        residual = np.linalg.norm(right_hand_sides - self.operator.matmat(solution), axis=0)
        relative = (residual / np.where(norms > 0, norms, 1.0)).max(initial=0.0)
        if relative > self.settings.tol:
            warn_user(
                f"LiSSA's relative residual is {relative:.2g}, above tol={self.settings.tol:.2g}, "
                f"with repeats={self.settings.repeats}, depth={self.settings.depth}, "
                f"batch_size={self.settings.batch_size}. Raise batch_size or repeats (noise) or "
                "depth (bias), or use solver='cg'.",
                ConvergenceWarning,
            )

    def describe(self) -> str:
        """The settings in force."""
        s = self.settings
        return (
            f"repeats {s.repeats}, depth {s.depth}, batch_size {s.batch_size}, scale {s.scale:.3g}"
        )


def run_chains(
    operator: HessianOperator,
    right_hand_sides: Array,
    settings: LiSSA,
    seeds: list[np.random.SeedSequence],
    spectrum: Spectrum,
    advance: Advance,
) -> Array:
    """Run one group of chains side by side; their averaged iterates, (chains, p, m)."""
    depth, batch_size = settings.depth or 2, settings.batch_size or 1
    generators = [np.random.default_rng(seed) for seed in seeds]
    step = 1.0 / ((settings.scale or 1.0) * operator.n_rows)
    per_row = operator.n_rows / batch_size
    limit = spectrum.solution_bound(np.linalg.norm(right_hand_sides))
    iterate = np.zeros((len(seeds), *right_hand_sides.shape))
    total = np.zeros_like(iterate)
    first_averaged = depth // 2
    for start in range(0, depth, CHECK_EVERY):
        steps = min(CHECK_EVERY, depth - start)
        rows = np.stack(
            [g.integers(operator.n_rows, size=(steps, batch_size)) for g in generators], axis=1
        )
        with np.errstate(over="ignore", invalid="ignore"):  # of a chain that diverges
            for t in range(steps):
                product = operator.batch_products(rows[t], iterate)
                bent = per_row * product + operator.penalty_product(iterate)
                iterate += step * (right_hand_sides - bent)
                if start + t >= first_averaged:
                    total += iterate
            size = np.sqrt((iterate**2).sum(axis=(1, 2)).max())
        if not size <= limit:
            raise Divergence
        advance(steps * len(seeds))
    return total / (depth - first_averaged)
