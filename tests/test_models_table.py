"""The guide's table of models has every model, and what an adapter may cost."""

import csv
import inspect
from pathlib import Path

import pytest
from catalogue import CASES, SKLEARN
from every_model import MODELS

from skinfluence import as_objective

TABLE = Path(__file__).resolve().parent.parent / "docs" / "guide" / "models.csv"
ADAPTERS = {
    function.__name__: function
    for kind, function in as_objective.registry.items()
    if kind.__module__.startswith("sklearn.")
}


def rows():
    with TABLE.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    return {row[0]: row[1:] for row in rows}


def test_every_model_is_in_the_table():
    names = [model.name for model in [*CASES, *MODELS]]
    assert len(set(names)) == len(names)
    if SKLEARN >= (1, 8):  # before, there are parameters that have gone since
        assert set(names) == set(rows())


def test_what_the_table_says():
    """As the tests hold the models: refits agree, whatever a Newton step is worth."""
    for name, (_, removal, _, refit, slope, *_) in rows().items():
        assert float(removal) > 0.95, name
        assert float(refit) > 0.995, name
        assert abs(float(slope) - 1.0) < 0.05, name


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_is_short(name):
    """About 15 lines, and its signature: what needs more belongs to the parts."""
    assert len(inspect.getsource(ADAPTERS[name]).splitlines()) <= 30
