"""The short way to our own modules against the regular import: each in an interpreter of its own, as a user has it."""

import gc
import json
import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import purebpf
from purebpf.quick_import import imported

PACKAGE = Path(purebpf.__path__[0])

# Every module of the package: what the import system says of it, and what is in it.
DESCRIBE = """
import json, pkgutil, sys
import purebpf, purebpf.quick_import
if sys.argv[1] == "regular":
    purebpf.quick_import.quicken = lambda folder: None
purebpf.BpfError
told = {}
for found in pkgutil.walk_packages(purebpf.__path__, "purebpf."):
    if not found.name.endswith("__main__"):
        module = __import__(found.name, fromlist=("", "/", "absent"))
        spec = module.__spec__
        told[found.name] = {
            "spec": [spec.name, spec.origin, spec.cached, spec.has_location, spec.parent, spec.loader_state],
            "places": spec.submodule_search_locations,
            "loader": [spec.loader.name, spec.loader.path, spec.loader is module.__loader__],
            "package": [spec.loader.is_package(found.name), found.ispkg, module.__package__],
            "file": [module.__file__, getattr(module, "__cached__", None), getattr(module, "__path__", None)],
            "names": sorted(vars(module)),
        }
        told[found.name]["by"] = type(spec.loader).__module__
print(json.dumps(told))
"""

# A small package, whose module `one` has this value.
USE = """
import json, sys
sys.path.insert(0, {folder!r})
import boxed.plain
from purebpf.quick_import import quicken
if sys.argv[1] == "quick":
    quicken(boxed.__path__[0])
{before}
try:
    import boxed.one, boxed.deep.two
    told = [boxed.one.value, boxed.one.__file__, boxed.one.__cached__, boxed.one.where.__code__.co_filename]
    by = type(boxed.one.__loader__).__name__
except Exception as error:
    told = by = [type(error).__name__, str(error)]
print(json.dumps([told, by]))
"""


def run(program: str, *arguments: str, options: tuple[str, ...] = (), **environment: str) -> Any:
    surroundings = {name: text for name, text in os.environ.items() if not name.startswith("PYTHONPYCACHE")}
    surroundings |= {"PYTHONPATH": str(PACKAGE.parent)} | environment
    command = [sys.executable, *options, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, cwd=os.sep)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def boxed(tmp_path: Path) -> Path:
    folder = tmp_path / "boxed"
    (folder / "deep").mkdir(parents=True)
    for name in ("__init__.py", "plain.py", "deep/__init__.py", "deep/two.py"):
        (folder / name).write_text("")
    (folder / "one.py").write_text("value = 1\ndef where(): pass\n")
    return folder


def compiled(source: Path, **how: Any) -> Path:
    return Path(py_compile.compile(str(source), doraise=True, **how) or "")


def both_ways(folder: Path, before: str = "", **environment: str) -> tuple[Any, Any]:
    program = USE.format(folder=str(folder.parent), before=before)
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)  # for the regular import: the first of the two may write bytecode
    quick = run(program, "quick", **environment)
    shutil.rmtree(folder)
    kept.rename(folder)
    return quick, run(program, "regular", **environment)


def test_every_module_is_as_python_itself_imports_it() -> None:
    quick, regular = run(DESCRIBE, "quick"), run(DESCRIBE, "regular")
    taken = {name for name, told in quick.items() if told.pop("by") == "purebpf.quick_import"}
    assert not {name for name, told in regular.items() if told.pop("by") == "purebpf.quick_import"}
    assert quick == regular
    # what was there before: the module itself, and the extension
    assert set(quick) - taken == {"purebpf.quick_import", "purebpf._fastpath"}


def test_fresh_bytecode_is_run_without_python_s_own_loader(boxed: Path) -> None:
    for source in boxed.rglob("*.py"):
        compiled(source)
    refuse = "from importlib.machinery import SourceFileLoader\nSourceFileLoader.get_code = None"
    quick, regular = both_ways(boxed, refuse)
    assert quick == [[1, str(boxed / "one.py"), str(compiled(boxed / "one.py")), str(boxed / "one.py")], "Loader"]
    assert regular[0][0] == "TypeError"


def test_a_folder_that_was_moved_has_the_new_paths_in_its_code(boxed: Path, tmp_path: Path) -> None:
    compiled(boxed / "one.py", dfile="/elsewhere/one.py")
    quick, regular = both_ways(boxed)
    assert quick[0] == regular[0]
    assert quick[0][3] == str(boxed / "one.py")


