"""Pipeline steps with rows to differentiate them at, and their derivatives by differences."""

import inspect
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.decomposition import (
    PCA,
    FactorAnalysis,
    FastICA,
    IncrementalPCA,
    MiniBatchSparsePCA,
    SparsePCA,
    TruncatedSVD,
)
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import (
    FunctionTransformer,
    KernelCenterer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

N, D = 50, 5
NAMES = list("abcde")


# ---------------------------------------------------------------------------------------- rows
def make_rows(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit with, and rows to differentiate at."""
    rng = np.random.default_rng(0)
    fitted = rng.standard_normal((N, D)) * np.arange(1.0, D + 1) + 1.0
    new = rng.standard_normal((8, D)) * np.arange(2.0, D + 2) + 1.0  # partly outside of the range
    if kind == "plain":
        ends = np.r_[fitted.argmin(axis=0), fitted.argmax(axis=0)]
        return fitted, np.concatenate([new, fitted[:3], fitted[np.unique(ends)]])
    if kind == "inside":
        within = (fitted > fitted.min(axis=0)) & (fitted < fitted.max(axis=0))
        between = fitted.min(axis=0) + rng.uniform(0.05, 0.95, (8, D)) * np.ptp(fitted, axis=0)
        return fitted, np.concatenate([between, fitted[within.all(axis=1)][:4]])
    if kind == "beyond":  # of the range, or well within
        return fitted, np.concatenate([make_rows("inside")[1], fitted.max(axis=0) + new**2 + 0.1])
    if kind == "positive":
        return np.exp(0.2 * fitted), np.exp(0.2 * new)
    if kind == "above 1":
        return 1.0 + np.exp(fitted), 1.0 + np.exp(0.2 * new)
    if kind == "kernel":
        return fitted[:D] @ fitted[:D].T, new @ fitted[:D].T
    if kind == "unit":
        return expit(fitted), expit(0.2 * new)
    if kind == "zeros":
        fitted[rng.random(fitted.shape) < 0.4] = 0.0
        new[rng.random(new.shape) < 0.4] = 0.0
        return fitted, new[np.abs(new).sum(axis=1) > 0]
    if kind in ("counts", "words"):  # all of the words in each row
        least = kind == "words"
        return rng.poisson(1.0, (N, D)) + 0.0, rng.poisson(2.0, (8, D)) + np.eye(8, D) + least
    assert kind in ("missing", "empty")
    for block in (fitted, new):
        block[rng.random(block.shape) < 0.3] = np.nan
    if kind == "empty":
        fitted[:, 2] = np.nan
    return fitted, new


def labels() -> np.ndarray:
    X = make_rows("plain")[0]
    return (X[:, 0] > X[:, 1]).astype(int)


STORED = {
    "dense": np.asarray,
    "csr": sparse.csr_matrix,
    "frame": lambda X: pd.DataFrame(X, columns=NAMES[: X.shape[1]]),
    "float32": lambda X: X.astype(np.float32),
}


@dataclass(frozen=True)
class Step:
    """A step, the rows it is tried with, and how these are stored."""

    step: Any
    rows: str = "plain"
    forms: tuple[str, ...] = ("dense", "frame")
    tolerance: float = 1e-6

    def fit(self, form: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return clone(self.step).fit(STORED[form](self.fitted), labels()[: len(self.fitted)])

    @property
    def fitted(self) -> np.ndarray:
        return make_rows(self.rows)[0]

    @property
    def X(self) -> np.ndarray:
        return make_rows(self.rows)[1]


def names_of(value: Any) -> str:
    """Test ids."""
    if isinstance(value, Step):
        return f"{' '.join(str(value.step).split())}-{value.rows}"[:110]
    return str(value)


# ------------------------------------------------------------------------- steps with a derivative
DENSE, ARRAYS, SPARSE = ("dense", "frame"), ("dense", "csr"), ("dense", "csr", "frame")
SMOOTH = [
    Step(StandardScaler()),
    Step(StandardScaler(with_mean=False), "zeros", SPARSE),
    Step(StandardScaler(with_std=False)),
    Step(StandardScaler(copy=False)),
    Step(RobustScaler()),
    Step(RobustScaler(unit_variance=True, with_centering=False), "zeros", SPARSE),
    Step(RobustScaler(with_scaling=False)),
    Step(MaxAbsScaler(), "zeros", SPARSE),
    Step(MinMaxScaler((-1.0, 3.0))),
    Step(MinMaxScaler(clip=True)),
    Step(MinMaxScaler((-1.0, 3.0), clip=True)),
    *(Step(Normalizer(norm), "zeros", SPARSE) for norm in ("l1", "l2", "max")),
    Step(Normalizer("max")),
    Step(PCA(3)),
    Step(PCA(3, whiten=True)),
    Step(IncrementalPCA(3), "zeros", SPARSE),
    Step(IncrementalPCA(3, whiten=True)),
    Step(TruncatedSVD(3, random_state=0), "zeros", SPARSE),
    Step(FastICA(3, random_state=0)),
    Step(FastICA(whiten=False, random_state=0, max_iter=5)),
    Step(FactorAnalysis(2)),
    Step(SparsePCA(2, random_state=0, max_iter=20)),
    Step(MiniBatchSparsePCA(2, random_state=0, max_iter=20)),
    Step(GaussianRandomProjection(3, random_state=0), "zeros", SPARSE),
    Step(SparseRandomProjection(3, random_state=0), "zeros", SPARSE),
    Step(SparseRandomProjection(3, random_state=0, dense_output=True), "zeros", SPARSE),
    Step(NeighborhoodComponentsAnalysis(2, random_state=0, max_iter=5)),
    Step(KernelCenterer(), "kernel"),
    Step(Nystroem(gamma=0.01, n_components=10, random_state=0), "zeros", SPARSE),
    Step(RBFSampler(gamma=0.01, n_components=10, random_state=0), "zeros", SPARSE),
    Step(BernoulliRBM(4, learning_rate=1.0, n_iter=5, random_state=0), "unit", SPARSE),
    *(
        Step(PolynomialFeatures(degree, interaction_only=only, include_bias=bias), "zeros", ARRAYS)
        for degree in (1, 2, 3, (0, 2), (2, 3))
        for only in (False, True)
        for bias in (False, True)
    ),
    Step(PolynomialFeatures(0)),
    Step(PolynomialFeatures(4), "zeros", SPARSE),
    *(
        Step(SplineTransformer(4, degree, extrapolation=mode, include_bias=bias), rows)
        for mode, rows in {
            "constant": "plain",
            "linear": "plain",
            "continue": "plain",
            "periodic": "plain",
            "error": "inside",
        }.items()
        for degree, bias in ((1, True), (2, False), (3, True))
    ),
    *(
        Step(SplineTransformer(4, degree, extrapolation=mode, sparse_output=True), "beyond")
        for degree in (1, 3)
        for mode in ("constant", "linear", "continue", "periodic")
    ),
    Step(SplineTransformer(4, 0), "inside"),
    Step(SplineTransformer(4, 0, extrapolation="linear"), "beyond"),
    Step(SplineTransformer(6, 1, knots="quantile")),
    Step(SplineTransformer(6, 3, knots="quantile", include_bias=False)),
    Step(SplineTransformer(degree=2, knots=np.linspace(-2.0, 3.0, 4)[:, None] * np.ones(D))),
    Step(PowerTransformer()),
    Step(PowerTransformer(copy=False)),
    Step(PowerTransformer(standardize=False)),
    Step(PowerTransformer("box-cox"), "positive"),
    Step(PowerTransformer("box-cox", standardize=False), "positive"),
    Step(PowerTransformer(), "positive"),
    Step(PowerTransformer(), "missing"),
    Step(QuantileTransformer(n_quantiles=10)),
    Step(QuantileTransformer(n_quantiles=N)),
    Step(QuantileTransformer(n_quantiles=N, copy=False)),
    Step(QuantileTransformer(n_quantiles=10, output_distribution="normal"), "beyond"),
    Step(QuantileTransformer(n_quantiles=N, output_distribution="normal"), "beyond", DENSE, 1e-4),
    Step(QuantileTransformer(n_quantiles=10), "missing"),
    Step(VarianceThreshold(2.0), "zeros", SPARSE),
    Step(SelectKBest(k=2)),
    Step(SelectFromModel(LogisticRegression())),
    Step(RFE(LogisticRegression(), n_features_to_select=2)),
    Step(SequentialFeatureSelector(LogisticRegression(), n_features_to_select=2, cv=2)),
    *(
        Step(SimpleImputer(strategy=strategy, add_indicator=marks), rows, SPARSE)
        for strategy in ("mean", "median", "most_frequent")
        for marks in (False, True)
        for rows in ("missing", "empty")
    ),
    Step(SimpleImputer(strategy="constant", fill_value=3.0, add_indicator=True), "empty"),
    Step(SimpleImputer(strategy="constant", keep_empty_features=True), "empty"),
    Step(SimpleImputer(keep_empty_features=True, add_indicator=True), "empty"),
    Step(SimpleImputer(missing_values=0.0, add_indicator=True)),
    Step(MissingIndicator(), "missing", SPARSE),
    Step(MissingIndicator(features="all"), "missing"),
    *(
        Step(TfidfTransformer(norm=norm, use_idf=idf, sublinear_tf=rows == "words"), rows, SPARSE)
        for norm in ("l1", "l2", None)
        for idf in (False, True)
        for rows in ("counts", "words")
    ),
    Step(FunctionTransformer()),
    Step(FunctionTransformer(validate=True)),
    Step(FunctionTransformer(np.log1p), "positive", SPARSE),
    Step(FunctionTransformer(np.exp), "missing"),
    *(
        Step(FunctionTransformer(function))
        for function in (
            np.positive, np.negative, np.absolute, np.fabs, np.sign, np.reciprocal, np.square,
            np.cbrt, np.exp2, np.expm1, np.sin, np.cos, np.tan, np.arctan, np.sinh, np.cosh,
            np.tanh, np.arcsinh, np.deg2rad, np.radians, np.rad2deg, np.degrees, expit,
        )
    ),
    *(Step(FunctionTransformer(function), "positive") for function in (
        np.log, np.log2, np.log10, np.sqrt,
    )),
    *(Step(FunctionTransformer(function), "unit") for function in (
        np.arcsin, np.arccos, np.arctanh, logit,
    )),
    Step(FunctionTransformer(np.arccosh), "above 1"),
]  # fmt: skip
if "clip" in inspect.signature(MaxAbsScaler).parameters:
    SMOOTH += [Step(MaxAbsScaler(clip=True)), Step(MaxAbsScaler(clip=True), "zeros", SPARSE)]
if "handle_missing" in inspect.signature(SplineTransformer).parameters:
    SMOOTH += [
        Step(SplineTransformer(4, degree, handle_missing="zeros"), "missing") for degree in (1, 3)
    ]


# ---------------------------------------------------------------------------------- differences
def outputs(step: Any, rows: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an imputer warns of each column without entries
        result = step.transform(rows)
    result = result.toarray() if sparse.issparse(result) else np.asarray(result)
    return result.astype(np.float64)


def slopes(step: Any, X: np.ndarray, form: str = "dense", move: float = 1e-6) -> np.ndarray:
    """Central differences, (rows, d_out, d_in). What is missing before and after has 0."""
    columns = []
    for column in np.eye(X.shape[1]):
        after, before = (outputs(step, STORED[form](X + side * column)) for side in (move, -move))
        change = np.where(np.isnan(after) & np.isnan(before), 0.0, after - before)
        columns.append(change / (2.0 * move))
    return np.stack(columns, axis=2)


def cotangents_for(step: Any, rows: Any, m: int = 3) -> np.ndarray:
    shape = outputs(step, rows).shape
    return np.random.default_rng(1).standard_normal((m, *shape))
