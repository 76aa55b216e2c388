"""``python -m skinfluence``."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from skinfluence.command_line import main
from skinfluence.command_line.models import MODELS
from skinfluence.command_line.table import chosen_model, read_table

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Numbers with holes, categories, names, texts, a constant; and which labels are flipped."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    rng = np.random.default_rng(0)
    frame = X.iloc[:, :8].copy()
    frame.iloc[rng.choice(len(frame), 30, replace=False), 1] = np.nan
    frame["ward"] = np.where(frame["mean radius"] > 15, "north", "south")
    frame.loc[frame.index[5:9], "ward"] = np.nan
    frame["letter"] = [f"Dear doctor, {i} times {rng.random()}" for i in frame.index]
    frame["country"] = "here"
    frame["name"] = [f"patient {i}" for i in frame.index]
    labels = np.where(y == 1, "benign", "malignant")
    flipped = rng.choice(len(y), 40, replace=False)
    labels[flipped] = np.where(labels[flipped] == "benign", "malignant", "benign")
    frame["diagnosis"] = labels
    frame.loc[frame.index[-3:], "diagnosis"] = np.nan
    path = tmp_path_factory.mktemp("people") / "people.csv"
    frame.to_csv(path, index=False)
    return path, flipped[flipped < len(y) - 3]


def run(*arguments, capsys):
    code = main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_suspects_of_a_file(people, capsys, tmp_path):
    path, flipped = people
    out = tmp_path / "suspects.csv"
    code, shown, told = run(
        "suspects", path, "--target", "diagnosis", "--names", "name", "--out", out, "-k", 7,
        capsys=capsys,
    )  # fmt: skip
    assert code == 0
    assert "left out 3 rows without 'diagnosis'" in told
    assert "left out 'letter': 566 different texts in 566 rows" in told
    assert "left out 'country': it is the same everywhere" in told
    assert "logistic on 566 rows, 8 columns of numbers, 1 of categories" in told
    assert f"wrote 566 lines to {out}" in told
    assert len(shown.splitlines()) == 8
    found = pd.read_csv(out)
    assert list(found.columns)[:4] == [
        "name",
        "given_label",
        "suggested_label",
        "given_probability",
    ]
    wrong = {f"patient {i}" for i in flipped}
    assert np.mean([name in wrong for name in found["name"][: len(wrong)]]) > 0.8
    assert (found["suggested_label"] != found["given_label"])[: len(wrong) // 2].all()


def test_rows_are_called_by_their_line(people, capsys):
    path, flipped = people
    code, shown, told = run(
        "suspects", path, "--target", "diagnosis", "--drop", "name", "--quiet", "-k", 5,
        capsys=capsys,
    )  # fmt: skip
    assert code == 0
    assert told == ""
    lines = path.read_text().splitlines()
    first = int(shown.splitlines()[1].split()[0])
    assert first - 2 in flipped
    assert lines[first - 1].endswith(shown.splitlines()[1].split()[1])


def test_explain_some_rows(people, capsys, tmp_path):
    path, _ = people
    out = tmp_path / "rows.csv"
    code, shown, _ = run(
        "explain", path, "--target", "diagnosis", "--names", "name", "--rows", "patient 3",
        "patient 20", "-k", 4, "--out", out, capsys=capsys,
    )  # fmt: skip
    assert code == 0
    assert shown.startswith("effect: change of the test row's loss")
    found = pd.read_csv(out)
    assert len(found) == 2 * 2 * 4
    assert set(found["test_row"]) == {"patient 3", "patient 20"}
    assert (found["row"] != found["test_row"]).all()
    assert (
        found.groupby(["test_row", "role"])["rank"].apply(list).map(tuple) == (1, 2, 3, 4)
    ).all()
    helpful = found[found["role"] == "helpful"]
    assert (helpful["effect"] > 0).all()


def test_numbers_are_predicted_too(capsys, tmp_path):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    y.iloc[:5] += 600.0
    path = tmp_path / "numbers.csv"
    X.assign(progression=y).to_csv(path, index=False)
    for model in ("auto", "huber"):
        arguments = "suspects", path, "--target", "progression", "--model", model, "-k", 5
        code, shown, told = run(*arguments, capsys=capsys)
        assert code == 0
        assert ("ridge" if model == "auto" else "huber") in told
        assert {int(line.split()[0]) for line in shown.splitlines()[1:]} == set(range(2, 7))


def test_it_is_the_model_that_is_promised(people):
    path, _ = people
    table = read_table(path, "diagnosis", "name", [])
    assert chosen_model("auto", table) == "logistic"
    assert table.categories == ["ward"]
    assert len(table.numbers) == 8
    assert set(MODELS) == {"logistic", "ridge", "huber"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["suspects", "nowhere.csv", "--target", "y"], "There is no file nowhere.csv."),
        (["suspects", "FILE", "--target", "y"], "has no column 'y'; its columns are: mean radius,"),
        (["suspects", "FILE", "--target", "country"], "1 different values of 'country'; needed"),
        (["suspects", "FILE", "--target", "diagnosis", "--model", "ridge"], "use one of: logistic"),
        (
            ["suspects", "FILE", "--target", "mean area", "--model", "logistic"],
            "has 539 different values; use one of: ridge, huber.",
        ),
        (["suspects", "FILE", "--target", "diagnosis", "-k", "0"], "got -k 0; needed is a whole"),
        (["suspects", "FILE", "--target", "diagnosis", "--by", "magic"], "got by='magic'; needed"),
        (
            ["explain", "FILE", "--target", "diagnosis", "--rows", "1"],
            "there is no row '1'; rows are called by line, from '2' to '567'.",
        ),
        (["explain", "FILE", "--target", "diagnosis", "--rows", "2", "-k", "900"], "from 1 to 565"),
    ],
)
def test_what_the_user_has_to_mend(arguments, words, people, capsys):
    arguments = [str(people[0]) if each == "FILE" else each for each in arguments]
    code, shown, told = run(*arguments, "--quiet", capsys=capsys)
    assert code == 2
    assert shown == ""
    assert words in told
    assert told.startswith(f"python -m skinfluence {arguments[0]}: ")
    assert "Traceback" not in told


def test_a_file_that_is_none(tmp_path, capsys):
    for text in ("", 'a,b\n1,2\n3,4,5\n"x'):
        path = tmp_path / "no.csv"
        path.write_text(text)
        code, _, told = run("suspects", path, "--target", "a", capsys=capsys)
        assert code == 2
        assert "can't be read as a CSV file" in told


def test_without_pandas(people, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    code, _, told = run("suspects", people[0], "--target", "diagnosis", capsys=capsys)
    assert code == 2
    assert "needs pandas; install it with 'pip install skinfluence[pandas]'" in told


def test_as_a_program(people):
    asked = [sys.executable, "-m", "skinfluence", "suspects", str(people[0]), "--target", "nothing"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has no column 'nothing'" in done.stderr
    done = subprocess.run([*asked[:3], "--help"], capture_output=True, text=True, check=False)
    assert "suspects" in done.stdout
