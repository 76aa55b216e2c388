"""What ``explain`` returns: the right rows in the right order, in words and tables."""

import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from skinfluence import Explanation, InfluenceExplainer, effects
from skinfluence.blocks import row_blocks
from skinfluence.explanation import TopRows

K = 5


def make_rows(n=90, n_test=7):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + n_test, 3))
    signal = X @ [1.0, -1.0, 0.5]
    y = (signal + rng.logistic(size=len(X)) > 0).astype(int)
    return X, y, signal + rng.standard_normal(len(X))


X, LABELS, TARGETS = make_rows()
MODELS = {
    "binary": (LogisticRegression(), LABELS),
    "three classes": (LogisticRegression(), LABELS + (X[:, 2] > 0.5)),
    "hinge": (LinearSVC(C=0.1, random_state=0), LABELS),
    "regressor": (Ridge(), TARGETS),
}
KINDS = ("removal", "upweight")


@pytest.fixture(scope="module")
def explainers():
    return {
        name: InfluenceExplainer(model).fit(X[:-7], y[:-7]) for name, (model, y) in MODELS.items()
    }


def check_against_influence(explanation, influence, larger_is_helpful, k=K):
    """The lists are the ends of each row of the influence matrix."""
    order = np.argsort(-influence if larger_is_helpful else influence, axis=1, kind="stable")
    np.testing.assert_array_equal(explanation.helpful_indices, order[:, :k])
    np.testing.assert_array_equal(explanation.harmful_indices, order[:, ::-1][:, :k])
    for indices, found in (
        (explanation.helpful_indices, explanation.helpful_effects),
        (explanation.harmful_indices, explanation.harmful_effects),
        (explanation.indices, explanation.effects),
    ):
        np.testing.assert_allclose(found, np.take_along_axis(influence, indices, axis=1))
    assert (np.diff(abs(explanation.effects), axis=1) <= 0).all()
    both = np.concatenate([explanation.helpful_indices, explanation.harmful_indices], axis=1)
    np.testing.assert_array_equal(np.sort(explanation.indices), np.sort(both))
    assert explanation.indices.shape == (len(influence), 2 * k)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labelled", [True, False])