@pytest.mark.parametrize(
    "damage",
    [
        "missing",
        "another size of source",
        "another time of source",
        "of another Python",
        "empty",
        "header cut",
        "code cut",
        "no code",
        "not marshalled",
        "hash",
        "hash, unchecked and wrong",
    ],
)
@pytest.mark.parametrize("writes", ["", "1"])
def test_other_bytecode_gives_what_python_gives(boxed: Path, damage: str, writes: str) -> None:
    source = boxed / "one.py"
    by_hash = py_compile.PycInvalidationMode
    place = compiled(source)
    good = place.read_bytes()
    match damage:
        case "missing":
            place.unlink()
        case "another size of source":
            written = source.stat()
            source.write_text("value = 22\n\ndef where(): pass\n")
            os.utime(source, (written.st_atime, written.st_mtime))
        case "another time of source":
            source.write_text("value = 3\ndef where(): pass\n")
            os.utime(source, (1, 1))
        case "of another Python":
            place.write_bytes(b"\0\0" + good[2:])
        case "hash":
            compiled(source, invalidation_mode=by_hash.CHECKED_HASH)
        case "hash, unchecked and wrong":
            compiled(source, invalidation_mode=by_hash.UNCHECKED_HASH)
            source.write_text("value = 4\n")
        case _:
            cut = {"empty": b"", "header cut": good[:11], "code cut": good[:-9], "no code": good[:16] + b"N"}
            place.write_bytes(cut.get(damage, good[:16] + b"\xff\xff"))
    quick, regular = both_ways(boxed, PYTHONDONTWRITEBYTECODE=writes)
    assert quick[0] == regular[0]


@pytest.mark.parametrize("options", [("-O",), ("-OO",), ("-X", "pycache_prefix=/nowhere/at/all")])
def test_other_places_of_bytecode_are_left_to_python(options: tuple[str, ...]) -> None:
    ask = "import json, purebpf; m = __import__(purebpf.BpfError.__module__, fromlist=('',));"
    ask += "print(json.dumps([type(m.__loader__).__module__, m.__cached__]))"
    loader, cached = run(ask, options=options)
    assert loader == "_frozen_importlib_external"
    assert cached == run(
        "import json, importlib.util as u, sys; print(json.dumps(u.cache_from_source(sys.argv[1])))",
        str(PACKAGE / "errors.py"),
        options=options,
    )


def test_the_package_may_lie_in_a_zip_file(tmp_path: Path) -> None:
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for source in PACKAGE.rglob("*.py"):
            packed.write(source, source.relative_to(PACKAGE.parent))
    ask = "import json, purebpf; print(json.dumps([purebpf.__file__, purebpf.ElfError.__name__]))"
    assert run(ask, PYTHONPATH=str(archive)) == [str(archive / "purebpf/__init__.py"), "ElfError"]


def test_what_works_with_modules_works_with_these() -> None:
    program = """
import importlib, importlib.resources, inspect, json, pickle, pkgutil, sys
import purebpf
purebpf.ElfError
import purebpf.elf.model as model, purebpf.elf as elf
source = importlib.resources.files("purebpf.elf").joinpath("model.py").read_text()
before = model.ElfFile
print(json.dumps([
    inspect.getsource(model) == source,
    "class ElfFile" in inspect.getsource(model.ElfFile),
    importlib.reload(model) is model and model.ElfFile is not before,
    pickle.loads(pickle.dumps(model.__loader__)) == model.__loader__,
    pkgutil.get_data("purebpf.elf", "model.py").decode() == source,
    "reader" in [found.name for found in pkgutil.iter_modules(elf.__path__)],
    importlib.invalidate_caches(),
    importlib.util.find_spec("purebpf.elf.absent"),
    importlib.util.find_spec("purebpf._fastpath") is not None,
]))
"""
    assert run(program) == [True] * 6 + [None, None, True]


def test_modules_run_as_programs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "purebpf", "--version"], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert not done.returncode
    assert purebpf.__version__ in done.stdout


def test_many_threads_may_ask_for_names_at_once() -> None:
    program = """
import json, sys, threading
import purebpf
sys.setswitchinterval(1e-6)
start, found = threading.Barrier(8), []
def ask(number):
    start.wait()
    names = purebpf.__all__[number:] + purebpf.__all__[:number]
    found.append({name: id(getattr(purebpf, name)) for name in names if name != "plan"})
threads = [threading.Thread(target=ask, args=(5 * number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps([len(found), all(one == found[0] for one in found)]))
"""
    assert run(program) == [8, True]


def test_the_collector_does_not_look_at_what_imports_make() -> None:
    program = """
import gc, json, sys
import purebpf
gc.unfreeze()  # Python 3.12 itself begins with a few hundred frozen objects, and is then left as it is
seen = []
gc.callbacks.append(lambda phase, told: seen.append(told["generation"]) if phase == "start" else None)
purebpf.load
held = len(seen), gc.isenabled(), gc.get_freeze_count(), gc.get_count()[0] < gc.get_threshold()[0]
oldest = {id(value) for value in gc.get_objects(generation=2)}
print(json.dumps([held, id(sys.modules["purebpf.api"].__dict__) in oldest]))
"""
    assert run(program) == [[1, True, 0, True], True]


@pytest.mark.parametrize("module", ["purebpf.errors", "purebpf.absent"])
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_afterwards_as_it_was(module: str, enabled: bool) -> None:
    if not enabled:
        gc.disable()
    try:
        if module == "purebpf.absent":
            with pytest.raises(ModuleNotFoundError):
                imported(module, str(PACKAGE))
        else:
            assert imported(module, str(PACKAGE)) is sys.modules[module]
        assert gc.isenabled() == enabled
    finally:
        gc.enable()


def test_what_others_have_frozen_stays_frozen() -> None:
    program = """
import gc, json
import purebpf
gc.freeze()
frozen = gc.get_freeze_count()
purebpf.load
print(json.dumps([gc.isenabled(), frozen - gc.get_freeze_count() < 100, gc.get_freeze_count() > 1000]))
"""
    assert run(program) == [True, True, True]
