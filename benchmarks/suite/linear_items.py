"""Work items about logistic regression with two classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit
from sklearn.base import clone

from skinfluence import InfluenceExplainer

from . import data, peers
from .experts import BinaryLogistic
from .items import BLAS, NUMPY, OURS, Ask, Item, Task

FIRST_ORDER = "has first-order influence alone"
NO_INFLUENCE = "has no influence on test rows, nor penalties"
READMISSION = "logistic regression, hospital readmission, n = 20,000, d = 127"


def ours(question: Callable[[InfluenceExplainer, Task], np.ndarray]) -> Callable[[Task], Ask]:
    """Our contender: the explainer around the fitted model, and the question."""

    def contender(task: Task) -> Ask:
        return lambda: question(
            InfluenceExplainer(task.model, prefit=True).fit(task.X, task.y), task
        )

    return contender


def expert(question: Callable[[BinaryLogistic], np.ndarray]) -> Callable[[Task], Ask]:
    return lambda task: lambda: question(BinaryLogistic(task))


def hessian_and_scores(task: Task) -> Ask:
    S = np.ones((len(task.X_test), task.X.shape[1]))
    return lambda: (task.X.T @ task.X, S @ task.X.T)[1]


def hessian_and_leverage(task: Task) -> Ask:
    square = np.ones((task.X.shape[1], task.X.shape[1]))
    return lambda: (task.X.T @ task.X, task.X @ square)[1]


def ranked(explainer: InfluenceExplainer, task: Task) -> np.ndarray:
    found = explainer.explain(task.X_test, task.y_test, k=10)
    return np.concatenate([found.helpful_effects, found.harmful_effects], axis=1)


def expert_ranked(direct: BinaryLogistic) -> np.ndarray:
    effects = direct.removal()
    smallest = np.sort(np.partition(effects, 10, axis=1)[:, :10], axis=1)
    largest = -np.sort(np.partition(-effects, 10, axis=1)[:, :10], axis=1)
    return np.concatenate([largest, smallest], axis=1)


# ------------------------------------------------------------------------------ exact refits


def own_loss(z: np.ndarray, label: bool) -> float:
    return float(np.logaddexp(0.0, -z if label else z))


def newton_refits(task: Task) -> Ask:
    """Newton's method from the full fit, for one row after the other."""
    X, y, strength = task.X, task.y == task.model.classes_[1], 1.0 / task.model.C
    start = task.model.coef_[0]

    def without(row: int) -> np.ndarray:
        kept = np.arange(len(X)) != row
        A, labels, theta = X[kept], y[kept], start
        for _ in range(50):
            p = expit(A @ theta)
            gradient = A.T @ (p - labels) + strength * theta
            H = (A * (p * (1.0 - p))[:, None]).T @ A + strength * np.eye(len(theta))
            step = np.linalg.solve(H, gradient)
            theta = theta - step
            if step @ gradient < 1e-20:
                break
        return theta

    def ask() -> np.ndarray:
        before = X @ start
        return np.array(
            [
                own_loss(X[row] @ without(row), y[row]) - own_loss(before[row], y[row])
                for row in range(len(X))
            ]
        )

    return ask


def sklearn_refits(task: Task) -> Ask:
    X, y = task.X, task.y
    labels = y == task.model.classes_[1]

    def ask() -> np.ndarray:
        changes = []
        for row in range(len(X)):
            kept = np.arange(len(X)) != row
            refit = clone(task.model).fit(X[kept], y[kept])
            before, after = (m.decision_function(X[[row]])[0] for m in (task.model, refit))
            changes.append(own_loss(after, labels[row]) - own_loss(before, labels[row]))
        return np.array(changes)

    return ask


def pyinfluence_refits(task: Task) -> Ask:
    from pyinfluence import LOOInfluence, self_influence

    return lambda: self_influence(LOOInfluence(verbose=0).fit(task.model, task.X, task.y))


def refit_products(task: Task) -> Ask:
    """Two products with all rows' parameters, five times."""
    columns = np.ones((task.X.shape[1], len(task.X)))
    return lambda: [task.X.T @ (task.X @ columns) for _ in range(5)][-1]


ITEMS = [
    Item(
        "logistic-influence",
        READMISSION,
        "influence of all rows on 100 test losses",
        data.readmission,
        {
            OURS: ours(lambda e, t: e.influence(t.X_test, t.y_test)),
            NUMPY: expert(BinaryLogistic.influence),
            BLAS: hessian_and_scores,
            "pyinfluence": peers.pyinfluence_influence,
            "pyDVL (direct)": peers.pydvl_influence("DirectInfluence"),
            "pyDVL (block CG)": peers.pydvl_influence("CgInfluence"),
            "pyDVL (Arnoldi, rank 50)": peers.pydvl_influence("ArnoldiInfluence"),
            "torch-influence": peers.torch_influence,
            "statsmodels": NO_INFLUENCE,
        },
        in_summary=True,
        limit="XᵀX, and the scores",
    ),
    Item(
        "logistic-self",
        READMISSION,
        "self-influence of all rows",
        data.readmission,
        {
            OURS: ours(lambda e, t: e.self_influence()),
            NUMPY: expert(BinaryLogistic.self_influence),
            BLAS: hessian_and_leverage,
            "pyinfluence": peers.pyinfluence_self,
            "pyDVL (direct)": peers.pydvl_self,
            "torch-influence": peers.torch_influence,
        },
        limit="XᵀX, and X times a d × d matrix",
    ),
    Item(
        "logistic-removal",
        READMISSION,
        "removal of each row by one Newton step, its own loss",
        data.readmission,
        {
            OURS: ours(lambda e, t: e.self_influence(kind="removal")),
            NUMPY: expert(BinaryLogistic.self_removal),
            BLAS: hessian_and_leverage,
            "pyinfluence": FIRST_ORDER,
            "pyDVL": FIRST_ORDER,
            "torch-influence": FIRST_ORDER,
        },
        in_summary=True,
        limit="XᵀX, and X times a d × d matrix",
    ),
    Item(
        "logistic-explain",
        READMISSION,
        "the 10 most helpful and harmful rows of 100 test rows, by removal",
        data.readmission,
        {
            OURS: ours(ranked),
            NUMPY: expert(expert_ranked),
            BLAS: hessian_and_scores,
        },
        limit="XᵀX, and the scores",
        remark="NumPy holds the matrix of all effects, which ours never does.",
    ),
    Item(
        "logistic-refit",
        "logistic regression, spambase, n = 1,000, d = 57",
        "exact refits without each row, its own loss",
        data.spambase_refits,
        {
            OURS: ours(lambda e, t: e.self_influence(kind="refit")),
            NUMPY: newton_refits,
            BLAS: refit_products,
            "scikit-learn": sklearn_refits,
            "pyinfluence": pyinfluence_refits,
        },
        in_summary=True,
        limit="5 × two products of X with all rows' parameters",
        reference="scikit-learn",
        remark="scikit-learn is really fitted again, 1,000 times.",
    ),
    Item(
        "perturbation",
        "logistic regression, MNIST 1 vs. 7, n = 1,500, d = 784",
        "gradient of 10 test losses with respect to every feature of every row",
        data.digits_1_7,
        {
            OURS: ours(lambda e, t: e.perturbation_gradient(t.X_test, t.y_test, indices=None)),
            NUMPY: expert(BinaryLogistic.perturbation_gradient),
            BLAS: hessian_and_scores,
            "pyDVL (direct)": peers.pydvl_perturbation,
            "pyinfluence": "has no such question",
        },
        in_summary=True,
        limit="XᵀX, and the scores; the result is larger",
    ),
]
