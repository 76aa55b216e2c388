"""The Hessian of a model that is linear in θ to first order alone: a network's.

    ∇²J v = vjp(s · B · jvp(v)) + Σ s_i r_i · ∂²z_i v + ∇²Ω v + damping · v

Without the second term it is the Gauss–Newton matrix, which is positive semi-definite wherever the
loss is convex in z. With it, it may have negative eigenvalues at any point that is no minimum.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from .blocks import row_blocks
from .curvature import Array, Curvature
from .operators import HessianOperator
from .predictors import NetworkMap
from .progress import tracked_blocks

# Directions that go through the network together.
PRODUCT_BYTES = 1 << 26
FEWEST_ROWS = 64


class TangentHessian(HessianOperator):
    """∇²J of a network, or its Gauss–Newton matrix, of shape (p, p).

    Parameters
    ----------
    linear_map : NetworkMap
        Of the training rows.
    curvature : Curvature
        s_i B_i of each row; its outputs share their parameters.
    diagonal : ndarray of shape (p, 1)
        ∇²Ω.
    damping : float
    pull : ndarray of shape (n, K), optional
        s_i r_i; without it, Gauss–Newton.
    """

    linear_map: NetworkMap

    def __init__(
        self,
        linear_map: NetworkMap,
        curvature: Curvature,
        diagonal: Array,
        damping: float = 0.0,
        pull: Array | None = None,
    ) -> None:
        super().__init__(linear_map, curvature, diagonal, damping)
        self.pull = pull
        self._known: dict[str, Array] = {}

    def _with(self, **changed: Any) -> TangentHessian:
        given = {
            "linear_map": self.linear_map,
            "curvature": self.curvature,
            "diagonal": self.diagonal,
            "damping": self.damping,
            "pull": self.pull,
        }
        return TangentHessian(**{**given, **changed})

    def damped(self, damping: float) -> TangentHessian:
        """The same operator with this much more on the diagonal."""
        result = self._with(damping=self.damping + damping)
        result._known = self._known
        return result

    def gauss_newton(self) -> TangentHessian:
        """Without the second derivatives of decision values."""
        return self if self.pull is None else self._with(pull=None)

    def rows(self, rows: Any, scale: float = 1.0) -> TangentHessian:
        """The operator with the data term of some rows, times ``scale``; the penalty stays."""
        curvature = self.curvature.take(rows)
        scales = np.full((len(curvature.largest_eigenvalues()), 1), scale)
        pull = None if self.pull is None else scale * self.pull[rows]
        linear_map = self.linear_map.take(rows)
        return self._with(linear_map=linear_map, curvature=curvature.scaled(scales), pull=pull)

    # ---------------------------------------------------------------------------------- products
    def penalty_product(self, directions: Array) -> Array:
        """(∇²Ω + damping) V, for V (…, p, m), with what keeps common shifts of outputs apart."""
        result = self.penalty_diagonal().astype(directions.dtype) * directions
        if self.linear_map.network.flat is not None:
            chains = directions.reshape(-1, *directions.shape[-2:])
            shifts = np.stack([self.linear_map.common_shift(each) for each in chains])
            result += self._stiffness * shifts.reshape(directions.shape)
        return np.asarray(result)

    @cached_property
    def _stiffness(self) -> float:
        # Any other than 0 would do, since no gradient has a part in a common shift of outputs.
        return float(self.curvature.largest_eigenvalues().sum())

    def _matmat(self, directions: Array) -> Array:
        directions = directions.astype(self.dtype, copy=False)
        result = self.penalty_product(directions)
        bytes_per_direction = self.dtype.itemsize * 4 * self.linear_map.n_inputs * FEWEST_ROWS
        for some in row_blocks(directions.shape[1], bytes_per_direction, limit=PRODUCT_BYTES):
            result[:, some] += self._curved(directions[:, some])
        return result

    def _curved(self, directions: Array) -> Array:
        return self.linear_map.curved(directions, self.curvature, self.pull)

    def batch_products(self, rows: Array, directions: Array) -> Array:
        """Σ over each chain's own rows (R, batch), of its directions (R, p, m); no penalty."""
        chains = zip(rows, directions, strict=True)
        return np.stack([self.rows(own)._curved(each) for own, each in chains])

    # ------------------------------------------------------------------------------ dense blocks
    @property
    def n_blocks(self) -> int:
        """One: all outputs share the hidden layers."""
        return 1

    @property
    def block_size(self) -> int:
        """p."""
        return self.n_parameters

    def to_blocks(self, directions: Array) -> Array:
        """(p, m) → (1, p, m)."""
        return directions[None]

    def from_blocks(self, blocks: Array) -> Array:
        """Inverse of ``to_blocks``."""
        return blocks[0]

    def dense_blocks(self) -> Array:
        """∇²J, (1, p, p), float64: products with all unit vectors, kept but for its diagonal."""
        if "dense" not in self._known:
            self._known["dense"] = self._undamped()
        dense = self._known["dense"].copy()
        dense[np.diag_indices_from(dense)] += self.damping
        return dense[None]

    def _undamped(self) -> Array:
        plain = self._with(linear_map=self.linear_map.as_float64(), damping=0.0)
        size, dense = self.n_parameters, np.empty((self.n_parameters, self.n_parameters))
        for some in tracked_blocks(size, 8 * size, "Hessian, columns", limit=PRODUCT_BYTES):
            units = np.zeros((size, some.stop - some.start))
            units[np.arange(some.start, some.stop), np.arange(units.shape[1])] = 1.0
            dense[:, some] = plain.matmat(units)
        return (dense + dense.T) / 2.0

    def main_diagonal(self) -> Array:
        """Diagonal of the Gauss–Newton matrix with Ω and damping, (p,)."""
        total = self.penalty_diagonal()[:, 0].copy()
        units = self.linear_map.n_inputs - self.linear_map.n_features
        for rows in row_blocks(self.n_rows, 8 * 2 * units * self.n_outputs):
            roots = _roots(self.curvature.take(rows).to_dense())
            total += self.linear_map.take(rows).weighted_squares(roots)
        return total

    # ------------------------------------------------------------------------------ what it costs
    def product_operations(self) -> float:
        """Floating-point operations of one product with a vector."""
        passes = 4.0 if self.pull is None else 6.0
        return passes * self.n_rows * self.n_parameters * self.linear_map.density

    def dense_operations(self) -> float:
        """Floating-point operations of forming and factorising ∇²J."""
        return self.n_parameters * self.product_operations() + self.n_parameters**3 / 3.0

    @property
    def features(self) -> Any:
        """What row norms are asked of."""
        return self.linear_map

    @property
    def has_dual(self) -> bool:
        """No."""
        return False

    @property
    def bends_back(self) -> bool:
        """Whether it may have negative eigenvalues."""
        return self.pull is not None


def _roots(matrices: Array) -> Array:
    """R with R Rᵀ = B, of positive semi-definite B (n, K, K)."""
    eigenvalues, vectors = np.linalg.eigh(matrices)
    return np.asarray(vectors * np.sqrt(np.maximum(eigenvalues, 0.0))[:, None, :])
