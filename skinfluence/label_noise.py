"""How probable it is that a given label is right, under label noise that depends on the class.

Given class probabilities p of models that have not seen a row, and the transition matrix
T_jk = P(given k | true j),

    P(true j | x, given k) = p_j T_jk / Σ_h p_h T_hk.
"""

from __future__ import annotations

import numpy as np

from .curvature import Array

# By how many standard errors more labels have to go one way than the other to be no accident.
STANDARD_ERRORS = 1.0
# Of a prior of that many rows for each pair of classes, in which wrong labels are as many as in all
# and any label is taken for any other alike. Counts of many classes are too few to do without.
PRIOR_ROWS = 10.0


def transition_matrix(probabilities: Array, codes: Array) -> Array:
    """T_jk = P(given k | true j), (K, K), by the confident joint.

    A row counts as one of class j if j is the most probable of the classes whose probability
    is at least what rows given that label have of it on average (Northcutt, Jiang & Chuang,
    "Confident Learning", JAIR 2021, Section 3.1). Expectation–maximisation would take for noise
    what the model can't fit; these counts are much less moved by that. Of more than two classes,
    what goes from j to k as often as from k to j says that the two lie near each other, where
    a model errs as labels do; it is spread over all pairs.

    Parameters
    ----------
    probabilities : ndarray of shape (n, K)
        Of models that have not seen the row.
    codes : ndarray of int of shape (n,)
        Given labels.
    """
    n_classes = probabilities.shape[1]
    given = np.bincount(codes, minlength=n_classes)
    own = probabilities[np.arange(len(codes)), codes]
    thresholds = np.bincount(codes, own, n_classes) / np.maximum(given, 1)
    # A mean of equal numbers may be above them by rounding.
    above = np.where(probabilities >= thresholds * (1.0 - 1e-12), probabilities, -1.0)
    likely = above.argmax(axis=1)
    counted = above.max(axis=1) >= 0
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (likely[counted], codes[counted]), 1.0)
    joint *= given / np.maximum(joint.sum(axis=0), 1.0)
    if n_classes > 2:
        joint = _spread_both_ways(joint)
    wrong = max(1.0 - np.trace(joint) / joint.sum(), 1.0 / len(codes))
    # A label that is further from the truth than chance would be no label.
    wrong = min(wrong, 0.5 * (n_classes - 1) / n_classes)
    other = wrong / max(n_classes - 1, 1)
    prior = np.where(np.eye(n_classes, dtype=bool), 1.0 - wrong, other)
    joint += PRIOR_ROWS * n_classes * prior
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _spread_both_ways(joint: Array) -> Array:
    """Counts (true, given), of which only what goes one way stays with its pair of classes."""
    error = STANDARD_ERRORS * np.sqrt(joint + joint.T)
    one_way = np.maximum(joint - joint.T - error, 0.0)
    pairs = ~np.eye(len(joint), dtype=bool)
    both_ways = (joint - one_way)[pairs].mean()
    return np.where(pairs, one_way + both_ways, joint)


def true_label_probabilities(probabilities: Array, codes: Array, transition: Array) -> Array:
    """P(true j | x, given label), (n, K)."""
    joint = probabilities * transition[:, codes].T
    total = joint.sum(axis=1, keepdims=True)
    # Where no class explains the row, what the model says stands.
    return np.asarray(np.where(total > 0, joint, probabilities) / np.where(total > 0, total, 1.0))


def pooled_probabilities(one: Array, other: Array) -> Array:
    """Two judges heard alike, (n, K): √(p q) in proportion, the mean of their log-odds."""
    pooled = np.sqrt(one) * np.sqrt(other)
    total = pooled.sum(axis=1, keepdims=True)
    # Where they agree on nothing, the first stands.
    return np.asarray(np.where(total > 0, pooled, one) / np.where(total > 0, total, 1.0))
