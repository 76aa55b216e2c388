"""Input Jacobians of the steps before the model, as vector–Jacobian products.

``step_vjp(step, X, cotangents)`` takes the step's own input rows and cotangents (m, rows, d_out)
and returns (m, rows, d_in), dense. It is a singledispatch function: support for another step is
one registered function; for an affine one, a declared ``linear_map``.

Conventions
-----------
- X is what the step's ``transform`` takes: an array, CSR matrix or DataFrame; for vectorisers a
  list or Series (d_in = 1). Only the rows at hand are ever made dense.
- NaN says that there is no derivative: the step jumps there (categories, bins, words, tied
  quantiles), or has no slope (a row of zeros that is normalised, the logarithm of 0).
- At a kink the derivative is the mean of both sides, as central differences give it.
- A missing entry has derivative 0.
"""

from . import (
    composites,
    discrete,
    distributions,
    functions,
    kernels,
    linear,
    missing,
    networks,
    normalising,
    polynomials,
    scaling,
    splines,
)
from .chain import feature_names_after, pull_back
from .dispatch import linear_map, step_vjp
from .functions import function_vjp

__all__ = [
    "composites",
    "discrete",
    "distributions",
    "feature_names_after",
    "function_vjp",
    "functions",
    "kernels",
    "linear",
    "linear_map",
    "missing",
    "networks",
    "normalising",
    "polynomials",
    "pull_back",
    "scaling",
    "splines",
    "step_vjp",
]
