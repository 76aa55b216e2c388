"""Figure 3: derivatives of the smooth hinge, the paper's formula, and LinearSVC's own refits."""

from dataclasses import replace

import numpy as np
import pytest
from scripts import example_module
from sklearn.base import clone

from skinfluence.datasets import load_mnist17
from skinfluence.svm import SmoothHingeSVC

MARGINS = np.linspace(-2.0, 4.0, 61)


@pytest.fixture(scope="module")
def example():
    with (
        example_module("paper/figure2_left_conjugate_gradients"),
        example_module("paper/figure3_smooth_hinge") as module,
    ):
        yield module


@pytest.fixture(scope="module")
def digits():
    """A fifth of the rows, of every fourth pixel."""
    digits = load_mnist17()
    digits.data, digits.target = digits.data[::5, ::4], digits.target[::5]
    digits.test_data = digits.test_data[:, ::4]
    return digits


@pytest.fixture(scope="module")
def question(example, digits):
    rows = digits.data, digits.target, digits.test_data, digits.test_target
    return example.ask(*rows, tol=1e-8)


@pytest.fixture(scope="module")
def answers(example, question):
    return example.answer(question, 60)


@pytest.mark.parametrize("t", [0.01, 0.1, 1.0])
def test_derivatives_are_those_of_the_loss(example, t):
    step = 1e-5 * t
    up, down = (example.smooth_hinge(MARGINS + h, t) for h in (step, -step))
    first, second = example.derivatives(MARGINS, t)
    np.testing.assert_allclose((up - down) / (2 * step), first, atol=1e-6)
    up, down = (example.derivatives(MARGINS + h, t)[0] for h in (step, -step))
    np.testing.assert_allclose((up - down) / (2 * step), second, atol=1e-5 / t)


def test_the_hinge_is_the_limit(example):
    hinge = example.smooth_hinge(MARGINS, 0.0)
    for t in (1e-3, 1e-6):
        assert np.abs(example.smooth_hinge(MARGINS, t) - hinge).max() <= t * np.log(2) * (1 + 1e-9)
    off_hinge = MARGINS[np.abs(MARGINS - 1.0) > 0.05]
    for sharp, none in zip(
        example.derivatives(off_hinge, 1e-6), example.derivatives(off_hinge, 0.0), strict=True
    ):
        np.testing.assert_array_equal(sharp, none)


def test_without_smoothing_the_hessian_is_the_penalty(example, question):
    signs, margins = question.margins(question.X, question.y)
    test_sign, _ = question.margins(question.x_test, question.y_test)
    gradients = -(signs * (margins < 1.0))[:, None] * question.X
    expected = gradients @ (-test_sign * question.x_test[0]) * question.model.C
    np.testing.assert_allclose(example.at_the_hinge_models_weights(question, 0.0), expected)


def test_where_the_smooth_hinge_is_trained_both_ways_are_one(example, question):
    trained = SmoothHingeSVC(C=question.model.C, temperature=0.1, fit_intercept=False)
    smooth = replace(question, model=trained.fit(question.X, question.y))
    expected = example.at_the_smooth_optimum(smooth, 0.1)
    found = example.at_the_hinge_models_weights(smooth, 0.1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7 * np.abs(expected).max())
    # The explainer goes from the hinge model to that same optimum.
    gone = example.at_the_smooth_optimum(question, 0.1)
    np.testing.assert_allclose(gone, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_removal_is_what_scikit_learn_finds(question, answers):
    largest = np.abs(answers.actual).max()
    np.testing.assert_allclose(answers.removal, answers.actual, rtol=0, atol=1e-3 * largest)

    def hinge(model):
        return 1.0 - replace(question, model=model).margins(question.x_test, question.y_test)[1][0]

    row = answers.rows[0]
    without = clone(question.model).fit(np.delete(question.X, row, 0), np.delete(question.y, row))
    change = hinge(without) - hinge(question.model)
    assert abs(change) > 0.1 * largest
    # To the digits in which what the explainer says differs from scikit-learn.
    assert answers.actual[0] == pytest.approx(change, rel=1e-9)
    assert answers.removal[0] != pytest.approx(change, rel=1e-9)


def test_smoothing_is_what_makes_it_work(example, answers):
    plain, smooth = (
        example.agreement(answers.paper[t], answers.actual) for t in (0.0, example.USUAL)
    )
    assert smooth[0] > plain[0] + 0.3
    assert np.abs(answers.paper[0.0]).max() > 5 * np.abs(answers.actual).max()
    assert np.abs(answers.paper[example.USUAL]).max() < 2 * np.abs(answers.actual).max()


def test_the_test_row_is_misclassified(question):
    assert question.margins(question.x_test, question.y_test)[1][0] < 0
    assert f"is a {question.y_test[0]}, which" in question.words


def test_the_table_shows_both_numbers(example, answers):
    _, head, *lines = answers.report().splitlines()
    *lines, removal, _, _ = lines
    ends = head.index("   the paper")
    for t, line in zip(example.TEMPERATURES, lines, strict=True):
        expected = [*example.agreement(answers.paper[t], answers.actual)]
        if t:
            expected += example.agreement(answers.optimum[t], answers.actual)
        shown = [float(number) for number in line[20:ends].split()]
        assert shown == pytest.approx(expected, abs=6e-4)
    assert [float(number) for number in removal.split()[1:]] == pytest.approx([1, 1], abs=1e-3)


def test_rows_on_the_hinge_are_told_apart(example, question, answers):
    _, margins = question.margins(question.X, question.y)
    on = np.abs(margins[answers.rows] - 1.0) < 1e-3
    for line, rows in zip(answers.report().splitlines()[-2:], (on, ~on), strict=True):
        assert f", the {rows.sum()} o" in line
        expected = example.agreement(answers.optimum[1e-3][rows], answers.actual[rows])
        assert [float(number) for number in line[40:].split()] == pytest.approx(expected, abs=6e-4)
    nowhere = replace(answers, on_hinge=np.zeros_like(on)).report().splitlines()[-2:]
    assert nowhere[0].endswith("the 0 on the hinge")
    assert f", the {len(on)} off it" in nowhere[1]


def test_the_picture_has_a_panel_for_each(example, answers):
    losses, *panels = answers.draw().axes
    assert len(losses.lines) == len(example.CURVES)
    for ax, t in zip(panels, example.DRAWN, strict=True):
        points = np.asarray(ax.collections[0].get_offsets())
        np.testing.assert_array_equal(points, np.column_stack([answers.actual, answers.paper[t]]))
        assert len(ax.collections) == (2 if t else 1)
    assert "no smoothing" in panels[0].get_title()


def test_it_runs_as_a_script(example, digits, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(example, "load_mnist17", lambda: digits)
    monkeypatch.setattr(example, "N_STRONGEST", 60)
    monkeypatch.setattr(example, "TEMPERATURES", example.DRAWN)
    example.main(["--output", str(tmp_path / "figure.png")])
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    told = capsys.readouterr().out
    assert "the embedded part" in told
    assert "the 60 strongest rows" in told
