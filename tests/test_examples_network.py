"""The example of Figure 2 (right): what it really trains, what it predicts, and what it prints."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from scripts import example_module

ROWS = 8


@pytest.fixture(scope="module")
def example():
    with example_module("paper/figure2_right_network") as module:
        module.DECAY = 0.01  # with few rows less leaves hardly an optimum
        yield module


@pytest.fixture(scope="module")
def problem(example):
    """A few rows, and a damping that is too small for a network that had not converged."""
    sizes = {"hidden": 4, "batch": 50, "steps": 40, "dampings": ("auto", 1e-7, 1.0)}
    return replace(example.small_digits(150), **sizes, test=15)


@pytest.fixture(scope="module")
def halfway(example, problem):
    return example.not_converged(problem)


@pytest.fixture(scope="module")
def optimum(example, problem):
    return example.converged(problem)


def mean_gradient(problem, model, decay):
    """Of the objective per row, by differences in each parameter."""
    X, y, rows = problem.X, problem.y, np.arange(len(problem.y))

    def objective():
        loss = -np.log(model.predict_proba(X)[rows, y]).mean()
        return loss + decay * sum((weights**2).sum() for weights in model.coefs_) / 2

    slopes = []
    for parameters in (*model.coefs_, *model.intercepts_):
        for place in np.ndindex(parameters.shape):
            kept, values = parameters[place], []
            for step in (1e-5, -1e-5):
                parameters[place] = kept + step
                values.append(objective())
            parameters[place] = kept
            slopes.append((values[0] - values[1]) / 2e-5)
    return np.array(slopes)


def test_only_one_of_the_networks_is_at_an_optimum(example, problem, halfway, optimum):
    steep, flat = (
        np.linalg.norm(mean_gradient(problem, model, example.DECAY)) for model in (halfway, optimum)
    )
    assert flat < 1e-4
    assert steep > 100 * flat


def test_a_network_goes_on_from_where_it_is(example, problem, halfway):
    before = halfway.coefs_[0].copy()
    standing = example.trained_on(halfway, replace(problem, steps=1), None)
    further = example.trained_on(halfway, problem, None)
    np.testing.assert_array_equal(halfway.coefs_[0], before)
    one, all_steps = (np.abs(model.coefs_[0] - before).max() for model in (standing, further))
    assert 0 < one < 0.1 * all_steps
    assert further.n_iter_ == standing.n_iter_ + problem.steps - 1  # on top of the first passes


def test_at_an_optimum_it_stays_there_until_a_row_is_gone(example, problem, optimum):
    loss = example.loss_of(optimum, problem)
    assert example.loss_of(example.trained_on(optimum, problem, None), problem) == pytest.approx(
        loss, abs=1e-4
    )
    changes = example.actual_changes(optimum, problem, np.arange(8))
    assert np.abs(changes).max() > 1e-2


@pytest.mark.parametrize("model", ["halfway", "optimum"])
def test_removals_predict_what_training_on_does(example, problem, model, request):
    model = request.getfixturevalue(model)
    explainer = example.explained(model, problem)
    effects = example.predicted_changes(explainer, problem, "removal")
    rows = np.argsort(-np.abs(effects))[:ROWS]
    r, slope = example.agreement(effects[rows], example.actual_changes(model, problem, rows))
    assert r > 0.9
    assert 0.5 < slope < 2.0


def test_first_order_is_a_share_of_the_influence(example, problem, halfway):
    explainer, rows = example.explained(halfway, problem), [4, 9]
    influence = explainer.influence(*problem.asked, kind="upweight", indices=rows)[0]
    changes = example.predicted_changes(explainer, problem, "upweight", rows)
    np.testing.assert_allclose(changes, -influence / 150)


def test_agreement_is_correlation_and_slope(example):
    actual = np.array([-1.0, 0.0, 3.0, 4.0])
    assert example.agreement(2 * actual + 1, actual) == pytest.approx((1.0, 2.0))
    assert example.agreement(-actual, actual) == pytest.approx((-1.0, -1.0))


def test_pooling_takes_means_of_four_pixels(example):
    image = np.arange(784.0).reshape(1, 28, 28)
    pooled = example.pooled(image.reshape(1, -1)).reshape(14, 14)
    assert pooled[0, 0] == image[0, :2, :2].mean()
    assert pooled[13, 2] == image[0, 26:, 4:6].mean()


def test_the_best_damping_of_each_hessian_is_kept(example, problem, halfway, capsys):
    best = example.compare("not converged", halfway, problem, 6)
    assert [made.report.hessian for made in best] == ["exact", "gauss-newton"]
    exact, defaults, auto, refused, damped = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line[15:].startswith(("exa", "gau"))
    ][:5]
    assert exact.startswith("the paper")
    assert exact.endswith("0.86")
    assert defaults.endswith("the defaults")
    assert refused.endswith("refused: negative eigenvalues")
    shown = max(float(line.split()[-2]) for line in (auto, damped))
    assert example.agreement(best[0].found["removal"], best[0].actual)[0] == pytest.approx(
        shown, abs=6e-4
    )


def test_all_of_it_is_printed_and_drawn(example, problem, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(example, "small_digits", lambda: replace(problem, dampings=("auto",)))
    picture = tmp_path / "picture.png"
    with mpl.rc_context({"backend": "agg"}):
        example.main(["--rows", "3", "--output", str(picture)])
        assert len(example.plt.gcf().axes) == 4
        example.plt.close("all")
    assert picture.stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert printed.startswith("150 rows of scikit-learn's digits of 8 x 8 pixels, 4 hidden units")
    assert printed.count("the defaults") == 2
    assert printed.count("the paper") == 1
