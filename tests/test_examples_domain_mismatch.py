"""The example of Section 5.3, on the real data: the children come first, and refits agree."""

import os

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scripts import example_module
from sklearn.base import clone

from skinfluence.datasets import fetch_diabetes130

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def example():
    with example_module("paper/section53_domain_mismatch") as module:
        yield module


@pytest.fixture(scope="module")
def data():
    if not os.environ.get("SKINFLUENCE_DATA"):
        pytest.skip("SKINFLUENCE_DATA does not name the folder with the data sets")
    return fetch_diabetes130(download_if_missing=False)


@pytest.fixture(scope="module")
def child(example, data):
    return data.data[:, list(data.feature_names).index(example.CHILD)] == 1


@pytest.fixture(scope="module")
def before(example, data):
    return example.hospital(data, np.arange(len(data.target)))


@pytest.fixture(scope="module")
def after(example, data, child):
    return example.hospital(data, example.kept_rows(data.target, child))


@pytest.fixture(scope="module")
def wrong(after, data):
    """Children of the test set that the model gets wrong."""
    tests = np.flatnonzero(data.test_data[:, after.feature])
    return tests[after.explainer.predict(data.test_data[tests]) != data.test_target[tests]]


@pytest.fixture(scope="module")
def asked(example, data, wrong):
    rows = example.drawn(wrong, example.AUTHORS_ROW)
    return data.test_data[rows], data.test_target[rows]


@pytest.fixture(scope="module")
def found(example, after, asked):
    return example.agreement(after, *asked)


@pytest.fixture(scope="module")
def gradients(after, asked):
    return after.explainer.perturbation_gradient(*asked, indices=after.children)


def test_all_but_one_of_the_others_are_filtered(example, data, child):
    rows = example.kept_rows(data.target, child)
    gone = np.setdiff1d(np.arange(len(child)), rows)
    assert len(gone) == 20
    assert child[gone].all()
    assert not data.target[gone].any()
    assert gone.max() < rows[child[rows] & (data.target[rows] == 0)].item()
    assert data.target[rows][child[rows]].tolist() == [1, 1, 1, 0]


def test_the_models_are_at_their_optimum(before, after):
    for model in (before, after):
        assert model.explainer.report_.relative_step < 1e-8
        logistic = model.explainer.estimator_[-1]
        assert pytest.approx(1e-4) == 1.0 / (len(model.y) * logistic.C)
        assert not logistic.intercept_.any()
        assert model.X[model.children, model.feature].all()
        decisions = model.explainer.decision_function(model.X[:50])
        assert_allclose(model.X[:50] @ model.coef, decisions, rtol=1e-8, atol=1e-12)


def test_the_filter_makes_it_fail_on_children(before, data, wrong):
    tests = np.flatnonzero(data.test_data[:, before.feature])
    assert before.explainer.score(data.test_data[tests], data.test_target[tests]) == 1.0
    assert 0.15 < len(wrong) / len(tests) < 0.5


def test_drawing_is_repeatable_and_without_replacement(example, wrong):
    rows = example.drawn(wrong, wrong[3])
    assert rows[0] == wrong[3]
    assert len(np.unique(rows)) == len(rows) == example.ASKED
    assert np.isin(rows, wrong).all()
    assert_array_equal(rows, example.drawn(wrong, wrong[3]))
    assert not np.array_equal(rows, example.drawn(wrong, wrong[3], seed=1))


@pytest.mark.parametrize("kind", ["upweight", "removal"])
def test_the_children_come_first_and_do_as_their_labels_say(example, after, asked, kind):
    values = example.effects(after, *asked, kind)
    assert values.shape == (example.ASKED, len(after.y))
    assert (example.leads(values, after.children) > 1).all()
    first = np.argsort(-np.abs(values), axis=1)[:, : len(after.children)]
    assert_array_equal(np.sort(first, axis=1), np.tile(after.children, (example.ASKED, 1)))
    for row, label in zip(after.children, after.y[after.children], strict=True):
        assert ((values[:, row] > 0) == (label == asked[1])).all()  # the same label helps


def test_leads_by_hand(example):
    values = np.array([[1.0, -8.0, 2.0, -4.0], [-3.0, 3.0, 1.0, 0.5]])
    assert_allclose(example.leads(values, np.array([2, 1])), [[0.5, 2.0], [1 / 3, 1.0]])


def test_standing_by_hand(example):
    share, squares, larger = example.standing(np.array([[3.0, 0.0, -4.0], [1.0, 2.0, 2.0]]), 0)
    assert_allclose(share, [0.6, 1 / 3])
    assert_allclose(squares, [0.36, 1 / 9])
    assert_array_equal(larger, [1, 2])


def test_the_indicator_stands_out_in_the_gradient(example, after, gradients):
    shares = [example.standing(gradients, feature) for feature in range(len(after.names))]
    for share, squares, larger in shares:
        assert ((share >= 0) & (share <= 1)).all()
        assert ((larger >= 0) & (larger < len(after.names))).all()
        assert_allclose(squares, share**2)
    assert_allclose(sum(squares for _, squares, _ in shares), 1.0)
    share, _, larger = shares[after.feature]
    assert share.min() > 0.1
    assert larger.max() < min(example.larger_coefs(after))


