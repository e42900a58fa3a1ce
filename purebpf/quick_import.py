"""Our own modules, imported at less than Python's usual cost: a first load imports 70 of them, most of its time.

Python asks every finder for each module, lists folders and works out anew where the bytecode lies. `quicken` puts a
`Finder` in the place of the one that Python made for the package's folder, in `sys.path_importer_cache`; nobody
else's modules are looked up there. And Python looks for garbage 25 times among what the imports make; `imported`
holds that back.

- What comes out is what Python's own way gives: the same spec and the same attributes; the loader is of a subclass.
- Bytecode is taken where Python would take it: its source has the size and the time that it was made from.
- What is not as plain as that is left to Python's finder and loader, from which these are derived: bytecode that is
  stale, missing or goes by hash, -O, another folder for bytecode, installs without sources or in a zip file.
- Nothing here has a state that changes, and the import system's locks apply: who asks is the import system.

Rejected: a finder in front of `sys.meta_path` for the time of a load (5 us a module less, but another thread that
walks the list meanwhile misses a finder) and all bytecode in one file (nobody could tell when it is stale).
"""

from __future__ import annotations

import gc
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import (
    BYTECODE_SUFFIXES,
    MAGIC_NUMBER,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from _imp import _fix_co_filename, extension_suffixes  # type: ignore[attr-defined]
from marshal import loads
from os import O_CLOEXEC, O_RDONLY, close, open, read, stat  # noqa: A004

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType

_SUFFIX = f".{sys.implementation.cache_tag}.pyc"
_GOES_BY_TIME = MAGIC_NUMBER + bytes(4)
# From 128 KiB on, glibc takes a buffer from the kernel page by page. No module of ours comes near.
_MOST = 96 << 10
_FILE_TYPE, _PLAIN_FILE = 0o170000, 0o100000


class Loader(SourceFileLoader):
    """Python's own, with a shorter way to plain bytecode."""

    def get_code(self, fullname: str) -> CodeType | None:
        code = _plain_code(self.path)
        return super().get_code(fullname) if code is None else code


class Finder(FileFinder):
    """Finds the modules in one folder of the package."""

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        if sys.pycache_prefix is not None or not name.isidentifier():
            return super().find_spec(fullname, target)
        place = f"{self.path}/{name}"
        if _is_file(f"{place}.py"):
            return _spec(fullname, f"{place}.py")
        if _is_file(f"{place}/__init__.py"):
            spec = _spec(fullname, f"{place}/__init__.py")
            spec.submodule_search_locations = [place]
            if place not in sys.path_importer_cache:
                sys.path_importer_cache[place] = _finder(place)
            return spec
        return super().find_spec(fullname, target)


def quicken(folder: str) -> None:
    """Find what is in the package's folder the short way from now on, if it is a folder of files like any other."""
    plain = type(sys.path_importer_cache.get(folder)) is FileFinder and sys.platform == "linux"
    if plain and not sys.flags.optimize and sys.implementation.cache_tag:
        sys.path_importer_cache[folder] = _finder(folder)


def imported(module: str, folder: str) -> ModuleType:
    """A module of the package in `folder`, with all that it imports.

    What an import makes stays as long as the process does: it goes straight to the collector's oldest generation,
    where `freeze` and `unfreeze` put it without a look at it. (Holding the collector back alone would put its work
    off until the next collection.) Who has turned the collector off or has frozen objects is not meddled with.
    """
    quicken(folder)
    if module in sys.modules or not gc.isenabled() or gc.get_freeze_count():
        __import__(module)
        return sys.modules[module]
    gc.collect(0)  # others' garbage must not grow old with it
    gc.disable()
    try:
        __import__(module)
    finally:
        gc.freeze()
        gc.unfreeze()
        gc.enable()
    return sys.modules[module]


def _finder(folder: str) -> Finder:
    # the same kinds of files in the same order as Python's own
    return Finder(
        folder,
        (ExtensionFileLoader, extension_suffixes()),
        (SourceFileLoader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )


def _spec(fullname: str, path: str) -> ModuleSpec:
    spec = ModuleSpec(fullname, Loader(fullname, path), origin=path)
    spec.has_location = True
    spec.cached = _compiled(path)
    return spec


def _compiled(path: str) -> str:
    """Where the bytecode of a source lies (`importlib.util.cache_from_source`)."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name[:-3]}{_SUFFIX}"


def _is_file(path: str) -> bool:
    try:
        return stat(path).st_mode & _FILE_TYPE == _PLAIN_FILE
    except OSError:
        return False


def _plain_code(path: str) -> CodeType | None:
    """The bytecode of a source, if it goes by the source's time and size and both are right."""
    try:
        source = stat(path)
        compiled = _start_of(_compiled(path))
        made_from = int(source.st_mtime) & 0xFFFFFFFF | (source.st_size & 0xFFFFFFFF) << 32
        if compiled[:16] != _GOES_BY_TIME + made_from.to_bytes(8, "little"):
            return None
        code: CodeType = loads(memoryview(compiled)[16:])
        _fix_co_filename(code, path)
    except (OSError, EOFError, ValueError, TypeError):
        return None
    return code


def _start_of(path: str) -> bytes:
    """A file's first bytes; of what is larger than any of ours the end is missing, and `loads` says so."""
    fd = open(path, O_RDONLY | O_CLOEXEC)
    try:
        return read(fd, _MOST)
    finally:
        close(fd)
