"""The test rows under attack: what is raised, and what the model makes of them on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import Array
from ..inputs import model_rows
from ..objective import Objective
from .inputs import WHO, require_targets
from .margins import margins, predicted_codes
from .retrained import Retrained

TARGETS = ("loss", "decision")
# A slope of the loss below this is none.
FLAT = 1e-100


@dataclass(frozen=True, eq=False)
class Victims:
    """Test rows with the label, or the value, that the attack is to lead the model away from.

    Parameters
    ----------
    X : {ndarray, CSR matrix}
        As the model sees them.
    y : ndarray
        As the loss reads them.
    labels : ndarray
        As the user knows them.
    target : {"loss", "decision"}
    """

    X: Any
    y: Array
    labels: Any
    target: str

    @classmethod
    def of(cls, explainer: Any, X_test: Any, y_test: Any, target: str) -> Victims:
        """Check what was asked.

        Raises
        ------
        ValueError
            For unseen labels and data that don't fit.
        """
        if target not in TARGETS:
            raise ValueError(f"{WHO} got target={target!r}; needed is one of {list(TARGETS)}.")
        objective = explainer.objective_
        if target == "decision" and not objective.coding.is_classification:
            raise ValueError(
                f"{WHO} got target='decision' for a regressor, which decides nothing. Use "
                "target='loss'."
            )
        require_targets(explainer, y_test, WHO)
        question = explainer._question(X_test, y_test, "loss")
        labels = np.asarray(question.labels)
        return cls(question.linear_map.full_X, question.target.y, labels, target)

    @property
    def n_rows(self) -> int:
        """Number of test rows."""
        return int(self.X.shape[0])

    def codes(self, objective: Objective) -> Array:
        """Class codes of the labels."""
        return objective.coding.decode(self.y)

    def cotangents(self, objective: Objective, values: Array) -> Array:
        """Gradient of what the attack raises with respect to decision values, (rows, K).

        Raises
        ------
        ValueError
            Where there is none: a loss that is flat.
        """
        if self.target == "decision":
            return -margins(objective, values, self.codes(objective))[1]
        slopes = objective.loss.residual(self.y, values)
        if not (np.abs(slopes) > FLAT).any():
            raise ValueError(
                f"{WHO} got test rows at which the {objective.loss.unit} is flat: no small change "
                "of the model changes it, as beyond the margin of a hinge. For a classifier use "
                "target='decision', which lowers the decision value of their label."
            )
        return slopes


class History:
    """What the model made of the test rows, step by step.

    Attributes
    ----------
    losses, probabilities, decisions : list of ndarray of shape (n_test,)
    codes : list of ndarray of shape (n_test,)
        Predicted classes; of a regressor its values.
    """

    def __init__(self, victims: Victims) -> None:
        self.victims = victims
        self.losses: list[Array] = []
        self.probabilities: list[Array] = []
        self.decisions: list[Array] = []
        self.codes: list[Array] = []

    def record(self, model: Retrained) -> Array:
        """Where the model is now: decision values (n_test, K)."""
        objective, victims = model.objective, self.victims
        values = model.decision_values(victims.X)
        self.losses.append(objective.loss.value(victims.y, values))
        unknown = np.full(len(values), np.nan)
        if not objective.coding.is_classification:
            shown = objective.shown(values)
            single = shown.shape[1] == 1
            self.probabilities.append(unknown)
            self.decisions.append(shown[:, 0] if single else unknown)
            self.codes.append(shown[:, 0] if single else shown)
            return values
        codes = victims.codes(objective)
        known = objective.has_probabilities
        self.probabilities.append(objective.loss.probability(codes, values) if known else unknown)
        self.decisions.append(margins(objective, values, codes)[0])
        self.codes.append(predicted_codes(objective, values))
        return values

    @property
    def aims(self) -> list[float]:
        """What the attack raises, step by step."""
        if self.victims.target == "loss":
            return [float(losses.mean()) for losses in self.losses]
        return [-float(decisions.mean()) for decisions in self.decisions]

    def all_flipped(self, objective: Objective) -> bool:
        """Whether no test row is predicted as its label any more, of those that were at first."""
        if not objective.coding.is_classification:
            return False
        codes = self.victims.codes(objective)
        right = self.codes[0] == codes
        return bool(right.any() and (self.codes[-1] != codes)[right].all())


def seen_by_model(explainer: Any, X: Any) -> Any:
    """Raw rows in the model's own space."""
    return model_rows(explainer._transformers, explainer._model, X)
