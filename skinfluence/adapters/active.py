"""From an estimator with an L1 penalty to the predictor and penalty of its active set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..curvature import Array
from ..objective import Outside
from ..penalties import L2, GroupNorm, SignedL1
from ..predictors import LinearPredictor

# Of what is no parameter: any strength will do, and with none ∇²J would be singular there.
PINNED = 1.0


@dataclass(frozen=True)
class ActiveSet:
    """Which coordinates are parameters, and what is known of the others.

    Parameters
    ----------
    predictor : LinearPredictor
        Of the set.
    theta : ndarray of shape (q, K)
        Its parameters.
    slope : ndarray of shape (q, K)
        The L1 strength of each.
    outside : Outside
    """

    predictor: LinearPredictor
    theta: Array
    slope: Array
    outside: Outside

    @classmethod
    def of(
        cls,
        predictor: LinearPredictor,
        estimator: Any,
        l1: Any,
        strength: Array,
        *,
        penalise_intercept: bool = False,
        grouped: bool = False,
    ) -> ActiveSet:
        """Of a fitted estimator, whose zeros are outside.

        Raises
        ------
        ValueError
            Where nothing is inside.
        """
        theta = replace(predictor, flat=None).pack(estimator.coef_, estimator.intercept_)
        strengths = np.atleast_1d(np.asarray(l1, dtype=np.float64))
        bounds = np.broadcast_to(strengths[None, :], theta.shape).copy()
        if predictor.constant and not penalise_intercept:
            bounds[-1] = 0.0
        inside = (theta != 0) | (bounds == 0)
        if grouped:
            inside |= inside.any(axis=1, keepdims=True)
        if not inside.any():
            raise ValueError(
                f"{type(estimator).__name__} has no coefficient that is not 0: the model is the "
                "same whatever the training rows are, and none has any influence. Fit it with a "
                "weaker penalty."
            )
        if predictor.flat is not None:
            even = inside.all(axis=1) & (np.sign(theta).sum(axis=1) == 0) & ~strength.any(axis=1)
            predictor = replace(predictor, flat=predictor.flat | even)
        used = np.flatnonzero(inside.any(axis=1))
        constant = predictor.constant if used[-1] >= predictor.n_features else 0.0
        free = inside[used]
        flat = None if predictor.flat is None else predictor.flat[used]
        if flat is not None:
            free[flat, -1] = False
        chosen = replace(
            predictor,
            constant=constant,
            columns=used[used < predictor.n_features],
            free=None if free.all() else free,
            flat=flat,
        )
        outside = Outside(predictor, inside, np.sign(theta), bounds, grouped)
        packed = chosen.pack(estimator.coef_, estimator.intercept_)
        return cls(chosen, np.where(free, packed, 0.0), bounds[used], outside)

    @property
    def held(self) -> str:
        """What is held fixed, in words."""
        penalised = self.outside.bounds > 0
        inside = int((self.outside.inside & penalised).sum())
        return f"support and signs: {inside} of {int(penalised.sum())} coefficients are not 0"

    def penalty(self, strength: Array) -> L2:
        """Ω for quadratic strengths of all coordinates, (q of all, 1 or K)."""
        used = self.outside.inside.any(axis=1)
        diagonal = np.broadcast_to(strength, self.outside.inside.shape)[used]
        if self.outside.grouped:
            return GroupNorm(diagonal, self.slope[:, 0])
        if self.predictor.free is not None:
            diagonal = np.where(self.predictor.free, diagonal, PINNED)
        slope = self.slope * self.outside.signs[used]
        if self.predictor.free is not None:
            slope = slope * self.predictor.free
        return SignedL1(diagonal, slope)
