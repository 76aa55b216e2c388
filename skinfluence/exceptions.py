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


class VersionMismatchWarning(UserWarning):
    """An explainer is loaded with other versions than it was saved with.

    Attributes
    ----------
    saved, installed : dict of str to str
        Versions of skinfluence, scikit-learn, NumPy and SciPy, by name.
    """

    def __init__(self, saved: dict[str, str], installed: dict[str, str]) -> None:
        super().__init__(saved, installed)
        self.saved, self.installed = saved, installed

    def __str__(self) -> str:
        names = [name for name in ("skinfluence", "scikit-learn") if self._differs(name)]
        before, now = (
            " and ".join(f"{name} {versions[name]}" for name in names)
            for versions in (self.saved, self.installed)
        )
        pinned = " ".join(f"{name}=={version}" for name, version in self.saved.items())
        return (
            f"InfluenceExplainer was saved with {before} and is loaded with {now}: its answers may "
            "differ, or fail. Fit it again and save that, or install what it was saved with (pip "
            f"install {pinned})."
        )

    def _differs(self, name: str) -> bool:
        return self.saved[name] != self.installed[name]


def warn_user(message: str | Warning, category: type[Warning] | None = None) -> None:
    """Warn at the user's own line: the nearest caller outside of this package."""
    depth = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
        depth += 1
    warnings.warn(message, category, stacklevel=depth)
