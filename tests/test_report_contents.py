"""What the report says: its numbers against refits, and what it says of what it has not."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from wording import raises

from skinfluence import InfluenceExplainer
from skinfluence.attack import vulnerability
from skinfluence.report_page import report_page
from skinfluence.report_page.markup import number, probability, signed, table

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib").use("Agg")


# ----------------------------------------------------------------------------------- its numbers
def cells_after(page, caption):
    """Rows of cells of the table with that caption."""
    inside = page.split(f"<caption>{caption}</caption>")[1].split("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", inside)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X, y = X.iloc[:, :6], y.to_numpy().copy()
    sure = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y).decision_function(X)
    wrong = np.argsort(-np.abs(sure[:300]))[20:23]
    y[wrong] = 1 - y[wrong]
    names = pd.Index([f"woman {place}" for place in range(len(y))], name="patient")
    return X.set_axis(names), y, [f"woman {place}" for place in wrong]


@pytest.fixture(scope="module")
def explained(cancer):
    X, y, _ = cancer
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8))
    return InfluenceExplainer(model).fit(X[:300], y[:300]), X[300:], y[300:]


@pytest.fixture(scope="module")
def page(explained):
    return report_page(*explained, title="Cancer", about={"Source": "a & b"}, notes=["Look."], k=5)


def test_suspects_are_those_of_the_explainer(explained, page, cancer):
    suspects = explained[0].rank_suspects(k=5)
    heading, *rows = cells_after(page, "The 5 most suspect rows")
    assert heading[:3] == ["patient", "given", "suggested"]
    assert [row[0] for row in rows] == list(suspects["row"])
    assert [row[3] for row in rows] == list(map(_escaped, suspects["given_probability"]))
    assert set(cancer[2]) <= {row[0] for row in rows}


def _escaped(value):
    return probability(value).replace("<", "&lt;").replace(">", "&gt;")


def test_scores_are_those_of_refits(explained, page):
    explainer, X_test, y_test = explained
    X, y, scaled = explainer._training_X, explainer._training_y, explainer.estimator_[:-1]
    model, Z = explainer.estimator_[-1], scaled.transform(explainer._training_X)
    left_out = np.empty(len(y))
    for row in range(len(y)):
        kept = np.arange(len(y)) != row
        left_out[row] = model.__class__(tol=1e-8).fit(Z[kept], y[kept]).predict(Z[[row]])[0]
    shown = cells_after(page, "How well it predicts: accuracy")[1:]
    commonest = max(np.mean(y == 0), np.mean(y == 1))
    needed = [np.mean(explainer.predict(X) == y), np.mean(left_out == y)]
    needed += [np.mean(explainer.predict(X_test) == y_test), commonest]
    assert [row[1] for row in shown] == [f"{each:.1%}" for each in needed]


def test_harmful_rows_are_those_of_refits(explained, page):
    """The first harmful row's removal really lowers the mean loss by what the page says."""
    explainer, X_test, y_test = explained
    unit, first = cells_after(page, "The most harmful rows")[:2]
    assert unit[2] == "change of the mean loss, log-loss (nats)"
    X, y = explainer._training_X, explainer._training_y
    kept = np.asarray(X.index) != first[0]
    steps, model = explainer.estimator_[:-1], LogisticRegression(tol=1e-8)
    model.fit(steps.transform(X)[kept], y[kept])
    after, before = (
        -np.log(each[np.arange(len(y_test)), y_test]).mean()
        for each in (model.predict_proba(steps.transform(X_test)), explainer.predict_proba(X_test))
    )
    told = float(first[2].replace("−", "-"))
    assert told < 0
    assert after - before == pytest.approx(told, rel=0.15)  # one Newton step


def test_moves_are_over_the_columns_that_the_model_sees(explained, page):
    """As without a pipeline, on scaled rows; 200 of the test rows, evenly spread."""
    explainer, X_test, y_test = explained
    steps = explainer.estimator_[:-1]
    X = steps.transform(explainer._training_X)
    direct = InfluenceExplainer(LogisticRegression(tol=1e-8)).fit(X, explainer._training_y)
    every = np.linspace(0, len(y_test) - 1, 200).astype(int)
    found = vulnerability(direct, steps.transform(X_test)[every], y_test[every])
    easiest = found.ranking()[0]
    first = cells_after(page, "The 5 test rows that flip most easily")[1]
    assert first[0] == X_test.index[every[easiest]]
    assert first[3] == number(found.flip_distance[easiest])
    assert first[4] == explainer._training_X.index[found.flip_rows[easiest]]


def test_what_is_known_is_told(page):
    assert "<h1>Cancer</h1>" in page
    assert '<th scope="row">Source</th><td>a &amp; b</td>' in page
    assert "<li>Look.</li>" in page
    assert '<th scope="row">scikit-learn</th>' in page
    assert re.search(r"Made by skinfluence on 20\d\d-\d\d-\d\d\.", page)
    assert "StandardScaler()" in page


