"""One row for each estimator, and how it is refitted; ``test_models`` holds all of them to it.

``catalogue`` has those that every property of the package is tested with. These here are tested for
what differs from one estimator to the next: its objective, its weights, its refits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rows import CLASS_WEIGHT, SETTINGS, Data, Setting, make_data
from sklearn.base import clone


@dataclass(frozen=True)
class Model:
    """One estimator.

    Parameters
    ----------
    name : str
    estimator : estimator
        Not fitted; to be fitted as tightly as it can be.
    data : str
        Kind of data, of ``make_data``.
    loss : callable
        (fitted model, X, y) → loss per row, from its predictions alone: what ``target="loss"``
        means for it.
    plain : callable
        From a fitted model to the unfitted one that has its hyper-parameters.
    csr, sample_weight, class_weight, balanced : bool
        Whether it takes them, and class weights also by the classes' counts.
    on_csr : dict
        Settings that sparse X needs.
    stationary : float
        Largest ``relative_step`` at its own optimum.
    exact : float
        Largest error of kind="refit", relative to the largest actual change of a loss.
    follows : float
        Least correlation of kind="removal" with actual changes.
    slope : float
        Largest distance of its slope from 1.
    n, d : int
        Training rows and features.
    """

    name: str
    estimator: Any
    data: str
    loss: Callable[[Any, Any, np.ndarray], np.ndarray]
    plain: Callable[[Any], Any] = clone
    csr: bool = True
    sample_weight: bool = True
    class_weight: bool = False
    balanced: bool = True
    on_csr: dict[str, Any] = field(default_factory=dict)
    stationary: float = 1e-5
    exact: float = 1e-6
    follows: float = 0.9995
    slope: float = 0.04
    n: int = 120
    d: int = 4

    def settings(self) -> list[Setting]:
        """Those that apply to it."""
        return [
            setting
            for setting in SETTINGS
            if (self.csr or not setting.csr)
            and (self.sample_weight or not setting.sample_weight)
            and (self.class_weight or setting.class_weight is None)
            and (self.balanced or setting.class_weight != "balanced")
        ]

    def prepare(self, setting: Setting) -> Any:
        """The estimator, not yet fitted."""
        estimator = clone(self.estimator)
        if setting.csr:
            estimator.set_params(**self.on_csr)
        if setting.class_weight is None:
            return estimator
        inside = "estimator__class_weight" in estimator.get_params()
        class_weight: Any = setting.class_weight
        if class_weight == "given":
            classes = range(3 if self.data == "three classes" and not inside else 2)
            class_weight = {k: CLASS_WEIGHT[k] for k in classes}
        return estimator.set_params(**{"estimator__" * inside + "class_weight": class_weight})

    def rows(self, setting: Setting) -> Data:
        return setting.prepare(make_data(self.data, self.n, self.d))

    def fit(self, estimator: Any, data: Data, setting: Setting) -> Any:
        """Fit with sample weights where the setting asks for them; not all estimators take any."""
        weights = setting.weights(data)
        options = {} if weights is None else {"sample_weight": weights}
        return estimator.fit(data.X, data.y, **options)
