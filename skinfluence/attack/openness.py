"""How open a model is to attacks through its training rows: the defender's view of Section 5.2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..curvature import Array
from ..effects import DIRECTION_BYTES
from ..progress import tracked_blocks
from ..questions import Question
from ..resources import using
from .gradient_sizes import NORMS, GradientSizes
from .inputs import check_count, check_explainer, require_targets
from .margins import margins, predicted_codes
from .words import count, need_pandas, row_title

WHO = "vulnerability"
# What a norm of the gradient is the answer to: moves of length 1 in its dual.
MOVES = {"l2": "L2", "l1": "L-infinity", "linf": "L1"}
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Vulnerability:
    """How much moving one training row can do to each test row.

    Attributes
    ----------
    indices : ndarray of int of shape (n_test, k)
        Positions of the training rows that do most, strongest first.
    sizes : ndarray of shape (n_test, k)
        s_i ‖I_pert,loss‖ of these: moving the row by δ raises the test row's loss by up to
        ‖δ‖ / n times this, to first order, with ‖δ‖ in the dual norm.
    flip_distance : ndarray of shape (n_test,)
        The smallest move of a single training row that flips the prediction, to first order, in the
        dual norm. NaN for regressors and for one-vs-one.
    flip_rows : ndarray of int of shape (n_test,)
        The training row that does it; -1 where there is none.
    margins : ndarray of shape (n_test,)
        By how much the decision value of the predicted class exceeds that of the next (two
        classes: the decision value's size).
    row_sizes : ndarray of shape (n,)
        The sizes of each training row, averaged over the test rows.
    norm : {"l2", "l1", "linf"}
        Of the gradient. Its dual measures moves: L2; L∞, each feature by the same; L1, a single
        feature.
    labels : ndarray
        Whose loss it is.
    test_names : tuple
        Labels of the test rows in the DataFrame's index, else their positions.
    row_index : pandas.Index or None
        Labels of the training rows, where they came in a DataFrame.
    """

    indices: Array
    sizes: Array
    flip_distance: Array
    flip_rows: Array
    margins: Array
    row_sizes: Array
    norm: str
    labels: Any = field(repr=False)
    test_names: tuple[Any, ...] = field(repr=False)
    row_index: Any = field(repr=False)

    @property
    def most_effective_rows(self) -> Array:
        """All training rows, those first that do most to the test rows on average."""
        return np.argsort(-self.row_sizes, kind="stable")

    def ranking(self) -> Array:
        """Test rows from the easiest to flip to the hardest; NaN last.

        Returns
        -------
        ndarray of int of shape (n_test,)
            Positions of the test rows.
        """
        return np.argsort(self.flip_distance, kind="stable")

    def row_name(self, position: int) -> Any:
        """A training row's label in the DataFrame's index, else its position."""
        return int(position) if self.row_index is None else self.row_index[position]

    def to_frame(self) -> Any:
        """One line per test row and training row, strongest first.

        Returns
        -------
        pandas.DataFrame
            Columns ``test_row``, ``flip_distance``, ``margin``, ``rank`` (from 1), ``row`` (the
            training DataFrame's index label, else the position), ``position`` and ``size``.

        Raises
        ------
        ImportError
            Without pandas.
        """
        pd = need_pandas("Vulnerability")
        n_tests, k = self.indices.shape
        positions = self.indices.reshape(-1)
        return pd.DataFrame(
            {
                "test_row": [name for name in self.test_names for _ in range(k)],
                "flip_distance": np.repeat(self.flip_distance, k),
                "margin": np.repeat(self.margins, k),
                "rank": np.tile(np.arange(1, k + 1), n_tests),
                "row": [self.row_name(position) for position in positions],
                "position": positions,
                "size": self.sizes.reshape(-1),
            }
        )

    def plot(self, axes: Any = None, *, most: int = 10) -> Any:
        """Draw the test rows that flip most easily, and the rows that do most.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            Where to draw: test rows, then training rows; by default in a new figure.
        most : int, default=10
            Bars of either sort.

        Returns
        -------
        VulnerabilityDisplay
            With ``axes_`` and ``figure_``.
        """
        from .display import VulnerabilityDisplay

        return VulnerabilityDisplay.from_vulnerability(self, most).plot(axes)

    def __repr__(self) -> str:
        n_tests, n = len(self.flip_distance), len(self.row_sizes)
        lines = [
            f"Vulnerability of {count(n_tests, 'test row')} to moves of one of "
            f"{count(n, 'training row')}, in {MOVES[self.norm]}"
        ]
        for test in self.ranking()[:SHOWN]:
            text = "no margin to flip"
            if not np.isnan(self.flip_distance[test]):
                text = (
                    f"flips when {row_title(self.row_name(self.flip_rows[test]))} moves by "
                    f"{self.flip_distance[test]:.2e}"
                )
            lines.append(f"test {row_title(self.test_names[test])}: {text}")
        rows = ", ".join(row_title(self.row_name(i)) for i in self.most_effective_rows[:SHOWN])
        return "\n".join([*lines, f"most effective on average: {rows}"])


def vulnerability(
    explainer: Any, X_test: Any, y_test: Any = None, *, norm: str = "l2", k: int = 10
) -> Vulnerability:
    """How easily predictions flip when a single training row is touched.

    The size of I_pert,loss (Eq. 5), which the paper proposes as a measure of how vulnerable a
    model is (Section 5.2), for every test row and training row, in blocks.

    Parameters
    ----------
    explainer : InfluenceExplainer
        Fitted.
    X_test : array-like of shape (n_test, n_features)
        Rows whose predictions might flip.
    y_test : array-like of shape (n_test,) or (n_test, n_targets), optional
        Whose loss; None stands for the model's own predictions. Regressors need it.
    norm : {"l2", "l1", "linf"}, default="l2"
        Of the gradient over the raw features: "l2" is for moves measured in L2, "l1" for moves
        bounded in L∞ (all features at once, each by a little), "linf" for moves of one feature.
    k : int, default=10
        Training rows to keep for each test row.

    Returns
    -------
    Vulnerability

    Raises
    ------
    sklearn.exceptions.NotFittedError
        For an explainer that isn't fitted.
    TypeError, ValueError
        For settings and data that don't fit, models and steps without a derivative.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence import InfluenceExplainer
    >>> from skinfluence.attack import vulnerability
    >>> from skinfluence.datasets import load_mnist17
    >>> digits = load_mnist17()
    >>> model = LogisticRegression(C=0.01, tol=1e-8)
    >>> explainer = InfluenceExplainer(model).fit(digits.data, digits.target)
    >>> vulnerability(explainer, digits.test_data, k=5)
    Vulnerability of 400 test rows to moves of one of 1,500 training rows, in L2
    test row 208: flips when row 1291 moves by 1.89e-01
    test row 237: flips when row 1291 moves by 2.83e+00
    test row 215: flips when row 1291 moves by 3.13e+00
    most effective on average: row 1291, row 805, row 893
    """
    with using(check_explainer(explainer, WHO)._resources()):
        return _vulnerability(explainer, X_test, y_test, norm, k)


def _vulnerability(explainer: Any, X_test: Any, y_test: Any, norm: str, k: int) -> Vulnerability:
    if norm not in NORMS:
        raise ValueError(f"{WHO} got norm={norm!r}; needed is one of {list(NORMS)}.")
    objective = explainer.objective_
    n = objective.n_rows
    k = check_count("k", k, n, ", the number of training rows", who=WHO)
    require_targets(explainer, y_test, WHO)
    question = explainer._question(X_test, y_test, "loss")
    n_tests = question.n_rows
    margin, weights = _margins(objective, question)
    indices, sizes = np.empty((n_tests, k), dtype=np.intp), np.empty((n_tests, k))
    flip_distance, flip_rows = np.full(n_tests, np.nan), np.full(n_tests, -1)
    row_sizes = np.zeros(n)
    for tests, of_loss, of_margin in _blocks(explainer, question, weights, norm):
        indices[tests] = best = _largest(of_loss, k)
        sizes[tests] = n * np.take_along_axis(of_loss, best, axis=1)
        row_sizes += n * of_loss.sum(axis=0) / n_tests
        most = of_margin.argmax(axis=1)
        largest = np.take_along_axis(of_margin, most[:, None], axis=1)[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            flip_distance[tests] = np.abs(margin[tests]) / largest
        flip_rows[tests] = np.where(np.isnan(flip_distance[tests]), -1, most)
    X = explainer._training_X
    names = X_test.index if hasattr(X_test, "iloc") else range(n_tests)
    return Vulnerability(
        indices=indices,
        sizes=sizes,
        flip_distance=flip_distance,
        flip_rows=flip_rows,
        margins=margin,
        row_sizes=row_sizes,
        norm=norm,
        labels=None if question.labels is None else np.asarray(question.labels),
        test_names=tuple(names),
        row_index=X.index if hasattr(X, "iloc") else None,
    )


def _margins(objective: Any, question: Question) -> tuple[Array, Array]:
    """Margins of the predicted classes and their gradients; NaN and 0 for regressors."""
    values = question.decision_values
    if not objective.coding.is_classification:
        return np.full(len(values), np.nan), np.zeros(values.shape)
    return margins(objective, values, predicted_codes(objective, values))


def _blocks(
    explainer: Any, question: Question, weights: Array, norm: str
) -> Iterator[tuple[slice, Array, Array]]:
    """Blocks of test rows, and sizes (m, n) of the gradients of their loss and of their margin."""
    objective, slopes = explainer.objective_, question.gradients()
    gradient_sizes = GradientSizes(explainer, norm)
    bytes_per_test = 8 * (4 * objective.n_parameters + 3 * objective.n_rows)
    what = "vulnerability, test rows"
    for tests in tracked_blocks(question.n_rows, bytes_per_test, what, limit=DIRECTION_BYTES):
        linear_map = question.linear_map.take(tests)

        def of(cotangents: Array, linear_map: Any = linear_map) -> Array:
            return gradient_sizes.of(explainer.solver_.directions(linear_map, cotangents))

        if slopes.shape[1] == 1:  # both are multiples of the same
            unit = of(np.ones((linear_map.n_rows, 1)))
            yield tests, np.abs(slopes[tests]) * unit, np.abs(weights[tests]) * unit
        else:
            yield tests, of(slopes[tests]), of(weights[tests])


def _largest(sizes: Array, k: int) -> Array:
    """Columns of the k largest in each row, largest first."""
    n = sizes.shape[1]
    chosen = np.sort(np.argpartition(sizes, n - k, axis=1)[:, n - k :], axis=1)
    order = np.argsort(-np.take_along_axis(sizes, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)
