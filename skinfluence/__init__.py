"""skinfluence: where a scikit-learn model came from.

Influence functions (Koh & Liang, ICML 2017) for scikit-learn: which training rows are
responsible for a prediction, which labels are probably wrong, what changes if rows go.
"""

from .adapters import as_objective
from .agreement import Verification
from .exceptions import NotStationaryWarning, SingularHessianError, VersionMismatchWarning
from .explainer import InfluenceExplainer
from .explanation import Explanation
from .hidden_activations import HiddenActivations
from .solvers import CG, Cholesky, Dual, LiSSA, Sketch

__version__ = "0.1.0"

__all__ = [
    "CG",
    "Cholesky",
    "Dual",
    "Explanation",
    "HiddenActivations",
    "InfluenceExplainer",
    "LiSSA",
    "NotStationaryWarning",
    "SingularHessianError",
    "Sketch",
    "Verification",
    "VersionMismatchWarning",
    "as_objective",
]
