"""The set-up that needs only a Python: packages in .venv, the C extension, the `purebpf` command.

Each step leaves a stamp in .venv that names what it was made from; an unchanged stamp makes the step free, so a
second run costs a few file reads.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.dev.paths import ROOT, VENV, VENV_PYTHON

_COMMAND = """\
#!{python}
import sys

from purebpf.cli.main import main

sys.exit(main())
"""

# pyproject.toml writes the license as setuptools 77 wants it; bdist_wheel is its own since 70.1
_BUILD = ("setuptools>=77",)


class SetupFailed(Exception):
    """A set-up step failed; the text is what the user shall read."""


def set_up(*extras: str) -> None:
    """Make .venv hold the project, its dependencies and those of `extras` (names of pyproject's optional groups)."""
    with (VENV / "set-up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        requirements = _requirements(extras)
        name = "-".join(("packages", *sorted(extras)))
        _once(name, "\n".join(requirements).encode(), lambda: _install(requirements))
        _once("project", str(ROOT).encode(), _link_project)
        extension = _built_extension()
        _once("extension", _extension_key() if extension else b"", _build_extension)


def _requirements(extras: Iterable[str]) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {*_BUILD, *project.get("dependencies", ())}
    for extra in extras:
        wanted.update(project["optional-dependencies"][extra])
    return sorted(wanted)


def _once(name: str, key: bytes, step: Callable[[], None]) -> None:
    """Run `step` unless its stamp has `key`; an empty key always runs it. The extension's key is taken afterwards."""
    stamp = VENV / f"stamp-{name}"
    digest = hashlib.sha256(key).hexdigest()
    if key and stamp.exists() and stamp.read_text() == digest:
        return
    step()
    if name == "extension":
        digest = hashlib.sha256(_extension_key()).hexdigest()
    stamp.write_text(digest)


def _install(requirements: list[str]) -> None:
    print(f"dev: pip installs {', '.join(requirements)}", file=sys.stderr, flush=True)
    _run([str(VENV_PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements])


def _link_project() -> None:
    """Put the checkout on the .venv's path by a plain .pth.

    Not `pip install -e`: for a tree like this one it installs an import hook, which makes every start of the
    interpreter slower and would spoil the bench of `import purebpf`.
    """
    site = next((VENV / "lib").glob("python3*/site-packages"))
    (site / "purebpf-dev.pth").write_text(f"{ROOT}\n")
    command = VENV / "bin" / "purebpf"
    command.write_text(_COMMAND.format(python=VENV_PYTHON))
    command.chmod(0o755)


def _built_extension() -> Path | None:
    return next((ROOT / "purebpf").glob("_fastpath*.so"), None)


def _extension_key() -> bytes:
    sources = [ROOT / "setup.py", *sorted((ROOT / "purebpf").glob("_fastpath*.[ch]"))]
    switches = f"{sys.version_info[:2]} {os.environ.get('PUREBPF_SANITIZE')}".encode()
    return b"\0".join([switches, *(path.read_bytes() for path in sources)])


def _build_extension() -> None:
    print("dev: building purebpf._fastpath", file=sys.stderr, flush=True)
    _run([str(VENV_PYTHON), "setup.py", "-q", "build_ext", "--inplace", "--force"])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupFailed(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")
