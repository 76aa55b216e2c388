"""Which Hessian stands for a model that may be at no minimum, and with how much damping.

The paper's answer (Section 4.2) is the quadratic around the fitted parameters with H + λI, λ such
that it is convex. The Gauss–Newton matrix is convex without one. At a minimum the exact Hessian
tracks retraining better. At any other point Gauss–Newton does, with the damping that the exact one
would need: measured correlations with training on are 0.98, 0.97, 0.92, 0.65 beside 0.90, 0.84,
0.74, 0.19. There a lifted H is still as steep as λ_max in some directions and flat by chance in
others, and without a single row it may be convex no more.

The smallest eigenvalue of H comes from Lanczos steps. A Ritz value is never below it; the value
less the norm of its residual is what counts here, and another start after damping verifies it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .blocks import bounded
from .exceptions import SingularHessianError
from .network_objective import NetworkObjective
from .objective import Objective
from .operators import HessianOperator
from .solvers import SolverContext
from .solvers.auto import SMALL, fits
from .solvers.spectrum import lanczos

HESSIANS = ("auto", "exact", "gauss-newton")
# Lanczos steps, doubled until the smallest eigenvalue is known to such a share of itself, or of the
# largest.
FIRST_STEPS, MOST_STEPS = 40, 640
BASIS_BYTES = 1 << 28
PRECISION, NEGLIGIBLE = 0.01, 1e-9
# Shares of the largest eigenvalue: a smallest one nearer to 0 than the first is 0 for all that is
# known; one that is not above it is lifted to the second. With less a single direction has all the
# influence: lifted to 1e-5 the correlation with training on was 0.63, to 1e-3 or 1e-2 it was 0.99.
FLAT, LIFTED = 1e-6, 1e-3


@dataclass(frozen=True)
class Convexity:
    """A Hessian, damped.

    Parameters
    ----------
    objective : Objective
        With that Hessian.
    operator : HessianOperator
        ∇²J with damping.
    damping : float
        λ, in the unit of the mean risk's Hessian H = ∇²J/n.
    name : {"exact", "gauss-newton"}
    reason : str
        Why this Hessian, and this damping.
    smallest_eigenvalue : float or None
        A lower bound of that of H without damping, where it was looked for.
    """

    objective: Objective
    operator: HessianOperator
    damping: float
    name: str
    reason: str
    smallest_eigenvalue: float | None = None


def damping_of(objective: Objective, damping: float | str | None) -> float | str:
    """What None stands for: nothing, but for a network, whose Hessian is seldom convex."""
    if damping is not None:
        return damping
    return "auto" if isinstance(objective, NetworkObjective) else 0.0


def convex_quadratic(
    objective: Objective, hessian: str, damping: float | str, context: SolverContext
) -> Convexity:
    """The Hessian that is asked for, with the damping that is asked for.

    Parameters
    ----------
    objective : Objective
        At the fitted parameters.
    hessian : {"auto", "exact", "gauss-newton"}
    damping : float or "auto"
    context : SolverContext

    Raises
    ------
    SingularHessianError
        For the exact Hessian where it has negative eigenvalues, damping included.
    """
    if not isinstance(objective, NetworkObjective):
        name = "exact" if hessian == "auto" else hessian
        reason = "decision values are linear in the parameters, so it is the Gauss-Newton matrix"
        return _damped(objective, objective.hessian(), name, damping, context, reason)
    if hessian == "gauss-newton":
        return _gauss_newton(objective, damping, context, "as asked for")
    exact, n = objective.hessian(), objective.n_rows
    smallest, largest = extreme_eigenvalues(exact, context.random_state)
    found = (
        f"the exact Hessian H has a negative eigenvalue, {smallest / n:.2g}: the network is at no "
        "minimum of its objective"
    )
    bends_down = smallest < -FLAT * largest
    if damping != "auto":
        bends_down |= smallest + float(damping) * n < -NEGLIGIBLE * largest
    if hessian == "auto" and bends_down:
        if damping == "auto":
            damping = (LIFTED * largest - smallest) / n
            found += "; damped as H would need it"
        result = _gauss_newton(objective, damping, context, found)
        return replace(result, smallest_eigenvalue=smallest / n)
    if damping == "auto":
        reason = "at a minimum it is convex" if hessian == "auto" else "as asked for"
        known = smallest, largest
        return _damped(objective, exact, "exact", damping, context, reason, known)
    left = smallest / n + float(damping)
    if left < -NEGLIGIBLE * largest / n:
        raise SingularHessianError(
            f"InfluenceExplainer got hessian='exact' and damping={damping:g}, but {found}, and the "
            "quadratic around its parameters has none. Pass damping='auto', or damping="
            f"{_round_up(-smallest / n)} or larger, which makes H + damping * I positive definite; "
            "hessian='gauss-newton' or 'auto', which needs none; or train the network further "
            "(lower tol, raise max_iter)."
        )
    reason = f"its smallest eigenvalue is {left:.2g} with damping={damping:g}: it is convex"
    operator = exact.damped(float(damping) * n)
    return Convexity(objective, operator, float(damping), "exact", reason, smallest / n)


def _gauss_newton(
    objective: NetworkObjective, damping: float | str, context: SolverContext, reason: str
) -> Convexity:
    plain = replace(objective, second_order=False)
    return _damped(plain, plain.hessian(), "gauss-newton", damping, context, reason)


def _damped(
    objective: Objective,
    operator: HessianOperator,
    name: str,
    damping: float | str,
    context: SolverContext,
    reason: str,
    known: tuple[float, float] | None = None,
) -> Convexity:
    """With given damping, or with as little as makes it positive definite.

    ``known`` are its extreme eigenvalues, where they have been looked for.
    """
    n = objective.n_rows
    if damping != "auto":
        given = float(damping)
        return Convexity(objective, operator.damped(given * n), given, name, reason)
    if operator.implicit:
        # The norm of functions is the penalty: there is nothing flat.
        return Convexity(objective, operator, 0.0, name, reason)
    smallest, largest = known or extreme_eigenvalues(operator, context.random_state)
    least = 0.0 if smallest > FLAT * largest else LIFTED * largest - smallest
    for start in range(1, 6):
        damped = operator.damped(least)
        # The other start may have found what the first has missed.
        again, _ = extreme_eigenvalues(damped, context.random_state + start)
        if again > 0.0:
            break
        smallest = min(smallest, again - least)
        least = LIFTED * largest - smallest
    found = f"its smallest eigenvalue is {smallest / n:.2g}"
    found += f", so damping is {least / n:.2g}" if least else ", so it needs no damping"
    return Convexity(objective, damped, least / n, name, f"{reason}; {found}", smallest / n)


def extreme_eigenvalues(operator: HessianOperator, seed: int) -> tuple[float, float]:
    """A lower bound of the smallest eigenvalue, and the largest, of ∇²J."""
    products: Any = operator
    size = operator.block_size
    if operator.n_blocks == 1 and size <= SMALL and fits(size):
        products = _Dense(operator)
    steps, most = FIRST_STEPS, min(MOST_STEPS, bounded(BASIS_BYTES) // (8 * operator.n_parameters))
    while True:
        ritz = lanczos(products, np.random.default_rng(seed), steps)
        error, largest = float(ritz.errors[0]), float(ritz.values[-1])
        close_enough = max(PRECISION * abs(ritz.values[0]), NEGLIGIBLE * largest)
        if error <= close_enough or steps >= min(most, operator.n_parameters):
            return float(ritz.values[0]) - error, largest
        steps *= 2


class _Dense:
    """Products with a Hessian whose factor will be wanted anyway."""

    def __init__(self, operator: HessianOperator) -> None:
        self.matrix = operator.dense_blocks()[0]
        self.shape = self.matrix.shape

    def matvec(self, direction: Any) -> Any:
        """H v."""
        return self.matrix @ direction


def _round_up(value: float) -> str:
    """To two digits."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return f"{np.ceil(value / unit) * unit:.2g}"
