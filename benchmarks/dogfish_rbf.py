"""Figure 4 of Koh & Liang: what two models of dogs and fish look at.

A support vector machine with an RBF kernel on 64 x 64 pixels from 0 to 1 (C=1 and the gamma that
scikit-learn calls "scale", its defaults: 85.2 % of the test images right; the kernel is computed
beforehand, which changes nothing but the time) beside logistic regression on the features of a
frozen network (99.8 %). Both are asked about the same test image: of the test fish that both get
right, and that lie inside the SVM's margin (others have no hinge loss to change), the one with the
median decision value of the SVM. The influence of a training image is the change of the test
image's loss when it is removed and the model fitted again: exactly for the SVM, by one Newton step
for the network. Positive = helpful. ``--kind upweight`` is the first-order formula instead, and
takes a minute instead of a quarter of an hour.

The paper sees the SVM's influence fall with the distance in pixels, and mostly fish among its
helpful images: a soft nearest neighbour. The network's depends on that distance much less, and some
dogs are among its most helpful images. Its Inception network was another one, as were its images,
and 299 x 299 pixels.

Run ``python benchmarks/dogfish_rbf.py`` with SKINFLUENCE_DATA naming the folder of the dogfish
files. ``--output FOLDER`` draws the figure into that folder; without it nothing is written. The
figure shows photographs of ImageNet, whose terms are non-commercial research and education: NEVER
COMMIT OR PUBLISH IT.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skinfluence import InfluenceExplainer
from skinfluence.datasets import fetch_dogfish

WARNING = "It shows photographs of ImageNet: never commit or publish it."
# Below this share of the largest, an effect is none: rows that are no support vectors.
NONE = 1e-6
MOST = 100


@dataclass
class Story:
    """One model's influences on the test image."""

    name: str
    unit: str
    effects: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """Training rows, from the most helpful on."""
        return np.argsort(-self.effects, kind="stable")


