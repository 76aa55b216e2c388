"""One contender of one work item, in a process of its own.

    python -m benchmarks.suite.contender prepare ITEM TASK_FILE [--quick]
    python -m benchmarks.suite.contender ask ITEM TASK_FILE CONTENDER ANSWER_FILE
    python -m benchmarks.suite.contender growth SWEEP [--quick]

The last line of the output is JSON: what was measured, or why not.
"""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

import joblib
import numpy as np

from .growth import SWEEPS, sweep
from .items import Skipped, all_items
from .measuring import measure


def prepare(name: str, file: str, quick: bool) -> dict[str, Any]:
    task = all_items()[name].prepare(quick)
    joblib.dump(task, file)
    return {"shape": task.X.shape}


def ask(name: str, file: str, contender: str, answer_file: str) -> dict[str, Any]:
    item = all_items()[name]
    start = item.contenders[contender]
    if isinstance(start, str):
        raise Skipped(start)
    question = start(joblib.load(file))
    seconds, megabytes, answer = measure(question, item.repeats)
    np.save(answer_file, answer)
    return {"seconds": seconds, "megabytes": megabytes}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("prepare", "ask", "growth"))
    parser.add_argument("names", nargs="+")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    try:
        if options.what == "prepare":
            found = prepare(*options.names, quick=options.quick)
        elif options.what == "ask":
            found = ask(*options.names)
        else:
            found = {"sweep": sweep(SWEEPS[options.names[0]], options.quick)}
    except Skipped as reason:
        found = {"skipped": str(reason)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
