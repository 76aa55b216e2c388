"""For tests of messages: rows that fit no error, and a matcher of words."""

import re

import numpy as np
import pytest

N, D = 40, 3


def make_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D))
    y = (X[:, 0] + rng.standard_normal(N) > 0).astype(int)
    return X, y, X @ np.arange(1.0, D + 1) + rng.standard_normal(N)


X, Y, TARGETS = make_rows()
NAN_X = np.where(np.arange(D) == 1, np.nan, X)


def raises(error, *words):
    """Expect an error whose message has all these words, in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(word) for word in words))
