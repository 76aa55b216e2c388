"""``suspects`` and ``explain``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..explainer import InfluenceExplainer
from .models import MODELS, pipeline
from .table import Table, UserError, chosen_model, read_table

PROGRAM = "python -m skinfluence"
SHOWN = 20


def parser() -> argparse.ArgumentParser:
    """Of both commands."""
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("data", type=Path, help="a CSV file with a header")
    both.add_argument("--target", required=True, metavar="COLUMN", help="what is predicted")
    both.add_argument(
        "--model",
        choices=["auto", *MODELS],
        default="auto",
        help="auto: logistic for classes, ridge for numbers",
    )
    both.add_argument("--names", metavar="COLUMN", help="what rows are called; else their line")
    both.add_argument("--drop", nargs="+", default=[], metavar="COLUMN", help="columns left out")
    both.add_argument("--out", type=Path, metavar="FILE", help="a CSV file to write all of it to")
    both.add_argument("--quiet", action="store_true", help="no progress")
    result = argparse.ArgumentParser(
        prog=PROGRAM, description="Which rows of a CSV file a model rests on, and which are wrong."
    )
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    suspects = commands.add_parser(
        "suspects",
        parents=[both],
        help="rows whose label or number is probably wrong",
        description="Rows whose label or number in the target column is probably wrong.",
    )
    suspects.add_argument("--by", default="auto", help="criterion, as in rank_suspects")
    suspects.add_argument("-k", type=int, default=SHOWN, help=f"rows to show; {SHOWN} by default")
    explain = commands.add_parser(
        "explain",
        parents=[both],
        help="rows that the prediction for some rows rests on",
        description="The most helpful and harmful other rows for the prediction of some rows.",
    )
    explain.add_argument(
        "--rows", nargs="+", required=True, metavar="ROW", help="lines of the file, or names"
    )
    explain.add_argument("-k", type=int, default=5, help="of either sort; 5 by default")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, or 2 where the user has to mend something."""
    options = parser().parse_args(arguments)
    try:
        table = read_table(options.data, options.target, options.names, options.drop)
        name = chosen_model(options.model, table)
        _tell(options, *table.notes)
        columns = f"{len(table.numbers)} columns of numbers, {len(table.categories)} of categories"
        _tell(options, f"{name} on {len(table.X)} rows, {columns}")
        explainer = InfluenceExplainer(
            pipeline(name, table.numbers, table.categories), verbose=0 if options.quiet else 1
        ).fit(table.X, table.y)
        run = _suspects if options.command == "suspects" else _explain
        found, shown = run(options, table, explainer)
    except (UserError, ValueError, TypeError) as error:
        print(f"{PROGRAM} {options.command}: {error}", file=sys.stderr)
        return 2
    print(found.head(shown).to_string(index=False))
    if options.out:
        found.to_csv(options.out, index=False)
        _tell(options, f"wrote {len(found)} lines to {options.out}")
    return 0


def _suspects(options: Any, table: Table, explainer: InfluenceExplainer) -> tuple[Any, int]:
    if options.k < 1:
        raise UserError(f"got -k {options.k}; needed is a whole number of rows from 1.")
    found = explainer.rank_suspects(by=options.by)
    return found.drop(columns="position").rename(columns={"row": table.X.index.name}), options.k


def _explain(options: Any, table: Table, explainer: InfluenceExplainer) -> tuple[Any, int]:
    names = table.X.index.astype(str)
    unknown = [row for row in options.rows if row not in names]
    if unknown:
        raise UserError(
            f"there is no row {unknown[0]!r}; rows are called by {table.X.index.name}, from "
            f"{names[0]!r} to {names[-1]!r}."
        )
    if not 1 <= options.k < len(table.X):
        raise UserError(
            f"got -k {options.k}; needed is a whole number from 1 to {len(table.X) - 1}, the "
            "number of other rows."
        )
    chosen = names.isin(options.rows)
    # One more than asked for: a row's own effect on itself is nothing that one asks about.
    explanation = explainer.explain(table.X[chosen], table.y[chosen], k=options.k + 1)
    found = explanation.to_frame()
    found = found[found["test_row"] != found["row"]]
    asked = found.groupby(["test_row", "role"], sort=False)
    found = found.assign(rank=asked.cumcount() + 1)
    found = found[found["rank"] <= options.k]
    print(f"effect: {explanation.meaning}")
    return found[["test_row", "role", "rank", "row", "effect", "y"]], len(found)


def _tell(options: Any, *sentences: str) -> None:
    if not options.quiet:
        for sentence in sentences:
            print(f"[skinfluence] {sentence}", file=sys.stderr)
