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
from purebpf.load_path import MODULES
from purebpf.quick_import import imported

PACKAGE = Path(purebpf.__path__[0])

# Somebody in the import system whom every module might concern.
HOOK = "sys.meta_path.insert(0, type('Hook', (), {'find_spec': staticmethod(lambda *_: None)}))"

# Which modules the import system was asked for; the regular way is what such a hook makes of it.
PREPARED = f"""
import json, sys
by_python = set()
sys.addaudithook(lambda event, told: by_python.add(told[0]) if event == "import" else None)
if sys.argv[1] == "regular":
    {HOOK}
import purebpf
"""

# Every module of the package: what the import system says of it, and what is in it.
DESCRIBE = (
    f"{PREPARED}import pkgutil\n"
    + """purebpf.load, purebpf.running_target
quick = [name for name in sys.modules if name.startswith("purebpf") and name not in by_python]
told = {}
for found in pkgutil.walk_packages(purebpf.__path__, "purebpf."):
    if not found.name.endswith("__main__"):
        module = __import__(found.name, fromlist=("", "/", "absent"))
        spec = module.__spec__
        told[found.name] = {
            "spec": [spec.name, spec.origin, spec.cached, spec.has_location, spec.parent, spec.loader_state],
            "of spec": sorted(vars(spec)),
            "places": spec.submodule_search_locations,
            "loader": [type(spec.loader).__name__, spec.loader.name, spec.loader.path],
            "of module": [spec.loader is module.__loader__, found.ispkg, module.__package__, type(module).__name__],
            "file": [module.__file__, getattr(module, "__cached__", None), getattr(module, "__path__", None)],
            "names": sorted(set(vars(module))),
            "bound": getattr(sys.modules[found.name.rpartition(".")[0]], found.name.rpartition(".")[2], None) is module,
        }
print(json.dumps([told, quick]))
"""
)

# One module: its text, where it and its bytecode lie, and what is in it; which modules are not the ones that others
# have; and whether all came quickly.
USE = (
    PREPARED
    + """try:
    purebpf.load
    import purebpf.logs as one
    told = [one.__doc__, one.__file__, one.__cached__, one.logger.__code__.co_filename, sorted(vars(one))]
except Exception as error:
    told = [type(error).__name__, str(error)]
for full_name, module in sys.modules.items():
    package, _, name = full_name.rpartition(".")
    if full_name.startswith("purebpf.") and module and getattr(sys.modules[package], name) is not module:
        told.append(name)
print(json.dumps([told, "purebpf.api" in sys.modules and "purebpf.api" not in by_python]))
"""
)


def run(program: str, *arguments: str, options: tuple[str, ...] = (), **environment: str) -> Any:
    surroundings = {name: text for name, text in os.environ.items() if not name.startswith("PYTHONPYCACHE")}
    surroundings |= {"PYTHONPATH": str(PACKAGE.parent)} | environment
    command = [sys.executable, *options, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, cwd=os.sep)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def compiled_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled") / "purebpf"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for source in folder.rglob("*.py"):
        compiled(source)
    return folder


@pytest.fixture
def copied(compiled_copy: Path, tmp_path: Path) -> Path:
    """The package somewhere else, with its bytecode."""
    return Path(shutil.copytree(compiled_copy, tmp_path / "purebpf"))


def compiled(source: Path, **how: Any) -> Path:
    return Path(py_compile.compile(str(source), doraise=True, **how) or "")


def both_ways(folder: Path, **environment: str) -> tuple[Any, Any]:
    """`logs` of a copy of the package, imported the one way and the other."""
    environment["PYTHONPATH"] = str(folder.parent)
    kept = folder.with_name("kept")
    shutil.copytree(folder / "__pycache__", kept)
    quick = run(USE, "quick", **environment)
    shutil.rmtree(folder / "__pycache__")  # the first of the two may have written bytecode
    kept.rename(folder / "__pycache__")
    return quick, run(USE, "regular", **environment)


