import doctest
import inspect

import pytest

from skinfluence import datasets

FUNCTIONS = [getattr(datasets, name) for name in datasets.__all__]


def run_examples(function, *, run_skipped):
    """Return the number of examples that ran; fail if one does not give what it says."""
    (test,) = (t for t in doctest.DocTestFinder(recurse=False).find(function) if t.examples)
    if run_skipped:
        for example in test.examples:
            example.options.pop(doctest.SKIP, None)
    report = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test, out=report.append)
    assert not report, "".join(report)
    return sum(not example.options.get(doctest.SKIP) for example in test.examples)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_examples(function):
    assert run_examples(function, run_skipped=False) >= 1


@pytest.mark.shared_data
@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f.__name__.startswith("fetch_")])
def test_examples_that_need_the_files(function, shared_folder):
    assert run_examples(function, run_skipped=True) >= 3


@pytest.mark.parametrize("function", FUNCTIONS)
def test_docstring_names_source_and_terms(function):
    text = inspect.getdoc(function)
    assert "Source: " in text
    assert "Licence" in text or "Terms:" in text
    for section in ("Returns", "Notes", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text


@pytest.mark.parametrize("function", FUNCTIONS)
def test_arguments_are_keywords(function):
    kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY}
