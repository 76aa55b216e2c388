"""Losses on decision values: value, residual r = ∂ℓ/∂z and curvature B = ∂²ℓ/∂z².

A loss knows (y, z) and never X, so one class serves dense, sparse and kernel models alike.

Conventions
-----------
- ``decision_values`` z has shape (n, K), ``residual`` (n, K), ``value`` (n,).
- ``y`` is what the estimator's target coding makes of the user's labels: (n, K) numbers for
  regression, (n, K) signs for margin losses (±1, or 0 where a row has no part in an output), (n,)
  class codes for the softmax loss.
- A new loss is a subclass with ``value``, ``residual`` and ``curvature``; ``unit`` names what
  its values are measured in. ``probability`` and its gradient are for classifiers that have
  ``predict_proba``.
"""

from .base import Loss
from .epsilon import SmoothEpsilonInsensitive, SquaredEpsilonInsensitive
from .huber import HalfSquaredError, Huber
from .margin import BinomialLogLoss, MarginLoss, ModifiedHuber, SmoothHinge, SquaredHinge
from .measured import MeasuredLoss
from .per_output import PerOutput
from .scaled_huber import ScaledHuber
from .soft_labels import SoftLabelLogLoss
from .softmax import SoftmaxLogLoss, orthonormal_contrasts
from .squared import SquaredError
from .tweedie import IdentityTweedieLoss, TweedieLoss

__all__ = [
    "BinomialLogLoss",
    "HalfSquaredError",
    "Huber",
    "IdentityTweedieLoss",
    "Loss",
    "MarginLoss",
    "MeasuredLoss",
    "ModifiedHuber",
    "PerOutput",
    "ScaledHuber",
    "SmoothEpsilonInsensitive",
    "SmoothHinge",
    "SoftLabelLogLoss",
    "SoftmaxLogLoss",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "TweedieLoss",
    "orthonormal_contrasts",
]
