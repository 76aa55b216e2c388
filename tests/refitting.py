"""An estimator of ``models`` really refitted without some of its rows, beside what is predicted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from models import Model
from rows import Setting

from skinfluence import InfluenceExplainer

N_ROWS = 8


@dataclass(frozen=True)
class Refitted:
    """Changes of the test rows' losses by removing each of some rows, (n_test, rows).

    Parameters
    ----------
    explainer : InfluenceExplainer
        Of the model fitted on all rows.
    losses : ndarray of shape (n,)
        Of the training rows, by the fitted model alone.
    actual, removal, exact : ndarray of shape (n_test, rows)
        By refits, and as ``kind="removal"`` and ``kind="refit"`` predict it.
    """

    explainer: Any
    losses: np.ndarray
    actual: np.ndarray
    removal: np.ndarray
    exact: np.ndarray

    def agreement(self, predicted: np.ndarray) -> tuple[float, float]:
        """Correlation with the actual changes, and slope on them."""
        correlation = np.corrcoef(predicted.ravel(), self.actual.ravel())[0, 1]
        slope = np.polyfit(self.actual.ravel(), predicted.ravel(), 1)[0]
        return float(correlation), float(slope)


def refit(model: Model, setting: Setting) -> Refitted:
    """Fit on all rows and without each of a few: the strongest, and others."""
    data = model.rows(setting)
    fitted = model.fit(model.prepare(setting), data, setting)
    explainer = InfluenceExplainer(fitted, prefit=True)
    explainer.fit(data.X, data.y, setting.weights(data))
    rows = _chosen(explainer)
    before = model.loss(fitted, data.X_test, data.y_test)
    actual = []
    for row in rows:
        refitted = model.fit(model.plain(fitted), data.without(row), setting)
        actual.append(model.loss(refitted, data.X_test, data.y_test) - before)
    removal, exact = (
        explainer.influence(data.X_test, data.y_test, kind=kind, indices=rows)
        for kind in ("removal", "refit")
    )
    losses = model.loss(fitted, data.X, data.y)
    return Refitted(explainer, losses, np.array(actual).T, removal, exact)


def _chosen(explainer: InfluenceExplainer) -> np.ndarray:
    order = np.argsort(-np.abs(explainer.self_influence()))
    if explainer.objective_.outside is not None:
        # With another support it is another model: ``test_active_sets`` holds what tells of it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            order = order[~explainer.support_changes(kind="refit", indices=order)]
        assert len(order) >= N_ROWS
    return np.concatenate([order[: N_ROWS // 2], order[N_ROWS // 2 :: 30][: N_ROWS // 2]])
