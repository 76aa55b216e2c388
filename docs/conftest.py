"""The examples of "Extending" use what the tests use; the gallery ran when it was built."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
collect_ignore = ["gallery"]
