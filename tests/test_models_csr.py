"""As ``test_models``, on CSR: without weights, and with the most that the estimator takes."""

from __future__ import annotations

import pytest
from checking import check_against_real_refits
from every_model import MODELS
from rows import few_on_csr

CASES = [
    pytest.param(model, setting, id=f"{model.name}-{setting.name}")
    for model in MODELS
    for setting in few_on_csr(model.settings())
    if setting.csr
]


@pytest.mark.parametrize("model, setting", CASES)
def test_against_real_refits(model, setting):
    check_against_real_refits(model, setting)
