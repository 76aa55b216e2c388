"""All rows of ``models``, from the files that have those of a family each."""

from __future__ import annotations

from models_active import MODELS as ACTIVE_SETS
from models_bayesian import MODELS as BAYESIAN
from models_glm import MODELS as GENERALISED_LINEAR
from models_huber import MODELS as HUBER
from models_kernel import MODELS as KERNELS
from models_several import MODELS as SEVERAL
from models_sgd import MODELS as GRADIENT_DESCENT

MODELS = [
    *BAYESIAN,
    *GENERALISED_LINEAR,
    *HUBER,
    *ACTIVE_SETS,
    *GRADIENT_DESCENT,
    *KERNELS,
    *SEVERAL,
]
