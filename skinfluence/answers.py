"""What all questions share, and the effects of rows. Signs and n live here and in the mixins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import effects
from .curvature import Array
from .dask_graphs import in_memory
from .inputs import WHO, check_indices, model_rows
from .objective import Objective
from .questions import Changes, Question, pose_question
from .refits import Refits
from .relative import MeasuredRefits, MoveNorms
from .removal import RowRemoval
from .smoothing import sharp_optimum
from .solvers import InverseHessian, Solver, SolverContext

KINDS = ("upweight", "removal", "refit")


class Answers:
    """What every question needs: a fitted objective, its inverse Hessian, checked input."""

    estimator_: Any
    objective_: Objective
    solver_: InverseHessian
    refit_tol: float
    _fitted: Objective
    _removal: RowRemoval
    _refits: Refits | None
    _norms: dict[str, MoveNorms]
    _solver: Solver
    _solver_context: SolverContext
    _transformers: list[Any]
    _model: Any
    _training_X: Any
    _training_y: Any

    def _question(
        self, X_test: Any, y_test: Any, target: str, objective: Objective | None = None
    ) -> Question:
        X_test, y_test = in_memory(X_test), in_memory(y_test)
        rows = model_rows(self._transformers, self._model, X_test)
        if y_test is None and self.objective_.coding.has_labels:
            y_test = self.estimator_.predict(X_test)
        return pose_question(objective or self.objective_, rows, y_test, target)

    def _leave_out(self, kind: str) -> RowRemoval | Refits:
        """What answers how the model changes without a row."""
        return self._removal if self._by_newton(kind) else self._exact()

    def _by_newton(self, kind: str) -> bool:
        """Whether one Newton step answers: across a kink it would not, and refits do."""
        return kind == "removal" and not self.objective_.loss.kinked

    def _exact(self) -> Refits:
        """Refits, from the estimator's own optimum; found when first asked for.

        Raises
        ------
        TypeError
            For networks.
        """
        self._require_optimum(
            "kind='refit'",
            "Use kind='removal', one Newton step from its parameters; verify() really trains it on "
            "from there without each of some rows.",
        )
        if self._refits is None:
            solver, context = self._solver, self._solver_context
            found = self.objective_, self.solver_
            if self.objective_.loss.smoothed:
                found = sharp_optimum(self._fitted, self.objective_, solver, context)
            self._refits = Refits(*found, solver, context, self.refit_tol)
        return self._refits

    def _require_optimum(self, got: str, instead: str) -> None:
        """Refuse networks, and what is not fitted.

        Raises
        ------
        TypeError, sklearn.exceptions.NotFittedError
        """
        check_is_fitted(self)
        if self.objective_.linear_map.tangent:
            raise TypeError(
                f"{WHO} got {got} for {type(self._model).__name__}: a network has no one optimum "
                f"that it would be refitted to without a row. {instead}"
            )

    def _rows(self, indices: Any, name: str = "indices") -> Array:
        rows = check_indices(indices, self.objective_.n_rows, name)
        return np.arange(self.objective_.n_rows) if rows is None else rows

    def _effects(
        self,
        question: Question,
        kind: str,
        rows: Array | None,
        *,
        mean: bool = False,
        normalize: str | None = None,
    ) -> Iterator[tuple[slice, Any, Array]]:
        """Blocks of effects in the user's sign and scale: tests, positions, values."""
        chosen = np.arange(self.objective_.n_rows) if rows is None else rows
        changes: Changes | None = None if kind == "upweight" else self._leave_out(kind)
        if normalize is None:
            yield from self._whole_effects(question, changes, rows, mean)
            return
        norms = self._move_norms(normalize)
        if changes is None:
            sizes = norms.upweighted(chosen)
        elif isinstance(changes, RowRemoval):
            sizes = norms.removed(chosen, changes)
        else:
            changes = measured = MeasuredRefits(self._exact(), norms, len(chosen))
            sizes = measured.sizes
        for tests, positions, values in self._whole_effects(question, changes, rows, mean):
            yield tests, positions, norms.share(values, sizes[positions])

    def _move_norms(self, normalize: str) -> MoveNorms:
        if normalize not in self._norms:
            self._norms[normalize] = MoveNorms(self.objective_, self.solver_, normalize)
        return self._norms[normalize]

    def _whole_effects(
        self, question: Question, changes: Changes | None, rows: Array | None, mean: bool
    ) -> Iterator[tuple[slice, Any, Array]]:
        """Effects by removal, or of weights where nothing changes; not normalised."""
        if changes is not None:
            share = 1.0 / question.n_rows if mean else 1.0
            chosen = np.arange(self.objective_.n_rows) if rows is None else rows
            for tests, positions, change in question.changes(changes, chosen):
                yield tests, positions, share * change
            return
        for tests, directions in question.directions(self.solver_, mean=mean):
            for positions, values in effects.gradient_products(self.objective_, directions, rows):
                yield tests, positions, -self.objective_.n_rows * values
