"""``suspects``, ``explain`` and ``report``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from ..explainer import InfluenceExplainer
from .arguments import PROGRAM, parser
from .models import pipeline
from .reporting import check_out, report_html
from .table import Table, UserError, chosen_model, read_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, or 2 where the user has to mend something."""
    options = parser().parse_args(arguments)
    try:
        if options.out:
            check_out(options.out, options.data)
        table = read_table(options.data, options.target, options.names, options.drop)
        name = chosen_model(options.model, table)
        _tell(options, *table.notes)
        columns = f"{len(table.numbers)} columns of numbers, {len(table.categories)} of categories"
        _tell(options, f"{name} on {len(table.X)} rows, {columns}")
        explainer = InfluenceExplainer(
            pipeline(name, table.numbers, table.categories), verbose=0 if options.quiet else 1
        )
        _run(options, table, explainer)
    except (UserError, ValueError, TypeError, OSError) as error:
        print(f"{PROGRAM} {options.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: Any, table: Table, explainer: InfluenceExplainer) -> None:
    if options.command == "report":
        _report(options, table, explainer)
        return
    explainer.fit(table.X, table.y)
    run = _suspects if options.command == "suspects" else _explain
    found, shown = run(options, table, explainer)
    print(found.head(shown).to_string(index=False))
    if options.out:
        found.to_csv(options.out, index=False)
        _tell(options, f"wrote {len(found)} lines to {options.out}")


def _report(options: Any, table: Table, explainer: InfluenceExplainer) -> None:
    os.environ.setdefault("MPLBACKEND", "Agg")  # pictures that go to a file need no window
    page = report_html(options.data, table, explainer, options.by, options.k)
    options.out.write_text(page, encoding="utf-8")
    print(f"{options.out}: {len(page) / 1000.0:,.0f} kB, to be opened in a browser")


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
