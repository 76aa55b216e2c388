"""The words of every error about the model, its data and the explainer's own parameters."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import (
    ElasticNetCV,
    Lasso,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from wording import NAN_X, N, X, Y, raises

from skinfluence import CG, InfluenceExplainer, SingularHessianError

NAN_Y = np.r_[np.nan, np.zeros(N // 2), np.ones(N - N // 2 - 1)]


# -------------------------------------------------------------------------------------- data
@pytest.mark.parametrize("prefit", [False, True])
@pytest.mark.parametrize(
    "model, rows, y, words",
    [
        (LogisticRegression(), NAN_X, Y, ["Input X contains NaN", "imputer"]),
        (LogisticRegression(), X[:0], Y[:0], ["0 sample(s)", "minimum of 1 is required"]),
        (LogisticRegression(), X, NAN_Y, ["y contains NaN"]),
        (Ridge(), X, NAN_Y, ["y contains NaN"]),
        (LogisticRegression(), X, None, ["requires y to be passed", "target y is None"]),
    ],
    ids=["nan X", "empty X", "nan labels", "nan targets", "no y"],
)
def test_training_data(model, rows, y, words, prefit):
    if prefit:
        model = type(model)().fit(X, Y)
    with raises(ValueError, *words):
        InfluenceExplainer(model, prefit=prefit).fit(rows, y)


@pytest.mark.parametrize(
    "rows, y, words",
    [
        (X[:, :2], Y, ["X has 2 features", "LogisticRegression is expecting 3 features"]),
        (X, 3 * Y, ["y contains labels", "not fitted on: [3]", "knows [0, 1]", "map the labels"]),
        (X, Y[:-1], ["InfluenceExplainer got y of shape (39,) for 40 rows", "one target a row"]),
    ],
    ids=["features", "unseen label", "length"],
)
def test_data_of_another_model(rows, y, words):
    model = LogisticRegression().fit(X, Y)
    with raises(ValueError, *words):
        InfluenceExplainer(model, prefit=True).fit(rows, y)


@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC(), RidgeClassifier()])
def test_one_class(model):
    with raises(ValueError, "one class"):
        InfluenceExplainer(model).fit(X, np.ones(N, dtype=int))


def test_one_class_where_the_estimator_does_not_mind():
    with raises(ValueError, "InfluenceExplainer got", "one class alone, [1]", "at least 2 classes"):
        InfluenceExplainer(RidgeClassifier()).fit(X, np.ones(N, dtype=int))


# ------------------------------------------------------------------------------ sample_weight
@pytest.mark.parametrize("prefit", [False, True])
@pytest.mark.parametrize("model", [LogisticRegression(), Ridge(), LinearSVC()], ids=repr)
@pytest.mark.parametrize(
    "weights, words",
    [
        (np.r_[-1.0, np.ones(N - 1)], ["got 1 negative sample weights", "at least 0", "Leave"]),
        (np.r_[np.nan, np.ones(N - 1)], ["Input sample_weight contains NaN"]),
        (np.zeros(N), ["sample_weight that is 0 for every row", "at least one non-zero"]),
        (np.ones(5), ["sample_weight", "(5,)", "40"]),
    ],
    ids=["negative", "nan", "zero", "short"],
)
def test_sample_weight(model, weights, words, prefit):
    if prefit:
        model = type(model)().fit(X, Y)
    with raises(ValueError, *words):
        InfluenceExplainer(model, prefit=prefit).fit(X, Y, sample_weight=weights)


class UnweightedLogistic(LogisticRegression):
    """A supported estimator whose ``fit`` takes no sample_weight."""

    def fit(self, X, y):
        return super().fit(X, y)


@pytest.mark.parametrize(
    "model",
    [
        UnweightedLogistic(),
        make_pipeline(StandardScaler(), UnweightedLogistic()),
        GridSearchCV(UnweightedLogistic(), {"C": [1.0]}),
    ],
    ids=["plain", "pipeline", "search"],
)
def test_sample_weight_that_the_estimator_does_not_take(model):
    with raises(TypeError, "got sample_weight", "UnweightedLogistic.fit takes none", "Leave"):
        InfluenceExplainer(model).fit(X, Y, sample_weight=np.ones(N))


@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline], ids=["plain", "pipeline"])
def test_unsupported_is_refused_before_it_is_fitted(wrap):
    class Slow(KNeighborsClassifier):
        def fit(self, X, y):
            raise AssertionError("fitted")

    with raises(TypeError, "unsupported estimator: Slow", "Closest supported"):
        InfluenceExplainer(wrap(Slow())).fit(X, Y)


# ------------------------------------------------------------------------- singular Hessians
@pytest.mark.parametrize("solver", ["cholesky", "cg"])
def test_fewer_rows_than_parameters(solver):
    rng = np.random.default_rng(0)
    wide, y = rng.standard_normal((10, 30)), rng.standard_normal(10)
    words = ["Hessian is singular, of rank 10 for 31 parameters", "no penalty", "10 training rows"]
    with raises(SingularHessianError, *words, "Add a penalty", "alpha > 0", "damping="):
        InfluenceExplainer(LinearRegression(), solver=solver).fit(wide, y)
    InfluenceExplainer(Ridge(), solver=solver).fit(wide, y)
    InfluenceExplainer(LinearRegression(), solver=solver, damping=1e-4).fit(wide, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("solver", ["cholesky", "cg"])
def test_separable_classes(n_classes, solver):
    y = np.digitize(X[:, 0], [0.0] if n_classes == 2 else [-0.5, 0.5])
    words = ["Hessian is singular", "perfectly separable", "no penalty", "no minimum"]
    with raises(SingularHessianError, *words, "Add a penalty", "finite C", "damping="):
        InfluenceExplainer(LogisticRegression(C=np.inf), solver=solver).fit(X, y)
    InfluenceExplainer(LogisticRegression(tol=1e-8), solver=solver).fit(X, y)


def test_singular_is_a_linear_algebra_error():
    assert issubclass(SingularHessianError, np.linalg.LinAlgError)
    assert issubclass(SingularHessianError, ValueError)


# ---------------------------------------------------------------------- estimators and settings
class Majority(ClassifierMixin, BaseEstimator):
    def __init__(self, n_votes=2):
        self.n_votes = n_votes

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize(
    "model",
    [
        Majority(),
        make_pipeline(StandardScaler(), Majority()),
        GridSearchCV(Majority(), {"n_votes": [2]}),
    ],
    ids=["plain", "pipeline", "search"],
)
def test_unsupported_estimator(model):
    supported = ["LinearRegression", "LinearSVC", "LogisticRegression", "Ridge", "RidgeCV"]
    words = ["got an unsupported estimator: Majority", "Supported are", *supported]
    with raises(TypeError, *words, "pipelines", "searches", "skinfluence.as_objective.register"):
        InfluenceExplainer(model).fit(X, Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_linear_svc():
    words = ["LinearSVC got", "multi_class='crammer_singer'", "multi_class='ovr'", "Refit"]
    with raises(ValueError, *words):
        InfluenceExplainer(LinearSVC(multi_class="crammer_singer")).fit(X, Y)


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(positive=True),
        Ridge(positive=True),
        RidgeClassifier(positive=True, solver="lbfgs"),
        Lasso(positive=True),
        ElasticNetCV(positive=True, cv=2),
    ],
    ids=repr,
)
def test_positive(model):
    words = ["got positive=True", "constraints", "Fit with positive=False"]
    with raises(ValueError, type(model).__name__, *words):
        InfluenceExplainer(model).fit(X, Y)


def test_multilabel():
    with raises(ValueError, "multilabel targets of shape (40, 2)", "one label at a time"):
        InfluenceExplainer(RidgeClassifier()).fit(X, np.column_stack([Y, 1 - Y]))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "model, words",
    [
        (GridSearchCV(LogisticRegression(), {"C": [1.0]}, refit=False), ["no model fitted on all"]),
        (LogisticRegressionCV(Cs=[1.0], refit=False), ["averages over folds", "no objective"]),
    ],
    ids=["GridSearchCV", "LogisticRegressionCV"],
)
def test_no_refit(model, words):
    name = type(model).__name__
    with raises(ValueError, f"{name} got refit=False", *words, "Fit it with refit=True"):
        InfluenceExplainer(model).fit(X, Y)


@pytest.mark.parametrize(
    "settings, error, words",
    [
        ({"solver": "newton"}, ValueError, ["solver='newton'", "'cholesky'", "CG(tol=1e-10)"]),
        ({"solver": 3}, TypeError, ["solver=3 of type int", "'auto'", "LiSSA(repeats=10)"]),
        ({"solver": CG}, TypeError, ["solver=<class", "solver object such as Cholesky()"]),
        ({"damping": -1.0}, ValueError, ["damping=-1.0", "finite number at least 0"]),
        ({"damping": np.nan}, ValueError, ["damping=nan", "finite number at least 0"]),
        ({"damping": "a"}, ValueError, ["damping='a'", "finite number at least 0"]),
        ({"smoothing": 0}, ValueError, ["smoothing=0", "finite number above 0"]),
        ({"smoothing": -1.0}, ValueError, ["smoothing=-1.0", "finite number above 0"]),
        ({"smoothing": np.inf}, ValueError, ["smoothing=inf", "finite number above 0"]),
    ],
    ids=str,
)
def test_settings_are_checked_before_any_work(settings, error, words):
    class Untouched(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            pytest.fail("fitted although a setting is wrong")

    with raises(error, "InfluenceExplainer got", *words):
        InfluenceExplainer(Untouched(), **settings).fit(X, Y)


def test_unknown_preconditioner():
    solver = CG(preconditioner="ilu")
    with raises(ValueError, "CG got preconditioner='ilu'", "'sampled-hessian'", "'none'"):
        InfluenceExplainer(LogisticRegression(), solver=solver).fit(X, Y)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [1.0]}),
    ],
    ids=["LogisticRegression", "Pipeline", "GridSearchCV"],
)
def test_prefit_is_not_fitted(model):
    with raises(NotFittedError, f"This {type(model).__name__} instance is not fitted yet"):
        InfluenceExplainer(model, prefit=True).fit(X, Y)
