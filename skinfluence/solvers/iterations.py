"""Conjugate gradients on many right-hand sides, and what earlier ones are worth to new ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..blocks import bounded
from ..curvature import Array
from ..exceptions import SingularHessianError
from .factorisation import NO_MINIMUM

Products = Callable[[Array], Array]

# Two arrays of kept solutions.
KEPT_BYTES = 1 << 26
# Directions that are shorter than that, in the Hessian's norm, beside what is kept are not new.
LEAST_NEW = 1e-6
# Of the lengths of a direction and of its product: less than that of them is rounding.
NEGATIVE_SHARE = 1e-8


@dataclass(frozen=True)
class Iterates:
    """Where the iterations ended.

    Parameters
    ----------
    solution : ndarray of shape (p, m)
    residual : ndarray of shape (p, m)
    n_iter : int
    converged : bool
    """

    solution: Array
    residual: Array
    n_iter: int
    converged: bool


def conjugate_gradients(
    products: Products,
    right: Array,
    precondition: Products,
    tolerance: float,
    max_iter: int,
    start: Array | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> Iterates:
    """Solve for each column with its own step lengths, until that column has converged.

    Products are with all columns that are left at once. ``scipy.sparse.linalg.cg`` takes one
    right-hand side; stacked under a block-diagonal operator they would share their step lengths,
    and all wait for the last.

    Parameters
    ----------
    products : callable
        (p, m) → ∇²J V.
    right : ndarray of shape (p, m)
    precondition : callable
    tolerance : float
        Of each column's residual, relative to the column.
    max_iter : int
    start : ndarray of shape (p, m), optional
        By default 0.
    advance : callable
        Told how many columns are done.

    Raises
    ------
    SingularHessianError
        On a direction of negative curvature.
    """
    solution = np.zeros_like(right) if start is None else start
    residual = right.copy() if start is None else right - products(start)
    limits = tolerance**2 * _inner(right, right)
    left = np.flatnonzero(_inner(residual, residual) > limits)
    advance(right.shape[1] - len(left))
    x, r = solution[:, left], residual[:, left]
    z = precondition(r)
    direction, fall = z.copy(), _inner(r, z)
    n_iter = 0
    while len(left) and n_iter < max_iter:
        bent = products(direction)
        bends = _inner(direction, bent)
        _require_upward(direction, bent, bends)
        step = _ratio(fall, bends)
        x += step * direction
        bent *= step
        r -= bent
        n_iter += 1
        keep = _inner(r, r) > limits[left]
        if not keep.all():
            solution[:, left[~keep]], residual[:, left[~keep]] = x[:, ~keep], r[:, ~keep]
            advance(int((~keep).sum()))
            left, x, r, fall = left[keep], x[:, keep], r[:, keep], fall[keep]
            direction = direction[:, keep]
        z = precondition(r)
        before, fall = fall, _inner(r, z)
        direction *= _ratio(fall, before)
        direction += z
    solution[:, left], residual[:, left] = x, r
    advance(len(left))
    return Iterates(solution, residual, n_iter, not len(left))


def _inner(first: Array, second: Array) -> Array:
    """Of each column: (p, m) and (p, m) → (m,)."""
    return np.asarray(np.einsum("pm,pm->m", first, second))


def _require_upward(directions: Array, products: Array, bends: Array) -> None:
    """Where rounding doesn't explain that vᵀAv < 0, A is not positive semi-definite."""
    down = bends < 0
    if not down.any():
        return
    lengths = np.linalg.norm(directions[:, down], axis=0) * np.linalg.norm(
        products[:, down], axis=0
    )
    if (bends[down] < -NEGATIVE_SHARE * lengths).any():
        raise SingularHessianError(f"CG met a direction of negative curvature. {NO_MINIMUM}")


def _ratio(numerator: Array, denominator: Array) -> Array:
    """0 where both have come down to nothing."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)


class Recycled:
    """Solutions so far, as a basis S with SᵀAS = I: a start for right-hand sides like theirs.

    x = S Sᵀb is the best that can be made of them in the norm of A (a Galerkin projection). Its
    residual is not taken from the products AS that are kept, which have the errors of solutions
    that were only solved to a tolerance.
    """

    def __init__(self) -> None:
        self._bases: tuple[Array, Array] | None = None

    def start(self, right: Array) -> Array | None:
        """Where to start, (p, m)."""
        if self._bases is None:
            return None
        basis, _ = self._bases
        return np.asarray(basis @ (basis.T @ right))

    def keep(self, solution: Array, bent: Array) -> None:
        """Add solutions X, with AX, as far as there is room."""
        kept, longest = 0, _inner(solution, bent).max(initial=0.0)
        if self._bases is not None:
            basis, products = self._bases
            shares = products.T @ solution
            solution, bent = solution - basis @ shares, bent - products @ shares
            kept = basis.shape[1]
        room = bounded(KEPT_BYTES) // (2 * 8 * len(solution)) - kept
        overlaps = solution.T @ bent
        values, vectors = np.linalg.eigh((overlaps + overlaps.T) / 2.0)
        new = np.flatnonzero(values > LEAST_NEW * longest)
        new = new[::-1][: max(room, 0)]
        if not len(new) or not np.isfinite(values).all():
            return
        turned = vectors[:, new] / np.sqrt(values[new])
        added = solution @ turned, bent @ turned
        if self._bases is None:
            self._bases = added
        else:
            pairs = zip(self._bases, added, strict=True)
            first, second = (np.concatenate(pair, axis=1) for pair in pairs)
            self._bases = first, second
