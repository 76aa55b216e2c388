"""For all tests."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small problems: more threads spend their time waiting for each other."""
    with threadpool_limits(1):
        yield
