"""The page of the guide, and the short table of the README."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .items import BLAS, NUMPY, OURS, Item
from .machine import described
from .running import Result, Runner

FASTER, AGREES = 0.95, 0.999  # ratios below the first are a loss, if the answer is right
TITLE = "Benchmarks"
SMALL = "small parts of the data, whose numbers mean nothing; "
INTRODUCTION = """
Written by ``python -m benchmarks``, one run on one machine: {machine}

Every contender gets the same data and the same fitted scikit-learn model, in a process of its own,
and is asked the same question. Fitting scikit-learn's model is not in the time;
``InfluenceExplainer.fit`` around it is, with all its checks. Time is a ratio: 1 is ours, 2 takes
twice as long; our own line has seconds ({clock}). Memory is the peak of the process above what it
held before the question (data, model and libraries), in MB; the result is part of it, and what
libraries load on first use. Correlation and slope are those of the answer on the reference's, which
is plain NumPy unless another line says so.

*NumPy* is what somebody who knows the formulas writes for this one question, without checks. *BLAS*
is the matrix products that can't be avoided, alone, which no complete answer reaches. A contender
that can't answer, or isn't installed, says why below; one that was stopped after {timeout:.0f}
seconds has a lower bound.

Other libraries are used as their documentation shows, with no damping beyond the penalty
(pyinfluence would add 1e-5). pyDVL gets all rows as one batch (batches of different size would not
weigh rows alike), and a PyTorch module with the fitted coefficients.
"""
GROWTH = """
How time grows
--------------

Synthetic logistic regression (softmax for more than two classes), seconds, and the exponent *a* of
time ~ size\\ :sup:`a`, by least squares through the logarithms. Small problems have constant costs,
so exponents are below what operation counts say. *influence* and *removal* are those of all rows on
the test rows, after ``fit``; NumPy with more than two classes has nothing to factorise, so that its
influence is all of the work.
"""


def cells(item: Item, result: Result, ours: float | None) -> list[str]:
    """Contender, time, memory, correlation, slope of one that was asked."""
    if result.seconds is None:
        bound = result.longer_than or 0.0
        return [result.contender, f"> {ratio(bound, ours)}", "", "", ""]
    time = ratio(result.seconds, ours)
    if result.contender == OURS:
        time = f"1 ({duration(result.seconds)})"
    return [result.contender, time, f"{result.megabytes:,.0f}", *agreement(item, result)]


def ratio(seconds: float, ours: float | None) -> str:
    """Two digits of a time in units of ours, or seconds where ours isn't known."""
    if ours is None:
        return duration(seconds)
    found = seconds / ours
    return f"{found:,.0f}" if found >= 10 else f"{found:.2g}"


def agreement(item: Item, result: Result) -> list[str]:
    if result.contender == item.reference:
        return ["reference", ""]
    if result.correlation is None or result.slope is None:
        return ["", ""]
    return [f"{result.correlation:.5f}", f"{result.slope:.4f}"]


def duration(time: float) -> str:
    return f"{time:.3f} s" if time < 1 else f"{time:.1f} s"


def time_of(results: Iterable[Result], contender: str) -> float | None:
    return next((r.seconds for r in results if r.contender == contender), None)


def losses(item: Item, results: list[Result]) -> str:
    """A sentence on who is faster, or needs less memory, among those whose answer is right."""
    ours = next((r for r in results if r.contender == OURS), None)
    if ours is None or ours.seconds is None or ours.megabytes is None:
        return "Ours was not measured."
    others = [r for r in results if r.contender not in (OURS, BLAS) and r.seconds is not None]
    right = [r for r in others if r.contender == item.reference or (r.correlation or 0.0) > AGREES]
    parts = []
    for other in sorted(right, key=lambda r: r.seconds or 0.0):
        share = (other.seconds or 0.0) / ours.seconds
        if share < FASTER:
            parts.append(f"{other.contender} takes {share:.2f} × our time")
    leaner = [r for r in right if r.megabytes and r.megabytes < 0.8 * ours.megabytes - 5.0]
    parts += [f"{r.contender} has {r.megabytes / ours.megabytes:.2f} × our memory" for r in leaner]
    return f"Where we lose: {'; '.join(parts)}." if parts else "We lose to nobody here."


