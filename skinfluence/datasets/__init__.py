"""Data sets for examples, tests and the experiments of Koh & Liang (2017).

`load_spambase` and `load_mnist17` read small sets that come with the package. The ``fetch_``
functions read larger sets from the folder that the environment variable ``SKINFLUENCE_DATA``
names or, where an equivalent is online, from scikit-learn's download cache.
"""

from __future__ import annotations

from skinfluence.datasets._diabetes130 import fetch_diabetes130
from skinfluence.datasets._embedded import load_mnist17, load_spambase
from skinfluence.datasets._images import fetch_dogfish, fetch_mnist
from skinfluence.datasets._text import fetch_enron1, fetch_newsgroups20

__all__ = [
    "fetch_diabetes130",
    "fetch_dogfish",
    "fetch_enron1",
    "fetch_mnist",
    "fetch_newsgroups20",
    "load_mnist17",
    "load_spambase",
]
