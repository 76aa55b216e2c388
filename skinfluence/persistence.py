"""Explainers in files: which versions wrote them, and what has to be writable after loading.

All is kept as it is, the factorisation too, so that loading computes nothing. What changes between
versions of this package is the inside of the state; ``STATE_FORMAT`` counts those changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
import sklearn
from sklearn.base import BaseEstimator

from .exceptions import VersionMismatchWarning, warn_user

# One more whenever a state that was saved before can't be read any more.
STATE_FORMAT = 1
RECORD = "_saved_with"
# Another version of these may mean another inside; of NumPy and SciPy it doesn't.
CHECKED = ("skinfluence", "scikit-learn")


def installed_versions() -> dict[str, str]:
    """Of this package and of what it computes with."""
    from . import __version__  # which is set after this module is imported

    return {
        "skinfluence": __version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


class SavedWith:
    """What wrote a state: the first thing in it, so that it is checked before all else is loaded.

    Its name and place belong to the format: a later version must still find it here.
    """

    def __init__(self) -> None:
        self.state_format = STATE_FORMAT
        self.versions = installed_versions()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._check()

    def _check(self) -> None:
        """Refuse what can't be read, and warn of what may be read wrongly."""
        saved, installed = self.versions, installed_versions()
        if self.state_format != STATE_FORMAT:
            writer = saved["skinfluence"]
            raise ValueError(
                f"InfluenceExplainer got an explainer that skinfluence {writer} saved, in format "
                f"{self.state_format}; skinfluence {installed['skinfluence']} reads format "
                f"{STATE_FORMAT}. Install that version (pip install skinfluence=={writer}), or fit "
                "the explainer again and save that."
            )
        if any(saved[name] != installed[name] for name in CHECKED):
            warn_user(VersionMismatchWarning(saved, installed))


class Persistent(BaseEstimator):
    """Saved with its versions; loaded as it was."""

    def __getstate__(self) -> dict[str, Any]:
        state = {RECORD: SavedWith(), **super().__getstate__()}
        # joblib writes an array once for every name that it has.
        if "_fitted" in state and _same_array(state["_training_X"], self._modelled_rows()):
            del state["_training_X"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if not isinstance(state.get(RECORD), SavedWith):
            raise ValueError(
                "InfluenceExplainer got a saved explainer without a record of the versions that "
                "it was saved with: it comes from a version of skinfluence before there were any, "
                "or was changed. Fit the explainer again and save that."
            )
        super().__setstate__({name: value for name, value in state.items() if name != RECORD})
        if "_fitted" in state and "_training_X" not in state:
            self._training_X = self._modelled_rows()

    def _modelled_rows(self) -> Any:
        """X as the model sees it."""
        return vars(self)["_fitted"].linear_map.X


def _same_array(first: Any, second: Any) -> bool:
    if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray)):
        return first is second
    return first.__array_interface__ == second.__array_interface__


class FilledInTime:
    """Holds arrays that answers are noted in, for later questions.

    Those of a memory-mapped file may be read-only, and are copied.
    """

    # Names of the arrays.
    _noted: tuple[str, ...]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in self._noted:
            values = getattr(self, name)
            if not values.flags.writeable:
                setattr(self, name, np.array(values))