def choose(values: np.ndarray, others: np.ndarray, y_test: np.ndarray) -> int:
    """The test image, by the rule above, from both models' decision values."""
    fish, right = y_test == 1, (values > 0.0) & (others > 0.0)
    candidates = np.flatnonzero(fish & right & (values < 1.0))
    order = candidates[np.argsort(values[candidates], kind="stable")]
    print(
        f"{(fish & right).sum()} of {fish.sum()} test fish are right in both, {len(order)} of them "
        "inside the margin"
    )
    return int(order[len(order) // 2])


def influences(model, X, y, x, label, kind: str) -> np.ndarray:
    """Change of the test image's loss without each training row."""
    explainer = InfluenceExplainer(model, prefit=True).fit(X, y)
    effects = explainer.influence(x, label, kind=kind)[0]
    return -effects / len(y) if kind == "upweight" else effects


def tell(story: Story, distances: np.ndarray, same: np.ndarray) -> None:
    """Print what the figure shows."""
    size, ranks = np.abs(story.effects), rankdata(distances).astype(int)
    some = size > NONE * size.max()
    pearson = np.corrcoef(size, distances)[0, 1]
    spearman = np.corrcoef(rankdata(size), rankdata(distances))[0, 1]
    print(f"{story.name}\n  {some.sum()} of {len(size)} images have influence ({story.unit})")
    print(f"  |influence| with distance: Pearson {pearson:.3f}, Spearman {spearman:.3f}")
    helpful = some & (story.effects > 0)
    print(
        f"  helpful: {helpful.sum()}, of which {(same & helpful).sum() / helpful.sum():.1%} fish, "
        f"{(~same & helpful).sum() / helpful.sum():.1%} dogs"
    )
    harmful = some & (story.effects < 0)
    everywhere = np.argsort(distances, kind="stable")
    for words, rows in (("all", everywhere), (f"the {MOST} nearest", everywhere[:MOST])):
        print(f"  of {words}: {counts(rows[same[rows]], helpful, harmful)} fish, ", end="")
        print(f"{counts(rows[~same[rows]], helpful, harmful)} dogs (helpful / harmful / neither)")
    top = story.best[:MOST]
    print(
        f"  of the {MOST} most helpful {(~same[top]).sum()} are dogs; "
        f"median rank of their distance {np.median(ranks[top]):.0f}"
    )
    print(f"  sum of |influence| in the nearest tenth: {share_of_nearest(size, distances):.1%}")
    for place, row in enumerate(story.best[:2], start=1):
        print(
            f"  most helpful {place}: row {row} ({'fish' if same[row] else 'dog'}), "
            f"{story.effects[row]:+.2e}, distance rank {ranks[row]} of {len(ranks)}"
        )


def counts(rows: np.ndarray, helpful: np.ndarray, harmful: np.ndarray) -> str:
    """Helpful, harmful and other rows."""
    good, bad = helpful[rows].sum(), harmful[rows].sum()
    return f"{good} / {bad} / {len(rows) - good - bad}"


def share_of_nearest(size: np.ndarray, distances: np.ndarray) -> float:
    nearest = np.argsort(distances, kind="stable")[: len(size) // 10]
    return size[nearest].sum() / size.sum()


def draw(folder: Path, stories, distances, same, images, test_image) -> Path:
    """The figure: influence against distance, and the two most helpful images."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(11, 7), layout="constrained")
    grid = figure.add_gridspec(2, 4, width_ratios=[2.6, 1, 1, 1])
    for line, story in enumerate(stories):
        axes = figure.add_subplot(grid[line, 0])
        for chosen, colour, name in ((~same, "tab:red", "dogs"), (same, "tab:green", "fish")):
            axes.scatter(distances[chosen], story.effects[chosen], s=6, c=colour, label=name)
        axes.axhline(0.0, color="grey", linewidth=0.5)
        axes.set(title=story.name, xlabel="Euclidean distance in pixels")
        axes.set_ylabel(story.unit, fontsize=8)
        axes.legend(loc="lower right")
        shown = [("test image", test_image)]
        for place, row in enumerate(story.best[:2], start=1):
            name = "fish" if same[row] else "dog"
            shown.append((f"most helpful {place}: {name}", images[row]))
        for column, (title, image) in enumerate(shown, start=1):
            axes = figure.add_subplot(grid[line, column])
            axes.imshow(image.reshape(64, 64, 3))
            axes.set_title(title, fontsize=9)
            axes.set_axis_off()
    path = folder / "dogfish_rbf.png"
    figure.savefig(path, dpi=100)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, help=f"existing folder for the figure. {WARNING}")
    parser.add_argument("--kind", choices=("removal", "upweight"), default="removal")
    options = parser.parse_args()
    if options.output is not None and not options.output.is_dir():
        parser.error(f"{options.output} is no folder")
    pixels, features = fetch_dogfish(kind="pixels"), fetch_dogfish(kind="features")
    y, y_test = pixels.target, pixels.test_target
    gamma = 1.0 / (pixels.data.shape[1] * pixels.data.var())
    kernel = rbf_kernel(pixels.data, gamma=gamma)
    test_kernel = rbf_kernel(pixels.test_data, pixels.data, gamma=gamma)
    svm = SVC(kernel="precomputed", C=1.0, tol=1e-6).fit(kernel, y)
    network = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.001, tol=1e-8, max_iter=10_000)
    ).fit(features.data, y)
    values = svm.decision_function(test_kernel)
    others = network.decision_function(features.test_data)
    for name, each in (("SVM", values), ("network", others)):
        print(f"{name}: {((each > 0) == y_test).mean():.1%} of {len(y_test)} test images right")
    print(f"the SVM has {len(svm.support_)} support vectors among {len(y)} training images")
    test = choose(values, others, y_test)
    print(
        f"test image {test}: decision value {values[test]:.3f} (SVM), {others[test]:.3f} (network)",
        flush=True,
    )
    distances, same = euclidean_distances(pixels.test_data[[test]], pixels.data)[0], y == 1
    stories = []
    for name, unit, model, X, X_test in (
        ("RBF SVM on pixels", "hinge loss", svm, kernel, test_kernel),
        (
            "logistic regression on network features",
            "log-loss",
            network,
            features.data,
            features.test_data,
        ),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            effects = influences(model, X, y, X_test[[test]], y_test[[test]], options.kind)
        for each in caught:
            print(f"warned: {each.category.__name__}: {str(each.message)[:100]}")
        order = ", to first order" if options.kind == "upweight" else ""
        stories.append(Story(name, f"change of {unit} by removal{order}", effects))
        tell(stories[-1], distances, same)
    if options.output is not None:
        draw(options.output, stories, distances, same, pixels.data, pixels.test_data[test])
        print(f"The figure is in the folder given. {WARNING}")


if __name__ == "__main__":
    main()
