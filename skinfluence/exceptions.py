"""Errors and warnings of skinfluence."""

from __future__ import annotations

import numpy as np


class SingularHessianError(np.linalg.LinAlgError, ValueError):
    """∇²J has no inverse on what was asked: the training data don't determine the answer."""


class NotStationaryWarning(UserWarning):
    """The fitted parameters are not where the gradient of the objective is 0."""
