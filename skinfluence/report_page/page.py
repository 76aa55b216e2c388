"""The sections of the page, and the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..dask_graphs import in_memory
from ..explainer import InfluenceExplainer
from ..inputs import require_in_memory
from . import diagnostic_rows, influential_rows, overview, suspect_rows, vulnerable_rows
from .markup import facts, listing, paragraph
from .style import STYLE
from .subject import Subject

WHO = "report_page"
PACKAGES = ("skinfluence", "scikit-learn", "numpy", "scipy", "pandas", "matplotlib")
# Nothing is run or fetched, even if some name from data should get by as HTML.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
Piece = Callable[[Subject], str]


@dataclass(frozen=True)
class Section:
    """A heading, what it is about in plain words, and pieces, each with a heading or none."""

    name: str
    title: str
    words: tuple[str, ...]
    pieces: tuple[tuple[str, Piece], ...] = field(repr=False)


def report_page(
    explainer: Any,
    X_test: Any,
    y_test: Any = None,
    *,
    whole: Any = None,
    title: str = "Report on a model and its data",
    about: dict[str, str] | None = None,
    notes: Sequence[str] = (),
    by: str = "auto",
    k: int = 20,
) -> str:
    """One self-contained HTML page: suspects, influential rows, vulnerability, diagnostics.

    Pictures are in the page, and nothing is fetched or run by it. A piece that the model has not
    says so, with the reason.

    Parameters
    ----------
    explainer : InfluenceExplainer
        Fitted, on rows in memory.
    X_test, y_test : array-like
        Test rows and their labels or targets, as in ``explainer.influence``.
    whole : InfluenceExplainer, optional
        Fitted to all rows, test rows among them: then suspects and diagnostics are told of these.
        ``explainer`` by default.
    title : str
        Of the page.
    about : dict of str to str, optional
        What is known of the data, by name: put before what the page finds out.
    notes : sequence of str
        Sentences to put before the warnings that are met.
    by : str, default="auto"
        Criterion of suspects, as in ``explainer.rank_suspects``; not "test_influence".
    k : int, default=20
        Lines of tables.

    Returns
    -------
    str
        HTML, to be written in UTF-8.

    Raises
    ------
    TypeError
        For what is no explainer, and for rows in chunks.
    sklearn.exceptions.NotFittedError
        For explainers that are not fitted.
    ValueError
        For k below 1, criteria that need test rows, and those that the model has not.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import InfluenceExplainer
    >>> from skinfluence.report_page import report_page
    >>> X, y = load_diabetes(return_X_y=True)
    >>> explainer = InfluenceExplainer(Ridge()).fit(X[:-50], y[:-50])
    >>> page = report_page(explainer, X[-50:], y[-50:], title="Diabetes")
    >>> "<title>Diabetes</title>" in page
    True
    """
    whole = explainer if whole is None else whole
    for each in (explainer, whole):
        _check_explainer(each)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ValueError(f"{WHO} got k={k!r}; needed is a whole number of lines from 1.")
    _check_criterion(whole, by)
    subject = Subject(whole, explainer, in_memory(X_test), in_memory(y_test), by, int(k))
    subject.keep_warnings(notes)
    sections = _sections(about or {})
    body = "".join(_written(section, subject) for section in sections)
    return _document(title, sections, body, subject.warnings)


def _check_explainer(explainer: Any) -> None:
    if not isinstance(explainer, InfluenceExplainer):
        raise TypeError(
            f"{WHO} got {type(explainer).__name__}; needed is a fitted InfluenceExplainer."
        )
    check_is_fitted(explainer)
    require_in_memory(explainer._training_X, WHO, "their features")


def _check_criterion(whole: Any, by: str) -> None:
    if by == "test_influence":
        raise ValueError(
            f"{WHO} got by='test_influence'; needed is a criterion without test rows. Rows that "
            "harm the test rows have a section of their own."
        )
    whole._criterion(by, None)


def _sections(about: dict[str, str]) -> list[Section]:
    return [
        Section(
            "data",
            "Data and model",
            (
                "What the model was fitted to, and how well it predicts. Leave-one-out means that "
                "each row is predicted by the model without that row: this is what to expect "
                "of new rows.",
            ),
            (
                ("", lambda subject: overview.data_and_model(subject, about)),
                ("", overview.scores),
                ("", lambda s: overview.class_counts(s) if s.is_classifier else ""),
                ("", overview.pipeline_text),
            ),
        ),
        Section(
            "suspects",
            "Suspect rows",
            (
                "Rows whose label, or number, is probably wrong. “Given” is what the data say, "
                "“suggested” what a model says that has not seen the row (the same, where no other "
                "label is more probable). Look at the first ones by eye: some are wrong, others "
                "are right but unusual.",
            ),
            (
                ("", suspect_rows.suspects),
                (
                    "What wrong labels would do",
                    lambda s: (
                        suspect_rows.label_flips(s)
                        if s.is_classifier
                        else paragraph(
                            "The target is a number, so there are no labels to exchange."
                        )
                    ),
                ),
            ),
        ),
        Section(
            "influential",
            "Most influential rows",
            (
                "What would change if one row were removed and the model fitted again. A loss "
                "measures how wrong a prediction is; a positive change means that the prediction "
                "gets worse without the row, so the row is helpful, and a negative one that it "
                "is harmful. Harmful rows may be wrong, or stand for cases that are rare.",
            ),
            (
                ("For all test rows together", influential_rows.on_average),
                ("For the test row that is predicted worst", influential_rows.on_the_worst),
                ("For their own prediction", influential_rows.on_themselves),
            ),
        ),
        Section(
            "vulnerability",
            "Vulnerability",
            (
                "How far a single training row would have to move for the prediction of a test row "
                "to flip, to first order. Short distances mean that a slip of a measurement, or "
                "somebody who changes one row, decides the prediction.",
                "Distances are Euclidean, over the columns as the model sees them: of scaled "
                "numbers, 1 is one standard deviation; a category that becomes another "
                "is a move of about 1.4.",
            ),
            (
                ("Moves that flip predictions", vulnerable_rows.moves),
                ("Features that the test loss hangs on", vulnerable_rows.features),
            ),
        ),
        Section(
            "diagnostics",
            "Diagnostics",
            (
                "The classical measures. Leverage (0 to 1 for one output) is the share of a row in "
                "its own fitted value. The studentized residual is how far the row is from the fit "
                "of the others, in standard errors: beyond about 3 is unusual; positive is above "
                "the fit (of two classes: a row of the later one in the alphabet). Cook's distance "
                "is how far all fitted values move without the row, relative to the noise. DFFITS "
                "is the same for its own fitted value and DFBETAS for a coefficient, in standard "
                "errors; positive: the row raises it.",
            ),
            (
                ("Residual against leverage", diagnostic_rows.residual_against_leverage),
                ("Rows that move the fit", diagnostic_rows.measures),
            ),
        ),
    ]


def _written(section: Section, subject: Subject) -> str:
    parts = [f'<section aria-labelledby="{section.name}">']
    parts.append(f'<h2 id="{section.name}">{escape(section.title)}</h2>')
    parts += [paragraph(each) for each in section.words]
    for heading, piece in section.pieces:
        if heading:
            parts.append(f"<h3>{escape(heading)}</h3>")
        parts.append(subject.attempt(piece))
    return "".join([*parts, "</section>"])


def _document(title: str, sections: list[Section], body: str, met: list[str]) -> str:
    links = "".join(
        f'<li><a href="#{section.name}">{escape(section.title)}</a></li>' for section in sections
    )
    links += '<li><a href="#warnings">Warnings and notes</a></li>'
    told = listing(met) if met else paragraph("None.")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1>"
        f'<p class="soft">Which rows the model rests on, and which may be wrong. Made by '
        f"skinfluence on {date.today().isoformat()}.</p>"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>\n<main>{body}'
        '<section aria-labelledby="warnings"><h2 id="warnings">Warnings and notes</h2>'
        f"{told}</section></main>\n<footer><h2>Versions</h2>{_colophon()}</footer>\n</body>\n</html>\n"
    )


def _colophon() -> str:
    named = {}
    for package in PACKAGES:
        try:
            named[package] = version(package)
        except PackageNotFoundError:
            named[package] = "not installed"
    return facts(named)
