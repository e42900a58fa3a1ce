"""What objects ask the kernel for: its configuration, symbols and functions, those of modules too."""

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
from purebpf.errors import KernelError, NotSupported, UnresolvedExtern, VerifierError
from purebpf.host.kallsyms import read_kallsyms
from purebpf.host.modules import modules, open_module
from purebpf.plan.steps import FreezeMap, SetValue
from tests.kernel.conftest import IN_VM

BpfFile = Callable[[str], Path]
MODULE = "nf_conntrack"


def configured(name: str) -> str | None:
    """What the kernel's configuration says, by another reader than the library's."""
    path = Path(f"/boot/config-{os.uname().release}")
    text = path.read_text() if path.exists() else gzip.decompress(Path("/proc/config.gz").read_bytes()).decode()
    lines = [line for line in text.splitlines() if line.startswith(f"{name}=")]
    return lines[0].partition("=")[2] if lines else None


def number(name: str) -> int:
    """A number of the configuration, 0 if it is not set."""
    return int(configured(name) or "0", 0)


# ------------------------------------------------------------------ kconfig


def test_a_program_sees_the_kernels_configuration(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("kconfig")) as loaded:
        loaded.programs["look"].test_run()
        seen = loaded.variables["seen"]
    assert seen.hz == number("CONFIG_HZ") > 0
    assert seen.nr_cpus == number("CONFIG_NR_CPUS")
    assert seen.bpf_syscall is True
    assert seen.bpf == ord(configured("CONFIG_BPF") or "\0")
    assert seen.ipv6.name == {"y": "TRI_YES", "m": "TRI_MODULE", None: "TRI_NO"}[configured("CONFIG_IPV6")]
    assert f'"{seen.hostname}"' == configured("CONFIG_DEFAULT_HOSTNAME")
    assert (seen.missing, seen.unheard_of) == (0, 0)
    assert seen.kernel_version == purebpf.running_target().kernel_version
    assert seen.has_bpf_cookie is True


def test_its_values_are_variables_that_can_be_read_only(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("kconfig"), kconfig={"CONFIG_HZ": 77}) as loaded:
        assert loaded.variables["CONFIG_HZ"] == 77
        with pytest.raises(TypeError, match=r"'\.kconfig' became read-only"):
            loaded.variables["CONFIG_HZ"] = 1
        with pytest.raises(KernelError):
            loaded.maps[".kconfig"][0] = loaded.maps[".kconfig"][0]


def test_the_values_stand_in_a_frozen_map(bpf_object: BpfFile) -> None:
    plan = purebpf.plan(bpf_object("kconfig"))
    steps = [step for step in plan.steps if isinstance(step, SetValue | FreezeMap) and step.map == ".kconfig"]
    assert [type(step) for step in steps] == [SetValue, FreezeMap]


@pytest.mark.parametrize("text", ["CONFIG_HZ=1234\nCONFIG_NOT_IN_ANY_KERNEL=0x10", "# CONFIG_HZ=1\nCONFIG_HZ=1234\n"])
def test_what_the_user_says_goes_before_the_kernels_configuration(bpf_object: BpfFile, text: str) -> None:
    with purebpf.load(bpf_object("kconfig"), kconfig=text) as loaded:
        loaded.programs["look"].test_run()
        assert loaded.variables["seen"].hz == 1234
        assert loaded.variables["seen"].missing == (16 if "0x10" in text else 0)
        assert loaded.variables["seen"].nr_cpus == number("CONFIG_NR_CPUS")


# ------------------------------------------------------------------ symbols


def test_a_symbol_without_a_type_is_its_address(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("ksyms")) as loaded:
        loaded.programs["addresses"].test_run()
        found = loaded.variables["schedule_address"]
        assert (loaded.variables["missing_address"], loaded.variables["missing_typed_address"]) == (0, 0)
    assert [found] == sorted(set(read_kallsyms().addresses("schedule")))


def test_a_variable_with_a_type_is_read_by_its_type(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("ksyms")).with_programs("queues")
    if configured("CONFIG_KALLSYMS_ALL") is None:
        # Such a kernel does not know where its own variables are.
        with pytest.raises(VerifierError, match="failed to find the address for kernel symbol 'runqueues'"):
            purebpf.load(spec)
        return
    with purebpf.load(spec) as loaded:
        loaded.programs["queues"].test_run()
        assert loaded.variables["cpu_of_queue_1"] == (1 if (os.cpu_count() or 1) > 1 else -1)
        assert 0 <= loaded.variables["cpu_of_this_queue"] < (os.cpu_count() or 1)


# ------------------------------------------------------------------ functions


def test_a_kernel_function_is_called_under_any_flavour_and_an_absent_one_is_none(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("kfunc")) as loaded:
        loaded.programs["look"].test_run()
        assert loaded.variables["absent"] == 1
        # bpf_task_from_pid() came with 6.2 for tracing, later for syscall programs; pid 1 is not in every namespace.
        assert loaded.variables["found"] in (-1, 0, 1)