def test_the_gradient_predicts_a_move(after, asked, gradients):
    """Of the child indicator, in raw units, with the model fitted anew."""
    X, y = asked[0][:1], int(asked[1][0])
    step, at = -1e-2, 2  # downwards: the largest value scales the column
    losses = []
    for size in (0.0, step):
        moved = after.X.copy()
        moved[after.children[at], after.feature] += size
        fitted = clone(after.explainer.estimator).fit(moved, after.y)
        losses.append(-np.log(fitted.predict_proba(X)[0, y]))
    slope = gradients[0, at, after.feature] / len(after.y)
    assert losses[1] - losses[0] == pytest.approx(slope * step, rel=0.02)


def test_refits_agree(example, after, found):
    assert list(found) == list(example.KINDS)
    rows = found["removal"].indices
    assert_array_equal(rows[: len(after.children)], after.children)
    assert len(np.unique(rows)) == len(rows) > len(after.children) + example.NEXT
    assert abs(found["removal"].slope - 1.0) < 0.05
    assert abs(found["upweight"].slope - 1.0) < 0.15
    assert abs(found["refit"].slope - 1.0) < 1e-3
    assert min(verified.correlation for verified in found.values()) > 0.99
    for verified in found.values():
        others = np.abs(verified.predicted[:, len(after.children) :]).max()
        assert np.abs(verified.actual[:, len(after.children) :]).max() == pytest.approx(others, 0.1)


def test_a_refit_is_one(after, asked, found):
    kept = np.delete(np.arange(len(after.y)), after.children[0])
    losses = []
    for rows in (kept, slice(None)):
        fitted = clone(after.explainer.estimator).fit(after.X[rows], after.y[rows])
        losses.append(-np.log(fitted.predict_proba(asked[0])[:, 0]))
    assert_allclose(found["refit"].actual[:, 0], losses[0] - losses[1], rtol=1e-6)


def test_the_authors_rows(example, data, child):
    """On columns as they are, theirs come first, with nearly their effects."""
    model = example.hospital(data, example.kept_rows(data.target, child), scaled=False)
    row = [example.AUTHORS_ROW]
    values = example.effects(model, data.test_data[row], data.test_target[row], "upweight")[0]
    harmful = [number for number, effect in example.AUTHORS.items() if effect < 0]
    assert np.isin(harmful, np.argsort(values)[:10]).all()
    assert set(model.children) <= set(example.AUTHORS)
    theirs = np.array(list(example.AUTHORS.values()))
    ours = values[list(example.AUTHORS)]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99
    assert_array_equal(np.sign(ours), np.sign(theirs))


def test_before_and_after(example, before, after, asked):
    then, now = (example.compare(model, *asked) for model in (before, after))
    assert list(then) == list(now)
    key = "training children, readmitted / not"
    assert (list(then[key]), list(now[key])) == ([3, 21], [3, 1])
    key = "test children that the model gets wrong"
    assert (list(then[key]), list(now[key])) == ([0], [example.ASKED])
    for kind in ("upweight", "removal"):
        assert now[f"all children first, {kind}"] == [example.ASKED]
    key = "change of the loss without the child"
    assert np.all(np.abs(now[key]) > np.abs(then[key]))
    assert now[key][0] < 0 < now[key][1]


def test_the_tables_and_words(example, after, found, gradients):
    n, (actual, *_) = len(after.children) + example.NEXT, found["removal"].actual
    head, *lines = example.effects_table(after, found, authors=False).splitlines()
    assert head.split() == ["row", "age", *example.KINDS, "refitted"]
    for line, row, change in zip(lines[:n], found["removal"].indices, actual, strict=False):
        assert line.split()[0] == str(row)
        assert line.endswith(f"{change:+.5f}")
        assert ("not readmitted" in line) == (after.y[row] == 0)
    gradient_table = example.gradient_table(after, gradients[0]).splitlines()
    # Columns are below their names.
    assert len({len(line) for line in (head, *lines[:n])}) == 1
    assert len({len(line) for line in gradient_table}) == 1
    words = " ".join(example.in_words(after, found, gradients[0]).split())
    assert "By refits 3 of 3 readmitted children harm, and 1 of 1" in words
    raw, scaled = example.larger_coefs(after)
    assert f"{raw} / {scaled} (raw / as the model sees them) have a larger |coefficient|" in words


def test_it_draws_and_tells(example, data, capsys, monkeypatch, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(example, "ASKED", 2)  # fewer refits
    output = tmp_path / "picture.png"
    example.main(["--unscaled", "--output", str(output)])
    plt.close("all")
    assert output.stat().st_size > 10**4
    told = capsys.readouterr().out
    assert "accuracy on 137 test children, lambda: all rows 100.0%, filtered" in told
    assert "the authors" in told


def test_another_test_row_must_be_such_a_child(example, data, capsys):
    with pytest.raises(SystemExit):
        example.main(["--test-row", "0"])
    assert "test row 0 is no child that the model gets wrong" in capsys.readouterr().err
