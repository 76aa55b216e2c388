"""Training rows with flipped labels, and models of what is left of them, to clean."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

MODEL = LogisticRegression(tol=1e-10, max_iter=1000)


def split():
    """Standardised training rows, their labels, test rows, their labels."""
    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = StandardScaler().fit_transform(X)[order], y[order]
    return X[:300], y[:300], X[300:], y[300:]


X, CLEAN, X_TEST, Y_TEST = split()
FLIPPED = np.random.default_rng(1).choice(300, 45, replace=False)
Y = CLEAN.copy()
Y[FLIPPED] = 1 - Y[FLIPPED]
WEIGHTS = np.random.default_rng(2).uniform(0.5, 2.0, 300)
FRAME = pd.DataFrame(X, columns=[f"feature {j}" for j in range(30)])
FRAME.index = [f"patient {i}" for i in range(300)]


def positions_of(cleaner):
    return np.asarray(cleaner.suspects_["position"])


def agree(cleaner, expected, X_test=X_TEST):
    """The model in it is scikit-learn's own."""
    np.testing.assert_allclose(cleaner.estimator_.coef_, expected.coef_, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(cleaner.predict(X_test), expected.predict(X_test))
