"""The training-set attack: it flips predictions, and a model really fitted agrees."""

import pickle

import numpy as np
import pytest
from attacking import borderline, digits, digits_explainer, slope
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceExplainer, progress
from skinfluence.attack import (
    Immutable,
    LInfBall,
    RoundTo8Bit,
    TrainingSetAttack,
    choosing,
    vulnerability,
)


def attack(tests, y=None, **settings):
    settings = {"step_size": 0.005, "project": LInfBall(0.2), **settings}
    X_test = digits()[2][tests]
    return TrainingSetAttack(digits_explainer(), **settings).attack(X_test, y)


@pytest.fixture(scope="module")
def result():
    return attack(borderline()[1:2])


# ------------------------------------------------------------------------------------- flipping
def test_a_borderline_prediction_flips(result):
    X, _, X_test, _ = digits()
    test = borderline()[1]
    assert result.stopped == "flipped"
    assert result.flipped.tolist() == [True]
    assert result.predictions_before == digits_explainer().predict(X_test[[test]])
    assert result.predictions_before != result.predictions_after
    assert 0 < result.n_iter < 30
    moved = result.X_attacked() - X
    assert np.flatnonzero(np.abs(moved).any(axis=1)).tolist() == result.rows.tolist()
    assert np.abs(moved).max() <= result.n_iter * 0.005 + 1e-12


@pytest.mark.parametrize("preprocessing", ["refit", "fixed"])
def test_a_cold_fit_confirms_it(result, preprocessing):
    confirmed = result.confirm(preprocessing=preprocessing)
    assert confirmed.flipped.tolist() == [True]
    assert confirmed.predictions_after == result.predictions_after
    assert_allclose(confirmed.probabilities_before, result.probability_history[0], atol=1e-4)
    assert_allclose(confirmed.probabilities_after, result.probability_history[-1], atol=1e-4)
    assert "cold fit" in repr(confirmed)
    assert "1 of 1 test row flipped" in repr(confirmed)


def test_the_same_images_to_the_eye():
    """Few levels of grey are enough for the most borderline row."""
    X, *_ = digits()
    done = attack(borderline()[:1], project=RoundTo8Bit(), step_size=0.02, n_rows=10)
    after = done.X_attacked()
    assert (np.round(255 * after) == np.round(255 * X)).all()
    assert done.loss_history[-1] > done.loss_history[0]
    assert done.change_raw.linf.max() <= 0.5 / 255
    assert done.confirm().flipped.all()


def test_several_test_rows_at_once():
    tests = borderline()[[1, 2, 3]]
    done = attack(tests, n_rows=3, n_iter=60)
    assert done.loss_history.shape == (done.n_iter + 1, 3)
    assert done.loss_history[-1].mean() > done.loss_history[0].mean()
    assert done.stopped == ("flipped" if done.flipped.all() else "n_iter")
    assert (done.confirm().flipped == done.flipped).all()
    assert done.flipped.sum() >= 2


def test_rows_that_are_wrong_already_do_not_count():
    """Those can't be led away from their label; the others are."""
    _, _, X_test, _ = digits()
    tests = borderline()[[1, 40]]
    labels = digits_explainer().predict(X_test[tests])
    labels[1] = 1 if labels[1] == 7 else 7
    done = attack(tests, labels)
    assert done.stopped == "flipped"
    assert done.flipped.tolist() == [True, False]
    done = attack(tests[1:], labels[1:], n_iter=3)
    assert done.stopped == "n_iter"


# -------------------------------------------------------------------------------- its direction
def test_loss_rises_by_small_steps():
    done = attack(borderline()[5:7], step_size=1e-3, n_iter=15)
    assert (np.diff(done.loss_history.mean(axis=1)) > 0).all()
    assert_allclose(np.exp(-done.loss_history), done.probability_history, rtol=1e-10)
    signed = np.log(done.probability_history / (1 - done.probability_history))
    assert_allclose(done.decision_history, signed, rtol=1e-8)


@pytest.mark.parametrize("n_steps", [1, 6])
def test_every_step_follows_the_sign_of_the_gradient_there(n_steps):
    """Which an explainer of the model fitted on the rows moved so far knows."""
    _, y, X_test, _ = digits()
    test = borderline()[[1, 2]]
    labels = digits_explainer().predict(X_test[test])
    settings = {"step_size": 1e-3, "project": None, "rows": [3]}
    so_far = attack(test, labels, n_iter=n_steps, **settings)
    further = attack(test, labels, n_iter=n_steps + 1, **settings)
    assert so_far.n_iter == n_steps
    assert further.n_iter == n_steps + 1
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=5000)
    there = InfluenceExplainer(model).fit(so_far.X_attacked(), y)
    expected = slope(there, 3, X_test[test], labels)
    step = (further.X_after - so_far.X_after)[0]
    clear = np.abs(expected) > 1e-4 * np.abs(expected).max()
    assert_allclose(step[clear], 1e-3 * np.sign(expected)[clear], atol=1e-12)
    rise = further.loss_history[-1].mean() - so_far.loss_history[-1].mean()
    assert_allclose(rise, 1e-3 * np.abs(expected).sum(), rtol=0.05)


