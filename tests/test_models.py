"""Every estimator of ``models``: stationarity at its own optimum, and answers against refits."""

from __future__ import annotations

import numpy as np
import pytest
from every_model import MODELS
from numpy.testing import assert_allclose
from refitting import refit

CASES = [
    pytest.param(model, setting, id=f"{model.name}-{setting.name}")
    for model in MODELS
    for setting in model.settings()
]


@pytest.mark.parametrize("model, setting", CASES)
def test_against_real_refits(model, setting):
    refitted = refit(model, setting)
    assert refitted.explainer.report_.relative_step <= model.stationary
    objective = refitted.explainer._fitted
    losses = objective.measured_loss.value(objective.y, objective.training_values)
    smoothing = getattr(objective.loss, "temperature", 0.0)
    assert_allclose(losses, refitted.losses, rtol=1e-8, atol=1e-10 + smoothing)

    tolerance = model.exact * np.abs(refitted.actual).max()
    assert_allclose(refitted.exact, refitted.actual, rtol=0, atol=tolerance)
    correlation, slope = refitted.agreement(refitted.removal)
    assert correlation >= model.follows
    assert abs(slope - 1.0) <= model.slope
