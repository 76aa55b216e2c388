"""The machinery of ``python -m benchmarks``, on small parts of the data, and without peers."""

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # where ``python -m benchmarks`` is started

from benchmarks.__main__ import main  # noqa: E402
from benchmarks.suite import contender, growth, page, peers, running  # noqa: E402
from benchmarks.suite.items import BLAS, NUMPY, OURS, Item, Skipped, Task, all_items  # noqa: E402
from benchmarks.suite.measuring import PeakMemory, measure  # noqa: E402

ITEMS = all_items()
# Their data come with the package.
EMBEDDED = (
    "logistic-refit",
    "perturbation",
    "logistic-parameters",
    "logistic-diagnostics",
    "least-squares-dfbetas",
    "kernel-ridge-self",
    "kernel-ridge-removal",
)
# Relative to the largest. Sketches have an error of 5 % or so a row, SVC stops at its tol.
TOLERANCES = {"text-self": 0.3, "text-removal": 0.3, "svc-removal": 1e-3}


def answers(item):
    """Everybody's who needs no other library, and the reference's."""
    task = item.prepare(True)
    asked = {
        name: start
        for name, start in item.contenders.items()
        if not isinstance(start, str) and not peers.is_peer(name) and name != BLAS
    }
    found = {name: np.asarray(start(task)()) for name, start in asked.items()}
    item.contenders[BLAS](task)()
    return found


def check_agreement(item):
    found = answers(item)
    reference = found[item.reference]
    size = np.abs(reference).max()
    for name, answer in found.items():
        atol = TOLERANCES.get(item.name, 1e-6) * size
        np.testing.assert_allclose(answer, reference, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("name", EMBEDDED)
def test_contenders_answer_the_same_question(name):
    check_agreement(ITEMS[name])


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("SKINFLUENCE_DATA"), reason="SKINFLUENCE_DATA is not set")
@pytest.mark.parametrize("name", [name for name in ITEMS if name not in EMBEDDED])
def test_contenders_answer_the_same_question_of_shared_data(name):
    check_agreement(ITEMS[name])


def test_a_run_writes_the_page_and_the_short_table(tmp_path, capsys):
    """Each contender in a process of its own."""
    output, summary = tmp_path / "page.rst", tmp_path / "table.md"
    arguments = ["--quick", "--no-peers", "--threads", "1", "--only", "least-squares-dfbetas"]
    main([*arguments, "--output", str(output), "--summary", str(summary)])
    text = output.read_text(encoding="utf-8")
    assert "small parts of the data" in text
    rows = [line.strip(" *-") for line in text.splitlines()]
    ours = rows.index(OURS)
    assert rows[ours + 1].startswith("1 (")
    assert rows[ours + 3 : ours + 5] == ["1.00000", "1.0000"]
    assert rows[rows.index(NUMPY) + 3] == "reference"
    assert "statsmodels (peers were left out)" in text
    assert str(ROOT) not in text
    assert "| least squares, spambase" in summary.read_text(encoding="utf-8")
    assert "least-squares-dfbetas: " in capsys.readouterr().out


def test_names(capsys):
    main(["--list"])
    assert capsys.readouterr().out.split() == [*ITEMS, "growth"]
    with pytest.raises(SystemExit, match="got nonsense, of which there is no work item; name some"):
        main(["--only", "nonsense"])


def test_data_that_are_missing_are_named(monkeypatch, capsys):
    monkeypatch.delenv("SKINFLUENCE_DATA", raising=False)
    contender.main(["prepare", "wide-ridge", "never-written", "--quick"])
    assert "no data: SKINFLUENCE_DATA names no folder" in capsys.readouterr().out


def test_what_a_process_of_its_own_says(tmp_path, monkeypatch):
    runner = running.Runner(quick=True, timeout=60.0)
    found = runner.child("ask", "perturbation", str(tmp_path / "none"), OURS, "nowhere")
    assert found["skipped"].startswith("failed: FileNotFoundError")
    assert running.has_failed(running.Result(OURS, **found))
    assert replace(runner, timeout=0.01).child("prepare", "perturbation", "never-written") == {
        "longer_than": 0.01
    }


def test_a_peer_that_is_not_there_says_so(monkeypatch):
    monkeypatch.setitem(peers.PEERS, "torch-influence", ("no_such_module",))
    assert peers.absent("torch-influence") == "not installed (no module no_such_module)"
    assert not peers.is_peer("scikit-learn")
    with pytest.raises(Skipped, match="no adapter"):
        peers.torch_influence(None)


def test_peak_memory_counts_what_is_gone_again():
    megabytes = 200
    with PeakMemory() as peak:
        block = np.ones(megabytes * 125_000)
        time.sleep(0.02)
        del block
    assert 0.95 * megabytes < peak.megabytes < 1.2 * megabytes


def test_measure_takes_the_best_of_a_few(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    pauses = iter([0.03, 0.001, 0.02])

    def ask():
        time.sleep(next(pauses))
        return [1.0]

    seconds, _, answer = measure(ask, 3)
    assert 0.001 <= seconds < 0.015
    assert answer.tolist() == [1.0]


def test_one_thread_is_measured_by_the_processor(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert measure(lambda: time.sleep(0.2), 1)[0] < 0.1


def test_agreement_is_of_the_answer_on_the_reference():
    reference = np.array([[1.0, 2.0], [4.0, np.nan]])
    assert running.agreement(3.0 * reference + 1.0, reference) == pytest.approx((1.0, 3.0))
    assert np.isnan(running.agreement(np.ones(3), np.arange(3.0))[0])


def test_exponents():
    sizes = (10, 20, 40, 80)
    assert growth.exponent(sizes, [size**1.5 for size in sizes]) == pytest.approx(1.5)
    lines = growth.sweep(growth.SWEEPS["n_test"], quick=True)
    assert {(line["contender"], line["question"]) for line in lines} == {
        (who, question) for who in (OURS, NUMPY) for question in growth.SWEEPS["n_test"].questions
    }
    assert all(len(line["seconds"]) >= 4 and min(line["seconds"]) > 0 for line in lines)
    assert json.dumps(lines)


@pytest.mark.parametrize("over", growth.SWEEPS)
def test_our_sweeps_have_four_sizes_and_ask_what_numpy_answers(over):
    plan = growth.SWEEPS[over]
    assert len(plan.values) >= 4
    task = growth.synthetic(replace(growth.Sizes(n=60, d=3, n_test=4), **{over: plan.quick[0]}))
    ours, direct = growth.our_questions(task), growth.direct_questions(task)
    fitted = ours[growth.FIT](None), direct[growth.FIT](None)
    for question in plan.questions:
        if question != growth.FIT:
            expected = direct[question](fitted[1])
            np.testing.assert_allclose(
                ours[question](fitted[0]), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max()
            )


def test_where_we_lose_is_told():
    def of(*results):
        item = Item("a", "data", "question", lambda quick: Task(None, None, None), {}, limit="X")
        return page.losses(item, [running.Result(*each) for each in results])

    ours = (OURS, 1.0, 100.0, 1.0, 1.0)
    assert of(ours, (NUMPY, 2.0, 100.0), (BLAS, 0.1, 0.0)) == "We lose to nobody here."
    told = of(ours, (NUMPY, 0.5, 10.0), ("wrong", 0.1, 1.0, 0.9, 1.0))
    assert told == ("Where we lose: NumPy takes 0.50 × our time; NumPy has 0.10 × our memory.")
    assert of((OURS,), (NUMPY, 0.5, 10.0)) == "Ours was not measured."
