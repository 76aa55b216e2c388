"""``python -m skinfluence report``, and the page that it writes as a browser shows it."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from browsing import rendered
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from skinfluence.command_line import main
from skinfluence.command_line.reporting import chosen_tests

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib").use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")
SECTIONS = [
    "Data and model", "Suspect rows", "Most influential rows", "Vulnerability", "Diagnostics",
    "Warnings and notes",
]  # fmt: skip
EVIL = "<script>document.title = 'taken'</script>"


@pytest.fixture(autouse=True)
def no_picture_left():
    yield
    assert pyplot.get_fignums() == []


def write(folder, frame, name="data.csv"):
    path = folder / name
    frame.to_csv(path, index=False)
    return path


def run(*arguments, capsys):
    code = main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Numbers with holes, categories and labels that would be HTML, formulas or attributes."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    rng = np.random.default_rng(0)
    frame = X.iloc[:250, :4].copy()
    frame.columns = [
        "<script src=//a.invalid>",
        "$\\bad{ & co$",
        '"><img src=x onerror=alert(1)>',
        "plain",
    ]
    frame.iloc[rng.choice(250, 20, replace=False), 1] = np.nan
    frame["place"] = np.where(X["mean texture"][:250] > 18, EVIL, "b & b")
    frame["constant"] = 1
    frame["<script>"] = np.where(y[:250] == 1, "<b>benign</b>", "$\\frac{ & more$")
    frame.loc[[7, 11], "<script>"] = ["$\\frac{ & more$", "<b>benign</b>"]
    frame["name"] = [f"<i>{place}</i>" for place in range(250)]
    folder = tmp_path_factory.mktemp("hostile")
    path, out = write(folder, frame), folder / "page.html"
    arguments = ["--target", "<script>", "--names", "name", "--out", out, "-k", 6, "--quiet"]
    assert main(["report", str(path), *map(str, arguments)]) == 0
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def narrow(hostile, tmp_path_factory):
    return rendered(hostile, tmp_path_factory.mktemp("narrow"), width=400)


# ------------------------------------------------------------------------------ in the browser
def test_headings_and_pictures(narrow):
    assert [text for tag, text in narrow["headings"] if tag == "H2"] == [*SECTIONS, "Versions"]
    assert [tag for tag, _ in narrow["headings"]].count("H1") == 1
    assert narrow["links"] == SECTIONS
    assert narrow["lang"] == "en"
    assert len(narrow["pictures"]) == 7
    for picture in narrow["pictures"]:
        assert picture["complete"]
        assert picture["natural"] > 300
        assert len(picture["alt"]) > 40
    assert "Not made" not in narrow["text"]


def test_a_narrow_window_holds_it(narrow):
    assert narrow["window"] == 400
    assert narrow["overflow"] <= 0
    # Pictures stay legible, and scroll by themselves.
    assert min(picture["width"] for picture in narrow["pictures"]) > 400


def test_nothing_is_fetched_or_run(narrow, hostile, tmp_path):
    assert narrow["refused"] == []
    assert narrow["resources"] == []
    assert not re.findall(r"""\b(?:src|href|srcset|action)=["'](?!data:|#)""", hostile)
    assert "default-src 'none'" in hostile
    other = hostile.replace("<main>", '<main><img src="http://a.invalid/b.png" alt="">')
    assert rendered(other, tmp_path)["refused"] == ["http://a.invalid/b.png"]


def test_what_comes_from_data_is_text(narrow, hostile):
    assert narrow["foreign"] == 0
    assert narrow["title"] == narrow["headings"][0][1] == "data.csv: <script>"
    for text in ("<b>benign</b>", "$\\frac{ & more$", "<script>"):
        assert text in narrow["cells"]
    assert any(re.fullmatch(r"<i>\d+</i>", cell) for cell in narrow["cells"])
    assert any("<img src=x onerror=alert(1)>" in picture["alt"] for picture in narrow["pictures"])
    assert "<script" not in hostile


def test_tables_are_accessible(narrow):
    assert narrow["headers"] > 30
    assert narrow["bareHeaders"] == narrow["bareTables"] == 0
    assert narrow["deadLinks"] == narrow["twice"] == 0