def test_the_most_promising_rows_are_chosen():
    test = borderline()[1:2]
    X, _, X_test, _ = digits()
    explainer = digits_explainer()
    slopes = np.array([slope(explainer, row, X_test[test]) for row in range(len(X))])
    free = attack(test, n_rows=4, n_iter=1, project=None).rows
    assert free.tolist() == np.argsort(-np.abs(slopes).sum(axis=1))[:4].tolist()
    # within 8 bits there is no room below paper and above ink
    held = attack(test, n_rows=4, n_iter=1, project=RoundTo8Bit(), step_size=0.02).rows
    moves = RoundTo8Bit()(X + 0.02 * np.sign(slopes), X) - X
    assert held.tolist() == np.argsort(-(slopes * moves).sum(axis=1))[:4].tolist()


def test_the_choice_does_not_depend_on_blocks(monkeypatch):
    test = borderline()[1:2]
    expected = attack(test, n_rows=4, n_iter=1).rows
    blocks = [slice(first, min(first + 7, 100)) for first in range(0, 100, 7)]
    monkeypatch.setattr(choosing, "tracked_blocks", lambda *_: blocks)
    assert attack(test, n_rows=4, n_iter=1).rows.tolist() == expected.tolist()


def test_given_rows_move():
    done = attack(borderline()[5:6], rows=[7, 3, 7], n_iter=2)
    assert done.rows.tolist() == [7, 3]
    mask = np.isin(np.arange(len(digits()[1])), [3, 7])
    assert attack(borderline()[5:6], rows=mask, n_iter=2).rows.tolist() == [3, 7]


def test_rows_of_weight_0_are_never_chosen():
    X, y, X_test, _ = digits()
    first = attack(borderline()[1:2], n_iter=1).rows
    weights = np.where(np.isin(np.arange(len(y)), first), 0.0, 1.0)
    model = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000)
    explainer = InfluenceExplainer(model).fit(X, y, sample_weight=weights)
    done = TrainingSetAttack(explainer, n_rows=5, n_iter=1).attack(X_test[:1])
    assert not np.isin(done.rows, first).any()


# -------------------------------------------------------------------------------------- stopping
def test_stops_where_the_rows_no_longer_move():
    test = borderline()[200:201]
    strength = np.abs(slope(digits_explainer(), 4, digits()[2][test]))
    weak = np.argsort(strength)[:-20]
    project = [Immutable(weak), LInfBall(0.01)]
    done = attack(test, project=project, step_size=0.004, n_iter=20, rows=[4])
    assert done.stopped == "fixed point"
    assert done.n_iter == 3
    assert np.count_nonzero(done.X_after - done.X_before) == 20
    assert done.loss_history.shape == (done.n_iter + 1, 1)
    assert_allclose(done.change_raw.linf, 0.01)


def test_stops_after_n_iter():
    done = attack(borderline()[200:201], n_iter=2)
    assert done.stopped == "n_iter"
    assert done.n_iter == 2
    assert not done.flipped.any()
    assert done.predictions_before == done.predictions_after


def test_stops_where_the_rows_come_back():
    def there_and_back(Z, Z0):
        return np.where(np.abs(Z - Z0).max() > 0.015, Z0, Z0 + 0.01)

    done = attack(borderline()[200:201], project=there_and_back, step_size=0.01, rows=[4])
    assert done.stopped == "cycle"
    assert done.n_iter == 2
    assert_allclose(done.loss_history[2], done.loss_history[0], rtol=1e-8)


def test_progress_is_told(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BEFORE_BAR", 0.0)
    monkeypatch.setattr(progress, "SECONDS_WORTH_A_LINE", 0.0)
    attack(borderline()[200:201], n_iter=2, verbose=1)
    assert "training-set attack" in capsys.readouterr().err
    attack(borderline()[200:201], n_iter=1)
    assert capsys.readouterr().err == ""


def test_results_can_be_pickled(result):
    again = pickle.loads(pickle.dumps(result))
    assert repr(again) == repr(result)
    assert_allclose(again.X_attacked(), result.X_attacked())
    assert again.confirm().flipped.tolist() == [True]
    found = vulnerability(digits_explainer(), digits()[2][:3])
    assert repr(pickle.loads(pickle.dumps(found))) == repr(found)


def test_the_explainer_stays_as_it_was(result):
    explainer = digits_explainer()
    X, y, *_ = digits()
    assert explainer._training_X is X
    assert explainer.objective_.linear_map.X is X
    fresh = InfluenceExplainer(LogisticRegression(C=1.0, tol=1e-9, max_iter=1000)).fit(X, y)
    assert_allclose(explainer.objective_.theta, fresh.objective_.theta)
