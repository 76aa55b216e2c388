"""Rows of ``models``: kernel machines."""

from __future__ import annotations

from models import Model
from reference import epsilon_insensitive, hinge, squared_error
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR

SQUARED = {"data": "regression", "loss": squared_error, "exact": 1e-8}
# The hinge is smoothed; removal is a refit, and first order is not asked for here.
SMOOTHED = {"stationary": 1e-2, "exact": 1e-4}
MODELS = [
    Model("KernelRidge", KernelRidge(kernel="rbf", gamma=0.2, alpha=0.5), **SQUARED),
    Model(
        "GaussianProcessRegressor",
        GaussianProcessRegressor(RBF(1.5) + WhiteKernel(0.4), optimizer=None),
        csr=False,
        sample_weight=False,
        **SQUARED,
    ),
    Model("SVC", SVC(C=0.5, gamma=0.2, tol=1e-10), "binary", hinge, class_weight=True, **SMOOTHED),
    Model("SVR", SVR(C=0.5, gamma=0.2, tol=1e-10), "regression", epsilon_insensitive, **SMOOTHED),
]
