"""Our own modules, imported at less than Python's usual cost: a first load imports 65 of them, half of its time.

Python asks every finder for each module, lists folders, works out anew where the bytecode lies, takes a dozen locks and
looks for garbage 25 times among what the imports make. `imported` runs the modules that come with one of `load_path.py`
straight from their bytecode, in the order in which they need each other; what is left to import finds them there.

- What comes out is what Python's own way gives: the same modules with the same specs and loaders in `sys.modules`.
- All is as plain as in an install by pip, or everything is left to Python: files in a folder, each with bytecode made
  from the source as it is; no -O, -v or -X importtime; no other thread, which could see a module half made; nobody in
  `sys.meta_path` whom the modules might concern.
- Nothing has to be told when it gets stale: a module that `load_path.py` does not list is imported by who needs it.

Rejected: a finder of our own (half of what this saves) and all bytecode in one file (a millisecond less, and
somebody has to write it).
"""

from __future__ import annotations

import gc
import sys
from marshal import loads
from os import O_CLOEXEC, O_RDONLY, close, open, read, stat  # noqa: A004

from purebpf.load_path import MODULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from types import CodeType, ModuleType

try:
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import MAGIC_NUMBER, FileFinder, SourceFileLoader
    from _imp import _fix_co_filename  # type: ignore[attr-defined]
    from _thread import _count as count_of_other_threads
except ImportError:  # they are CPython's own affair; without them everything is left to Python
    MAGIC_NUMBER, FileFinder = b"", None  # type: ignore[misc, assignment]

_PLAIN_FINDERS = {"_frozen_importlib", "_frozen_importlib_external", "_distutils_hack"}
_GOES_BY_TIME = MAGIC_NUMBER + bytes(4)
_TAG = f".{sys.implementation.cache_tag}.pyc"
_CODE, _MODULE = type((lambda: None).__code__), type(sys)


def imported(module: str, folder: str) -> ModuleType:
    """A module of the package in `folder`, with all that it imports.

    What an import makes stays as long as the process does: it goes straight to the collector's oldest generation,
    where `freeze` and `unfreeze` put it without a look at it. (Holding the collector back alone would put its work
    off until the next collection. The few hundred objects that others made last grow old with it.) Who has turned the
    collector off or has frozen objects is not meddled with.
    """
    if module in sys.modules:
        __import__(module)  # which waits where another thread is still at it
        return sys.modules[module]
    held_back = gc.isenabled() and not gc.get_freeze_count()
    if held_back:
        gc.disable()
    try:
        if module in MODULES and _all_is_plain(folder):
            _run(MODULES[module], folder)
        __import__(module)
    finally:
        if held_back:
            gc.freeze()
            gc.unfreeze()
            gc.enable()
    return sys.modules[module]


def _all_is_plain(folder: str) -> bool:
    flags = sys.flags
    return (
        type(sys.path_importer_cache.get(folder)) is FileFinder
        and folder.startswith("/")
        and (sys.pycache_prefix is None or sys.pycache_prefix.startswith("/"))
        and not (flags.optimize or flags.verbose or "importtime" in sys._xoptions)
        and sys.implementation.cache_tag is not None
        and not count_of_other_threads()
        and all(getattr(finder, "__module__", None) in _PLAIN_FINDERS for finder in sys.meta_path)
    )


def _run(places: Collection[str], folder: str) -> None:
    """Import the modules at these places of the folder; none if the bytecode of one is not as it should be."""
    modules = sys.modules
    begun: dict[str, ModuleType] = {}
    made = []
    try:
        for place in places:
            name = f"purebpf.{place[:-3].removesuffix('/__init__').replace('/', '.')}"
            if name in modules and name not in begun:
                continue
            # Each is run before the next one is read: what only the reading and running needs is used again.
            path = f"{folder}/{place}"
            compiled = _compiled(path)
            code = _code(path, compiled)
            if code is None:
                return
            package, _, own_name = name.rpartition(".")
            if package not in modules:
                above = f"{place.rpartition('/')[0]}/__init__.py"
                if above in places:  # its turn comes when its modules are there
                    begun[package] = _module(package, f"{folder}/{above}", _compiled(f"{folder}/{above}"))
                    made.append(package)
                else:
                    __import__(package)
            module = begun.pop(name, None) or _module(name, path, compiled)
            made.append(name)
            exec(code, module.__dict__)
            setattr(modules[package], own_name, modules[name])
        made.clear()
    finally:
        for name in made:
            modules.pop(name, None)


def _module(name: str, path: str, compiled: str) -> ModuleType:
    """An empty module among those that are imported, as Python would have made it."""
    loader = SourceFileLoader(name, path)
    spec = ModuleSpec(name, loader, origin=path)
    spec.has_location = True
    spec.cached = compiled
    # As Python leaves it: who imports the module looks for it, and makes an error of its absence, to drop that at once.
    spec.__dict__["_initializing"] = False
    module = sys.modules[name] = _MODULE(name)
    module.__dict__.update(__spec__=spec, __loader__=loader, __file__=path, __cached__=compiled)
    if path.endswith("/__init__.py"):
        spec.submodule_search_locations = module.__path__ = [path[: -len("/__init__.py")]]
    module.__package__ = spec.parent
    return module


def _compiled(path: str) -> str:
    """Where the bytecode of a source lies."""
    folder, _, file = path.rpartition("/")
    prefix = sys.pycache_prefix
    place = f"{folder}/__pycache__" if prefix is None else f"{prefix.rstrip('/')}{folder}"
    return f"{place}/{file[:-3]}{_TAG}"


def _code(path: str, compiled: str) -> CodeType | None:
    """The bytecode of a source, if it goes by the source's time and size and both are right."""
    try:
        source = stat(path)
        fd = open(compiled, O_RDONLY | O_CLOEXEC)
        try:
            # All of the file, for bytecode is hardly larger than its source; else `loads` misses the end.
            data = read(fd, 3 * source.st_size + 4096)
        finally:
            close(fd)
        made_from = int(source.st_mtime) & 0xFFFFFFFF | (source.st_size & 0xFFFFFFFF) << 32
        if data[:16] != _GOES_BY_TIME + made_from.to_bytes(8, "little"):
            return None
        code = loads(memoryview(data)[16:])
        _fix_co_filename(code, path)
    except (OSError, EOFError, ValueError, TypeError):
        return None
    return code if type(code) is _CODE else None
