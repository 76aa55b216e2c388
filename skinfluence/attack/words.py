"""Small words that several results share."""

from __future__ import annotations

from typing import Any


def count(number: int, noun: str) -> str:
    """Number and noun, in the plural where there are several."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def and_more(number: int, noun: str) -> list[str]:
    """A line for what is not shown, if there is any."""
    return [f"... and {count(number, f'more {noun}')}"] if number > 0 else []


def row_title(name: Any) -> str:
    """What a listing or picture calls a row."""
    return name if isinstance(name, str) else f"row {name}"


def need_pandas(who: str) -> Any:
    """The package pandas.

    Raises
    ------
    ImportError
        Where it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"{who}.to_frame needs pandas; install it with 'pip install skinfluence[pandas]', or "
            "read the arrays directly."
        ) from error
    return pandas
