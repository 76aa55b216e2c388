"""Work items about kernel machines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cholesky
from sklearn.base import clone
from sklearn.svm import SVC

from . import data, peers
from .items import BLAS, NUMPY, OURS, Ask, Item, Task
from .kernel_experts import Ridge, SmoothSVM
from .linear_items import FIRST_ORDER, ours

RIDGE = "kernel ridge (RBF), spambase, n = 2,000, d = 57"
SUPPORT = "SVC (RBF), MNIST 3 vs. 8, n = 5,000, d = 784"
NO_HINGE = "has no hinge loss"


def expert(question: Callable[[SmoothSVM, Task, np.ndarray], np.ndarray]) -> Callable[[Task], Ask]:
    """The smooth machine's answer, with the test labels as signs."""

    def contender(task: Task) -> Ask:
        signs = np.where(task.y_test == task.model.classes_[1], 1.0, -1.0)
        return lambda: question(SmoothSVM(task.model, task.X, task.y), task, signs)

    return contender


def kernel_and_factor(task: Task) -> Ask:
    n = len(task.X)
    K = np.eye(n) + 1.0 / n

    return lambda: (task.X @ task.X.T, cholesky(K, lower=True, check_finite=False))[1]


def support_block(task: Task) -> Ask:
    direct = SmoothSVM(task.model, task.X, task.y)
    block, rows = direct.support_block(), direct.X
    return lambda: (rows @ rows.T, cholesky(block, lower=True, check_finite=False))[1]


def hinge(task: Task, model: SVC) -> np.ndarray:
    signs = np.where(task.y_test == task.model.classes_[1], 1.0, -1.0)
    values = model.decision_function(task.X_test)
    return np.maximum(0.0, 1.0 - signs * values)


def refits(task: Task) -> Ask:
    """SVC really fitted again, as tightly."""

    def ask() -> np.ndarray:
        before, changes = hinge(task, task.model), []
        for row in task.rows:
            kept = np.arange(len(task.X)) != row
            changes.append(hinge(task, clone(task.model).fit(task.X[kept], task.y[kept])) - before)
        return np.transpose(changes)

    return ask


ITEMS = [
    Item(
        "kernel-ridge-self",
        RIDGE,
        "self-influence of all rows",
        data.kernel_ridge,
        {
            OURS: ours(lambda e, t: e.self_influence()),
            NUMPY: lambda t: lambda: Ridge(t.model, t.X).self_influence(),
            BLAS: kernel_and_factor,
            "pyinfluence": peers.pyinfluence_kernel_self,
            "pyDVL": "takes networks alone",
        },
        limit="XXᵀ, and a Cholesky factor of n × n",
    ),
    Item(
        "kernel-ridge-removal",
        RIDGE,
        "removal of each row, 100 test losses",
        data.kernel_ridge,
        {
            OURS: ours(lambda e, t: e.influence(t.X_test, t.y_test, kind="removal")),
            NUMPY: lambda t: lambda: Ridge(t.model, t.X).removal(t.X_test, t.y_test),
            BLAS: kernel_and_factor,
            "pyinfluence": FIRST_ORDER,
        },
        in_summary=True,
        limit="XXᵀ, and a Cholesky factor of n × n",
    ),
    Item(
        "svc-influence",
        SUPPORT,
        "influence of all rows on 100 test losses, hinge smoothed",
        data.support_vectors,
        {
            OURS: ours(lambda e, t: e.influence(t.X_test, t.y_test)),
            NUMPY: expert(lambda direct, t, signs: direct.influence(t.X_test, signs)),
            BLAS: support_block,
            "pyinfluence": NO_HINGE,
        },
        limit="the kernel's product over the rows near the margin, and one Cholesky factor",
    ),
    Item(
        "svc-removal",
        SUPPORT,
        "exact removal of 100 support vectors, 100 test losses",
        data.support_vectors,
        {
            OURS: ours(
                lambda e, t: e.influence(t.X_test, t.y_test, kind="removal", indices=t.rows)
            ),
            NUMPY: expert(lambda direct, t, signs: direct.removal(t.X_test, signs, t.rows)),
            BLAS: support_block,
            "scikit-learn": refits,
            "pyinfluence": "leaves out all rows or none",
        },
        in_summary=True,
        limit="the kernel's product over the rows near the margin, and one Cholesky factor",
        reference="scikit-learn",
        repeats=2,
        remark="scikit-learn is really fitted again, 100 times, with tol=1e-6.",
    ),
]
