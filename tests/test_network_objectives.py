"""What scikit-learn's networks minimise, and on which rows."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from networks import (
    ALPHA,
    TASKS,
    Case,
    moved,
    needs_weights,
    parameters,
    penalised,
    problem,
    quiet,
)
from numpy.testing import assert_allclose
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wording import raises

from skinfluence import InfluenceExplainer, NotStationaryWarning, as_objective

N = 60
CONVERGED = {"solver": "lbfgs", "tol": 1e-8, "max_iter": 3000, "alpha": 1.0}
STOPPED = {"solver": "adam", "early_stopping": True, "max_iter": 8, "learning_rate_init": 0.05}
ONE_OR_SEPARATE = [task for task in TASKS if task != "numbers"]
PLACE = "sklearn.neural_network._multilayer_perceptron.train_test_split"

far_away = pytest.mark.filterwarnings("ignore::skinfluence.NotStationaryWarning")


def numbered(case):
    """Its data, with numbers for labels: scikit-learn 1.6 can't stop early on others."""
    X, y = case.data(n=N)
    return X, np.unique(y, return_inverse=True)[1] if case.task in ("classes", "binary") else y


def explained(model, X, y, **options):
    return InfluenceExplainer(model, prefit=True, n_jobs=1).fit(X, y, **options)


# ---------------------------------------------------------------------------- the optimum of lbfgs
@pytest.mark.parametrize("alpha", [0.1, 3.0])
@pytest.mark.parametrize("task", ONE_OR_SEPARATE)
def test_lbfgs_ends_where_the_gradient_is_0(task, alpha):
    case = Case(task)
    X, y = case.data(n=N)
    model = case.estimator(**{**CONVERGED, "alpha": alpha}).fit(X, y)
    explainer = explained(model, X, y)
    assert explainer.report_.relative_step < 3e-3
    assert explainer.report_.hessian == "exact"
    value = explainer.objective_.value()
    assert value == pytest.approx(penalised(task, model, X, y), rel=1e-12)
    assert model.loss_ * N == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_where_full_batches_end_the_gradient_of_several_targets_is_0(alpha):
    """lbfgs doesn't get there: its values, unlike its gradients, are a mean over the targets."""
    case = Case("numbers")
    X, y = case.data(n=N)
    settings = {"solver": "sgd", "batch_size": N, "learning_rate_init": 0.1, "shuffle": False}
    stop = {"max_iter": 1500, "tol": 0.0, "n_iter_no_change": 9999}
    model = quiet(case.estimator(**settings, **stop, alpha=alpha), X, y)
    explainer = explained(model, X, y)
    assert explainer.report_.relative_step < 2e-3
    assert explainer.report_.hessian == "exact"
    value = penalised("numbers", model, X, y)
    assert explainer.objective_.value() == pytest.approx(value, rel=1e-12)


@needs_weights
@pytest.mark.parametrize("task", ONE_OR_SEPARATE)
def test_sample_weights(task):
    case = Case(task)
    X, y = case.data(n=N)
    counts = np.random.default_rng(1).integers(0, 4, N).astype(float)
    model = case.estimator(**CONVERGED).fit(X, y, sample_weight=counts)
    explainer = explained(model, X, y, sample_weight=counts)
    assert explainer.report_.relative_step < 3e-3
    assert explainer.objective_.value() == pytest.approx(
        penalised(task, model, X, y, counts), rel=1e-12
    )
    own = InfluenceExplainer(case.estimator(**CONVERGED), n_jobs=1)
    own.fit(X, y, sample_weight=counts)
    assert_allclose(own.influence(X[:3], y[:3]), explainer.influence(X[:3], y[:3]), rtol=1e-9)


