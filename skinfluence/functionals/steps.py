"""Predicted classes as a smooth function of scores: a step becomes a sigmoid of some width."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, softmax

from ..curvature import Array


def soft_share(scores: Array, codes: Array, width: float) -> Array:
    """How far each row is predicted as a class, between 0 and 1.

    Parameters
    ----------
    scores : ndarray of shape (n, C) or (n, 1)
    codes : ndarray of shape (n,)
    width : float

    Returns
    -------
    ndarray of shape (n,)
        σ(±z / width), or softmax(z / width) at the class; a step as the width goes to 0.
    """
    if scores.shape[1] == 1:
        return np.asarray(expit(_signs(codes) * scores[:, 0] / width))
    return np.asarray(softmax(scores / width, axis=1)[np.arange(len(codes)), codes])


def soft_share_slope(scores: Array, codes: Array, width: float) -> Array:
    """Derivatives of ``soft_share`` by the scores, of their shape."""
    if scores.shape[1] == 1:
        share = soft_share(scores, codes, width)
        other = expit(-_signs(codes) * scores[:, 0] / width)
        return np.asarray((_signs(codes) * share * other / width)[:, None])
    every = softmax(scores / width, axis=1)
    own = np.eye(scores.shape[1])[codes]
    share = (every * own).sum(axis=1, keepdims=True)
    return np.asarray(share * (own - every) / width)


def _signs(codes: Array) -> Array:
    return np.where(codes == 1, 1.0, -1.0)
