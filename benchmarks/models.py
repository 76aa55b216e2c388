"""Every supported estimator against its own refits: the table of docs/guide/models.rst.

    python benchmarks/models.py            writes docs/guide/models.csv
    python benchmarks/models.py Lasso      prints the rows of models whose name has that in it

The models, their data and their settings (plain, sample weights, class weights, dense, CSR) are
those that the tests hold to account: the worst of all settings is shown. Each has 120 rows or a few
more, of which eight are removed one by one and scikit-learn's estimator is fitted again, as tightly
as it can be.
"""

from __future__ import annotations

import csv
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from catalogue import CASES, Case  # noqa: E402
from every_model import MODELS  # noqa: E402
from models import Model  # noqa: E402
from refitting import refit  # noqa: E402

TABLE = ROOT / "docs" / "guide" / "models.csv"
HEADER = [
    "model",
    "distance from the optimum",
    "removal: correlation",
    "slope",
    "refit: correlation",
    "slope",
    "sparse X",
    "weights",
    "held fixed",
]


def of_catalogue() -> list[Model]:
    """The estimators that every property is tested with, in the same form."""
    return [
        Model(
            case.name,
            case.estimator,
            case.data,
            case.loss,
            plain=partial(plain, case),
            class_weight=case.is_classifier,
            on_csr=case.on_csr,
        )
        for case in CASES
    ]


def plain(case: Case, fitted):
    """The estimator to refit; a search over ridge penalties ends in one that takes sparse X too."""
    unfitted = case.plain(fitted)
    if type(unfitted) is not type(fitted) and "solver" in unfitted.get_params():
        iterative = {"solver": "sparse_cg", "tol": 1e-15, "max_iter": 10_000}
        unfitted.set_params(**iterative if "alpha" in unfitted.get_params() else {})
    return unfitted


def row(model: Model) -> list[str]:
    """Measure one model."""
    found = [refit(model, setting) for setting in model.settings()]
    removal = np.array([each.agreement(each.removal) for each in found])
    exact = np.array([each.agreement(each.exact) for each in found])
    weights = ["sample"] * model.sample_weight + ["class"] * model.class_weight
    return [
        model.name,
        f"{max(each.explainer.report_.relative_step for each in found):.0e}",
        *worst(removal),
        *worst(exact),
        "yes" if model.csr else "no",
        ", ".join(weights) or "none",
        held(found[0].explainer),
    ]


def worst(agreements: np.ndarray) -> tuple[str, str]:
    """Of correlations and slopes, (settings, 2)."""
    slopes = agreements[:, 1]
    return f"{agreements[:, 0].min():.6f}", f"{slopes[np.abs(slopes - 1.0).argmax()]:.4f}"


def held(explainer) -> str:
    """What is treated as fixed, beside hyper-parameters."""
    objective = explainer._fitted
    smoothed = "the smoothing of kinks" if objective.loss.smoothed else ""
    said = objective.held.split(":")[0].split(";")[0]
    steps = "the steps before it" if explainer._transformers and not said else ""
    return "; ".join(part for part in (said, steps, smoothed) if part) or "–"


def main() -> None:
    warnings.simplefilter("ignore")
    asked = sys.argv[1:]
    models = [*of_catalogue(), *MODELS]
    models = [model for model in models if not asked or any(a in model.name for a in asked)]
    rows = []
    for model in models:
        rows.append(row(model))
        print(*rows[-1], sep=" | ", flush=True)
    if not asked:
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])


if __name__ == "__main__":
    main()
