"""Where things stand: the checkout, its .venv, and the cache outside it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"


def cache_dir(*parts: str) -> Path:
    """Give a directory of the cache, made if it was missing.

    It lies outside the checkout, so that kernels and images survive `git clean` and serve every clone.
    """
    base = os.environ.get("PUREBPF_CACHE")
    if not base:
        xdg = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        base = f"{xdg}/purebpf"
    path = Path(base).joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
