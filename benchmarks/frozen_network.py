"""Section 5.2 of Koh & Liang in small: attacks on a training set through an entire network.

A network is trained, its top is taken off, and logistic regression is fitted on what is left, as
the paper does with Inception (penalty 0.001 against the mean loss, 1,800 training images). Then 1,
2 and 10 training images are moved against one test image that the model gets right, by the paper's
iteration (steps of 0.02, at most 100, projected to what an image may become, the top layer
re-fitted after each): its gradient goes back through the whole network to the pixels. Every test
image has a training set of its own, and every flip is confirmed by scikit-learn fitting the
attacked images from scratch.

The paper flips 335 (57 %) of the 591 test images that its network gets right by one training image
whose 8-bit representation stays the same, 77 % by two, and all but one by ten. Its images change by
less than a hundredth of the mean distance of an image to its class centroid, and its features by
about as much as that distance in their own space. Inception, trained on ImageNet with 299 x 299
pixels and 2,048 features, magnifies that much; the networks here are small ones that are trained in
a minute:

--data dogfish  dogs and fish, 64 x 64 pixels in colour: three convolutions, trained on the same
                1,800 images
--data mnist    1s and 7s, 28 x 28 pixels: two convolutions, trained on the other eight digits

Without PyTorch, or with ``--network mlp``, it is a multi-layer perceptron of scikit-learn, by
``HiddenActivations``. The table has, for every size of the moves, how many test images flip, how
far the images and their features move in units of the mean distance to the centroid, and what the
attack does to the probability of the right label.

Run ``python benchmarks/frozen_network.py`` with SKINFLUENCE_DATA naming the folder of the data;
``--tests`` says how many test images are attacked, evenly drawn from those that are right.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from skinfluence import HiddenActivations, InfluenceExplainer
from skinfluence.attack import Clip, LInfBall, RoundTo8Bit, TrainingSetAttack
from skinfluence.datasets import fetch_dogfish, fetch_mnist

PAPER = {1: "335 of 591, 57 %", 2: "77 %", 10: "590 of 591"}
PENALTY = 0.001
N_TRAIN, N_TEST, N_OTHERS = 900, 300, 20_000  # of each class; of the eight other digits


@dataclass(frozen=True)
class Images:
    """What the model is fitted and tested on, and what the network below it is trained on."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    X_network: np.ndarray
    y_network: np.ndarray
    shape: tuple[int, ...]


def dogfish() -> Images:
    """Channels first, as PyTorch has them."""
    bunch = fetch_dogfish(kind="pixels")
    X, X_test = (
        np.ascontiguousarray(each.reshape(-1, 64, 64, 3).transpose(0, 3, 1, 2)).reshape(
            len(each), -1
        )
        for each in (bunch.data, bunch.test_data)
    )
    y = bunch.target
    return Images(X, y, X_test, bunch.test_target, X, y, (3, 64, 64))


def mnist() -> Images:
    bunch = fetch_mnist()
    others = np.flatnonzero(~np.isin(bunch.target, [1, 7]))[:N_OTHERS]
    train = np.concatenate([np.flatnonzero(bunch.target == k)[:N_TRAIN] for k in (1, 7)])
    test = np.concatenate([np.flatnonzero(bunch.test_target == k)[:N_TEST] for k in (1, 7)])
    return Images(
        bunch.data[train],
        bunch.target[train],
        bunch.test_data[test],
        bunch.test_target[test],
        bunch.data[others],
        np.unique(bunch.target[others], return_inverse=True)[1],
        (1, 28, 28),
    )