def test_a_kernel_function_that_must_be_there_is_called_or_named(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("kfunc")).with_programs("lock")
    btf = purebpf.running_target().btf
    assert btf is not None
    if btf.find_one("bpf_rcu_read_lock") is None:
        with pytest.raises(UnresolvedExtern, match="'bpf_rcu_read_lock' cannot be had: the running kernel has no func"):
            purebpf.load(spec)
        return
    with purebpf.load(spec) as loaded:
        assert loaded.programs["lock"].test_run().retval == 7


def test_the_verifiers_refusal_of_an_absent_function_names_it(bpf_object: BpfFile) -> None:
    with pytest.raises(VerifierError) as caught:
        purebpf.load(purebpf.open(bpf_object("kfunc")).with_programs("call_the_absent"))
    message = str(caught.value)
    assert (
        "it calls the weak kernel function 'bpf_in_no_kernel', and the running kernel has no function of that"
        in message
    )
    assert "kfunc.bpf.c" in message
    # The last line is the remedy: which one goes by the kernel's version.
    assert "bpf_ksym_exists()" in message.splitlines()[-1]


@pytest.fixture
def conntrack() -> bool:
    """Whether it is a module, and has types; in a VM it is loaded."""
    if IN_VM:
        modprobe = shutil.which("modprobe") or "/sbin/modprobe"
        subprocess.run([modprobe, MODULE], check=True)
        assert Path(f"/sys/kernel/btf/{MODULE}").exists()
    return Path(f"/sys/kernel/btf/{MODULE}").exists()


def test_a_modules_function_is_called(bpf_object: BpfFile, conntrack: bool) -> None:
    spec = purebpf.open(bpf_object("kfunc_module")).with_programs("look_up")
    btf = purebpf.running_target().btf
    assert btf is not None
    if not conntrack and btf.find_one("bpf_xdp_ct_lookup") is None:
        with pytest.raises(UnresolvedExtern, match="they may lie in a module: nf_conntrack"):
            purebpf.plan(spec)
        return
    plan = purebpf.plan(spec)
    assert next(plan.programs()).fd_array == (("", MODULE) if conntrack else ())
    with purebpf.load(plan) as loaded:
        loaded.programs["look_up"].test_run(b"\0" * 64)
        assert (loaded.variables["found"], loaded.variables["error"]) == (0, -2)  # ENOENT: there is no such connection


def test_modules_have_types_that_continue_the_kernels(conntrack: bool) -> None:
    base = purebpf.running_target().btf
    assert base is not None
    found = {module.name: module for module in modules(base)}
    assert (MODULE in found) is conntrack
    for module in found.values():
        assert module.btf.base is base
        assert module.btf.first_id == len(base)
        assert module.btf is found[module.name].btf
    if conntrack:
        with open_module(MODULE) as types:
            assert types.number > 0


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(KernelError, match="'no_such_module': it is not loaded any more, or has no BTF"):
        open_module("no_such_module")


# ------------------------------------------------------------------ types from elsewhere


def test_given_types_serve_core_and_nothing_else(bpf_object: BpfFile, tmp_path: Path) -> None:
    kernel = purebpf.running_target().btf
    assert kernel is not None
    file = tmp_path / f"{os.uname().release}.btf"
    file.write_bytes(kernel.raw)
    for option in (file, str(tmp_path), [tmp_path / "nothing", tmp_path]):
        with purebpf.load(bpf_object("kfunc"), btf=option) as loaded:
            loaded.programs["look"].test_run()
            assert loaded.variables["absent"] == 1


def test_a_kernel_that_shows_no_configuration_is_not_supported(bpf_object: BpfFile) -> None:
    from dataclasses import replace

    from purebpf.host.kconfig import read_kconfig

    hidden = replace(purebpf.running_target(), read_kconfig=lambda: read_kconfig(("/nowhere/config",)))
    with pytest.raises(NotSupported, match="CONFIG_IKCONFIG_PROC"):
        purebpf.plan(bpf_object("kconfig"), hidden)


def test_the_command_line_says_values_and_types(bpf_object: BpfFile, tmp_path: Path) -> None:
    kernel = purebpf.running_target().btf
    assert kernel is not None
    (tmp_path / "kernel.btf").write_bytes(kernel.raw)

    def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "purebpf", "run", str(bpf_object(name)), "--duration", "0.1", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    taken = run("execs", "--btf", str(tmp_path / "kernel.btf"))
    assert taken.returncode == 0, taken.stderr
    assert run("execs", "--btf", str(tmp_path / "nothing")).returncode == 1
    refused = run("kconfig", "--kconfig", "CONFIG_HZ=m")
    assert refused.returncode == 1
    assert "'CONFIG_HZ' cannot be had: the value 'm' does not fit its declaration as an integer" in refused.stderr
