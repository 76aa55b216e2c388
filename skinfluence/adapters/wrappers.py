"""From what the user handed over to the final model: pipelines, searches, frozen estimators."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .dispatch import as_objective, refuse


def resolve(estimator: Any) -> tuple[list[Any], Any]:
    """Fitted transformers before the model, in order, and the fitted model itself."""
    transformers, inner = unwrap(estimator)
    if inner is estimator:
        return transformers, inner
    more, model = resolve(inner)
    return transformers + more, model


def final_model(estimator: Any, fitted: Any) -> Any:
    """The model that a meta-estimator has fitted for one of its outputs, out of any search.

    Raises
    ------
    ValueError
        For models with steps before them: each then has inputs of its own.
    """
    transformers, model = resolve(fitted)
    if transformers:
        raise ValueError(
            f"{type(estimator).__name__} got models with steps before them, so that each has "
            f"inputs of its own. Put the steps before the {type(estimator).__name__} instead: "
            f"make_pipeline(steps, {type(estimator).__name__}(model))."
        )
    return model


@singledispatch
def unwrap(estimator: Any) -> tuple[list[Any], Any]:
    """One layer less: the transformers it applies, and the estimator inside.

    Anything with a ``best_estimator_`` counts as a search.
    """
    if hasattr(estimator, "best_estimator_"):
        return [], estimator.best_estimator_
    if hasattr(estimator, "cv_results_") and not getattr(estimator, "refit", True):
        raise ValueError(
            f"{type(estimator).__name__} got refit=False, so there is no model fitted on all "
            "rows to explain. Fit it with refit=True."
        )
    return [], estimator


@unwrap.register(Pipeline)
def _pipeline(estimator: Any) -> tuple[list[Any], Any]:
    check_is_fitted(estimator)
    steps = [step for _, step in estimator.steps]
    transformers = [step for step in steps[:-1] if step is not None and step != "passthrough"]
    return transformers, steps[-1]


def is_frozen(estimator: Any) -> bool:
    """Whether fitting it leaves it as it is."""
    return isinstance(estimator, FrozenEstimator)


@unwrap.register(FrozenEstimator)
def _frozen(estimator: Any) -> tuple[list[Any], Any]:
    return [], estimator.estimator


def refuse_unsupported(estimator: Any) -> None:
    """Refuse, before hours of fitting, what no adapter could read afterwards.

    What a search will choose isn't known before, so searches are let through.

    Raises
    ------
    TypeError
    """
    final = estimator
    while isinstance(final, (Pipeline, FrozenEstimator)):
        final = final.steps[-1][1] if isinstance(final, Pipeline) else final.estimator
    search = hasattr(final, "estimator") and hasattr(final, "refit")
    supported = as_objective.dispatch(type(final)) is not as_objective.dispatch(object)
    unwrapped = unwrap.dispatch(type(final)) is not unwrap.dispatch(object)
    if not (search or supported or unwrapped):
        as_objective(final, None, None)
    if refuse.dispatch(type(final)) is not refuse.dispatch(BaseEstimator):
        refuse(final)
    if supported:
        # Of a meta-estimator it is those inside that count.
        for inner in _inside(final):
            refuse_unsupported(inner)


def _inside(estimator: Any) -> list[Any]:
    """Estimators that a meta-estimator was given to fit."""
    given = [getattr(estimator, name, None) for name in ("estimator", "regressor")]
    members = getattr(estimator, "estimators", None)
    if isinstance(members, (list, tuple)):
        given += [member[-1] for member in members if isinstance(member, (list, tuple))]
    return [each for each in given if hasattr(each, "fit")]


@singledispatch
def fit_parameters(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    """How ``sample_weight`` is passed to this estimator's ``fit``."""
    inner = getattr(estimator, "estimator", None)
    if inner is not None:
        return fit_parameters(inner, sample_weight)
    if not has_fit_parameter(estimator, "sample_weight"):
        raise TypeError(
            f"InfluenceExplainer.fit got sample_weight, but {type(estimator).__name__}.fit takes "
            "none. Leave sample_weight out, or use an estimator that takes it."
        )
    return {"sample_weight": sample_weight}


@fit_parameters.register(FrozenEstimator)
def _frozen_parameters(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    # Its weights, if it had any, are those of the fit that froze it.
    return {}


@fit_parameters.register(Pipeline)
def _pipeline_parameters(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    name, step = estimator.steps[-1]
    inner = fit_parameters(step, sample_weight)
    if get_config()["enable_metadata_routing"]:
        return inner
    return {f"{name}__{key}": value for key, value in inner.items()}