def skipped(results: list[Result]) -> str:
    """Who could not answer, and why."""
    parts = [f"{each.contender} ({each.skipped})" for each in results if each.skipped]
    return f" Skipped: {'; '.join(parts)}." if parts else ""


def list_table(header: list[str], rows: list[list[str]], widths: str) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        lines += [
            f"   {'* -' if position == 0 else '  -'} {cell}".rstrip()
            for position, cell in enumerate(row)
        ]
    return lines


def main_table(items: list[Item], found: dict[str, list[Result]]) -> list[str]:
    rows = []
    for item in items:
        ours = time_of(found[item.name], OURS)
        asked = [result for result in found[item.name] if not result.skipped]
        for position, result in enumerate(asked):
            label = f"**{item.name}**" if position == 0 else ""
            rows.append([label, *cells(item, result, ours)])
    header = ["work item", "contender", "time", "memory, MB", "correlation", "slope"]
    return list_table(header, rows, "18 22 30 10 10 10")


def described_items(items: list[Item], found: dict[str, list[Result]]) -> list[str]:
    lines = []
    for item in items:
        remark = f" {item.remark}" if item.remark else ""
        lines += [
            f"**{item.name}**",
            f"   {item.data}: {item.question}. BLAS: {item.limit}.{remark}",
            f"   {losses(item, found[item.name])}{skipped(found[item.name])}",
            "",
        ]
    return lines


def growth_table(growth: list[dict[str, Any]]) -> list[str]:
    rows = []
    for line in growth:
        pairs = zip(line["sizes"], line["seconds"], strict=True)
        spent = ", ".join(f"{size:,}: {time:.2g}" for size, time in pairs)
        rows.append(
            [line["over"], line["question"], line["contender"], spent, f"{line['exponent']:.2f}"]
        )
    return list_table(["over", "question", "contender", "seconds", "a"], rows, "8 14 14 54 10")


def page(
    items: list[Item],
    found: dict[str, list[Result]],
    growth: list[dict[str, Any]],
    runner: Runner,
) -> str:
    """The whole page, reStructuredText."""
    machine = (SMALL if runner.quick else "") + described(runner.threads)
    clock = "of the processor" if runner.threads == 1 else "that passed"
    intro = INTRODUCTION.format(machine=machine, timeout=runner.timeout, clock=clock)
    lines = [TITLE, "=" * len(TITLE), intro, *main_table(items, found), ""]
    lines += ["The work items, and where we lose", "-" * 33, "", *described_items(items, found)]
    if growth:
        lines += [GROWTH.strip(), "", *growth_table(growth)]
    return "\n".join(lines).rstrip() + "\n"


def summary(items: list[Item], found: dict[str, list[Result]], threads: int) -> str:
    """The README's table, Markdown: some of the items, with time alone."""
    lines = ["| question | ours | NumPy | BLAS | others |", "| --- | --- | --- | --- | --- |"]
    for item in items:
        ours = time_of(found[item.name], OURS)
        if not item.in_summary or ours is None:
            continue
        times = {
            result.contender: ("> " if result.seconds is None else "")
            + ratio(result.seconds or result.longer_than or 0.0, ours)
            for result in found[item.name]
            if not result.skipped
        }
        named = (OURS, NUMPY, BLAS)
        others = ", ".join(f"{name} {time}" for name, time in times.items() if name not in named)
        lines.append(
            f"| {item.data}: {item.question} | {duration(ours)} | {times.get(NUMPY, '')} | "
            f"{times.get(BLAS, '')} | {others} |"
        )
    return "\n".join([*lines, "", described(threads)]) + "\n"
