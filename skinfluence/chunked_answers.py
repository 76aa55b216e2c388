"""Influence of training rows in chunks: a lazy matrix with a block a chunk, the top rows by a tree.

What is solved for is solved at once: directions of test rows, steps of training rows. Products with
the rows wait until they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .answers import Answers
from .chunk_effects import (
    Case,
    Effects,
    RelativeEffects,
    RemovalEffects,
    WeightEffects,
    chunk_of_matrix,
    merged,
    top_of_chunk,
)
from .curvature import Array
from .dask_graphs import chunks_in_memory, computed, in_memory, is_dask, tree
from .effects import target_blocks
from .exchanges import Exchanges
from .explanation import TopRows
from .inputs import check_targets
from .predictors import ChunkedMap
from .questions import Question
from .removal import test_directions
from .resources import resources
from .results import result_array

# Effects on a block of test rows, with the arrays of all training rows that chunks take theirs of.
OfTests = tuple[Effects, list[Array]]


class ChunkedAnswers(Answers):
    """Influence where training rows are in chunks."""

    @property
    def _in_chunks(self) -> bool:
        return isinstance(self.objective_.linear_map, ChunkedMap)

    def _questions(self, X_test: Any, y_test: Any, target: str) -> Iterator[Question]:
        """One for each chunk of test rows, of which one is in memory at a time."""
        if not is_dask(X_test):
            yield self._question(X_test, y_test, target)
            return
        labels, start = None if y_test is None else np.asarray(in_memory(y_test)), 0
        for rows in chunks_in_memory(X_test):
            stop = start + rows.shape[0]
            yield self._question(rows, None if labels is None else labels[start:stop], target)
            start = stop
        if labels is not None:
            check_targets(labels, start, "y_test")

    def _lazy_influence(
        self,
        questions: Iterator[Question],
        kind: str,
        rows: Array | None,
        *,
        mean: bool,
        normalize: str | None,
    ) -> Any:
        """A dask array (tests, rows), or (rows,)."""
        import dask.array as da

        if kind != "upweight" and not self._by_newton(kind):
            return self._refitted_influence(questions, kind, rows, mean=mean, normalize=normalize)
        whole = mean and kind == "upweight"
        found = self._of_mean(questions) if whole else self._of_questions(questions, kind, rows)
        linear_map = self._chunked_map()
        strips = []
        for of_tests in found:
            effects, arrays = self._relative(of_tests, kind, rows, normalize)
            shared = effects, linear_map.dtype
            chunks = linear_map.each(chunk_of_matrix, *arrays, shared=shared, name="influence")
            blocks = [
                da.from_delayed(chunk, (effects.n_tests, int(size)), linear_map.dtype)
                for chunk, size in zip(chunks, linear_map.X.sizes, strict=True)
            ]
            strips.append(da.concatenate(blocks, axis=1))
        result = da.concatenate(strips, axis=0)
        result = result if rows is None else result[:, rows]
        return result.mean(axis=0) if mean else result

    def _chunked_top(
        self, questions: Iterator[Question], k: int, kind: str, normalize: str | None
    ) -> tuple[TopRows, str, Any]:
        """By chunks, which are merged on the way, with the unit and what test rows are called."""
        if kind != "upweight" and not self._by_newton(kind):
            return self._refitted_top(questions, k, kind, normalize)
        tops, linear_map, asked = [], self._chunked_map(), _Noted(questions)
        for of_tests in self._of_questions(asked, kind, None):
            effects, arrays = self._relative(of_tests, kind, None, normalize)
            arrays = [np.arange(linear_map.n_rows), *arrays]
            chunks = linear_map.each(top_of_chunk, *arrays, shared=(effects, k), name="top-rows")
            tops += computed([tree(merged, chunks, "merged-top-rows")])
        return _one_below_the_other(tops, k), asked.unit, asked.all_labels

    def _chunked_map(self) -> ChunkedMap:
        linear_map = self.objective_.linear_map
        if not isinstance(linear_map, ChunkedMap):
            raise TypeError("These training rows are in memory.")
        return linear_map

    def _of_questions(
        self, questions: Iterable[Question], kind: str, rows: Array | None
    ) -> Iterator[OfTests]:
        for question in questions:
            if kind == "upweight":
                for _, directions in question.directions(self.solver_):
                    yield self._by_weight(directions)
            else:
                yield from self._by_removal(question, rows)

    def _of_mean(self, questions: Iterator[Question]) -> Iterator[OfTests]:
        """Of weights on the mean over test rows, whose direction is the mean of theirs."""
        total, n_tests = np.zeros((self.objective_.n_parameters, 1)), 0
        for question in questions:
            for _, direction in question.directions(self.solver_, mean=True):
                total += question.n_rows * direction
            n_tests += question.n_rows
        yield self._by_weight(total / n_tests)

    def _by_weight(self, directions: Array) -> OfTests:
        effects = WeightEffects(directions, self.objective_.n_rows)
        return effects, [self.objective_.residuals]

    def _by_removal(self, question: Question, rows: Array | None) -> Iterator[OfTests]:
        scenarios, objective = self._removal.scenarios, self._removal.objective
        chosen = np.arange(objective.n_rows) if rows is None else np.unique(rows)
        steps = np.zeros((objective.n_rows, objective.linear_map.n_outputs))
        steps[chosen] = self._removal.steps(chosen)
        exchanges = Exchanges(objective, chosen)
        groups = list(scenarios.groups(exchanges))
        numbers = np.zeros(objective.n_rows, dtype=np.int16)
        losses = np.zeros((objective.n_rows, 0))
        for number, (positions, scenario) in enumerate(groups):
            numbers[chosen[positions]] = number
            if scenario.shift is not None and not losses.size:
                losses = np.zeros((objective.n_rows, scenario.shift.shape[1]))
                losses[chosen] = scenarios.losses(exchanges)
        asked = question.target.under(objective.loss)
        before = objective.decision_values(question.linear_map)
        for tests in target_blocks(question.n_rows, objective.n_parameters, before.shape[1]):
            some = question.linear_map.take(tests)
            cases = []
            for _, scenario in groups:
                shift = scenario.shift
                shifts = None if shift is None else some.jvp(shift).astype(np.float64)
                cases.append(Case(test_directions(scenarios, scenario, some), shifts))
            effects = RemovalEffects(cases, asked.take(tests), before[tests])
            yield effects, [steps, numbers, losses]

    def _relative(
        self, of_tests: OfTests, kind: str, rows: Array | None, normalize: str | None
    ) -> OfTests:
        if normalize is None:
            return of_tests
        effects, arrays = of_tests
        norms, n = self._move_norms(normalize), self.objective_.n_rows
        chosen = np.arange(n) if rows is None else rows
        divisors = np.ones(n)
        if kind == "upweight":
            divisors[chosen] = norms.divisors(norms.upweighted(chosen))
        else:
            divisors[chosen] = norms.divisors(norms.removed(chosen, self._removal))
        return RelativeEffects(effects), [divisors, *arrays]

    def _refitted_top(
        self, questions: Iterator[Question], k: int, kind: str, normalize: str | None
    ) -> tuple[TopRows, str, Any]:
        tops, asked = [], _Noted(questions)
        for question in asked:
            top = TopRows(question.n_rows, k)
            for block in self._effects(question, kind, None, normalize=normalize):
                top.update(*block)
            tops.append(top)
        return _one_below_the_other(tops, k), asked.unit, asked.all_labels

    def _refitted_influence(
        self,
        questions: Iterator[Question],
        kind: str,
        rows: Array | None,
        *,
        mean: bool,
        normalize: str | None,
    ) -> Any:
        """Refits are iterations over all rows together, and so done at once."""
        import dask.array as da

        linear_map = self._chunked_map()
        n_rows, strips = linear_map.n_rows if rows is None else len(rows), []
        for question in questions:
            strip = np.empty((question.n_rows, n_rows), linear_map.dtype)
            for tests, positions, values in self._effects(
                question, kind, rows, normalize=normalize
            ):
                strip[tests, positions] = values
            strips.append(strip)
        result = np.concatenate(strips)
        sizes = tuple(linear_map.X.sizes.tolist()) if rows is None else (n_rows,)
        if mean:
            return da.from_array(result.mean(axis=0), chunks=(sizes,))
        return da.from_array(result, chunks=(tuple(len(strip) for strip in strips), sizes))


def fill(out: Any, lazy: Any) -> Array:
    """Blocks of a lazy array, a few at a time, into an array here: workers would fill copies."""
    from dask.array.core import slices_from_chunks

    result = result_array(out, lazy.shape, lazy.dtype, "influence")
    blocks, places = list(lazy.to_delayed().ravel()), slices_from_chunks(lazy.chunks)
    largest = lazy.dtype.itemsize * np.prod([max(sizes, default=0) for sizes in lazy.chunks])
    at_once = max(1, resources().block_bytes // max(1, int(largest)))
    for start in range(0, len(blocks), at_once):
        some = slice(start, start + at_once)
        for place, block in zip(places[some], computed(blocks[some]), strict=True):
            result[place] = block
    return result


class _Noted:
    """Questions that go by, of which unit and labels are kept."""

    def __init__(self, questions: Iterator[Question]) -> None:
        self.questions = questions
        self.unit = ""
        self.labels: list[Any] = []

    def __iter__(self) -> Iterator[Question]:
        for question in self.questions:
            self.unit = question.target.unit
            self.labels.append(question.labels)
            yield question

    @property
    def all_labels(self) -> Any:
        """Of all test rows; None where they have none."""
        if any(labels is None for labels in self.labels):
            return None
        return np.concatenate([np.asarray(labels) for labels in self.labels])


def _one_below_the_other(tops: list[TopRows], k: int) -> TopRows:
    result, start = TopRows(sum(len(top.largest) for top in tops), k), 0
    for top in tops:
        result.merge(top, start)
        start += len(top.largest)
    return result
