"""Figure 2, left and middle: actual changes are scikit-learn's, and the numbers are right."""

import numpy as np
import pytest
from scripts import example_module
from sklearn.linear_model import LogisticRegression

from skinfluence import CG
from skinfluence.datasets import load_mnist17


@pytest.fixture(scope="module")
def left():
    with example_module("paper/figure2_left_conjugate_gradients") as module:
        yield module


@pytest.fixture(scope="module")
def middle(left):
    with example_module("paper/figure2_middle_stochastic") as module:
        yield module


@pytest.fixture(scope="module")
def digits():
    """A fifth of the rows, of every fourth pixel."""
    digits = load_mnist17()
    digits.data, digits.target = digits.data[::5, ::4], digits.target[::5]
    digits.test_data = digits.test_data[:, ::4]
    return digits


@pytest.fixture(scope="module")
def question(left, digits):
    return left.ask(digits.data, digits.target, digits.test_data, digits.test_target)


@pytest.fixture(scope="module")
def answers(left, question):
    return left.answer(question, k=40, n_refitted=5)


@pytest.fixture(scope="module")
def estimates(middle, question):
    return middle.answer(question, k=40, depth=1000)


def test_the_test_row_is_the_first_that_is_misclassified(question, digits):
    predicted = question.model.predict(digits.test_data)
    row = np.flatnonzero(predicted != digits.test_target)[0]
    np.testing.assert_array_equal(question.x_test[0], digits.test_data[row])
    assert f"test row {row} is a {question.y_test[0]}," in question.words


def test_first_order_is_the_slope_of_refits_with_less_weight(left, question, answers):
    row, eps = answers.rows[0], 1e-3
    code = int(np.flatnonzero(question.model.classes_ == question.y_test[0])[0])

    def loss(weight):
        weights = np.ones(len(question.X))
        weights[row] = weight
        model = LogisticRegression(
            C=question.model.C, fit_intercept=False, solver="newton-cholesky", tol=1e-12
        )
        model.fit(question.X, question.y, weights)
        return -model.predict_log_proba(question.x_test)[0, code]

    slope = (loss(1.0 - eps) - loss(1.0 + eps)) / (2 * eps)
    assert answers.first_order[0] == pytest.approx(slope, rel=1e-4)


def test_the_strongest_rows_are_asked_about(left, question, answers):
    everywhere = np.abs(question.first_order(solver=CG()))
    assert len(np.unique(answers.rows)) == 40
    assert everywhere[answers.rows].min() >= np.delete(everywhere, answers.rows).max()
    assert (np.diff(np.abs(answers.first_order)) <= 0).all()
    np.testing.assert_array_equal(answers.refitted.indices, answers.rows[:5])


def test_refits_are_those_of_scikit_learn(left, answers):
    really = answers.refitted.actual[0]
    np.testing.assert_allclose(answers.refit[:5], really, rtol=0, atol=1e-3 * np.abs(really).max())
    correlation, slope = left.agreement(answers.removal, answers.refit)
    assert correlation > 0.99
    assert slope == pytest.approx(1.0, abs=0.1)
    assert left.agreement(answers.first_order, answers.refit)[0] > 0.9


def test_agreement_is_of_predicted_on_actual(left):
    actual = np.array([-1.0, 0.0, 1.0, 4.0])
    assert left.agreement(2.0 * actual + 1.0, actual) == pytest.approx((1.0, 2.0))
    assert left.agreement(-actual, actual) == pytest.approx((-1.0, -1.0))


def test_the_table_shows_both_numbers(left, answers):
    head, *lines, apart = answers.report().splitlines()
    ends = head.index("slope") + len("slope")
    assert [int(line[44:50]) for line in lines] == [40, 40, 5, 5, 5]
    for line, pair in zip(
        lines,
        [
            (answers.first_order, answers.refit),
            (answers.removal, answers.refit),
            (answers.first_order[:5], answers.refitted.actual[0]),
            (answers.removal[:5], answers.refitted.actual[0]),
            (answers.refit[:5], answers.refitted.actual[0]),
        ],
        strict=True,
    ):
        shown = [float(number) for number in line[50:ends].split()]
        assert shown == pytest.approx(left.agreement(*pair), abs=1e-4)
    assert "from scikit-learn's" in apart


def test_the_picture_has_all_points(left, answers):
    for ax, predicted in zip(
        answers.draw().axes, (answers.first_order, answers.removal), strict=True
    ):
        points, refitted = (np.asarray(each.get_offsets()) for each in ax.collections)
        np.testing.assert_array_equal(points, np.column_stack([answers.refit, predicted]))
        really = np.column_stack([answers.refitted.actual[0], predicted[:5]])
        np.testing.assert_array_equal(refitted, really)
        assert f"slope {left.agreement(predicted, answers.refit)[1]:.3f}" in ax.get_title()


def test_estimates_are_of_the_same_changes(middle, left, answers, estimates):
    np.testing.assert_array_equal(estimates.rows, answers.rows)
    np.testing.assert_allclose(estimates.refit, answers.refit)
    errors = {
        name: np.abs(changes - estimates.exact).max() / np.abs(estimates.exact).max()
        for name, changes in estimates.changes.items()
    }
    assert errors[middle.MINIBATCH] < errors[middle.AS_PAPER] < errors[middle.ONCE]
    assert errors[middle.MINIBATCH] < 0.2
    assert set(middle.PAPER) == set(errors)


def test_the_paper_sees_one_row_a_step(middle, estimates):
    for name, repeats in ((middle.AS_PAPER, 10), (middle.ONCE, 1)):
        settings = estimates.estimates[name].settings
        assert f"repeats {repeats}, depth 1000, batch_size 1," in settings
    assert "repeats 10, depth 1000" in estimates.estimates[middle.MINIBATCH].settings


def test_the_table_tells_right_from_wrong(middle, estimates):
    lines = {line[:24].rstrip(): line for line in estimates.report().splitlines()[2:6]}
    correlation, error, _, _, found = lines["conjugate gradients"][24:].split()
    assert (float(correlation), float(error), int(found)) == (1.0, 0.0, 20)
    assert list(lines)[1:] == list(estimates.estimates)
    opposite = estimates._figures(-estimates.exact)
    assert float(opposite.split()[0]) == -1.0
    assert float(opposite.split()[1]) == 2.0


def test_noise_is_told(middle, question):
    noisy = middle.estimate(question, middle.LiSSA(repeats=1, depth=100, batch_size=1))
    assert "relative residual" in noisy.warning
    calm = middle.estimate(question, middle.LiSSA(repeats=4, depth=1000, batch_size=100))
    assert calm.warning == ""


@pytest.mark.parametrize("name", ["left", "middle"])
def test_it_runs_as_a_script(name, request, left, middle, digits, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(left, "load_mnist17", lambda: digits)
    monkeypatch.setattr(middle, "DEPTH", 200)
    for module in (left, middle):
        monkeypatch.setattr(module, "N_STRONGEST", 40)
    monkeypatch.setattr(left, "N_REFITTED", 3)
    output = tmp_path / "figure.png"
    request.getfixturevalue(name).main(["--output", str(output)])
    assert output.stat().st_size > 10_000
    told = capsys.readouterr().out
    assert "the embedded part" in told
    assert "the paper" in told
