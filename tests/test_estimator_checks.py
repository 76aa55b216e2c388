"""scikit-learn's own checks, without expected failures."""

from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from skinfluence import InfluenceExplainer


@parametrize_with_checks(
    [InfluenceExplainer(LogisticRegression()), InfluenceExplainer(Ridge())],
)
def test_scikit_learn_check(estimator, check):
    check(estimator)
