"""The example of Section 2.3: its formula is the explainer's, and its figures are what they say."""

import numpy as np
import pytest
from scipy.special import expit
from scripts import example_module

VARIANTS = ("NO_LOSS", "NO_HESSIAN", "PRODUCT", "NEARNESS")


@pytest.fixture(scope="module")
def example():
    with example_module("paper/figure1_ingredients_of_influence") as module:
        yield module


@pytest.fixture(scope="module")
def digits(example):
    return example.digits_1_and_7()


@pytest.fixture(scope="module")
def explainer(example, digits):
    return example.explained(*digits[:2])


@pytest.fixture(scope="module")
def question(explainer, digits):
    """Training rows, their labels, the first misclassified test image and its label."""
    X, y, X_test, y_test = digits
    row = np.flatnonzero(explainer.predict(X_test) != y_test)[0]
    return X, y, X_test[row], int(y_test[row])


@pytest.fixture(scope="module")
def measured(example, explainer, question):
    return example.measures(explainer, *question)


def test_the_formula_is_what_the_explainer_computes(example, explainer, question, measured):
    by_hand = example.by_hand(explainer.estimator_, *question)
    apart = example.disagreement(measured, by_hand)
    assert set(apart) == {example.INFLUENCE, example.NO_LOSS}
    assert max(apart.values()) < 1e-8
    for name in apart:
        largest = np.abs(by_hand[name]).max()
        np.testing.assert_allclose(measured[name], by_hand[name], rtol=0, atol=1e-8 * largest)


def test_disagreement_is_seen(example, explainer, question, measured):
    by_hand = example.by_hand(explainer.estimator_, *question)
    by_hand[example.INFLUENCE] = -by_hand[example.INFLUENCE]
    apart = example.disagreement(measured, by_hand)
    assert apart[example.INFLUENCE] == pytest.approx(2.0)
    assert apart[example.NO_LOSS] < 1e-8


def test_the_ingredients_multiply_to_influence(example, explainer, question, measured):
    X, y, *_ = question
    training_loss = expit(-example.margins(explainer, X, y)[1])
    without, product = measured[example.NO_LOSS], measured[example.PRODUCT]
    np.testing.assert_allclose(without * training_loss, measured[example.INFLUENCE], rtol=1e-12)
    np.testing.assert_allclose(product * training_loss, measured[example.NO_HESSIAN], rtol=1e-12)
    # Pixels are never negative: without the inverse Hessian the class is the sign.
    assert np.array_equal(product > 0, y == question[-1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_is_another_order(example, measured, variant):
    values = measured[getattr(example, variant)]
    assert abs(example.rank_correlation(values, measured[example.INFLUENCE])) < 0.999


def test_only_influence_predicts_the_refits(example, explainer, question, measured):
    _, y, x, label = question
    refit = explainer.influence(x[None], [label], kind="refit")[0]
    first, *others = example.compare(measured, y == label, refit)
    assert first["measure"] == example.INFLUENCE
    assert first["refit"] > 0.999
    assert first["helpful"] == first["harmful"] == example.K
    assert len(others) == len(VARIANTS)
    assert max(line["refit"] for line in others) < 0.9
    table = example.report([first, *others]).splitlines()
    assert len({len(line) for line in table}) == 1  # columns are below their names
    assert [line[:30].rstrip() for line in table[2:]] == list(measured)


def test_the_words_count_right(example, explainer, question, measured):
    X, y, _, label = question
    same, influence = y == label, measured[example.INFLUENCE]
    words = example.in_words(measured, same, expit(-example.margins(explainer, X, y)[1]), label)
    words = " ".join(words.split())
    harmed = f"{np.sum(influence[same] <= 0)} of {same.sum()} {label}s harm this image"
    assert harmed in words
    nearest = np.argsort(np.linalg.norm(X - question[2], axis=1))[: example.K]
    assert f"{same[nearest].sum()} of the {example.K} nearest rows are {label}s" in words


def test_the_nearest_are_drawn_by_class(example, question, measured):
    same = question[1] == question[-1]
    kin, others = example.first_rows(example.NEARNESS, measured[example.NEARNESS], same)
    assert same[kin].all()
    assert not same[others].any()
    helpful, harmful = example.first_rows(example.INFLUENCE, measured[example.INFLUENCE], same)
    assert (
        measured[example.INFLUENCE][helpful].min() > 0 > measured[example.INFLUENCE][harmful].max()
    )


def test_it_is_repeatable(example, digits, question, measured):
    again = example.measures(example.explained(*digits[:2]), *question)
    assert list(again) == list(measured)
    for name, values in measured.items():
        np.testing.assert_array_equal(again[name], values)
