"""Results that are too large to be held, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .answers import KINDS
from .curvature import Array
from .inputs import WHO, choose
from .questions import TARGETS
from .relative import NORMS
from .retraining import take_rows
from .row_influence import InfluenceAnswers


class StreamedAnswers(InfluenceAnswers):
    """Influence on more test rows than a matrix in memory has room for."""

    def iter_influence(
        self,
        X_test: Any,
        y_test: Any = None,
        batch_size: int = 100,
        *,
        target: str = "loss",
        kind: str = "upweight",
        indices: Any = None,
        normalize: str | None = None,
    ) -> Iterator[Array]:
        """Influence of training rows on test rows, batch after batch of test rows.

        Parameters
        ----------
        X_test : array-like of shape (n_test, n_features)
            Such as a memmap: one batch of it is read at a time.
        y_test : array-like of shape (n_test,) or (n_test, n_targets), optional
            None stands for the model's own predicted label.
        batch_size : int, default=100
            Test rows in a batch. ``kind="refit"`` refits the training rows for every batch.
        target : {"loss", "prediction"}, default="loss"
            As in ``influence``.
        kind : {"upweight", "removal", "refit"}, default="upweight"
            As in ``influence``.
        indices : array-like of int or bool, optional
            Training rows; all by default.
        normalize : {None, "theta", "loss"}, default=None
            As in ``influence``.

        Returns
        -------
        iterator of ndarray of shape (batch, n_indices)
            In the order of the test rows; the last may be smaller.

        Raises
        ------
        IndexError, TypeError, ValueError
            For settings and data that don't fit; of data when their batch's turn comes.

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skinfluence import InfluenceExplainer
        >>> from skinfluence.datasets import load_mnist17
        >>> digits = load_mnist17()
        >>> explainer = InfluenceExplainer(LogisticRegression(C=0.01, tol=1e-8))
        >>> explainer = explainer.fit(digits.data, digits.target)
        >>> stream = explainer.iter_influence(digits.test_data, digits.test_target, 150)
        >>> [batch.shape for batch in stream]
        [(150, 1500), (150, 1500), (100, 1500)]
        """
        check_is_fitted(self)
        choose("kind", kind, KINDS)
        choose("target", target, TARGETS)
        choose("normalize", normalize, NORMS)
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(
                f"{WHO}.iter_influence got batch_size={batch_size!r}; needed is a whole number of "
                "at least 1."
            )
        n_test = X_test.shape[0] if hasattr(X_test, "shape") else len(X_test)
        if y_test is not None and len(y_test) != n_test:
            raise ValueError(
                f"{WHO}.iter_influence got {len(y_test)} y_test for {n_test} test rows; needed is "
                "one target a row."
            )
        return self._batches(
            X_test,
            y_test,
            [slice(first, first + batch_size) for first in range(0, n_test, batch_size)],
            {"target": target, "kind": kind, "indices": indices, "normalize": normalize},
        )

    def _batches(
        self, X_test: Any, y_test: Any, batches: list[slice], options: dict[str, Any]
    ) -> Iterator[Array]:
        for batch in batches:
            y = None if y_test is None else take_rows(y_test, batch)
            yield np.asarray(self.influence(take_rows(X_test, batch), y, **options))
