"""Work items about softmax regression."""

from __future__ import annotations

import numpy as np

from . import data, peers
from .experts import Softmax
from .items import BLAS, NUMPY, OURS, Ask, Item, Task
from .linear_items import ours

TWO_CLASSES = "takes two classes alone"
INFLUENCE = ours(lambda e, t: e.influence(t.X_test, t.y_test))


def one_product(task: Task) -> Ask:
    """Of the Hessian with all directions."""
    n_directions = len(task.model.classes_) * task.X_test.shape[0]
    directions = np.ones((task.X.shape[1], n_directions))
    return lambda: task.X.T @ (task.X @ directions)


def hessian_blocks(task: Task) -> Ask:
    """The 45 blocks of ten classes, and a factorisation's product for each row's gradient."""
    X, k = task.X, len(task.model.classes_)
    free = np.ones((X.shape[1], X.shape[1] * (k - 1)))

    def ask() -> np.ndarray:
        blocks = [X.T @ X for _ in range(k * (k - 1) // 2)]
        for _ in range(k - 1):
            blocks[0] = X @ free
        return blocks[0]

    return ask


ITEMS = [
    Item(
        "softmax-influence",
        "softmax regression, MNIST, n = 55,000, d = 784, K = 10",
        "influence of all rows on 30 test losses",
        data.mnist,
        {
            OURS: INFLUENCE,
            NUMPY: lambda task: lambda: Softmax(task).influence(),
            BLAS: one_product,
            "pyinfluence": TWO_CLASSES,
            "pyDVL": "see the smaller one below",
        },
        in_summary=True,
        limit="one product of the Hessian with 30 directions",
        repeats=2,
        remark="NumPy: stacked conjugate gradients without a preconditioner.",
    ),
    Item(
        "softmax-influence-part",
        "softmax regression, MNIST, n = 10,000, d = 784, K = 10",
        "influence of all rows on 10 test losses",
        data.mnist_part,
        {
            OURS: INFLUENCE,
            NUMPY: lambda task: lambda: Softmax(task).influence(),
            BLAS: one_product,
            "pyDVL (block CG)": peers.pydvl_influence("CgInfluence"),
            "pyinfluence": TWO_CLASSES,
            "torch-influence": peers.torch_influence,
        },
        limit="one product of the Hessian with 10 directions",
        repeats=3,
    ),
    Item(
        "softmax-self",
        "softmax regression, MNIST, n = 10,000, d = 784, K = 10",
        "self-influence of all rows, p = 7,840",
        data.mnist_part,
        {
            OURS: ours(lambda e, t: e.self_influence()),
            NUMPY: lambda task: lambda: Softmax(task).self_influence(),
            BLAS: hessian_blocks,
            "pyinfluence": TWO_CLASSES,
            "pyDVL": "its direct method takes p products by automatic differentiation, for hours",
        },
        in_summary=True,
        limit="45 × XᵀX, and X times a d × (K − 1)d matrix, K − 1 times",
        repeats=1,
    ),
]
