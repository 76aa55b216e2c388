"""Attacks on a model through its training rows, and how open it is to them (Section 5.2)."""

from .confirmation import Confirmation
from .openness import Vulnerability, vulnerability
from .projections import Clip, Immutable, L2Ball, LInfBall, Projection, RoundTo8Bit
from .result import AttackResult
from .training_set import TrainingSetAttack

__all__ = [
    "AttackResult",
    "Clip",
    "Confirmation",
    "Immutable",
    "L2Ball",
    "LInfBall",
    "Projection",
    "RoundTo8Bit",
    "TrainingSetAttack",
    "Vulnerability",
    "vulnerability",
]
