"""The training-set attack of Section 5.2: z ← Π(z + α sign(I_pert,loss)), and fit again."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np

from ..curvature import Array
from ..progress import up_to
from ..resources import Resources, within_resources
from .choosing import choose_rows, movable_columns, predicted_rises, require_movable, take_step
from .combining import InOrder
from .gradients import raw_slopes
from .inputs import WHO, check_count, check_explainer, check_rows, check_step_size, check_tol
from .result import AttackResult
from .retrained import Retrained
from .table import Table
from .victims import History, Victims, seen_by_model

# Rows that move by less than this share of a step don't move.
STILL = 1e-9


@dataclass(frozen=True)
class TrainingSetAttack:
    """Change training rows a little so that the model changes its mind (Section 5.2).

    Every step moves the chosen rows by ``step_size`` in the direction of the sign of
    I_pert,loss (Eq. 5), takes them back to what ``project`` allows, and fits the model again, from
    the parameters that it had. Steps of a pipeline before the model stay as they were fitted;
    ``AttackResult.confirm`` fits everything anew.

    Parameters
    ----------
    explainer : InfluenceExplainer
        Fitted, on the training rows that are to be moved.
    n_rows : int, default=1
        How many training rows move. Those whose first step raises the target most, to first
        order and after the projection, are chosen; rows of weight 0 never.
    step_size : float or array-like of shape (n_features,), default=0.02
        How far a step goes, α, in units of the raw features.
    n_iter : int, default=100
        Most steps.
    n_iter_no_change : int, default=10
        Stop where the last so many steps have brought no progress: in a ball, steps by signs end
        going to and fro.
    tol : float, default=1e-3
        What counts as none, as a share of all the progress so far.
    project : projection, callable or list of them, optional
        What the rows may become, such as ``LInfBall(0.1)``; several are applied in order. A
        function of the moved rows Z and the original rows Z0, both (rows, n_features), returns
        allowed rows; NaN stands for what is no number.
    rows : array-like of int or bool, optional
        The rows to move; ``n_rows`` then is not used.
    target : {"loss", "decision"}, default="loss"
        "loss": raise the mean loss of the test rows. "decision": lower the mean of what the
        decision value of their label is above that of the strongest other. For losses that are
        flat beyond the margin (hinges), where test rows have no slope.
    verbose : int, default=0
        Above 0, tell the progress on standard error (by tqdm where it is installed).

    Notes
    -----
    Missing values, columns that are no numbers, and columns through which no derivative is known
    (categories of a pipeline) stay as they are. Whole numbers become floats when they move.

    A loss with a kink (hinge) is smoothed as the explainer's: with the temperature ``smoothing``.
    The histories then are those of the smoothed model, which ``confirm`` compares with the real
    one.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence import InfluenceExplainer
    >>> from skinfluence.attack import LInfBall, TrainingSetAttack
    >>> from skinfluence.datasets import load_mnist17
    >>> digits = load_mnist17()
    >>> model = LogisticRegression(C=1.0, tol=1e-8)
    >>> explainer = InfluenceExplainer(model).fit(digits.data[::15], digits.target[::15])
    >>> test_row = digits.test_data[[268]]
    >>> attack = TrainingSetAttack(explainer, n_rows=2, step_size=0.05, project=LInfBall(0.3))
    >>> result = attack.attack(test_row)
    >>> result.stopped
    'flipped'
    """

    explainer: Any
    _: KW_ONLY
    n_rows: int = 1
    step_size: Any = 0.02
    n_iter: int = 100
    n_iter_no_change: int = 10
    tol: float = 1e-3
    project: Any = None
    rows: Any = None
    target: str = "loss"
    verbose: int = 0

    def _resources(self) -> Resources:
        explainer = check_explainer(self.explainer, WHO)
        return replace(explainer._resources(), verbose=self.verbose)

    @within_resources
    def attack(self, X_test: Any, y_test: Any = None) -> AttackResult:
        """Attack the predictions of some test rows together.

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
            Rows whose predictions are attacked.
        y_test : array-like of shape (n_test,) or (n_test, n_targets), optional
            Labels that the attack leads the model away from; None stands for the model's own
            predictions, so that it changes its mind. Regressors need it.

        Returns
        -------
        AttackResult

        Raises
        ------
        sklearn.exceptions.NotFittedError
            For an explainer that isn't fitted.
        IndexError, TypeError, ValueError
            For settings and data that don't fit, models and steps without a derivative, rows
            that can't move, and projections that return something else than rows.

        Warns
        -----
        ConvergenceWarning
            Where the model could not be fitted again to its optimum.
        """
        explainer = check_explainer(self.explainer, WHO)
        table = Table.of(explainer._training_X)
        project = InOrder.of(self.project, table.names, table.n_features)
        steps = check_step_size(self.step_size, table.n_features)
        n_iter = check_count("n_iter", self.n_iter)
        patience = check_count("n_iter_no_change", self.n_iter_no_change)
        tol = check_tol(self.tol)
        weights = explainer.objective_.weights.values
        given = None if self.rows is None else check_rows(self.rows, weights)
        n_rows = check_count("n_rows", self.n_rows, len(weights), ", the number of training rows")
        victims = Victims.of(explainer, X_test, y_test, self.target)
        run = _Run(explainer, table, project, steps, victims)
        run.start(given, weights, n_rows)
        stopped = "n_iter"
        for _ in up_to(n_iter, "training-set attack, steps"):
            reason = run.step() or run.stalls(patience, tol)
            if reason:
                stopped = reason
                break
        run.model.warn()
        return AttackResult.from_run(
            explainer, table, victims, run.history, X_test, run.rows, run.Z, stopped
        )


class _Run:
    """The rows on their way."""

    def __init__(
        self, explainer: Any, table: Table, project: InOrder, steps: Array, victims: Victims
    ) -> None:
        self.explainer, self.table, self.victims = explainer, table, victims
        self.project, self.steps = project, steps
        self.transformers = explainer._transformers
        self.model = Retrained(explainer)
        self.history = History(victims)
        self._seen: set[bytes] = set()

    def start(self, given: Array | None, weights: Array, n_rows: int) -> None:
        """Choose the rows, unless they are given."""
        self._values = self.history.record(self.model)
        direction, table = self._direction(), self.table
        if given is None:
            first = self.transformers, table, self.project, self.steps
            rises = predicted_rises(self.model.objective, direction, *first)
            given = choose_rows(rises, weights, n_rows)
        self.rows: Array = given
        self.Z0 = self.Z = table.values(given)
        self._rows_now = table.take(given)
        self._slopes: Array | None = self._raw_slopes(direction)
        self.movable = movable_columns(self._slopes, self.Z) & table.numeric
        require_movable(self.movable)

    def step(self) -> str:
        """Move the rows and fit; a reason to stop, or none."""
        if self._slopes is None:
            self._slopes = self._raw_slopes(self._direction())
        moved = take_step(self.Z, self.Z0, self._slopes, self.steps, self.project)
        moved = self.table.stored(np.where(self.movable, moved, self.Z0))
        if not (np.abs(moved - self.Z) > STILL * self.steps).any():
            return "fixed point"
        self._seen.add(self.Z.tobytes())
        rows_now = self.table.rows_with(self.rows, moved, self.movable)
        if not self.model.move(self.rows, seen_by_model(self.explainer, rows_now)):
            return "no optimum"
        self.Z, self._rows_now, self._slopes = moved, rows_now, None
        self._values = self.history.record(self.model)
        if self.history.all_flipped(self.model.objective):
            return "flipped"
        return "cycle" if moved.tobytes() in self._seen else ""

    def stalls(self, patience: int, tol: float) -> str:
        """A reason to stop where the last steps have brought next to nothing, or none."""
        aims = self.history.aims
        if len(aims) <= patience:
            return ""
        best = max(aims)
        return "no progress" if best - max(aims[:-patience]) <= tol * (best - aims[0]) else ""

    def _direction(self) -> Any:
        cotangents = self.victims.cotangents(self.model.objective, self._values)
        return self.model.direction(self.victims.X, cotangents)

    def _raw_slopes(self, direction: Any) -> Array:
        known = self.rows, self.transformers, self._rows_now
        return raw_slopes(self.model.objective, direction, *known)[0]
