"""Progress: what one bar, or one line, says and when, and which of several is shown."""

import pickle

import joblib
import pytest
from sklearn.utils.parallel import delayed
from telling import at_once, ends, without_tqdm

from skinfluence import progress
from skinfluence.resources import Resources, told, using
from skinfluence.retraining import TellingParallel


@pytest.fixture
def no_tqdm(monkeypatch):
    without_tqdm(monkeypatch)


@pytest.fixture
def short_ones_too(monkeypatch):
    at_once(monkeypatch)


class Clock:
    """A second for each look at it."""

    def __init__(self, monkeypatch, step=1.0):
        self.now, self.step = 100.0, step
        monkeypatch.setattr(progress, "perf_counter", self)

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def verbose():
    with using(Resources(verbose=1)):
        yield


# ------------------------------------------------------------------------------------ one bar
def test_parts_of_what_is_told_of_are_not(verbose, short_ones_too, no_tqdm, capsys):
    for block in progress.tracked_blocks(4, 1, "outer", limit=2):
        for _ in progress.tracked_blocks(3, 1, "inner", limit=1):
            assert block
    assert ends(capsys.readouterr().err) == [("outer", 4, 4)]


def test_parts_of_what_is_done_at_one_go_are(verbose, short_ones_too, no_tqdm, capsys):
    for _ in progress.tracked_blocks(4, 1, "outer", limit=4):
        for _ in progress.tracked_blocks(3, 1, "inner", limit=1):
            pass
        with progress.progress(9, "at one go", parts=1) as advance:
            advance(9)
    assert ends(capsys.readouterr().err) == [("inner", 3, 3)]


def test_no_rows(verbose, short_ones_too, no_tqdm, capsys):
    assert list(progress.tracked_blocks(0, 1, "rows")) == []
    assert capsys.readouterr().err == ""


def test_fewer_steps_than_there_might_be(verbose, short_ones_too, no_tqdm, capsys):
    for step in progress.up_to(100, "steps"):
        if step == 4:
            break
    assert ends(capsys.readouterr().err) == [("steps", 5, 5)]


def test_a_loop_that_its_traceback_keeps_alive(short_ones_too, no_tqdm, capsys):
    with using(Resources(verbose=1)):
        left = progress.tracked_blocks(4, 1, "left", limit=1)
        next(left)
        assert told.get() is not None
    assert told.get() is None
    assert ends(capsys.readouterr().err) == [("left", 0, 4)]
    with using(Resources(verbose=1)):
        new = progress.tracked_blocks(4, 1, "new", limit=1)
        next(new)
        left.close()  # as the garbage collector would, at any time
        assert told.get() is not None
        assert len(list(new)) == 3
    assert ends(capsys.readouterr().err) == [("new", 4, 4)]


# ---------------------------------------------------------------------------------------- lines
def test_a_line_every_five_seconds(verbose, no_tqdm, monkeypatch, capsys):
    Clock(monkeypatch)
    for _ in progress.tracked_blocks(2000, 1, "rows", limit=100):
        pass
    assert capsys.readouterr().err.splitlines() == [
        "[skinfluence] rows: 500 of 2,000, 100 a second, 15 s left",
        "[skinfluence] rows: 1,000 of 2,000, 100 a second, 10 s left",
        "[skinfluence] rows: 1,500 of 2,000, 100 a second, 5 s left",
        "[skinfluence] rows: 2,000 of 2,000, 95.2 a second, 21 s in all",
    ]


@pytest.mark.parametrize(("step", "n_lines"), [(0.01, 0), (0.4, 1)])
def test_what_is_short_has_no_line_or_one(step, n_lines, verbose, no_tqdm, monkeypatch, capsys):
    Clock(monkeypatch, step)
    for _ in progress.tracked_blocks(4, 1, "rows", limit=1):
        pass
    assert len(capsys.readouterr().err.splitlines()) == n_lines


def test_what_is_short_has_no_bar(verbose, capsys):
    pytest.importorskip("tqdm")
    for _ in progress.tracked_blocks(4, 1, "rows", limit=1):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (61, "1 min 1 s"), (7_384, "2 h 3 min")],
)
def test_durations(seconds, words):
    assert progress.duration(seconds) == words


# ----------------------------------------------------------------------------------------- jobs
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_refits_are_told_of_as_they_end(n_jobs):
    class Told(progress.Advance):
        counts = ()

        def __call__(self, count):
            self.counts = (*self.counts, count)

    advance = Told()
    with joblib.parallel_backend("threading"):
        squares = TellingParallel(advance, n_jobs)(delayed(pow)(i, 2) for i in range(20))
    assert squares == [i**2 for i in range(20)]
    assert sum(advance.counts) == 20
    assert len(advance.counts) > 1


def test_nobody_is_told_by_other_processes():
    with using(Resources(verbose=1)), progress.progress(2, "rows") as advance:
        assert type(pickle.loads(pickle.dumps(advance))) is progress.Advance
