"""``python -m skinfluence``: suspects, explanations and a report for a CSV file."""

from .command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
