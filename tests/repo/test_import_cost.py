"""What `import purebpf` and a load bring: counted in modules, as a time would depend on the machine."""

import json
import subprocess
import sys

import pytest

# each of these costs more than the whole of purebpf's own import
# (typing is among them: in 3.11 it brings re, enum and functools)
HEAVY = {
    "dataclasses",
    "enum",
    "inspect",
    "re",
    "typing",
    "elftools",
    "ctypes",
    "subprocess",
    "pathlib",
    "logging",
    "json",
}

# These draw one another in: together as much as twenty modules of purebpf. (enum draws them all in, array collections.)
FUNCTIONAL = {"array", "collections", "functools", "keyword", "operator", "reprlib", "types"}

_PROGRAM = """
import sys
before = set(sys.modules)
{statement}
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps(loaded))
"""


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads into a bare interpreter (-I -S would hide the package's own path)."""
    program = _PROGRAM.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_what_every_program_needs_and_no_more() -> None:
    loaded = loaded_by("import purebpf")
    ours = {name for name in loaded if name.startswith("purebpf")}
    errors_and_enumerations = {"purebpf", "purebpf.errors", "purebpf.uapi", "purebpf.units", "purebpf.enums"}
    value_classes = {"purebpf.frozen", "purebpf.initializers", "purebpf.standard"}
    targets_and_plans = {"purebpf.plan", "purebpf.plan.target", "purebpf.plan.steps"}
    specs = {"purebpf.spec", "purebpf.spec.model", "purebpf.spec.sections"}
    importing = {"purebpf.quick_import", "purebpf.load_path"}
    assert ours == errors_and_enumerations | value_classes | targets_and_plans | specs | importing
    assert loaded - ours <= {"__future__", "errno", "gc"}


def test_errors_cost_no_machinery() -> None:
    assert not loaded_by("import purebpf\npurebpf.BpfError") & HEAVY


def test_a_load_imports_nothing_heavy_and_nothing_that_few_objects_need() -> None:
    loaded = loaded_by(
        "import purebpf\npurebpf.open('bpf/built/bootstrap.bpf.o')\npurebpf.load\npurebpf.running_target()"
    )
    assert not loaded & (
        HEAVY
        | {"bisect", "contextlib", "importlib", "mmap", "resource", "threading", "traceback", "warnings", "weakref"}
    )
    assert not loaded & FUNCTIONAL
    rare = {
        "purebpf.btf.codec",
        "purebpf.btf.writer",
        "purebpf.host.kallsyms",
        "purebpf.host.memlock",
        "purebpf.host.permissions",
        "purebpf.insn.opcodes",
        "purebpf.live.links",
        "purebpf.live.program",
        "purebpf.live.seam",
        "purebpf.near",
        "purebpf.plan.attach_target",
        "purebpf.plan.sanitize",
        "purebpf.plan.struct_ops",
        "purebpf.relocate.comparison",
        "purebpf.relocate.externs",
        "purebpf.relocate.kernel_facts",
        "purebpf.spec.arena",
        "purebpf.spec.externs",
        "purebpf.spec.jumptables",
        "purebpf.spec.struct_ops",
        "purebpf.syscall.attrs",
        "purebpf.syscall.infos",
        "purebpf.syscall.links",
        "purebpf.syscall.objects",
        "purebpf.syscall.programs",
    }
    assert not loaded & rare
    assert {"purebpf.plan.stages", "purebpf.live.loader", "purebpf.host.target"} <= loaded


@pytest.mark.parametrize("module", ["elf", "btf", "insn", "spec", "relocate", "plan", "inspect"])
def test_the_pure_half_loads_nothing_of_the_kernel_side(module: str) -> None:
    loaded = loaded_by(f"import purebpf.{module}")
    kernel_side = ("purebpf._fastpath", "purebpf.syscall", "purebpf.host", "purebpf.live")
    assert not [name for name in loaded if name.startswith(kernel_side)]
