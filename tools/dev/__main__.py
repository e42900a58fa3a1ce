"""The Python half of `./dev`: picks the subcommand."""

import sys
from importlib import import_module
from pathlib import Path

# This file is run by path, so that `./dev` works from any directory without touching PYTHONPATH.
sys.path[0] = str(Path(__file__).resolve().parents[2])
sys.exit(import_module("tools.dev.commands").main(sys.argv[1:]))
