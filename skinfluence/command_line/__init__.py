"""The command line, for people who only have a CSV file.

``python -m skinfluence suspects data.csv --target COLUMN`` lists the rows whose label or number in
that column is probably wrong; ``explain`` the rows that a prediction rests on; ``report`` writes a
page with all of it.
"""

from .commands import main

__all__ = ["main"]
