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
    """An example by its path without the ending, imported while the context lasts."""
    path = EXAMPLES / f"{name}.py"
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module  # where dataclasses look up their annotations
    try:
        specification.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[path.stem]