# -------------------------------------------------------------- the penalty's strength in batches
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("size", [7, 15, 30, 1000])
@pytest.mark.parametrize("task", ["classes", "number"])
def test_gradient_is_that_of_a_pass_through_batches(task, size, solver):
    """scikit-learn's own passes, in which every row has been at every place once."""
    found = problem(Case(task))
    n, rate = len(found.y), 1e-7
    settings = {"momentum": 0.0, "nesterovs_momentum": False, "learning_rate_init": rate}
    total = np.zeros_like(found.theta)
    for first in range(n):
        model = deepcopy(found.model).set_params(**settings, batch_size=min(size, n))
        del model._optimizer
        rolled = np.roll(np.arange(n), first)
        model.partial_fit(found.X[rolled], found.y[rolled])
        total += (found.theta - parameters(model)) / rate / n
    model = deepcopy(found.model).set_params(solver=solver, batch_size=size)
    objective = as_objective(model, found.X, found.y)
    n_batches = -(-n // size)
    want = total * n / n_batches
    assert_allclose(objective.gradient(), want, rtol=0, atol=1e-5 * np.abs(want).max())
    assert ("strength" in objective.held) == (n_batches > 1)


@far_away
def test_batches_are_of_200_rows_by_default():
    case = Case("binary")
    X, y = case.data(n=450)
    model = quiet(case.estimator(max_iter=1), X, y)
    strength = ALPHA * 450 * (1 / 200 + 1 / 200 + 1 / 50) / 3
    objective = as_objective(model, X, y)
    assert objective.penalty.strength.max() == pytest.approx(strength)
    words = f"the penalty's strength in a pass of 3 batches, {strength:.3g}"
    assert objective.held == words
    assert explained(model, X, y).report_.held == words


# -------------------------------------------------------------------------------- early stopping
def stopped(case, monkeypatch, fits=(8,), **settings):
    """A model, its data and the rows that scikit-learn itself holds out in the last fit."""
    held_out = []

    def split(*arrays, random_state, **options):
        rows = np.arange(len(arrays[1]))
        same = deepcopy(random_state)
        held_out.append(np.sort(train_test_split(rows, random_state=same, **options)[1]))
        return train_test_split(*arrays, random_state=random_state, **options)

    X, y = numbered(case)
    model = case.estimator(**{**STOPPED, **settings})
    with monkeypatch.context() as patched:
        patched.setattr(PLACE, split)
        for max_iter in fits:
            quiet(model.set_params(max_iter=max_iter), X, y)
    return model, X, y, held_out[-1]


@far_away
@pytest.mark.parametrize("share", [0.1, 0.25])
@pytest.mark.parametrize("seed", [0, np.int64(3)], ids=str)
@pytest.mark.parametrize("task", TASKS)
def test_rows_held_out_by_early_stopping_have_no_influence(task, seed, share, monkeypatch):
    case = Case(task, hidden=(4, 3))
    settings = {"random_state": seed, "validation_fraction": share, "batch_size": 20}
    model, X, y, rows = stopped(case, monkeypatch, **settings)
    explainer = explained(model, X, y)
    weights = explainer.objective_.weights.values[:, 0]
    assert np.array_equal(np.flatnonzero(weights == 0), rows)
    assert model.score(X[rows], y[rows]) == pytest.approx(model.best_validation_score_)
    effects = explainer.influence(X[:2], y[:2], kind="removal")
    assert not effects[:, rows].any()
    assert effects[:, weights > 0].any()
    n_kept, n_batches = N - len(rows), -(-(N - len(rows)) // 20)
    assert f"the {len(rows)} rows that early_stopping keeps" in explainer.report_.held
    assert f"and the penalty's strength in a pass of {n_batches} batches" in explainer.report_.held
    sizes = [20] * (n_kept // 20) + [n_kept % 20] * (n_kept % 20 > 0)
    strength = ALPHA * n_kept * np.mean(1.0 / np.array(sizes))
    assert explainer.objective_.penalty.strength.max() == pytest.approx(strength)


@pytest.mark.parametrize("task", ["number", "numbers"])
def test_rows_held_out_of_a_fit_that_went_on(task, monkeypatch):
    case = Case(task)
    model, X, y, rows = stopped(case, monkeypatch, fits=(2, 40), warm_start=True)
    weights = as_objective(model, X, y).weights.values[:, 0]
    assert np.array_equal(np.flatnonzero(weights == 0), rows)


def test_rows_held_out_of_a_fit_that_went_on_can_be_ambiguous():
    X = np.random.default_rng(0).standard_normal((N, 5))
    y = (X[:, 0] > 0).astype(int)
    X[:, 0] += 5.0 * (2 * y - 1)
    model = Case("binary").estimator(**{**STOPPED, "max_iter": 30, "warm_start": True})
    for _ in range(2):
        quiet(model, X, y)
    assert model.score(X, y) == model.best_validation_score_ == 1.0
    words = ["MLPClassifier got early_stopping=True and warm_start=True", "score is 1.0000"]
    with raises(ValueError, *words, "Fit with warm_start=False"):
        as_objective(model, X, y)


def test_lbfgs_holds_nothing_out():
    X, y = Case("binary").data(n=N)
    model = Case("binary").estimator(**CONVERGED, early_stopping=True).fit(X, y)
    objective = as_objective(model, X, y)
    assert (objective.weights.values == 1).all()
    assert objective.held == ""


@pytest.mark.parametrize("state", [None, np.random.RandomState(0)], ids=["None", "generator"])
def test_without_a_seed_nobody_can_tell_which_rows_are_held_out(state):
    X, y = Case("number").data(n=N)
    model = quiet(Case("number").estimator(**{**STOPPED, "random_state": state}), X, y)
    words = ["MLPRegressor got early_stopping=True and random_state=", "holds 10% of the rows out"]
    with raises(ValueError, *words, "random_state=0", "early_stopping=False"):
        explained(model, X, y)


def test_rows_in_another_order():
    X, y = Case("number").data(n=N)
    model = quiet(Case("number").estimator(**STOPPED), X, y)
    words = ["MLPRegressor got early_stopping=True", "its score is", "best_validation_score_"]
    with raises(ValueError, *words, "not the X and y, in the order", "sample_weight"):
        explained(model, X[::-1], y[::-1])


@needs_weights
def test_weights_in_a_fit_that_stopped_early():
    X, y = Case("number").data(n=N)
    weights = np.linspace(0.2, 3.0, N)
    model = quiet(Case("number").estimator(**STOPPED), X, y, sample_weight=weights)
    with raises(ValueError, "its score is", "fitted with sample_weight"):
        explained(model, X, y, sample_weight=weights)


def test_early_stopping_on_a_data_frame(recwarn):
    pandas = pytest.importorskip("pandas")
    X, y = numbered(Case("classes"))
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = quiet(Case("classes").estimator(**STOPPED), frame, pandas.Series(y))
    explainer = explained(model, frame, pandas.Series(y))
    want = as_objective(model, X, y).weights.values
    assert np.array_equal(explainer.objective_.weights.values, want)
    assert not [each for each in recwarn if "feature names" in str(each.message)]


# ------------------------------------------------------------------------------ labels, wrappers
def test_labels_of_any_sort():
    X, y = Case("classes").data(n=N)
    codes = np.unique(y, return_inverse=True)[1]
    answers = []
    for labels in (y, codes, codes - 1.0, y.astype(object)):
        model = MLPClassifier((4,), activation="tanh", random_state=0, **CONVERGED).fit(X, labels)
        explainer = explained(model, X, labels)
        answers.append(explainer.influence(X[:4], labels[:4], kind="removal"))
        agree = explainer.loo_predict() == model.predict(X)
        assert 0.6 < agree.mean() < 1.0
    for each in answers[1:]:
        assert_allclose(each, answers[0], rtol=1e-9)
    with raises(ValueError, "y_test contains labels that the model was not fitted on", "zebra"):
        explained(model, X, y).influence(X[:1], ["zebra"])


def test_two_of_three_columns_make_several_labels():
    X, y = Case("labels").data(n=N)
    model = MLPClassifier((4,), activation="tanh", random_state=0, **CONVERGED).fit(X, y[:, :2])
    explainer = explained(model, X, y[:, :2])
    assert explainer.influence(X[:3], y[:3, :2]).shape == (3, N)
    with raises(ValueError, "y_test has shape (3, 3)", "2 labels per row"):
        explainer.influence(X[:3], y[:3])


@far_away
def test_targets_of_another_number_of_columns():
    X, y = Case("numbers").data(n=N)
    model = MLPRegressor(hidden_layer_sizes=(4,), random_state=0, **CONVERGED).fit(X, y)
    with raises(ValueError, "y_test has 1 columns", "fitted on 2"):
        explained(model, X, y).influence(X[:3], y[:3, 0])


def test_pipelines_searches_and_frozen_networks():
    X, y = Case("classes").data(n=N)
    X = 3.0 * X + 1.0
    network = MLPClassifier((4,), activation="tanh", random_state=0, **CONVERGED)
    pipeline = make_pipeline(StandardScaler(), network)
    explainer = InfluenceExplainer(pipeline, n_jobs=1).fit(X, y)
    fitted = explainer.estimator_
    scaled = fitted[0].transform(X)
    want = explained(fitted[-1], scaled, y).influence(scaled[:4], y[:4], kind="removal")
    assert_allclose(explainer.influence(X[:4], y[:4], kind="removal"), want, rtol=1e-10)
    frozen = InfluenceExplainer(FrozenEstimator(fitted), n_jobs=1).fit(X, y)
    assert_allclose(frozen.influence(X[:4], y[:4], kind="removal"), want, rtol=1e-10)
    grid = {"mlpclassifier__alpha": [1.0]}
    search = InfluenceExplainer(GridSearchCV(pipeline, grid, cv=2), n_jobs=1).fit(X, y)
    assert_allclose(search.influence(X[:4], y[:4], kind="removal"), want, rtol=1e-10)
    assert search.report_.p == 5 * 4 + 4 + 4 * 3 + 3


def test_other_parameters_than_the_fitted_ones_are_warned_of():
    X, y = Case("number").data(n=N)
    model = MLPRegressor(hidden_layer_sizes=(4,), random_state=0, **CONVERGED).fit(X, y)
    other = moved(model, parameters(model) + 0.2)
    with pytest.warns(NotStationaryWarning, match="The fitted MLPRegressor is at no minimum"):
        explained(other, X, y)
