"""One HTML page on a model and its rows: a leaf, for the command line and for Python.

A file for each section asks explainers and displays; ``markup.py`` makes tables, ``pictures.py``
pictures inside the page, ``page.py`` the whole.
"""

from .page import report_page

__all__ = ["report_page"]
