"""Pipelines both ways round, searches, frozen and prefit models, metadata routing."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from skinfluence import InfluenceExplainer, NotStationaryWarning

SKLEARN = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
N, D = 120, 4
TIGHT = {"tol": 1e-10, "max_iter": 10_000}


def make_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 5.0, 0.0, -1.0]
    y = (X[:, 0] - X[:, 3] + rng.logistic(size=N) > 1).astype(int)
    return X, y, rng.uniform(0.2, 2.0, size=N)


X, Y, WEIGHTS = make_rows()
WORDS = [["cheap", "pills", "offer", "now"], ["meeting", "notes", "agenda", "now"]]
TEXTS = [" ".join(np.random.default_rng(i).choice(WORDS[label], 3)) for i, label in enumerate(Y)]


def by_hand(model, rows, test_rows, y=Y, weights=None):
    """What the explainer of the final model alone says of transformed rows."""
    explainer = InfluenceExplainer(model, prefit=True).fit(rows, y, sample_weight=weights)
    return explainer.influence(test_rows, y[: test_rows.shape[0]], kind="removal")


def agree(explainer, expected, rows):
    n_test = len(expected)
    influence = explainer.influence(rows[:n_test], Y[:n_test], kind="removal")
    np.testing.assert_allclose(influence, expected, rtol=1e-7, atol=1e-12)


# ------------------------------------------------------------------------------- pipelines
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "model", [LogisticRegression(**TIGHT), Ridge(), LinearSVC(random_state=0, **TIGHT)], ids=repr
)
def test_around_a_pipeline(model, weights):
    pipeline = make_pipeline(StandardScaler(), PCA(3, random_state=0), model)
    explainer = InfluenceExplainer(pipeline).fit(X, Y, sample_weight=weights)
    options = {} if weights is None else {f"{pipeline.steps[-1][0]}__sample_weight": weights}
    fitted = clone(pipeline).fit(X, Y, **options)
    rows = fitted[:-1].transform(X)
    agree(explainer, by_hand(fitted[-1], rows, rows[:7], weights=weights), X)
    np.testing.assert_array_equal(explainer.predict(X), fitted.predict(X))
    assert explainer.n_features_in_ == D
    assert explainer.perturbation_gradient(X[:2], Y[:2], indices=[3, 5]).shape == (2, 2, D)


def test_around_nested_and_passthrough_steps():
    inner = Pipeline([("none", None), ("scale", StandardScaler())])
    steps = [("pass", "passthrough"), ("inner", inner), ("model", LogisticRegression(**TIGHT))]
    nested_last = make_pipeline(
        StandardScaler(), Pipeline([("model", LogisticRegression(**TIGHT))])
    )
    scaled = StandardScaler().fit_transform(X)
    expected = by_hand(LogisticRegression(**TIGHT).fit(scaled, Y), scaled, scaled[:7])
    for pipeline in (Pipeline(steps), nested_last):
        explainer = InfluenceExplainer(pipeline).fit(X, Y)
        agree(explainer, expected, X)
        weighted = clone(explainer).fit(X, Y, sample_weight=np.ones(N))
        agree(weighted, expected, X)


def test_as_the_last_step_of_a_pipeline():
    explainer = InfluenceExplainer(LogisticRegression(**TIGHT))
    pipeline = Pipeline([("scale", StandardScaler()), ("explain", explainer)])
    pipeline.fit(X, Y, explain__sample_weight=WEIGHTS)
    scaled = StandardScaler().fit_transform(X)
    model = LogisticRegression(**TIGHT).fit(scaled, Y, sample_weight=WEIGHTS)
    agree(pipeline[-1], by_hand(model, scaled, scaled[:7], weights=WEIGHTS), scaled)
    np.testing.assert_array_equal(pipeline.predict(X), model.predict(scaled))
    np.testing.assert_allclose(pipeline.predict_proba(X), model.predict_proba(scaled))
    assert pipeline.score(X, Y) == model.score(scaled, Y)
    assert pipeline.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_texts(weights):
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(**TIGHT))
    explainer = InfluenceExplainer(pipeline).fit(TEXTS, Y, sample_weight=weights)
    rows = TfidfVectorizer().fit_transform(TEXTS)
    model = LogisticRegression(**TIGHT).fit(rows, Y, sample_weight=weights)
    agree(explainer, by_hand(model, rows, rows[:7], weights=weights), TEXTS)
    explanation = explainer.explain(TEXTS[:2], k=3)
    first = explanation.helpful_indices[0, 0]
    assert f"row {first} " in repr(explanation)
    assert Y[first] == explainer.predict(TEXTS[:1])[0]


def test_columns_of_a_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd")).assign(kind=np.where(Y > 0, "x", "y"))
    frame.loc[::3, "kind"] = "z"
    columns = ColumnTransformer(
        [("number", StandardScaler(), ["a", "d"]), ("kind", OneHotEncoder(), ["kind"])]
    )
    explainer = InfluenceExplainer(make_pipeline(columns, LogisticRegression(**TIGHT)))
    explainer.fit(frame, pandas.Series(Y, index=frame.index[::-1]))
    rows = clone(columns).fit_transform(frame)
    agree(explainer, by_hand(LogisticRegression(**TIGHT).fit(rows, Y), rows, rows[:7]), frame)
    shuffled = frame[["kind", "d", "c", "b", "a"]]
    agree(explainer, explainer.influence(frame[:7], Y[:7], kind="removal"), shuffled)
    assert explainer.feature_names_in_.tolist() == ["a", "b", "c", "d", "kind"]


def test_set_output():
    pytest.importorskip("pandas")
    pipeline = make_pipeline(StandardScaler(), Ridge())
    expected = InfluenceExplainer(pipeline).fit(X, Y).influence(X[:7], Y[:7], kind="removal")
    explainer = InfluenceExplainer(clone(pipeline).set_output(transform="pandas")).fit(X, Y)
    agree(explainer, expected, X)


# --------------------------------------------------------------------------------- searches
SEARCHES = {
    "GridSearchCV": lambda model, name: GridSearchCV(model, {name: [0.1, 3.0]}, cv=3),
    "RandomizedSearchCV": lambda model, name: RandomizedSearchCV(
        model, {name: [0.1, 3.0]}, n_iter=2, cv=3, random_state=0
    ),
    "HalvingGridSearchCV": lambda model, name: HalvingGridSearchCV(
        model, {name: [0.1, 3.0]}, cv=3, random_state=0
    ),
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_search(search, weights):
    model = SEARCHES[search](LogisticRegression(**TIGHT), "C")
    explainer = InfluenceExplainer(model).fit(X, Y, sample_weight=weights)
    best = LogisticRegression(C=explainer.estimator_.best_params_["C"], **TIGHT)
    best.fit(X, Y, sample_weight=weights)
    agree(explainer, by_hand(best, X, X[:7], weights=weights), X)


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_search_around_a_pipeline(search, weights):
    pipeline = make_pipeline(StandardScaler(), Ridge())
    explainer = InfluenceExplainer(SEARCHES[search](pipeline, "ridge__alpha"))
    explainer.fit(X, Y, sample_weight=weights)
    scaled = StandardScaler().fit_transform(X)
    best = Ridge(alpha=explainer.estimator_.best_params_["ridge__alpha"])
    best.fit(scaled, Y, sample_weight=weights)
    agree(explainer, by_hand(best, scaled, scaled[:7], weights=weights), X)


def test_search_over_the_explainer():
    grid = {"estimator__C": [0.01, 1.0]}
    explainer = InfluenceExplainer(LogisticRegression(**TIGHT))
    search = GridSearchCV(explainer, grid, cv=3).fit(X, Y)
    same = GridSearchCV(LogisticRegression(**TIGHT), {"C": [0.01, 1.0]}, cv=3).fit(X, Y)
    assert search.best_params_["estimator__C"] == same.best_params_["C"]
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], same.cv_results_["mean_test_score"]
    )
    agree(search.best_estimator_, by_hand(same.best_estimator_, X, X[:7]), X)


def test_ridge_cv():
    explainer = InfluenceExplainer(RidgeCV(alphas=[0.3, 30.0])).fit(X, Y)
    alpha = explainer.estimator_.alpha_
    assert alpha in (0.3, 30.0)
    agree(explainer, by_hand(Ridge(alpha=alpha).fit(X, Y), X, X[:7]), X)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("legacy", [True, False] if SKLEARN >= (1, 8) else [None])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_cv(legacy, n_classes):
    options = {} if legacy is None else {"use_legacy_attributes": legacy, "l1_ratios": (0,)}
    y = Y + (X[:, 1] > 5) * (n_classes - 2)
    model = LogisticRegressionCV(Cs=[0.1, 3.0], cv=3, scoring="neg_log_loss", **options, **TIGHT)
    explainer = InfluenceExplainer(model).fit(X, y)
    C = float(np.ravel(explainer.estimator_.C_)[0])
    expected = by_hand(LogisticRegression(C=C, **TIGHT).fit(X, y), X, X[:7], y=y)
    influence = explainer.influence(X[:7], y[:7], kind="removal")
    np.testing.assert_allclose(influence, expected, rtol=1e-3, atol=1e-7)


# -------------------------------------------------------------------------- frozen and prefit
def state(estimator):
    return {name: np.copy(value) for name, value in vars(estimator).items() if name != "steps"}


@pytest.mark.parametrize("how", ["prefit", "frozen", "frozen and cloned"])
@pytest.mark.parametrize("pipeline", [False, True])
def test_a_fitted_model_is_used_as_it_is(how, pipeline):
    model = Ridge(alpha=2.0)
    model = (make_pipeline(StandardScaler(), model) if pipeline else model).fit(X, Y)
    expected = InfluenceExplainer(model).fit(X, Y).influence(X[:7], Y[:7], kind="removal")
    final = model[-1] if pipeline else model
    attributes, before = dict(vars(final)), state(final)
    if how == "prefit":
        explainer = InfluenceExplainer(model, prefit=True)
    else:
        explainer = InfluenceExplainer(FrozenEstimator(model))
    if how == "frozen and cloned":
        explainer = clone(explainer)
    agree(explainer.fit(X, Y), expected, X)
    explainer.explain(X[:2])
    used = explainer.estimator_ if how == "prefit" else explainer.estimator_.estimator
    assert used is model
    assert vars(final).keys() == attributes.keys()
    assert all(vars(final)[name] is value for name, value in attributes.items())
    for name, value in before.items():
        np.testing.assert_array_equal(vars(final)[name], value)


@pytest.mark.parametrize("how", ["model", "pipeline", "last step", "search"])
def test_a_frozen_model_was_fitted_with_weights(how):
    options = {"ridge__sample_weight": WEIGHTS}
    pipeline = make_pipeline(StandardScaler(), Ridge()).fit(X, Y, **options)
    if how == "model":
        frozen = FrozenEstimator(Ridge().fit(X, Y, sample_weight=WEIGHTS))
    elif how == "pipeline":
        frozen = FrozenEstimator(pipeline)
    elif how == "last step":
        frozen = make_pipeline(FrozenEstimator(pipeline[0]), FrozenEstimator(pipeline[1]))
    else:
        search = GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=3)
        frozen = FrozenEstimator(search.fit(X, Y, sample_weight=WEIGHTS))
    explainer = InfluenceExplainer(frozen).fit(X, Y, sample_weight=WEIGHTS)
    assert explainer.report_.relative_step < 1e-6
    with pytest.warns(NotStationaryWarning, match="sample_weight are not those"):
        explainer.fit(X, Y)


def test_a_frozen_step_before_the_model():
    scaler = StandardScaler().fit(X)
    explainer = InfluenceExplainer(make_pipeline(FrozenEstimator(scaler), Ridge()))
    explainer.fit(X[::-1], Y[::-1]).fit(X, Y)
    scaled = scaler.transform(X)
    agree(explainer, by_hand(Ridge().fit(scaled, Y), scaled, scaled[:7]), X)


def test_the_given_estimator_is_not_touched():
    model = LogisticRegression()
    explainer = InfluenceExplainer(model).fit(X, Y)
    assert explainer.estimator is model
    assert not hasattr(model, "coef_")
    assert explainer.estimator_ is not model


# --------------------------------------------------------------------------------- routing
def test_metadata_routing():
    plain = InfluenceExplainer(LogisticRegression(**TIGHT)).fit(X, Y, sample_weight=WEIGHTS)
    scaled = StandardScaler().fit_transform(X)
    weighted = LogisticRegression(**TIGHT).fit(scaled, Y, sample_weight=WEIGHTS)
    expected = by_hand(weighted, scaled, scaled[:7], weights=WEIGHTS)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression(**TIGHT).set_fit_request(sample_weight=True)
        explainer = InfluenceExplainer(model).fit(X, Y, sample_weight=WEIGHTS)
        agree(explainer, plain.influence(X[:7], Y[:7], kind="removal"), X)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        around = InfluenceExplainer(make_pipeline(scaler, model))
        agree(around.fit(X, Y, sample_weight=WEIGHTS), expected, X)
        last = InfluenceExplainer(model).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler, last).fit(X, Y, sample_weight=WEIGHTS)
        agree(pipeline[-1], expected, scaled)
