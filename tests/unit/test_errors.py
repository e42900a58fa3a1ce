"""What errors say, and by which classes they are caught."""

import errno

import pytest

from purebpf import errors
from purebpf.errors import (
    AttachTargetError,
    BpfError,
    BtfError,
    ElfError,
    KernelError,
    NotPermitted,
    NotSupported,
    ObjectFileError,
    PlanError,
    RelocationError,
    SpecError,
    UnresolvedExtern,
    VerifierError,
)


@pytest.mark.parametrize(
    ("error", "parents"),
    [
        (ElfError, (ObjectFileError, ValueError)),
        (BtfError, (ObjectFileError, ValueError)),
        (SpecError, (ObjectFileError, ValueError)),
        (RelocationError, (PlanError,)),
        (UnresolvedExtern, (PlanError,)),
        (AttachTargetError, (PlanError,)),
        (NotSupported, ()),
        (NotPermitted, (KernelError, PermissionError, OSError)),
        (VerifierError, (KernelError, OSError)),
    ],
)
def test_blame_decides_the_class(error: type[BpfError], parents: tuple[type, ...]) -> None:
    assert all(issubclass(error, parent) for parent in (BpfError, *parents))
    assert f" {error.__name__}" in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ElfError("it is cut off"), "it is cut off"),
        (ElfError("it is cut off", file="a.o"), "'a.o': it is cut off"),
        (
            SpecError("no such map", file="a.o", section="xdp", offset=16),
            "'a.o', section 'xdp', offset 0x10: no such map",
        ),
        (BtfError("bad", offset=0), "offset 0x0: bad"),
        (PlanError("no way"), "no way"),
        (PlanError("no way", program="p"), "cannot prepare program 'p': no way"),
        (
            RelocationError("no way", program="p", insn=0, evidence=["seen"], remedy="try again"),
            "cannot prepare program 'p', instruction 0: no way\n  seen\ntry again",
        ),
        (NotSupported("arenas"), "this kernel does not support arenas"),
        (
            NotSupported("arenas", since="6.9", config="CONFIG_X", evidence=("why",), remedy="use an array"),
            "this kernel does not support arenas: needs Linux 6.9 or newer and a kernel built with CONFIG_X\n"
            "  why\nuse an array",
        ),
        (KernelError("create map", "m", errno.EINVAL), "cannot create map 'm': Invalid argument [EINVAL]"),
        (KernelError("load BTF", "", errno.E2BIG), "cannot load BTF: Argument list too long [E2BIG]"),
        (
            KernelError("pin map", "/p", errno.EEXIST, reason="it is there", evidence=["a", "b"], remedy="rm /p"),
            "cannot pin map '/p': it is there [EEXIST]\n  a\n  b\nrm /p",
        ),
        (
            KernelError("set a value of map", "m", 524),
            "cannot set a value of map 'm': Operation not supported [ENOTSUPP]",
        ),
        (
            NotPermitted(
                "load program", "p", errno.EPERM, evidence=["this process lacks CAP_BPF"], remedy="run as root"
            ),
            "cannot load program 'p': Operation not permitted [EPERM]\n  this process lacks CAP_BPF\nrun as root",
        ),
    ],
)
def test_the_first_line_says_what_then_evidence_then_the_remedy(error: BpfError, text: str) -> None:
    assert str(error) == text


def verifier_error(**changes: object) -> VerifierError:
    arguments: dict[str, object] = {
        "program_type": "kprobe",
        "log": "0: (79) r2 = *(u64 *)(r0 +0)\nR0 !read_ok\nprocessed 1 insns\nend\n",
        "complaint": "0: (79) r2 = *(u64 *)(r0 +0)\nR0 !read_ok",
        "source": "trace.bpf.c:12   pid = task->tgid;",
        "insn": 0,
    }
    return VerifierError("trace_exec", errno.EACCES, **{**arguments, **changes})  # type: ignore[arg-type]


def test_the_verifiers_verdict_stands_in_the_message_and_its_log_beside_it() -> None:
    assert str(verifier_error()) == (
        "cannot load program 'trace_exec' (kprobe): Permission denied [EACCES]\n"
        "  verifier at instruction 0, trace.bpf.c:12   pid = task->tgid;\n"
        "    0: (79) r2 = *(u64 *)(r0 +0)\n"
        "    R0 !read_ok\n"
        "  (4 log lines in .log)"
    )


@pytest.mark.parametrize(
    ("log", "counted"),
    [("", "(0 log lines"), ("one", "(1 log line "), ("one\n", "(1 log line "), ("a\nb", "(2 log lines")],
)
def test_the_lines_of_the_log_are_counted(log: str, counted: str) -> None:
    assert counted in str(verifier_error(log=log))


def test_a_verdict_without_place_says_verifier_only() -> None:
    lines = str(verifier_error(source=None, insn=None, remedy="make it shorter", evidence=["hint"])).splitlines()
    assert lines[1] == "  verifier"
    assert lines[-3:] == ["  hint", "  (4 log lines in .log)", "make it shorter"]


def test_errors_carry_their_data() -> None:
    error = KernelError("create map", "m", errno.EPERM)
    assert (error.operation, error.subject, error.errno, error.errno_name) == ("create map", "m", errno.EPERM, "EPERM")
    assert error.strerror == "Operation not permitted"
    plan = PlanError("no", program="p", insn=3, evidence=["a"])
    assert (plan.program, plan.insn, plan.evidence) == ("p", 3, ("a",))
    file = ObjectFileError("bad", file="f", section="s", offset=1)
    assert (file.file, file.section, file.offset, file.reason) == ("f", "s", 1, "bad")
    assert verifier_error().complaint.endswith("!read_ok")


def test_an_error_of_a_permission_is_caught_as_pythons_own() -> None:
    with pytest.raises(PermissionError):
        raise NotPermitted("load program", "p", errno.EPERM)
    with pytest.raises(OSError, match="EINVAL") as caught:
        raise KernelError("create map", "m", errno.EINVAL)
    assert caught.value.errno == errno.EINVAL


def test_the_kernels_own_errno_has_its_name() -> None:
    error = KernelError("read map", "events", 524)
    assert str(error) == "cannot read map 'events': Operation not supported [ENOTSUPP]"
