"""Settings of the documentation.

Build: ``sphinx-build -W --keep-going -b html docs docs/_build``.
Run its examples: ``pytest --doctest-glob='*.rst' docs``.
"""

import re
from inspect import getmembers

from sphinx.util import logging

import skinfluence
import skinfluence.datasets
import skinfluence.solvers

logger = logging.getLogger(__name__)

project = "skinfluence"
author = "the skinfluence developers"
copyright = author
version = release = skinfluence.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
default_role = "autolink"
# Cross-references inside the project must resolve; those to other projects need a network.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(numpy|scipy|sklearn|pandas|matplotlib|joblib|functools)\..*")]
# In a docstring of the data sets, `data` is an attribute; a folder has the same name.
nitpick_ignore = [("py:obj", "data")]

autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
# All checks of numpydoc but these: what needs no second paragraph, example or reference has none,
# and where a name, its type with the shape, and the summary say it all, a description would only
# repeat them (PR07 and RT03: the cotangents of a loss, results that have an entry of their own).
numpydoc_validation_checks = {"all", "ES01", "EX01", "SA01", "PR07", "RT03"}
numpydoc_validation_overrides = {
    # Results are made by the package, not by users: their fields are described as attributes.
    "PR01": [r"(?ms)\A(?!.*^Parameters$).*^Attributes$"],
    # A summary may begin with a formula: ℓ = …, g'(m), g_iᵀ …
    "SS02": [r"\A\w'*(?:_\w|\(| = | → )"],
}
numpydoc_validation_exclude = {
    # scikit-learn's own words.
    r"\.(?:get_params|set_params|get_metadata_routing|set_\w+_request)$",
    # A protocol is not called.
    r"\.responses\.Response$",
    # Shapes are in their one line.
    r"\.HessianOperator\.\w+$",
    r"\.Kernel\.(?:__call__|diagonal)$",
}

plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_formats = [("png", 120)]

# All examples run, on what comes with the package; sphinx-gallery would leave out those whose names
# don't begin with plot_.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "capture_repr": (),
}

html_theme = "pydata_sphinx_theme"
html_title = f"skinfluence {release}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
# A page of its own without subpages needs no column for them.
html_sidebars = {name: [] for name in ("index", "design", "attribution", "changelog")}


def public_names():
    """All that the API reference has to describe."""
    for module in (skinfluence, skinfluence.datasets, skinfluence.solvers):
        yield from (f"{module.__name__}.{name}" for name in module.__all__)
    for name, _ in getmembers(skinfluence.InfluenceExplainer):
        if not name.startswith("_"):
            yield f"skinfluence.InfluenceExplainer.{name}"


def check_reference(app, env):
    """Warn, and so fail a strict build, where a public name is not in the reference."""
    described = env.domains["py"].data["objects"]
    # A name may be described under the module that it is imported from.
    endings = {name.rpartition(".")[2] for name in described}
    for name in public_names():
        method = name.startswith("skinfluence.InfluenceExplainer.")
        if name not in described if method else name.rpartition(".")[2] not in endings:
            logger.warning("%s is public but not in the API reference", name)


def leave_other_sites(app, what, name, obj, options, lines):
    """Inherited docstrings refer to scikit-learn's own site; the words are kept."""
    text = "\n".join(lines)
    lines[:] = re.sub(r":(?:ref|term):`([^<`]+?)\s*(?:<[^>]*>)?`", r"\1", text).split("\n")


def setup(app):
    app.connect("env-check-consistency", check_reference)
    app.connect("autodoc-process-docstring", leave_other_sites)
