"""What functionals read of an objective: its answers at given decision values of some rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .coding import ClassLabels, LabelColumns, RealTargets
from .curvature import Array
from .functionals import Readings, Slope
from .objective import Objective


@dataclass(frozen=True)
class Truth:
    """What is known of the rows that a functional is evaluated on.

    Parameters
    ----------
    objective : Objective
        Any of the model's.
    y : array-like or None
        As the user gave it.
    model : str
        The model's name, for errors.
    """

    objective: Objective
    y: Any
    model: str

    @cached_property
    def codes(self) -> Array:
        """Classes, (n,)."""
        return self.objective.coding.codes(self.y, "y")

    @cached_property
    def encoded(self) -> Array:
        """As the loss reads it."""
        return self.objective.coding.encode(self.y, "y")

    @cached_property
    def targets(self) -> Array:
        """A regressor's, in the unit of its predictions, (n, K)."""
        coding = self.objective.coding
        return coding.given(self.y, "y") if isinstance(coding, RealTargets) else self.encoded


class ModelReadings(Readings):
    """Of an objective's model.

    Parameters
    ----------
    objective : Objective
    values : ndarray of shape (n, K, m)
        Decision values.
    truth : Truth
    name : str
        Of the functional.
    """

    def __init__(self, objective: Objective, values: Array, truth: Truth, name: str) -> None:
        super().__init__(truth.y, name)
        self._objective = objective
        self._values = values
        self._truth = truth
        coding = objective.coding
        self._pairs = isinstance(coding, ClassLabels) and coding.layout == "pairs"

    # ----------------------------------------------------------------------------------- truth
    @property
    def is_classification(self) -> bool:
        """Whether the model is a classifier."""
        return self._objective.coding.is_classification

    @cached_property
    def classes(self) -> Array:
        """The estimator's."""
        coding = self._objective.coding
        return coding.classes if isinstance(coding, ClassLabels) else np.empty(0)

    @property
    def codes(self) -> Array:
        """(n,)."""
        return self._truth.codes

    @property
    def targets(self) -> Array:
        """(n, K)."""
        return self._truth.targets

    def require_classes(self) -> None:
        """Refuse regressors, and several labels of each row."""
        self.require_one_label()
        super().require_classes()

    def require_targets(self) -> None:
        """Refuse classifiers, also of several labels of each row."""
        self.require_one_label()
        super().require_targets()

    def require_one_label(self) -> None:
        """Refuse several labels of each row."""
        if isinstance(self._objective.coding, LabelColumns):
            raise TypeError(
                f"functionals.{self.name} got {self._truth.model} with several labels of each row; "
                "it reads one. Use mean_loss or a callable of your own, or explain its fitted "
                "models (estimators_) one by one."
            )

    # --------------------------------------------------------------------------------- answers
    @cached_property
    def shown(self) -> Array:
        """(n, C, m)."""
        return self._objective.shown(self._values)

    @property
    def shown_by_class(self) -> bool:
        """Not of pairs of classes, unless the estimator makes classes of them."""
        return not self._pairs or bool(getattr(self._objective.coding, "presented_by_class", False))

    @cached_property
    def scores(self) -> Array:
        """(n, C, m); of pairs of classes the sums over those that each class is in."""
        if not self._pairs:
            return self.shown
        signs = self._objective.coding.pairs  # type: ignore[attr-defined]
        return np.einsum("nkm,ck->ncm", self._values, signs)

    @cached_property
    def predicted(self) -> Array:
        """(n, m)."""
        objective = self._objective
        flat = objective.predictor.class_values(self._flat)
        return self._by_column(objective.coding.elect(flat))

    @property
    def has_probabilities(self) -> bool:
        """Whether the loss has."""
        return self._objective.has_probabilities

    @cached_property
    def probabilities(self) -> Array:
        """(n, C, m)."""
        self._require_probabilities()
        loss, flat, n_classes = self._objective.loss, self._flat, len(self.classes)
        # The last is what the others leave.
        codes = [np.full(len(flat), code) for code in range(1, n_classes)]
        others = [self._by_column(loss.probability(code, flat)) for code in codes]
        return np.stack([1.0 - sum(others), *others], axis=1)

    @cached_property
    def losses(self) -> Array:
        """(n, m)."""
        encoded = np.repeat(self._truth.encoded, self._values.shape[2], axis=0)
        return self._by_column(self._objective.measured_loss.value(encoded, self._flat))

    def pull(self, slope: Slope) -> Array:
        """(n, K)."""
        values, loss = self._values[:, :, 0], self._objective.loss
        if slope.of == "losses":
            residual = self._objective.measured_loss.residual(self._truth.encoded, values)
            return np.asarray(slope.values * residual)
        if slope.of == "probabilities":
            codes = [np.full(len(values), code) for code in range(slope.values.shape[1])]
            slopes = [loss.probability_gradient(code, values) for code in codes]
            return np.einsum("nc,cnk->nk", slope.values, np.array(slopes))
        if slope.of == "scores" and self._pairs:
            return np.asarray(slope.values @ self._objective.coding.pairs)  # type: ignore[attr-defined]
        return self._objective.shown_vjp(values, slope.values)

    @property
    def n_rows(self) -> int:
        """n."""
        return len(self._values)

    # ----------------------------------------------------------------------------------- shapes
    @cached_property
    def _flat(self) -> Array:
        """(n · m, K)."""
        return self._values.transpose(0, 2, 1).reshape(-1, self._values.shape[1])

    def _by_column(self, flat: Array) -> Array:
        return flat.reshape(len(self._values), -1)

    def _require_probabilities(self) -> None:
        if not self.has_probabilities:
            raise TypeError(
                f"functionals.{self.name} reads class probabilities, and the objective that "
                f"{self._truth.model} minimises has none. Use a functional of decision values "
                "(accuracy, roc_auc, average_precision, mean_loss), or a model with them."
            )
