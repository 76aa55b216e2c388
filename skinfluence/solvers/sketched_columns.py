"""Sketched columns: what they are, how many are needed, and what they say of rows.

∇²J = AᵀA with A = [C^½ Φ; Ω^½], so gᵀ(∇²J)⁻¹g = ‖A (∇²J)⁻¹ g‖². For random signs G, (∇²J) v = AᵀG
gives vᵀg, whose square has that mean (Spielman & Srivastava 2011; Johnson–Lindenstrauss): q such
columns estimate it for all rows at once with a relative error of √(2/q).

The inverse diagonal D⁻¹ of ∇²J serves as a control variate: w = D⁻¹AᵀG makes (vᵀg)(wᵀg) a number of
known mean gᵀD⁻¹g, so β times how far it is from that can be taken off. With a, b, d the means of
(vᵀg)², (wᵀg)² and their product, β = 2ad / (ab + d²) is the best for normal variables, which the
sums of many signs all but are, and leaves (1 − c²)/(1 + c²) of the variance for c² = d²/ab. On
sparse text that is a tenth of it: so many times fewer columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..curvature import Array, Curvature
from ..exceptions import warn_user
from ..operators import HessianOperator
from ..predictors import LinearMap
from ..progress import progress
from ..resources import resources
from .signs import RowSigns, signs

# Columns that are solved for together, and how many there are at the least.
BATCH, FEWEST = 16, 32
N_PROBES = 500
# The solves' own errors stay that far below the sketch's.
SHARE_OF_TOLERANCE = 0.1


class Columns:
    """V = (∇²J)⁻¹AᵀG and W = D⁻¹AᵀG, in float32, whose error is far below the sketch's.

    Parameters
    ----------
    diagonal : ndarray of shape (q, K)
        D.
    """

    def __init__(self, diagonal: Array) -> None:
        self.inverse_diagonal = 1.0 / np.where(diagonal > 0, diagonal, 1.0)
        self.batches: list[tuple[Array, Array]] = []
        self.relative_error = np.inf

    @property
    def n_columns(self) -> int:
        """q."""
        return sum(solved.shape[1] for solved, _ in self.batches)

    @classmethod
    def found(
        cls,
        operator: HessianOperator,
        solve: Callable[[Array, float], Array],
        rtol: float,
        max_columns: int,
        seed: int,
    ) -> Columns:
        """So many that the estimated error is at most ``rtol``.

        Parameters
        ----------
        operator : HessianOperator
        solve : callable
            Right-hand sides and tolerance → solutions.
        rtol, max_columns, seed
        """
        columns = cls(operator.main_diagonal().reshape(operator.linear_map.theta_shape))
        room = resources().max_memory // (4 * 2 * 4 * operator.n_parameters)
        most = max(BATCH, min(max_columns, room) // BATCH * BATCH)
        rng = np.random.default_rng([seed, 0])
        chosen = rng.choice(operator.n_rows, min(N_PROBES, operator.n_rows), replace=False)
        probes = operator.linear_map.take(np.sort(chosen))
        cotangents = rng.choice([-1.0, 1.0], size=(probes.n_rows, operator.n_outputs))
        tolerance = SHARE_OF_TOLERANCE * rtol
        needed = min(FEWEST, most)
        with progress(most, "sketched columns") as advance:
            advance.expect(needed)
            while columns.n_columns < needed:
                right = sketched(operator, (seed, columns.n_columns + 1))
                columns.add(solve(right, tolerance), right)
                advance(BATCH)
                if columns.n_columns >= needed:
                    error = columns.relative_error = columns.error(probes, cotangents)
                    asked = columns.n_columns * min((error / rtol) ** 2, 4.0)
                    needed = min(most, int(np.ceil(asked / BATCH)) * BATCH)
                    advance.expect(max(needed, columns.n_columns))
        if columns.relative_error > rtol:
            columns.warn(rtol)
        return columns

    def add(self, solved: Array, right: Array) -> None:
        """One batch, of solutions and right-hand sides (p, BATCH)."""
        bent = self.inverse_diagonal.reshape(-1, 1) * right
        self.batches.append((solved.astype(np.float32), bent.astype(np.float32)))

    def leverage(self, rows: LinearMap) -> Array:
        """M_i of a block of rows, (rows, K, K)."""
        k = rows.n_outputs
        own, mixed, size = (np.zeros((rows.n_rows, k, k)) for _ in range(3))
        for solved, bent in self.batches:
            v, w = self._values(rows, solved), self._values(rows, bent)
            own += v @ v.transpose(0, 2, 1)
            mixed += v @ w.transpose(0, 2, 1)
            size += w @ w.transpose(0, 2, 1)
        own, mixed, size = own / self.n_columns, mixed / self.n_columns, size / self.n_columns
        known = self._known(rows)[:, :, None] * np.eye(k)
        share = best_share(*(np.einsum("nkk->n", each) for each in (own, size, known)))
        off = (mixed + mixed.transpose(0, 2, 1)) / 2.0 - known
        return np.asarray(own - share[:, None, None] * off)

    def products(self, rows: LinearMap, cotangents: Array) -> Array:
        """gᵀ(∇²J)⁻¹g of a block of rows with g_i = φ_i ⊗ c_i, (rows,)."""
        own, mixed, size = (np.zeros(rows.n_rows) for _ in range(3))
        for v, w in self._pairs(rows, cotangents):
            own += np.einsum("nm,nm->n", v, v)
            mixed += np.einsum("nm,nm->n", v, w)
            size += np.einsum("nm,nm->n", w, w)
        own, mixed, size = own / self.n_columns, mixed / self.n_columns, size / self.n_columns
        known = np.einsum("nk,nk->n", self._known(rows), cotangents**2)
        return np.asarray(own - best_share(own, size, known) * (mixed - known))

    def error(self, rows: LinearMap, cotangents: Array) -> float:
        """Relative standard error of ``products``, root mean square over the rows."""
        pairs = list(self._pairs(rows, cotangents))
        v, w = (np.concatenate(each, axis=1) for each in zip(*pairs, strict=True))
        known = np.einsum("nk,nk->n", self._known(rows), cotangents**2)
        share = best_share((v * v).mean(axis=1), (w * w).mean(axis=1), known)
        each = v * v - share[:, None] * (v * w - known[:, None])
        means = each.mean(axis=1)
        errors = each.std(axis=1, ddof=1) / np.sqrt(each.shape[1])
        moved = means > 0
        return float(np.sqrt(np.mean((errors[moved] / means[moved]) ** 2))) if moved.any() else 0.0

    def warn(self, asked: float) -> None:
        """ConvergenceWarning."""
        warn_user(
            f"Sketch stopped at {self.n_columns} columns with an estimated relative error of "
            f"{self.relative_error:.2g}; asked was rtol={asked:.2g}. Raise max_columns or the "
            "explainer's max_memory, or accept a larger rtol.",
            ConvergenceWarning,
        )

    def _pairs(self, rows: LinearMap, cotangents: Array) -> Iterator[tuple[Array, ...]]:
        """vᵀg and wᵀg, (rows, BATCH) each."""
        for batch in self.batches:
            yield tuple(
                np.einsum("nkm,nk->nm", self._values(rows, each), cotangents) for each in batch
            )

    def _values(self, rows: LinearMap, directions: Array) -> Array:
        return rows.jvp(directions).astype(np.float64, copy=False)

    def _known(self, rows: LinearMap) -> Array:
        """φ_iᵀ D⁻¹ φ_i of each output, (rows, K)."""
        return np.asarray(rows.squares_times(self.inverse_diagonal))  # type: ignore[attr-defined]


def best_share(own: Array, size: Array, known: Array) -> Array:
    """β = 2ad / (ab + d²)."""
    spread = own * size + known**2
    return np.divide(2.0 * own * known, spread, out=np.zeros_like(spread), where=spread > 0)


def sketched(operator: HessianOperator, seed: tuple[int, int]) -> Array:
    """AᵀG for BATCH columns of random signs G, (p, BATCH)."""
    linear_map, width = operator.linear_map, operator.curvature.root_width
    root = np.sqrt(operator.penalty_diagonal())
    total = root * signs((operator.n_parameters, BATCH), (*seed, 0))
    rows = RowSigns(linear_map.n_rows, (width, BATCH), seed)
    bytes_per_row = 8 * BATCH * (2 * width + 2 * operator.n_outputs)
    return linear_map.accumulate(_add_rooted, total, [operator.curvature, rows], bytes_per_row)


def _add_rooted(total: Array, rows: LinearMap, curvature: Curvature, noise: Array) -> None:
    total += rows.vjp(curvature.root_matmul(noise))
