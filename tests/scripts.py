"""Examples as modules, so that their functions can be tested."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[1] / "examples"


@contextmanager
def example_module(name: str) -> Iterator[ModuleType]:
    """An example by the name of its file, imported while the context lasts."""
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where dataclasses look up their annotations
    try:
        specification.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]