def test_suspects_of_all_rows_and_questions_of_some(explained, cancer):
    explainer, X_test, y_test = explained
    X, y, _ = cancer
    whole = InfluenceExplainer(explainer.estimator).fit(X[:320], y[:320])
    page = report_page(explainer, X_test, y_test, whole=whole, k=320)
    assert len(cells_after(page, "The 320 most suspect rows")) == 321
    assert len(cells_after(page, "The 300 training rows whose move does most to test rows, "
                                 "on average")) == 301  # fmt: skip


# ------------------------------------------------------------------------- what can't be made
def test_a_model_without_probabilities_says_so(explained, cancer):
    X, y, _ = cancer
    model = make_pipeline(StandardScaler(), LinearSVC(C=0.1))
    explainer = InfluenceExplainer(model).fit(X[:100], y[:100])
    page = report_page(explainer, X[500:], y[500:], k=3)
    assert "Rows are ordered by: loss by the model without the row" in page
    assert "Not made:</strong> the picture needs residuals with standard errors" in page
    assert len(cells_after(page, "The most harmful rows")) == 3


def test_without_test_targets_a_regressor_says_so():
    X, y = load_diabetes(return_X_y=True)
    page = report_page(InfluenceExplainer(Ridge()).fit(X[:100], y[:100]), X[100:120], k=3)
    assert page.count("Not made:") == 4
    assert "y_test" in page.split("Not made:</strong>")[1]
    assert len(cells_after(page, "The 3 rows with the largest Cook&#x27;s distance")) == 4


def test_texts_have_no_features():
    words = ["cheap offer", "hello friend", "cheap money offer", "see you friend"]
    texts = [f"{words[place % 4]} w{place % 7}" for place in range(60)]
    y = np.arange(60) % 2
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    page = report_page(InfluenceExplainer(model).fit(texts[:40], y[:40]), texts[40:], y[40:], k=3)
    assert re.findall("Not made:</strong> ([^<]*)<", page) == [
        "the rows are no tables of features, but texts, say."
    ]
    assert "Columns that predict" not in page


def test_several_targets_say_what_they_have_not():
    X, y = load_diabetes(return_X_y=True)
    Y = np.stack([y, y**2 / 100.0], axis=1)
    page = report_page(InfluenceExplainer(Ridge()).fit(X[:200], Y[:200]), X[200:], Y[200:], k=3)
    assert "rank_suspects got a model of several columns of y; needed is one" in page
    assert '<th scope="row">Targets</th><td>2</td>' in page
    assert len(cells_after(page, "The most helpful rows")) == 3


def test_without_matplotlib(explained, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    page = report_page(*explained, k=3)
    assert "<img" not in page
    assert page.count("install it with &#x27;pip install skinfluence[plot]&#x27;") >= 6
    assert len(cells_after(page, "The 3 most suspect rows")) == 4


def test_warnings_are_in_the_page():
    X = np.eye(6)[:, :3]
    explainer = InfluenceExplainer(LinearRegression()).fit(np.vstack([X, X[:2]]), np.arange(8.0))
    page = report_page(explainer, X[:4], np.arange(4.0), k=3)
    assert "have leverage 1" in page.split('id="warnings"')[1]


# --------------------------------------------------------------------------------------- errors
def test_what_python_has_to_mend(explained):
    explainer, X_test, y_test = explained
    with raises(TypeError, "report_page got LogisticRegression; needed is a fitted Influence"):
        report_page(LogisticRegression(), X_test, y_test)
    with raises(ValueError, "report_page got k=0; needed is a whole number of lines from 1."):
        report_page(explainer, X_test, y_test, k=0)
    with raises(ValueError, "got by='magic'; needed is one of"):
        report_page(explainer, X_test, y_test, by="magic")
    with raises(ValueError, "got by='test_influence'; needed is a criterion without test rows"):
        report_page(explainer, X_test, y_test, by="test_influence")


# --------------------------------------------------------------------------------------- pieces
def test_numbers_as_text():
    assert [number(each) for each in (0.0, 3, 12345.6, 0.01234, -2.5, 1e-9, np.nan, -np.inf)] == [
        "0", "3", "12,346", "0.0123", "−2.50", "1.00e−09", "–", "−∞",
    ]  # fmt: skip
    assert [signed(each) for each in (1.5, -1.5, 0.0)] == ["+1.50", "−1.50", "0"]
    assert [probability(each) for each in (0.0, 0.25, 1.0, np.nan)] == [
        "< 0.001", "0.250", "> 0.999", "–",
    ]  # fmt: skip
    assert "<b>" not in table("<b>", {"<b>": ["<b>"], "n": ["<b>"]}, words=["n"])
