"""What an attack returns, and its pictures."""

import numpy as np
import pytest
from attacking import borderline, digits, digits_explainer
from numpy.testing import assert_allclose
from rows import make_data
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from test_display import check_readable

from skinfluence import InfluenceExplainer
from skinfluence.attack import LInfBall, TrainingSetAttack, vulnerability

N = 80


def attacked(n_tests=1, **settings):
    settings = {"step_size": 0.005, "project": LInfBall(0.1), "n_iter": 12, **settings}
    attack = TrainingSetAttack(digits_explainer(), **settings)
    return attack.attack(digits()[2][borderline()[1 : 1 + n_tests]])


@pytest.fixture(scope="module")
def single():
    return attacked()


def test_sizes_of_the_moves():
    data = make_data("three classes", N)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    explainer = InfluenceExplainer(pipeline).fit(3.0 * data.X, data.y)
    settings = {"n_rows": 2, "step_size": 0.1, "n_iter": 3}
    result = TrainingSetAttack(explainer, **settings).attack(data.X_test)
    raw = result.X_after - result.X_before
    scaled = raw / explainer.estimator_[0].scale_
    for got, moves, X in (
        (result.change_raw, raw, 3.0 * data.X),
        (result.change_model, scaled, explainer.estimator_[0].transform(3.0 * data.X)),
    ):
        assert_allclose(got.l2, np.linalg.norm(moves, axis=1))
        assert_allclose(got.linf, np.abs(moves).max(axis=1))
        centroids = np.stack([X[data.y == k].mean(axis=0) for k in range(3)])
        distances = X - centroids[data.y]
        relative = result.relative_change_raw if moves is raw else result.relative_change_model
        assert_allclose(relative.l2, got.l2 / np.linalg.norm(distances, axis=1).mean())
        assert_allclose(relative.linf, got.linf / np.abs(distances).max(axis=1).mean())


def test_regressors_have_no_centroid():
    data = make_data("regression", N)
    explainer = InfluenceExplainer(Ridge()).fit(data.X, data.y)
    result = TrainingSetAttack(explainer, n_iter=2).attack(data.X_test, data.y_test)
    assert np.isnan(result.relative_change_raw.l2).all()
    assert_allclose(result.predictions_before, explainer.predict(data.X_test))
    confirmed = result.confirm()
    assert not confirmed.flipped.any()
    assert_allclose(confirmed.predictions_after, result.predictions_after)
    assert np.isnan(confirmed.probabilities_after).all()
    assert "0 of 6 test rows flipped" in repr(confirmed)


def test_words(single):
    row, chances = single.rows[0], single.probability_history[[0, -1], 0]
    label = single.labels[0]
    lines = repr(single).splitlines()
    assert lines[0] == (
        f"AttackResult of 1 test row by 1 moved row: 1 flipped, stopped after {single.n_iter} "
        "steps (flipped)"
    )
    assert lines[1].startswith(f"training row {row}: moved by ")
    assert f"predicted {label} -> {single.predictions_after[0]}" in lines[2]
    assert f"probability of {label} {chances[0]:.3f} -> {chances[1]:.3f}" in lines[2]
    many = repr(attacked(5, n_rows=4, n_iter=1))
    assert "... and 1 more training row\n" in many
    assert many.endswith("... and 2 more test rows")


def test_frame(single):
    pytest.importorskip("pandas")
    frame = single.to_frame()
    moved = single.X_after != single.X_before
    assert len(frame) == moved.sum()
    assert frame["feature"].tolist() == np.flatnonzero(moved[0]).tolist()
    assert frame["after"].tolist() == single.X_after[moved].tolist()
    assert set(frame["row"]) == set(single.rows.tolist())


# ---------------------------------------------------------------------------------------- pictures
@pytest.fixture
def pictures():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    yield
    matplotlib.pyplot.close("all")


def test_history_and_features(single, pictures):
    display = single.plot()
    history, features = display.axes_
    line = history.lines[0]
    assert_allclose(line.get_ydata(), single.probability_history[:, 0])
    assert history.get_ylabel() == f"probability of label {single.labels[0]}"
    assert "1 of 1 flipped" in history.get_title()
    assert len(features.patches) == 12
    lengths = np.abs([bar.get_width() for bar in features.patches])
    assert_allclose(lengths, single.change_raw.linf[0])
    check_readable(display.figure_)


@pytest.mark.parametrize("n_rows", [1, 3])
def test_images(n_rows, pictures):
    result = attacked(2, n_rows=n_rows)
    display = result.plot(image_shape=(28, 28))
    assert len(display.axes_) == 1 + 3 * n_rows
    before, after = (display.axes_[i].images[0].get_array() for i in (1, 2))
    assert_allclose(before, result.X_before[0].reshape(28, 28))
    assert_allclose(after, result.X_after[0].reshape(28, 28))
    change = display.axes_[3].images[0]
    assert_allclose(change.get_array(), (after - before))
    assert_allclose(change.get_clim()[1], np.abs(after - before).max())
    check_readable(display.figure_)


def test_colour_images(pictures):
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 48)), np.arange(40) % 2
    explainer = InfluenceExplainer(LogisticRegression()).fit(X, y)
    result = TrainingSetAttack(explainer, n_iter=2, project=LInfBall(0.1)).attack(X[:1])
    display = result.plot(image_shape=(4, 4, 3))
    assert display.axes_[3].images[0].get_array().shape == (4, 4, 3)
    check_readable(display.figure_)


def test_history_on_given_axes(single, pictures):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert single.plot(ax).axes_ == [ax]
    many = attacked(8, n_iter=2).plot(ax)
    assert many.figure_ is ax.figure
    assert ax.get_ylabel() == "probability of the label"


def test_history_without_probabilities(pictures):
    data = make_data("regression", N)
    explainer = InfluenceExplainer(Ridge()).fit(data.X, data.y)
    result = TrainingSetAttack(explainer, n_iter=2, n_rows=2).attack(data.X_test, data.y_test)
    display = result.plot()
    assert "squared error" in display.axes_[0].get_ylabel()
    assert "row" in display.axes_[1].get_yticklabels()[0].get_text()
    check_readable(display.figure_)


def test_vulnerability(pictures):
    found = vulnerability(digits_explainer(), digits()[2])
    display = found.plot(most=6)
    lengths = [bar.get_width() for bar in display.axes_[0].patches]
    assert_allclose(lengths, np.sort(found.flip_distance)[:6])
    assert len(display.axes_[1].patches) == 6
    check_readable(display.figure_)


def test_a_kernel_width_follows_the_attacked_rows_in_a_fit_from_scratch():
    """As in the user's own fit; it is held where only the model is fitted again."""
    X, y, X_test, y_test = digits(30)
    explainer = InfluenceExplainer(SVC(C=1.0)).fit(X, y)
    attack = TrainingSetAttack(explainer, step_size=0.5, n_iter=2, target="decision")
    result = attack.attack(X_test[:2], y_test[:2])
    again = SVC(C=1.0).fit(result.X_attacked(), y)
    anew = result.confirm().estimator
    np.testing.assert_allclose(anew.decision_function(X_test), again.decision_function(X_test))
    width = 1.0 / (X.shape[1] * X.var())
    assert result.confirm(preprocessing="fixed").estimator.gamma == pytest.approx(width)
