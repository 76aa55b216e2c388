"""The example of Section 5.2: what it counts are flips, and a cold fit confirms them."""

import argparse

import numpy as np
import pytest
from scripts import example_module
from sklearn.base import clone


@pytest.fixture(scope="module")
def example():
    with example_module("paper/figure5_training_set_attack") as module:
        yield module


@pytest.fixture(scope="module")
def setting(example):
    return example.digits(full=False, n_train=100)


@pytest.fixture(scope="module")
def explainer(example, setting):
    return example.fitted(setting, penalty=1e-3)


@pytest.fixture(scope="module")
def found(example, setting, explainer):
    options = argparse.Namespace(limit=None, slack=3.0, n_iter=10, n_jobs=1, verbose=0)
    return example.attack_all(explainer, setting, options)


def test_moves_are_invisible_in_8_bits(example, setting, explainer):
    attempt = example.attempt(explainer, setting, 0, 2, 5)
    assert attempt.relative_change < 0.01
    assert len(attempt.rows) == 2
    assert attempt.history[-1] < attempt.history[0]


def test_penalty_is_against_the_mean_loss(example, setting, explainer):
    assert pytest.approx(1.0 / (1e-3 * 100)) == explainer.estimator_.C


def test_every_flip_is_confirmed_by_a_cold_fit(example, setting, explainer, found):
    by_rows, _ = found
    flips = [each for attempts in by_rows.values() for each in attempts if each.flipped]
    assert flips
    for each in flips:
        assert each.confirmed
        assert each.history[-1] < 0.5 < each.history[0]
    # The example's own word for it, said once more without it.
    strongest = max(flips, key=lambda each: each.n_rows)
    attack = example.TrainingSetAttack(
        explainer,
        n_rows=strongest.n_rows,
        step_size=setting.step_size,
        n_iter=10,
        n_iter_no_change=5,
        tol=1e-2,
        project=setting.project,
    )
    test = setting.X_test[[strongest.test_row]], setting.y_test[[strongest.test_row]]
    attacked = attack.attack(*test).X_attacked()
    assert (np.round(255 * attacked) == np.round(255 * setting.X)).all()
    model = clone(explainer.estimator_).fit(attacked, setting.y)
    assert model.predict(test[0])[0] != test[1][0]


def test_all_right_predictions_are_counted(example, setting, explainer, found):
    by_rows, away = found
    right = explainer.predict(setting.X_test) == setting.y_test
    assert (np.isfinite(away) == right).all()
    lines = example.report(by_rows, away, setting).splitlines()[1:]
    for line, (n_rows, attempts) in zip(lines, by_rows.items(), strict=True):
        numbers = line.split()
        flips = sum(each.confirmed for each in attempts)
        assert [int(number) for number in numbers[:2]] == [n_rows, len(attempts)]
        assert numbers[4] == f"{flips / right.sum():.1%}"
    assert "of rank" in example.in_words(explainer, setting, by_rows)


def test_only_test_rows_out_of_reach_are_left_out(example, setting, found):
    by_rows, away = found
    for n_rows, attempts in by_rows.items():
        asked = {each.test_row for each in attempts}
        assert asked == set(np.flatnonzero(away <= 3.0 * n_rows * setting.reach))


def test_distance_to_the_centroids(example):
    X, y = np.array([[0.0, 0.0], [2.0, 0.0], [5.0, 5.0]]), np.array([0, 0, 1])
    assert example.centroid_distance(X, y) == pytest.approx(2.0 / 3.0)


def test_the_picture(example, found):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    by_rows, away = found
    figure = example.draw(by_rows, int(np.isfinite(away).sum()))
    assert [ax.get_xlabel() for ax in figure.axes] == ["training rows moved", "steps"]
