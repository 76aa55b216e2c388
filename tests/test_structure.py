"""The package holds to its design: who may import whom, and the public names."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.utils import all_estimators

import skinfluence

PACKAGE = Path(skinfluence.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 300

# Which rooms of the package each of the lower rooms may see.
MAY_SEE = {
    "resources": set(),
    "blocks": {"resources"},
    "dask_graphs": set(),
    "chunked_rows": {"dask_graphs", "resources"},
    "made_rows": {"blocks", "curvature"},
    "jobs": {"resources"},
    "curvature": set(),
    "exceptions": set(),
    "persistence": {"__version__", "exceptions"},
    "coding": {"curvature", "responses"},
    "responses": {"curvature"},
    "weighting": {"curvature"},
    "losses": {"curvature"},
    "penalties": {"curvature"},
    "predictors": {
        "blocks", "chunked_rows", "curvature", "dask_graphs", "jobs", "kernels", "made_rows",
        "progress", "resources",
    },
    "kernels": {"curvature"},
    "transformers": {"curvature", "kernels"},
    "targets": {"curvature", "losses"},
    "functionals": {"blocks", "curvature"},
    "progress": {"blocks", "resources"},
    "hessian_sums": {"curvature", "predictors"},
    "operators": {"curvature", "hessian_sums", "penalties", "predictors"},
    "solvers": {
        "blocks", "curvature", "exceptions", "jobs", "operators", "predictors", "progress",
        "resources",
    },
    "objective": {
        "coding", "curvature", "losses", "operators", "penalties", "predictors", "weighting",
    },
    "tangent_hessian": {"blocks", "curvature", "operators", "predictors", "progress"},
    "network_objective": {"curvature", "objective", "predictors", "solvers", "tangent_hessian"},
    "convexity": {"blocks", "exceptions", "network_objective", "objective", "operators", "solvers"},
    "adapters": {
        "blocks", "coding", "curvature", "kernels", "losses", "network_objective", "objective",
        "penalties", "predictors", "responses", "weighting",
    },
    "frozen": set(),
    "hidden_activations": {"curvature", "frozen", "predictors", "transformers"},
    "autograd": {"curvature"},
    "torch": {"autograd", "curvature", "frozen", "transformers"},
    "functional_readings": {"coding", "curvature", "functionals", "objective"},
    "influential_sets": {
        "curvature", "exchanges", "measuring", "objective", "progress", "refits", "removal",
        "reweighting", "scenarios", "smoothing", "weighting",
    },
    "retraining": {"adapters", "curvature", "exceptions", "progress"},  # no formulas
    "datasets": set(),
    "display": {
        "agreement", "blocks", "curvature", "dask_graphs", "explainer", "explanation", "inputs",
        "plotting", "predictors", "retraining",
    },
}  # fmt: skip
# The only ones that may import these: leaves, the top, and the place that names estimators.
SEEN_BY = {
    "chunk_effects": {"chunked_answers"},
    "chunked_answers": {"row_influence"},
    "display": {"report_page"},
    "report_page": {"command_line"},
    "cleaning": set(),
    "cleaning_inputs": {"cleaning"},
    "attack": {"report_page"},
    "datasets": set(),
    "svm": set(),
    "torch": set(),
    "autograd": {"torch"},
    "convexity": {"explainer", "report"},
    "command_line": {"__main__"},
    "explainer": {"__init__", "command_line", "cleaning", "display", "report_page"},
    "adapters": {"__init__", "cleaning", "cleaning_inputs", "explainer", "retraining", "svm"},
}
# What rooms may have from scikit-learn.
SKLEARN = {"sklearn", "base", "utils", "exceptions"}
MORE_SKLEARN = {
    "kernels": {"gaussian_process", "metrics"},
    "transformers": {
        "compose", "decomposition", "feature_extraction", "feature_selection", "frozen", "impute",
        "kernel_approximation", "neighbors", "neural_network", "pipeline", "preprocessing",
        "random_projection",
    },
    "datasets": {"datasets", "feature_extraction"},
    "held_out": {"metrics", "model_selection"},
    "command_line": {"compose", "impute", "linear_model", "pipeline", "preprocessing"},
}  # fmt: skip
REQUIRED = {"numpy", "scipy", "sklearn", "joblib", "threadpoolctl"}


def room(file):
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(file, *, at_import_time=False):
    """(absolute module, name or None) of every import of a file."""
    package = ["skinfluence", *file.relative_to(PACKAGE).parent.parts]
    pending = [ast.parse(file.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)
        elif not (at_import_time and isinstance(node, (ast.FunctionDef, ast.Lambda))):
            pending.extend(ast.iter_child_nodes(node))


def rooms_seen(file, **options):
    """Rooms of the package that a file imports, but for its own."""
    for module, name in imports(file, **options):
        parts = module.split(".")
        if parts[0] == "skinfluence":
            seen = parts[1] if len(parts) > 1 else name
            if seen != room(file):
                yield seen


def names(files):
    return [str(file.relative_to(PACKAGE)) for file in files]


# ---------------------------------------------------------------------------------- imports
def test_the_walk_sees_the_package():
    """Otherwise the tests below would hold by seeing nothing."""
    assert len(FILES) > 30
    seen = {file: set(rooms_seen(file)) for file in FILES}
    assert {"objective", "solvers"} <= seen[PACKAGE / "row_downdates.py"]
    assert "effects" in set().union(*seen.values())  # from . import effects
    assert "operators" in seen[PACKAGE / "solvers" / "cg.py"]
    assert "display" in seen[PACKAGE / "explanation.py"]
    assert "display" not in set(rooms_seen(PACKAGE / "explanation.py", at_import_time=True))
    assert set(MAY_SEE) <= {room(file) for file in FILES}


@pytest.mark.parametrize("name", MAY_SEE)
def test_lower_rooms_see_only_what_they_join(name):
    seen = {seen for file in FILES if room(file) == name for seen in rooms_seen(file)}
    assert seen <= MAY_SEE[name]


@pytest.mark.parametrize("name", SEEN_BY)
def test_leaves_and_tops_are_not_imported(name):
    by = {room(file) for file in FILES if name in rooms_seen(file, at_import_time=True)}
    assert by <= SEEN_BY[name]


def test_no_import_goes_round_in_circles():
    left = {}
    for file in FILES:
        left.setdefault(room(file), set()).update(rooms_seen(file, at_import_time=True))
    while left:
        ready = {name for name, seen in left.items() if not seen & set(left)}
        assert ready, f"circular imports among {sorted(left)}"
        left = {name: seen for name, seen in left.items() if name not in ready}


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_scikit_learn_is_used_through_its_public_doors(file):
    for module, name in imports(file):
        parts = [*module.split("."), *([name] if name else [])]
        if parts[0] != "sklearn":
            continue
        assert not any(part.startswith("_") for part in parts), f"private: {'.'.join(parts)}"
        if room(file) != "adapters":
            allowed = SKLEARN | MORE_SKLEARN.get(room(file), set())
            assert parts[1:2] == [] or parts[1] in allowed | {"get_config"}, ".".join(parts)


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_optional_packages_are_imported_inside_functions(file):
    found = {module.split(".")[0] for module, _ in imports(file, at_import_time=True)}
    assert found <= REQUIRED | set(sys.stdlib_module_names) | {"skinfluence"}


def test_importing_the_package_imports_nothing_optional():
    required = "import sys, joblib, sklearn.linear_model, sklearn.pipeline, sklearn.svm"
    code = f"{required}; before = set(sys.modules); import skinfluence; "
    code += "print(*set(sys.modules) - before)"
    run = [sys.executable, "-c", code]
    output = subprocess.run(run, cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    loaded = set(output.stdout.split())
    assert "skinfluence.explainer" in loaded
    assert not loaded & {"matplotlib", "pandas", "tqdm", "dask", "torch"}
    assert not loaded & {"skinfluence.display", "skinfluence.torch"}


# ------------------------------------------------------------------------------------- code
@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_no_assert_for_users(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)] == []


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_no_file_is_too_long(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST


def docstrings(tree):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for statement in body:
                if isinstance(statement, ast.Expr):
                    yield statement.value


ESTIMATORS = {
    name
    for kind in ("classifier", "regressor", "cluster")
    for name, _ in all_estimators(type_filter=kind)
}


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_estimators_are_named_by_adapters_alone(file):
    # The command line offers some by name.
    if room(file) == "adapters" or names([file]) == ["command_line/models.py"]:
        return
    tree = ast.parse(file.read_text(encoding="utf-8"))
    told = set(map(id, docstrings(tree)))
    words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    words |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    words |= {
        node.value for node in strings if isinstance(node.value, str) and id(node) not in told
    }
    assert not words & ESTIMATORS


# -------------------------------------------------------------------------------- public names
SIGNATURES = {
    "__init__": "(self, estimator, *, prefit=False, solver='auto', damping=None, "
    "hessian='auto', smoothing=0.001, refit_tol=1e-08, max_memory='4GB', "
    "n_jobs=None, random_state=None, verbose=0)",
    "fit": "(self, X, y, sample_weight=None)",
    "influence": "(self, X_test, y_test=None, *, target='loss', kind='upweight', indices=None, "
    "reduce=None, normalize=None, out=None)",
    "iter_influence": "(self, X_test, y_test=None, batch_size=100, *, target='loss', "
    "kind='upweight', indices=None, normalize=None)",
    "self_influence": "(self, *, kind='upweight', indices=None)",
    "parameter_influence": "(self, *, kind='upweight', indices=None)",
    "perturbation_gradient": "(self, X_test, y_test=None, *, indices, reduce=None, space='raw', "
    "out=None)",
    "perturbation_influence": "(self, X_test, y_test=None, *, indices, X_new=None, y_new=None, "
    "target='loss', kind='removal', reduce=None, out=None)",
    "label_flip_influence": "(self, X_test, y_test=None, *, target='loss', kind='removal', "
    "indices=None, reduce=None, out=None)",
    "explain": "(self, X_test, y_test=None, *, k=10, kind='removal', normalize=None)",
    "group_influence": "(self, groups, X_test, y_test=None, *, target='loss', kind='removal')",
    "reweight": "(self, sample_weight, X_test, *, kind='removal')",
    "loo_decision_function": "(self, *, kind='removal')",
    "loo_predict_proba": "(self, *, kind='removal')",
    "loo_predict": "(self, *, kind='removal')",
    "loo_score": "(self, scoring=None, *, kind='removal')",
    "cross_val_decision": "(self, cv=None, *, groups=None, kind='removal')",
    "functional_influence": "(self, X, y, functional, *, kind='upweight', indices=None)",
    "most_influential_set": "(self, functional, k, *, X=None, y=None)",
    "verify": "(self, X_test, y_test=None, *, target='loss', kind='removal', n_rows=20, "
    "strategy='top', preprocessing='refit', n_jobs=None)",
    "rank_suspects": "(self, *, by='auto', k=None, X_test=None, y_test=None)",
    "support_changes": "(self, *, kind='removal', indices=None)",
    "diagnostics": "(self, *, dfbetas=False)",
    "effective_dof": "(self)",
}


@pytest.mark.parametrize("method", SIGNATURES)
def test_signatures_are_fixed(method):
    signature = inspect.signature(getattr(skinfluence.InfluenceExplainer, method))
    empty = inspect.Parameter.empty
    bare = [parameter.replace(annotation=empty) for parameter in signature.parameters.values()]
    shown = signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    assert str(shown) == SIGNATURES[method]


def test_public_names():
    promised = {"InfluenceExplainer", "Explanation", "Cholesky", "CG", "LiSSA", "as_objective"}
    promised |= {"NotStationaryWarning", "SingularHessianError"}
    assert promised <= set(skinfluence.__all__)
    assert sorted(skinfluence.__all__) == skinfluence.__all__
    for name in skinfluence.__all__:
        assert inspect.getdoc(getattr(skinfluence, name)), name


def test_what_the_docstrings_of_public_methods_say():
    """Signs and units are in every docstring that returns an effect."""
    explainer = skinfluence.InfluenceExplainer
    for words in ("negative = helpful", "positive = helpful", "−s_i/n"):
        assert words in inspect.getdoc(explainer)
    for method in SIGNATURES:
        if method != "__init__":
            text = inspect.getdoc(getattr(explainer, method))
            takes_none = SIGNATURES[method] == "(self)"
            assert takes_none or "Parameters\n----------" in text
            assert "Returns\n-------" in text
    for method in ("influence", "self_influence", "parameter_influence"):
        text = inspect.getdoc(getattr(explainer, method))
        assert "upweight" in text
        assert "removal" in text
