"""What the refit of an influential set is compared with: the same number, of the same thing."""

import numpy as np
import pandas as pd
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import ARDRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skinfluence import InfluenceExplainer, functionals

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 8))
Y = (X[:, 0] + 0.3 * X[:, 2] + RNG.logistic(size=60) > 0).astype(int)


def test_a_feature_that_a_step_may_drop():
    """A coefficient is that of its feature, wherever it then stands; 0 where it is dropped."""
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    model = make_pipeline(StandardScaler(), SelectKBest(k=3), LogisticRegression())
    explainer = InfluenceExplainer(model).fit(frame, Y)
    for position, name in enumerate(explainer.model_feature_names_):
        for feature in (position, str(name)):
            found = explainer.most_influential_set(functionals.coefficient(feature), 12)
            kept = np.delete(np.arange(60), found.rows)
            again = InfluenceExplainer(model).fit(frame.iloc[kept], Y[kept])
            names = [str(each) for each in again.model_feature_names_]
            coef = again.estimator_[-1].coef_[0]
            expected = coef[names.index(str(name))] if str(name) in names else 0.0
            assert np.isclose(found.refitted, expected)


def test_the_class_that_is_predicted_now():
    model = LinearSVC(dual=False, tol=1e-8).fit(X, Y)
    explainer = InfluenceExplainer(model, prefit=True).fit(X, Y)
    rows = RNG.standard_normal((400, 8))
    nearest = rows[[np.abs(model.decision_function(rows)).argmin()]]
    found = explainer.most_influential_set(functionals.prediction(0), 5, X=nearest)
    assert found.flipped
    kept = np.delete(np.arange(60), found.rows)
    refitted = LinearSVC(dual=False, tol=1e-8).fit(X[kept], Y[kept])
    assert refitted.predict(nearest) != model.predict(nearest)


def test_precisions_are_held():
    y = X @ np.r_[0.02, 1.0, np.zeros(6)] + 0.3 * RNG.standard_normal(60)
    explainer = InfluenceExplainer(ARDRegression()).fit(X, y)
    found = explainer.most_influential_set(functionals.coefficient(0), 20)
    assert len(found.rows) >= 1
    assert np.isclose(found.refitted, found.values[-1], rtol=1e-6, atol=1e-9)
