"""What the numbers were measured on: date, processor, memory, BLAS, versions."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path

import scipy.linalg  # noqa: F401  (loads the BLAS of scipy, which may be another)
from threadpoolctl import threadpool_info

from .peers import versions

CPUINFO = Path("/proc/cpuinfo")


def today() -> str:
    return datetime.now(timezone.utc).date().isoformat()


def n_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    if CPUINFO.exists():
        for line in CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    return platform.processor() or platform.machine()


def memory() -> str:
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return "memory unknown"
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{size / 2**30:.0f} GiB of memory"


def blas() -> str:
    """Name, version and kernels of every BLAS that is loaded."""
    found = {
        " ".join(
            str(part)
            for part in (each["internal_api"], each["version"], each.get("architecture"))
            if part
        )
        for each in threadpool_info()
        if each["user_api"] == "blas"
    }
    return ", ".join(sorted(found)) or "unknown BLAS"


def described(threads: int) -> str:
    """One sentence about the machine, one about the software."""
    names = ", ".join(f"{name} {number}" for name, number in versions().items())
    return (
        f"{today()}; {processor()}, {n_cores()} cores, {memory()}; {platform.system()}, "
        f"{blas()} with {threads} thread{'s' if threads > 1 else ''}; "
        f"Python {platform.python_version()}, {names}."
    )
