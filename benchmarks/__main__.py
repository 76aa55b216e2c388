"""Speed, memory and agreement of all work items, against other libraries and plain NumPy.

    python -m benchmarks                         everything; writes docs/guide/benchmarks.rst
    python -m benchmarks --list                  the names of the work items
    python -m benchmarks --only NAME [NAME ...]  some of them; prints the page
    python -m benchmarks --quick                 small sizes, to see that it runs; prints the page

Data that the package doesn't hold comes from the folder that SKINFLUENCE_DATA names; without it
their items are skipped. Other libraries take part where they are installed (pyinfluence,
pydvl[influence], torch, statsmodels). Each contender runs in a process of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .suite.growth import SWEEPS
from .suite.items import all_items, named
from .suite.machine import n_cores
from .suite.page import page, summary
from .suite.running import PATIENCE, ROOT, Runner, has_failed, run_items

PAGE = ROOT / "docs" / "guide" / "benchmarks.rst"
GROWTH = "growth"


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--list", action="store_true", help="names of the work items")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"work items, or {GROWTH!r}")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--no-peers", action="store_true", help="leave other libraries out")
    parser.add_argument(
        "--threads",
        type=int,
        default=n_cores(),
        help="of BLAS and OpenMP; with 1, the processor's time counts",
    )
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for a contender")
    parser.add_argument("--output", type=Path, help=f"the page; {PAGE.name} for a whole run")
    parser.add_argument("--summary", type=Path, help="a short table, Markdown")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options, items = parsed(arguments), all_items()
    names = [*items, GROWTH]
    if options.list:
        print(*names, sep="\n")
        return
    chosen = named(options.only or names, dict.fromkeys(names))
    runner = Runner(options.quick, options.threads, options.timeout, not options.no_peers)
    asked = [items[name] for name in chosen if name != GROWTH]
    found = run_items(runner, asked)
    growth = []
    for sweep in SWEEPS if GROWTH in chosen else ():
        print(f"growth over {sweep}")
        growth += runner.child("growth", sweep, patience=PATIENCE).get("sweep", [])
    text = page(asked, found, growth, runner)
    whole = not (options.only or options.quick)
    output = options.output or (PAGE if whole else None)
    if output is None:
        print(text)
    else:
        output.write_text(text, encoding="utf-8")
    if options.summary:
        options.summary.write_text(summary(asked, found, options.threads), encoding="utf-8")
    failed = [name for name, results in found.items() if any(has_failed(r) for r in results)]
    if failed:
        raise SystemExit(f"benchmarks: contenders failed in {', '.join(failed)}")


if __name__ == "__main__":
    main()
