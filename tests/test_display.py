"""Pictures of explanations: what is drawn where, and that its words can be read."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from skinfluence import InfluenceExplainer
from skinfluence.datasets import load_mnist17
from skinfluence.display import InfluenceImagesDisplay, TopInfluenceDisplay

matplotlib = pytest.importorskip("matplotlib")
K = 4


@pytest.fixture(autouse=True)
def no_window():
    matplotlib.use("Agg")
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture(scope="module")
def digits():
    return load_mnist17()


@pytest.fixture(scope="module")
def explainer(digits):
    return InfluenceExplainer(LogisticRegression(C=0.01)).fit(digits.data, digits.target)


@pytest.fixture(scope="module")
def explanation(explainer, digits):
    return explainer.explain(digits.test_data[:3], k=K)


def texts(figure):
    """All words that a figure shows, each with its box in pixels."""
    figure.canvas.draw()
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
            hidden |= {label for place, label in ticks if not low <= place <= high}
    found = figure.findobj(matplotlib.text.Text)
    shown = [text for text in found if text.get_visible() and text.get_text().strip()]
    return {text: text.get_window_extent() for text in shown if text not in hidden}


def check_readable(figure):
    """No word overlaps another, is cut off by the edge, or smaller than 7 points."""
    boxes = texts(figure)
    assert len(boxes) > 5
    edge = figure.bbox
    for artist, box in boxes.items():
        assert artist.get_fontsize() >= 7, artist
        assert box.x0 >= edge.x0 - 1, artist
        assert box.x1 <= edge.x1 + 1, artist
        assert box.y0 >= edge.y0 - 1, artist
        assert box.y1 <= edge.y1 + 1, artist
    for (one, box), (other, other_box) in combinations(boxes.items(), 2):
        overlap = matplotlib.transforms.Bbox.intersection(box, other_box)
        assert overlap is None or min(overlap.width, overlap.height) < 1, (one, other)


# -------------------------------------------------------------------------------------- bars
def test_bars(explanation, digits):
    display = explanation.plot(1)
    assert isinstance(display, TopInfluenceDisplay)
    assert display.figure_ is display.ax_.figure
    assert len(display.ax_.patches) == 2 * K
    widths = [bar.get_width() for bar in display.ax_.patches]
    heights = [bar.get_y() + bar.get_height() / 2 for bar in display.ax_.patches]
    helpful, harmful = explanation.helpful_effects[1], explanation.harmful_effects[1]
    np.testing.assert_allclose(np.array(widths)[np.argsort(heights)], [*helpful, *harmful[::-1]])
    assert display.ax_.yaxis_inverted()  # the most helpful row on top
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    order = [*explanation.helpful_indices[1], *explanation.harmful_indices[1][::-1]]
    assert names == [f"row {i} (y = {digits.target[i]})" for i in order]


def test_bars_by_colour(explanation):
    display = explanation.plot(0)
    colours = {bar.get_facecolor() for bar in display.ax_.patches if bar.get_width() > 0}
    others = {bar.get_facecolor() for bar in display.ax_.patches if bar.get_width() < 0}
    assert len(colours) == len(others) == 1
    assert colours != others
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["helpful", "harmful"]


def test_words_of_bars(explanation):
    display = explanation.plot(2)
    assert display.ax_.get_title() == f"test row 2 (explained: {explanation.labels[2]})"
    label = display.ax_.get_xlabel()
    assert "change of the loss when the row is removed" in label
    assert "log-loss (nats)" in label


def test_words_of_a_prediction(digits):
    explainer = InfluenceExplainer(Ridge(alpha=10.0)).fit(digits.data, digits.target / 7.0)
    display = explainer.explain(digits.test_data[:1], k=2, kind="upweight").plot()
    assert "influence of upweighting the row on the prediction" in display.ax_.get_xlabel()
    assert display.ax_.get_title() == "test row 0"
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert all(name.startswith("row ") and "y =" not in name for name in names)


def test_bars_in_given_axes(explanation):
    figure, (left, right) = matplotlib.pyplot.subplots(1, 2)
    display = TopInfluenceDisplay.from_explanation(explanation, 1)
    assert display.ax_ is display.figure_ is None
    assert display.plot(ax=right) is display
    assert (display.ax_, display.figure_) == (right, figure)
    assert not left.patches


@pytest.mark.parametrize("k", [1, 10, 40])
def test_bars_are_readable(explainer, digits, k):
    check_readable(explainer.explain(digits.test_data[:1], k=k).plot().figure_)


def test_long_row_names_are_readable(digits):
    pandas = pytest.importorskip("pandas")
    names = [f"hospital {i % 7}, patient number {i}" for i in range(len(digits.data))]
    frame = pandas.DataFrame(digits.data, index=names)
    explainer = InfluenceExplainer(LogisticRegression(C=0.01)).fit(frame, digits.target)
    display = explainer.explain(frame[:1], k=5).plot()
    assert display.ax_.get_yticklabels()[0].get_text().startswith("hospital")
    check_readable(display.figure_)


# ------------------------------------------------------------------------------------ images
def test_images(explanation, digits):
    display = explanation.plot(1, image_shape=(28, 28))
    assert isinstance(display, InfluenceImagesDisplay)
    drawn = [ax for ax in display.figure_.axes if ax.images]
    assert len(drawn) == 1 + 2 * K
    rows = [*explanation.helpful_indices[1], *explanation.harmful_indices[1]]
    expected = [digits.test_data[1], *digits.data[rows]]
    for ax, image in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image.reshape(28, 28))
    helpful, harmful = drawn[1 : 1 + K], drawn[1 + K :]
    for i, ax in zip(rows, helpful + harmful, strict=True):
        assert f"row {i}, y = {digits.target[i]}" in ax.get_title()
    display.figure_.canvas.draw()
    boxes = [ax.get_window_extent() for ax in drawn]
    assert boxes[0].x1 < min(box.x0 for box in boxes[1:])  # the test image on the left
    assert min(box.y0 for box in boxes[1 : 1 + K]) > max(box.y1 for box in boxes[1 + K :])
    for group in (boxes[1 : 1 + K], boxes[1 + K :]):  # the strongest first
        assert all(one.x1 < other.x0 for one, other in pairwise(group))


def test_words_of_images(explanation):
    figure = explanation.plot(1, image_shape=(28, 28)).figure_
    words = [artist.get_text() for artist in texts(figure)]
    for word in ("helpful", "harmful", f"test row 1 (explained: {explanation.labels[1]})"):
        assert word in words
    assert any("change of the loss when the row is removed" in word for word in words)
    strongest = f"{explanation.helpful_effects[1, 0]:+.1e}"
    assert any(strongest in word for word in words)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_images_are_readable(explainer, digits, k):
    explanation = explainer.explain(digits.test_data[:1], k=k)
    check_readable(explanation.plot(image_shape=(28, 28)).figure_)


@pytest.mark.parametrize("make", ["csr", "csc", "frame", "list"])
def test_images_of_other_containers(explanation, digits, make):
    if make == "frame":
        convert = pytest.importorskip("pandas").DataFrame
    else:
        convert = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "list": np.ndarray.tolist}[
            make
        ]
    explainer = InfluenceExplainer(LogisticRegression(C=0.01))
    explainer.fit(convert(digits.data), digits.target)
    other = explainer.explain(convert(digits.test_data[:2]), k=K).plot(1, image_shape=(28, 28))
    display = explanation.plot(1, image_shape=(28, 28))
    for one, same in zip(display.figure_.axes, other.figure_.axes, strict=True):
        np.testing.assert_array_equal(one.images[0].get_array(), same.images[0].get_array())


def test_colour_images():
    rng = np.random.default_rng(0)
    rows, labels = rng.random((30, 12)), np.arange(30) % 2
    explanation = InfluenceExplainer(LogisticRegression()).fit(rows, labels).explain(rows[:1], k=2)
    display = explanation.plot(image_shape=(2, 2, 3))
    assert display.figure_.axes[0].images[0].get_array().shape == (2, 2, 3)


def test_images_in_a_given_figure(explanation):
    figure = matplotlib.pyplot.figure()
    display = InfluenceImagesDisplay.from_explanation(explanation, 0, most=2)
    assert display.plot(figure) is display
    assert display.figure_ is figure
    assert len(figure.axes) == 1 + 2 * 2