@pytest.mark.parametrize("dark", [False, True])
def test_ink_stands_out_by_day_and_night(dark, hostile, tmp_path):
    found = rendered(hostile, tmp_path, dark=dark)
    ink, paper = (_luminance(found[name]) for name in ("ink", "paper"))
    assert (ink > paper) == dark
    lighter, darker = max(ink, paper), min(ink, paper)
    assert (lighter + 0.05) / (darker + 0.05) > 7.0  # WCAG, level AAA
    assert found["overflow"] <= 0


def _luminance(colour):
    """Relative, of ``rgb(r, g, b)``, by the definition of WCAG 2."""
    shares = np.array([int(each) for each in re.findall(r"\d+", colour)[:3]]) / 255.0
    linear = np.where(shares <= 0.03928, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.fixture
def numbers(tmp_path):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    return write(tmp_path, X.assign(progression=y))


def test_a_page_on_numbers(numbers, tmp_path, capsys):
    out = tmp_path / "numbers.html"
    arguments = "report", numbers, "--target", "progression", "--out", out, "-k", 4
    code, shown, told = run(*arguments, capsys=capsys)
    assert code == 0
    assert shown.startswith(f"{out}: ")
    assert "ridge on 442 rows" in told
    found = rendered(out.read_text(encoding="utf-8"), tmp_path, width=400)
    assert [text for tag, text in found["headings"] if tag == "H2"] == [*SECTIONS, "Versions"]
    assert len(found["pictures"]) == 5
    assert all(picture["natural"] > 0 for picture in found["pictures"])
    assert found["overflow"] <= 0
    assert "these do not flip" in found["text"]
    assert "there are no labels to exchange" in found["text"]


def test_a_page_on_many_classes(tmp_path, capsys):
    X, y = load_digits(return_X_y=True, as_frame=True)
    path, out = write(tmp_path, X.iloc[:200, ::4].assign(digit=y)), tmp_path / "digits.html"
    assert run("report", path, "--target", "digit", "--out", out, "--quiet", capsys=capsys)[0] == 0
    page = out.read_text(encoding="utf-8")
    assert "Not made:</strong> the picture needs residuals" in page
    assert "output(s), which has no studentized residuals" in page
    assert "The 20 rows with the largest Cook&#x27;s distance" in page
    assert page.count("<img ") == 6


# --------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("out", "words"),
    [
        (".", "is a directory; needed is the name of a file."),
        ("nowhere/page.html", "there is no directory"),
        ("data.csv", "is the data themselves; name another file."),
    ],
)
def test_a_page_that_can_not_be_written(out, words, numbers, tmp_path, capsys):
    before = numbers.read_bytes()
    arguments = "report", numbers, "--target", "progression", "--out", tmp_path / out
    code, shown, told = run(*arguments, capsys=capsys)
    assert code == 2
    assert shown == ""
    assert told.startswith("python -m skinfluence report: --out ")
    assert words in told
    assert numbers.read_bytes() == before


def test_a_place_without_permission(numbers, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    arguments = "report", numbers, "--target", "progression", "--out", tmp_path / "a.html"
    code, _, told = run(*arguments, capsys=capsys)
    assert code == 2
    assert "may not be written; choose another place." in told


def test_a_report_that_can_not_be_made(numbers, tmp_path, capsys):
    asked = "report", numbers, "--target", "progression", "--out", tmp_path / "a.html", "--quiet"
    code, _, told = run(*asked, "-k", "0", capsys=capsys)
    assert code == 2
    assert "got -k 0; needed is a whole number of lines from 1." in told
    code, _, told = run(*asked, "--by", "label_noise", capsys=capsys)
    assert code == 2
    assert "got by='label_noise' for Ridge, which has no class probabilities" in told
    few = write(tmp_path, pd.DataFrame({"a": [1.0, 2, 3, 4], "b": list("xyxy")}), "few.csv")
    code, _, told = run("report", few, "--target", "b", "--quiet", capsys=capsys)
    assert code == 2
    assert "has 4 rows, too few to take test rows from them; needed are at least 5" in told


def test_one_row_in_five_of_each_class():
    y = np.repeat(["a", "b", "c"], [103, 52, 4])
    tests = chosen_tests(y, of_classes=True)
    assert [int(tests[y == name].sum()) for name in "abc"] == [20, 10, 0]
    assert np.array_equal(tests, chosen_tests(y, of_classes=True))
    assert int(chosen_tests(np.arange(52.0), of_classes=False).sum()) == 10
    assert int(chosen_tests(np.zeros(9000), of_classes=True).sum()) == 1000
