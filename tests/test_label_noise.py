"""How probable it is that a label is right: counts of errors, Bayes' rule, two judges."""

from __future__ import annotations

import numpy as np

from skinfluence.label_noise import (
    PRIOR_ROWS,
    pooled_probabilities,
    transition_matrix,
    true_label_probabilities,
)


def test_transitions_are_counted():
    """Probabilities that tell the true class, of labels of which some were moved by hand."""
    true = np.repeat([0, 1, 2], [100, 200, 300])
    given = true.copy()
    given[:30] = 1
    given[100:120] = 2
    transition = transition_matrix(np.eye(3)[true] * 0.8 + 0.1 / 1.5, given)
    # Above one standard error, what goes one way stays; the rest is alike for all pairs.
    stays = 30 - np.sqrt(30), 20 - np.sqrt(20)
    rest = (np.sqrt(30) + np.sqrt(20)) / 6
    expected = np.array([[70, stays[0], 0], [0, 180, stays[1]], [0, 0, 300]])
    expected[~np.eye(3, dtype=bool)] += rest
    prior = np.full((3, 3), 50 / 600 / 2)
    np.fill_diagonal(prior, 550 / 600)
    expected += PRIOR_ROWS * 3 * prior
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(transition, expected, rtol=1e-12)


def test_two_classes_have_no_other_pair():
    true = np.repeat([0, 1], [100, 300])
    given = true.copy()
    given[:30], given[100:110] = 1, 0
    transition = transition_matrix(np.eye(2)[true] * 0.8 + 0.1, given)
    expected = np.array([[70, 30], [10, 290]]) + PRIOR_ROWS * 2 * np.array([[0.9, 0.1], [0.1, 0.9]])
    np.testing.assert_allclose(transition, expected / expected.sum(axis=1, keepdims=True))


def test_what_goes_both_ways_is_no_habit_of_labels():
    """Three classes; 0 and 1 are taken for each other, 2 for 0 alone."""
    true = np.repeat([0, 1, 2], 1000)
    given = true.copy()
    given[:100], given[1000:1100], given[2000:2100] = 1, 0, 0
    transition = transition_matrix(np.eye(3)[true] * 0.8 + 0.1 / 1.5, given)
    alike = [transition[j, k] for j, k in ((0, 1), (0, 2), (1, 0), (1, 2), (2, 1))]
    np.testing.assert_allclose(alike, alike[0], rtol=0.1)
    assert transition[2, 0] > 2 * max(alike)


def test_two_judges_are_heard_alike():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(2), 20), rng.dirichlet(np.ones(2), 20)

    def log_odds(probabilities):
        return np.log(probabilities[:, 0] / probabilities[:, 1])

    pooled = pooled_probabilities(p, q)
    np.testing.assert_allclose(log_odds(pooled), (log_odds(p) + log_odds(q)) / 2)
    np.testing.assert_allclose(pooled.sum(axis=1), 1.0)
    apart = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    np.testing.assert_array_equal(pooled_probabilities(*apart), apart[0])


def test_probabilities_by_bayes_rule():
    rng = np.random.default_rng(0)
    p, T = rng.dirichlet(np.ones(3), 50), rng.dirichlet(np.ones(3), 3)
    codes = rng.integers(3, size=50)
    got = true_label_probabilities(p, codes, T)
    for i in range(50):
        joint = [p[i, j] * T[j, codes[i]] for j in range(3)]
        np.testing.assert_allclose(got[i], joint / np.sum(joint), rtol=1e-12)
    # Where no class explains the label, what the model says stands.
    np.testing.assert_array_equal(
        true_label_probabilities(np.array([[1.0, 0.0]]), np.array([1]), np.eye(2)), [[1.0, 0.0]]
    )