def perceptron(images: Images) -> HiddenActivations:
    network = MLPClassifier((256, 128), max_iter=10, early_stopping=False, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it stops before it has converged, as it is to
        return HiddenActivations(network.fit(images.X_network, images.y_network))


def convolutions(images: Images, epochs: int) -> Any:
    """A network trained by Adam, with flipped photographs among them, without its top layer."""
    import torch
    from torch import nn

    from skinfluence.torch import TorchFeatures

    torch.manual_seed(0)
    channels, side, layers = images.shape[0], images.shape[1], []
    for width in (16, 32, 64) if side == 64 else (16, 32):
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.BatchNorm2d(width)]
        layers += [nn.ReLU()]
        channels, side = width, (side + 1) // 2
    network = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.3))
    n_features = channels * (side // 2) ** 2
    top = nn.Linear(n_features, len(np.unique(images.y_network)))
    rows = torch.tensor(images.X_network, dtype=torch.float32).reshape(-1, *images.shape)
    labels = torch.tensor(images.y_network)
    descent = torch.optim.AdamW([*network.parameters(), *top.parameters()], weight_decay=0.01)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels)).split(128):
            shown = rows[batch]
            if images.shape[0] == 3 and torch.rand(()) < 0.5:
                shown = shown.flip(-1)
            descent.zero_grad()
            nn.functional.cross_entropy(top(network(shown)), labels[batch]).backward()
            descent.step()
    return TorchFeatures(network, input_shape=images.shape)


def attack_all(
    explainer: InfluenceExplainer, images: Images, tests: np.ndarray, n_rows: int, project: Any
) -> str:
    """A line of the table."""
    flipped, confirmed, raw, seen, before, after = 0, 0, [], [], [], []
    started = time.perf_counter()
    for test in tests:
        attack = TrainingSetAttack(explainer, n_rows=n_rows, step_size=0.02, project=project)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of refits on the way; flips are confirmed
            result = attack.attack(images.X_test[[test]], images.y_test[[test]])
        if result.flipped[0]:
            flipped += 1
            confirmed += int(result.confirm().flipped[0])
        raw.append(result.relative_change_raw.l2.mean())
        seen.append(result.relative_change_model.l2.mean())
        before.append(result.probability_history[0, 0])
        after.append(result.probability_history[-1, 0])
    seconds = (time.perf_counter() - started) / len(tests)
    return (
        f"{flipped:4d} of {len(tests)} ({confirmed} confirmed)   {np.mean(raw):.4f}   "
        f"{np.mean(seen):.3f}   {np.mean(before):.3f} -> {np.mean(after):.3f}   {seconds:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    found = "torch" if find_spec("torch") else "mlp"
    parser.add_argument("--data", choices=("dogfish", "mnist"), default="dogfish")
    parser.add_argument("--network", choices=("torch", "mlp"), default=found)
    parser.add_argument("--tests", type=int, default=50)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2, 10])
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    images = dogfish() if options.data == "dogfish" else mnist()
    features = (
        convolutions(images, options.epochs) if options.network == "torch" else perceptron(images)
    )
    top = LogisticRegression(
        C=1.0 / (PENALTY * len(images.y)), solver="newton-cholesky", tol=1e-9, max_iter=1000
    )
    explainer = InfluenceExplainer(make_pipeline(features, top)).fit(images.X, images.y)
    right = np.flatnonzero(explainer.predict(images.X_test) == images.y_test)
    print(
        f"{options.data}, {options.network}: {explainer.objective_.predictor.n_features} features, "
        f"{explainer.score(images.X, images.y):.1%} of {len(images.y)} training and "
        f"{len(right)} of {len(images.y_test)} test images right"
    )
    tests = right[np.linspace(0, len(right) - 1, min(options.tests, len(right))).astype(int)]
    print("images moved, by at most   flipped   move: pixels   features   probability   each")
    for words, project in {
        "8-bit rounding": RoundTo8Bit(),
        "8 grey levels": [LInfBall(8.0 / 255.0), Clip(0.0, 1.0)],
    }.items():
        for n_rows in options.rows:
            line = attack_all(explainer, images, tests, n_rows, project)
            print(f"{n_rows:3d}, {words:15s} {line}", flush=True)
    print("The paper, 8-bit rounding: " + "; ".join(f"{m}: {got}" for m, got in PAPER.items()))


if __name__ == "__main__":
    main()
