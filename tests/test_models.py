"""Every estimator of ``models``: stationarity at its own optimum, and answers against refits."""

from __future__ import annotations

import pytest
from checking import check_against_real_refits
from every_model import MODELS

CASES = [
    pytest.param(model, setting, id=f"{model.name}-{setting.name}")
    for model in MODELS
    for setting in model.settings()
    if not setting.csr
]


@pytest.mark.parametrize("model, setting", CASES)
def test_against_real_refits(model, setting):
    check_against_real_refits(model, setting)
