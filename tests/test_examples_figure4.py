"""The example of Figure 4: both models' influences against refits, and the numbers of its table."""

import matplotlib as mpl
import numpy as np
import pytest
from scripts import example_module
from sklearn.base import clone
from sklearn.svm import SVC

SOME = slice(0, 160)


@pytest.fixture(scope="module")
def example():
    with example_module("paper/figure4_dogs_and_fish") as module:
        yield module


@pytest.fixture(scope="module")
def images(example):
    """A few of the digits, where the SVM needs a larger C."""
    made = example.ones_and_sevens()
    for name in ("pixels", "features", "y"):
        setattr(made, name, getattr(made, name)[SOME])
    made.C = (0.1, 1.0)
    return made


@pytest.fixture(scope="module")
def models(example, images):
    return example.fitted(images)


@pytest.fixture(scope="module")
def test_image(example, images, models):
    values = (model.decision_function(X_test) for model, _, X_test in models.values())
    return example.chosen_test(*values, images.y_test)


def loss(name, value):
    """Of a test image of the second class."""
    return max(0.0, 1.0 - value) if name == "RBF SVM" else np.log1p(np.exp(-value))


@pytest.mark.parametrize("name", ["RBF SVM", "network"])
def test_influences_are_what_refits_show(example, images, models, test_image, name):
    model, X, X_test = models[name]
    x, label = X_test[[test_image]], images.y_test[[test_image]]
    changes = {
        kind: example.changes(model, X, images.y, x, label, kind)
        for kind in ("upweight", "removal")
    }
    rows, actual = np.argsort(-np.abs(changes["removal"]))[:8], []
    for row in rows:
        kept = np.delete(np.arange(len(X)), row)
        if name == "network":  # what the step before the model learned is held
            top = clone(model[-1]).fit(model[0].transform(X[kept]), images.y[kept])
            value = top.decision_function(model[0].transform(x))[0]
        else:
            without = clone(model).fit(X[np.ix_(kept, kept)], images.y[kept])
            value = without.decision_function(x[:, kept])[0]
        actual.append(loss(name, value) - loss(name, model.decision_function(x)[0]))
    apart = 0.02 if name == "RBF SVM" else 0.25  # exact, and a Newton step
    np.testing.assert_allclose(changes["removal"][rows], actual, rtol=apart, atol=1e-5)
    assert np.corrcoef(changes["upweight"][rows], actual)[0, 1] > 0.9


def test_the_kernel_is_scikit_learns_default(images, models):
    model, _, kernel = models["RBF SVM"]
    svm = SVC(C=images.C[0], tol=1e-6).fit(images.pixels, images.y)
    values = svm.decision_function(images.test_pixels)
    np.testing.assert_allclose(model.decision_function(kernel), values, atol=1e-5)


def test_the_test_image_is_the_median_of_those_inside_the_margin(example):
    svm = np.array([0.5, 0.9, 0.1, 1.2, 0.7, 0.6, -0.3])
    network = np.array([1.0, 1.0, 1.0, 1.0, -1.0, 1.0, 1.0])
    y = np.array([1, 1, 1, 1, 1, 0, 1])
    assert example.chosen_test(svm, network, y) == 0


def test_shrinking_takes_means_of_sixteen_pixels(example):
    image = np.random.default_rng(0).uniform(size=(1, 784))
    small = example.shrunk(image).reshape(8, 8)
    assert small[3, 2] == pytest.approx(image.reshape(28, 28)[10:14, 6:10].mean())
    assert 16 * small.sum() == pytest.approx(image.sum())


def test_facts_count_right(example, monkeypatch):
    monkeypatch.setattr(example, "NEAREST", 2)
    monkeypatch.setattr(example, "BEST", 2)
    effects = np.array([5.0, -4.0, 3.0, 2.0, -1.0, 0.0, 0.0, 1.5])
    distances = np.arange(1.0, 9.0)
    same = np.array([True, False, False, True, True, True, False, True])
    ranks = example.spearmanr([5, 4, 3, 2, 1, 1.5], [1, 2, 3, 4, 5, 8])[0]
    # Of 16.5 in all, the farther half has 1 + 1.5; rows 0, 2, 3, 7 help.
    expected = [75.0, ranks, 100 * 2.5 / 16.5, 75.0, 100.0, 50.0, 1.0, 2.0]
    assert example.facts(effects, distances, same) == pytest.approx(expected)


def test_all_of_it_is_printed_and_drawn(example, images, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(example, "ones_and_sevens", lambda: images)
    picture = tmp_path / "picture.png"
    with mpl.rc_context({"backend": "agg"}):
        example.main(["--output", str(picture)])
        assert "Euclidean distance from the test image, in pixels" in {
            ax.get_xlabel() for ax in example.plt.gcf().axes
        }
        example.plt.close("all")
    assert picture.stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert printed.startswith("160 digits of MNIST, 400 test images")
    assert "ImageNet" not in printed
    lines = printed.split("\n\n")[1].splitlines()
    paper = lines[0].index("the paper")
    assert all(line[paper - 3 : paper] == "   " for line in lines)
    assert len(lines) == 9
