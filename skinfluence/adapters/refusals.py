"""Why other estimators of scikit-learn have no objective here, and which supported one is closest.

Estimators are looked up by name, along the classes that they inherit from: so nothing is imported
for the sake of a message, and names that only some versions of scikit-learn have do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator, is_classifier, is_regressor

from .dispatch import refuse


@dataclass(frozen=True)
class Refusal:
    """Why, and what instead.

    Parameters
    ----------
    names : str
        Of estimators, with blanks between.
    reason : str
        A sentence.
    closest : str
        A supported model, and what to know about it.
    """

    names: str
    reason: str
    closest: str


SPLITS = (
    "Its trees choose splits one by one, and these jump when a row goes; between jumps a "
    "prediction is a mean over a leaf, with no smooth loss over parameters."
)
RESAMPLED = (
    "Its members are fitted to random draws of the rows, which are other draws when a row goes, "
    "so it has no fixed objective to remove a row from."
)
BOOSTED = (
    "Each of its members is fitted to what those before it got wrong, so a row acts through a "
    "chain of fits and not as a term of one objective."
)
NEIGHBOURS = (
    "It stores the training rows and fits nothing: a prediction is taken from the nearest of "
    "them, which are the explanation, and jumps when one of them goes."
)
MISTAKES = (
    "It goes through the rows one by one and corrects itself at mistakes, so what it ends with "
    "depends on their order and on where the passes end; it is no minimum of an objective."
)
GREEDY = (
    "It adds features one by one and stops after a number of them, a choice that jumps when a row "
    "goes; its coefficients minimise no objective over all features."
)
COVARIANCES = (
    "Its coefficients are made of class means and covariances, which maximise the likelihood of "
    "the features rather than minimise a loss of its decision values."
)
CONSTANT = "It predicts without looking at the features, so it has no parameters to follow."
CHAIN = (
    "Each of its models takes the predictions of those before it for features, so its predictions "
    "are not linear in the parameters of the chain."
)

LOGISTIC = "LogisticRegression"
CURVED_LOGISTIC = "LogisticRegression, after SplineTransformer in a pipeline for curved effects"
CURVED_RIDGE = "Ridge, after SplineTransformer in a pipeline for curved effects"
MACHINE = "SVC(kernel='rbf'), a classifier by similarity to training rows"

# Of estimators of which one inherits from another, that one comes first.
REFUSALS = [
    Refusal(
        "DecisionTreeClassifier ExtraTreeClassifier RandomForestClassifier ExtraTreesClassifier",
        SPLITS,
        CURVED_LOGISTIC,
    ),
    Refusal(
        "DecisionTreeRegressor ExtraTreeRegressor RandomForestRegressor ExtraTreesRegressor",
        SPLITS,
        CURVED_RIDGE,
    ),
    Refusal(
        "GradientBoostingClassifier HistGradientBoostingClassifier AdaBoostClassifier",
        BOOSTED,
        CURVED_LOGISTIC,
    ),
    Refusal(
        "GradientBoostingRegressor HistGradientBoostingRegressor AdaBoostRegressor",
        BOOSTED,
        CURVED_RIDGE,
    ),
    Refusal(
        "VotingClassifier",
        "Hard votes are counts, which jump when a row goes, and of soft ones the mean of its "
        "members' probabilities is no decision value of the losses that these minimise.",
        "LogisticRegression, or another of its fitted estimators_ by itself: with voting='soft' "
        "effects on their probabilities, target='prediction', average to its own by its weights",
    ),
    Refusal("BaggingClassifier", RESAMPLED, "LogisticRegression, alone on all rows"),
    Refusal("BaggingRegressor", RESAMPLED, "Ridge, alone on all rows"),
    Refusal("KNeighborsClassifier RadiusNeighborsClassifier", NEIGHBOURS, MACHINE),
    Refusal(
        "KNeighborsRegressor RadiusNeighborsRegressor",
        NEIGHBOURS,
        "KernelRidge(kernel='rbf'), a regressor by similarity to training rows",
    ),
    Refusal(
        "PassiveAggressiveClassifier",
        MISTAKES,
        "LinearSVC(loss='hinge'), which asks for a margin and has a penalty",
    ),
    Refusal(
        "PassiveAggressiveRegressor",
        MISTAKES,
        "LinearSVR, which has the epsilon-insensitive loss and a penalty",
    ),
    Refusal(
        "LinearDiscriminantAnalysis",
        COVARIANCES,
        "RidgeClassifier, whose direction for two classes comes to the same as alpha goes to 0",
    ),
    Refusal(
        "QuadraticDiscriminantAnalysis",
        COVARIANCES,
        "LogisticRegression, after PolynomialFeatures(2) in a pipeline for quadratic boundaries",
    ),
    Refusal(
        "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
        "It counts or averages the features class by class, and minimises no loss of its decision "
        "values.",
        LOGISTIC,
    ),
    Refusal(
        "NearestCentroid",
        "It keeps the mean of each class, whatever its decisions, and minimises no loss of them.",
        LOGISTIC,
    ),
    Refusal(
        "GaussianProcessClassifier",
        "Its probabilities are averages over an approximate posterior whose spread follows the "
        "rows as well, so no loss of one decision value describes a row.",
        "SVC, whose kernel can be the same kernel object",
    ),
    Refusal(
        "QuantileRegressor",
        "It solves a linear programme: the solution is a vertex that meets as many rows exactly as "
        "it has coefficients other than 0, so there is no curvature, and it stays or jumps when a "
        "row goes.",
        "LinearSVR(epsilon=0), the smoothed absolute error of the median with an L2 penalty",
    ),
    Refusal(
        "LassoLars LassoLarsCV LassoLarsIC",
        "It traces the path of solutions to the minimum of the Lasso's own objective, which the "
        "estimator of that name goes to directly, and has no adapter of its own.",
        "Lasso, with the alpha that was given or chosen",
    ),
    Refusal(
        "Lars LarsCV OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV",
        GREEDY,
        "Lasso, which chooses features by its penalty",
    ),
    Refusal(
        "TheilSenRegressor",
        "It is the spatial median of least-squares fits to subsets of the rows, and minimises no "
        "sum of losses of rows.",
        "HuberRegressor, which gives outliers a bounded pull",
    ),
    Refusal(
        "RANSACRegressor",
        "It fits the rows that the best of many random draws calls inliers, a choice that jumps "
        "when a row goes.",
        "LinearRegression, on the rows of its inlier_mask_",
    ),
    Refusal(
        "IsotonicRegression",
        "Its steps are means over pools of neighbouring rows under order constraints, and the "
        "pools jump when a row goes.",
        CURVED_RIDGE,
    ),
    Refusal(
        "PLSRegression PLSCanonical CCA",
        "Its directions are singular vectors, found one after the other from how features and "
        "targets vary together; its coefficients minimise no sum of losses of rows.",
        "Ridge, which shrinks directions of little variance instead",
    ),
    Refusal("DummyClassifier", CONSTANT, "LogisticRegression, with C near 0 for class shares"),
    Refusal("DummyRegressor", CONSTANT, "Ridge, with a large alpha for the mean"),
    Refusal("ClassifierChain", CHAIN, "LogisticRegression, one label at a time"),
    Refusal("RegressorChain", CHAIN, "Ridge, which takes all targets at once"),
    Refusal(
        "OutputCodeClassifier",
        "It tells classes apart by a code book drawn at random and by the nearest code, which is "
        "no loss of its decision values.",
        LOGISTIC,
    ),
    Refusal(
        "SelfTrainingClassifier",
        "It labels rows itself, round by round, where it is sure enough, a choice that jumps when "
        "a row goes.",
        "LogisticRegression, on the labelled rows",
    ),
    Refusal(
        "LabelPropagation LabelSpreading",
        "It has no parameters: labels spread over a graph of all rows, and test rows take averages "
        "over their neighbours.",
        MACHINE,
    ),
    Refusal(
        "FixedThresholdClassifier TunedThresholdClassifierCV",
        "It puts a threshold on what the classifier inside says, a step that no derivative sees.",
        "LogisticRegression, or what is inside: pass its fitted estimator_ with prefit=True",
    ),
    Refusal(
        "RFE RFECV",
        "It drops features and fits again in turn, a choice that jumps when a row goes.",
        "LogisticRegression, or another model after the selection in a pipeline",
    ),
]

# What there is to say of all estimators of a kind that are no classifiers or regressors.
KINDS = [
    Refusal(
        "OutlierMixin",
        "An outlier detector has no targets, so a test row has no loss to ask about.",
        "SVC, with outliers and other rows for its two classes",
    ),
    Refusal(
        "ClusterMixin BiclusterMixin DensityMixin",
        "It is fitted without targets, so a test row has no loss to ask about.",
        "LogisticRegression, with the clusters for its classes",
    ),
    Refusal(
        "TransformerMixin",
        "A transformer predicts nothing: it goes before a model in a pipeline.",
        "LogisticRegression, or another model as the pipeline's last step",
    ),
]


@refuse.register(BaseEstimator)
def _estimator(estimator: Any) -> None:
    refusal = _find(estimator, REFUSALS)
    if refusal is None and not is_classifier(estimator) and not is_regressor(estimator):
        refusal = _find(estimator, KINDS)
    if refusal is not None:
        raise TypeError(
            f"InfluenceExplainer got an unsupported estimator: {type(estimator).__name__}. "
            f"{refusal.reason} Closest supported: {refusal.closest}."
        )


def _find(estimator: Any, refusals: list[Refusal]) -> Refusal | None:
    """The first that names a class of scikit-learn that it is or inherits from."""
    own = {kind.__name__ for kind in type(estimator).__mro__ if _of_scikit_learn(kind)}
    return next((refusal for refusal in refusals if own & set(refusal.names.split())), None)


def _of_scikit_learn(kind: type) -> bool:
    return kind.__module__.startswith("sklearn.")


@refuse.register(type)
def _class(estimator: Any) -> None:
    name = estimator.__name__
    raise TypeError(
        f"InfluenceExplainer got the class {name}; needed is an estimator, which is an instance of "
        f"it. Pass {name}()."
    )
