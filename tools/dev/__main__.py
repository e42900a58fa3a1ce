"""The Python half of `./dev`: picks the subcommand."""

import sys
from pathlib import Path

# This file is run by path, so that `./dev` works from any directory without touching PYTHONPATH.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.dev.commands import main

sys.exit(main(sys.argv[1:]))
