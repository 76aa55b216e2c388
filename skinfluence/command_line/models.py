"""The models that the command line offers, and what is done to columns before them."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import HuberRegressor, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CLASSIFIERS = {"logistic": LogisticRegression(max_iter=5000, tol=1e-6)}
REGRESSORS = {"ridge": Ridge(), "huber": HuberRegressor(max_iter=5000)}
MODELS = {**CLASSIFIERS, **REGRESSORS}
# Rarer values of a category share a column.
LEAST_ROWS = 5


def pipeline(model: str, numbers: list[str], categories: list[str]) -> Pipeline:
    """Missing numbers by the median and told of, scaled; categories by indicators; the model.

    Parameters
    ----------
    model : str
        A name in ``MODELS``.
    numbers, categories : list of str
        Columns.
    """
    steps: list[Any] = []
    if numbers:
        filled = SimpleImputer(strategy="median", add_indicator=True)
        steps.append(("numbers", make_pipeline(filled, StandardScaler()), numbers))
    if categories:
        indicators = OneHotEncoder(min_frequency=LEAST_ROWS, handle_unknown="infrequent_if_exist")
        steps.append(("categories", indicators, categories))
    columns = ColumnTransformer(steps, verbose_feature_names_out=False)
    return Pipeline([("columns", columns), ("model", MODELS[model])])


def preprocessing(numbers: list[str], categories: list[str]) -> str:
    """What ``pipeline`` does to columns, in words."""
    done = []
    if numbers:
        done.append(
            f"{len(numbers)} columns of numbers: missing ones filled with the median and told of "
            "by a column of their own, scaled to standard deviation 1"
        )
    if categories:
        done.append(
            f"{len(categories)} columns of categories: an indicator for each value, values of "
            f"fewer than {LEAST_ROWS} rows together, missing as a value of its own"
        )
    return "; ".join(done)
