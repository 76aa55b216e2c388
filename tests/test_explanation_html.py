"""What a notebook shows of an explanation."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge

from skinfluence import InfluenceExplainer


class Cells(HTMLParser):
    """Text of every cell, by table; tags must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tables = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag in ("td", "th", "caption"):
            self.tables[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th", "caption"):
            self.tables[-1][-1] += data


def test_rows_labels_and_effects_are_all_there():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versi<b>color", "virginica"])[y]
    explainer = InfluenceExplainer(LogisticRegression(max_iter=1000)).fit(X, names)
    explanation = explainer.explain(X[:5], names[:5], k=12)
    html = explanation._repr_html_()
    found = Cells(html).tables
    assert len(found) == 3
    for test, cells in enumerate(found):
        assert cells[0] == f"test row {test} (explained: setosa)"
        assert cells[1:7] == ["helpful", "y", "effect", "harmful", "y", "effect"]
        assert len(cells) == 7 + 10 * 6
        for rank in range(10):
            helpful, harmful = cells[7 + 6 * rank : 10 + 6 * rank], cells[10 + 6 * rank :][:3]
            i, j = explanation.helpful_indices[test, rank], explanation.harmful_indices[test, rank]
            effects = (
                explanation.helpful_effects[test, rank],
                explanation.harmful_effects[test, rank],
            )
            assert helpful == [f"row {i}", names[i], f"{effects[0]:+.3g}"]
            assert harmful == [f"row {j}", names[j], f"{effects[1]:+.3g}"]
    assert "And 2 more rows of either sort and 2 more test rows" in html
    assert "versi&lt;b&gt;color" in html
    assert "positive = helpful" in html


def test_small_ones_say_nothing_of_more():
    X, y = load_iris(return_X_y=True)
    html = InfluenceExplainer(Ridge()).fit(X, y.astype(float)).explain(X[:1], k=2)._repr_html_()
    assert "more" not in html
    assert len(Cells(html).tables) == 1


def test_names_of_a_frame():
    pd = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.index = pd.Index([f"<flower {i}>" for i in range(len(X))])
    explanation = (
        InfluenceExplainer(LogisticRegression(max_iter=1000)).fit(X, y).explain(X[:1], k=1)
    )
    assert Cells(explanation._repr_html_()).tables[0][7].startswith("<flower")
