"""Each contender in a process of its own, one after the other, and how their answers agree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..timing import THREADS
from .items import BLAS, Item
from .peers import absent, is_peer

ROOT = Path(__file__).resolve().parents[2]
FAILED = "failed"
PATIENCE = 5.0  # of fits and sweeps, in units of the patience with one contender
PATH = re.compile(r"\s*\(/[^)]*\)")  # of this machine, in messages of errors
THREAD_VARIABLES = (THREADS, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class Result:
    """What was measured of one contender, or why nothing was."""

    contender: str
    seconds: float | None = None
    megabytes: float | None = None
    correlation: float | None = None
    slope: float | None = None
    skipped: str = ""
    longer_than: float | None = None


@dataclass(frozen=True)
class Runner:
    """How processes are started."""

    quick: bool = False
    threads: int = 1
    timeout: float = 120.0
    with_peers: bool = True

    def child(self, *arguments: str, patience: float = 1.0) -> dict[str, Any]:
        """What a process of its own prints last; errors of any sort become a reason."""
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        command = [sys.executable, "-m", "benchmarks.suite.contender", *arguments]
        try:
            done = subprocess.run(
                [*command, *(["--quick"] if self.quick else [])],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=patience * self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"longer_than": self.timeout}
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            return {"skipped": f"{FAILED}: {PATH.sub('', lines[-1])}"}
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    def run(self, item: Item, folder: Path, tell: Any = print) -> list[Result]:
        """All contenders of a work item, in its order."""
        task_file = folder / f"{item.prepare.__name__}.joblib"
        if not task_file.exists():
            found = self.child("prepare", item.name, str(task_file), patience=PATIENCE)
            if "shape" not in found:
                reason = found.get("skipped", "the fit takes too long")
                tell(f"  skipped: {reason}")
                return [Result("all", skipped=reason)]
        results, answers = [], {}
        for contender in item.contenders:
            answer_file = folder / "answer.npy"
            result = self._ask(item, contender, task_file, answer_file)
            if result.seconds is not None and contender != BLAS:
                answers[contender] = np.load(answer_file)
            tell(f"  {contender}: {_said(result)}")
            results.append(result)
        reference = answers.get(item.reference)
        if reference is not None:
            for result in results:
                if result.contender in answers and result.contender != item.reference:
                    result.correlation, result.slope = agreement(
                        answers[result.contender], reference
                    )
        return results

    def _ask(self, item: Item, contender: str, task_file: Path, answer_file: Path) -> Result:
        start = item.contenders[contender]
        if isinstance(start, str):
            return Result(contender, skipped=start)
        if is_peer(contender):
            reason = absent(contender) if self.with_peers else "peers were left out"
            if reason:
                return Result(contender, skipped=reason)
        found = self.child("ask", item.name, str(task_file), contender, str(answer_file))
        return Result(contender, **found)


def has_failed(result: Result) -> bool:
    """Whether a contender ended with an error."""
    return result.skipped.startswith(FAILED)


def agreement(found: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Pearson's correlation, and the slope of the answer on the reference."""
    found, reference = np.ravel(found), np.ravel(reference)
    fine = np.isfinite(found) & np.isfinite(reference)
    found, reference = found[fine] - found[fine].mean(), reference[fine] - reference[fine].mean()
    product, squares = found @ reference, reference @ reference
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = product / np.sqrt((found @ found) * squares)
        return float(correlation), float(product / squares)


def run_items(runner: Runner, items: list[Item], tell: Any = print) -> dict[str, list[Result]]:
    """Results by the name of the work item; a fit is shared by the items that are about it."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for position, item in enumerate(items):
            tell(f"{item.name}: {item.data}; {item.question}")
            results[item.name] = runner.run(item, Path(folder), tell)
            if all(later.prepare is not item.prepare for later in items[position + 1 :]):
                (Path(folder) / f"{item.prepare.__name__}.joblib").unlink(missing_ok=True)
    return results


def _said(result: Result) -> str:
    if result.skipped:
        return f"skipped: {result.skipped}"
    if result.seconds is None:
        return f"more than {result.longer_than:.0f} s"
    return f"{result.seconds:.3f} s, {result.megabytes:.0f} MB"