def test_lists_are_the_ends_of_the_influence_matrix(explainers, name, kind, labelled):
    explainer, y = explainers[name], MODELS[name][1]
    y_test = y[-7:] if labelled else None
    explanation = explainer.explain(X[-7:], y_test, k=K, kind=kind)
    target = "prediction" if name == "regressor" and not labelled else "loss"
    influence = explainer.influence(X[-7:], y_test, kind=kind, target=target)
    # Removing a helpful row raises the loss and lowers the value that it argues for.
    check_against_influence(explanation, influence, (kind == "removal") == (target == "loss"))
    assert isinstance(explanation, Explanation)
    assert (explanation.kind, explanation.target) == (kind, target)
    if target == "prediction":
        assert explanation.labels is None
    else:
        expected = y[-7:] if labelled else explainer.predict(X[-7:])
        np.testing.assert_array_equal(explanation.labels, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_helpful_rows_speak_for_the_explained_label(explainers, kind):
    """One feature decides: rows on the same side with the same label help."""
    x = np.linspace(-2.0, 2.0, 40)[:, None]
    explainer = InfluenceExplainer(LogisticRegression()).fit(x, (x[:, 0] > 0.1).astype(int))
    explanation = explainer.explain([[0.3]], [1], k=3, kind=kind)
    assert (x[explanation.helpful_indices[0], 0] > 0.1).all()
    assert (x[explanation.harmful_indices[0], 0] <= 0.1).all()
    sign = 1 if kind == "removal" else -1
    assert (sign * explanation.helpful_effects > 0).all()
    assert (sign * explanation.harmful_effects < 0).all()


def test_helpful_rows_pull_a_prediction_up():
    x, y = np.zeros((6, 1)), np.array([0.0, 1.0, 2.0, 3.0, 4.0, 50.0])
    for kind in KINDS:
        explanation = InfluenceExplainer(Ridge()).fit(x, y).explain([[0.0]], k=1, kind=kind)
        assert explanation.helpful_indices.tolist() == [[5]]
        assert explanation.harmful_indices.tolist() == [[0]]
    without = explanation.training_y[:5].mean() - y.mean()
    effect = InfluenceExplainer(Ridge()).fit(x, y).explain([[0.0]], k=1).helpful_effects[0, 0]
    np.testing.assert_allclose(effect, without)


# ------------------------------------------------------------------------ ties and streaming
@pytest.mark.parametrize("block", [1, 3, 10, 64])
@pytest.mark.parametrize("k", [1, 4, 20])
def test_ties_go_to_the_lower_row(block, k):
    values = np.random.default_rng(0).integers(-3, 4, size=(5, 64)).astype(float)
    top = TopRows(5, k)
    for start in np.random.default_rng(1).permutation(np.arange(0, 64, block)):
        for tests in (slice(0, 2), slice(2, 5)):
            positions = slice(int(start), int(min(start + block, 64)))
            top.update(tests, positions, values[tests, positions])
    for test, row in enumerate(values):
        for kept, keys in ((top.largest, -row), (top.smallest, row)):
            order = np.lexsort((np.arange(64), keys))[:k]
            np.testing.assert_array_equal(kept[test][0], order)
            np.testing.assert_array_equal(kept[test][1], row[order])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_result_does_not_depend_on_blocks(explainers, name, kind, monkeypatch):
    explainer, y = explainers[name], MODELS[name][1]
    whole = explainer.explain(X[-7:], y[-7:], k=40, kind=kind)
    monkeypatch.setitem(row_blocks.__kwdefaults__, "limit", 900)
    monkeypatch.setattr(effects, "DIRECTION_BYTES", 400)
    fresh = InfluenceExplainer(explainer.estimator_, prefit=True).fit(X[:-7], y[:-7])
    parts = fresh.explain(X[-7:], y[-7:], k=40, kind=kind)
    if name == "hinge":  # rows beyond the margin have no influence at all: many ties
        assert (parts.effects == 0).sum() > 10
    for field in ("helpful_indices", "harmful_indices", "indices"):
        np.testing.assert_array_equal(getattr(parts, field), getattr(whole, field))
    np.testing.assert_allclose(parts.effects, whole.effects, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_matrix_of_all_effects_is_never_held(kind):
    n, n_test = 50_000, 800
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, 5))
    y = (rows[:, 0] + rng.logistic(size=n) > 0).astype(int)
    explainer = InfluenceExplainer(LogisticRegression()).fit(rows, y)
    tracemalloc.start()
    try:
        explanation = explainer.explain(rows[:n_test], k=3, kind=kind)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert explanation.indices.shape == (n_test, 6)
    # What it takes is a few blocks of 16 MiB, whatever the number of rows.
    assert peak < 8 * n * n_test / 2
    some = explainer.influence(rows[:9], kind=kind)
    np.testing.assert_array_equal(
        explanation.helpful_indices[:9, 0], (some if kind == "removal" else -some).argmax(axis=1)
    )


def test_rows_whose_removal_leaves_nothing_determined_are_left_out():
    rows = np.zeros((8, 2))
    rows[:7, 0], rows[7, 1] = np.arange(7), 1.0  # the last row alone has the second feature
    explainer = InfluenceExplainer(LinearRegression()).fit(rows, [1.0, 3, 2, 5, 4, 8, 5, 9])
    words = r"1 training rows have leverage 1 .*\[7\].*effects are NaN.*penalty"
    with pytest.warns(RuntimeWarning, match=words) as seen:
        explanation = explainer.explain(rows[:2], k=4)
    assert seen[0].filename == __file__
    assert 7 not in explanation.indices
    assert explanation.helpful_indices.shape == explanation.harmful_indices.shape == (2, 4)
    assert np.isfinite(explanation.effects).all()
    effects = explainer.influence(rows[:2], kind="removal", target="prediction")
    assert np.isnan(effects[:, 7]).all()
    assert np.isfinite(effects[:, :7]).all()


