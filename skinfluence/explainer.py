"""InfluenceExplainer: the meta-estimator, its parameters and what ``fit`` prepares."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .active_set import warn_if_not_optimal
from .adapters import as_objective, fit_parameters, is_frozen, refuse_unsupported, resolve
from .convexity import HESSIANS, convex_quadratic, damping_of
from .dask_graphs import in_memory
from .delegation import DelegatesPrediction
from .diagnostics import DiagnosticAnswers
from .inputs import check_sample_weight, check_targets, choose, require_fitted, training_rows
from .network_objective import NetworkObjective
from .optimality import measure_optimality
from .persistence import Persistent
from .perturbation import PerturbationAnswers
from .removal import RowRemoval
from .replacements import ReplacementAnswers
from .report import report_of
from .resources import Resources, bytes_of, within_resources
from .scenarios import Scenarios
from .set_answers import SetAnswers
from .smoothing import smooth_optimum
from .solvers import SolverContext, as_solver
from .streamed import StreamedAnswers
from .support_answers import SupportAnswers
from .suspects import SuspectAnswers
from .verification import VerificationAnswers
from .wellposed import require_determined

SMALLEST = {"damping": "at least 0, 'auto' or None", "smoothing": "above 0", "refit_tol": "above 0"}


class InfluenceExplainer(
    StreamedAnswers,
    SuspectAnswers,
    PerturbationAnswers,
    ReplacementAnswers,
    SetAnswers,
    DiagnosticAnswers,
    VerificationAnswers,
    SupportAnswers,
    DelegatesPrediction,
    Persistent,
    MetaEstimatorMixin,
    BaseEstimator,
):
    """Which training rows are responsible for a prediction.

    Influence functions (Koh & Liang, ICML 2017) for scikit-learn's linear, logistic,
    support-vector and kernel models and its neural networks, with a second-order or exact answer
    to what happens when a row is removed.

    Parameters
    ----------
    estimator : estimator
        A supported scikit-learn estimator, a pipeline that ends in one (steps before the model
        are then treated as fixed, and X is raw), or a search around one.
    prefit : bool, default=False
        Use ``estimator`` as it is; ``fit`` then takes the data that it was fitted on. A
        ``FrozenEstimator`` is used as it is in any case.
    solver : {"auto", "cholesky", "dual", "cg", "lissa", "sketch"} or object, default="auto"
        How (∇²J)⁻¹ is applied. Objects carry settings: ``CG(tol=1e-10)``.
    damping : float, "auto" or None, default=None
        Added to the diagonal of the Hessian of the mean risk, H + damping · I (Section 4.2). "auto"
        finds the least that makes it positive definite, by Lanczos steps, and says so in
        ``report_``. None stands for "auto" with networks, and for 0 with all other models.
    hessian : {"auto", "exact", "gauss-newton"}, default="auto"
        Of networks, whose exact Hessian may have negative eigenvalues: that (an error where it has
        any, with its damping), or the Gauss-Newton matrix, which leaves the second derivatives of
        decision values out and never has. "auto" takes the exact one at a minimum, and elsewhere
        Gauss-Newton, with as much damping by "auto" as the exact one would need; ``report_`` says
        which and why. Of all other models the two are the same.
    smoothing : float, default=1e-3
        Temperature of the smooth hinge that stands in for the hinge, in margin units
        (Section 4.3), and of the smoothed epsilon-insensitive loss, in deviations of y.
    refit_tol : float, default=1e-8
        Of ``kind="refit"``: the gradient of a row's leave-one-out objective at which its refit
        ends, relative to what the removal made of it, in the norm of the inverse Hessian.
    max_memory : int or str, default="4GB"
        Working memory in bytes, or as "500MB", beside the training rows, the arrays that are asked
        for, and some numbers per row and output. Blocks follow it, "auto" chooses solvers that
        fit into it, and others refuse where they would not.
    n_jobs : int, optional
        Jobs for independent work: blocks of sparse rows, of results, of refits, LiSSA's repeats.
        Threads, which share all data, or a cluster where joblib's dask backend is active. Results
        don't depend on it.
    random_state : int, RandomState or None, default=None
        For all that is random. None stands for 0: an explanation is repeatable by default.
    verbose : int, default=0
        Above 0, tell on standard error when ``solver="auto"`` changes its choice, and how far all
        that takes long has got: by tqdm where it is installed, else by lines, with rate and
        remaining time.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    objective_ : Objective
        What it minimises, on its training data, at its fitted parameters; smoothed, where its loss
        has kinks, and at the optimum of that.
    solver_ : InverseHessian
        (∇²J)⁻¹, ready to be applied.
    report_ : Bunch
        ``n``, ``p``, ``solver``, ``reason``, ``gradient_norm`` (‖∇J‖), ``relative_step`` (to the
        optimum, in units of the sampling noise), ``condition`` (an estimate: of ∇²J scaled
        to a unit diagonal by Cholesky; of ∇²J itself, from below, by iterative solvers),
        ``rank`` (None where the solver doesn't see it), ``leverage_error`` (of leverages and
        self-influence by ``solver="sketch"``, relative, estimated; else 0), ``damping`` (a
        number), ``hessian`` ("exact" or "gauss-newton"), ``hessian_reason``,
        ``smallest_eigenvalue`` (a lower bound of that of the exact H without damping, of a
        network; None where nobody had to ask),
        ``newton_share`` (of a network: how much of the Newton step from its parameters
        ``kind="removal"`` takes with and without a row; below 1 where that led uphill), ``held``
        (what of the model is held as fitted, beside hyper-parameters: the support of an L1
        penalty, say) and ``seconds``.

    Notes
    -----
    With R the mean risk, J = n R and H = ∇²R, the units and signs are:

    - ``kind="upweight"``: the paper's number, −∇ℓ_tᵀ H⁻¹ ∇ℓ_i (Eq. 2). Positive = giving row i
      more weight raises the target; for a loss, negative = helpful. To first order, removing
      row i changes the target by −s_i/n times it, with s_i the row's weight in the objective
      (``class_weight="balanced"``, which also reweighs the other rows, left aside).
    - ``kind="removal"``: the change of the target when row i is removed and the model refitted
      with the same hyper-parameters, by one Newton step corrected for the row's own leverage,
      and the target evaluated there. Exact for squared loss. For a loss, positive = helpful. For
      losses with kinks (hinge, epsilon-insensitive) one step would not do: the same as "refit".
      Of a network: the difference between training on from its parameters without the row and
      with it, by one Newton step each.
    - ``kind="refit"``: that change exactly, for any loss, but not of networks: Newton steps for
      all rows together until each row's own leave-one-out optimum, from the estimator's own
      optimum as the reference (so a loose ``tol`` of the estimator doesn't blur it). Some five
      passes over the data per row; ``damping`` plays no part. Losses with kinks are smoothed by a
      thousandth of ``smoothing``.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skinfluence import InfluenceExplainer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression())
    >>> explainer = InfluenceExplainer(model).fit(X[:-1], y[:-1])
    >>> explainer.influence(X[-1:], y[-1:]).shape
    (1, 568)
    """

    def __init__(
        self,
        estimator: Any,
        *,
        prefit: bool = False,
        solver: Any = "auto",
        damping: float | str | None = None,
        hessian: str = "auto",
        smoothing: float = 1e-3,
        refit_tol: float = 1e-8,
        max_memory: int | str = "4GB",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.prefit = prefit
        self.solver = solver
        self.damping = damping
        self.hessian = hessian
        self.smoothing = smoothing
        self.refit_tol = refit_tol
        self.max_memory = max_memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @within_resources
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> InfluenceExplainer:
        """Fit a clone of the estimator (unless prefit) and prepare the Hessian.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or dask collection of shape (n, n_features)
            Training rows. A reference is kept. Of a dask array or DataFrame, which needs a fitted
            estimator, chunks are worked at where they are.
        y : array-like of shape (n,) or (n, n_targets)
            Labels or targets.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows, passed on to the estimator.

        Returns
        -------
        InfluenceExplainer
            Itself.

        Raises
        ------
        SingularHessianError
            Where the training rows don't determine the parameters.
        TypeError
            For unsupported estimators.

        Warns
        -----
        NotStationaryWarning
            Where the fitted parameters are too far from the optimum.
        """
        started = perf_counter()
        solver = as_solver(self.solver)
        self._check_parameters()
        y, sample_weight = in_memory(y), in_memory(sample_weight)
        check_sample_weight(sample_weight)
        require_fitted(self.estimator, X, fitted=self.prefit or is_frozen(self.estimator))
        estimator = self._fitted_estimator(X, y, sample_weight)
        transformers, model = resolve(estimator)
        check_is_fitted(model)
        rows = training_rows(transformers, model, X)
        targets = check_targets(y, rows.shape[0], "y")
        weights = check_sample_weight(sample_weight, rows.shape[0])
        fitted = as_objective(model, rows, targets, weights, smoothing=self.smoothing)
        damping = damping_of(fitted, self.damping)
        # Whatever "auto" comes to, it leaves nothing undetermined.
        enough = np.inf if damping == "auto" else float(damping)
        require_determined(fitted, enough)
        context = self._context()
        smooth = smooth_optimum(fitted, solver, context) if fitted.loss.smoothed else fitted
        convex = convex_quadratic(smooth, self.hessian, damping, context)
        objective = convex.objective
        inverse = solver.factor(convex.operator, context)
        require_determined(objective, enough, inverse.rank)
        reference, share = objective, None
        if isinstance(reference, NetworkObjective):
            reference = reference.after_newton_step(inverse)
            share = reference.newton_share
        optimality = measure_optimality(fitted, inverse, context.random_state)
        # All at once: an interrupted fit leaves what was there.
        self.__dict__.update(
            estimator_=estimator,
            objective_=objective,
            solver_=inverse,
            report_=report_of(
                objective, inverse, convex, optimality, share, perf_counter() - started
            ),
            _fitted=fitted,
            _model=model,
            _norms={},
            _refits=None,
            _removal=RowRemoval(Scenarios(reference, inverse, solver, context)),
            _sample_weight=weights,
            _solver=solver,
            _solver_context=context,
            _training_X=X,
            _training_y=y,
            _transformers=transformers,
        )
        optimality.warn(type(model).__name__, goes_on=fitted.linear_map.tangent)
        warn_if_not_optimal(fitted, type(model).__name__)
        return self

    def _fitted_estimator(self, X: Any, y: Any, sample_weight: Any) -> Any:
        if self.prefit:
            check_is_fitted(self.estimator)
            return self.estimator
        refuse_unsupported(self.estimator)
        options = {} if sample_weight is None else fit_parameters(self.estimator, sample_weight)
        return clone(self.estimator).fit(X, y, **options)

    def _resources(self) -> Resources:
        return Resources(bytes_of(self.max_memory), self.n_jobs, self.verbose)

    def _context(self) -> SolverContext:
        seed = 0 if self.random_state is None else self.random_state
        drawn = int(check_random_state(seed).randint(np.iinfo(np.int32).max))
        return SolverContext(random_state=drawn, n_jobs=self.n_jobs, verbose=self.verbose)

    def _check_parameters(self) -> None:
        choose("hessian", self.hessian, HESSIANS)
        for name, smallest in SMALLEST.items():
            value = getattr(self, name)
            if name == "damping" and (
                value is None or (isinstance(value, str) and value == "auto")
            ):
                continue
            fine = isinstance(value, (int, float, np.number)) and np.isfinite(value)
            if not fine or value < 0 or (smallest == "above 0" and value == 0):
                raise ValueError(
                    f"InfluenceExplainer got {name}={value!r}; needed is a finite number "
                    f"{smallest}."
                )
