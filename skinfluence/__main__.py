"""``python -m skinfluence``: suspects and explanations for a CSV file."""

from .command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
