"""What pairs of classes, several labels and pinned parameters are not taken for."""

import numpy as np
import pytest
from models_active import logistic
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from wording import raises

from skinfluence import InfluenceExplainer, functionals
from skinfluence.attack import TrainingSetAttack

RNG = np.random.default_rng(0)
X, X_TEST = RNG.standard_normal((90, 3)), RNG.standard_normal((20, 3))
SIGNAL = X @ RNG.standard_normal((3, 4)) + RNG.gumbel(size=(90, 4))
Y, Y_TEST = SIGNAL.argmax(axis=1), np.tile(np.arange(4), 5)
LABELS = (SIGNAL[:, :2] > 0.3).astype(int)
LOGISTIC = LogisticRegression(tol=1e-10, max_iter=1000)


def test_pairs_of_classes_have_no_probabilities():
    explainer = InfluenceExplainer(OneVsOneClassifier(LOGISTIC)).fit(X, Y)
    first, second = np.triu_indices(4, 1)

    def of_class(model):
        """The sum over the pairs that a class is in; scikit-learn's second class is positive."""
        values = np.column_stack([each.decision_function(X_TEST) for each in model.estimators_])
        signs = (second == Y_TEST[:, None]) * 1.0 - (first == Y_TEST[:, None])
        return (signs * values).sum(axis=1)

    kept = np.arange(90) != 7
    actual = of_class(clone(explainer.estimator_).fit(X[kept], Y[kept]))
    actual = actual - of_class(explainer.estimator_)
    asked = {"kind": "refit", "indices": [7]}
    found = explainer.influence(X_TEST, Y_TEST, target="prediction", **asked)[:, 0]
    np.testing.assert_allclose(found, actual, atol=1e-5 * np.abs(actual).max())
    alone = explainer.functional_influence(X_TEST, Y_TEST, functionals.prediction(3), **asked)
    np.testing.assert_allclose(alone, found[[3]], rtol=1e-6)
    with raises(TypeError, "brier_score", "OneVsOneClassifier"):
        explainer.functional_influence(X_TEST, Y_TEST, "brier_score")
    with pytest.raises(AttributeError):
        explainer.loo_predict_proba()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_the_norm_of_a_change_is_that_of_the_coefficients(l1_ratio):
    model = logistic(l1_ratio, C=1.0, tol=1e-10)
    explainer = InfluenceExplainer(model).fit(X, Y % 3)
    rows = np.flatnonzero(~explainer.support_changes(kind="refit"))[:4]
    asked = X_TEST, Y_TEST % 3
    plain = explainer.influence(*asked, kind="refit", indices=rows)
    relative = explainer.influence(*asked, kind="refit", indices=rows, normalize="theta")
    fitted = explainer.estimator_
    for position, row in enumerate(rows):
        kept = np.arange(90) != row
        other = clone(fitted).fit(X[kept], (Y % 3)[kept])
        moved = np.r_[(other.coef_ - fitted.coef_).ravel(), other.intercept_ - fitted.intercept_]
        expected = plain[:, position] / np.linalg.norm(moved)
        np.testing.assert_allclose(relative[:, position], expected, rtol=1e-4)


def test_several_labels_of_a_row():
    explainer = InfluenceExplainer(MultiOutputClassifier(LOGISTIC)).fit(X, LABELS)
    with raises(TypeError, "functionals.prediction got MultiOutputClassifier", "several labels"):
        explainer.functional_influence(X_TEST, None, functionals.prediction(0, output=1))
    attack = TrainingSetAttack(explainer, n_iter=1)
    result = attack.attack(X_TEST[:1], explainer.predict(X_TEST[:1])).confirm()
    assert not result.flipped.any()
    indicators = sparse.csr_matrix(LABELS)
    with raises(TypeError, "InfluenceExplainer got y as a sparse matrix", "y.toarray()"):
        InfluenceExplainer(OneVsRestClassifier(LOGISTIC)).fit(X, indicators)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_groups_without_a_label(missing):
    explainer = InfluenceExplainer(LOGISTIC).fit(X, LABELS[:, 0])
    group = np.array([missing, *(["a", "b"] * 10)][:20], dtype=object)
    with raises(ValueError, "demographic_parity got sensitive with 1 missing labels"):
        explainer.functional_influence(X_TEST, None, functionals.demographic_parity(group))
