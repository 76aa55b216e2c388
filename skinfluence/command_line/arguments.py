"""What commands take."""

from __future__ import annotations

import argparse
from pathlib import Path

from .models import MODELS

PROGRAM = "python -m skinfluence"
SHOWN = 20
REPORT = Path("report.html")


def parser() -> argparse.ArgumentParser:
    """Of all commands."""
    shared = _shared()
    result = argparse.ArgumentParser(
        prog=PROGRAM, description="Which rows of a CSV file a model rests on, and which are wrong."
    )
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    suspects = commands.add_parser(
        "suspects",
        parents=[shared],
        help="rows whose label or number is probably wrong",
        description="Rows whose label or number in the target column is probably wrong.",
    )
    suspects.add_argument("-k", type=int, default=SHOWN, help=f"rows to show; {SHOWN} by default")
    explain = commands.add_parser(
        "explain",
        parents=[shared],
        help="rows that the prediction for some rows rests on",
        description="The most helpful and harmful other rows for the prediction of some rows.",
    )
    explain.add_argument(
        "--rows", nargs="+", required=True, metavar="ROW", help="lines of the file, or names"
    )
    explain.add_argument("-k", type=int, default=5, help="of either sort; 5 by default")
    for command in (suspects, explain):
        command.add_argument(
            "--out", type=Path, metavar="FILE", help="a CSV file to write all of it to"
        )
    report = commands.add_parser(
        "report",
        parents=[shared],
        help="all of it in one HTML page, with pictures",
        description="One HTML page on the rows and the model: suspects, influential rows, "
        "vulnerability, diagnostics. It needs no other file and no network.",
    )
    report.add_argument("-k", type=int, default=SHOWN, help=f"lines of tables; {SHOWN} by default")
    report.add_argument(
        "--out", type=Path, metavar="FILE", default=REPORT, help=f"the page; {REPORT} by default"
    )
    for command in (suspects, report):
        command.add_argument("--by", default="auto", help="criterion, as in rank_suspects")
    return result


def _shared() -> argparse.ArgumentParser:
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("data", type=Path, help="a CSV file with a header")
    every.add_argument("--target", required=True, metavar="COLUMN", help="what is predicted")
    every.add_argument(
        "--model",
        choices=["auto", *MODELS],
        default="auto",
        help="auto: logistic for classes, ridge for numbers",
    )
    every.add_argument("--names", metavar="COLUMN", help="what rows are called; else their line")
    every.add_argument("--drop", nargs="+", default=[], metavar="COLUMN", help="columns left out")
    every.add_argument("--quiet", action="store_true", help="no progress")
    return every
