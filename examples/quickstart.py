"""
Where a wrong prediction came from, and which labels are wrong
==============================================================

Fits logistic regression on embedded MNIST digits, 1s against 7s, some of them with a flipped
label; explains a test digit that the model gets wrong; draws the training digits that helped
and harmed most; and looks for the flipped labels by leave-one-out loss.

Needs the extras ``plot`` and ``pandas``. Run ``python examples/quickstart.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceExplainer
from skinfluence.datasets import load_mnist17

N_FLIPPED = 30
PICTURE = Path("quickstart.png")


def main() -> None:
    digits = load_mnist17()
    X, true_labels = digits.data, digits.target
    flipped = np.random.default_rng(0).choice(len(X), N_FLIPPED, replace=False)
    y = true_labels.copy()
    y[flipped] = np.where(y[flipped] == 1, 7, 1)

    explainer = InfluenceExplainer(LogisticRegression(C=0.1, tol=1e-8, max_iter=1000)).fit(X, y)
    accuracy = explainer.score(digits.test_data, digits.test_target)
    print(f"{len(X)} digits, {N_FLIPPED} labels flipped; test accuracy {accuracy:.1%}")

    wrong = np.flatnonzero(explainer.predict(digits.test_data) != digits.test_target)[0]
    explanation = explainer.explain(
        digits.test_data[[wrong]], digits.test_target[[wrong]], k=5, kind="removal"
    )
    said = explainer.predict(digits.test_data[[wrong]])[0]
    print(f"\nTest digit {wrong} is a {digits.test_target[wrong]}; the model calls it a {said}.")
    print(f"effect: {explanation.meaning}")
    table = explanation.to_frame()
    table["flipped"] = np.isin(table["position"], flipped)
    print(table[["role", "rank", "row", "y", "flipped", "effect"]].to_string(index=False))
    display = explanation.plot(image_shape=(28, 28))
    display.figure_.savefig(PICTURE, dpi=150)
    print(f"\nThe digit and these rows are drawn in {PICTURE.resolve()}")

    suspects = np.argsort(-explainer.self_influence(kind="removal"))[: 2 * N_FLIPPED]
    found = np.isin(suspects, flipped)
    print(
        f"\nOf the {len(suspects)} labels whose loss rises most when their row is left out, "
        f"{found.sum()} are among the {N_FLIPPED} flipped ones:"
    )
    print(", ".join(str(row) for row in suspects[found]))


if __name__ == "__main__":
    main()