def test_every_module_is_as_python_itself_imports_it(copied: Path) -> None:
    (quick, taken), (regular, none) = (
        run(DESCRIBE, way, PYTHONPATH=str(copied.parent)) for way in ("quick", "regular")
    )
    assert (len(set(taken)), none) == (sum(map(len, MODULES.values())), [])
    assert quick == regular


def test_bytecode_from_elsewhere_has_the_new_paths_in_its_code(copied: Path) -> None:
    compiled(copied / "logs.py", dfile="/elsewhere/logs.py")
    quick, regular = both_ways(copied)
    assert (quick[1], regular[1]) == (True, False)
    assert quick[0] == regular[0]
    assert quick[0][3] == str(copied / "logs.py")


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
def test_other_bytecode_gives_what_python_gives(copied: Path, damage: str, writes: str) -> None:
    source = copied / "logs.py"
    text = source.read_text()
    by_hash = py_compile.PycInvalidationMode
    place = compiled(source)
    good = place.read_bytes()
    match damage:
        case "missing":
            place.unlink()
        case "another size of source":
            written = source.stat()
            source.write_text(f"{text}\nmore = 22\n")
            os.utime(source, (written.st_atime, written.st_mtime))
        case "another time of source":
            source.write_text(text.replace("def logger(", "def loggeR(") + "logger = loggeR\n")
            os.utime(source, (1, 1))
        case "of another Python":
            place.write_bytes(b"\0\0" + good[2:])
        case "hash":
            compiled(source, invalidation_mode=by_hash.CHECKED_HASH)
        case "hash, unchecked and wrong":
            compiled(source, invalidation_mode=by_hash.UNCHECKED_HASH)
            source.write_text(f"{text}\nmore = 4\n")
        case _:
            cut = {"empty": b"", "header cut": good[:11], "code cut": good[:-9], "no code": good[:16] + b"N"}
            place.write_bytes(cut.get(damage, good[:16] + b"\xff\xff"))
    quick, regular = both_ways(copied, PYTHONDONTWRITEBYTECODE=writes)
    assert (quick[1], quick[0]) == (False, regular[0])


@pytest.mark.parametrize(
    ("before", "quickly"),
    [
        ("", True),
        ("import importlib.metadata", True),
        (HOOK, False),
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", False),
        ("sys.path_importer_cache.clear()", False),
        ("sys.modules['purebpf._fastpath'] = None", True),
    ],
)
def test_who_may_be_concerned_is_not_passed_over(copied: Path, before: str, quickly: bool) -> None:
    program = USE.replace("try:", f"{before}\ntry:", 1)
    quick, regular = (run(program, way, PYTHONPATH=str(copied.parent)) for way in ("quick", "regular"))
    assert quick[0] == regular[0]
    assert quick[1] is (quickly and "fastpath" not in before)


@pytest.mark.parametrize("options", [("-O",), ("-OO",), ("-X", "importtime"), ("-X", "pycache_prefix=relative")])
def test_other_ways_of_importing_are_left_to_python(copied: Path, options: tuple[str, ...]) -> None:
    quick, regular = (run(USE, way, options=options, PYTHONPATH=str(copied.parent)) for way in ("quick", "regular"))
    assert quick == regular


@pytest.mark.parametrize("end", ["", "/"])
def test_bytecode_may_lie_in_another_folder(copied: Path, tmp_path: Path, end: str) -> None:
    options = ("-X", f"pycache_prefix={tmp_path}/elsewhere{end}")
    run(USE, "regular", options=options, PYTHONPATH=str(copied.parent), PYTHONDONTWRITEBYTECODE="")
    quick, regular = (run(USE, way, options=options, PYTHONPATH=str(copied.parent)) for way in ("quick", "regular"))
    assert (quick[1], regular[1]) == (True, False)
    assert quick[0] == regular[0]


def test_a_python_without_the_names_that_this_takes_from_it_imports_as_it_does(copied: Path) -> None:
    program = f"import _thread\ndel _thread._count\n{USE}"
    quick, regular = (run(program, way, PYTHONPATH=str(copied.parent)) for way in ("quick", "regular"))
    assert quick == regular


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
    assert run(program) == [[0, True, 0, True], True]


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
