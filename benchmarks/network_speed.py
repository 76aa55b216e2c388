"""Hessian-vector products of a network: ours, torch's, and the bare matrix products.

Three networks on 5,500 rows, of 2,494, 25,450 and 251,060 parameters; blocks of 1, 16 and 128
vectors (32 of the largest). Ours is the R-operator of all vectors of a block together. Torch's is
forward over reverse, ``torch.func.jvp`` of ``torch.func.grad``, for a block under
``torch.func.vmap`` in chunks of the fastest size. The limit is the time that NumPy takes for the
matrix products that no exact product can do without, of the very same shapes.

Run ``python benchmarks/network_speed.py``; with torch installed its column comes with it. A few
minutes on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier

from skinfluence import as_objective

N_ROWS = 5500
NETWORKS = [(196, (12,)), (784, (32,)), (784, (300, 50))]
BLOCKS = (1, 16, 128)


def median_seconds(run: Callable[[], Any], repeats: int) -> float:
    """Of some runs after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def matrix_products(X, sizes, m) -> Callable[[], None]:
    """Forward and backward of all layers for m vectors: the products alone, in blocks of rows."""
    n = min(len(X), max(64, (1 << 24) // (8 * 4 * m * sum(sizes[1:]))))
    rng = np.random.default_rng(0)
    blocks = []
    for layer, (before, after) in enumerate(itertools.pairwise(sizes)):
        signal = np.ascontiguousarray(X[:n]) if layer == 0 else rng.random((n, before))
        direction = rng.random((before, m * after))
        cotangent, weights = rng.random((n, m * after)), rng.random((before, after))
        # a W', aᵀ δ'; and but for the first layer a' W, δ' Wᵀ, δ W'ᵀ, a'ᵀ δ
        pairs = [(signal, direction), (signal.T, cotangent)]
        if layer:
            tangent = rng.random((n * m, before))
            delta = rng.random((n, after))
            pairs += [
                (tangent, weights),
                (cotangent.reshape(n * m, after), weights.T),
                (delta, rng.random((after, m * before))),
                (tangent.reshape(n, m * before).T, delta),
            ]
        blocks += pairs
    times = len(X) / n

    def run() -> None:
        for _ in range(round(times)):
            for left, right in blocks:
                np.matmul(left, right)

    return run


def torch_products(network, X, y, alpha, chunk) -> Callable[[Any], Any] | None:
    """Of a block of vectors (m, p) under torch, or None without it."""
    try:
        import torch
    except ImportError:
        return None
    shapes = [each.shape for each in (*network.coefs_, *network.intercepts_)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
    theta = torch.from_numpy(
        np.concatenate([np.ravel(w) for w in (*network.coefs_, *network.intercepts_)])
    )
    n_layers = len(network.coefs_)

    def loss(flat):
        parts = torch.tensor_split(flat, ends[:-1].tolist())
        parts = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        signal, penalty = inputs, 0.0
        for layer in range(n_layers):
            signal = signal @ parts[layer] + parts[n_layers + layer]
            penalty = penalty + (parts[layer] ** 2).sum()
            if layer + 1 < n_layers:
                signal = torch.tanh(signal)
        data = torch.nn.functional.cross_entropy(signal, labels, reduction="sum")
        return data + 0.5 * alpha * penalty

    gradient = torch.func.grad(loss)

    def single(vector):
        return torch.func.jvp(gradient, (theta,), (vector,))[1]

    several = torch.func.vmap(single, chunk_size=chunk)
    return lambda block: single(block[0])[None] if len(block) == 1 else several(block)


def compare(n_features: int, hidden: tuple[int, ...], repeats: int) -> None:
    """One network."""
    rng = np.random.default_rng(0)
    X, y = rng.random((N_ROWS, n_features)), rng.integers(0, 10, N_ROWS)
    network = MLPClassifier(hidden, activation="tanh", alpha=5.5, solver="lbfgs", max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.set_params(random_state=0).fit(X, y)
    exact = as_objective(network, X, y).hessian()
    p = exact.n_parameters
    print(f"{n_features} features, hidden {hidden}, p = {p:,}")
    for m in BLOCKS:
        if m * p > 1 << 23 and m > 16:
            m = 32
        block = rng.standard_normal((p, m))
        seconds, gauss_newton = (
            median_seconds(lambda operator=operator, block=block: operator.matmat(block), repeats)
            for operator in (exact, exact.gauss_newton())
        )
        limit = median_seconds(matrix_products(X, [n_features, *hidden, 10], m), repeats)
        line = (
            f"  {m:4d} vectors: exact {m / seconds:8.1f} products/s, "
            f"Gauss-Newton {m / gauss_newton:8.1f}; exact takes {seconds / limit:.2f} x the bare "
            "matrix products"
        )
        best, error = np.inf, np.nan
        for chunk in {1, 8, m} if m > 1 else {1}:
            products = torch_products(network, X, y, 5.5, chunk)
            if products is None:
                break
            import torch

            rows = torch.from_numpy(np.ascontiguousarray(block.T))
            best = min(best, median_seconds(lambda p=products, r=rows: p(r), repeats))
            shift = exact.linear_map.common_shift(block)
            ours = exact.matmat(block - shift)
            theirs = products(torch.from_numpy(np.ascontiguousarray((block - shift).T))).numpy().T
            error = np.abs(ours - theirs).max() / np.abs(theirs).max()
        if np.isfinite(best):
            line += f"; torch takes {best / seconds:.2f} x ours (largest difference {error:.0e})"
        print(line, flush=True)


def main() -> None:
    """All networks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for n_features, hidden in NETWORKS:
        compare(n_features, hidden, arguments.repeats)


if __name__ == "__main__":
    main()
