"""The diagram that notebooks show of explainers and cleaners, as of scikit-learn's own."""

import re

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from skinfluence import InfluenceExplainer
from skinfluence.cleaning import LabelCleaner

OURS = [InfluenceExplainer, LabelCleaner]
BLOCK = re.compile(
    r'<div class="(sk-(?:item|serial|parallel|label|estimator|dashed)[^"]*)"'
    r'|<label[^>]*>\s*<div>\s*<div>([^<]*)</div>'
    r'|<span class="sk-estimator-doc-link ?(\w*)">i<span>([^<]*)</span>'
)  # fmt: skip


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return X[:200, :5], y[:200]


def model():
    return make_pipeline(StandardScaler(), LogisticRegression())


def blocks(estimator):
    """Classes and names in the order of the diagram, and what it says of being fitted."""
    return [tuple(filter(None, found)) for found in BLOCK.findall(estimator._repr_html_())]


@pytest.mark.parametrize("meta", OURS)
@pytest.mark.parametrize("fitted", [False, True])
def test_blocks_are_nested_as_in_scikit_learn(meta, fitted, cancer):
    ours, theirs = meta(model()), CalibratedClassifierCV(model())
    if fitted:
        ours, theirs = ours.fit(*cancer), theirs.fit(*cancer)
    shown = blocks(ours)
    as_theirs = [
        tuple(word.replace(meta.__name__, "CalibratedClassifierCV") for word in block)
        for block in shown
    ]
    assert as_theirs == blocks(theirs)
    names = [block[0] for block in shown if not block[0].startswith("sk-")]
    for name in ("estimator: Pipeline", "StandardScaler", "LogisticRegression"):
        assert name in names
    state = ("fitted", "Fitted") if fitted else ("Not fitted",)
    assert state in shown


def test_a_model_that_is_fitted_already(cancer):
    explainer = InfluenceExplainer(model().fit(*cancer), prefit=True)
    assert ("Not fitted",) in blocks(explainer)
    assert ("fitted", "Fitted") in blocks(explainer.fit(*cancer))
    names = [block[0] for block in blocks(explainer)]
    assert names.index("InfluenceExplainer") < names.index("estimator: Pipeline")


@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        SVC(),
        MLPRegressor(hidden_layer_sizes=(3,), max_iter=20, random_state=0),
        make_pipeline(FunctionTransformer(np.tanh), Ridge()),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_any_explainer_is_shown_and_listed(estimator, cancer):
    """scikit-learn reads every attribute for a diagram, and for completion by Tab."""
    explainer = InfluenceExplainer(estimator)
    assert "influence" in dir(explainer)
    assert type(estimator).__name__ in explainer._repr_html_()
    explainer.fit(*cancer)
    assert "influence" in dir(explainer)
    assert "report_" in dir(explainer)
    assert hasattr(explainer, "classes_") == isinstance(estimator, SVC)
    assert ("fitted", "Fitted") in blocks(explainer)


def test_training_rows_in_chunks_are_shown_too(cancer):
    da = pytest.importorskip("dask.array")
    X, y = cancer
    explainer = InfluenceExplainer(Ridge().fit(X, y), prefit=True)
    explainer.fit(da.from_array(X, chunks=(70, 5)), y)
    assert ("fitted", "Fitted") in blocks(explainer)
    assert "influence" in dir(explainer)
