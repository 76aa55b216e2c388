"""Rows that dask makes chunk by chunk, a cluster of two processes, and comparisons with NumPy."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import CG, InfluenceExplainer

N_ROWS, N_FEATURES = 600, 5
LIMIT = 500_000_000


def make_problem(name: str) -> dict[str, Any]:
    """A fitted model with its data, and test rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES)) * np.arange(1, N_FEATURES + 1) + 2.0
    z = (X - 2.0) @ np.array([1.0, -0.5, 0.3, 0.2, -0.1]) + rng.normal(size=N_ROWS)
    weight = rng.uniform(0.5, 2.0, size=N_ROWS) if name == "ridge" else None
    y = {"binary": z > 0, "ridge": z}.get(name, np.digitize(z, [-0.5, 0.7]))
    y = np.array(["no", "yes"])[y.astype(int)] if name == "binary" else y
    model: Any = {
        "binary": LogisticRegression(tol=1e-10),
        "ridge": Ridge(alpha=2.0),
        "softmax": make_pipeline(StandardScaler(), LogisticRegression(C=0.5, tol=1e-10)),
        "balanced": LogisticRegression(class_weight="balanced", tol=1e-10, max_iter=1000),
    }[name]
    model.fit(X, y) if weight is None else model.fit(X, y, sample_weight=weight)
    return {
        "model": model,
        "X": X,
        "y": y,
        "weight": weight,
        "X_test": X[:7] + 0.1,
        "y_test": y[:7],
    }


def both(problem: dict[str, Any], X: Any, y: Any = None, solver: str = "cholesky") -> tuple:
    """Explainers of the rows in memory, and of the same in chunks."""
    given = {"cholesky": "cholesky", "cg": CG(tol=1e-13)}[solver]
    weight = problem["weight"]

    def explainer(rows: Any, targets: Any) -> InfluenceExplainer:
        made = InfluenceExplainer(problem["model"], prefit=True, solver=given)
        return made.fit(rows, targets, weight)

    here = explainer(problem["X"], problem["y"])
    return here, explainer(X, problem["y"] if y is None else y)


def assert_same(got: Any, wanted: Any, relative: float = 1e-10) -> None:
    """Equal to that share of the largest number, in shape and dtype too."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=0, atol=relative * np.abs(wanted).max())


@contextmanager
def two_processes(folder: Path) -> Any:
    """A client of a cluster whose workers have less memory than the large data."""
    import dask
    from distributed import Client, LocalCluster

    patient = {
        "distributed.scheduler.allowed-failures": 10,
        # Within that time after a kill another one must not look like a worker that stays away.
        "distributed.deploy.lost-worker-timeout": "1h",
        "distributed.comm.timeouts.connect": "10s",
        "distributed.comm.timeouts.tcp": "60s",
    }
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        dask.config.set(patient),
        LocalCluster(
            **options,
            memory_limit=LIMIT,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            local_directory=str(folder),
        ) as cluster,
        Client(cluster, timeout=60) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


def pids(client: Any) -> set[int]:
    """Of the workers."""
    client.wait_for_workers(2, timeout=60)
    return set(client.run(os.getpid).values())


class LargeRidge:
    """Least squares on rows that are made from their numbers; all in closed form, by chunks.

    Parameters
    ----------
    n_chunks, chunk_rows, n_features : int
    deadly : Path, optional
        A file that makes the worker which comes upon it, on its way to chunk 3, kill itself.
    """

    def __init__(
        self, n_chunks: int, chunk_rows: int, n_features: int, deadly: Path | None = None
    ) -> None:
        self.n_chunks, self.chunk_rows, self.n_features = n_chunks, chunk_rows, n_features
        self.deadly, self.test_process = deadly, os.getpid()
        self.shape = n_chunks * chunk_rows, n_features

    def rows(self, chunk: int) -> np.ndarray:
        """X of a chunk."""
        if chunk == 3 and self.deadly is not None and self.deadly.exists():
            assert os.getpid() != self.test_process
            self.deadly.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        X = np.random.default_rng(chunk).random((self.chunk_rows, self.n_features))
        X -= 0.5
        return X

    def targets(self, chunk: int) -> np.ndarray:
        """y of a chunk."""
        return np.random.default_rng(10_000 + chunk).normal(1.0, size=self.chunk_rows)

    def collections(self) -> tuple[Any, Any]:
        """X and y as dask arrays."""
        import dask.array as da
        from dask import delayed

        rows, targets, chunks = delayed(self.rows), delayed(self.targets), range(self.n_chunks)
        X = [da.from_delayed(rows(i), (self.chunk_rows, self.n_features), float) for i in chunks]
        y = [da.from_delayed(targets(i), (self.chunk_rows,), float) for i in chunks]
        return da.concatenate(X), da.concatenate(y)

    def fitted(self, alpha: float = 1.0) -> Ridge:
        """Ridge without intercept, from sums over chunks."""
        self.gram = alpha * np.eye(self.n_features)
        right = np.zeros(self.n_features)
        for chunk in range(self.n_chunks):
            X = self.rows(chunk)
            self.gram += X.T @ X
            right += X.T @ self.targets(chunk)
        model = Ridge(alpha=alpha, fit_intercept=False)
        model.coef_, model.intercept_ = np.linalg.solve(self.gram, right), 0.0
        model.n_features_in_ = self.n_features
        self.coef = model.coef_
        return model

    def effects(self, x: np.ndarray, y: float) -> tuple[np.ndarray, np.ndarray]:
        """Upweighting and removing each row, on the squared error at one test row."""
        error, moved = y - x @ self.coef, np.linalg.solve(self.gram, x)
        upweight, removal = [], []
        for chunk in range(self.n_chunks):
            X = self.rows(chunk)
            errors = self.targets(chunk) - X @ self.coef
            across = X @ moved
            leverage = np.einsum("ij,ji->i", X, np.linalg.solve(self.gram, X.T))
            upweight.append(-2.0 * self.shape[0] * error * errors * across)
            after = error + across * errors / (1.0 - leverage)
            removal.append(after**2 - error**2)
        return np.concatenate(upweight), np.concatenate(removal)
