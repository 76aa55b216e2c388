"""Errors and warnings of skinfluence."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

PACKAGE = str(Path(__file__).parent)


class SingularHessianError(np.linalg.LinAlgError, ValueError):
    """∇²J has no inverse on what was asked: the training data don't determine the answer."""


class NotStationaryWarning(UserWarning):
    """The fitted parameters are not where the gradient of the objective is 0."""


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the user's own line: the nearest caller outside of this package."""
    depth = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
        depth += 1
    warnings.warn(message, category, stacklevel=depth)