# ------------------------------------------------------------------------- words and tables
def test_repr(explainers):
    text = repr(explainers["binary"].explain(X[-5:], LABELS[-5:], k=7))
    assert text.startswith("Explanation of 5 test rows: 7 helpful and 7 harmful rows each\n")
    assert "change of the test row's loss, in log-loss (nats), when the row is removed" in text
    assert "refitted; positive = helpful" in text
    assert f"test row 0 (explained: {LABELS[-5]})" in text
    assert "... and 2 more test rows" in text
    assert text.count("helpful: row ") == text.count("harmful: row ") == 3
    assert text.count(", ...\n") == 6
    assert len(text.splitlines()) < 15
    one = repr(explainers["binary"].explain(X[-1:], k=1))
    assert one.startswith("Explanation of 1 test row: 1 helpful and 1 harmful rows each\n")
    assert "..." not in one


@pytest.mark.parametrize(
    "name, y_test, kind, words",
    [
        ("binary", None, "upweight", ["upweighting", "(log-loss (nats)); negative = helpful"]),
        ("hinge", None, "removal", ["squared hinge loss (margin units, squared)", "positive"]),
        ("regressor", TARGETS[-7:], "removal", ["squared error (unit of y, squared)", "positive"]),
        ("regressor", None, "removal", ["the predicted value", "removed", "negative = helpful"]),
        ("regressor", None, "upweight", ["the predicted value", "positive = helpful"]),
    ],
)
def test_sign_and_unit_are_said(explainers, name, y_test, kind, words):
    explanation = explainers[name].explain(X[-7:], y_test, k=2, kind=kind)
    for word in words:
        assert word in explanation.meaning
        assert word in repr(explanation)


def test_lists_have_no_index():
    explainer = InfluenceExplainer(LogisticRegression()).fit(X.tolist(), LABELS.tolist())
    explanation = explainer.explain(X[:2].tolist(), k=2)
    assert f"helpful: row {explanation.helpful_indices[0, 0]} " in repr(explanation)
    pytest.importorskip("pandas")
    assert explanation.to_frame()["row"].tolist()[:2] == explanation.helpful_indices[0].tolist()


def test_frame_of_arrays(explainers):
    pytest.importorskip("pandas")
    explanation = explainers["binary"].explain(X[-2:], LABELS[-2:], k=3)
    frame = explanation.to_frame()
    assert frame.columns.tolist() == ["test_row", "role", "rank", "row", "position", "effect", "y"]
    assert len(frame) == 2 * 2 * 3
    assert frame["test_row"].tolist() == [0] * 6 + [1] * 6
    assert frame["role"].tolist() == (["helpful"] * 3 + ["harmful"] * 3) * 2
    assert frame["rank"].tolist() == [1, 2, 3] * 4
    first = frame[(frame["test_row"] == 1) & (frame["role"] == "harmful")]
    assert first["position"].tolist() == explanation.harmful_indices[1].tolist()
    assert first["effect"].tolist() == explanation.harmful_effects[1].tolist()
    assert frame["row"].tolist() == frame["position"].tolist()
    assert frame["y"].tolist() == LABELS[frame["position"]].tolist()


def test_frame_of_frames():
    pandas = pytest.importorskip("pandas")
    names = [f"patient {i}" for i in range(len(X))]
    data = pandas.DataFrame(X, columns=["age", "dose", "weight"], index=names)
    labels = pandas.Series(np.where(LABELS > 0, "ill", "well"), index=names)
    explainer = InfluenceExplainer(LogisticRegression()).fit(data[:-7], labels[:-7])
    explanation = explainer.explain(data[-2:], k=3)
    frame = explanation.to_frame()
    assert frame.columns.tolist()[-4:] == ["y", "age", "dose", "weight"]
    assert frame["test_row"].unique().tolist() == names[-2:]
    assert frame["row"].tolist() == [names[i] for i in frame["position"]]
    assert frame["y"].tolist() == labels.iloc[frame["position"]].tolist()
    np.testing.assert_array_equal(frame[["age", "dose", "weight"]], X[frame["position"]])
    assert f"helpful: {frame['row'][0]} {frame['effect'][0]:+.2e}" in repr(explanation)
    assert f"(explained: {explainer.predict(data[-2:])[0]})" in repr(explanation)


def test_frame_of_many_outputs():
    pytest.importorskip("pandas")
    y = np.column_stack([TARGETS, LABELS])
    explanation = InfluenceExplainer(Ridge()).fit(X, y).explain(X[:1], y[:1], k=2)
    frame = explanation.to_frame()
    assert [list(row) for row in frame["y"]] == y[frame["position"]].tolist()
