"""Correlation and slope of predicted against actual changes, and fast exact refits."""

from __future__ import annotations

import numpy as np


def agreement(predicted: np.ndarray, actual: np.ndarray) -> str:
    """Pearson's r and the slope of predicted on actual, through the origin's neighbourhood."""
    predicted, actual = np.ravel(predicted), np.ravel(actual)
    correlation = np.corrcoef(predicted, actual)[0, 1]
    slope = np.polyfit(actual, predicted, 1)[0]
    return f"correlation {correlation:.5f}  slope {slope:.4f}"


def strongest(effects: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k largest effects by size."""
    return np.argsort(-np.abs(effects), kind="stable")[:k]
