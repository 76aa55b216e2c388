"""Other libraries that answer some of the questions, each used as its documentation shows.

They get what we get: the fitted scikit-learn model, its objective with nothing added (no damping
beyond the penalty), rows in float64.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from .items import OURS, Ask, Skipped, Task

# What has to be importable.
PEERS = {
    "pyinfluence": ("pyinfluence",),
    "pyDVL": ("pydvl", "torch", "distributed"),
    "torch-influence": ("torch_influence",),
    "statsmodels": ("statsmodels",),
}
DISTRIBUTIONS = ("numpy", "scipy", "scikit-learn", "joblib", "pyinfluence", "pyDVL", "torch")
NO_ADAPTER = "installed, but no adapter was written: it could not be tried when this was written"


def peer_of(contender: str) -> str:
    """The library of a contender, whose variant stands in parentheses."""
    return contender.split(" (")[0]


def is_peer(contender: str) -> bool:
    return peer_of(contender) in PEERS


def absent(contender: str) -> str:
    """Why a peer can't run, or an empty string."""
    peer = peer_of(contender)
    missing = [module for module in PEERS[peer] if find_spec(module) is None]
    if missing:
        return f"not installed (no module {', '.join(missing)})"
    return ""


def versions() -> dict[str, str]:
    """Versions of everything that takes part and is installed."""
    found = {}
    for name in (OURS, *DISTRIBUTIONS, "statsmodels", "torch-influence"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def torch_influence(task: Task) -> Ask:
    """No adapter is written for what could not be tried; a run with the library says so."""
    raise Skipped(NO_ADAPTER)


# --------------------------------------------------------------------------------- pyinfluence


def pyinfluence_attributor(task: Task) -> Any:
    """Without its default damping, which would be added to the penalty."""
    return (
        import_module("pyinfluence").InfluenceFunctions(damping=0.0).fit(task.model, task.X, task.y)
    )


def pyinfluence_influence(task: Task) -> Ask:
    """Scores are -1/n times ours."""
    import_module("pyinfluence")
    n = len(task.y)
    return lambda: -n * pyinfluence_attributor(task).explain(task.X_test, task.y_test)


def pyinfluence_self(task: Task) -> Ask:
    from pyinfluence import self_influence

    return lambda: -len(task.y) * self_influence(pyinfluence_attributor(task))


# --------------------------------------------------------------------------------------- pyDVL


class TorchLinear:
    """A linear classifier with the coefficients of scikit-learn's, and its data as tensors."""

    def __init__(self, task: Task) -> None:
        import torch
        from pydvl.influence import torch as methods
        from torch import nn

        self.methods = methods
        coef = np.asarray(task.model.coef_)
        self.binary = len(coef) == 1
        self.net = nn.Linear(coef.shape[1], len(coef), bias=False).double()
        with torch.no_grad():
            self.net.weight.copy_(torch.from_numpy(coef))
        self.penalty = 1.0 / (task.model.C * len(task.y))
        self.X, self.y = self.rows(task.X, task.y)
        self.X_test, self.y_test = self.rows(task.X_test, task.y_test)

    def rows(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        import torch

        codes = np.unique(y, return_inverse=True)[1] if self.binary else y
        labels = torch.from_numpy(codes.astype(float if self.binary else int))
        return torch.from_numpy(X), labels[:, None] if self.binary else labels

    def loss(self, values: Any, labels: Any) -> Any:
        from torch.nn import functional

        if self.binary:
            return functional.binary_cross_entropy_with_logits(values, labels)
        return functional.cross_entropy(values, labels)

    def loader(self) -> Any:
        """All rows as one batch: batches that differ in size would not weigh rows alike.

        Rows are sliced rather than collated one by one, which would take most of the time.
        """
        from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset

        rows = TensorDataset(self.X, self.y)
        sampler = BatchSampler(SequentialSampler(rows), len(rows), drop_last=False)
        return DataLoader(rows, sampler=sampler, batch_size=None)

    def fitted(self, method: str) -> Any:
        """An influence model; its CG at its own tolerance, with all right-hand sides at once."""
        settings = {
            "DirectInfluence": {},
            "CgInfluence": {"solve_simultaneously": True},
            "ArnoldiInfluence": {"rank": min(50, self.net.weight.numel() // 2)},
        }[method]
        model = getattr(self.methods, method)(
            self.net, self.loss, regularization=self.penalty, **settings
        )
        return model.fit(self.loader())


def pydvl_influence(method: str) -> Any:
    """A contender by one of pyDVL's methods; its sign is opposite to Eq. 2's."""

    def contender(task: Task) -> Ask:
        torch_model = TorchLinear(task)

        def ask() -> np.ndarray:
            fitted = torch_model.fitted(method)
            values = fitted.influences(
                torch_model.X_test, torch_model.y_test, torch_model.X, torch_model.y
            )
            return -values.numpy()

        return ask

    return contender


def pydvl_self(task: Task, batch: int = 100) -> Ask:
    """It has no question for the diagonal alone: blocks on it, of which the diagonal is kept."""
    torch_model = TorchLinear(task)

    def ask() -> np.ndarray:
        fitted = torch_model.fitted("DirectInfluence")
        found = []
        for start in range(0, len(task.y), batch):
            X, y = torch_model.X[start : start + batch], torch_model.y[start : start + batch]
            found.append(-fitted.influences(X, y).numpy().diagonal())
        return np.concatenate(found)

    return ask


def pydvl_perturbation(task: Task, batch: int = 50) -> Ask:
    """In batches of rows, as its calculator for data larger than memory does."""
    mode = import_module("pydvl.influence").InfluenceMode.Perturbation
    torch_model = TorchLinear(task)

    def ask() -> np.ndarray:
        fitted = torch_model.fitted("DirectInfluence")
        factors = fitted.influence_factors(torch_model.X_test, torch_model.y_test)
        found = []
        for start in range(0, len(task.y), batch):
            X, y = torch_model.X[start : start + batch], torch_model.y[start : start + batch]
            found.append(-fitted.influences_from_factors(factors, X, y, mode=mode).numpy())
        return np.concatenate(found, axis=1)

    return ask


def pyinfluence_kernel_self(task: Task) -> Ask:
    """By its default damping, without which its K² / n + λK can't be factorised.

    Its loss is half of ours, so gradients and Hessian are, and the influence.
    """
    from pyinfluence import InfluenceFunctions, self_influence

    def ask() -> np.ndarray:
        attributor = InfluenceFunctions().fit(task.model, task.X, task.y)
        return -2.0 * len(task.y) * self_influence(attributor)

    return ask
