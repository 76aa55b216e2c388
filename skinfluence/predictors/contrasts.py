"""From the contrasts of a loss back to the estimator's own outputs."""

from __future__ import annotations

import numpy as np

from ..curvature import Array


class OnContrasts:
    """A predictor of which the loss may read contrasts, (C, K): K of what C outputs differ in."""

    contrasts: Array | None

    def class_values(self, decision_values: Array) -> Array:
        """Decision values (rows, K, …) of the estimator's own outputs, (rows, C, …).

        Those of a loss on contrasts sum to zero over the classes.
        """
        if self.contrasts is None:
            return decision_values
        return np.asarray(np.moveaxis(np.tensordot(self.contrasts, decision_values, (1, 1)), 0, 1))

    def class_vjp(self, cotangents: Array) -> Array:
        """The transpose of ``class_values`` for one column, (rows, C) → (rows, K)."""
        return cotangents if self.contrasts is None else cotangents @ self.contrasts
