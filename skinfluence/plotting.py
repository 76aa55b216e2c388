"""The way to matplotlib, which is imported when something is drawn, and names in pictures."""

from __future__ import annotations

from typing import Any


def pyplot() -> Any:
    """matplotlib's pyplot.

    Raises
    ------
    ImportError
        Where it is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib; install it with 'pip install skinfluence[plot]', or use "
            "to_frame()."
        ) from error
    return plt


def literal(words: Any) -> Any:
    """A name, or several, as they stand: what is between two $ would be taken for a formula."""
    if isinstance(words, str):
        return words.replace("$", r"\$")
    return [str(word).replace("$", r"\$") for word in words]
