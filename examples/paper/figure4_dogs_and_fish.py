"""
Figure 4: what two models look at when they agree
=================================================

Section 5.1 of Koh & Liang: a support vector machine with an RBF kernel on pixels, and an Inception
network of which all but the top layer is frozen, tell dogs from fish. Both get the same fish
right, for different reasons. The SVM's influence falls with the distance in pixels: near fish help,
near dogs harm, and images far away have almost none; it is a soft nearest neighbour. The network's
depends on that distance much less. Fish and dogs may help or harm, and some dogs are among
the most helpful images.

The paper gives no numbers for that, so here are some. Both models are asked about the same test
image: of the test fish that both get right, and that lie inside the SVM's margin (others have no
hinge loss to change), the one with the median decision value of the SVM. The influence of
a training image is the change of the test image's loss without it, to first order: positive =
helpful.

``python examples/paper/figure4_dogs_and_fish.py`` takes a few seconds: for dogs and fish 1s and 7s
of MNIST, and as frozen network the hidden layer of one that learned scikit-learn's digits. Digits
are much more alike than photographs, in pixels too, and these two are easily told apart: with
C=1 one in ten would be a support vector, so it is 0.01.

``--full`` takes 1,800 photographs of 64 x 64 pixels (299 x 299 in the paper), and the features of
a frozen network, though not of Inception; a few seconds more. SKINFLUENCE_DATA names the folder of
the dogfish files. What the paper sees is there: the farther half of the images has 15 % of the
SVM's influence, and 47 % of the network's; of the 20 nearest fish that have any in the SVM 17
help, and of the 20 nearest dogs 16 harm; third and fourth among the network's helpful images are
dogs. Farther away fish and dogs help the SVM alike. With ``--kind removal`` it is the exact refit
for the SVM and a Newton step for the network, and takes ten minutes. The picture shows
photographs of ImageNet, whose terms are non-commercial research and education: it is for looking
at, and NEVER TO BE COMMITTED OR PUBLISHED.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import rankdata, spearmanr
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skinfluence import HiddenActivations, InfluenceExplainer
from skinfluence.datasets import fetch_dogfish, load_mnist17
from skinfluence.display import InfluenceImagesDisplay, InfluenceScatterDisplay

WARNING = "It shows photographs of ImageNet: never commit or publish it."
# Below this share of the largest, an influence is none: rows that are no support vectors.
NONE = 1e-6
NEAREST, BEST, DRAWN = 20, 10, 4  # images that are looked at
SVM, NETWORK = "RBF SVM", "network"


# %%
# Images
# ------
#
# scikit-learn's digits are squares of 4 x 4 pixels, summed. So MNIST's become alike.


@dataclass
class Images:
    """Of two classes, as pixels and as features of a frozen network."""

    words: str
    classes: tuple[str, str]
    shape: tuple[int, ...]
    pixels: np.ndarray
    features: np.ndarray
    y: np.ndarray  # 1 for the second class, 0 for the first
    test_pixels: np.ndarray
    test_features: np.ndarray
    y_test: np.ndarray
    C: tuple[float, float]  # of the SVM, and of the network's top layer

    def name(self, label: int) -> str:
        return self.classes[label].removesuffix("s")


def dogs_and_fish() -> Images:
    pixels, features = fetch_dogfish(kind="pixels"), fetch_dogfish(kind="features")
    training = pixels.data, features.data, pixels.target
    tests = pixels.test_data, features.test_data, pixels.test_target
    return Images("photographs", ("dogs", "fish"), (64, 64, 3), *training, *tests, (1.0, 0.001))


def ones_and_sevens() -> Images:
    digits, network = load_mnist17(), network_of_other_digits()
    training, tests = (
        (X, network.transform(shrunk(X)), (y == 7).astype(int))
        for X, y in ((digits.data, digits.target), (digits.test_data, digits.test_target))
    )
    return Images("digits of MNIST", ("1s", "7s"), (28, 28), *training, *tests, (0.01, 1.0))


def network_of_other_digits() -> HiddenActivations:
    """Never trained again."""
    X, y = load_digits(return_X_y=True)
    network = MLPClassifier((32,), solver="lbfgs", alpha=1.0, tol=0.01, max_iter=1000)
    return HiddenActivations(network.set_params(random_state=0).fit(X / 16, y))


def shrunk(images: np.ndarray) -> np.ndarray:
    """28 x 28 pixels, with two around them, averaged over squares of 4 x 4."""
    padded = np.pad(images.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
    return padded.reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)).reshape(len(images), 64)


# %%
# Models
# ------
#
# The SVM has the default gamma="scale". Its kernel is computed beforehand, which changes its time
# and nothing else.


def fitted(images: Images) -> dict[str, tuple[Any, np.ndarray, np.ndarray]]:
    """Each model with its training rows and its test rows."""
    gamma = 1.0 / (images.pixels.shape[1] * images.pixels.var())
    kernel = rbf_kernel(images.pixels, gamma=gamma)
    test_kernel = rbf_kernel(images.test_pixels, images.pixels, gamma=gamma)
    svm = SVC(kernel="precomputed", C=images.C[0], tol=1e-6).fit(kernel, images.y)
    top = LogisticRegression(C=images.C[1], tol=1e-8, max_iter=10_000)
    network = make_pipeline(StandardScaler(), top).fit(images.features, images.y)
    return {
        SVM: (svm, kernel, test_kernel),
        NETWORK: (network, images.features, images.test_features),
    }


def chosen_test(svm: np.ndarray, network: np.ndarray, y_test: np.ndarray) -> int:
    """By the rule above, from both models' decision values."""
    asked = (y_test == 1) & (svm > 0.0) & (network > 0.0) & (svm < 1.0)
    candidates = np.flatnonzero(asked)
    order = candidates[np.argsort(svm[candidates], kind="stable")]
    return int(order[len(order) // 2])


def changes(
    model: Any, X: np.ndarray, y: np.ndarray, x: np.ndarray, label: np.ndarray, kind: str
) -> np.ndarray:
    """Of the test image's loss without each training row."""
    effects = InfluenceExplainer(model, prefit=True).fit(X, y).influence(x, label, kind=kind)[0]
    return -effects / len(y) if kind == "upweight" else effects


# %%
# What is seen, in numbers
# ------------------------


def facts(effects: np.ndarray, distances: np.ndarray, same: np.ndarray) -> list[float]:
    """Numbers for the lines of the table."""
    size, by_distance = np.abs(effects), np.argsort(distances, kind="stable")
    some, farthest = size > NONE * size.max(), by_distance[len(size) // 2 :]
    helpful, influential = effects > 0, by_distance[some[by_distance]]
    near, near_others = (influential[chosen[influential]][:NEAREST] for chosen in (same, ~same))
    best = np.argsort(-effects, kind="stable")[:BEST]
    return [
        100 * some.mean(),
        float(spearmanr(size[some], distances[some])[0]),
        100 * size[farthest].sum() / size.sum(),
        100 * same[some & helpful].mean(),
        100 * helpful[near].mean(),
        100 * (~helpful[near_others]).mean(),
        float((~same[best]).sum()),
        float(np.median(rankdata(distances)[best])),
    ]


def table(columns: dict[str, list[float]], classes: tuple[str, str]) -> str:
    """Ours, beside what the paper says of the SVM and of the network."""
    other, asked = classes
    lines = (
        ("% of the images that have influence", "-"),
        ("of these: rank correlation of |influence| with distance", "falls; much less"),
        ("% of |influence| in the farther half of the images", "almost none; -"),
        (f"% {asked} of the helpful", "-"),
        (f"% helpful of the nearest {NEAREST} {asked}", "mostly; either"),
        (f"% harmful of the nearest {NEAREST} {other}", "mostly; either"),
        (f"{other} among the {BEST} most helpful", "-; some"),
        ("median rank of these in distance", "-"),
    )
    rows = [f"{'':58}{SVM:>9}{NETWORK:>9}   the paper"]
    for (words, paper), values in zip(lines, zip(*columns.values(), strict=True), strict=True):
        rows.append(f"{words:58}" + "".join(f"{value:9.2f}" for value in values) + f"   {paper}")
    return "\n".join(rows)


# %%
# Picture, and all of it
# ----------------------


def draw(
    effects: dict[str, np.ndarray], distances: np.ndarray, images: Images, test: int, kind: str
) -> None:
    """Influence against distance, and the images that help and harm most."""
    figure = plt.figure(figsize=(13.0, 9.0), layout="constrained")
    for line, (name, values) in zip(figure.subfigures(2, 1), effects.items(), strict=True):
        left, right = line.subfigures(1, 2, width_ratios=(1.0, 1.25))
        same, order = images.y == 1, "" if kind == "removal" else ", to first order"
        label = f"change of the loss by removal{order};\npositive = helpful"
        scatter = InfluenceScatterDisplay(distances, values, same, name, label)
        ax = scatter.plot(left.add_subplot()).ax_
        ax.set_xlabel("Euclidean distance from the test image, in pixels")
        ax.legend(ax.get_legend().get_lines(), images.classes, loc="lower right")
        ranked = np.argsort(-values, kind="stable")
        InfluenceImagesDisplay(
            images.test_pixels[test].reshape(images.shape),
            f"test row {test}: {images.name(1)}",
            captioned(images, ranked[:DRAWN], values),
            captioned(images, ranked[::-1][:DRAWN], values),
            "change of the loss",
        ).plot(right)


def captioned(images: Images, rows: np.ndarray, values: np.ndarray) -> list:
    titles = [f"row {row}: {images.name(images.y[row])}\n{values[row]:+.1e}" for row in rows]
    return list(zip(images.pixels[rows].reshape(-1, *images.shape), titles, strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Figure 4 of Koh & Liang.")
    parser.add_argument("--full", action="store_true", help="photographs of dogs and fish")
    parser.add_argument("--kind", choices=("upweight", "removal"), default="upweight")
    parser.add_argument(
        "--output", type=Path, help=f"where the picture is saved; in full: {WARNING}"
    )
    options = parser.parse_args(arguments)

    images = dogs_and_fish() if options.full else ones_and_sevens()
    models = fitted(images)
    svm, network = (model.decision_function(X_test) for model, _, X_test in models.values())
    test = chosen_test(svm, network, images.y_test)
    right = (((values > 0) == images.y_test).mean() for values in (svm, network))
    print(
        f"{len(images.y):,} {images.words}, {len(images.y_test)} test images; right: "
        + ", ".join(f"{name} {share:.1%}" for name, share in zip(models, right, strict=True))
        + f"\ntest row {test}, a {images.name(1)}: decision values {svm[test]:.3f} and "
        f"{network[test]:.3f}; {len(models[SVM][0].support_)} support vectors\n"
    )
    distances = euclidean_distances(images.test_pixels[[test]], images.pixels)[0]
    asked = images.y_test[[test]]
    effects = {
        name: changes(model, X, images.y, X_test[[test]], asked, options.kind)
        for name, (model, X, X_test) in models.items()
    }
    same = images.y == 1
    columns = {name: facts(values, distances, same) for name, values in effects.items()}
    print(table(columns, images.classes))
    draw(effects, distances, images, test, options.kind)
    plt.show() if options.output is None else plt.savefig(options.output, dpi=90)
    if options.full:
        print(f"\nThe picture is not for others. {WARNING}")


if __name__ == "__main__":
    main()
