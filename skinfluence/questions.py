"""What is asked about: test rows, and the scalar of each whose change is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .blocks import row_blocks
from .curvature import Array
from .effects import target_blocks
from .inputs import WHO, check_targets, choose
from .objective import Objective
from .predictors import LinearMap
from .solvers import InverseHessian
from .targets import DecisionTarget, LossTarget, PredictionTarget, ProbabilityTarget, Target

TARGETS = ("loss", "prediction")


class Changes(Protocol):
    """What answers how the model changes without a row, or by an exchange."""

    @property
    def objective(self) -> Objective: ...
    def decision_moves(
        self, test_map: LinearMap, rows: Array
    ) -> Iterator[tuple[slice, Array, Array]]: ...


@dataclass(frozen=True)
class Question:
    """Test rows with their target.

    Parameters
    ----------
    linear_map : LinearMap
        Of the test rows.
    decision_values : ndarray of shape (n_test, K)
    target : Target
    labels : array-like or None
        What the user would call the rows' y: given, or predicted by the model.
    """

    linear_map: LinearMap
    decision_values: Array
    target: Target
    labels: Any

    @property
    def n_rows(self) -> int:
        """Number of test rows."""
        return self.linear_map.n_rows

    def gradients(self) -> Array:
        """Gradient of each target with respect to its decision values, (n_test, K)."""
        return self.target.gradient(self.decision_values)

    def directions(
        self, inverse: InverseHessian, *, mean: bool = False
    ) -> Iterator[tuple[slice, Any]]:
        """(∇²J)⁻¹ times the targets' parameter gradients, in blocks of test rows."""
        gradients = self.gradients()
        if mean:
            yield slice(0, 1), inverse.directions(self.linear_map, gradients, mean=True)
            return
        for tests in target_blocks(self.n_rows, self.linear_map.n_parameters, 1):
            block = self.linear_map.take(tests)
            yield tests, inverse.directions(block, gradients[tests])

    def changes(self, changes: Changes, rows: Array) -> Iterator[tuple[slice, Any, Array]]:
        """Change of each target by each row's removal or exchange: tests, positions, values."""
        objective = changes.objective
        asked, before = (
            self.target.under(objective.loss),
            objective.decision_values(self.linear_map),
        )
        for tests, positions, moves in changes.decision_moves(self.linear_map, rows):
            target, start = asked.take(tests), before[tests]
            after = evaluate(target, start[:, None, :] + moves)
            yield tests, positions, after - target.value(start)[:, None]


def evaluate(target: Target, decision_values: Array) -> Array:
    """Target of every test row at many decision values (tests, rows, K): (tests, rows)."""
    n_tests, n_rows, n_outputs = decision_values.shape
    result = np.empty((n_tests, n_rows))
    for tests in row_blocks(n_tests, 8 * 4 * n_rows * n_outputs):
        repeated = target.take(np.repeat(np.arange(n_tests)[tests], n_rows))
        flat = decision_values[tests].reshape(-1, n_outputs)
        with np.errstate(invalid="ignore"):  # rows without which nothing is determined are NaN
            result[tests] = repeated.value(flat).reshape(-1, n_rows)
    return result


def pose_question(objective: Objective, X: Any, y: Any, target: str) -> Question:
    """Test rows in the model's own space, with the target asked for.

    Raises
    ------
    ValueError
        For unseen labels, wrong lengths, or a question that has no answer.
    """
    choose("target", target, TARGETS)
    linear_map = objective.predictor.linearize(X)
    if y is not None:
        y = check_targets(y, linear_map.n_rows, "y_test")
    values = objective.decision_values(linear_map)
    made = _loss_target(objective, values, y) if target == "loss" else _prediction(objective, y)
    return Question(linear_map, values, made, y)


def _loss_target(objective: Objective, values: Array, y: Any) -> LossTarget:
    if y is None:
        raise ValueError(
            f"{WHO} got y_test=None for a regressor with target='loss': at its own prediction a "
            "regressor's loss and all influence on it are 0. Pass y_test, or "
            "target='prediction' to explain the predicted value."
        )
    target = LossTarget(objective.measured_loss, objective.coding.encode(y, "y_test"))
    undefined = np.flatnonzero(~np.isfinite(target.value(values)))
    if len(undefined):
        row = undefined[0]
        raise ValueError(
            f"{WHO} got test row {row}, with {target.y[row].tolist()} in y_test, where the "
            f"{target.unit} is not defined: its decision value is {values[row].tolist()}. Leave "
            "such rows out, or ask for target='prediction'."
        )
    return target


def _prediction(objective: Objective, y: Any) -> Target:
    n_outputs = objective.shown(objective.training_values[:1]).shape[1]
    if not objective.coding.is_classification:
        if objective.coding.has_labels:
            raise ValueError(
                f"{WHO} got target='prediction' for several labels of each row, which have no "
                "single prediction. Ask for target='loss', or explain the fitted models "
                "(estimators_) one by one."
            )
        if n_outputs > 1:
            raise ValueError(
                f"{WHO} got target='prediction' for a regressor with {n_outputs} outputs, which "
                "have no single predicted value. Pass y_test to explain the loss, or fit one "
                "regressor per output."
            )
        return PredictionTarget(objective.presentation)
    codes = objective.coding.codes(y, "y_test")
    if objective.has_probabilities:
        return ProbabilityTarget(objective.loss, codes)
    return DecisionTarget(objective.coding.output_weights(codes, n_outputs))
