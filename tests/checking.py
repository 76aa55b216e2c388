"""What the tests of ``models`` hold each of its rows to, in a setting."""

from __future__ import annotations

import numpy as np
from models import Model
from numpy.testing import assert_allclose
from refitting import refit
from rows import Setting


def check_against_real_refits(model: Model, setting: Setting) -> None:
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
